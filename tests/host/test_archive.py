"""Archives of every sort become trees, and hostile ones become nothing."""

import bz2
import gzip
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.core.errors import CorruptStore, HostileSource
from reconciler.core.host import Trees
from reconciler.core.identity import Digest
from reconciler.host.archive import members
from reconciler.host.members import Copy, File, Symlink
from reconciler.host.trees import real_trees
from tests.kinds.laws import Bytes

PLACE = "/opt/1.0"
NOISE = os.urandom(200_000)


def tar(*infos: tarfile.TarInfo | tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=format) as archive:
        for each in infos:
            info, content = each if isinstance(each, tuple) else (each, b"")
            archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


def entry(name: str, content: bytes = b"", **more: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), 0o644
    for key, value in more.items():
        setattr(info, key, value)
    return info, content


def link(name: str, target: str, type: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=type, linkname=target)


def zipped(*files: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return made.getvalue()


def unix(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


def read(content: bytes, form: str) -> dict[str, tuple[int, bytes] | str]:
    found: dict[str, tuple[int, bytes] | str] = {}
    for member in members([content], form):
        match member:
            case File(path, mode, chunks):
                found[path] = (mode, b"".join(chunks))
            case Symlink(path, target):
                found[path] = f"→ {target}"
            case Copy(path, of):
                found[path] = f"= {of}"
    return found


GOOD_TAR = tar(
    entry("./", type=tarfile.DIRTYPE),
    entry("./bin", type=tarfile.DIRTYPE),
    entry("./bin/tool", NOISE, mode=0o4775),
    entry("./share/ä.txt", b"text", mode=0o666),
    entry("./empty", b"", mode=0o600),
    link("./bin/t", "../bin/tool"),
    link("./bin/second", "./bin/tool", tarfile.LNKTYPE),
    entry("./bin", type=tarfile.DIRTYPE),
)
GOOD = {
    "bin/tool": (0o755, NOISE),
    "share/ä.txt": (0o644, b"text"),
    "empty": (0o644, b""),
    "bin/t": "→ ../bin/tool",
    "bin/second": "= bin/tool",
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress], ids=["-", "gz", "bz2", "xz"])
def test_a_tar_is_read_however_it_is_packed(pack: Callable[[bytes], bytes]) -> None:
    assert read(pack(GOOD_TAR), "tar") == GOOD


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_is_read_whatever_its_dialect(format: int) -> None:
    name = "/".join(["long" * 10] * (3 if format == tarfile.USTAR_FORMAT else 20))
    assert read(tar(entry(name, b"x"), format=format), "tar") == {name: (0o644, b"x")}


def test_a_tar_that_git_makes_is_read() -> None:
    """It says its commit in a header for all members."""
    info, content = entry("a", b"x")
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", pax_headers={"comment": "0" * 40}) as archive:
        archive.addfile(info, io.BytesIO(content))
    assert read(made.getvalue(), "tar") == {"a": (0o644, b"x")}


def test_a_zip_is_read() -> None:
    content = zipped(
        ("bin/", b""),
        (unix("bin/tool", stat.S_IFREG | 0o4755), NOISE),
        (unix("t", stat.S_IFLNK | 0o777), b"bin/tool"),
        ("share/ä.txt", b"text"),
    )
    assert read(content, "zip") == {
        "bin/tool": (0o755, NOISE),
        "t": "→ bin/tool",
        "share/ä.txt": (0o644, b"text"),
    }


def test_a_zip_that_was_streamed_is_read() -> None:
    """Its sizes stand after each member."""

    class OneWay(io.RawIOBase):
        def __init__(self) -> None:
            self.said = b""

        def writable(self) -> bool:
            return True

        def write(self, content: bytes) -> int:  # type: ignore[override]
            self.said += bytes(content)
            return len(content)

    made = OneWay()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]
        archive.writestr("a", b"x" * 1000)
    assert read(made.said, "zip") == {"a": (0o644, b"x" * 1000)}


def test_names_that_differ_in_case_are_two() -> None:
    assert read(tar(entry("a", b"1"), entry("A", b"2")), "tar") == {"a": (0o644, b"1"), "A": (0o644, b"2")}


@pytest.mark.parametrize("target", ["b", "./b", "x/../b/..", ".", "../a/b", "nowhere"])
def test_a_link_that_stays_inside_is_kept_or_refused_for_good_reason(target: str) -> None:
    content = tar(link("a/l", target))
    if ".." in target.lstrip("./"):
        with pytest.raises(HostileSource, match="may lead out"):
            read(content, "tar")
    else:
        assert read(content, "tar") == {"a/l": f"→ {target}"}


