"""A machine whose service manager this release cannot talk to: what is asked of it is unreadable, never absent."""

from reconciler.core.errors import NotSupported
from reconciler.core.senses import UnitStat


class NoUnits:
    """Satisfies Units."""

    def look(self, name: str) -> UnitStat:
        raise _refusal(name)

    def log(self, _name: str, _lines: int) -> tuple[str, ...]:
        return ()

    def reload(self) -> None:
        raise _refusal("its units")

    def enable(self, name: str) -> None:
        raise _refusal(name)

    def disable(self, name: str) -> None:
        raise _refusal(name)

    def start(self, name: str) -> None:
        raise _refusal(name)

    def stop(self, name: str) -> None:
        raise _refusal(name)

    def restart(self, name: str) -> None:
        raise _refusal(name)


def _refusal(what: str) -> NotSupported:
    hint = "services are managed in a sandbox only (--root DIR) by this release"
    return NotSupported(f"cannot manage {what} on this machine", hint=hint)
