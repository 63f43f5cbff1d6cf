"""What there is to be examined, however broken: where one part cannot be had, the others can.

Looking never touches: not even a cut-off transaction is taken back, as any other reader of the database would do.
"""

import os
import pwd
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from reconciler import durable
from reconciler.agent.doctor import database
from reconciler.agent.doctor.finding import Finding, Level
from reconciler.agent.main import USER, assemble
from reconciler.agent.parts import Parts
from reconciler.agent.settings import CONFIG, Settings, read, under
from reconciler.core.errors import Broken, Failure
from reconciler.core.identity import DeviceName
from reconciler.source.power import Identity
from reconciler.store import Store


@dataclass(frozen=True, slots=True)
class Installation:
    """`amiss` is why the settings cannot be used; `parts` then go by what holds without them."""

    parts: Parts
    database: Finding
    amiss: Failure | None = None

    @property
    def settings(self) -> Settings:
        return self.parts.settings

    @property
    def lock(self) -> str:
        return os.path.join(self.settings.runtime, "lock")

    @property
    def has_records(self) -> bool:
        return self.database.level is Level.OK

    def store(self) -> Store:
        """Raises Broken where it could not be read without being mended."""
        if not self.has_records:
            raise Broken(f"cannot read the state database: {self.database.seen}", hint=self.database.mend)
        return self.parts.store

    def holder(self) -> durable.Holder | None:
        """Who works on the device now."""
        return durable.held_by(self.lock)


@contextmanager
def installation(config: str | None, root: str, environment: Mapping[str, str]) -> Iterator[Installation]:
    """Does not raise: a configuration that cannot be used is a finding."""
    settings, amiss = _settings(config, root, environment)
    parts = assemble(settings)
    try:
        yield Installation(parts, database.look(parts.store.database.path), amiss)
    finally:
        parts.store.close()


def git_user() -> Identity | None:
    """Whom git runs as on a device; None where there is no such user."""
    try:
        entry = pwd.getpwnam(USER)
    except KeyError:
        return None
    return Identity(entry.pw_uid, entry.pw_gid)


def is_without_git_user(installation: Installation) -> bool:
    """On a device, where git runs as nobody else."""
    return not installation.settings.is_sandbox and git_user() is None


def _settings(config: str | None, root: str, environment: Mapping[str, str]) -> tuple[Settings, Failure | None]:
    blank = Settings(_hostname(), None, "main", root, config or under(root, CONFIG))
    try:
        return read(config, root, environment), None
    except Failure as failure:
        return blank, failure
    except Exception as error:  # noqa: BLE001  # whoever looks for faults is not stopped by one
        return blank, Broken(f"cannot read the settings: reconciler itself failed: {type(error).__name__}: {error}")


def _hostname() -> DeviceName:
    try:
        return DeviceName(socket.gethostname().lower())
    except ValueError:
        return DeviceName("unknown")