HOSTILE_TARS: list[tuple[str, bytes, str]] = [
    ("a path from the root", tar(entry("/etc/passwd", b"x")), "absolute"),
    ("a path that leads up", tar(entry("a/../../etc/passwd", b"x")), "not normal"),
    ("a path that is only up", tar(entry("..", b"x")), "not normal"),
    ("a dot within a path", tar(entry("a/./b", b"x")), "not normal"),
    ("an empty part", tar(entry("a//b", b"x")), "not normal"),
    ("a file without a name", tar(entry("./", b"x", type=tarfile.REGTYPE)), "not normal|neither"),
    ("a name with a line break", tar(entry("a\nb", b"x")), "cannot be shown"),
    ("a name with an escape", tar(entry("a\x1b[2Jb", b"x")), "cannot be shown"),
    ("a name that is no text", tar(entry("a\udcff", b"x"), format=tarfile.GNU_FORMAT), "cannot be shown"),
    ("a name of 256 bytes", tar(entry("ä" * 128, b"x")), "too long"),
    ("a hundred folders and one", tar(entry("/".join("x" * 101), b"x")), "too long"),
    ("the name of our manifest", tar(entry(".manifest.json", b"{}")), "our manifest"),
    ("an absolute link", tar(link("a", "/etc")), "absolute link"),
    ("a link that leads out", tar(link("a/b", "../../etc")), "lead out"),
    ("a link that leads out at the top", tar(link("a", "..")), "lead out"),
    ("a link that leads out by another", tar(link("a/up", ".."), link("a/x", "up/../..")), "lead out"),
    ("a link to nothing", tar(link("a", "")), "no path"),
    ("a file below a link", tar(link("a", "b"), entry("a/x", b"x")), "below a link"),
    ("a file below a file", tar(entry("a", b"x"), entry("a/x", b"x")), "below a file"),
    ("a link below a link", tar(link("a", "b"), link("a/x", "c")), "below a link"),
    ("a second name of what is outside", tar(link("a", "/etc/shadow", tarfile.LNKTYPE)), "second name"),
    ("a second name of what leads up", tar(link("a", "../x", tarfile.LNKTYPE)), "second name"),
    ("a second name of what is not there", tar(link("a", "b", tarfile.LNKTYPE), entry("b", b"x")), "second name"),
    ("a second name of itself", tar(link("a", "a", tarfile.LNKTYPE)), "second name"),
    ("a second name of a link", tar(link("l", "x"), link("a", "l", tarfile.LNKTYPE)), "second name"),
    ("a character device", tar(entry("a", type=tarfile.CHRTYPE, devmajor=1, devminor=3)), "neither"),
    ("a block device", tar(entry("a", type=tarfile.BLKTYPE, devmajor=8)), "neither"),
    ("a fifo", tar(entry("a", type=tarfile.FIFOTYPE)), "neither"),
    ("something of an unknown sort", tar(entry("a", type=b"Z")), "neither"),
    ("a file twice", tar(entry("a", b"x"), entry("a", b"y")), "twice"),
    ("a file twice by another spelling", tar(entry("a", b"x"), entry("./a", b"y")), "twice"),
    ("a file where a folder is", tar(entry("a/b", b"x"), entry("a", b"y")), "twice"),
    ("a folder where a file is", tar(entry("a", b"x"), entry("a", type=tarfile.DIRTYPE)), "twice"),
    ("a link where a folder is", tar(entry("a/b", b"x"), link("a", "b")), "twice"),
    ("a sparse file", tar(entry("a", b"x", pax_headers={"GNU.sparse.major": "0", "GNU.sparse.map": "0,1"})), "sparse"),
    ("three gibibytes of promises", tar(entry("a"))[:124] + b"30000000000\0" + tar(entry("a"))[136:], "damaged|more"),
    ("fewer than no bytes", tar(entry("a", pax_headers={"size": "-512"})), "cannot unpack|less than"),
    ("only folders", tar(entry("a", type=tarfile.DIRTYPE)), "no file"),
    ("nothing", tar(), "no file"),
    ("no bytes at all", b"", "damaged"),
    ("something else", NOISE, "damaged"),
    ("zeros", gzip.compress(bytes(64 << 20)), "no file|unpacks to"),
    ("a bomb", gzip.compress(tar(entry("a", bytes(64 << 20)))), "too many for its archive"),
    ("a bomb of an xz", lzma.compress(tar(entry("a", bytes(64 << 20)))), "too many for its archive"),
    (
        "a bomb of second names",
        tar(entry("a", bytes(1 << 20)), *(link(f"l{n}", "a", tarfile.LNKTYPE) for n in range(300))),
        "too many for its archive",
    ),
    ("an attribute of a megabyte", tar(entry("a", b"x", pax_headers={"comment": "x" * (1 << 20)})), "too large"),
    ("attributes of attributes", b"".join(tar(entry("x", type=b"x"))[:512] for _ in range(5000)), "cannot unpack"),
]


