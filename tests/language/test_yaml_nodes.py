"""One document as nodes: what means what, where it stands, and what is refused before it costs anything."""

import tracemalloc
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.errors import InvalidDocuments, Place
from reconciler.language import yaml
from reconciler.language.node import List, Map, Scalar, find


def plain(text: str) -> object:
    return yaml.parse(text.encode(), "a.yaml").plain()


def refusal(content: bytes | str) -> str:
    with pytest.raises(InvalidDocuments) as caught:
        yaml.parse(content.encode() if isinstance(content, str) else content, "a.yaml")
    return str(caught.value.problems[0])


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("on", "on"), ("yes", "yes"), ("Off", "Off"), ("n", "n"),
        ("true", True), ("True", True), ("FALSE", False), ("tRUE", "tRUE"),
        ("null", None), ("~", None), ("", None), ("nil", "nil"),
        ("17", 17), ("+17", 17), ("-0", 0), ("0o17", 15), ("0x1F", 31), ("017", 17), ("1_000", "1_000"), ("0b1", "0b1"),
        ("1.5", 1.5), ("1.", 1.0), (".5", 0.5), ("1e3", 1000.0), ("-1.5E-3", -0.0015), (".", "."), ("1.2.3", "1.2.3"),
        ("2026-01-01", "2026-01-01"), ("12:30:45", "12:30:45"), ("'17'", "17"), ('"true"', "true"), ("''", ""),
    ],
)  # fmt: skip
def test_a_scalar_means_what_yaml_1_2_says(written: str, value: object) -> None:
    got = plain(f"a: {written}\n")
    assert got == {"a": value}
    assert type(got["a"]) is type(value)  # type: ignore[index]


def test_block_scalars_are_strings() -> None:
    assert plain("a: |\n  17\nb: >-\n  x\n  y\n") == {"a": "17\n", "b": "x y"}


def test_number_keys_are_canonical() -> None:
    assert plain("0x11: a\n+3: b\n'0x11': c\n") == {"17": "a", "3": "b", "0x11": "c"}


def test_anchors_stand_for_what_they_name() -> None:
    tree = yaml.parse(b"a: &x {b: [1, &y 2]}\nc: *x\nd: *y\n", "a.yaml")
    assert tree.plain() == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}, "d": 2}
    assert tree.values["a"] is tree.values["c"]


def test_every_node_knows_its_place() -> None:
    tree = yaml.parse("ä: {b: x}\nc:\n  - y\n".encode(), "a.yaml")
    assert find(tree, ("ä", "b")).key == Place("a.yaml", 1, 5)
    assert find(tree, ("ä", "b")).node.place == Place("a.yaml", 1, 8)
    assert find(tree, ("c", 0)).node.place == Place("a.yaml", 3, 5)


def test_a_byte_order_mark_is_no_mistake() -> None:
    assert plain("\ufeffa: 1\n") == {"a": 1}


BOMBS = {
    "fifty megabytes": b"x" * 50_000_000,
    "a million aliases": (b"a: &a x\nb: [" + b"*a ," * 10**6)[: 1 << 20],
    "ten to the twelfth laughs": b"a0: &a0 x\n"
    + b"".join(b"a%d: &a%d [%s]\n" % (i, i, b",".join([b"*a%d" % (i - 1)] * 10)) for i in range(1, 13)),
    "depth through aliases": b"a0: &a0 " + b"[" * 50 + b"]" * 50 + b"\na1: " + b"[" * 50 + b"*a0" + b"]" * 50 + b"\n",
    "brackets": b"[" * (1 << 20),
    "braces": b"{a: " * (1 << 18),
    "dashes": b"- " * (1 << 19),
    "a million values": b"[" + b"1," * 500_000 + b"]",
    "a number of a million digits": b"a: " + b"9" * 1_000_000,
    "a hundred thousand tags": b"[" + b"!a 1," * 170_000,
    "one key again and again": b"a: 1\n" * 200_000,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_in_little_memory(bomb: str) -> None:
    tracemalloc.start()
    refusal(BOMBS[bomb])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64_000_000


@given(st.binary(max_size=200))
def test_any_bytes_are_a_document_or_a_problem(content: bytes) -> None:
    try:
        tree = yaml.parse(content, "a.yaml")
    except InvalidDocuments as error:
        told = error.problems
        assert told
    else:
        assert isinstance(tree, Map)


@given(st.text(alphabet="ab:{}[]&*!|>'\"#-?,% \n\t<~0", max_size=60))
def test_any_punctuation_is_a_document_or_a_problem(text: str) -> None:
    try:
        nodes = list(islice(_leaves(yaml.parse(text.encode(), "a.yaml")), 100))
    except InvalidDocuments as error:
        told = error.problems
        assert all(problem.place.line >= 1 and problem.place.column >= 1 for problem in told)
    else:
        assert all(node.place.line <= text.count("\n") + 1 for node in nodes)


def _leaves(node: object) -> "object":
    match node:
        case Map(values):
            for value in values.values():
                yield from _leaves(value)
        case List(items):
            for item in items:
                yield from _leaves(item)
        case Scalar():
            yield node
