"""The clone is a cache that anybody may break: what an interrupted git left in it goes, and a broken one is made anew.

Its directory belongs to the user who runs git. We never run git in it with our own power and believe nothing in it;
whoever calls these holds the lock, so that a `*.lock` or a half pack found here is nobody's.
"""

import contextlib
import errno
import os
import re
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.core.errors import Failure, HostileSource, InputOutput, NoRoom, Overdue
from reconciler.source.child import Ended, run
from reconciler.source.power import MIB, Power
from reconciler.source.remote import UPLOAD_PACK, Remote

OURS = "refs/reconciler/head"
MANY_PACKS = 50
"""Each fetch brings a pack, and each pack is another place to look; so many become one."""

_NOT_DUMB = "--depth=2147483647"
"""All of history, which git asks for only where the server speaks its protocol: a fetch of plain files over http
has no bound on their number, and follows the server to other hosts (`http-alternates`)."""

_LEFTOVER = re.compile(r".*\.lock|tmp_.*|\.tmp-.*")
_FORMAT = re.compile(
    r"\s*(\[(core|extensions)\]|(repositoryformatversion|filemode|bare|symlinks|ignorecase|objectformat)\s*=\s*\w+)\s*",
    re.IGNORECASE,
)
_FAULTS_OF_THE_DISK = {
    "No space left on device": NoRoom,
    "Disk quota exceeded": NoRoom,
    "Read-only file system": InputOutput,
    "Input/output error": InputOutput,
}


@dataclass(frozen=True, slots=True)
class Clone:
    """A bare repo at `path`, and the power with which git works in it."""

    path: str
    power: Power

    def clean(self) -> None:
        """What an interrupted git or an interrupted renewal left goes."""
        with _disk("clean", self.path):
            _remove(self._aside)
            for _, _, files, folder in os.fwalk(self.path) if _is_folder(self.path) else ():
                for name in filter(_LEFTOVER.fullmatch, files):
                    os.unlink(name, dir_fd=folder)

    def fetch(self, remote: Remote) -> None:
        """Bring what the remote's ref has. Raises SourceUnreachable, HostileSource or Overdue."""
        if self._is_sound():
            self._bring(remote)
            self._tidy()
        else:
            self.renew(remote)

    def renew(self, remote: Remote) -> None:
        """A broken clone makes way for a fresh one, once that is whole: until then nothing is thrown away.

        Unless the disk has no room for both.
        """
        form = "sha256" if len(remote.head(self.power).id) == 64 else "sha1"
        fresh = Clone(self._aside, self.power)
        try:
            fresh._fill(remote, form)
        except NoRoom:
            self._remove()
            fresh._fill(remote, form)
        self._remove()
        with _disk("put a fresh one in the place of", self.path):
            os.rename(self._aside, self.path)

    def _bring(self, remote: Remote) -> None:
        flags = ["--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--no-auto-maintenance"]
        if remote.scheme in ("http", "https"):
            flags.append(_NOT_DUMB)
        arguments = ["fetch", *flags, UPLOAD_PACK, "--", remote.path, f"+{remote.refname}:{OURS}"]
        try:
            ended = run(arguments, self.power.towards(remote.scheme), directory=self.path)
        except Overdue as error:
            self.clean()
            raise remote.overdue(self.power) from error
        if ended.code != 0:
            too_much = self._is_full()
            self.clean()
            raise self._explain(ended, remote, too_much=too_much)

    @property
    def _aside(self) -> str:
        return f"{self.path}.aside"

    def _is_sound(self) -> bool:
        """A directory with a head, whose configuration says nothing but its format: the rest shows when it is used."""
        try:
            return stat.S_ISREG(os.lstat(f"{self.path}/HEAD").st_mode) and _says_only_format(f"{self.path}/config")
        except OSError:
            return False

    def _fill(self, remote: Remote, form: str) -> None:
        """Make it from nothing, with what the remote has."""
        self._remove()
        with _disk("make", self.path):
            os.makedirs(self.path, mode=0o700)
            if who := self.power.identity:
                os.chown(self.path, who.uid, who.gid)
        arguments = ["init", "--quiet", "--bare", "--template=", f"--object-format={form}"]
        ended = run(arguments, self.power, directory=self.path)
        if ended.code != 0:
            raise self._explain(ended, remote, too_much=False)
        self._bring(remote)

    def _remove(self) -> None:
        with _disk("remove what was broken of", self.path):
            _remove(self.path)

    def _is_full(self) -> bool:
        """The kernel ends a git that writes more than it may, and git does not say so; its half pack does."""
        return any(size >= self.power.bounds.file for _, size in self._packs())

    def _packs(self) -> list[tuple[str, int]]:
        """Names and sizes of what lies among the packs; nothing where the clone is too broken to have such a place."""
        try:
            with os.scandir(f"{self.path}/objects/pack") as found:
                return [(entry.name, entry.stat(follow_symlinks=False).st_size) for entry in found]
        except OSError:
            return []

    def _explain(self, ended: Ended, remote: Remote, *, too_much: bool) -> Failure:
        """Whose fault it was: only a plain SourceUnreachable may come from a broken clone."""
        for words, error in _FAULTS_OF_THE_DISK.items():
            if words in ended.err:
                return error(f"cannot fetch from {remote.url}: {words.lower()}", where=self.path)
        if too_much:
            most = self.power.bounds.file // MIB
            hint = "large files do not belong in the desired state: publish them as a release"
            return HostileSource(f"cannot fetch more than {most} MiB at once from {remote.url}", hint=hint)
        if "fsck error" in ended.err:
            hint = "`git fsck --strict` in the repo names the object"
            return HostileSource(f"cannot accept the objects of {remote.url}: git finds them malformed", hint=hint)
        return remote.unreachable(ended, "fetch from")

    def _tidy(self) -> None:
        """Many packs become one. If that fails they stay many, and the next fetch tries again."""
        if sum(name.endswith(".pack") for name, _ in self._packs()) < MANY_PACKS:
            return
        with contextlib.suppress(Overdue):
            run(["repack", "-a", "-d", "-q"], self.power, directory=self.path)


@contextlib.contextmanager
def _disk(verb: str, path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        sort = NoRoom if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENOMEM) else InputOutput
        raise sort(f"cannot {verb} the clone: {error.strerror}", where=path) from error


def _says_only_format(path: str) -> bool:
    """Hooks, filters, helpers and other remotes begin with a line of configuration that we did not write."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return False
        text = os.read(descriptor, 4096).decode(errors="replace")
    finally:
        os.close(descriptor)
    return len(text) < 4096 and all(_FORMAT.fullmatch(line) for line in text.splitlines())


def _remove(path: str) -> None:
    """`rmtree` goes by descriptors: links that are swapped in while it runs lead it nowhere."""
    if _is_folder(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)
