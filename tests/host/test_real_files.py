"""What only a real file system has: owners, foreign links, pipes and devices, the umask."""

import gc
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from reconciler.core.errors import Denied, Failure, InTheWay, Moved, NoRoom, NotFound, UntrustedPath
from reconciler.core.host import Access, FileType
from reconciler.host.files import HostFiles
from reconciler.host.looks import Looks
from reconciler.host.real import RealView

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="not run: needs root")
NOBODY = 65534
FREE = 3_999_999_999


def open_now() -> dict[str, str]:
    """Descriptors and what they are of, but for the one that lists them."""
    found = {}
    for fd in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            found[fd] = os.readlink(f"/proc/self/fd/{fd}")
    return found


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "f").write_text("outside")
    return folder


@pytest.fixture
def root(tmp_path: Path, outside: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "run").mkdir(parents=True)
    (folder / "var").mkdir()
    (folder / "var" / "run").symlink_to("/run")
    (folder / "var" / "up").symlink_to("../../../../../../outside")
    (folder / "var" / "away").symlink_to(outside)
    (folder / "var" / "circle").symlink_to("circle")
    return folder


@pytest.fixture
def files(root: Path) -> HostFiles:
    return HostFiles(str(root), owners=False)


def test_an_absolute_link_means_the_folder_in_the_root(files: HostFiles, root: Path) -> None:
    files.write("/var/run/pid", [b"1"], Access())
    files.settle()
    assert (root / "run" / "pid").read_bytes() == b"1"
    assert b"".join(files.read("/var/run/pid")) == b"1"
    seen = files.stat("/var/run", follow=True)
    assert seen is not None
    assert seen.type is FileType.DIRECTORY


@pytest.mark.parametrize("way", ["/var/up", "/var/away"])
def test_no_link_leads_out_of_the_root(files: HostFiles, outside: Path, way: str) -> None:
    assert files.stat(f"{way}/f") is None
    assert files.stat(way, follow=True) is None
    with pytest.raises(Moved):
        files.write(f"{way}/g", [b"1"], Access())
    files.remove(f"{way}/f")
    files.settle()
    assert os.listdir(outside) == ["f"]


def test_dots_in_a_path_do_not_lead_out(files: HostFiles, outside: Path) -> None:
    assert files.stat("/../outside/f") is None
    with pytest.raises(Moved):
        files.write("/../outside/g", [b"1"], Access())


def test_what_is_replaced_by_a_link_is_looked_at_anew(files: HostFiles, root: Path) -> None:
    (root / "other").mkdir()
    (root / "other" / "f").write_text("other")
    assert files.stat("/var/run/f") is None
    files.link("/var/run", "../other")
    files.settle()
    assert b"".join(files.read("/var/run/f")) == b"other"
    os.unlink(root / "var" / "run")
    files.forget()
    assert files.stat("/var/run/f") is None


def test_a_circle_of_links(files: HostFiles) -> None:
    with pytest.raises(UntrustedPath):
        files.stat("/var/circle/f")
    with pytest.raises(UntrustedPath):
        files.write("/var/circle/f", [b"1"], Access())


def test_a_circle_of_links_under_the_root_of_the_machine(root: Path) -> None:
    with pytest.raises(UntrustedPath):
        Looks().stat(f"{root}/var/circle", follow=True)


@root_only
@pytest.mark.root
def test_a_link_that_somebody_else_made_is_not_followed(files: HostFiles, root: Path) -> None:
    os.lchown(root / "var" / "run", NOBODY, NOBODY)
    for touch in (
        lambda: files.write("/var/run/f", [b"1"], Access()),
        lambda: files.remove("/var/run/f"),
        lambda: files.make_directory("/var/run/d", Access()),
    ):
        with pytest.raises(UntrustedPath, match="user 65534 made it"):
            touch()
    assert os.listdir(root / "run") == []


def test_a_link_at_the_path_itself_is_replaced_never_written_through(files: HostFiles, root: Path) -> None:
    (root / "run" / "victim").write_text("victim")
    (root / "run" / "f").symlink_to("victim")
    files.set_access("/run/f", Access(mode=0o600))
    files.write("/run/f", [b"1"], Access())
    files.settle()
    assert (root / "run" / "victim").read_text() == "victim"
    assert (root / "run" / "victim").stat().st_mode & 0o777 != 0o600
    assert not (root / "run" / "f").is_symlink()


