"""What can go wrong with the embedded servers.

SetupError
└── SandboxError          the embedded servers cannot be had
    ├── ExtraMissingError a package of the extra `sandbox` is not installed
    ├── ChecksumError     a jar is not the one that the lock names
    └── ServerEndedError  a server ended before it answered
"""

from unenroll.errors import SetupError


class SandboxError(SetupError):
    """The embedded servers cannot be had. A retry cannot help."""


class ExtraMissingError(SandboxError):
    """A package of the extra `sandbox` is not installed. A retry cannot help."""


class ChecksumError(SandboxError):
    """A jar is not the one that the lock names. A retry cannot help."""


class ServerEndedError(SandboxError):
    """A server ended before it answered; the text ends with the last lines of its log. A retry cannot help."""
