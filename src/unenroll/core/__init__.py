"""The rules of rules.md as pure functions: no I/O, no clock, no environment, no third-party package."""
