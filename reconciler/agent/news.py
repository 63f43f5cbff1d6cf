"""What the agent tells its log: one event a fact, and nothing of a pass that found all as it was."""

from dataclasses import dataclass

from reconciler.agent.command import told
from reconciler.agent.deed import Result
from reconciler.agent.log import Logger
from reconciler.agent.report import Report
from reconciler.core.journal import Mark
from reconciler.core.pace import HoldKind, rfc3339
from reconciler.core.probe import Finding, Health
from reconciler.core.step import Step


@dataclass(frozen=True, slots=True)
class News:
    log: Logger

    def step_ended(self, step: Step, mark: Mark) -> None:
        self.log.info("step_ended", **told(step, mark))

    def pass_ended(self, report: Report, done: Result) -> None:
        failure = report.failure
        if failure:
            self.log.error("pass_failed", code=failure.code, error=str(failure), hint=failure.hint)
        elif done["changes"] and not report.is_on_trial:
            generation = done["status"]["applied"]["generation"]
            self.log.info("pass_ended", result=done["result"], changes=len(done["changes"]), generation=generation)
        for hold in report.holds:
            if hold.kind is HoldKind.FLAPPING:
                until = rfc3339(hold.until) if hold.until else None
                self.log.warning("resource_flaps", reason=hold.reason, until=until)

    def health_changed(self, before: tuple[Finding, ...], now: tuple[Finding, ...]) -> None:
        """Of what came to something else."""
        known = {finding.check: finding.verdict.health for finding in before}
        for finding in now:
            if known.get(finding.check, Health.OK) is not finding.verdict.health:
                said = {"check": finding.check, "health": str(finding.verdict.health)}
                self.log.warning("health_changed", **said, message=finding.verdict.message)