def test_a_leftover_that_is_a_link_is_not_written_through(files: HostFiles, root: Path) -> None:
    (root / "run" / "victim").write_text("victim")
    (root / "run" / ".reconciler-new.f").symlink_to("victim")
    files.write("/run/f", [b"1"], Access())
    files.settle()
    assert (root / "run" / "victim").read_text() == "victim"


def _special(root: Path) -> Iterator[str]:
    os.mkfifo(root / "run" / "fifo")
    yield "/run/fifo"
    with socket.socket(socket.AF_UNIX) as unix:
        here = os.getcwd()
        os.chdir(root / "run")
        unix.bind("socket")
        os.chdir(here)
    yield "/run/socket"
    if os.geteuid() == 0:
        os.mknod(root / "run" / "device", 0o600 | 0o020000, os.makedev(1, 5))
        yield "/run/device"


def test_a_pipe_a_socket_and_a_device_do_not_hang_us(files: HostFiles, root: Path) -> None:
    for path in _special(root):
        seen = files.stat(path)
        assert seen is not None
        assert seen.type is FileType.OTHER
        with pytest.raises(Moved):
            list(files.read(path))
        for touch in (
            lambda path=path: files.write(path, [b"1"], Access()),
            lambda path=path: files.link(path, "f"),
            lambda path=path: files.remove(path),
        ):
            with pytest.raises(InTheWay):
                touch()
        files.set_access(path, Access(mode=0o640))
        seen = files.stat(path)
        assert seen is not None
        assert seen.mode == 0o640


@pytest.mark.parametrize("mask", [0, 0o077, 0o777])
def test_the_umask_has_no_say(files: HostFiles, mask: int) -> None:
    before = os.umask(mask)
    try:
        files.make_directory("/d", Access())
        files.write("/d/f", [b"1"], Access())
        files.settle()
    finally:
        os.umask(before)
    directory, file = files.stat("/d"), files.stat("/d/f")
    assert directory is not None
    assert file is not None
    assert (directory.mode, file.mode) == (0o755, 0o644)


def test_owners_are_not_seen_below_a_root(files: HostFiles) -> None:
    files.write("/f", [b"1"], Access(owner="no-such-user"))
    files.settle()
    seen = files.stat("/f")
    assert seen is not None
    assert (seen.owner, seen.group) == (None, None)


@root_only
@pytest.mark.root
def test_owners_are_set_and_kept_and_set_user_id_with_them(tmp_path: Path) -> None:
    files = HostFiles()
    path = f"{tmp_path}/f"
    files.write(path, [b"1"], Access(mode=0o4755, owner="nobody", group="nogroup"))
    files.settle()
    files.write(path, [b"2"], Access())
    files.settle()
    seen = files.stat(path)
    assert seen is not None
    assert (seen.mode, seen.owner, seen.group) == (0o4755, "nobody", "nogroup")
    files.set_access(path, Access(owner=str(FREE)))
    files.settle()
    seen = files.stat(path)
    assert seen is not None
    assert (seen.owner, seen.group) == (str(FREE), "nogroup")


