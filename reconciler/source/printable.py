"""Text of somebody else's is shown on one line, and nothing in it is obeyed by a terminal."""


def printable(text: str) -> str:
    return "".join(char if char.isprintable() else "�" for char in text)
