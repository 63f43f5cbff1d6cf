"""One file a kind: a module in this folder is a kind, named as the file is, and nothing lists them by hand."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from reconciler.core.kind import Kind, Kinds


@cache
def discover() -> Kinds:
    """Every kind by its name."""
    names = sorted(module.name for module in iter_modules(__path__))
    return MappingProxyType({name: _kind(name) for name in names})


def _kind(name: str) -> Kind:
    kind = import_module(f"{__name__}.{name}").KIND
    if not isinstance(kind, Kind) or kind.name != name:
        raise TypeError(f"kinds/{name}.py declares no KIND called {name!r}")
    return kind
