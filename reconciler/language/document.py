"""The documents of the language, first form: what each may say, and what only a later release will know.

The spec of a Device, and of a Layer, is a patch: it is whole, and checked as such, only once it is merged.
"""

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from reconciler.core.desired import DRIFT_INTERVAL
from reconciler.core.quantity import format_duration
from reconciler.language.label import LabelKey, LabelValue
from reconciler.language.model import Strict
from reconciler.language.quantity import Duration
from reconciler.language.say import shown
from reconciler.language.select import EVERYTHING, Selector
from reconciler.language.window import WindowsSpec

API_VERSION = "reconciler/v1"

OFTENEST = timedelta(seconds=10)

LATER_SPEC = frozenset(
    {
        *("machineId", "agent", "tools", "gpio", "i2c", "users", "packages", "os", "network", "metrics", "logs"),
        *("retention", "backups", "interlock", "notify", "windows.download", "apps.*.tools", "apps.*.secrets"),
        *(f"health.checks.*.{probe}" for probe in ("mcp", "prometheus", "sqlite", "source")),
    }
)
"""Keys of a Device spec that this release refuses."""

LATER = frozenset(
    {
        *("spec.bus", "spec.rollout", "spec.defaults", "spec.machineId"),
        *("spec.roles", "spec.risk", "spec.approvals", "spec.limits.maxChangedDevicesPercent"),
    }
)
"""Keys of the Fleet and the Policy that this release refuses."""


class Metadata(Strict):
    """Who the document is about."""

    name: str = Field(description="That of the file, without `.yaml`; of an app, that of its folder.")
    labels: dict[LabelKey, LabelValue] = Field(default={}, description="What layers select by.")
    annotations: dict[LabelKey, str] = Field(default={}, description="Notes for people and tools.")


class Document(Strict):
    api_version: Literal["reconciler/v1"] = Field(description="The language and its version.")
    metadata: Metadata


class Device(Document):
    """One device: its labels, and its own part of its spec."""

    kind: Literal["Device"]
    spec: dict[str, Any] = Field(default={}, description="Merged onto the layers that select this device.")


class Layer(Document):
    """What several devices have in common."""

    kind: Literal["Layer"]
    selector: Selector = Field(default=EVERYTHING, description="The devices that the layer is for; all, if left out.")
    spec: dict[str, Any] = Field(default={}, description="A part of a Device spec.")


class App(Document):
    """What is released as one: where it comes from, its services, its configuration, how its health is told."""

    kind: Literal["App"]
    spec: dict[str, Any] = Field(description="What the app is.")


def _once(names: list[str]) -> list[str]:
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise ValueError(f"the layer {shown(twice)} is named twice")
    return names


class FleetSpec(Strict):
    layers: Annotated[list[str], AfterValidator(_once)] = Field(
        default=[], max_length=1000, description="Names of layers, lowest precedence first."
    )


class Fleet(Document):
    """The devices of one repo; `metadata.name` is the fleet's id."""

    kind: Literal["Fleet"]
    spec: FleetSpec = FleetSpec()


class LimitsSpec(Strict):
    """How much one plan may delete."""

    max_deletes: int = Field(default=10, ge=0, description="Resources.")
    max_delete_percent: int = Field(default=20, ge=0, le=100, description="Of the resources that are owned.")


class PolicySpec(Strict):
    limits: LimitsSpec = LimitsSpec()
    protected: list[Annotated[str, Field(min_length=1)]] = Field(
        default=[], description="Paths (`/etc/ssh/**`: all below), resource ids or kinds that no plan deletes."
    )


class Policy(Document):
    """What a change may do."""

    kind: Literal["Policy"]
    spec: PolicySpec = PolicySpec()


def _not_too_often(interval: timedelta) -> timedelta:
    if interval < OFTENEST:
        raise ValueError(f"everything is looked at every {format_duration(OFTENEST)} at the most often")
    return interval


class DriftSpec(Strict):
    """How drift is found, and what is done about it."""

    interval: Annotated[Duration, AfterValidator(_not_too_often)] = Field(
        default=DRIFT_INTERVAL, description="How often everything is looked at, besides events."
    )
    rules: dict[str, Literal["enforce", "observe"]] = Field(
        default={}, description="By path, path/** (all below) or kind:name; the longest that fits holds."
    )


class HealthSpec(Strict):
    """How the device does, besides its apps."""

    checks: dict[str, Any] = Field(default={}, description="Checks by their name, each of which asks one probe.")


class Frame(Strict):
    """A Device spec but for the sections of the kinds. Entries of apps and checks are judged one by one, later."""

    mode: Literal["enforce", "observe"] = Field(default="enforce", description="`observe` reports and changes nothing.")
    drift: DriftSpec = DriftSpec()
    windows: WindowsSpec = WindowsSpec()
    apps: dict[str, Any] = Field(default={}, description="Apps by their name, that of a folder in apps/.")
    health: HealthSpec = HealthSpec()
