"""TOML 1.0 through tomlkit, which keeps comments and order."""

from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from reconciler.format.graft import graft, plain, same


def parse(text: str) -> Any:
    try:
        return plain(tomlkit.parse(text).unwrap())
    except TOMLKitError as error:
        raise ValueError(str(error)) from error


def fit(values: Any, text: str | None) -> str:
    """Raises ValueError for what TOML cannot hold: null, or anything but a map on top."""
    if not isinstance(values, dict):
        raise ValueError("a TOML file holds a map")
    if text is not None:
        fitted = _fitted(values, text)
        if fitted is not None:
            return fitted
    return _new(values)


def _fitted(values: dict[str, Any], text: str) -> str | None:
    """None where the text cannot be read, or does not hold exactly the values afterwards."""
    try:
        document = tomlkit.parse(text)
        graft(document, values)
        fitted = tomlkit.dumps(document)
        return fitted if same(parse(fitted), values) else None
    except (TOMLKitError, ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None  # tomlkit raises these too, of trees that a graft made odd


def _has_null(value: Any) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value is None or any(_has_null(item) for item in inner)


def _new(values: dict[str, Any]) -> str:
    if _has_null(values):
        raise ValueError("TOML has no null")
    try:
        return tomlkit.dumps(values)
    except (TOMLKitError, TypeError) as error:
        raise ValueError(f"TOML cannot hold these values: {error}") from error
