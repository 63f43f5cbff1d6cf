"""Values are put into a tree that somebody wrote by changing as little of it as can be.

So what a round-trip parser hangs on the tree (comments, order, quotes, blank lines) stays where its neighbours stay.
"""

import json
from collections.abc import MutableMapping, MutableSequence
from datetime import date, datetime, time
from typing import Any


def graft(tree: MutableMapping[str, Any], values: dict[str, Any]) -> None:
    """`tree` holds exactly `values` afterwards."""
    for key in [key for key in tree if key_text(key) not in values]:
        del tree[key]
    there = {key_text(key): key for key in tree}
    for name, value in values.items():
        key = there.get(name, name)
        if key not in tree or not _grafted(tree[key], value):
            tree[key] = value


def plain(data: Any) -> Any:
    """Parsed data as the language has it: keys are text, and so are dates, which JSON does not know."""
    if isinstance(data, dict):
        return {key_text(key): plain(value) for key, value in data.items()}
    if isinstance(data, (list, tuple, set)):
        return [plain(item) for item in data]
    if isinstance(data, (datetime, date, time)):
        return data.isoformat()
    if isinstance(data, (str, int, float, bool, type(None))):
        return data
    raise ValueError(f"a {type(data).__name__} is no value of a configuration")


def same(one: Any, other: Any) -> bool:
    """Equal as written, too: to Python 1, 1.0 and true are equal, to who reads the file they are not."""
    return bool(one == other) and _written(one) == _written(other)


def key_text(key: object) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return "null" if key is None else str(key)


def _grafted(there: Any, value: Any) -> bool:
    """Whether `there` could be kept, changed within; a leaf is kept where it is the same, also in type."""
    if isinstance(there, MutableMapping) and isinstance(value, dict):
        graft(there, value)
        return True
    if isinstance(there, MutableSequence) and isinstance(value, list):
        _graft_list(there, value)
        return True
    simple = not isinstance(there, (MutableMapping, MutableSequence)) and not isinstance(value, (dict, list))
    return simple and same(there, value)


def _written(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _graft_list(there: MutableSequence[Any], values: list[Any]) -> None:
    del there[len(values) :]
    for index, value in enumerate(values):
        if index >= len(there):
            there.append(value)
        elif not _grafted(there[index], value):
            there[index] = value
