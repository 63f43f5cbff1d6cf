"""JSON Schemas of the documents, for editors: made from the models that check them, never written by hand.

A spec of a Device or a Layer is a patch, so in it nothing is required, and null removes.
"""

from typing import Any

from reconciler.core.kind import Kinds
from reconciler.language.document import Device, Document, Fleet, Layer, Policy
from reconciler.language.section import spec_model

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_NULL = {"type": "null"}

Schema = dict[str, Any]


def schemas(kinds: Kinds) -> dict[str, Schema]:
    """By the name of the file."""
    spec = _as_patch(spec_model(kinds).model_json_schema())
    return {
        "device.json": _with_spec(Device, spec),
        "layer.json": _with_spec(Layer, spec),
        "fleet.json": _whole(Fleet),
        "policy.json": _whole(Policy),
    }


def _whole(model: type[Document]) -> Schema:
    return {"$schema": DRAFT, **model.model_json_schema()}


def _with_spec(model: type[Document], spec: Schema) -> Schema:
    schema = _whole(model)
    inner = {key: value for key, value in spec.items() if key != "$defs"}
    schema["properties"]["spec"] = {"anyOf": [inner, _NULL]}
    schema["$defs"] = {**schema.get("$defs", {}), **spec.get("$defs", {})}
    return schema


def _as_patch(schema: Schema) -> Schema:
    """Nothing is required, null may stand for every value of a map, and no default is promised."""
    patch = {key: value for key, value in schema.items() if key not in ("required", "default")}
    if "properties" in patch:
        patch["properties"] = {key: _or_null(_as_patch(value)) for key, value in patch["properties"].items()}
    if isinstance(patch.get("additionalProperties"), dict):
        patch["additionalProperties"] = _or_null(_as_patch(patch["additionalProperties"]))
    if "$defs" in patch:
        patch["$defs"] = {name: _as_patch(value) for name, value in patch["$defs"].items()}
    return patch


def _or_null(schema: Schema) -> Schema:
    if _NULL in schema.get("anyOf", ()) or not schema:
        return schema
    about = {"description": schema["description"]} if "description" in schema else {}
    return {**about, "anyOf": [{key: value for key, value in schema.items() if key not in about}, _NULL]}
