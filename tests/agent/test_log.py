"""What the agent says is an event a line; what it carries to say so is little."""

import subprocess
import sys


def test_the_agent_carries_nothing_that_only_a_terminal_needs() -> None:
    said = "import reconciler.agent.run, sys; print({'rich', 'pygments', 'typer', 'pydantic'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_what_the_command_line_brought_stays() -> None:
    said = "import rich; import reconciler.agent.log, sys; print(sys.modules['rich'] is rich)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
