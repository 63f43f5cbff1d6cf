"""A configuration file is owned whole as values, not as bytes: comments and order of an existing one are kept.

So it drifted where it holds other values; and taking back restores its exact bytes.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from reconciler.core.desired import canonical
from reconciler.core.drift import FieldDrift, compare
from reconciler.core.host import Access, FileType, Host, HostView, Payloads
from reconciler.core.identity import Digest
from reconciler.core.kind import Content, Kind, Material, Mistake, Section, check_path, folder_need
from reconciler.core.state import ABSENT, AnyState, Mode, Occupied, State
from reconciler.format import format_of

MAX_BYTES = 1 << 20
"""Of a file that is read as a configuration; a larger one holds no values that could be right."""

NO_VALUES = "no values that can be read"


@dataclass(frozen=True, slots=True)
class ConfigEntry:
    """`values` is all that the file holds; what else is left out is not managed."""

    format: Literal["yaml", "json", "toml", "env"]
    values: dict[str, Any] = field(default_factory=dict)
    mode: Mode | None = None
    owner: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class ConfigState(State):
    """Desired by `format` and `values` (canonical JSON); observed as `content` and its `text`, if it is one."""

    format: str | None = None
    values: str | None = None
    content: Digest | None = None
    text: str | None = None
    mode: int | None = None
    owner: str | None = None
    group: str | None = None


def observe(name: str, view: HostView) -> AnyState:
    stat = view.files.stat(name)
    if stat is None:
        return ABSENT
    if stat.type is not FileType.FILE:
        return Occupied(str(stat.type))
    if stat.size > MAX_BYTES:
        return ConfigState(None, None, Digest.of(view.files.read(name)), None, stat.mode, stat.owner, stat.group)
    content = b"".join(view.files.read(name))
    return ConfigState(None, None, Digest.of(content), _text(content), stat.mode, stat.owner, stat.group)


def diff(desired: AnyState, observed: AnyState) -> tuple[FieldDrift, ...]:
    """Where the desired side names values, the text is compared by what it holds, value by value."""
    found = compare(desired, observed)
    if not (isinstance(desired, ConfigState) and isinstance(observed, ConfigState)) or desired.values is None:
        return tuple(drift for drift in found if drift.field != "text")
    held = _held(observed.text, desired.format or "")
    if held == desired.values:
        return found
    seen = NO_VALUES if held is None else Digest.of(held.encode())
    return (FieldDrift("values", Digest.of(desired.values.encode()), seen), *found)


def apply(name: str, desired: AnyState, host: Host) -> None:
    if not isinstance(desired, ConfigState):
        host.files.remove(name)
        return
    seen = observe(name, host)
    access = Access(desired.mode, desired.owner, desired.group)
    if isinstance(seen, ConfigState) and not any(d.field in ("values", "content") for d in diff(desired, seen)):
        host.files.set_access(name, access)
        return
    before = seen.text.encode() if isinstance(seen, ConfigState) and seen.text is not None else None
    host.files.write(name, (render(desired, before, host.payloads),), access)


def render(state: State, before: bytes | None, source: Payloads) -> bytes:
    """The text that `apply` writes where `before` is there."""
    if not isinstance(state, ConfigState):
        raise TypeError("not a state of a config")
    if state.content is not None:
        return b"".join(source.open(state.content))
    text = _text(before) if before is not None and len(before) <= MAX_BYTES else None
    return format_of(state.format or "").fit(_values(state), text).encode()


def declare(name: str, entry: ConfigEntry, _material: Material) -> ConfigState:
    """The values are those that a reader of the new file would see: in an env file all are text."""
    check_path(name)
    form = format_of(entry.format)
    try:
        values = form.parse(form.fit(entry.values, None))
    except (ValueError, UnicodeEncodeError) as error:
        raise Mistake(f"{entry.format} cannot hold these values: {error}", "values") from error
    if entry.format != "env" and values != entry.values:
        raise Mistake(f"{entry.format} cannot hold these values: some would be read as others", "values")
    return ConfigState(entry.format, canonical(values).decode(), None, None, entry.mode, entry.owner, entry.group)


def payloads(state: State) -> Iterable[Digest]:
    return (state.content,) if isinstance(state, ConfigState) and state.content else ()


def read(name: str, view: HostView) -> Iterator[bytes]:
    return view.files.read(name)


@lru_cache(maxsize=256)
def _held(text: str | None, format: str) -> str | None:
    """The values of a text as canonical JSON; None where it cannot be read in this format."""
    if text is None:
        return None
    try:
        return canonical(format_of(format).parse(text)).decode()
    except (ValueError, TypeError):
        return None


def _values(state: ConfigState) -> Any:
    return format_of("json").parse(state.values or "{}")


def _text(content: bytes) -> str | None:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


KIND = Kind(
    name="config",
    state=ConfigState,
    observe=observe,
    apply=apply,
    diff=diff,
    needs=folder_need,
    place=lambda name: name,
    payloads=payloads,
    content=Content(read, render),
    section=Section("configs", ConfigEntry, declare, about="Structured files by their path, owned whole."),
)
