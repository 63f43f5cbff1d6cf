"""One structured event a fact: JSON off a terminal, readable on one."""

import logging
import os
import sys

_is_brought = "rich" in sys.modules
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]  # it would be imported where it is installed: 5 MB,
import structlog  # noqa: E402  # for as long as the agent runs, to colour tracebacks that no terminal shows

if not _is_brought:
    del sys.modules["rich"]

LEVELS = {"DEBUG": logging.DEBUG, "INFO": logging.INFO, "WARNING": logging.WARNING, "ERROR": logging.ERROR}

Logger = structlog.typing.FilteringBoundLogger


def _wants_colour() -> bool:
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def configure(level: str) -> Logger:
    """To stderr, which the journal of the host collects."""
    is_terminal = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=_wants_colour())
        if is_terminal
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logger: Logger = structlog.get_logger()
    return logger
