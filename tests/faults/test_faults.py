"""A sample of `scripts/faults`: of each call of each process the first, the middle and the last, and a look at rest.

What was swept is printed, also where all is well.
"""

import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import pytest

from tests.faults import disk
from tests.faults.calls import AGENT, read
from tests.faults.scenario import torn
from tests.faults.sweep import ERRORS, MODES, Outcome, Range, first_middle_last

needs_strace = [
    pytest.mark.strace,
    pytest.mark.skipif(shutil.which("strace") is None, reason="not run: needs strace"),
]
needs_power = [
    *needs_strace,
    pytest.mark.root,
    pytest.mark.skipif(disk.why_not() is not None, reason=f"not run: {disk.why_not()}, for power cuts"),
]
PARTS = 6
Judge = Callable[[str, Sequence[Outcome]], None]


def marked(marks: list[pytest.MarkDecorator]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def mark(test: Callable[..., None]) -> Callable[..., None]:
        for each in marks:
            test = each(test)
        return test

    return mark


@pytest.fixture(scope="module")
def range_() -> Iterator[Range]:
    range_ = Range()
    yield range_
    range_.close()


@pytest.fixture
def judge(capfd: pytest.CaptureFixture[str]) -> Judge:
    """Prints the figures, and fails with what brings each violation again."""

    def judge(fault: str, outcomes: Sequence[Outcome]) -> None:
        syncs = Counter(outcome.syncs for outcome in outcomes)
        bad = [f"{each.fault} at {each.point}: {line}" for each in outcomes for line in each.wrong]
        figures = f"points {len(outcomes):3}   syncs to converge 1: {syncs[1]:3}  2: {syncs[2]:3}"
        with capfd.disabled():
            print(f"\nfaults: {fault:<42} {figures}   violations {len(bad)}", file=sys.stderr)
        assert not bad, "\n".join(bad)
        assert all(outcome.reached for outcome in outcomes), [str(each.point) for each in outcomes if not each.reached]

    return judge


@marked(needs_strace)
@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_a_call_the_next_sync_brings_what_an_uninterrupted_one_does(
    range_: Range, judge: Judge, part: int
) -> None:
    points = first_middle_last(range_.points)[part::PARTS]
    judge("kill -9", [range_.kill(point) for point in points])


@marked(needs_strace)
def test_a_git_that_outlives_its_agent_is_waited_for(range_: Range, judge: Judge) -> None:
    git = [point for point in first_middle_last(range_.points) if point.process != AGENT]
    judge("kill -9 of the agent while its git works on", [range_.orphan(point) for point in git[::4]])


@marked(needs_strace)
@pytest.mark.parametrize("error", ERRORS)
def test_a_refused_call_is_said_and_made_good(range_: Range, judge: Judge, error: str) -> None:
    points = first_middle_last(range_.points)[ERRORS.index(error) :: 3 * len(ERRORS)]
    judge(f"{error} from one call", [range_.error(point, error) for point in points])


@marked(needs_strace)
def test_a_second_sync_changes_nothing_outside_the_runtime_directory(range_: Range, judge: Judge) -> None:
    judge("a second sync changes nothing", [range_.look()])


@marked(needs_power)
@pytest.mark.parametrize("mode", MODES)
def test_the_power_fails_at_a_call(range_: Range, judge: Judge, mode: int) -> None:
    points = first_middle_last(range_.points)[mode::8]
    judge(f"power cut, {MODES[mode]}", [range_.cut(point, mode) for point in points])


@marked(needs_power)
@pytest.mark.parametrize("mode", MODES)
def test_the_power_fails_again_in_the_recovery(range_: Range, judge: Judge, mode: int) -> None:
    points = first_middle_last(range_.points)[mode::16]
    judge(f"two power cuts, {MODES[mode]}", [range_.cut(point, mode, seed=1) for point in points])


@marked(needs_power)
@pytest.mark.parametrize("mode", MODES)
def test_what_was_reported_is_on_the_disk(range_: Range, judge: Judge, mode: int) -> None:
    judge(f"power cut after success, {MODES[mode]}", [range_.cut_after_success(mode)])


@marked(needs_power)
def test_without_syncfs_a_power_cut_is_seen_to_tear_files(range_: Range) -> None:
    """The control: were this to pass unseen, the tests above could not fail."""
    last = [point for point in range_.points if point.process == AGENT and point.call == "fchmod"][-1]
    outcome = range_.cut(last, disk.KEEP_JOURNAL, skipped="syncfs")
    assert outcome.reached
    assert any("neither old nor new" in line for line in outcome.wrong), outcome.wrong


def test_a_path_that_is_neither_old_nor_new_is_torn() -> None:
    before, after = {"/a": "file 0644 1", "/l": "link to x"}, {"/a": "file 0644 2", "/l": "file 0644 3"}
    assert not torn({"/a": "file 0644 1"}, before, after), "a link that becomes a file is gone for a moment"
    assert torn({"/a": "file 0644 0", "/l": "link to x"}, before, after)
    assert torn({"/l": "link to x"}, before, after), "a file that is changed is never gone"


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ('renameat(3</r/etc>, "x", 3</r/etc>, "motd") = 0', "/r/etc/motd"),
        ('17 openat(AT_FDCWD</r>, "/r/lock", O_RDWR|O_CREAT, 0600) = 3</r/lock>', "/r/lock"),
        ('pwrite64(4</r/state.db>, "</etc/x>, \\"/etc\\"", 12, 0) = 12', "/r/state.db"),
        ('symlinkat("../target", 5</r/etc>, "link") = 0', "/r/etc/link"),
        ('unlink("objects/tmp_1") = 0', "objects/tmp_1"),
        ("syncfs(5</r/etc>) = 0", "/r/etc"),
        ("fchmod(5</r/etc/x>, 0644 <unfinished ...>", "/r/etc/x"),
    ],
)
def test_the_path_that_a_call_names(line: str, path: str) -> None:
    (seen,) = read([line])
    assert path in seen.paths
    assert "/etc" not in seen.paths
    assert "../target" not in seen.paths
