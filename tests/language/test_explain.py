"""What `explain`, `render` and the schemas tell of a device, and the laws that they keep."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.errors import NotFound
from reconciler.language import yaml
from reconciler.language.explain import DEFAULT, OVERRIDDEN, REMOVED, SET, explain
from reconciler.language.render import render, to_yaml
from reconciler.language.schema import schemas
from reconciler.language.validate import validate
from tests.language.trees import VOCABULARY, MemoryTree, device, expanded, layer

REPO = {
    "layers/a.yaml": layer(
        "a", "  mode: observe\n  files:\n    /etc/motd: {content: base, mode: '0600'}\n    /etc/x.y/z: {content: x}\n"
    ),
    "layers/b.yaml": layer("b", "  files:\n    /etc/motd:\n      content: role\n    /etc/x.y/z:\n"),
    "devices/pi.yaml": device(
        "  files:\n    /etc/motd:\n      content: mine\n  configs:\n    /c: {format: json, values: {l: [1]}}\n"
    ),
}


def told(key: str) -> list[tuple[Any, str | None, str]]:
    return [(o.value, str(o.place) if o.place else None, o.note) for o in explain(expanded(REPO), key)]


@pytest.mark.parametrize(
    "key",
    [
        "spec.files./etc/motd.content",
        'spec.files["/etc/motd"].content',
        "files./etc/motd.content",
        "spec['files']['/etc/motd'].content",
    ],
)
def test_a_value_and_all_that_it_overrode(key: str) -> None:
    assert told(key) == [
        ("mine", "devices/pi.yaml:7:16", SET),
        ("role", "layers/b.yaml:8:16", OVERRIDDEN),
        ("base", "layers/a.yaml:8:26", OVERRIDDEN),
    ]


def test_who_removed_it() -> None:
    assert told("spec.files./etc/x.y/z") == [
        (None, "layers/b.yaml:9:5", REMOVED),
        ({"content": "x"}, "layers/a.yaml:9:17", OVERRIDDEN),
    ]


def test_a_default_is_a_provenance_too() -> None:
    assert told("spec.drift.rules") == [({}, None, DEFAULT)]
    assert told("spec.files./etc/motd.owner") == [(None, None, DEFAULT)]


def test_a_map_tells_of_all_below_it() -> None:
    keys = [origin.key for origin in explain(expanded(REPO), "spec.configs")]
    assert keys == ['spec.configs["/c"].format', 'spec.configs["/c"].values.l']


def test_an_item_of_a_list() -> None:
    assert told("spec.configs./c.values.l[0]") == [(1, "devices/pi.yaml:9:37", SET)]


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("spec.filez", "did you mean files?"),
        ("spec.files./etc/mott", "did you mean /etc/motd?"),
        ("spec.files./etc/motd.modee", "did you mean mode?"),
        ("spec.mode.x", None),
    ],
)
def test_a_key_that_nothing_has(key: str, hint: str | None) -> None:
    with pytest.raises(NotFound) as caught:
        explain(expanded(REPO), key)
    assert caught.value.hint == hint


def test_every_value_is_on_the_line_that_it_is_said_to_be_on() -> None:
    for origin in explain(expanded(REPO), "spec"):
        if origin.place is not None and isinstance(origin.value, str):
            assert origin.value in REPO[origin.place.file].split("\n")[origin.place.line - 1]


def test_what_is_explained_can_be_asked_for_again() -> None:
    for origin in explain(expanded(REPO), "spec"):
        assert origin in explain(expanded(REPO), origin.key)


def test_render_tells_the_effective_spec() -> None:
    assert yaml.parse(render(expanded(REPO)).encode(), "r").plain() == expanded(REPO).effective.plain()
    assert render(expanded(REPO)) == render(expanded(REPO))


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.text(alphabet=" \n\tab:#'\"-|>yesnofftru0123456789._~{}[]&*!", max_size=20)
    | st.sampled_from(
        [
            "on",
            "0o17",
            "1e3",
            "017",
            "1_000",
            "<<",
            "=",
            "2026-01-01",
            "a\n",
            "\n",
            " a\nb",
            "a\n\nb\n\n",
            "0x",
            "\u2028",
            "\x85",
            "a: b",
            "- a",
        ]
    )
)
data = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.just("on"), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), data, max_size=4))
def test_what_is_rendered_reads_back_as_the_same_data(plain: dict[str, Any]) -> None:
    assert yaml.parse(to_yaml(plain).encode(), "r").plain() == plain


def test_schemas_name_every_document() -> None:
    made = schemas(VOCABULARY)
    assert set(made) == {"device.json", "layer.json", "app.json", "fleet.json", "policy.json"}
    spec = made["device.json"]["properties"]["spec"]["anyOf"][0]["properties"]
    assert set(spec) == {
        "mode",
        "drift",
        "windows",
        "apps",
        "health",
        *(k.section.key for k in VOCABULARY.kinds.values() if k.section),
    }
    assert all(schema["description"] for schema in made.values())


SPECS = st.fixed_dictionaries(
    {},
    optional={
        "mode": st.sampled_from(["enforce", "observe", "x"]),
        "files": st.dictionaries(
            st.sampled_from(["/a", "/a/b", "/c/d/e", "x", "/proc/x"]),
            st.fixed_dictionaries(
                {},
                optional={
                    "content": st.sampled_from(["", "x", "${device.name}", "${x}", 1]),
                    "mode": st.sampled_from(["0644", 644, None]),
                },
            )
            | st.none(),
            max_size=3,
        ),
        "links": st.dictionaries(st.sampled_from(["/a", "/l"]), st.just({"target": "/t"}), max_size=2),
        "filez": st.just({}),
    },
)


@given(SPECS, SPECS)
def test_what_validate_accepts_expand_can_expand(below: dict[str, Any], own: dict[str, Any]) -> None:
    head = {"apiVersion": "reconciler/v1"}
    files = {
        "layers/a.yaml": to_yaml({**head, "kind": "Layer", "metadata": {"name": "a"}, "spec": below}).encode(),
        "devices/pi.yaml": to_yaml({**head, "kind": "Device", "metadata": {"name": "pi"}, "spec": own}).encode(),
    }
    if not validate(MemoryTree(files), VOCABULARY):
        assert expanded(files).desired.device.text == "pi"
