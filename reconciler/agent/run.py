"""The agent: it follows, it watches, it keeps a device so.

Whatever wakes it (the interval, a push to a repo on this machine, a change of a managed path, a signal, a request)
says nothing but "look": what is to be done follows from what is seen. At rest nothing is written.
"""

import asyncio
import os
import random
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from reconciler.agent.command import CONTROL, alone, told
from reconciler.agent.converge import converge
from reconciler.agent.deed import DEEDS, Result, concluded
from reconciler.agent.ipc import Door, Say, Verb
from reconciler.agent.log import Logger
from reconciler.agent.parts import Parts
from reconciler.agent.report import Report
from reconciler.agent.settings import under
from reconciler.agent.watch import Watcher
from reconciler.core.errors import Broken, Failure
from reconciler.core.journal import Mark
from reconciler.core.pace import HoldKind, in_force
from reconciler.core.plan import Step
from reconciler.core.status import Head

JITTER = 0.1
"""Of a wait, either way: a fleet does not knock all at once."""

GATHER = timedelta(milliseconds=5)
"""Changes that come together are looked at together; wakes in a row that gave nothing to do are gathered longer."""

FULL_LOOK = timedelta(minutes=10)
"""How often everything is looked at, besides events; the interval itself where the kernel has no watches left."""

FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=1), timedelta(minutes=10)


class Stop(BaseException):
    """Somebody asked the agent to end. Safe at any moment: the journal knows how far a plan has come."""


