"""A device in a sandbox that follows a real git repo, driven through the command line as a user does."""

import contextlib
import io
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reconciler.cli.main import run

GIT = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "PATH": os.environ["PATH"],
}
HEAD = "apiVersion: reconciler/v1\nkind: {kind}\nmetadata: {{name: {name}}}\n"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command said and how it ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Device:
    def __init__(self, folder: Path, name: str = "pi") -> None:
        self.name, self.repo, self.root = name, folder / "repo", folder / "root"
        self.repo.mkdir()
        self.root.mkdir()
        self.git("init", "-q", "-b", "main")
        self.config = folder / "agent.yaml"
        self.config.write_text(f"device: {name}\nrepo: {{url: {self.repo}, ref: main, interval: 60s}}\n")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.repo, env=GIT, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, files: dict[str, str | None], message: str = "a change") -> str:
        """Files by path; None takes one away. Returns the commit."""
        for path, text in files.items():
            place = self.repo / path
            if text is None:
                place.unlink()
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def push(self, spec: str, **more: str) -> str:
        """The device's own spec, as YAML of one flow or block map."""
        text = HEAD.format(kind="Device", name=self.name) + "spec:\n" + _indented(spec)
        return self.commit({f"devices/{self.name}.yaml": text, **more})

    def run(self, *arguments: str) -> Ran:
        """In this process: an exit status, and both streams."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = run(["--config", str(self.config), "--root", str(self.root), *arguments])
        return Ran(status, out.getvalue(), err.getvalue())

    def sync(self) -> Ran:
        return self.run("sync", "-o", "json")

    def path(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def read(self, path: str) -> str:
        return self.path(path).read_text()

    def tree(self) -> dict[str, tuple[str, int, str]]:
        """All that is managed, or could be: type, mode, content."""
        found = {}
        for folder, folders, files in os.walk(self.root):
            if folder == str(self.root):
                folders[:] = [name for name in folders if name not in ("var", "run")]
            for name in (*folders, *files):
                place = Path(folder) / name
                if place.is_symlink():
                    found[str(place.relative_to(self.root))] = ("link", 0, str(place.readlink()))
                else:
                    content = place.read_text() if place.is_file() else ""
                    found[str(place.relative_to(self.root))] = (
                        "file" if place.is_file() else "directory",
                        place.stat().st_mode & 0o7777,
                        content,
                    )
        return found


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.strip("\n").splitlines())
