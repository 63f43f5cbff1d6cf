"""A service that only says its command gets a unit that may do little: it writes to its own folders and nowhere else.

Sources: systemd.service(5) on command lines, systemd.syntax(7) on quotes, systemd.exec(5) on sandboxing.
"""

import re
from collections.abc import Iterator, Sequence

from reconciler.language.app import ServiceLimits

_BARE = re.compile(r"[A-Za-z0-9_@+=:,./-]+")
_NAMED = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\t": r"\t", "%": "%%"}


def unit_text(app: str, service: str, command: Sequence[str], user: str | None, limits: ServiceLimits) -> str:
    """`command` starts with the absolute path of a program. What the unit comes after is not said here."""
    return "\n".join(
        (
            "# Made by reconciler from the command that the app gives.",
            "[Unit]",
            f"Description={service} of {app}",
            "After=network.target",
            "",
            "[Service]",
            "Type=exec",
            f"ExecStart={command_line(command)}",
            *([f"User={user}"] if user else []),
            "Restart=on-failure",
            "RestartSec=2",
            f"StateDirectory={app}",
            f"LogsDirectory={app}",
            # Of its own: it goes when the service stops, and another service of the app may still run.
            f"RuntimeDirectory={service}",
            "NoNewPrivileges=yes",
            "ProtectSystem=strict",
            "ProtectHome=yes",
            "PrivateTmp=yes",
            *_limits(limits),
            "",
            "[Install]",
            "WantedBy=multi-user.target",
            "",
        )
    )


def command_line(command: Sequence[str]) -> str:
    """As systemd reads it back word by word. In the program's own path it fills in no variables."""
    program, *arguments = command
    return " ".join((_word(program), *(_word(argument).replace("$", "$$") for argument in arguments)))


def _word(text: str) -> str:
    return text if _BARE.fullmatch(text) else '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in _NAMED:
        return _NAMED[character]
    if character.isprintable():
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 1 << 16 else f"\\U{ord(character):08x}"


def _limits(limits: ServiceLimits) -> Iterator[str]:
    if limits.memory_max is not None:
        yield f"MemoryMax={limits.memory_max}"
    if limits.memory_high is not None:
        yield f"MemoryHigh={limits.memory_high}"
    if limits.cpu_quota_percent is not None:
        yield f"CPUQuota={limits.cpu_quota_percent}%"
    if limits.tasks_max is not None:
        yield f"TasksMax={limits.tasks_max}"
