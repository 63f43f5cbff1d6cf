"""A desired-state repo in memory, and the little that most tests say in it."""

from collections.abc import Mapping
from textwrap import dedent

from reconciler import kinds, probes
from reconciler.core.identity import DeviceName
from reconciler.language.expand import Expansion, Facts, expand
from reconciler.language.load import load
from reconciler.language.vocabulary import Vocabulary

VOCABULARY = Vocabulary(kinds.discover(), probes.discover())


class MemoryTree:
    """Files by path. A path in `others` is there, but is no regular file."""

    def __init__(
        self,
        files: Mapping[str, bytes | str],
        others: frozenset[str] = frozenset(),
        programs: frozenset[str] = frozenset(),
    ) -> None:
        self._files = {path: text if isinstance(text, bytes) else dedent(text).encode() for path, text in files.items()}
        self._others = others
        self._programs = programs
        self.seen: list[str] = []

    def names(self, folder: str = "") -> tuple[str, ...]:
        self.seen.append(f"{folder}/")
        lead = f"{folder}/" if folder else ""
        paths = (*self._files, *self._others)
        return tuple(sorted({path.removeprefix(lead).split("/")[0] for path in paths if path.startswith(lead)}))

    def size(self, path: str) -> int | None:
        content = self._files.get(path)
        return None if content is None else len(content)

    def read(self, path: str) -> bytes:
        self.seen.append(path)
        return self._files[path]

    def is_folder(self, path: str) -> bool:
        return any(other.startswith(f"{path}/") for other in (*self._files, *self._others))

    def is_executable(self, path: str) -> bool:
        return path in self._programs


HEAD = "apiVersion: reconciler/v1\nkind: {}\nmetadata: {{name: {}}}\n"


def device(spec: str = "", name: str = "pi", labels: str = "") -> str:
    """A Device document; the spec is indented as it is below `spec:`."""
    lead = f"apiVersion: reconciler/v1\nkind: Device\nmetadata: {{name: {name}, labels: {{{labels}}}}}\n"
    return lead + (f"spec:\n{spec}" if spec else "")


def layer(name: str, spec: str, selector: str = "{}") -> str:
    return f"apiVersion: reconciler/v1\nkind: Layer\nmetadata: {{name: {name}}}\nselector: {selector}\nspec:\n{spec}"


def expanded(files: Mapping[str, bytes | str], name: str = "pi", arch: str = "arm64") -> Expansion:
    return expand(load(MemoryTree(files), DeviceName(name)), VOCABULARY, Facts(arch))
