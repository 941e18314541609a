"""Text from elsewhere, made safe to print: one line, and nothing that a terminal would obey."""


def legible(text: str) -> str:
    """The text with each character that cannot be printed replaced by U+FFFD."""
    return text if text.isprintable() else "".join(one if one.isprintable() else "\ufffd" for one in text)
