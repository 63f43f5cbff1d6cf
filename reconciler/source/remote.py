"""Which repo is followed, and which ref of it. Holding a Remote is the proof that neither can be taken for an option.

One look at its head costs one git process, and writes nothing anywhere.
"""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from reconciler.core.errors import BadSettings, HostileSource, NotSupported, SourceUnreachable
from reconciler.core.identity import Revision
from reconciler.source.child import Ended, run
from reconciler.source.power import Power
from reconciler.source.printable import printable

_BAD_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/.]|/\.|\.lock(/|$)|[./]$|^$")
"""What git-check-ref-format(1) forbids, and a leading `-`."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SHOWN = 5
UPLOAD_PACK = "--upload-pack=git-upload-pack"
"""Said each time, so that no configuration can name another program."""


@dataclass(frozen=True, slots=True)
class Remote:
    """An absolute path or `file:///…`, and a branch (`main`) or a full ref (`refs/…`)."""

    url: str
    ref: str = "main"

    def __post_init__(self) -> None:
        if self.url.startswith("-") or _CONTROL.search(self.url):
            raise BadSettings("cannot follow a repo with such a name", where=printable(self.url))
        if not self.path.startswith("/"):
            raise NotSupported(
                f"cannot follow {printable(_without_password(self.url))}: this release follows local repos only",
                hint="give an absolute path or a file:/// URL",
            )
        if _CONTROL.search(self.path):
            raise BadSettings("cannot follow a repo with such a name", where=printable(self.url))
        if _BAD_REF.search(self.ref):
            raise BadSettings("cannot follow a ref with such a name", where=printable(self.ref))

    @property
    def path(self) -> str:
        if self.url.startswith("file://"):
            return unquote(self.url.removeprefix("file://").removeprefix("localhost"))
        return self.url

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

    def _list(self, power: Power, *asked: str) -> Ended:
        ended = run(["ls-remote", UPLOAD_PACK, "--", self.path, *asked], power)
        if ended.code != 0:
            raise SourceUnreachable(
                f"cannot reach the desired-state repo {self.url}: {ended.reason}",
                hint="check that the repo exists and that the user who runs git may read it",
            )
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


def _without_password(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//…@", url)
