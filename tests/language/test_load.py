"""What a device reads of a repo, what it never reads, and what is refused for what it is, whatever it says."""

import pytest

from reconciler.core.errors import HostileSource, InvalidDocuments, Rejected
from reconciler.core.identity import DeviceName
from reconciler.language.load import load, load_all
from reconciler.language.validate import validate
from tests.language.trees import VOCABULARY, MemoryTree, device, layer

FLEET = "apiVersion: reconciler/v1\nkind: Fleet\nmetadata: {name: home}\nspec: {layers: []}\n"


def refused(tree: MemoryTree) -> list[str]:
    with pytest.raises(InvalidDocuments) as caught:
        load(tree, DeviceName("pi"))
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("path", ["devices/pi.yaml", "fleet.yaml", "policy.yaml", "layers/a.yaml"])
def test_a_link_is_no_document(path: str) -> None:
    files = {"devices/pi.yaml": device()}
    files.pop(path, None)
    tree = MemoryTree(files, frozenset({path}))
    assert refused(tree) == [f"{path}:1:1: this is not a regular file (no link, folder or submodule)"]


def test_a_large_document_is_not_read() -> None:
    tree = MemoryTree({"devices/pi.yaml": b"x" * ((1 << 20) + 1)})
    assert refused(tree) == [
        "devices/pi.yaml:1:1: the document has 1048577 bytes, 1048576 are allowed (split it into layers)"
    ]
    assert "devices/pi.yaml" not in tree.seen


class Jealous(MemoryTree):
    """A tree that has limits of its own."""

    def size(self, path: str) -> int | None:
        if path.endswith("large.yaml"):
            raise HostileSource("cannot use this file: it is too large")
        return super().size(path)


def test_the_limit_of_a_tree_is_a_problem_at_its_file() -> None:
    tree = Jealous({"devices/pi.yaml": device(), "layers/large.yaml": "x"})
    assert refused(tree) == ["layers/large.yaml:1:1: cannot use this file: it is too large"]
    assert issubclass(HostileSource, Rejected)


def test_all_mistakes_of_all_documents_are_told_at_once() -> None:
    tree = MemoryTree(
        {"devices/pi.yaml": "a: [", "layers/a.yaml": "b: 1\nb: 2\n", "fleet.yaml": FLEET, "policy.yaml": "- x\n"}
    )
    assert {line.split(":")[0] for line in refused(tree)} == {"devices/pi.yaml", "layers/a.yaml", "policy.yaml"}


def test_no_more_is_asked_however_many_devices_there_are() -> None:
    few = MemoryTree({"devices/pi.yaml": device(), "layers/a.yaml": layer("a", "  {}\n")})
    many = MemoryTree(
        {
            **{f"devices/d{i}.yaml": device(name=f"d{i}") for i in range(1000)},
            "devices/pi.yaml": device(),
            "layers/a.yaml": layer("a", "  {}\n"),
        }
    )
    for tree in (few, many):
        load(tree, DeviceName("pi"))
    assert few.seen == many.seen


def test_every_device_can_be_had() -> None:
    tree = MemoryTree({f"devices/d{i}.yaml": device(name=f"d{i}") for i in range(3)})
    assert [str(documents.device) for documents in load_all(tree)] == ["d0", "d1", "d2"]


def test_validate_of_one_device_says_nothing_of_another() -> None:
    tree = MemoryTree({"devices/pi.yaml": device(), "devices/other.yaml": "a: ["})
    assert validate(tree, VOCABULARY, DeviceName("pi")) == ()
    assert len(validate(tree, VOCABULARY)) == 1


def test_a_problem_of_a_layer_is_told_once_for_all_devices() -> None:
    files = {f"devices/d{i}.yaml": device(name=f"d{i}") for i in range(20)}
    tree = MemoryTree({**files, "layers/a.yaml": layer("a", "  filez: {}\n")})
    assert len(validate(tree, VOCABULARY)) == 1


def test_each_architecture_is_tried_where_it_matters() -> None:
    spec = "  files: {/etc/a: {source: 'bin/${device.arch}'}}\n"
    tree = MemoryTree({"devices/pi.yaml": device(spec), "bin/arm64": "x", "bin/amd64": "x"})
    told = [str(problem) for problem in validate(tree, VOCABULARY)]
    assert told == ["devices/pi.yaml:5:28: there is no file 'bin/armhf' in the repo (did you mean bin/arm64?)"]
    assert validate(tree, VOCABULARY, arches=("arm64",)) == ()
