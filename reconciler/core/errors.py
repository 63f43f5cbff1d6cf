"""An error says who must act.

    Failure
    ├── Rejected    the desired state is at fault: somebody must push another commit
    ├── Transient   the world is: wait and try again
    └── Broken      the device, or how it is set up, is: somebody must mend it

Every leaf has a stable kebab-case `code`. A message is a sentence "cannot …", lowercase, without a full stop,
so that it chains; a hint says what to do about it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Self


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where in the desired state something is written; lines and columns count from one."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake of an operator: `FILE:LINE:COL: problem (hint)`."""

    place: Place
    message: str
    hint: str | None = None
    code: str = "invalid"

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class Failure(Exception):
    """The root of the tree. `where` is what the message is about: a path, a place, a URL."""

    code: ClassVar[str] = "failure"

    def __init__(self, message: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}: {self.where}" if self.where else self.message


class Rejected(Failure):
    """The desired state is at fault."""

    code = "rejected"


class InvalidDocuments(Rejected):
    """All mistakes of a desired state at once, in the order of their places."""

    code = "invalid-documents"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems), key=lambda p: (p.place, p.message)))
        count = len(self.problems)
        first = str(self.problems[0]) if self.problems else ""
        super().__init__(
            f"cannot accept the desired state: {count} problem{'s' if count != 1 else ''}",
            where=first,
            hint="`reconciler validate` lists all of them",
        )

    def __reduce__(self) -> tuple[type[Self], tuple[tuple[Problem, ...]]]:
        """Made again from its problems, so that it can travel between processes."""
        return type(self), (self.problems,)


class NotADescendant(Rejected):
    """The revision does not descend from the newest one that was ever accepted here."""

    code = "not-a-descendant"


class HostileSource(Rejected):
    """An object of the source is not what its id says, or is beyond a limit."""

    code = "hostile-source"


class Cycle(Rejected):
    """Resources need one another in a circle."""

    code = "cycle"


class OverLimit(Rejected):
    """The plan would delete more than the limits allow."""

    code = "over-limit"


class Protected(Rejected):
    """The plan would delete what policy protects."""

    code = "protected"


class UnknownGeneration(Rejected):
    """There is no such generation here to go back to, or it never was good."""

    code = "unknown-generation"


class Transient(Failure):
    """The world is at fault; trying again later may do."""

    code = "transient"


class SourceUnreachable(Transient):
    """The desired-state repo does not answer."""

    code = "source-unreachable"


class NoRoom(Transient):
    """The device has no space, memory or descriptors left for this."""

    code = "no-room"


class InputOutput(Transient):
    """A disk answered with an error, or is read-only."""

    code = "input-output"


class Moved(Transient):
    """A resource changed between the look and the deed."""

    code = "moved"


class Overdue(Transient):
    """Something did not end before its deadline."""

    code = "overdue"


class Broken(Failure):
    """The device, or how it is set up, is at fault."""

    code = "broken"


class Locked(Broken):
    """Another command or agent holds the lock."""

    code = "locked"


class BadSettings(Broken):
    """The agent's own configuration cannot be used."""

    code = "bad-settings"


class Denied(Broken):
    """The agent lacks the permission for this."""

    code = "denied"


class InTheWay(Broken):
    """Something that we do not manage stands where a resource should be."""

    code = "in-the-way"


class NotConverged(Broken):
    """An effect returned, but looking again shows that the resource is not as desired."""

    code = "not-converged"


class ForeignFormat(Broken):
    """What is stored was written in a format that this release does not know."""

    code = "foreign-format"


class CorruptStore(Broken):
    """What is stored cannot be read."""

    code = "corrupt-store"


class UntrustedPath(Broken):
    """A path leads through a link that somebody without our power could have made, or out of the root."""

    code = "untrusted-path"


class NotFound(Broken):
    """What a command was asked about does not exist."""

    code = "not-found"


class NotSupported(Broken):
    """This release does not do that."""

    code = "not-supported"
