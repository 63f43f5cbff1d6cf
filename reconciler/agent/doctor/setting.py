"""What the agent was told: which repo, and by which clock its answers are judged."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from reconciler.agent.doctor.finding import Finding, fault, ok, warning
from reconciler.agent.doctor.installation import Installation, is_without_git_user
from reconciler.core.pace import rfc3339

EARLIEST = datetime(2024, 1, 1, tzinfo=UTC)
"""No clock that was set is before this release."""

LEEWAY = timedelta(minutes=1)
"""By which a clock that was set right may have gone back."""


def settings(installation: Installation) -> Iterator[Finding]:
    settings = installation.settings
    if installation.amiss is not None:
        is_closed = isinstance(installation.amiss.__cause__, PermissionError)
        mend = "`sudo reconciler doctor`" if is_closed else "mend the file: docs/reference/files.md shows a whole one"
        yield fault("settings", str(installation.amiss), installation.amiss.hint or mend)
        return
    told = f"told by {settings.config}" if os.path.exists(settings.config) else f"there is no {settings.config}"
    yield ok("settings", f"this is {settings.device}; {told}")


def clock(installation: Installation) -> Iterator[Finding]:
    """Boards without a battery begin in the past; certificates and holds are judged by the clock."""
    now = installation.parts.now()
    floor = installation.parts.store.floor.get() if installation.has_records else None
    mend = "`timedatectl set-ntp true`, or set it by hand; `fake-hwclock` helps a board without a battery"
    if now < EARLIEST:
        yield fault("clock", f"it is not {rfc3339(now)}: the clock was never set", mend)
    elif floor is not None and now < floor.at - LEEWAY:
        yield fault("clock", f"it says {rfc3339(now)}, but a commit was accepted at {rfc3339(floor.at)}", mend)
    else:
        yield ok("clock", rfc3339(now))


def repo(installation: Installation) -> Iterator[Finding]:
    """Asked for its head, which writes nothing. Raises what keeps it from being asked."""
    if installation.amiss is not None or is_without_git_user(installation):
        return
    settings, source = installation.settings, installation.parts.source()
    head = source.head()
    for passed in source.passed_over:
        mend = passed.failure.hint or "it is asked again each time"
        yield warning("repo", f"passed over: {passed.failure}", mend)
    asked = source.answered.url if source.answered else settings.url
    yield ok("repo", f"{settings.ref} is at {head.short} in {asked}")
