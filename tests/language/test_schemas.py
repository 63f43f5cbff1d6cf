"""The schemas that editors use are golden files: `RENEW=1 pytest tests/language/test_schemas.py` writes them anew."""

import json
import os
from pathlib import Path

import pytest

from reconciler.language.schema import schemas
from tests.language.trees import VOCABULARY

FOLDER = Path(__file__).parents[2] / "schemas"


@pytest.mark.parametrize("name", ["device.json", "layer.json", "app.json", "fleet.json", "policy.json"])
def test_a_schema_is_as_published(name: str) -> None:
    made = json.dumps(schemas(VOCABULARY)[name], indent=2, ensure_ascii=False) + "\n"
    golden = FOLDER / name
    if os.environ.get("RENEW"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(made, encoding="utf-8")
    assert made == golden.read_text(encoding="utf-8")
