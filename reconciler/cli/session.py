"""What the global options come to. Nothing is read before a command needs it."""

import os
import sys
from dataclasses import dataclass, field, replace

from reconciler.agent.main import assemble
from reconciler.agent.parts import Parts
from reconciler.agent.settings import read
from reconciler.core.errors import BadSettings


@dataclass(frozen=True, slots=True)
class Session:
    """`opened` is what is to be closed when the command ends."""

    config: str | None
    root: str | None
    is_debug: bool
    opened: list[Parts] = field(default_factory=list)

    def parts(self, ref: str | None = None) -> Parts:
        """An agent of this device. Raises BadSettings."""
        settings = read(self.config, self.host(), os.environ)
        parts = assemble(replace(settings, ref=ref) if ref else settings)
        self.opened.append(parts)
        return parts

    def become_agent(self) -> None:
        """This process gives way to one that carries nothing of the command line. Does not return."""
        self.parts()
        options = ["--config", self.config] if self.config else []
        words = [sys.executable, "-P", "-m", "reconciler.agent", *options, self.host()]
        os.execv(sys.executable, words)  # noqa: S606  # no shell is wanted

    def close(self) -> None:
        for parts in self.opened:
            parts.store.close()

    def host(self) -> str:
        """The root under which every path of the device is. Raises BadSettings."""
        if self.root is None:
            return "/"
        try:
            root = os.path.realpath(self.root)
        except OSError as error:
            raise BadSettings(f"cannot use this root: {error.strerror}", where=self.root) from error
        if not os.path.isdir(root):
            raise BadSettings("cannot use this root: it is no directory", where=self.root, hint=f"mkdir -p {self.root}")
        return root
