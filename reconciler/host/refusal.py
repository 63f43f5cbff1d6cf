"""What the system refused is said in our words at the rim: who must act, what could not be done, where, and why."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from reconciler.core.errors import (
    Broken,
    Denied,
    Failure,
    InputOutput,
    InTheWay,
    Moved,
    NoRoom,
    Transient,
    UntrustedPath,
)

_SORTS: dict[int, type[Failure]] = {
    errno.ENOSPC: NoRoom,
    errno.EDQUOT: NoRoom,
    errno.EMFILE: NoRoom,
    errno.ENFILE: NoRoom,
    errno.ENOMEM: NoRoom,
    errno.EIO: InputOutput,
    errno.EROFS: InputOutput,
    errno.EACCES: Denied,
    errno.EPERM: Denied,
    errno.ENOENT: Moved,
    errno.EEXIST: Moved,
    errno.ESTALE: Moved,
    errno.ENOTDIR: InTheWay,
    errno.EISDIR: InTheWay,
    errno.ENOTEMPTY: InTheWay,
    errno.EBUSY: InTheWay,
    errno.ELOOP: UntrustedPath,
    errno.EAGAIN: Transient,
    errno.ETIMEDOUT: Transient,
}

_HINTS = {
    errno.ENOSPC: "free some space; the next cycle tries again",
    errno.EDQUOT: "raise the quota or free some space; the next cycle tries again",
    errno.EIO: "look at `dmesg`: the disk may be dying",
    errno.EROFS: "the file system is mounted read-only; look at `dmesg` for why",
    errno.EACCES: "run the agent as root, or give it access",
    errno.EPERM: "run the agent as root, and look at `lsattr` for an immutable file",
    errno.ENOENT: "it, or the folder that holds it, went away between the look and the deed",
    errno.EEXIST: "somebody else works on the same path",
    errno.ENOTDIR: "a part of its path is no directory",
    errno.EBUSY: "it is a mount point or in use",
    errno.ELOOP: "its path leads through a circle of links",
    errno.ENAMETOOLONG: "choose a shorter name",
}


def refusal(deed: str, path: str, error: OSError) -> Failure:
    """`cannot write /etc/motd: no space left on device`, of the class that says who must act."""
    number = error.errno or 0
    reason = os.strerror(number).lower() if number else str(error)
    return _SORTS.get(number, Broken)(f"cannot {deed} {path}: {reason}", hint=_HINTS.get(number))


@contextmanager
def cannot(deed: str, path: str) -> Iterator[None]:
    """An OSError inside is raised as what it means."""
    try:
        yield
    except OSError as error:
        raise refusal(deed, path, error) from error
