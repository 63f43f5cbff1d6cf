"""From documents to a desired state: selection, variables, sections, needs, rules, digests."""

from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Literal

import pytest

from reconciler.core.desired import Mode
from reconciler.core.errors import InvalidDocuments, Place
from reconciler.core.identity import DeviceName, Digest, ResourceId
from reconciler.core.inventory import Limits
from reconciler.core.kind import Kind, Mistake, Section
from reconciler.core.state import Mode as FileMode
from reconciler.core.state import State
from reconciler.language.expand import Facts, expand
from reconciler.language.load import load
from reconciler.language.vocabulary import Vocabulary
from tests.language.trees import VOCABULARY, MemoryTree, device, expanded, layer

FLEET = "apiVersion: reconciler/v1\nkind: Fleet\nmetadata: {{name: home}}\nspec: {{layers: [{}]}}\n"


def motd(**files: str) -> Any:
    return expanded(files).effective.plain()["files"]["/etc/motd"]["content"]


def problems(files: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidDocuments) as caught:
        expanded(files)
    return [str(problem) for problem in caught.value.problems]


def ids(files: dict[str, Any]) -> dict[str, list[str]]:
    return {str(id): [str(n) for n in r.needs] for id, r in expanded(files).desired.resources.items()}


@pytest.mark.parametrize("spec", ["", "  {}\n", "  files: {}\n", "  files:\n", "  files: {/etc/motd: null}\n"])
def test_a_device_may_ask_for_nothing(spec: str) -> None:
    assert expanded({"devices/pi.yaml": device(spec)}).desired.resources == {}


def test_layers_apply_in_the_order_of_the_fleet_or_of_their_names() -> None:
    layers = {f"layers/{name}.yaml": layer(name, f"  files: {{/etc/motd: {{content: {name}}}}}\n") for name in "ab"}
    repo = {**layers, "devices/pi.yaml": device()}
    assert expanded(repo).effective.plain()["files"]["/etc/motd"]["content"] == "b"
    turned = {**repo, "fleet.yaml": FLEET.format("b, a")}
    assert expanded(turned).effective.plain()["files"]["/etc/motd"]["content"] == "a"


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("{}", True),
        ("{matchLabels: {role: sensor}}", True),
        ("{matchLabels: {role: sensor, site: home}}", False),
        ("{matchExpressions: [{key: role, operator: In, values: [a, sensor]}]}", True),
        ("{matchExpressions: [{key: role, operator: NotIn, values: [a]}]}", True),
        ("{matchExpressions: [{key: site, operator: NotIn, values: [a]}]}", True),
        ("{matchExpressions: [{key: site, operator: In, values: [a]}]}", False),
        ("{matchExpressions: [{key: site, operator: Exists}]}", False),
        ("{matchExpressions: [{key: site, operator: DoesNotExist}]}", True),
        ("{matchLabels: {role: sensor}, matchExpressions: [{key: role, operator: DoesNotExist}]}", False),
    ],
)
def test_a_layer_is_for_the_devices_that_it_selects(selector: str, selected: bool) -> None:
    files = {
        "layers/a.yaml": layer("a", "  mode: observe\n", selector),
        "devices/pi.yaml": device(labels="role: sensor"),
    }
    assert (expanded(files).desired.mode is Mode.OBSERVE) == selected


def test_variables_are_filled_in_everywhere_but_in_keys() -> None:
    spec = (
        "  configs:\n    /etc/${device.name}.json:\n      format: json\n      values:\n"
        "        {a: ['${device.name}/${device.arch}', {b: '$${x} ${device.labels.a.b/c}'}], d: '${fleet.id} $x'}\n"
    )
    files = {"fleet.yaml": FLEET.format(""), "devices/pi.yaml": device(spec, labels="a.b/c: v")}
    plain = expanded(files).effective.plain()["configs"]["/etc/${device.name}.json"]["values"]
    assert plain == {"a": ["pi/arm64", {"b": "${x} v"}], "d": "home $x"}


def test_a_device_reads_no_document_of_another() -> None:
    tree = MemoryTree(
        {"devices/pi.yaml": device(), "devices/other.yaml": "a: [", "layers/a.yaml": layer("a", "  mode: observe\n")}
    )
    load(tree, DeviceName("pi"))
    assert "devices/other.yaml" not in tree.seen
    assert "devices/" not in tree.seen


