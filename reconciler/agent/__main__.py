"""`python -m reconciler.agent [--config FILE] ROOT`: what `reconciler run` becomes, and a unit may start at once."""

import os
import sys
from dataclasses import replace

from reconciler.agent import log
from reconciler.agent.main import assemble
from reconciler.agent.run import run
from reconciler.agent.settings import read
from reconciler.core.errors import Failure


def main(arguments: list[str]) -> int:
    config = arguments[1] if arguments[:1] == ["--config"] else None
    settings = read(config, arguments[-1] if arguments else "/", os.environ)
    logger = log.configure(settings.log_level)
    try:
        run(replace(assemble(settings), is_resident=True), logger)
    except Failure as failure:
        logger.error("agent_failed", code=failure.code, error=str(failure), hint=failure.hint)  # noqa: TRY400  # no traceback
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
