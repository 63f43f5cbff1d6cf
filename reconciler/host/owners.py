"""A file's owner is a name where there is one, and its number as text where there is none.

What was found is kept; what was not is asked again: a user may be made between two looks.
"""

import grp
import pwd
from collections.abc import Callable

from reconciler.core.errors import NotFound


class Owners:
    def __init__(self) -> None:
        self._users: dict[int, str] = {}
        self._groups: dict[int, str] = {}

    def user(self, uid: int) -> str:
        return self._users.get(uid) or _keep(self._users, uid, lambda: pwd.getpwuid(uid).pw_name)

    def group(self, gid: int) -> str:
        return self._groups.get(gid) or _keep(self._groups, gid, lambda: grp.getgrgid(gid).gr_name)

    def uid(self, name: str | None) -> int:
        """-1, which chown(2) reads as "leave it", for None. Raises NotFound."""
        return _number("user", name, lambda text: pwd.getpwnam(text).pw_uid)

    def gid(self, name: str | None) -> int:
        """-1, which chown(2) reads as "leave it", for None. Raises NotFound."""
        return _number("group", name, lambda text: grp.getgrnam(text).gr_gid)

    def forget(self) -> None:
        self._users.clear()
        self._groups.clear()


def _keep(known: dict[int, str], number: int, find: Callable[[], str]) -> str:
    try:
        name = known[number] = find()
    except KeyError:
        return str(number)
    return name


def _number(sort: str, name: str | None, find: Callable[[str], int]) -> int:
    if name is None:
        return -1
    try:
        return find(name)
    except KeyError:
        if name.isascii() and name.isdigit():
            return int(name)
    raise NotFound(
        f"cannot find the {sort} {name!r}: there is no such {sort} on this device",
        hint=f"declare the {sort}, or write its number",
    )
