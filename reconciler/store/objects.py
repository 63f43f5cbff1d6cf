"""Payloads and pre-images by digest: on the disk before the first journal entry, so that recovery needs nothing else.

What is read is checked against its digest, so a damaged object is an error and never a content.
"""

import errno
import hashlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress

from reconciler import durable
from reconciler.core.errors import CorruptStore, Denied, Failure, InputOutput, Moved, NoRoom
from reconciler.core.identity import Digest

CHUNK_BYTES = 1 << 18
_INCOMING = ".incoming-"


class Objects:
    """One file an object, named by its digest. One writer at a time (who holds the agent's lock)."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._incoming: list[tuple[str, str]] | None = None

    def has(self, digest: Digest) -> bool:
        return os.path.exists(self._path(digest))

    def missing(self, digests: Collection[Digest]) -> bool:
        """Whether any of them is not here: one look at the folder for all."""
        if not digests:
            return False
        there = self._names()
        return any(digest.hex not in there for digest in digests)

    def open(self, digest: Digest) -> Iterator[bytes]:
        """Raises CorruptStore, at the latest after the last chunk, where the bytes are not those of the digest.

        Then they are removed: what is seen to be missing is stored again, and what lies there is not.
        """
        yield from self._chunks(digest, self._remove)

    def is_sound(self, digest: Digest) -> bool:
        """Whether it is here, and whole. Nothing is changed."""
        try:
            for _ in self._chunks(digest, lambda _: None):
                pass
        except CorruptStore:
            return False
        return True

    def _chunks(self, digest: Digest, damaged: Callable[[Digest], None]) -> Iterator[bytes]:
        hasher = hashlib.sha256()
        with _named(self._folder, "read"):
            try:
                with open(self._path(digest), "rb", buffering=0) as file:
                    while chunk := file.read(CHUNK_BYTES):
                        hasher.update(chunk)
                        yield chunk
            except FileNotFoundError as error:
                raise self._lost(digest, error.strerror) from error
        if hasher.hexdigest() != digest.hex:
            damaged(digest)
            raise self._lost(digest, "its bytes are damaged")

    @contextmanager
    def batch(self) -> Iterator[None]:
        """All that was put within is on the disk when this ends, synced once."""
        self._incoming = []
        try:
            yield
            with _named(self._folder):
                self._settle(self._incoming)
        finally:
            for temporary, _ in self._incoming:
                with suppress(OSError):
                    os.unlink(temporary)
            self._incoming = None

    def put(self, content: Iterable[bytes], digest: Digest) -> None:
        """Raises Moved where the content is not that of the digest. Belongs in a batch."""
        if self._incoming is None:
            raise RuntimeError("an object is put in a batch")
        if self.is_sound(digest):
            return
        with _named(self._folder):
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            temporary = os.path.join(self._folder, f"{_INCOMING}{len(self._incoming)}")
            self._incoming.append((temporary, self._path(digest)))
            if _write(temporary, content) != digest.hex:
                raise Moved("cannot store a content: it changed while it was read", hint="try again")

    def _remove(self, digest: Digest) -> None:
        with suppress(OSError):
            os.unlink(self._path(digest))

    def sweep(self, keep: set[Digest]) -> int:
        """Everything but `keep` goes, leftovers too. Returns how many went."""
        kept = {digest.hex for digest in keep}
        doomed = self._names() - kept
        with _named(self._folder):
            for name in doomed:
                os.unlink(os.path.join(self._folder, name))
        return len(doomed)

    def _names(self) -> set[str]:
        with _named(self._folder, "list"), suppress(FileNotFoundError):
            return set(os.listdir(self._folder))
        return set()

    def _settle(self, incoming: list[tuple[str, str]]) -> None:
        if not incoming:
            return
        durable.syncfs(self._folder)
        for temporary, path in incoming:
            os.rename(temporary, path)
        durable.fsync_directory(self._folder)
        incoming.clear()

    def _path(self, digest: Digest) -> str:
        return os.path.join(self._folder, digest.hex)

    def _lost(self, digest: Digest, why: str | None) -> CorruptStore:
        hint = "push any commit: what it needs is stored again"
        return CorruptStore(f"cannot read object {digest.short}: {why}", where=self._folder, hint=hint)


def _write(path: str, content: Iterable[bytes]) -> str:
    """Returns the digest in hex of what was written."""
    hasher = hashlib.sha256()
    with suppress(FileNotFoundError):
        os.unlink(path)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        for chunk in content:
            hasher.update(chunk)
            durable.write_all(fd, chunk)
    finally:
        os.close(fd)
    return hasher.hexdigest()


_NO_ROOM = frozenset({errno.ENOMEM, errno.ENFILE, errno.EMFILE, errno.ENOSPC, errno.EDQUOT})


@contextmanager
def _named(folder: str, deed: str = "store") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        failure: type[Failure] = NoRoom if error.errno in _NO_ROOM else InputOutput
        if isinstance(error, PermissionError):
            failure = Denied
        raise failure(f"cannot {deed} objects: {error.strerror}", where=folder) from error
