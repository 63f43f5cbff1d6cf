"""Rules of the house that no linter knows: read from the code itself, so that nobody has to remember them."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.kinds import discover

CHECKOUT = Path(__file__).parent.parent
HOUSE = CHECKOUT / "reconciler"
LONGEST = 300

_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")

MODULES = sorted(HOUSE.rglob("*.py"))
PURE = [path for room in ("core", "kinds", "format") for path in sorted((HOUSE / room).glob("*.py"))]

READS_THE_WORLD = {
    "open": "a file is looked at through a HostView",
    "input": "a core that asks cannot be planned with",
    "print": "only the shell speaks",
    "eval": "values are data",
    "exec": "values are data",
}
CLOCKS = {"now", "utcnow", "today", "fromtimestamp"}
"""Of datetime and date: the time is an argument. So is a zone: minimal hosts have no database of them."""


def by_name(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


def test_a_module_opens_with_its_law() -> None:
    assert [by_name(path) for path in MODULES if not ast.get_docstring(_tree(path))] == []


def test_a_module_has_one_idea_and_so_is_short() -> None:
    lengths = {by_name(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


def test_imports_run_down_without_a_trick() -> None:
    assert [by_name(path) for path in MODULES if "TYPE_CHECKING" in _names(path)] == []


def test_a_kind_is_called_as_its_file_is() -> None:
    files = {path.stem for path in (HOUSE / "kinds").glob("*.py")} - {"__init__"}
    assert files == set(discover())
    assert all(name == kind.name for name, kind in discover().items())


def test_a_section_of_a_device_belongs_to_one_kind() -> None:
    keys = [kind.section.key for kind in discover().values() if kind.section]
    assert len(keys) == len(set(keys))


def test_who_thinks_does_not_look_at_the_world() -> None:
    found = [f"{by_name(path)}:{line}: {what}" for path in PURE for line, what in _worldly(_tree(path))]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("def f(p):\n    return open(p).read()", id="reads a file"),
        pytest.param("from datetime import datetime\nx = datetime.now()", id="asks the clock"),
        pytest.param("import datetime\nx = datetime.datetime.now(None)", id="asks the clock by its full name"),
        pytest.param("from datetime import date\nx = date.today()", id="asks what day it is"),
        pytest.param("print('x')", id="prints"),
        pytest.param("__import__('os')", id="imports by name"),
    ],
)
def test_the_rule_sees_code_that(code: str) -> None:
    assert list(_worldly(ast.parse(code)))


@pytest.mark.parametrize("call", ["moment.now", "view.open(x)", "payloads.open(digest)", "date.fromisoformat(x)"])
def test_the_rule_leaves_alone(call: str) -> None:
    assert not list(_worldly(ast.parse(call)))


def test_reference_pages_say_what_the_code_says() -> None:
    script = [sys.executable, CHECKOUT / "scripts/reference", "--check"]
    made = subprocess.run(script, check=False, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr


def test_pages_lead_to_pages_that_are_there() -> None:
    pages = [page for glob in ("*.md", "docs/**/*.md", "examples/**/*.md") for page in CHECKOUT.glob(glob)]
    links = [(page, link) for page in pages for link in _LINK.findall(page.read_text())]
    assert [f"{by_name(page)}: {link}" for page, link in links if not (page.parent / link).exists()] == []


def _worldly(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Lines that ask the world for something, and why they may not."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Name(id=name) if name in READS_THE_WORLD:
                yield node.lineno, f"{name}(): {READS_THE_WORLD[name]}"
            case ast.Name(id="__import__"):
                yield node.lineno, "__import__(): an import that import-linter cannot see"
            case ast.Attribute(value=ast.Name(id=of) | ast.Attribute(attr=of), attr=name):
                if of in ("datetime", "date") and name in CLOCKS:
                    yield node.lineno, f"{of}.{name}(): the time is an argument"


def _names(path: Path) -> set[str]:
    return {node.id for node in ast.walk(_tree(path)) if isinstance(node, ast.Name)}


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))
