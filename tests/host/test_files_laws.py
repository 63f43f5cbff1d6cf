"""Laws of files, stated once: a real folder and the simulated device uphold the same ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.core.errors import InTheWay, Moved, Transient
from reconciler.core.host import Access, Files, FileType
from reconciler.durable import beside
from reconciler.host.files import HostFiles
from reconciler.host.simulated import SimulatedFiles

ANY = Access()


@pytest.fixture(params=["real", "simulated"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    return HostFiles(str(tmp_path), owners=False) if request.param == "real" else SimulatedFiles()


def content(files: Files, path: str) -> bytes:
    return b"".join(files.read(path))


def mode(files: Files, path: str) -> int:
    seen = files.stat(path)
    assert seen is not None
    return seen.mode


def put(files: Files, path: str, data: bytes, access: Access = ANY) -> None:
    files.write(path, [data], access)
    files.settle()


def test_what_is_written_is_read(files: Files) -> None:
    files.write("/motd", [b"hello ", b"", b"world"], Access(mode=0o640))
    files.settle()
    assert content(files, "/motd") == b"hello world"
    seen = files.stat("/motd")
    assert seen is not None
    assert (seen.type, seen.mode, seen.size) == (FileType.FILE, 0o640, 11)


def test_a_large_file_comes_in_chunks(files: Files) -> None:
    data = bytes(range(256)) * 10_000
    put(files, "/large", data)
    assert content(files, "/large") == data


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1])
def test_a_file_of_any_size_is_read_whole(files: Files, size: int) -> None:
    put(files, "/f", b"x" * size)
    assert content(files, "/f") == b"x" * size


def test_nothing_is_seen_before_settle(files: Files) -> None:
    put(files, "/old", b"old")
    files.write("/old", [b"new"], ANY)
    files.write("/new", [b"new"], ANY)
    files.link("/link", "old")
    assert content(files, "/old") == b"old"
    assert files.stat("/new") is None
    assert files.stat("/link") is None
    files.settle()
    assert content(files, "/old") == b"new"
    assert content(files, "/new") == b"new"
    assert files.target("/link") == "old"


def test_settle_leaves_nothing_beside(files: Files) -> None:
    put(files, "/f", b"1")
    assert files.stat(beside("/f")) is None


@pytest.mark.parametrize(
    ("asked", "before", "after"),
    [
        (Access(), None, 0o644),
        (Access(mode=0o600), None, 0o600),
        (Access(), 0o4755, 0o4755),
        (Access(mode=0o400), 0o644, 0o400),
    ],
)
def test_a_mode_left_out_is_kept_or_0644(files: Files, asked: Access, before: int | None, after: int) -> None:
    if before is not None:
        put(files, "/f", b"1", Access(mode=before))
    put(files, "/f", b"2", asked)
    assert mode(files, "/f") == after


def test_a_directory_is_made_with_its_mode_and_left_if_it_is_there(files: Files) -> None:
    files.make_directory("/d", ANY)
    files.make_directory("/d/e", Access(mode=0o2770))
    files.make_directory("/d/e", Access(mode=0o700))
    files.settle()
    assert mode(files, "/d") == 0o755
    assert mode(files, "/d/e") == 0o2770
    assert not files.is_empty("/d")
    assert files.is_empty("/d/e")


def test_a_file_goes_into_a_directory_of_the_same_batch(files: Files) -> None:
    files.make_directory("/d", ANY)
    files.write("/d/f", [b"1"], ANY)
    files.settle()
    assert content(files, "/d/f") == b"1"


def test_set_access(files: Files) -> None:
    put(files, "/f", b"1")
    files.set_access("/f", Access(mode=0o600))
    files.settle()
    assert mode(files, "/f") == 0o600


def test_set_access_of_nothing(files: Files) -> None:
    with pytest.raises(Moved, match="cannot set the access of /f"):
        files.set_access("/f", Access(mode=0o600))


def test_what_is_removed_is_gone_and_twice_is_once(files: Files) -> None:
    put(files, "/f", b"1")
    files.link("/l", "f")
    files.settle()
    for _ in range(2):
        files.remove("/l")
        files.remove("/f")
        files.settle()
    assert files.stat("/f") is None
    assert files.stat("/l") is None


def test_removing_below_what_is_no_directory_is_no_error(files: Files) -> None:
    put(files, "/f", b"1")
    files.remove("/f/below")
    files.remove_directory("/f/below")
    files.remove("/none/below")
    files.clean("/none/below")
    files.clean("/f/below")


def test_a_directory_with_something_in_it_stays(files: Files) -> None:
    files.make_directory("/d", ANY)
    put(files, "/d/f", b"1")
    files.remove_directory("/d")
    assert content(files, "/d/f") == b"1"
    files.remove("/d/f")
    files.remove_directory("/d")
    files.remove_directory("/d")
    files.settle()
    assert files.stat("/d") is None


def test_a_file_takes_the_place_of_a_link_and_a_link_that_of_a_file(files: Files) -> None:
    put(files, "/a", b"a")
    files.link("/l", "a")
    files.settle()
    put(files, "/l", b"l")
    files.link("/a", "l")
    files.settle()
    assert (content(files, "/l"), files.target("/a")) == (b"l", "l")
    assert mode(files, "/l") == 0o644


def test_directories_and_files_in_the_way(files: Files) -> None:
    files.make_directory("/d", ANY)
    put(files, "/f", b"1")
    for ask in (
        lambda: files.write("/d", [b"1"], ANY),
        lambda: files.link("/d", "f"),
        lambda: files.remove("/d"),
        lambda: files.make_directory("/f", ANY),
        lambda: files.remove_directory("/f"),
        lambda: files.write("/", [b"1"], ANY),
        lambda: files.write("/f/g", [b"1"], ANY),
        lambda: files.is_empty("/f"),
    ):
        with pytest.raises(InTheWay, match="cannot "):
            ask()
    files.settle()
    assert content(files, "/f") == b"1"


@pytest.mark.parametrize("path", ["/none", "/d", "/l", "/d/none", "/f/none"])
def test_reading_what_is_no_file(files: Files, path: str) -> None:
    files.make_directory("/d", ANY)
    put(files, "/f", b"1")
    files.link("/l", "f")
    files.settle()
    with pytest.raises((Moved, InTheWay)):
        list(files.read(path))


def test_a_link_is_followed_on_request_only(files: Files) -> None:
    put(files, "/f", b"1")
    files.link("/l", "f")
    files.link("/dangling", "none")
    files.settle()
    seen = [files.stat("/l"), files.stat("/l", follow=True)]
    assert [each and each.type for each in seen] == [FileType.LINK, FileType.FILE]
    assert files.stat("/dangling") is not None
    assert files.stat("/dangling", follow=True) is None


def test_the_last_word_on_a_path_stands(files: Files) -> None:
    files.write("/f", [b"1"], ANY)
    files.write("/f", [b"2"], ANY)
    files.write("/g", [b"1"], ANY)
    files.remove("/g")
    files.write("/h", [b"1"], ANY)
    files.set_access("/h", Access(mode=0o600))
    files.settle()
    assert content(files, "/f") == b"2"
    assert files.stat("/g") is None
    assert mode(files, "/h") == 0o600


def test_a_folder_does_not_go_before_what_was_asked_for_in_it(files: Files) -> None:
    files.make_directory("/d", ANY)
    files.write("/d/f", [b"1"], ANY)
    files.remove_directory("/d")
    files.settle()
    assert content(files, "/d/f") == b"1"


def test_an_effect_that_fails_leaves_nothing_and_the_others_as_they_were(files: Files) -> None:
    def damaged() -> Iterator[bytes]:
        yield b"half"
        raise RuntimeError

    files.write("/good", [b"1"], ANY)
    with pytest.raises(RuntimeError):
        files.write("/bad", damaged(), ANY)
    assert files.stat(beside("/bad")) is None
    files.settle()
    assert content(files, "/good") == b"1"
    assert files.stat("/bad") is None


def test_clean_removes_what_an_interrupted_effect_left(files: Files) -> None:
    for path in ("/f", "/l", "/d"):
        files.clean(path)
    put(files, beside("/f"), b"half")
    files.link(beside("/l"), "none")
    files.make_directory(beside("/d"), ANY)
    files.settle()
    for path in ("/f", "/l", "/d"):
        files.clean(path)
        assert files.stat(beside(path)) is None


def test_a_leftover_does_not_hinder(files: Files) -> None:
    put(files, beside("/f"), b"half", Access(mode=0o400))
    files.make_directory(beside("/g"), ANY)
    put(files, "/f", b"1")
    put(files, "/g", b"1")
    assert content(files, "/f") == content(files, "/g") == b"1"


def test_cleaning_takes_back_what_was_made_ready(files: Files) -> None:
    files.write("/f", [b"1"], ANY)
    files.clean("/f")
    files.settle()
    assert files.stat("/f") is None


def test_a_name_as_long_as_may_be(files: Files) -> None:
    path = "/" + "é" * 127
    put(files, path, b"1")
    assert content(files, path) == b"1"


def test_a_folder_that_is_not_there(files: Files) -> None:
    with pytest.raises(Transient, match="cannot write /none/f: no such file or directory"):
        files.write("/none/f", [b"1"], ANY)


def test_settling_nothing(files: Files) -> None:
    files.settle()
    files.settle()