@dataclass(slots=True)
class Agent:
    """One device's, in one thread: while it works on the device it listens to nothing but signals.

    `asks_repo` says whether the next look is at the repo, too: what changes on the device need not wait for git.
    """

    parts: Parts
    log: Logger
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    watcher: Watcher = field(default_factory=Watcher)
    report: Report = field(default_factory=Report)
    refs: list[str] = field(default_factory=list)
    looked: datetime | None = None
    failures: int = 0
    idle_wakes: int = 0
    asks_repo: bool = True
    slept: bool = False
    is_working: bool = False
    is_stopping: bool = False

    async def run(self) -> None:
        """Until it is stopping. The caller holds the lock."""
        door = self._control()
        server = await door.open()
        watching = asyncio.create_task(self._watch())
        try:
            while not self.is_stopping:
                self._pass()
                await self._rest()
        finally:
            watching.cancel()
            server.close()
            door.close()
            self.watcher.close()
            self.parts.store.close()

    def _pass(self) -> Result:
        """One whole look, and what follows from it."""
        self.wake.clear()
        self.is_working = True
        known = None if self.asks_repo or self.failures else self.report.head
        self.asks_repo = False
        try:
            self.report = self._converged(known)
            done = concluded(self.parts, self.report)
        finally:
            self.is_working = False
        self.looked = self.parts.now()
        self.failures = self.failures + 1 if self.report.failure else 0
        self.idle_wakes = 0 if done["changes"] or self.slept else self.idle_wakes + 1
        self.slept = False
        self._tell(done)
        self._watch_what_is_managed()
        return done

    async def _rest(self) -> None:
        """Until something wants a look; a poll that finds the head where it was is no reason for one."""
        while True:
            try:
                await asyncio.wait_for(self.wake.wait(), self._wait().total_seconds())
            except TimeoutError:
                self.slept = self.asks_repo = True
                if self._is_due() or self._has_moved():
                    return
            else:
                await asyncio.sleep((GATHER * 2 ** min(self.idle_wakes, 8)).total_seconds())
                return

    def _is_due(self) -> bool:
        """Whether to look although nothing is known to have happened."""
        if self.failures or self.watcher.is_blind or self.looked is None:
            return True
        held = len(in_force(self.report.holds, self.parts.now())) < len(self.report.holds)
        since = self.parts.now() - self.looked
        return held or since >= FULL_LOOK or since < timedelta(0)

    def _has_moved(self) -> bool:
        try:
            head = self.parts.source().head()
        except Failure:
            return True  # the pass will say so
        return self.report.head is None or head != self.report.head.commit

    def _wait(self) -> timedelta:
        wait = self.parts.settings.interval
        if self.failures:
            wait = min(wait, LONGEST_RETRY, FIRST_RETRY * 2 ** min(self.failures - 1, 16))
        ends = [hold.until - self.parts.now() for hold in self.report.holds if hold.until]
        wait = max(min([wait, *ends]), FIRST_RETRY)
        return wait * random.uniform(1, 1 + JITTER)  # noqa: S311  # nobody's secret

    def _converged(self, known: Head | None) -> Report:
        """A fault of ours is told like any other failure, and does not end the agent."""
        try:
            return converge(self.parts, self._step_ended, known)
        except Exception as error:
            self.log.exception("pass_crashed")
            return Report(failure=Broken(f"cannot end this pass: {type(error).__name__}: {error}"))

    def _step_ended(self, step: Step, mark: Mark) -> None:
        self.log.info("step_ended", **told(step, mark))

    def _tell(self, done: Result) -> None:
        failure, generation = self.report.failure, done["status"]["applied"]["generation"]
        if failure:
            self.log.error("pass_failed", code=failure.code, error=str(failure), hint=failure.hint)
        elif done["changes"]:
            self.log.info("pass_ended", result=done["result"], changes=len(done["changes"]), generation=generation)
        for hold in self.report.holds:
            if hold.kind is HoldKind.FLAPPING:
                self.log.warning("resource_flaps", reason=hold.reason, until=hold.to_json()["until"])

    async def _watch(self) -> None:
        async for path in self.watcher.changes():
            self.log.debug("change_seen", path=path)
            self.asks_repo = self.asks_repo or path in self.refs
            self.wake.set()

    def _watch_what_is_managed(self) -> None:
        settings, was_blind = self.parts.settings, self.watcher.is_blind
        ids = self.report.desired.resources if self.report.desired else ()
        places = (self.parts.kinds[id.kind].place(id.name) for id in ids)
        managed = (under(settings.root, place) for place in places if place)
        self.refs = _refs(settings.url or "", settings.ref)
        if self.watcher.set([*managed, *self.refs]):
            self.look_anew()
        if self.watcher.is_blind and not was_blind:
            self.log.warning("watches_exhausted", hint="raise fs.inotify.max_user_watches")

    def look_anew(self) -> None:
        """At the repo, too."""
        self.asks_repo = True
        self.wake.set()

    def _control(self) -> Door:
        """For who owns the agent: all that changes something."""
        verbs = {verb: self._verb(verb) for verb in DEEDS}
        return Door(self.parts.settings.runtime, CONTROL, 0o600, verbs, is_owner_only=True)

    def _verb(self, verb: str) -> Verb:
        async def do(arguments: Mapping[str, Any], say: Say) -> dict[str, Any]:
            self.log.info("asked", verb=verb)
            self.is_working = True
            try:
                return DEEDS[verb](self.parts, arguments, lambda step, mark: say(told(step, mark)))
            except Stop as stop:
                raise Broken("cannot finish this now: the agent was stopped", hint="it goes on when it runs") from stop
            finally:
                self.is_working = False
                self.failures = 0
                self.look_anew()

        return do


def run(parts: Parts, log: Logger) -> None:
    """Returns when it was asked to stop. Raises Locked where another agent or command is at work."""
    with alone(parts, "run"):
        log.info("agent_started", device=str(parts.settings.device), repo=parts.settings.url)
        with suppress(Stop):
            asyncio.run(_until_stopped(Agent(parts, log)))
        log.info("agent_stopped")


async def _until_stopped(agent: Agent) -> None:
    """A signal ends the wait at once, and work in the middle of a step."""
    loop = asyncio.get_running_loop()

    def stop(_signal: int, _frame: object) -> None:
        agent.is_stopping = True
        loop.call_soon_threadsafe(agent.wake.set)
        if agent.is_working:
            agent.is_working = False
            raise Stop

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    loop.add_signal_handler(signal.SIGHUP, agent.look_anew)
    await agent.run()


def _refs(url: str, ref: str) -> list[str]:
    """Where a push to a repo on this machine shows; none for a repo elsewhere."""
    path = url.removeprefix("file://")
    if not path.startswith("/"):
        return []
    folder = path if os.path.isdir(os.path.join(path, "refs")) else os.path.join(path, ".git")
    name = ref if ref.startswith("refs/") else f"refs/heads/{ref}"
    return [os.path.join(folder, name), os.path.join(folder, "packed-refs")]