def test_an_unknown_device_is_told_of_one_that_is_alike() -> None:
    with pytest.raises(InvalidDocuments) as caught:
        expanded({"devices/pi-garage.yaml": device(name="pi-garage")}, name="pi-garge")
    assert str(caught.value.problems[0]).endswith("there is no such document (did you mean pi-garage?)")


def test_folders_that_nobody_wrote_are_implied() -> None:
    spec = '  files:\n    /srv/a/b/c: {content: x}\n  directories:\n    /srv/a: {mode: "0700"}\n'
    files = {"devices/pi.yaml": device(spec)}
    assert ids(files) == {
        "directory:/srv": [],
        "directory:/srv/a": ["directory:/srv"],
        "directory:/srv/a/b": ["directory:/srv/a"],
        "file:/srv/a/b/c": ["directory:/srv/a/b"],
    }
    resources = expanded(files).desired.resources
    assert resources[ResourceId("directory", "/srv/a/b")].implied_by == ResourceId("file", "/srv/a/b/c")
    assert resources[ResourceId("directory", "/srv/a/b")].place == Place("devices/pi.yaml", 6, 5)
    assert resources[ResourceId("directory", "/srv/a")].implied_by is None


def test_a_link_leads_on() -> None:
    spec = "  links: {/srv: {target: /mnt}}\n  files: {/srv/x: {content: x}, /srv/a/b: {content: x}}\n"
    found = ids({"devices/pi.yaml": device(spec)})
    assert found["file:/srv/x"] == ["link:/srv"]
    assert found["directory:/srv/a"] == ["link:/srv"]
    assert "directory:/srv" not in found


def test_a_file_does_not_lead_on() -> None:
    spec = "  files: {/srv: {content: x}, /srv/a/b: {content: x}}\n"
    found = problems({"devices/pi.yaml": device(spec)})
    assert found == ["devices/pi.yaml:5:31: /srv/a/b lies inside /srv, which is a file"]


def test_a_very_deep_path_is_no_matter_of_the_stack() -> None:
    path = "/a" * 1900
    spec = f"  files:\n    ? {path}\n    : {{content: x}}\n"
    assert len(ids({"devices/pi.yaml": device(spec)})) == 1900


@pytest.mark.parametrize(
    ("rules", "rule"),
    [
        ("{}", "enforce"),
        ("{/srv/a/f: observe}", "observe"),
        ("{'file:/srv/a/f': observe, /srv/a/f: enforce}", "observe"),
        ("{/srv/**: observe}", "observe"),
        ("{/**: observe}", "observe"),
        ("{/srv/**: enforce, /srv/a/**: observe}", "observe"),
        ("{/srv/**: observe, /srv/a/**: enforce}", "enforce"),
        ("{/srv/**: enforce, /srv/a/f: observe}", "observe"),
        ("{/srv: observe, /srv/a: observe, /srv/a/f/**: observe}", "enforce"),
        ("{'directory:/srv/a/f': observe}", "enforce"),
    ],
)
def test_the_nearest_rule_holds(rules: str, rule: str) -> None:
    spec = f"  drift: {{rules: {rules}}}\n  files: {{/srv/a/f: {{content: x}}}}\n"
    resources = expanded({"devices/pi.yaml": device(spec)}).desired.resources
    assert resources[ResourceId("file", "/srv/a/f")].rule == rule


def test_the_digest_is_of_what_is_asked_not_of_how_it_is_written() -> None:
    spec = '  files: {/etc/a: {source: p, mode: "0644"}}\n'
    one = expanded({"devices/pi.yaml": device(spec), "p": "x"}).desired.digest
    layers = {"layers/a.yaml": layer("a", '  files:\n    # here\n    /etc/a: {mode: "0644", source: q}\n')}
    same = expanded({**layers, "devices/pi.yaml": device("  files: {/etc/a: {source: p}}\n"), "p": "x"}).desired.digest
    assert one == same
    assert one != expanded({"devices/pi.yaml": device(spec), "p": "y"}).desired.digest
    assert one != expanded({"devices/pi.yaml": device(spec + "  mode: observe\n"), "p": "x"}).desired.digest