@pytest.mark.parametrize(("content", "says"), [pytest.param(c, s, id=name) for name, c, s in HOSTILE_TARS])
def test_a_tar_with(content: bytes, says: str, tmp_path: Path) -> None:
    refuse(content, "tar", says, tmp_path)


def patched(content: bytes, signature: bytes, at: int, value: bytes) -> bytes:
    """Every header of a zip that begins so, with other bytes at an offset."""
    made, place = bytearray(content), content.find(signature)
    while place >= 0:
        made[place + at : place + at + len(value)] = value
        place = content.find(signature, place + 1)
    return bytes(made)


LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
ONE = zipped(("a", b"x" * 100))


def overlapping() -> bytes:
    """Two entries of the directory that lead to one member."""
    start = ONE.find(CENTRAL)
    directory, end = ONE[start : ONE.find(END)], bytearray(ONE[ONE.find(END) :])
    struct.pack_into("<HHL", end, 8, 2, 2, 2 * len(directory))
    return ONE[:start] + directory * 2 + bytes(end)


def doubled() -> bytes:
    with pytest.warns(UserWarning, match="Duplicate"):
        return zipped(("a", b"1"), ("a", b"2"))


HOSTILE_ZIPS: list[tuple[str, Callable[[], bytes], str]] = [
    ("a path from the root", lambda: zipped(("/etc/passwd", b"x")), "absolute"),
    ("a path that leads up", lambda: zipped(("../x", b"x")), "not normal"),
    ("a NUL in its name", lambda: zipped(("aXb", b"x")).replace(b"aXb", b"a\0b"), "cannot be shown|damaged"),
    ("an absolute link", lambda: zipped((unix("a", stat.S_IFLNK), b"/etc")), "absolute link"),
    ("a link that leads out", lambda: zipped((unix("a", stat.S_IFLNK), b"../x")), "lead out"),
    ("a link that is too long", lambda: zipped((unix("a", stat.S_IFLNK), b"x" * 5000)), "no path"),
    ("a file below a link", lambda: zipped((unix("a", stat.S_IFLNK), b"b"), ("a/x", b"x")), "below a link"),
    ("a fifo", lambda: zipped((unix("a", stat.S_IFIFO), b"")), "neither"),
    ("a device", lambda: zipped((unix("a", stat.S_IFCHR), b"")), "neither"),
    ("a folder that is a file", lambda: zipped((unix("a", stat.S_IFDIR), b"")), "folder and a file"),
    ("a folder that holds bytes", lambda: zipped((unix("a/", stat.S_IFREG), b"x")), "folder and a file"),
    ("a file twice", doubled, "twice"),
    ("a bomb", lambda: zipped(("a", bytes(64 << 20))), "too many for its archive"),
    ("members that overlap", overlapping, "shares its bytes"),
    ("an encrypted member", lambda: patched(patched(ONE, LOCAL, 6, b"\1"), CENTRAL, 8, b"\1"), "encrypted"),
    ("a member encrypted on one side", lambda: patched(ONE, LOCAL, 6, b"\1"), "encrypted"),
    ("another method", lambda: patched(patched(ONE, LOCAL, 8, b"\x0e"), CENTRAL, 10, b"\x0e"), "method"),
    ("another name before the member", lambda: patched(ONE, LOCAL, 30, b"b"), "damaged|disagrees"),
    ("another size before the member", lambda: patched(ONE, LOCAL, 22, b"\x07"), "disagrees"),
    ("another size in the directory", lambda: patched(ONE, CENTRAL, 24, b"\x07"), "disagrees"),
    ("a wrong checksum", lambda: patched(patched(ONE, LOCAL, 14, b"\0\0"), CENTRAL, 16, b"\0\0"), "damaged"),
    ("a size that is wrong twice", lambda: patched(patched(ONE, LOCAL, 22, b"\xff"), CENTRAL, 24, b"\xff"), "damaged"),
    ("a count that is wrong", lambda: patched(ONE, END, 10, b"\2"), "damaged"),
    ("too many members", lambda: patched(ONE, END, 10, b"\xff\xff"), "more than 50000"),
    ("no end", lambda: ONE[:-30], "damaged"),
    ("nothing", zipped, "no file"),
    ("something else", lambda: NOISE, "damaged"),
    ("no bytes at all", lambda: b"", "damaged"),
    ("a tar in it", lambda: GOOD_TAR, "damaged"),
]


