"""Objects stream from a child that may lie: each id is recomputed here, so what was verified is what is used.

A size is announced before its content, so what is too large is never read.
"""

import os
import select
import subprocess
import time
from typing import Self

from reconciler.core.errors import HostileSource, Overdue
from reconciler.core.identity import Revision
from reconciler.source.child import reap, run, spawn
from reconciler.source.objects import Forged, MissingObject, ObjectType, id_of
from reconciler.source.power import CHUNK, Power

_LONGEST_HEADER = 256


class ObjectStream:
    """One `git cat-file --batch` in a bare repo, started when first asked and gone when closed."""

    def __init__(self, repo: str, power: Power) -> None:
        self._repo = repo
        self._power = power
        self._child: subprocess.Popen[bytes] | None = None
        self._ahead = bytearray()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """The child is gone. Asked again, another one starts."""
        child, self._child = self._child, None
        self._ahead.clear()
        if child:
            reap(child)

    def get(self, id: str, type: ObjectType, limit: int) -> bytes:
        """The content of an object of that type, of `limit` bytes at most. Raises MissingObject or HostileSource."""
        try:
            content = self._ask(id, type, limit)
        except BaseException:
            self.close()  # what is still in the pipe would be taken for the next answer
            raise
        if id_of(type, content, len(id)) != id:
            raise Forged(f"cannot use {type} {id[:12]}: its content has another id")
        return content

    def between(self, floor: Revision, revision: Revision, most: int) -> frozenset[str]:
        arguments = ["rev-list", "--ancestry-path", f"--max-count={most}", f"{floor}..{revision}", "--"]
        ended = run(arguments, self._power, directory=self._existing())
        if ended.code != 0:
            raise MissingObject(f"cannot find a way from {revision.short} to {floor.short}: {ended.reason}")
        return frozenset(ended.out.decode(errors="replace").split())

    def _ask(self, id: str, type: ObjectType, limit: int) -> bytes:
        end = time.monotonic() + self._power.bounds.deadline.total_seconds()
        self._say(f"{id}\n".encode())
        match self._line(end).split():
            case [_, b"missing"]:
                raise MissingObject(f"cannot read {type} {id[:12]}: it is not in the clone")
            case [_, kind, size] if kind == type.encode() and size.isdigit():
                return self._content(id, type, int(size), limit, end)
            case [_, kind, size] if kind in (b"commit", b"tree", b"blob", b"tag") and size.isdigit():
                raise HostileSource(f"cannot use object {id[:12]}: it is a {kind.decode()}, not a {type}")
        raise MissingObject(f"cannot read {type} {id[:12]}: git gives no sensible answer")

    def _content(self, id: str, type: ObjectType, size: int, limit: int, end: float) -> bytes:
        if size > limit:
            raise HostileSource(
                f"cannot use {type} {id[:12]}: it has {size} bytes, {limit} are allowed",
                hint="large files do not belong in the desired state: publish them as a release",
            )
        while len(self._ahead) <= size:
            self._ahead += self._more(end)
        content = bytes(memoryview(self._ahead)[:size])
        del self._ahead[: size + 1]
        return content

    def _line(self, end: float) -> bytes:
        while (stop := self._ahead.find(b"\n")) < 0:
            if len(self._ahead) > _LONGEST_HEADER:
                raise MissingObject("cannot read an object: git gives no sensible answer")
            self._ahead += self._more(end)
        line = bytes(self._ahead[:stop])
        del self._ahead[: stop + 1]
        return line

    def _say(self, line: bytes) -> None:
        if self._child is None:
            self._child = spawn(["cat-file", "--batch"], self._power, directory=self._existing(), talks=True)
        assert self._child.stdin
        try:
            self._child.stdin.write(line)
        except BrokenPipeError as error:
            raise MissingObject("cannot read the clone: git has ended") from error

    def _more(self, end: float) -> bytes:
        assert self._child
        assert self._child.stdout
        pipe = self._child.stdout.fileno()
        ready = select.poll()
        ready.register(pipe, select.POLLIN)
        if not ready.poll(max(0, end - time.monotonic()) * 1000):
            raise Overdue("cannot wait longer for git cat-file")
        chunk = os.read(pipe, CHUNK)
        if not chunk:
            raise MissingObject("cannot read the clone: git has ended")
        return chunk

    def _existing(self) -> str:
        if not os.path.isdir(self._repo):
            raise MissingObject("cannot read the clone: there is none", where=self._repo)
        return self._repo
