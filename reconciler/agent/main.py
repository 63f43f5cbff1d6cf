"""The composition root: the one place where rims meet."""

import os
import pwd
from collections.abc import Iterator
from datetime import UTC, datetime

from reconciler import kinds as kinds_folder
from reconciler import probes as probes_folder
from reconciler.agent.parts import Parts
from reconciler.agent.settings import PREFIX, Settings
from reconciler.core.errors import BadSettings, Broken, Denied, NotSupported
from reconciler.host import real
from reconciler.source.credentials import Credentials
from reconciler.source.git import Source
from reconciler.source.power import Identity
from reconciler.source.remote import Remote
from reconciler.store import Store

USER = "reconciler"
"""As whom git runs."""


def assemble(settings: Settings) -> Parts:
    kinds = kinds_folder.discover()
    probes = probes_folder.discover()
    store = Store.at(settings.state, kinds, probes)
    return Parts(
        settings=settings,
        kinds=kinds,
        probes=probes,
        store=store,
        source=lambda: _source(settings),
        fetch=lambda url: _fetched(settings, url),
        touch=lambda: real.RealHost(settings.root, store.objects),
        look=lambda: real.RealView(settings.root),
        now=lambda: datetime.now(UTC).replace(microsecond=0),
    )


def prepare(settings: Settings) -> None:
    """The folders that the contract names. Others may pass through the state's folder, to the clone, and no more."""
    for path, mode in ((settings.state, 0o711), (settings.runtime, 0o755)):
        try:
            if not os.path.isdir(path):
                os.makedirs(path, exist_ok=True)
                os.chmod(path, mode)
        except OSError as error:
            hint = "run this as root, or with --root DIR in a sandbox of your own"
            raise Denied(f"cannot make a folder: {error.strerror}", where=path, hint=hint) from error


def end_services(settings: Settings) -> int:
    """Of a sandbox; how many processes. Raises NotSupported on a machine."""
    if not settings.is_sandbox:
        hint = "`systemctl stop` a unit, or say `running: false` in the desired state"
        raise NotSupported("cannot stop the services of a machine: they are the service manager's", hint=hint)
    from reconciler.host.supervised import end_all  # noqa: PLC0415  # only a sandbox has any

    return end_all(settings.root)


def _source(settings: Settings) -> Source:
    if not settings.url:
        hint = f"write `repo: {{url: …}}` there, or set {PREFIX}REPO__URL"
        raise BadSettings("cannot tell which repo to follow", where=settings.config, hint=hint)
    clone, lock = os.path.join(settings.state, "repo"), os.path.join(settings.runtime, "repo.lock")
    remote, *mirrors = (Remote(url, settings.ref) for url in (settings.url, *settings.mirrors))
    access = Credentials(settings.credentials, settings.ssh_key, settings.known_hosts, settings.ca_file)
    return Source(remote, clone, lock, _identity(settings), mirrors=mirrors, credentials=access)


def _fetched(settings: Settings, url: str) -> Iterator[bytes]:
    from reconciler.source.download import fetch  # noqa: PLC0415  # few commits name anything that is far away

    return fetch(url, _identity(settings))


def _identity(settings: Settings) -> Identity | None:
    """Root never runs git as root on a device; in a sandbox, and without root, git runs as who runs us."""
    if settings.is_sandbox or os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(USER)
    except KeyError as error:
        hint = f"make it: `useradd --system --no-create-home --shell /usr/sbin/nologin {USER}`"
        raise Broken(f"cannot fetch as user {USER}: there is none", hint=hint) from error
    return Identity(entry.pw_uid, entry.pw_gid)
