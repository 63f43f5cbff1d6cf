"""Files that say who we are and whom we believe. Only their paths are handed on, and git reads them as its own user.

So no secret is in an argument, in an environment, in a message, or in this process.
"""

import os
import re
import shlex
import stat
from dataclasses import dataclass

from reconciler.core.errors import BadSettings
from reconciler.source.address import Scheme

_PLAIN = re.compile(r"/[\w./@+=,-]*")
"""What ssh reads in an option as it stands: no quotes, no blanks, no `%`."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Absolute paths, each of which may be left out.

    passwords: lines `https://USER:TOKEN@HOST`, as in git-credential-store(1); each is shown to its own host only
    key: a private key for ssh, without a passphrase
    known_hosts: host keys, as in sshd(8); who is not in it is not talked to
    authorities: PEM certificates by which https servers are known, in the place of the system's
    """

    passwords: str | None = None
    key: str | None = None
    known_hosts: str | None = None
    authorities: str | None = None

    def environment(self, scheme: Scheme | None, uid: int, gid: int, patience: int) -> dict[str, str]:
        """What git must see to use them as that user; `patience` in seconds. Raises BadSettings."""
        match scheme:
            case "http" | "https":
                return self._web(uid, gid)
            case "ssh":
                return {"GIT_SSH_COMMAND": self._ssh(uid, gid, patience), "GIT_SSH_VARIANT": "ssh"}
            case _:
                return {}

    def _web(self, uid: int, gid: int) -> dict[str, str]:
        said = {}
        if self.passwords:
            _check(self.passwords, "the credentials file", uid, gid, secret=True)
            said["RECONCILER_PASSWORDS"] = self.passwords
        if self.authorities:
            _check(self.authorities, "the file of certificates", uid, gid, secret=False)
            said["GIT_SSL_CAINFO"] = self.authorities
        return said

    def _ssh(self, uid: int, gid: int, patience: int) -> str:
        if not self.key or not self.known_hosts:
            hint = "name a private key, and a file of known hosts (`ssh-keyscan HOST`, compared by other means)"
            raise BadSettings("cannot follow a repo over ssh without a key and known hosts", hint=hint)
        _check(self.key, "the ssh key", uid, gid, secret=True)
        _check(self.known_hosts, "the file of known hosts", uid, gid, secret=False)
        for path in (self.key, self.known_hosts):
            if not _PLAIN.fullmatch(path):
                raise BadSettings("cannot hand this path to ssh", where=path, hint="use letters, digits and ./@+=,-_")
        options = (
            f"IdentityFile={self.key}",
            f"UserKnownHostsFile={self.known_hosts}",
            f"ConnectTimeout={patience}",
            f"ServerAliveInterval={patience}",
            *_OPTIONS,
        )
        return shlex.join(["ssh", "-F", "/dev/null", "-T", *(word for option in options for word in ("-o", option))])


_OPTIONS = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "GlobalKnownHostsFile=/dev/null",
    "UpdateHostKeys=no",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "PreferredAuthentications=publickey",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "ControlMaster=no",
    "ControlPath=none",
    "ConnectionAttempts=1",
    "ServerAliveCountMax=2",
    "LogLevel=ERROR",
)


def _check(path: str, what: str, uid: int, gid: int, *, secret: bool) -> None:
    """Said here, because git and ssh go on without a file that they cannot use, and then blame the server."""
    try:
        seen = os.stat(path)
    except OSError as error:
        raise BadSettings(f"cannot use {what}: {error.strerror}", where=path) from error
    if not path.startswith("/") or not stat.S_ISREG(seen.st_mode):
        raise BadSettings(f"cannot use {what}: it is no regular file with an absolute path", where=path)
    if secret and (seen.st_mode & 0o037 or seen.st_uid not in (uid, 0)):
        raise BadSettings(f"cannot use {what}: others may read or change it", where=path, hint=f"chmod 600 {path}")
    if not _may_read(seen, uid, gid):
        hint = f"chown {uid}:{gid} {path}"
        raise BadSettings(f"cannot use {what}: the user who runs git may not read it", where=path, hint=hint)


def _may_read(seen: os.stat_result, uid: int, gid: int) -> bool:
    if uid in (0, seen.st_uid):
        return uid == 0 or bool(seen.st_mode & 0o400)
    return bool(seen.st_mode & (0o040 if gid == seen.st_gid else 0o004))
