"""The agent: it follows, it watches, it keeps a device so.

Whatever wakes it (the interval, a push to a repo on this machine, a change of a managed path, a signal, a request)
says nothing but "look": what is to be done follows from what is seen. At rest nothing is written.
"""

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from reconciler.agent.command import CONTROL, alone, joined, told
from reconciler.agent.converge import converge
from reconciler.agent.deed import DEEDS, VERIFYING, Result, concluded
from reconciler.agent.ipc import Door, Say, Verb
from reconciler.agent.log import Logger
from reconciler.agent.looking import looking
from reconciler.agent.news import News
from reconciler.agent.parts import Parts
from reconciler.agent.publish import publish_failure, republish_health
from reconciler.agent.report import Report
from reconciler.agent.rhythm import Rhythm
from reconciler.agent.settings import under
from reconciler.agent.watch import Watcher, refs
from reconciler.core.desired import DRIFT_INTERVAL
from reconciler.core.errors import Broken, Failure
from reconciler.core.facts import Head
from reconciler.core.pace import in_force

GATHER = timedelta(milliseconds=5)
"""Changes that come together are looked at together; wakes in a row that gave nothing to do are gathered longer."""


class Stop(BaseException):
    """Somebody asked the agent to end. Safe at any moment: the journal knows how far a plan has come."""


