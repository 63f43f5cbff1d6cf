"""A section is declared with plain dataclasses; here they become strict models, and what is valid becomes them again.

Nothing is coerced: a string is not a number, and a number not a string. Keys are camelCase and all of them are known.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model
from pydantic import Field as ModelField
from pydantic.alias_generators import to_camel

from reconciler.language.quantity import TYPES


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, alias_generator=to_camel)


def model_of(entry: Any) -> type[BaseModel]:
    """The model of a dataclass."""
    return _model_of(entry)


@cache
def _model_of(entry: Any) -> type[BaseModel]:
    """Its fields have names of their own, so that none hides what a model can do."""
    hints = get_type_hints(entry)
    parts: dict[str, Any] = {f"f_{field.name}": _part(field, hints[field.name]) for field in fields(entry)}
    return create_model(entry.__name__, __base__=Strict, __doc__=about(entry), **parts)


def revive(entry: Any, model: BaseModel) -> Any:
    """The dataclass that a valid model stands for; what was not written is left to the dataclass."""
    return _reviver(entry)(model)


def about(entry: Any) -> str | None:
    """The docstring that somebody wrote, not the one that `dataclass` makes."""
    text = entry.__doc__
    return None if text is None or text.startswith(f"{entry.__name__}(") else text


def inside(hint: Any, path: Iterable[str | int]) -> Any:
    """The type at a path into a type; None where it leads nowhere, Any where everything may stand."""
    for name in path:
        hint = _step(_bare(hint), name)
        if hint is None:
            return None
    return _bare(hint)


def keys_of(hint: Any) -> Mapping[str, Any]:
    """The keys that a model knows; none for what is no model."""
    if not (isinstance(hint, type) and issubclass(hint, BaseModel)):
        return {}
    return {field.alias or name: field for name, field in hint.model_fields.items()}


def _part(field: "Field[Any]", hint: Any) -> tuple[Any, Any]:
    alias = to_camel(field.name)
    if field.default is not MISSING:
        return _annotation(hint), ModelField(default=field.default, alias=alias)
    if field.default_factory is not MISSING:
        return _annotation(hint), ModelField(default_factory=field.default_factory, alias=alias)
    return _annotation(hint), ModelField(alias=alias)


def _annotation(hint: Any) -> Any:
    if hint in TYPES:
        return TYPES[hint]
    if _is_entry(hint):
        return model_of(hint)
    origin, parts = get_origin(hint), get_args(hint)
    if origin is tuple:
        return list[_annotation(parts[0])]  # type: ignore[misc]  # a type made at run time
    if origin is dict:
        return dict[str, _annotation(parts[1])]  # type: ignore[misc]  # a type made at run time
    if origin in (Union, UnionType):
        return Union[tuple(_annotation(part) for part in parts)]  # noqa: UP007  # `|` takes no tuple
    return hint


@cache
def _reviver(hint: Any) -> Callable[[Any], Any]:
    origin, parts = get_origin(hint), get_args(hint)
    if _is_entry(hint):
        return _entry_reviver(hint)
    if origin is tuple:
        item = _reviver(parts[0])
        return lambda values: tuple(item(value) for value in values)
    if origin is dict and parts[1] is not Any:
        item = _reviver(parts[1])
        return lambda values: {key: item(value) for key, value in values.items()}
    if origin in (Union, UnionType):
        (part,) = (part for part in parts if part is not NoneType) if NoneType in parts else (Any,)
        some = _reviver(part)
        return lambda value: None if value is None else some(value)
    return lambda value: value


def _entry_reviver(entry: type[Any]) -> Callable[[Any], Any]:
    hints = get_type_hints(entry)
    readers = {f"f_{field.name}": (field.name, _reviver(hints[field.name])) for field in fields(entry)}

    def read(model: BaseModel) -> Any:
        given = ((*readers[name], getattr(model, name)) for name in model.model_fields_set)
        return entry(**{name: reader(value) for name, reader, value in given})

    return read


def _is_entry(hint: Any) -> bool:
    return isinstance(hint, type) and is_dataclass(hint)


def _bare(hint: Any) -> Any:
    """Without the None that a field may be, and without what is said of it besides."""
    if get_origin(hint) is Annotated:
        return _bare(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        some = [part for part in get_args(hint) if part is not NoneType]
        return _bare(some[0]) if len(some) == 1 else hint
    return hint


def _step(hint: Any, name: str | int) -> Any:
    if hint is Any:
        return Any
    if get_origin(hint) is dict and isinstance(name, str):
        return get_args(hint)[1]
    if get_origin(hint) is list and isinstance(name, int):
        return get_args(hint)[0]
    field = keys_of(hint).get(str(name))
    return None if field is None else field.annotation
