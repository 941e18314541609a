"""Names, secrets and their argon2id hashes, with bounds for their cost."""

import re
import unicodedata

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import ARGON2_VERSION, verify_secret

SHORTEST = 12
LONGEST = 256
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LEAST_KIB = 19 * 1024
_MOST_KIB = 256 * 1024
_MOST_WORK_KIB = 1024 * 1024  # memory times passes: a check takes about a second
_MOST_LANES = 8


def is_name(text: str) -> bool:
    """Whether the text is a valid name of a caller."""
    return _NAME.fullmatch(text) is not None


def is_secret(text: str) -> bool:
    """Whether the text is acceptable as a new secret."""
    return SHORTEST <= len(text) <= LONGEST and text.isprintable()


def hash_of(secret: str) -> str:
    """Hash a secret with a random salt."""
    return PasswordHasher().hash(_bytes(secret))


def matches(hashed: str, secret: str) -> bool:
    """Whether the secret has this hash. Slow by design; it releases the GIL."""
    try:
        return verify_secret(hashed.encode(), _bytes(secret), Type.ID)
    except VerificationError:
        return False


def flaw_of_hash(hashed: str) -> str | None:
    """What is wrong with a hash, or None. The text contains nothing of the hash."""
    try:
        found = extract_parameters(hashed)
    except InvalidHashError:
        return "the hash is not an argon2 hash: make one with unenroll api-secret NAME"
    if found.type is not Type.ID or found.version != ARGON2_VERSION:
        return "the hash is not argon2id, version 19"
    if found.memory_cost < _LEAST_KIB or found.time_cost * found.memory_cost < 2 * _LEAST_KIB:
        return "the hash is too weak: use at least 19 MiB and 2 passes"
    if found.memory_cost > _MOST_KIB or found.time_cost * found.memory_cost > _MOST_WORK_KIB:
        return "the hash is too expensive: use at most 256 MiB, and 1 GiB in all passes"
    if found.parallelism > _MOST_LANES:
        return f"the hash has more than {_MOST_LANES} lanes"
    return None


def _bytes(secret: str) -> bytes:
    return unicodedata.normalize("NFC", secret).encode()