@root_only
@pytest.mark.root
def test_the_owner_of_a_link_is_set_not_that_of_its_target(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("1")
    (tmp_path / "l").symlink_to("f")
    files = HostFiles()
    files.set_access(f"{tmp_path}/l", Access(owner="nobody", mode=0o600))
    files.settle()
    assert (tmp_path / "l").lstat().st_uid == NOBODY
    assert (tmp_path / "f").stat().st_uid == 0


def test_an_owner_nobody_knows(tmp_path: Path) -> None:
    files = HostFiles()
    with pytest.raises(NotFound, match="cannot find the user 'no-such-user'") as caught:
        files.write(f"{tmp_path}/f", [b"1"], Access(owner="no-such-user"))
    assert caught.value.hint
    files.settle()
    assert os.listdir(tmp_path) == []


def test_more_folders_than_are_kept_open_and_nothing_open_at_the_end(files: HostFiles, root: Path) -> None:
    before = open_now()
    for n in range(200):
        files.make_directory(f"/{n}", Access())
        files.write(f"/{n}/f", [b"1"], Access())
    for n in range(200):
        files.write(f"/{n}/g", [b"1"], Access())
    files.settle()
    assert all((root / str(n) / name).read_text() == "1" for n in range(200) for name in "fg")
    assert open_now() == before


def test_a_batch_that_is_abandoned_leaves_nothing_open(root: Path) -> None:
    before = open_now()
    files = HostFiles(str(root), owners=False)
    files.write("/f", [b"1"], Access())
    with pytest.raises(Moved):
        files.write("/none/f", [b"1"], Access())
    del files
    gc.collect()
    assert open_now() == before


def test_a_large_file_that_is_not_read_to_its_end_leaves_nothing_open(files: HostFiles, root: Path) -> None:
    (root / "large").write_bytes(b"x" * (3 << 20))
    before = open_now()
    chunks = files.read("/large")
    assert len(next(chunks)) == 1 << 20
    del chunks
    assert open_now() == before


@pytest.mark.parametrize("root_is", ["/", "/.", "//"])
def test_owners_are_managed_on_the_machine_itself_only(root_is: str, root: Path) -> None:
    seen = [RealView(each).files.stat("/") for each in (root_is, str(root))]
    assert [each and each.owner for each in seen] == ["root", None]


def test_looking_leaves_the_access_time_alone(files: HostFiles, root: Path) -> None:
    (root / "f").write_text("1")
    os.utime(root / "f", (1, 2))
    assert b"".join(files.read("/f")) == b"1"
    assert (root / "f").stat().st_atime == 1


def test_a_file_that_does_not_say_its_size_is_read() -> None:
    assert b"".join(Looks().read("/proc/self/status")).startswith(b"Name:")


@root_only
@pytest.mark.root
def test_who_has_no_permission_is_told(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("1")
    secret.chmod(0o600)
    pid = os.fork()
    if pid == 0:
        try:
            os.chdir(tmp_path)
            os.setuid(NOBODY)
            with pytest.raises(Denied, match="cannot read secret: permission denied"):
                list(Looks().read("secret"))
        except BaseException:  # noqa: BLE001  # a child of fork must not return into pytest
            os._exit(1)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


@root_only
@pytest.mark.root
def test_a_full_disk_changes_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    import subprocess

    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", tmp_path], check=False).returncode:
        pytest.skip("not run: cannot mount a tmpfs here")
    try:
        files = HostFiles()
        path = f"{tmp_path}/f"
        files.write(path, [b"old"], Access())
        files.settle()
        with pytest.raises(NoRoom, match=f"cannot write {path}: no space left on device") as caught:
            files.write(path, [b"x" * 100_000] * 10, Access())
        assert caught.value.hint
        files.settle()
        assert b"".join(files.read(path)) == b"old"
        assert os.listdir(tmp_path) == ["f"]
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def _swap_for_ever(home: Path, outside: Path) -> None:
    os.setuid(NOBODY)
    while True:
        os.rename(home / "d", home / "away")
        os.symlink(outside, home / "d")
        os.unlink(home / "d")
        os.rename(home / "away", home / "d")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Where other users can come, as they cannot into tmp_path."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@root_only
@pytest.mark.root
def test_somebody_who_swaps_a_folder_for_a_link_does_not_lead_us_astray(open_folder: Path, outside: Path) -> None:
    home = open_folder / "home"
    (home / "d").mkdir(parents=True)
    os.chown(home, NOBODY, NOBODY)
    pid = os.fork()
    if pid == 0:
        with suppress(BaseException):
            _swap_for_ever(home, outside)
        os._exit(1)
    path, done, refused, turns = f"{home}/d/f", 0, 0, 0
    try:
        while turns < 300 or (min(done, refused) == 0 and turns < 20_000):
            turns += 1
            files = HostFiles()
            for touch in (
                lambda files=files: files.write(path, [b"1"], Access()),
                lambda files=files: files.settle(),
                lambda files=files: files.set_access(path, Access(mode=0o640)),
                lambda files=files: files.remove(path),
            ):
                try:
                    touch()
                    done += 1
                except Failure:
                    refused += 1
        assert os.waitpid(pid, os.WNOHANG) == (0, 0), "the attacker gave up"
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    assert os.listdir(outside) == ["f"]
    assert (outside / "f").read_text() == "outside"
    assert (outside / "f").stat().st_mode & 0o777 == 0o644
    assert refused
    assert done
