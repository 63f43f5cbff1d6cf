"""Whoever mistyped is told what they may have meant."""

import difflib
from collections.abc import Iterable

LONGEST = 200
"""Characters of a word that is worth comparing."""

LIKE = 0.65
"""How alike two words are, from 0 to 1, when one may have been meant for the other."""


def nearest(word: str, options: Iterable[str]) -> str | None:
    """The option most like the word, letters folded; None where none is alike."""
    if len(word) > LONGEST:
        return None
    folded = {option.casefold(): option for option in sorted(options, reverse=True)}
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=LIKE)
    return folded[close[0]] if close else None


def did_you_mean(word: str, options: Iterable[str]) -> str | None:
    found = nearest(word, options)
    return f"did you mean {found}?" if found is not None else None