def test_payloads_can_be_had_by_their_digests() -> None:
    spec = "  files: {/etc/a: {source: files/p}, /etc/b: {content: inline}}\n"
    found = expanded({"devices/pi.yaml": device(spec), "files/p": b"\x00bytes"})
    assert {found.payload(digest) for digest in found.desired.payloads} == {b"\x00bytes", b"inline"}
    assert all(Digest.of(found.payload(digest)) == digest for digest in found.desired.payloads)


def test_a_payload_has_a_limit() -> None:
    files = {"devices/pi.yaml": device("  files: {/etc/a: {source: p}}\n"), "p": bytes((16 << 20) + 1)}
    assert "16777217 bytes, 16777216 are allowed" in problems(files)[0]


def test_limits_come_from_the_policy() -> None:
    files = {"devices/pi.yaml": device()}
    assert expanded(files).desired.limits == Limits()
    policy = "apiVersion: reconciler/v1\nkind: Policy\nmetadata: {name: default}\n"
    policy += "spec: {limits: {maxDeletes: 3}, protected: [/boot/**]}\n"
    assert expanded({**files, "policy.yaml": policy}).desired.limits == Limits(3, 20, ("/boot/**",))


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a whole."""

    part_size: int
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rich:
    """An entry that uses all that a section may use."""

    copy: str
    mode: FileMode | None = None
    level: Literal["low", "high"] = "low"
    is_on: bool = False
    every: timedelta = timedelta(minutes=1)
    main_part: Part | None = None
    parts: dict[str, Part] = field(default_factory=dict)
    list_of: tuple[Part, ...] = ()
    free: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RichState(State):
    said: str = ""


def declare(name: str, entry: Rich, _material: object) -> RichState:
    if name == "wrong":
        raise Mistake("there is one part too many", "parts", "b", hint="take one out")
    return RichState(repr(entry))


RICH = Kind("rich", RichState, None, None, section=Section("richThings", Rich, declare))  # type: ignore[arg-type]
KINDS = MappingProxyType({**VOCABULARY.kinds, "rich": RICH})
RICH_VOCABULARY = Vocabulary(KINDS, VOCABULARY.probes)


def rich(spec: str) -> Any:
    tree = MemoryTree({"devices/pi.yaml": device(spec)})
    return expand(load(tree, DeviceName("pi")), RICH_VOCABULARY, Facts("arm64"))


def test_an_entry_is_the_dataclass_that_its_kind_declares() -> None:
    spec = """\
  richThings:
    a:
      copy: x
      mode: "0750"
      level: high
      isOn: true
      every: 5m
      mainPart: {partSize: 1}
      parts: {b: {partSize: 2, tags: [t, u]}}
      listOf: [{partSize: 3}]
      free: {any: [1, {thing: null}]}
"""
    expected = Rich(
        "x", FileMode(0o750), "high", True, timedelta(minutes=5), Part(1), {"b": Part(2, ("t", "u"))}, (Part(3),),
        {"any": [1, {"thing": None}]},
    )  # fmt: skip
    resource = rich(spec).desired.resources[ResourceId("rich", "a")]
    assert resource.state == RichState(repr(expected))


def test_a_kind_s_mistake_stands_where_its_keys_lead() -> None:
    spec = "  richThings:\n    wrong:\n      copy: x\n      parts: {a: {partSize: 1}, b: {partSize: 2}}\n"
    with pytest.raises(InvalidDocuments) as caught:
        rich(spec)
    assert [str(p) for p in caught.value.problems] == [
        "devices/pi.yaml:8:36: there is one part too many (take one out)"
    ]


def test_nested_mistakes_stand_in_their_places() -> None:
    spec = (
        "  richThings:\n    a:\n      copy: x\n      parts: {b: {partSize: '2', tag: [t]}}\n"
        "      listOf: [{}]\n      every: 5\n"
    )
    with pytest.raises(InvalidDocuments) as caught:
        rich(spec)
    assert [str(p) for p in caught.value.problems] == [
        "devices/pi.yaml:8:29: expected a whole number, got the string '2' (without quotes)",
        "devices/pi.yaml:8:34: unknown key 'tag' (did you mean tags?)",
        "devices/pi.yaml:9:16: `listOf.0.partSize` is missing",
        'devices/pi.yaml:10:14: expected a duration in quotes as in "10m", got the number 5',
    ]
