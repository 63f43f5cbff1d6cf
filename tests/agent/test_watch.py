"""What is watched is what lies at a path now, whatever lay there before, and under each of its names."""

import asyncio
import os
from pathlib import Path

import pytest

from reconciler.agent.watch import Watcher


async def first(watcher: Watcher) -> str:
    async for path in watcher.changes():
        return path
    raise AssertionError


def seen(watcher: Watcher) -> str | None:
    """The next change, None where there is none."""

    async def look() -> str | None:
        try:
            return await asyncio.wait_for(first(watcher), 0.2)
        except TimeoutError:
            return None

    return asyncio.run(look())


def drain(watcher: Watcher) -> None:
    while seen(watcher) is not None:
        pass


@pytest.mark.parametrize("change", ["moved", "link led elsewhere"])
def test_another_folder_takes_the_place_of_a_watched_one(tmp_path: Path, change: str) -> None:
    one, two, place = tmp_path / "one", tmp_path / "two", tmp_path / "place"
    one.mkdir()
    two.mkdir()
    watcher = Watcher()
    if change == "moved":
        one.rename(place)
    else:
        place.symlink_to("one")
    watcher.set([str(place / "file")])
    if change == "moved":
        place.rename(one)
        two.rename(place)
    else:
        place.unlink()
        place.symlink_to("two")
    drain(watcher)
    assert watcher.set([str(place / "file")]), "it may have changed since it was looked at"
    (place / "file").write_text("drift")
    assert seen(watcher) == str(place / "file")
    drain(watcher)
    (one / "file").write_text("nobody's business")
    assert seen(watcher) is None
    watcher.close()


def test_one_folder_has_two_names(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "var-run").symlink_to("run")
    watcher = Watcher()
    watcher.set([str(tmp_path / "run/a"), str(tmp_path / "var-run/b")])
    for name in ("a", "b"):
        (tmp_path / "run" / name).write_text("drift")
        assert os.path.basename(seen(watcher) or "") == name
        drain(watcher)
    watcher.set([str(tmp_path / "var-run/b")])
    drain(watcher)
    (tmp_path / "run/b").write_text("drift again")
    assert os.path.basename(seen(watcher) or "") == "b"
    watcher.close()
