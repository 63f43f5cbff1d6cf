"""The merge is RFC 7386 on plain data; what it adds is memory."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.errors import Place
from reconciler.language.merge import merge
from reconciler.language.node import Gone, List, Map, Node, Scalar, find


def nodes(data: Any, file: str = "a.yaml") -> Node:
    place = Place(file)
    match data:
        case dict():
            return Map({key: nodes(value, file) for key, value in data.items()}, dict.fromkeys(data, place), place)
        case list():
            return List(tuple(nodes(item, file) for item in data), place)
    return Scalar(data, place)


def rfc7386(target: Any, patch: Any) -> Any:
    """The pseudo-code of section 2, word for word."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = rfc7386(merged.get(name), value)
    return merged


APPENDIX_A = [
    ('{"a":"b"}', '{"a":"c"}', '{"a":"c"}'),
    ('{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'),
    ('{"a":"b"}', '{"a":null}', "{}"),
    ('{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'),
    ('{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'),
    ('{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'),
    ('{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'),
    ('{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'),
    ('["a","b"]', '["c","d"]', '["c","d"]'),
    ('{"a":"b"}', '["c"]', '["c"]'),
    ('{"a":"foo"}', "null", "null"),
    ('{"a":"foo"}', '"bar"', '"bar"'),
    ('{"e":null}', '{"a":1}', '{"e":null,"a":1}'),
    ("[1,2]", '{"a":"b","c":null}', '{"a":"b"}'),
    ("{}", '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'),
]

json_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    max_leaves=12,
)
json_maps = st.dictionaries(st.sampled_from("abcd"), json_data, max_size=4)


@pytest.mark.parametrize(("target", "patch", "result"), APPENDIX_A)
def test_the_examples_of_the_rfc(target: str, patch: str, result: str) -> None:
    assert merge(nodes(json.loads(target)), nodes(json.loads(patch))).plain() == json.loads(result)


@given(st.lists(json_maps, max_size=5))
def test_many_patches_come_to_what_the_rfc_says(patches: list[Any]) -> None:
    merged, expected = nodes({}), {}
    for patch in patches:
        merged, expected = merge(merged, nodes(patch)), rfc7386(expected, patch)
    assert merged.plain() == expected


@given(json_maps, json_maps)
def test_a_merge_changes_neither_side(target: Any, patch: Any) -> None:
    before, after = nodes(target), nodes(patch)
    merge(before, after)
    assert (before.plain(), after.plain()) == (target, patch)


@given(st.lists(json_maps, min_size=1, max_size=5))
def test_each_value_remembers_who_set_it(patches: list[Any]) -> None:
    merged: Node = nodes({})
    for number, patch in enumerate(patches):
        merged = merge(merged, nodes(patch, str(number)))
    assert isinstance(merged, Map)
    for key, value in merged.present():
        last = max(number for number, patch in enumerate(patches) if key in patch)
        assert value.place.file == str(last)


def test_what_is_replaced_and_removed_is_remembered() -> None:
    merged = nodes({"a": 1}, "base")
    for file, patch in (("role", {"a": {"b": 2}}), ("site", {"a": None}), ("device", {"a": 3})):
        merged = merge(merged, nodes(patch, file))
    found = find(merged, ("a",)).node
    chain = []
    while found is not None:
        chain.append((type(found), found.place.file, found.plain()))
        found = found.over
    assert chain == [
        (Scalar, "device", 3),
        (Gone, "site", None),
        (Map, "role", {"b": 2}),
        (Scalar, "base", 1),
    ]


def test_a_null_where_nothing_was_is_fine() -> None:
    assert merge(nodes({}), nodes({"a": None})).plain() == {}
