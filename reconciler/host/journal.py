"""What a unit wrote is in the machine's journal, whose files journalctl reads: as we, since nobody may not."""

import re
import subprocess

from reconciler.core.errors import NoRoom, NotFound, Overdue

LINE_MAX = 500
SECONDS = 5.0
"""A journal on a card that is cold takes a moment."""

_PATH = "/usr/bin:/bin"
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def journal_of(name: str, lines: int) -> tuple[str, ...]:
    """The last lines, oldest first. Raises NotFound, NoRoom, Overdue."""
    if lines <= 0:
        return ()
    text = _journalctl(f"--unit={name}", f"--lines={lines}", "--output=cat", "--no-pager", "--quiet")
    return tuple(_clean(line) for line in text.splitlines()[-lines:])


def _journalctl(*arguments: str) -> str:
    """It only reads, and is killed when its time is over."""
    try:
        done = subprocess.run(
            ["journalctl", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={"PATH": _PATH, "LC_ALL": "C"},
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Overdue(f"cannot wait longer for journalctl: not ended within {SECONDS:g} s") from error
    except FileNotFoundError as error:
        raise NotFound("cannot read the journal: there is no journalctl") from error
    except OSError as error:
        raise NoRoom(f"cannot start journalctl: {error.strerror}") from error
    return done.stdout.decode(errors="replace")


def _clean(line: str) -> str:
    """Without what a terminal would obey."""
    text = _COLOUR.sub("", line).replace("\t", " ")
    return "".join(character for character in text if character.isprintable())[:LINE_MAX]
