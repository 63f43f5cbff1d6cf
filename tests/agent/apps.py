"""A small app as its author writes it: how it behaves is written in its release, and what it is it answers itself.

So what really runs is asked over HTTP, and seen in /proc: not taken from what the agent says of it.
"""

import json
import os
import socket
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from reconciler.core.errors import Transient
from reconciler.core.senses import UnitStat
from reconciler.host.supervised import SupervisedUnits
from reconciler.host.supervisor_strays import Process, end, strays
from tests.device import HEAD, Device, Ran

PROGRAM = """\
import json, os, signal, socket, subprocess, sys, time

here = os.path.dirname(os.path.realpath(__file__))
way, _, after = open(f"{here}/way").read().strip().partition(" ")
version, name = open(f"{here}/version").read().strip(), sys.argv[1]
config = json.load(open(sys.argv[2]))


def tell(what):
    print(f"{name} {version} {what}", flush=True)
    with open(config["told"], "a") as file:
        file.write(f"{name} {what}\\n")


def leave(*_):
    tell("ends")
    os._exit(0)


def die(*_):
    tell("dies")
    os._exit(3)


def answer(status):
    said = {"status": status, "name": name, "version": version, "pid": os.getpid(), "zone": os.environ.get("TZ")}
    body = json.dumps({**said, "greeting": config["greeting"]}).encode()
    return b"HTTP/1.0 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body) + body


signal.signal(signal.SIGTERM, signal.SIG_IGN if way == "stubborn" else leave)
begun = time.monotonic()
tell("begins")
if way == "never":
    sys.exit("there is no such sensor")
if way == "slow":
    time.sleep(float(after))
if way == "forks":
    children = [subprocess.Popen(["/bin/sleep", "1000"]) for _ in range(2)]
if way == "dies":
    signal.signal(signal.SIGALRM, die)
    signal.setitimer(signal.ITIMER_REAL, float(after))
listening = socket.create_server(("127.0.0.1", config["ports"][name]))
held = []
while True:
    caller, _ = listening.accept()
    if way == "hangs":
        held.append(caller)
        continue
    caller.settimeout(1)
    is_sick = way == "wrong" or (way == "sickens" and time.monotonic() - begun > float(after))
    try:
        caller.recv(65536)
        caller.sendall(answer("sick" if is_sick else "well"))
    except OSError:
        pass
    caller.close()
"""

DOCUMENT = """\
spec:
  source: {{files: {{path: "files/{{version}}"}}}}
  services:
{services}
  config:
    path: /etc/{name}/config.json
    format: json
    values: {{greeting: hello, told: {told}, ports: {ports}}}
  health:
    startTimeout: {start}
    soak: {soak}
    checks:
{checks}
"""


class App:
    """`services` by name, each with those of them that start before it."""

    def __init__(
        self,
        device: Device,
        name: str = "web",
        services: dict[str, tuple[str, ...]] | None = None,
        *,
        soak: str = "0s",
        start: str = "3s",
    ) -> None:
        self.device, self.name, self.soak, self.start = device, name, soak, start
        self.services = services or {name: ()}
        self.ports = {service: _free_port() for service in self.services}
        self.told = device.root.parent / f"{name}.told"

    def document(self) -> dict[str, str]:
        services = "\n".join(map(self._service, self.services))
        checks = "\n".join(map(self._check, self.services))
        ports = json.dumps(self.ports)
        spec = DOCUMENT.format(
            services=services,
            checks=checks,
            name=self.name,
            told=self.told,
            ports=ports,
            start=self.start,
            soak=self.soak,
        )
        return {f"apps/{self.name}/app.yaml": HEAD.format(kind="App", name=self.name) + spec}

    def release(self, version: str, way: str = "good") -> dict[str, str]:
        folder = f"apps/{self.name}/files/{version}"
        return {f"{folder}/run.py": PROGRAM, f"{folder}/way": way, f"{folder}/version": version}

    def push(self, version: str, way: str = "good", use: str = "", spec: str = "") -> str:
        """The device asks for this release, which is made here; `use` is what else it says of the app, in flow style.

        `spec` is what else the device asks for.
        """
        apps = f"apps: {{{self.use(version, use)}}}"
        return self.device.push(f"{apps}\n{spec}", **self.document(), **self.release(version, way))

    def use(self, version: str, more: str = "") -> str:
        return f'{self.name}: {{version: "{version}"{more and ", "}{more}}}'

    def answer(self, service: str | None = None) -> dict[str, Any]:
        """What is told by whatever has the port; empty where nobody has it."""
        url = f"http://127.0.0.1:{self.ports[service or self.name]}/"
        with suppress(OSError, ValueError), urllib.request.urlopen(url, timeout=2) as answer:
            return dict(json.load(answer))
        return {}

    def runs(self, service: str | None = None) -> tuple[Any, Any] | None:
        """The release and the greeting with which it runs, checked against the process itself; None where none does."""
        said, seen = self.answer(service), self.seen(service)
        if not said:
            return None
        if said["pid"] != seen.pid:
            return None  # it was started anew between the two looks
        words = Path(f"/proc/{seen.pid}/cmdline").read_bytes().split(b"\0")
        program = self.device.path(f"/opt/{self.name}/releases/{said['version']}/run.py")
        assert words[2].decode() == os.path.realpath(program)
        return said["version"], said["greeting"]

    def seen(self, service: str | None = None) -> UnitStat:
        return units(self.device).look(f"{service or self.name}.service")

    @property
    def started(self) -> list[str]:
        """Its services as the kernel started their processes: what they say comes when they get to it."""
        runs = {service: self.seen(service) for service in self.services}
        return sorted(runs, key=lambda service: (int(runs[service].invocation.partition("-")[2]), runs[service].pid))

    @property
    def history(self) -> list[str]:
        """What its services did, one line a deed."""
        return self.told.read_text().splitlines() if self.told.exists() else []

    @property
    def account(self) -> dict[str, Any]:
        """version.json, but for its moment."""
        said = json.loads(self.device.read(f"/opt/{self.name}/version.json"))
        said["last_update"] = said["last_update"]["status"]
        return dict(said)

    @property
    def releases(self) -> list[str]:
        return sorted(os.listdir(self.device.path(f"/opt/{self.name}/releases")))

    def _service(self, service: str) -> str:
        words = [sys.executable, "-SE", "{current}/run.py", service, f"/etc/{self.name}/config.json"]
        return f"    {service}: {{exec: {json.dumps(words)}, after: [{', '.join(self.services[service])}]}}"

    def _check(self, service: str) -> str:
        url = f"http://127.0.0.1:{self.ports[service]}/"
        return f'      {service}-answers: {{http: {{url: "{url}", expectJson: {{status: well}}}}, timeout: 1s}}'


def units(device: Device) -> SupervisedUnits:
    """With eyes and hands that know nothing of what was."""
    return SupervisedUnits(str(device.root))


def processes(device: Device) -> set[Process]:
    """All that runs for the device, supervisord among it."""
    return strays(os.path.realpath(device.root))


@contextmanager
def left_clean(device: Device) -> Iterator[Device]:
    """Services outlive commands: at the end they are stopped as an operator would, and nothing may be left."""
    try:
        yield device
        folder = device.path("/run/reconciler/supervisor/program")
        for name in os.listdir(folder) if folder.exists() else []:
            with suppress(Transient):
                units(device).stop(name)
        assert processes(device) == set(), "something was left running"
    finally:
        end(processes(device))


def status(ran: Ran) -> dict[str, Any]:
    return dict(ran.json["status"])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
