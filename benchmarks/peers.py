"""Who is compared: the same files, with the same contents and modes, each in a root of its own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

RECONCILER = [sys.executable, "-m", "reconciler"]
GIT = {**os.environ, **dict.fromkeys(("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"), "/dev/null")}
GIT |= {f"GIT_{who}_{what}": "bench" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
HEAD = "apiVersion: reconciler/v1\nkind: Device\nmetadata: {name: pi}\nspec:\n"
A_DOCUMENT = 2000
"""Files that one document may name: it has a megabyte at most."""


def content(number: int) -> str:
    return f"{number:06d} " + "x" * 392


def paths(count: int) -> list[str]:
    return [f"/srv/d{number % (count // 10)}/f{number}" for number in range(count)]


def files_section(count: int, first: int = 0) -> str:
    """From the first one on, as many as a document holds."""
    there = list(enumerate(paths(count)))[first : first + A_DOCUMENT]
    return "  files:\n" + "".join(f'    {path}: {{content: "{content(n)}", mode: "0640"}}\n' for n, path in there)


def documents(count: int) -> dict[str, str]:
    """A device with so many files; those that do not fit into one document are in layers."""
    found = {"devices/pi.yaml": HEAD + files_section(count)}
    for first in range(A_DOCUMENT, count, A_DOCUMENT):
        layer = HEAD.replace("kind: Device", "kind: Layer").replace("name: pi", f"name: from-{first}")
        found[f"layers/from-{first}.yaml"] = layer + files_section(count, first)
    return found


def commit(repo: Path, documents: dict[str, str]) -> None:
    """Into a repo that is made where there is none."""
    if not (repo / ".git").exists():
        repo.mkdir(parents=True, exist_ok=True)
        git(repo, "init", "-q", "-b", "main")
    for name, text in documents.items():
        (repo / name).parent.mkdir(parents=True, exist_ok=True)
        (repo / name).write_text(text)
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "x")


def git(repo: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=repo, env=GIT, check=True)


class Peer:
    """`root` is what it keeps; a pass makes it so."""

    name: str
    program: str

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.root = folder / type(self).__name__, folder / type(self).__name__ / "root"
        self.root.mkdir(parents=True)
        self.count = count
        self.prepare()

    def prepare(self) -> None:
        raise NotImplementedError

    def words(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def pass_(self) -> None:
        subprocess.run(self.words(), env=self.environment(), check=False, capture_output=True)

    def forget(self) -> None:
        """As on a new device."""
        shutil.rmtree(self.root)
        self.root.mkdir()

    def check(self) -> None:
        """Ends the program where a file is not as it should be."""
        for number, path in enumerate(paths(self.count)):
            place = self.root / path.lstrip("/")
            is_so = place.exists() and place.read_text().rstrip("\n") == content(number)
            if not is_so or place.stat().st_mode & 0o7777 != 0o640:
                sys.exit(f"error: {self.name} did not bring {place}")

    def spoil(self) -> None:
        """Ten files."""
        for path in paths(self.count)[:: self.count // 10]:
            (self.root / path.lstrip("/")).write_text("spoiled")


class Reconciler(Peer):
    name, program = "reconciler", sys.executable

    def prepare(self) -> None:
        self.repo = self.folder / "repo"
        commit(self.repo, documents(self.count))

    def words(self) -> list[str]:
        return [*RECONCILER, "--root", str(self.root), "sync"]

    def environment(self) -> dict[str, str]:
        return {**os.environ, "RECONCILER_DEVICE": "pi", "RECONCILER_REPO__URL": str(self.repo)}


class CfEngine(Peer):
    """One promise a file."""

    name, program = "CFEngine, a promise a file", "cf-agent"

    def prepare(self) -> None:
        self.work = self.folder / "work"
        (self.work / "inputs").mkdir(parents=True)
        for name in ("bin", "outputs", "ppkeys", "state", "modules"):
            (self.work / name).mkdir(mode=0o700)
        (self.work / "bin/cf-promises").symlink_to(str(shutil.which("cf-promises")))
        keys = ("-f", str(self.work / "ppkeys/localhost"))
        subprocess.run(["cf-key", *keys], check=True, capture_output=True)
        self.policy = self.work / "inputs/promises.cf"
        self.policy.write_text('body common control { bundlesequence => { "main" }; }\n' + self.promises())
        os.chmod(self.policy, 0o600)

    def promises(self) -> str:
        rest = 'create => "true", perms => m, edit_defaults => whole, edit_line => line'
        promises = (f'"{self.root}{path}" {rest}("{content(n)}");\n' for n, path in enumerate(paths(self.count)))
        return (
            'body perms m { mode => "0640"; rxdirs => "false"; }\n'
            'body edit_defaults whole { empty_file_before_editing => "true"; edit_backup => "false"; }\n'
            'bundle edit_line line(x) { insert_lines: "$(x)"; }\n'
            f"bundle agent main {{ files:\n{''.join(promises)}}}\n"
        )

    def words(self) -> list[str]:
        return ["cf-agent", "-K", "-w", str(self.work), "-f", str(self.policy)]


class CfEngineCopy(CfEngine):
    """Its fastest form: one promise that copies a tree, compared by digest."""

    name = "CFEngine, one copy of a tree"

    def promises(self) -> str:
        source = self.folder / "source"
        for number, path in enumerate(paths(self.count)):
            place = source / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content(number))
            place.chmod(0o640)
        return (
            f'body copy_from tree {{ source => "{source}/srv"; compare => "digest"; preserve => "true"; '
            'copy_backup => "false"; }\nbody depth_search all { depth => "inf"; }\n'
            f'bundle agent main {{ files: "{self.root}/srv" copy_from => tree, depth_search => all; }}\n'
        )


class Puppet(Peer):
    name, program = "Puppet apply", "puppet"

    def prepare(self) -> None:
        self.manifest = self.folder / "site.pp"
        folders = sorted({"/srv", *(os.path.dirname(path) for path in paths(self.count))})
        made = (f"file {{ '{self.root}{path}': ensure => directory }}\n" for path in folders)
        kept = (
            f"file {{ '{self.root}{path}': ensure => file, mode => '0640', content => '{content(n)}' }}\n"
            for n, path in enumerate(paths(self.count))
        )
        self.manifest.write_text("".join((*made, *kept)))

    def words(self) -> list[str]:
        own = (f"--{name}dir={self.folder / name}" for name in ("conf", "var", "code"))
        return ["puppet", "apply", *own, str(self.manifest)]


ALL = (Reconciler, CfEngine, CfEngineCopy, Puppet)


def there(wanted: Iterable[type[Peer]] = ALL) -> list[type[Peer]]:
    """Those that are installed; of the others the name is said."""
    found = [peer for peer in wanted if shutil.which(peer.program)]
    for peer in wanted:
        if peer not in found:
            print(f"not compared, not installed: {peer.name} ({peer.program})")
    return found
