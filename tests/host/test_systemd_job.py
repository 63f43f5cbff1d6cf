"""How a job ended is said in words, by the class that says who must act."""

import pytest

from reconciler.core.errors import Broken, Failure, Overdue, Transient
from reconciler.host.systemd_job import End, Job, check


def test_a_job_that_was_done_is_no_matter() -> None:
    check(End("done"), Job.START, "web.service")


@pytest.mark.parametrize(
    ("end", "sort", "said"),
    [
        pytest.param(End(""), Overdue, "cannot wait longer for systemd to start web.service", id="it goes on"),
        pytest.param(End("canceled"), Transient, "somebody asked systemd for something else", id="somebody stops it"),
        pytest.param(End("failed", "exit-code"), Broken, "it failed (exit-code)", id="its process ends badly"),
        pytest.param(End("failed"), Broken, "cannot start web.service: it failed", id="another sort of unit fails"),
        pytest.param(End("dependency"), Broken, "a unit that it requires failed", id="its base fails"),
        pytest.param(End("skipped"), Broken, "a condition of it does not hold", id="ExecCondition= says no"),
        pytest.param(End("frozen"), Broken, "systemd says frozen", id="a word that a later systemd has"),
    ],
)
def test_a_job_that_was_not_done_says_why(end: End, sort: type[Failure], said: str) -> None:
    with pytest.raises(sort) as told:
        check(end, Job.START, "web.service")
    assert said in str(told.value)
    assert told.value.hint


def test_a_restart_may_take_as_long_as_a_stop_and_a_start() -> None:
    assert Job.RESTART.timeouts == (*Job.STOP.timeouts, *Job.START.timeouts)
    assert [job.member for job in Job] == ["StartUnit", "StopUnit", "RestartUnit"]
