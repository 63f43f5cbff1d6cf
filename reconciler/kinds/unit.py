"""The truth about a service is its unit file and our drop-in; and what runs says with what it was started.

So there is no "restart when a file changes" that a crash could lose: running with another stamp than the one desired is
drift. The drop-in carries the stamp into the environment, and what the unit reads and follows, for who finds it later.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from reconciler.core.desired import canonical
from reconciler.core.drift import PRESENCE, FieldDrift, compare
from reconciler.core.errors import InTheWay
from reconciler.core.host import Access, FileType, Host, HostView, Payloads
from reconciler.core.identity import Digest, ResourceId
from reconciler.core.kind import Content, Kind, Material, Mistake, Section, text_of
from reconciler.core.state import ABSENT, Absent, AnyState, Occupied, State
from reconciler.format.dropin import Dropin, recall, variable

FOLDER = "/etc/systemd/system"
DROPIN = "50-reconciler.conf"
MAX_DROPIN_BYTES = 64 << 10

_NAME = re.compile(r"[A-Za-z0-9:_.\\@-]+\.(service|timer|socket|path|target)")
_NAME_MAX = 200
"""A name has 255 characters at most (systemd.unit(5)); folders, logs and what is made ready beside it add theirs."""
_ACCESS = ("mode", "owner", "group")


@dataclass(frozen=True, slots=True)
class UnitEntry:
    """Its text in `content`, or in `source` the path of a payload in the repo; with neither it is a package's.

    `env` are variables of the service, `after` units of this desired state that must be up first. `reads` are the
    resources, by id or a file's path, that it is started with: it is started again when their desired state changes.
    """

    content: str | None = None
    source: str | None = None
    enabled: bool | None = None
    running: bool | None = None
    env: dict[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UnitState(State):
    """`dropin` is the text of ours, "" where there is none; `stamp` that of what runs, "" where it has none.

    A desired stamp that is None is not bound yet; "" is that of a unit that cannot have one.
    `env` ("KEY=value", sorted) is said on the desired side only. Where it is not said, this is a state that was seen:
    no `content` then means that there was no file, and not that it is another's business.
    """

    content: Digest | None = None
    dropin: str | None = None
    stamp: str | None = None
    enabled: bool | None = None
    running: bool | None = None
    after: tuple[str, ...] | None = None
    reads: tuple[str, ...] | None = None
    env: tuple[str, ...] | None = None

    @property
    def was_seen(self) -> bool:
        return self.env is None


NOTHING = UnitState(None, "", None, enabled=False, running=False, after=(), reads=())
"""What is seen where there is no unit."""


def place(name: str) -> str:
    return f"{FOLDER}/{name}"


def touches(name: str) -> tuple[str, ...]:
    """Its own files, and what says that it starts with the machine."""
    wants = f"{FOLDER}/multi-user.target.wants"
    return (place(name), f"{place(name)}.d", dropin_place(name), wants, f"{wants}/{name}")


def dropin_place(name: str) -> str:
    return f"{place(name)}.d/{DROPIN}"


def observe(name: str, view: HostView) -> AnyState:
    unit, ours = view.files.stat(place(name)), view.files.stat(dropin_place(name))
    for stat in (unit, ours):
        if stat is not None and stat.type is not FileType.FILE:
            return Occupied(str(stat.type))
    if ours and ours.size > MAX_DROPIN_BYTES:
        return Occupied("drop-in that is not ours")
    content = Digest.of(view.files.read(place(name))) if unit else None
    dropin = b"".join(view.files.read(dropin_place(name))).decode(errors="replace") if ours else ""
    runs, said = view.units.look(name), recall(dropin)
    stamp = runs.stamp if runs.running else None
    seen = UnitState(content, dropin, stamp, runs.enabled, runs.running, said.after, said.reads)
    return ABSENT if seen == NOTHING else seen


def diff(desired: AnyState, observed: AnyState) -> tuple[FieldDrift, ...]:
    """Where a unit should neither be there nor do anything, none is as good."""
    if not isinstance(desired, UnitState):
        return compare(desired, observed)
    if isinstance(observed, Absent):
        return (FieldDrift(PRESENCE, "present", "absent"),) if tuple(_drifts(desired, NOTHING)) else ()
    return tuple(_drifts(desired, observed)) if isinstance(observed, UnitState) else compare(desired, observed)


def apply(name: str, desired: AnyState, host: Host) -> None:
    """Files first and for certain; then what runs is made to run with them."""
    seen = observe(name, host)
    if isinstance(seen, Occupied):
        raise InTheWay(f"cannot bring {name}: a {seen.by} stands in its place", hint="move it away")
    if isinstance(desired, UnitState):
        _bring(name, desired, seen if isinstance(seen, UnitState) else NOTHING, host)
    elif seen != ABSENT:
        _take_away(name, host)
    else:
        _remove_dropin(name, host)


def bind(state: State, needed: Mapping[ResourceId, State]) -> State:
    """The stamp is a digest of all that the unit is started with.

    A unit that we only start and stop has none, nor has one without processes: a timer or a socket.
    """
    if not isinstance(state, UnitState):
        raise TypeError("not a state of a unit")
    stamp = "" if state.stamp == "" else _stamp(state, needed)
    dropin = Dropin(state.after or (), state.reads or (), state.env or (), stamp)
    return replace(state, stamp=stamp, dropin=dropin.render())


def needs(name: str, state: AnyState) -> tuple[ResourceId, ...]:
    """Of a state that was seen, what its drop-in says."""
    after = (state.after or ()) if isinstance(state, UnitState) else ()
    first = (*(ResourceId("unit", other) for other in after), *_read(state))
    return (ResourceId("directory", FOLDER), *(id for id in first if id != ResourceId("unit", name)))


def declare(name: str, entry: UnitEntry, material: Material) -> UnitState:
    check_name(name)
    for other in entry.after:
        check_name(other, "after")
    if not name.endswith(".service") and (entry.env or entry.reads):
        raise Mistake("only a service is started with something", "env" if entry.env else "reads")
    env = tuple(sorted(_variable(key, value) for key, value in entry.env.items()))
    after, reads = tuple(sorted(set(entry.after))), tuple(sorted({str(_resource(text)) for text in entry.reads}))
    stamp = None if name.endswith(".service") else ""
    return UnitState(
        text_of(entry.content, entry.source, material), None, stamp, entry.enabled, entry.running, after, reads, env
    )


def check_name(name: str, *keys: str) -> None:
    """Raises Mistake where no unit can be called so; `keys` lead to where it is said."""
    if not _NAME.fullmatch(name) or len(name) > _NAME_MAX:
        hint = f"as in sensor.service: letters, digits, : _ . \\ @ -, {_NAME_MAX} characters at most"
        raise Mistake(f"{name[:40]!r} is no name of a service, timer, socket, path or target", *keys, hint=hint)


def payloads(state: State) -> Iterable[Digest]:
    return (state.content,) if isinstance(state, UnitState) and state.content else ()


def read(name: str, view: HostView) -> Iterator[bytes]:
    return view.files.read(place(name)) if view.files.stat(place(name)) else iter(())


def render(state: State, before: bytes | None, source: Payloads) -> bytes:
    if isinstance(state, UnitState) and state.content:
        return b"".join(source.open(state.content))
    return before or b""


def _stamp(state: UnitState, needed: Mapping[ResourceId, State]) -> str:
    reads = {str(id): one.to_json() for id, one in needed.items() if id in _read(state) or id.kind == "release"}
    read = {id: {key: said for key, said in one.items() if key not in _ACCESS} for id, one in reads.items()}
    if state.content is None and not state.env and not read:
        return ""
    content = str(state.content) if state.content else None
    return str(Digest.of(canonical({"content": content, "env": list(state.env or ()), "reads": read})))


def _drifts(desired: UnitState, observed: UnitState) -> Iterator[FieldDrift]:
    if (desired.content or desired.was_seen) and desired.content != observed.content:
        yield FieldDrift("content", desired.content, observed.content)
    if desired.dropin is not None and desired.dropin != observed.dropin:
        yield FieldDrift("dropin", Digest.of(desired.dropin.encode()), Digest.of((observed.dropin or "").encode()))
    if desired.enabled is not None and desired.enabled != observed.enabled:
        yield FieldDrift("enabled", desired.enabled, observed.enabled)
    if desired.running is not None and desired.running != observed.running:
        yield FieldDrift("running", desired.running, observed.running)
    elif observed.running and not _runs_with(desired, observed.stamp or ""):
        yield FieldDrift("started with", "what is declared", "something else")


def _runs_with(desired: UnitState, stamp: str) -> bool:
    """What was seen to run with other things than its files said can be brought back to those files only."""
    if desired.stamp is None or stamp == desired.stamp:
        return True
    return desired.was_seen and stamp == recall(desired.dropin or "").stamp


def _bring(name: str, desired: UnitState, seen: UnitState, host: Host) -> None:
    rewritten = _write_unit(name, desired, seen, host)
    if _write_dropin(name, desired, seen, host) or rewritten:
        host.files.settle()
    drifts = {drift.field for drift in _drifts(desired, seen)}
    if drifts:
        host.units.reload()
    if "enabled" in drifts:
        (host.units.enable if desired.enabled else host.units.disable)(name)
    if "running" in drifts:
        (host.units.start if desired.running else host.units.stop)(name)
    elif seen.running and ("started with" in drifts or (rewritten and not (desired.was_seen and desired.stamp))):
        host.units.restart(name)  # who rewrote it may have restarted it, too; what we take back has the stamp of before


def _write_unit(name: str, desired: UnitState, seen: UnitState, host: Host) -> bool:
    """Whether it was another one."""
    if desired.content == seen.content or not (desired.content or desired.was_seen):
        return False
    if desired.content:
        host.files.write(place(name), host.payloads.open(desired.content), Access())
    else:
        host.files.remove(place(name))
    return True


def _write_dropin(name: str, desired: UnitState, seen: UnitState, host: Host) -> bool:
    if desired.dropin is None:
        return False
    if not desired.dropin:
        _remove_dropin(name, host)
    elif desired.dropin != seen.dropin:
        host.files.make_directory(f"{place(name)}.d", Access(0o755))
        host.files.write(dropin_place(name), (desired.dropin.encode(),), Access(0o644))
    return desired.dropin != seen.dropin


def _remove_dropin(name: str, host: Host) -> None:
    """And what an interrupted effect left beside it, or its folder would stay."""
    if host.files.stat(f"{place(name)}.d") is None:
        return
    host.files.remove(dropin_place(name))
    host.files.clean(dropin_place(name))
    host.files.remove_directory(f"{place(name)}.d")


def _take_away(name: str, host: Host) -> None:
    host.units.stop(name)
    host.units.disable(name)
    _remove_dropin(name, host)
    host.files.remove(place(name))
    host.files.settle()
    host.units.reload()


def _read(state: AnyState) -> tuple[ResourceId, ...]:
    return tuple(ResourceId.parse(text) for text in (state.reads or ())) if isinstance(state, UnitState) else ()


def _variable(key: str, value: str) -> str:
    try:
        return variable(key, value)
    except ValueError as error:
        raise Mistake(str(error), "env", key) from error


def _resource(text: str) -> ResourceId:
    """A path is the file there."""
    try:
        return ResourceId("file", text) if text.startswith("/") else ResourceId.parse(text)
    except ValueError as error:
        raise Mistake(str(error), "reads", hint="a path, or kind:name as in config:/etc/app.yml") from error


KIND = Kind(
    name="unit",
    state=UnitState,
    observe=observe,
    apply=apply,
    diff=diff,
    needs=needs,
    place=place,
    touches=touches,
    payloads=payloads,
    content=Content(read, render),
    deadline=timedelta(seconds=120),
    bind=bind,
    still=lambda name, host: host.units.stop(name),
    rests=lambda state: isinstance(state, UnitState) and state.running is False,
    section=Section("units", UnitEntry, declare, about="Services, timers and other systemd units by their name."),
)
