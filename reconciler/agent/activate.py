"""One plan from its first entry to its last, with all that must be written before the one and along with the other.

Before the first entry everything that recovery needs is on the disk; what we are to own is ours on paper before it is
made; and how it ended is written in one go, so that journal, inventory, history and what is in force always agree.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress

from reconciler.agent import target as targets
from reconciler.agent import versions
from reconciler.agent.carry_out import Hands, Watch, carry_out, resume
from reconciler.agent.observe import look_at, observe
from reconciler.agent.parts import Parts
from reconciler.agent.prove import Goals
from reconciler.agent.target import Target
from reconciler.core.desired import App, Desired, Mode, Resource
from reconciler.core.errors import Broken, CorruptStore, Failure, InTheWay, Moved
from reconciler.core.facts import Applied, Quarantined
from reconciler.core.identity import Digest, Generation, ResourceId
from reconciler.core.inventory import Inventory
from reconciler.core.journal import Closed, Mark, Opened, Outcome, Progress, Purpose, advance
from reconciler.core.observed import Observed
from reconciler.core.plan import Plan, make, taken_on
from reconciler.core.state import State
from reconciler.core.trial import Pending, Proven, Unproven
from reconciler.store.generations import RUNNING, Record


def planned(parts: Parts, desired: Desired) -> tuple[Plan, Observed, Inventory]:
    """Raises Rejected where the plan is over the limits."""
    inventory = parts.store.inventory.load()
    observed = observe(desired, inventory, parts.kinds, parts.look())
    parts.sight.see(desired, observed.states, parts.now())
    return make(desired, observed, inventory, parts.kinds), observed, inventory


def activate(parts: Parts, target: Target, watch: Watch) -> tuple[Plan, Progress | None]:
    """Plans anew and carries out. No progress where there was nothing to do and nothing to record.

    Raises Rejected, Transient or Broken where it could not begin, or has to go on another time.
    """
    if parts.store.journal.is_open():
        raise Broken("cannot begin a plan: another one is still open", hint="sync again: it is gone on with first")
    plan, observed, inventory = planned(parts, target.desired)
    if target.purpose is Purpose.REPAIR and plan.is_empty:
        _let_go(parts, plan, inventory)
        return plan, None
    in_the_way = [blocked for blocked in plan.blocked if blocked.resource in target.desired.resources]
    if target.purpose is not Purpose.REPAIR and in_the_way:
        first = in_the_way[0]
        hint = "move away what is there, or take the resource out of the desired state"
        raise InTheWay(f"cannot bring generation {target.generation}: {first.resource} is {first.reason}", hint=hint)
    object = _save(parts, target, plan)
    progress = _open(parts, target, plan, object, (observed, inventory))

    def load() -> Desired:
        return target.desired

    hands = _hands(parts, watch, load)
    if target.purpose is not Purpose.REPAIR:
        versions.begin(_released(parts, target.desired, progress), hands.host, parts.now())
    return plan, _to_the_end(parts, progress, hands, load)


def go_on(parts: Parts, watch: Watch) -> Progress | None:
    """A plan that is on trial is looked at again, one that an interrupted process left open is carried on."""
    if not parts.store.journal.is_open():
        return None
    progress = parts.store.journal.progress()
    if progress is None or progress.closed is not None:
        return None
    generation = progress.opened.generation

    def load() -> Desired:
        return _desired(parts, generation)

    hands = _hands(parts, watch, load)
    if not parts.trials.knows(progress):
        progress = resume(progress, hands)
    return _to_the_end(parts, progress, hands, load)


def supersede(parts: Parts, progress: Progress) -> None:
    """What is on trial gives way to something newer: it is neither good nor bad, and stays until that comes."""
    parts.trials.forget()
    _close(parts, progress, Outcome.SUPERSEDED)


def _to_the_end(parts: Parts, progress: Progress, hands: Hands, load: Callable[[], Desired]) -> Progress:
    """Still open where it is on trial."""
    progress, outcome = carry_out(progress, hands)
    parts.sight.has_changed(progress)
    if outcome is None:
        return progress
    parts.checkup.hurry(parts.look())
    parts.trials.forget()
    if progress.opened.purpose is Purpose.NEW:
        with suppress(Failure):  # an old desired state that cannot be read keeps no plan open: swept another time
            parts.store.sweep()
    if progress.opened.purpose is not Purpose.REPAIR:
        with suppress(CorruptStore):  # whose releases they were is lost; the plan ends all the same
            versions.end(_released(parts, load(), progress), hands.host, outcome, parts.now())
    elif outcome is Outcome.CONVERGED:
        with suppress(CorruptStore):
            versions.end(load().apps.values(), hands.host, Outcome.REVERTED, parts.now())
    _close(parts, progress, outcome)
    return advance(progress, (Closed(outcome),))


def _hands(parts: Parts, watch: Watch, load: Callable[[], Desired]) -> Hands:
    """`load` gives the desired state of the plan, for what has to prove itself."""

    def prove(progress: Progress) -> Pending | Proven | Unproven:
        goals = Goals(load, lambda: _in_force(parts))
        return parts.trials.prove(progress, goals, parts.look(), parts.probes, parts.say)

    return Hands(parts.touch(), parts.kinds, parts.store.journal, watch, prove)


def _desired(parts: Parts, generation: Generation) -> Desired:
    record = parts.store.generations.get(generation)
    if record is None:
        raise Broken(f"cannot go on with generation {generation}: history does not tell of it")
    return parts.store.load_desired(record.desired)


def _in_force(parts: Parts) -> Desired | None:
    """None too where it was lost: then nothing of what comes is known to be good."""
    applied = parts.store.generations.applied()
    with suppress(CorruptStore):
        return _desired(parts, applied.generation) if applied else None
    return None


def _state(id: ResourceId, resources: Mapping[ResourceId, Resource]) -> State | None:
    found = resources.get(id)
    return found.state if found else None


def _released(parts: Parts, desired: Desired, progress: Progress) -> list[App]:
    """The apps whose release the plan changes, or one before it that was overtaken; not those that are held."""
    if not desired.apps:
        return []
    changed, good = {step.resource for step in progress.steps}, _in_force(parts)
    known = good.resources if good else {}
    return [
        app
        for app in desired.apps.values()
        if (app.release in changed or _state(app.release, known) != _state(app.release, desired.resources))
        and desired.resources[app.release].rule is Mode.ENFORCE
    ]


def _save(parts: Parts, target: Target, plan: Plan) -> Digest:
    """Pre-images and the desired state. Raises Moved where a resource is not as it was when the plan was made."""
    view = parts.look()
    with parts.store.objects.batch():
        for step in plan.steps:
            if not isinstance(step.before, State):
                continue
            kind = parts.kinds[step.resource.kind]
            if kind.diff(step.before, look_at(step.resource, parts.kinds, view)):
                raise Moved(f"cannot begin: {step.resource} changed while the plan was made", hint="sync again")
            if kind.content is not None:
                for digest in kind.payloads(step.before):
                    parts.store.objects.put(kind.content.read(step.resource.name, view), digest)
        return parts.store.save_desired(target.desired)


def _open(parts: Parts, target: Target, plan: Plan, object: Digest, seen: tuple[Observed, Inventory]) -> Progress:
    observed, inventory = seen
    new = tuple(taken_on(target.desired, observed, inventory, plan))
    owned = tuple(entry.resource for entry in new)
    opened = Opened(plan, target.generation, target.purpose, target.commit, owned)
    store = parts.store
    with store.transaction():
        store.journal.append((opened,))
        store.inventory.save(inventory, inventory.with_(new))
        if target.purpose is Purpose.NEW and not _was_good(parts, target):
            store.generations.put(_record(parts, target, plan, object))
    return Progress(opened, (Mark.WAITING,) * len(plan.steps))


def _was_good(parts: Parts, target: Target) -> bool:
    """Come back to after a rollback: history keeps what it told of it."""
    record = parts.store.generations.get(target.generation)
    return record is not None and record.result == Outcome.CONVERGED


def _record(parts: Parts, target: Target, plan: Plan, object: Digest) -> Record:
    return Record(
        generation=target.generation,
        digest=target.desired.digest,
        commit=target.commit,
        author=target.author,
        subject=target.subject,
        plan=plan.digest,
        result=RUNNING,
        reason=None,
        started=parts.now(),
        ended=None,
        desired=object,
    )


def _close(parts: Parts, progress: Progress, outcome: Outcome) -> None:
    inventory = parts.store.inventory.load()
    with parts.store.transaction():
        parts.store.journal.append((Closed(outcome),))
        parts.store.inventory.save(inventory, _owned_after(progress, outcome, inventory))
        if progress.opened.purpose is not Purpose.REPAIR:
            _close_generation(parts, progress, outcome)


def _close_generation(parts: Parts, progress: Progress, outcome: Outcome) -> None:
    """A rollback changes what is in force and holds there, and changes nothing that history tells."""
    generations, opened, fault = parts.store.generations, progress.opened, progress.turned
    record = generations.get(opened.generation)
    if record is None:
        raise Broken(f"cannot close generation {opened.generation}: history does not tell of it")
    if outcome is Outcome.CONVERGED:
        generations.apply(Applied(opened.generation, opened.commit, record.digest, parts.now()))
        if opened.purpose is Purpose.ROLLBACK:
            parts.store.holds.set(targets.rollback_hold(parts, opened.generation))
    if opened.purpose is Purpose.NEW and record.result == RUNNING:
        generations.end(opened.generation, str(outcome), fault.message if fault else None, parts.now())
        generations.forget_old()
    if opened.purpose is Purpose.NEW and fault and not fault.transient:
        parts.store.quarantine.add(Quarantined(record.digest, opened.commit, fault, parts.now()))


def _owned_after(progress: Progress, outcome: Outcome, inventory: Inventory) -> Inventory:
    """What was pruned is ours no longer, nor what a plan took on that was taken back, but for what is still there."""
    marks = {step.resource: mark for step, mark in zip(progress.steps, progress.marks, strict=True)}
    if outcome in (Outcome.REVERTED, Outcome.STUCK):
        taken_on = progress.opened.taken_on
        return inventory.without(id for id in taken_on if marks.get(id) is not Mark.STUCK)
    pruned = (id for id in progress.plan.prunes if marks[id] is Mark.DONE)
    return inventory.without((*pruned, *progress.plan.released, *progress.plan.gone))


def _let_go(parts: Parts, plan: Plan, inventory: Inventory) -> None:
    """What went by itself, or is let go, is ours no longer; at rest there is nothing to write."""
    if plan.released or plan.gone:
        with parts.store.transaction():
            parts.store.inventory.save(inventory, inventory.without((*plan.released, *plan.gone)))
