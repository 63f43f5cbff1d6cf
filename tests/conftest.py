"""What every test may ask for."""

from pathlib import Path

import pytest

from tests.device import Device


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)
