"""`fit` gives a text that holds exactly the values, whatever text was there; `parse` is its inverse."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.format import NAMES, format_of

NESTED = [name for name in NAMES if name != "env"]
keys = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,6}", fullmatch=True) | st.sampled_from(
    ["on", "yes", "null", "1", "a.b", "ä"]
)
texts = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), max_size=12) | st.sampled_from(
    [
        "on",
        "no",
        "1.0",
        "0x11",
        "2026-01-01",
        "1:30",
        "~",
        "",
        " x ",
        "a: b",
        "# c",
        "'",
        '"',
        "${X}",
        "null",
        "1e3",
        "0644",
    ]
)
leaves = (
    texts | st.integers(-(2**53), 2**53) | st.booleans() | st.floats(allow_nan=False, allow_infinity=False, width=32)
)
trees = st.dictionaries(
    keys,
    st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
    ),
    max_size=5,
)


@pytest.mark.parametrize("name", NESTED)
@given(values=trees)
def test_what_is_written_is_read_back(name: str, values: dict) -> None:
    form = format_of(name)
    assert form.parse(form.fit(values, None)) == values


@pytest.mark.parametrize("name", NESTED)
@given(old=trees, new=trees)
def test_a_text_is_made_to_hold_exactly_the_new_values(name: str, old: dict, new: dict) -> None:
    form = format_of(name)
    text = form.fit(old, None)
    fitted = form.fit(new, text)
    assert form.parse(fitted) == new
    assert form.fit(new, fitted) == fitted, "fitting what fits changes nothing"


@pytest.mark.parametrize("name", NESTED)
@pytest.mark.parametrize(("old", "new"), [*permutations((1, 1.0, True, 0, 0.0, False), 2)])
def test_a_value_becomes_another_that_python_calls_equal(name: str, old: object, new: object) -> None:
    form = format_of(name)
    for old_values, new_values in (({"a": old, "b": "x"}, {"a": new, "b": "x"}), ({"a": [old]}, {"a": [new]})):
        fitted = form.fit(new_values, form.fit(old_values, None))
        assert repr(form.parse(fitted)) == repr(new_values)


@given(st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,6}", fullmatch=True), texts, max_size=5))
def test_an_env_file_is_read_back(values: dict[str, str]) -> None:
    form = format_of("env")
    assert form.parse(form.fit(values, None)) == values


@pytest.mark.parametrize(
    ("name", "text", "values", "fitted"),
    [
        ("env", "# a\nA=1\n\n; b\nexport B='x y'\nC=3\n", {"A": "1", "B": "z"}, "# a\nA=1\n\n; b\nexport B=z\n"),
        ("env", "A=$x\n", {"A": "a b$c"}, 'A="a b\\$c"\n'),
        (
            "json",
            '{\n    "a": 1,\n    "b": {"c": 2}\n}',
            {"b": {"c": 3}, "a": 1},
            '{\n    "a": 1,\n    "b": {\n        "c": 3\n    }\n}\n',
        ),
        ("toml", "# top\n[server] # s\nport = 1 # p\n", {"server": {"port": 2}}, "# top\n[server] # s\nport = 2 # p\n"),
        ("yaml", "a: &x {b: 1}\nc: *x\n", {"a": {"b": 1}, "c": {"b": 2}}, None),
        ("toml", "[[x]]\n", {"x": [""]}, None),
        ("yaml", "a: yes\n", {"a": "yes"}, "a: yes\n"),
        ("yaml", "a: 1\n", {"a": "yes"}, 'a: "yes"\n'),
        ("yaml", "- 1\n", {"a": 1}, "a: 1\n"),
        ("yaml", "a: 'q'  # why\nb: 2\n", {"a": "q", "b": 3}, "a: 'q'  # why\nb: 3\n"),
        ("yaml", "l:\n# one\n- a: 1  # x\n- a: 2\n", {"l": [{"a": 1}, {"a": 3}]}, "l:\n# one\n- a: 1  # x\n- a: 3\n"),
    ],
)
def test_little_is_changed(name: str, text: str, values: dict, fitted: str | None) -> None:
    form = format_of(name)
    result = form.fit(values, text)
    assert form.parse(result) == values
    assert fitted is None or result == fitted


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("json", '{"a": 1, "a": 2}'),
        ("json", "[" * 100_000),
        ("toml", "a = 1\na = 2"),
        ("yaml", "a: 1\na: 2"),
        ("yaml", "a: !!python/object:os.system x"),
        ("yaml", "[" * 5000),
        ("env", "A"),
        ("env", "A='x"),
        ("env", "1A=x"),
    ],
)
def test_what_cannot_be_read_is_a_value_error(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        format_of(name).parse(text)


def test_merged_keys_of_a_yaml_text_give_way() -> None:
    form, values = format_of("yaml"), {"base": {"x": 1}, "mine": {"y": 2}}
    assert form.parse(form.fit(values, "base: &b\n  x: 1\n  z: 3\nmine:\n  <<: *b\n")) == values
