"""A value as an operator would call it, in as few words as a message has room for."""

LONGEST = 60


def shown(text: str) -> str:
    """In quotes, with what cannot be printed escaped."""
    return repr(text if len(text) <= LONGEST else f"{text[:LONGEST]}…")


def say(value: object) -> str:
    """A value as an operator would call it."""
    match value:
        case None:
            return "nothing (null)"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the string {shown(value)}"
        case dict():
            return "a map"
    return "a list"
