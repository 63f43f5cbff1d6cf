"""One file a probe: a module in this folder is a probe, named as the file is, and nothing lists them by hand."""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from reconciler.core.probe import Probe, Probes


@cache
def discover() -> Probes:
    """Every probe by its name."""
    names = sorted(module.name for module in iter_modules(__path__))
    return MappingProxyType({name: _probe(name) for name in names})


def _probe(name: str) -> Probe:
    probe = import_module(f"{__name__}.{name}").PROBE
    if not isinstance(probe, Probe) or probe.name != name:
        raise TypeError(f"probes/{name}.py declares no PROBE called {name!r}")
    return probe
