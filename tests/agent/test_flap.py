"""Only what was put back, and did not stay so, is fought over."""

import pytest

from reconciler.agent.converge import converge
from reconciler.agent.main import assemble
from reconciler.agent.settings import read
from reconciler.core.pace import FLAPS, HoldKind
from tests.agent.test_sync import MOTD
from tests.device import Device


@pytest.mark.parametrize("is_mended", [True, False])
def test_what_cannot_be_put_back_does_not_flap(device: Device, *, is_mended: bool) -> None:
    """It goes on failing, and that is what is told."""
    device.push(f"{MOTD}\nconfigs: {{/srv/x: {{format: json, values: {{a: 1}}}}}}")
    device.sync()
    parts = assemble(read(str(device.config), str(device.root), {}))
    for _ in range(FLAPS + 1):
        device.path("/srv/x").unlink(missing_ok=True)
        device.path("/srv/.reconciler-new.x/in").mkdir(parents=True, exist_ok=True)
        if is_mended:
            device.path("/srv/.reconciler-new.x/in").rmdir()
        report = converge(parts, lambda _step, _mark: None)
    parts.store.close()
    assert (report.failure is None) == is_mended
    assert [hold.kind for hold in report.holds] == ([HoldKind.FLAPPING] if is_mended else [])
