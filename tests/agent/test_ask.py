"""However the agent answers, or does not, who asks is told in words."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.agent.ipc import _short, ask
from reconciler.core.errors import Broken


@contextmanager
def agent(folder: Path, answer: Callable[[socket.socket], None]) -> Iterator[None]:
    """Of one answer."""
    with socket.socket(socket.AF_UNIX) as listening:
        with _short(str(folder), "x.sock") as path:
            listening.bind(path)
        listening.listen()

        def serve() -> None:
            with listening.accept()[0] as connection:
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join()


def test_it_ends_before_it_has_read_what_was_asked(tmp_path: Path) -> None:
    with agent(tmp_path, lambda connection: None), pytest.raises(Broken, match="went away"):
        ask(str(tmp_path), "x.sock", "sync", {}, lambda _: None)


def test_it_has_much_to_tell(tmp_path: Path) -> None:
    changes = [f"file:/srv/{number:060}" for number in range(20_000)]

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(json.dumps({"ok": True, "result": {"changes": changes}}).encode() + b"\n")

    with agent(tmp_path, answer):
        assert ask(str(tmp_path), "x.sock", "sync", {}, lambda _: None) == {"changes": changes}