@dataclass(slots=True)
class Agent:
    """One device's, in one thread: while it works on the device it listens to nothing but signals.

    `asks_repo` says whether the next look is at the repo, too: what changes on the device need not wait for git.
    """

    parts: Parts
    log: Logger
    rhythm: Rhythm
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    watcher: Watcher = field(default_factory=Watcher)
    report: Report = field(default_factory=Report)
    refs: list[str] = field(default_factory=list)
    idle_wakes: int = 0
    asks_repo: bool = True
    slept: bool = False
    waiting: list[asyncio.Future[Result]] = field(default_factory=list)
    listeners: list[Say] = field(default_factory=list)
    is_working: bool = False
    is_stopping: bool = False

    @property
    def news(self) -> News:
        return News(self.log)

    async def run(self) -> None:
        """Until it is stopping. The caller holds the lock."""
        doors = (self._control(), looking(self.parts, self.look_anew))
        servers = [await door.open() for door in doors]
        watching = asyncio.create_task(self._watch())
        try:
            while not self.is_stopping:
                self._pass()
                await self._rest()
        finally:
            watching.cancel()
            for server, door in zip(servers, doors, strict=True):
                server.close()
                door.close()
            self.watcher.close()
            self.parts.store.close()

    def _pass(self) -> None:
        """One whole look, and what follows from it."""
        self.wake.clear()
        self.is_working = True
        known = None if self.asks_repo or self.rhythm.failures else self.report.head
        self.asks_repo = False
        before = self.report.health
        try:
            self.report = self._converged(known)
            self.rhythm.has_looked(failed=self.report.failure is not None)
            if known is None:
                self.rhythm.has_polled()
            done = concluded(self.parts, self.report, self.parts.now() + self.rhythm.next_look(self._full()))
        except Failure as failure:
            done = self._untold(failure)
            self.rhythm.has_looked(failed=True)
        finally:
            self.is_working = False
        if self.report.failure:
            self.parts.store.close()  # opened anew: another database may lie there by now
        self.idle_wakes = 0 if done["changes"] or self.slept else self.idle_wakes + 1
        self.slept = False
        self.news.pass_ended(self.report, done)
        self.news.health_changed(before, self.report.health)
        self._watch_what_is_managed()
        if not self.report.is_on_trial:
            self._answer(done)

    def _answer(self, done: Result) -> None:
        """To those who wait for the end of a trial."""
        for future in self.waiting:
            if not future.done():
                future.set_result(done)
        self.waiting.clear()

    async def _rest(self) -> None:
        """Until something wants a look; a poll that finds the head where it was is no reason for one."""
        while not self.wake.is_set():
            try:
                await asyncio.wait_for(self.wake.wait(), self._wait())
            except TimeoutError:
                if self._wants_a_look():
                    return
        await asyncio.sleep((GATHER * 2 ** min(self.idle_wakes, 8)).total_seconds())

    def _wants_a_look(self) -> bool:
        """After a wait that nothing ended."""
        self.slept = True
        if self.rhythm.poll_in() <= 0:
            self.asks_repo = True
            self.rhythm.has_polled()
            if self._is_due() or self._has_moved():
                return True
            self.asks_repo = False
        if self.report.is_on_trial or self._has_hold_ended():
            return True
        return self._ask_checks()

    def _wait(self) -> float:
        """Seconds until something is due."""
        if self.report.is_on_trial:
            return min(self.parts.trials.wait().total_seconds(), max(self.rhythm.poll_in(), 0.0))
        waits = [self.rhythm.poll_in()]
        checks = self.report.desired.checks if self.report.desired else ()
        check_in = self.parts.checkup.next_in(checks, self.parts.look()) if checks else None
        if check_in is not None:
            waits.append(check_in.total_seconds())
        ends = [(hold.until - self.parts.now()).total_seconds() for hold in self.report.holds if hold.until]
        return max(min([*waits, *(max(end, 1.0) for end in ends)]), 0.0)

    def _full(self) -> timedelta:
        return self.report.desired.drift_interval if self.report.desired else DRIFT_INTERVAL

    def _is_due(self) -> bool:
        return self.watcher.is_blind or self.rhythm.is_stale(self._full())

    def _has_hold_ended(self) -> bool:
        return len(in_force(self.report.holds, self.parts.now())) < len(self.report.holds)

    def _has_moved(self) -> bool:
        self.is_working = True
        try:
            head = self.parts.source().head()
        except Failure:
            return True  # the pass will say so
        finally:
            self.is_working = False
        return self.report.head is None or head != self.report.head.commit

    def _ask_checks(self) -> bool:
        """Those that are due: whether one is amiss that was not. Nothing is written where all is as it was."""
        checks = self.report.desired.checks if self.report.desired else ()
        health = self.parts.checkup.ask(checks, self.parts.probes, self.parts.look(), self.parts.now())
        if health == self.report.health:
            return False
        before, self.report = self.report.health, replace(self.report, health=health)
        republish_health(self.parts, health)
        self.news.health_changed(before, health)
        well = {finding.check for finding in before if finding.verdict.is_well}
        return any(finding.check in well and not finding.verdict.is_well for finding in health)

    def _converged(self, known: Head | None) -> Report:
        """A fault of ours is told like any other failure, and does not end the agent."""
        try:
            return converge(self.parts, self.news.step_ended, known)
        except Exception as error:
            self.log.exception("pass_crashed")
            return Report(failure=Broken(f"cannot end this pass: {type(error).__name__}: {error}"))

    def trial(self, line: str) -> None:
        """Of what is on trial, in words."""
        self.log.info("trial", said=line)
        for say in self.listeners:
            say({"trial": line})

    def _untold(self, failure: Failure) -> Result:
        """What can be neither read back nor published for now does not end the agent.

        Unless the lock and the door went with their folder: only a new agent has those again.
        """
        if not os.path.isdir(self.parts.settings.runtime):
            raise failure
        self.report = replace(self.report, failure=failure)
        for future in self.waiting:
            if not future.done():
                future.set_exception(failure)
        self.waiting.clear()
        with suppress(Failure):
            publish_failure(self.parts, failure)
        return {"changes": []}

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
        self.refs = refs(settings.url or "", settings.ref)
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
                done = DEEDS[verb](self.parts, arguments, lambda step, mark: say(told(step, mark)))
            except Stop as stop:
                raise Broken("cannot finish this now: the agent was stopped", hint="it goes on when it runs") from stop
            finally:
                self.is_working = False
                self.rhythm.failures = 0
                self.look_anew()
            return joined(done, await self._end_of_trial(say)) if done.get("result") == VERIFYING else done

        return do

    async def _end_of_trial(self, say: Say) -> Result:
        """How the pass ended in which what is on trial proved itself, or did not."""
        end: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self.waiting.append(end)
        self.listeners.append(say)
        try:
            return await end
        finally:
            self.listeners.remove(say)


def run(parts: Parts, log: Logger) -> None:
    """Returns when it was asked to stop. Raises Locked where another agent or command is at work."""
    with alone(parts, "run"):
        log.info("agent_started", device=str(parts.settings.device), repo=parts.settings.url)
        with suppress(Stop):
            agent = Agent(parts, log, Rhythm(parts.settings.interval))
            agent.parts = replace(parts, say=agent.trial)
            asyncio.run(_until_stopped(agent))
        log.info("agent_stopped")


async def _until_stopped(agent: Agent) -> None:
    """A signal ends the wait at once, and work in the middle of a step."""
    loop = asyncio.get_running_loop()

    def stop(_signal: int, _frame: object) -> None:
        if agent.is_stopping:  # it is on its way out, and the loop may be closed
            return
        agent.is_stopping = True
        loop.call_soon_threadsafe(agent.wake.set)
        if agent.is_working:
            agent.is_working = False
            raise Stop

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    loop.add_signal_handler(signal.SIGHUP, agent.look_anew)
    await agent.run()
