"""What every kind owes, stated once: a kind's test names the kind and a few of its states, and inherits these laws.

The laws are checked on the device in memory over absent→a, a→b, b→a and a→absent.
"""

from collections.abc import Iterator

import pytest

from reconciler.core.host import Access, Host
from reconciler.core.identity import Digest
from reconciler.core.kind import Kind
from reconciler.core.state import ABSENT, AnyState, State, state_from_json, state_to_json
from reconciler.host.simulated import SimulatedHost


class Bytes:
    """Payloads in memory."""

    def __init__(self) -> None:
        self.known: dict[Digest, bytes] = {}

    def put(self, content: bytes) -> Digest:
        digest = Digest.of(content)
        self.known[digest] = content
        return digest

    def open(self, digest: Digest) -> Iterator[bytes]:
        yield self.known[digest]


class LawsOfAKind:
    """Inherit, and give `kind`, `name`, and `a` and `b`: two states that differ."""

    kind: Kind
    name: str

    def a(self, payloads: Bytes) -> State:
        raise NotImplementedError

    def b(self, payloads: Bytes) -> State:
        raise NotImplementedError

    @pytest.fixture
    def payloads(self) -> Bytes:
        return Bytes()

    @pytest.fixture
    def host(self, payloads: Bytes) -> SimulatedHost:
        """With the folders that the resource needs."""
        host = SimulatedHost(payloads)
        for folder in self.folders():
            host.files.make_directory(folder, Access())
        host.files.settle()
        return host

    def folders(self) -> list[str]:
        parts = self.name.split("/")[1:-1]
        return ["/" + "/".join(parts[: n + 1]) for n in range(len(parts))]

    @pytest.fixture(params=["absent→a", "a→b", "b→a", "a→absent"])
    def passage(self, request: pytest.FixtureRequest, payloads: Bytes) -> tuple[AnyState, AnyState]:
        states = {"absent": ABSENT, "a": self.a(payloads), "b": self.b(payloads)}
        before, after = request.param.split("→")
        return states[before], states[after]

    def bring(self, host: Host, state: AnyState) -> None:
        self.kind.apply(self.name, state, host)
        host.files.settle()

    def test_apply_converges(self, host: SimulatedHost, passage: tuple[AnyState, AnyState]) -> None:
        before, after = passage
        self.bring(host, before)
        self.bring(host, after)
        assert self.kind.diff(after, self.kind.observe(self.name, host)) == ()

    def test_twice_is_once(self, host: SimulatedHost, passage: tuple[AnyState, AnyState]) -> None:
        before, after = passage
        self.bring(host, before)
        self.bring(host, after)
        once, events = host.files.tree(), host.files.events
        self.bring(host, after)
        assert host.files.tree() == once
        assert host.files.events == events, "the second time changed or synced something"

    def test_revert_restores(self, host: SimulatedHost, passage: tuple[AnyState, AnyState], payloads: Bytes) -> None:
        before, after = passage
        self.bring(host, before)
        tree, seen = host.files.tree(), self.kind.observe(self.name, host)
        if self.kind.content and isinstance(seen, State):
            payloads.put(b"".join(self.kind.content.read(self.name, host)))
        self.bring(host, after)
        self.bring(host, seen)
        assert host.files.tree() == tree

    def test_observe_does_not_write(self, host: SimulatedHost, passage: tuple[AnyState, AnyState]) -> None:
        self.bring(host, passage[0])
        tree, events = host.files.tree(), host.files.events
        self.kind.observe(self.name, host)
        assert (host.files.tree(), host.files.events) == (tree, events)

    def test_state_survives_json(self, host: SimulatedHost, passage: tuple[AnyState, AnyState]) -> None:
        self.bring(host, passage[1])
        for state in (*passage, self.kind.observe(self.name, host)):
            assert state_from_json(state_to_json(state), self.kind.state) == state

    def test_what_differs_is_drift(self, host: SimulatedHost, passage: tuple[AnyState, AnyState]) -> None:
        before, after = passage
        self.bring(host, before)
        assert self.kind.diff(after, self.kind.observe(self.name, host)) != ()