@pytest.mark.parametrize(("make", "says"), [pytest.param(m, s, id=name) for name, m, s in HOSTILE_ZIPS])
def test_a_zip_with(make: Callable[[], bytes], says: str, tmp_path: Path) -> None:
    refuse(make(), "zip", says, tmp_path)


def refuse(content: bytes, form: str, says: str, tmp_path: Path) -> None:
    """And nothing of it is left, inside the place or out."""
    trees, digest = planted(content, tmp_path)
    before = everything(tmp_path)
    with pytest.raises(HostileSource, match=says) as caught:
        trees.unpack(PLACE, digest, form)
    assert str(caught.value).startswith("cannot ")
    assert str(caught.value).isprintable()
    assert everything(tmp_path) == before


def planted(content: bytes, tmp_path: Path) -> tuple[Trees, Digest]:
    (tmp_path / "opt").mkdir()
    payloads = Bytes()
    return real_trees(str(tmp_path), payloads), payloads.put(content)


def everything(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*"))


def test_too_many_members_are_refused() -> None:
    content = b"".join(tarfile.TarInfo(f"{n}").tobuf(tarfile.USTAR_FORMAT) for n in range(50_001))
    with pytest.raises(HostileSource, match="more than 50000 members"):
        for _ in members([content], "tar"):
            pass


def cut_tars() -> Iterator[tuple[str, bytes]]:
    content = tar(entry("a", NOISE[:2000]), entry("b", NOISE[:2000]))
    for at in (1, 511, 512, 513, 1024, 2500, 3072, 3073, 3584, 4000, 5119, 5120, 5631):
        yield f"tar at {at}", content[:at]
    for name, pack in {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}.items():
        packed = pack(content)
        for part in (3, 2, 1):
            yield f"{name} at {part} of 4", packed[: len(packed) * part // 4]
        yield f"{name} but for its end", packed[:-4]


@pytest.mark.parametrize("content", [pytest.param(content, id=name) for name, content in cut_tars()])
def test_a_tar_that_breaks_off(content: bytes, tmp_path: Path) -> None:
    refuse(content, "tar", "damaged", tmp_path)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gz", "bz2", "xz"])
def test_a_flipped_bit_of_what_is_packed_is_refused_or_harmless(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    """Not every bit of a header matters (a date, say); of what is kept, every one does."""
    packed = pack(tar(entry("a", NOISE[:3000])))
    for at in range(0, len(packed), 37):
        flipped = bytearray(packed)
        flipped[at] ^= 0x10
        try:
            found = read(bytes(flipped), "tar")
        except HostileSource:
            continue
        assert found == {"a": (0o644, NOISE[:3000])}


def test_a_damaged_header_in_the_midst_is_not_taken_for_the_end() -> None:
    content = bytearray(tar(entry("a", b"x" * 512), entry("b", b"y" * 512)))
    content[1024 + 150] ^= 1
    with pytest.raises(HostileSource, match="damaged"):
        read(bytes(content), "tar")


def test_an_archive_is_not_looked_into_before_it_is_what_its_digest_says() -> None:
    def lying() -> Iterator[bytes]:
        yield GOOD_TAR
        raise CorruptStore("cannot read object: its bytes are damaged")

    with pytest.raises(CorruptStore):
        next(members(lying(), "tar"))


def test_an_archive_becomes_a_tree(tmp_path: Path) -> None:
    trees, digest = planted(gzip.compress(GOOD_TAR), tmp_path)
    trees.unpack(PLACE, digest, "tar")
    top = tmp_path / "opt/1.0"
    assert trees.damage(PLACE, thorough=True) is None
    assert trees.source(PLACE) == digest
    assert (top / "bin/t").read_bytes() == NOISE
    assert (top / "bin/second").read_bytes() == NOISE
    assert (top / "bin/second").stat().st_ino != (top / "bin/tool").stat().st_ino, "a copy, so that each is its own"
    assert {path.stat().st_mode & 0o7777 for path in top.rglob("*") if path.is_file()} == {0o755, 0o644}
    assert {path.stat().st_mode & 0o7777 for path in top.rglob("*") if path.is_dir()} == {0o755}
    (top / "bin/t").unlink()
    (top / "bin/t").symlink_to("elsewhere")
    assert trees.damage(PLACE) == "bin/t leads to elsewhere, not to ../bin/tool"
