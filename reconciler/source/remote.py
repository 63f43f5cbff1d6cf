"""Which repo is followed, and which ref of it. Holding a Remote is the proof that neither can be taken for an option,
and that neither holds a secret.

One look at its head costs one git process, and writes nothing anywhere.
"""

import re
from dataclasses import dataclass

from reconciler.core.errors import BadSettings, HostileSource, NoRoom, Overdue, SourceUnreachable
from reconciler.core.identity import Revision
from reconciler.source.address import Scheme, path_of, scheme_of
from reconciler.source.cause import cause_of
from reconciler.source.child import Ended, run
from reconciler.source.power import Power
from reconciler.source.printable import printable

_BAD_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/.]|/\.|\.lock(/|$)|[./]$|^$")
"""What git-check-ref-format(1) forbids, and a leading `-`."""

_SHOWN = 5
UPLOAD_PACK = "--upload-pack=git-upload-pack"
"""Said each time, so that no configuration can name another program."""


class Away(SourceUnreachable):
    """The fault is on the way or at the other end: whatever the clone is like, a fresh one would fare no better."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A repo and a branch (`main`) or a full ref (`refs/…`) of it.

    The repo is an absolute path, `file:///…`, `http://…`, `https://…`, `ssh://USER@HOST/PATH` or `USER@HOST:PATH`.
    Raises BadSettings or NotSupported.
    """

    url: str
    ref: str = "main"

    def __post_init__(self) -> None:
        scheme_of(self.url)
        if _BAD_REF.search(self.ref):
            raise BadSettings("cannot follow a ref with such a name", where=printable(self.ref))

    @property
    def scheme(self) -> Scheme:
        return scheme_of(self.url)

    @property
    def path(self) -> str:
        """As git is told it."""
        return path_of(self.url)

    @property
    def refname(self) -> str:
        return self.ref if self.ref.startswith("refs/") else f"refs/heads/{self.ref}"

    def head(self, power: Power) -> Revision:
        """The commit at the ref, as the repo says. Raises SourceUnreachable where it says none."""
        peeled = f"{self.refname}^{{}}"
        refs = _refs(self._list(power, self.refname, peeled))
        found = refs.get(peeled) or refs.get(self.refname)
        if found is None:
            raise self._no_such_ref(power)
        try:
            return Revision(found)
        except ValueError as error:
            raise HostileSource("cannot use the head of the repo: not a commit id", where=self.url) from error

    def unreachable(self, ended: Ended, verb: str) -> SourceUnreachable | NoRoom:
        """Why git failed, as far as that is the remote's fault or the way's."""
        if self.scheme != "file" and (cause := cause_of(ended.err)):
            sort = Away if cause.is_away else SourceUnreachable
            return sort(f"cannot {verb} {self.url}: {cause.words}", hint=cause.hint)
        if "Out of memory" in ended.err:
            return NoRoom(f"cannot {verb} {self.url}: out of memory")
        hint = "check that the repo exists and that the user who runs git may read it, and pass through to the clone"
        return SourceUnreachable(f"cannot {verb} {self.url}: {ended.reason}", hint=hint)

    def overdue(self, power: Power) -> Overdue:
        seconds = f"{power.bounds.deadline.total_seconds():g}"
        hint = "it hangs, is too slow, or is too large for the time it has"
        return Overdue(f"cannot wait longer for {self.url}: no whole answer within {seconds} s", hint=hint)

    def _list(self, power: Power, *asked: str) -> Ended:
        power = power.towards(self.scheme)
        power = power if self.scheme == "file" else power.frugal()
        try:
            ended = run(["ls-remote", UPLOAD_PACK, "--", self.path, *asked], power)
        except Overdue as error:
            raise self.overdue(power) from error
        if ended.code != 0:
            raise self.unreachable(ended, "reach the desired-state repo")
        return ended

    def _no_such_ref(self, power: Power) -> SourceUnreachable:
        names = sorted(_refs(self._list(power, "refs/heads/*")))
        branches = [printable(name.removeprefix("refs/heads/")) for name in names]
        shown = ", ".join(branches[:_SHOWN]) + (", …" if len(branches) > _SHOWN else "")
        return SourceUnreachable(
            f"cannot find {self.ref} in the desired-state repo {self.url}",
            hint=f"it has the branches {shown}" if shown else "it has no branches yet: push a first commit",
        )


def _refs(ended: Ended) -> dict[str, str]:
    """Lines of `ID TAB REF`; a pattern also matches the end of longer names, so what is wanted is picked by name."""
    lines = (line.partition("\t") for line in ended.out.decode(errors="replace").splitlines())
    return {name: id for id, _, name in lines}
