"""What was brought proves itself, or is found out: told second by second."""

from datetime import timedelta

import pytest

from reconciler.core.probe import Health, Terms, Verdict
from reconciler.core.trial import GRACE, TRACE, Look, Pending, Proven, Trial, Unproven, judge

TERMS = Terms(start=timedelta(seconds=5), soak=timedelta(seconds=6))

LOOKS = {
    "+": Look({"http": Verdict(Health.OK, "answers")}, {"web.service": "run-1"}),
    "w": Look({"http": Verdict(Health.WARNING, "is slow")}, {"web.service": "run-1"}),
    "-": Look({"http": Verdict(Health.CRITICAL, "answers 500")}, {"web.service": "run-1"}),
    "?": Look({"http": Verdict(Health.UNKNOWN, "cannot be asked")}, {"web.service": "run-1"}),
    ".": Look({"http": Verdict(Health.CRITICAL, "refuses")}, {}),
    "2": Look({"http": Verdict(Health.OK, "answers")}, {"web.service": "run-2"}),
    "x": Look({"http": Verdict(Health.CRITICAL, "refuses")}, {}, ("web.service",)),
}
"""One look a second: well, warned, unwell, not to be told, not up, up again as another run, given up."""


def told(seconds: str) -> tuple[str, int]:
    """How a trial ends that is looked at once a second, and at which second."""
    trial = Trial(timedelta(0))
    for second, sign in enumerate(seconds):
        match judge(trial, LOOKS[sign], timedelta(seconds=second), TERMS):
            case Pending(after):
                trial = after
            case Proven():
                return "proven", second
            case Unproven(reason, _):
                return reason, second
    return "pending", len(seconds)


@pytest.mark.parametrize(
    ("situation", "seconds", "end"),
    [
        ("it is well at once, and stays so", "+++++++", ("proven", 6)),
        ("it needs a while to come up", "...+++++++", ("proven", 9)),
        ("a warning is nothing to take back for", "wwwwwww", ("proven", 6)),
        ("it never starts", "......", ("not well within 5 s: http: refuses", 5)),
        ("it starts and dies, and is given up", "+x", ("web.service has ended, and was given up", 1)),
        ("it is given up before it was ever well", "..x", ("web.service has ended, and was given up", 2)),
        ("it answers wrongly", "------", ("not well within 5 s: http: answers 500", 5)),
        ("it cannot be asked", "??????", ("not well within 5 s: http: cannot be asked", 5)),
        ("it is well until a second before the soak ends", "+++++----", ("did not stay well: http: answers 500", 8)),
        (
            "it is started anew behind our back",
            "+++2",
            ("web.service did not keep running: it ended while it was on trial", 3),
        ),
        (
            "it is gone for a moment only",
            "+++.",
            ("web.service did not keep running: it ended while it was on trial", 3),
        ),
        ("one slow answer begins the soak anew", "+++-+++++++", ("proven", 10)),
        ("it flips and flops", "+-" * 12, ("not well for 6 s on end", 18)),
        (
            "it comes up and goes",
            "..+.",
            ("web.service did not keep running: it ended while it was on trial", 3),
        ),
    ],
)
def test_how_a_trial_ends(situation: str, seconds: str, end: tuple[str, int]) -> None:
    assert told(seconds) == end


def test_what_is_amiss_for_less_than_the_grace_is_forgiven() -> None:
    amiss = "-" * int(GRACE.total_seconds())
    assert told(f"++{amiss}+++++++")[0] == "proven"
    assert told(f"++{amiss}-+++++++")[0] == "did not stay well: http: answers 500"


def test_the_trace_tells_each_change_once_and_is_bounded() -> None:
    trial = Trial(timedelta(0))
    for second in range(1000):
        verdict = judge(trial, LOOKS[".-?"[second % 3]], timedelta(seconds=second / 1000), TERMS)
        assert isinstance(verdict, Pending)
        trial = verdict.trial
    assert len(trial.trace) == TRACE
    again = judge(trial, LOOKS["-"], timedelta(seconds=1.1), TERMS)
    assert isinstance(again, Pending)
    assert again.trial.trace[-1] == "after 1.1 s: http: answers 500"
    once_more = judge(again.trial, LOOKS["-"], timedelta(seconds=1.2), TERMS)
    assert isinstance(once_more, Pending)
    assert once_more.trial.trace == again.trial.trace


def test_an_app_without_checks_and_services_proves_itself_by_time() -> None:
    nothing = Look({}, {})
    first = judge(Trial(timedelta(0)), nothing, timedelta(0), Terms(soak=timedelta(seconds=1)))
    assert isinstance(first, Pending)
    assert judge(first.trial, nothing, timedelta(seconds=1), Terms(soak=timedelta(seconds=1))) == Proven()
