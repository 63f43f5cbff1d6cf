"""Our own files: whose they are, who else may read or change them, and whether there is room for more."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.agent.doctor.finding import Finding, fault, ok, warning
from reconciler.agent.doctor.installation import Installation, git_user
from reconciler.source.power import MIB

OTHERS_CHANGE, OTHERS_USE = 0o022, 0o077


@dataclass(frozen=True, slots=True)
class Place:
    """`mode` is as we make it: `never` may not be added to it, and `always` may not be taken away on a device.

    What is `deep` belongs to one user with all that is below.
    """

    name: str
    path: str
    mode: int
    never: int
    always: int = 0
    owner: int | None = None
    deep: bool = False


@dataclass(frozen=True, slots=True)
class Room:
    """Of the file system that holds a folder, in bytes; a file system without inodes says 0 of 0."""

    path: str
    free: int
    total: int
    inodes_free: int
    inodes: int
    is_read_only: bool

    def has_inodes_under(self, few: int) -> bool:
        return self.inodes > 0 and self.inodes_free < few


def folders(installation: Installation) -> Iterator[Finding]:
    """Who may not pass through the state's folder cannot run git in the clone; who runs git owns the clone."""
    settings, user = installation.settings, git_user()
    state = Place("state", settings.state, 0o711, OTHERS_CHANGE, 0o111)
    runtime = Place("runtime", settings.runtime, 0o755, OTHERS_CHANGE, 0o555)
    for place in (state, runtime):
        if not os.path.lexists(place.path):
            yield warning(place.name, f"{place.path} is not there yet", "`reconciler sync` makes it")
        elif not os.path.isdir(place.path):
            yield fault(place.name, f"{place.path} is no folder", "move it away")
        else:
            yield _examined(place, installation)
    clone = os.path.join(settings.state, "repo")
    if not settings.is_sandbox and user and os.path.isdir(clone):
        yield _examined(Place("clone", clone, 0o700, OTHERS_CHANGE, owner=user.uid, deep=True), installation)


def files(installation: Installation) -> Iterator[Finding]:
    """What is not there is nobody's fault: it is made when it is needed."""
    settings = installation.settings
    places = (
        Place("config", settings.config, 0o640, OTHERS_CHANGE),
        Place("state.db", os.path.join(settings.state, "state.db"), 0o600, OTHERS_USE),
        Place("objects", os.path.join(settings.state, "objects"), 0o700, OTHERS_USE, deep=True),
        Place("lock", installation.lock, 0o600, OTHERS_USE),
    )
    for place in places:
        if os.path.exists(place.path):
            yield _examined(place, installation)


def disk(installation: Installation) -> Iterator[Finding]:
    """Of the records, which grow, and of what is published, which does not."""
    settings = installation.settings
    state, runtime = room(settings.state), room(settings.runtime)
    yield _roomy(state, least=8 * MIB, little=128 * MIB)
    if os.stat(state.path).st_dev != os.stat(runtime.path).st_dev:
        yield _roomy(runtime, least=1 * MIB, little=4 * MIB)


def room(folder: str) -> Room:
    """Where the folder is, or will be."""
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    seen = os.statvfs(folder)
    return Room(
        path=folder,
        free=seen.f_bavail * seen.f_frsize,
        total=seen.f_blocks * seen.f_frsize,
        inodes_free=seen.f_favail,
        inodes=seen.f_files,
        is_read_only=bool(seen.f_flag & os.ST_RDONLY),
    )


def _roomy(room: Room, *, least: int, little: int) -> Finding:
    seen = f"{room.path}: {room.free // MIB} of {room.total // MIB} MiB are free"
    if room.inodes:
        seen += f", and {room.inodes_free} of {room.inodes} inodes"
    mend = "see what takes it: `du -xh --max-depth=2 / | sort -h | tail`, `df -i`"
    if room.is_read_only:
        return fault("disk", f"{room.path} can only be read", "see why with `dmesg`; then `mount -o remount,rw`")
    if room.free < least or room.has_inodes_under(100):
        return fault("disk", seen, mend)
    if room.free < little or room.has_inodes_under(1000):
        return warning("disk", seen, mend)
    return ok("disk", seen)


def _examined(place: Place, installation: Installation) -> Finding:
    is_sandbox = installation.settings.is_sandbox
    seen = os.stat(place.path)
    mode, mend = stat.S_IMODE(seen.st_mode), f"chmod {place.mode:o} {place.path}"
    owner = place.owner if place.owner is not None else os.geteuid() if is_sandbox else 0
    if seen.st_uid != owner:
        how = "chown -R" if place.deep else "chown"
        return fault(place.name, f"{place.path} belongs to user {seen.st_uid}", f"{how} {owner} {place.path}")
    if mode & place.never:
        what = "use" if place.never == OTHERS_USE else "change"
        return fault(place.name, f"{place.path} has mode {mode:04o}: others may {what} it", mend)
    if not is_sandbox and place.always & ~mode:
        return fault(place.name, f"{place.path} has mode {mode:04o}: others cannot pass", mend)
    return ok(place.name, f"{place.path}, mode {mode:04o}")
