"""What is remembered: whether it can be read, whether all of it is there, and what in it keeps the device as it is.

Where the database cannot be read as it lies, that alone is said.
"""

from collections.abc import Iterator

from reconciler.agent.doctor.finding import Finding, fault, ok, warning
from reconciler.agent.doctor.installation import Installation
from reconciler.core.journal import Mark, Progress
from reconciler.core.pace import in_force, rfc3339


def database(installation: Installation) -> Iterator[Finding]:
    yield installation.database


def journal(installation: Installation) -> Iterator[Finding]:
    """A plan that is open, and that nobody carries out, was interrupted."""
    if not installation.has_records:
        return
    progress, holder = installation.parts.store.journal.progress(), installation.holder()
    if progress is None or progress.closed is not None:
        yield ok("journal", "no plan is open")
    elif holder is not None:
        yield ok("journal", f"{_how_far(progress)}; {holder} is at it")
    else:
        mend = "`reconciler sync` carries it on to its end first, whatever it needs is stored"
        yield warning("journal", f"{_how_far(progress)}, and was interrupted", mend)


def objects(installation: Installation) -> Iterator[Finding]:
    """All that the generation in force is made of, byte for byte: what putting it back, and going back to it, take."""
    applied = installation.parts.store.generations.applied() if installation.has_records else None
    if applied is None:
        return
    store, generation = installation.parts.store, applied.generation
    record = store.generations.get(generation)
    if record is None:
        yield fault("objects", f"history does not tell of generation {generation}", "push any commit")
        return
    desired = store.load_desired(record.desired)
    spoilt = [digest for digest in sorted(desired.payloads) if not store.objects.is_sound(digest)]
    if spoilt:
        some = ", ".join(digest.hex for digest in spoilt[:3])
        seen = f"{len(spoilt)} of {len(desired.payloads)} contents of generation {generation} are missing or damaged"
        mend = f"delete what is left of them in {installation.settings.state}/objects; then `reconciler sync`"
        yield fault("objects", f"{seen}: {some}", f"{mend} stores them again while the repo asks for them")
        return
    yield ok("objects", f"contents of generation {generation}: {len(desired.payloads)}, all of them whole")


def holds(installation: Installation) -> Iterator[Finding]:
    """Meant so by somebody, hence no fault."""
    if not installation.has_records:
        return
    for hold in in_force(installation.parts.store.holds.all(), installation.parts.now()):
        until = f" until {rfc3339(hold.until)}" if hold.until else ""
        yield ok("hold", f"{hold.kind} since {rfc3339(hold.since)}{until}: {hold.reason}", hold.lift)


def quarantine(installation: Installation) -> Iterator[Finding]:
    """Kept away as it should be, hence no fault."""
    if not installation.has_records:
        return
    for entry in installation.parts.store.quarantine.all():
        seen = f"{entry.digest.short} failed at {rfc3339(entry.at)}: {entry.fault.message}"
        yield ok(
            "quarantine", seen, f"if it would not fail again: `reconciler quarantine clear {entry.digest.hex[:12]}`"
        )


def _how_far(progress: Progress) -> str:
    done = sum(mark in (Mark.DONE, Mark.UNDONE) for mark in progress.marks)
    how = "is taken back" if progress.turned else "is open"
    return f"a plan of generation {progress.opened.generation} {how}, {done} of {len(progress.marks)} steps done"
