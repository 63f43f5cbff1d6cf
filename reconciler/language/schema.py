"""JSON Schemas of the documents, for editors: made from the models that check them, never written by hand.

A spec of a Device or a Layer is a patch, so in it nothing is required, and null removes.
"""

from datetime import timedelta
from typing import Any

from pydantic import BaseModel, create_model
from pydantic.json_schema import GenerateJsonSchema

from reconciler.core.quantity import format_duration
from reconciler.language.app import AppHealth, AppSpec
from reconciler.language.check import check_model, with_checks
from reconciler.language.document import App, Device, Document, Fleet, Layer, Policy
from reconciler.language.section import spec_model
from reconciler.language.vocabulary import Vocabulary

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_NULL = {"type": "null"}

Schema = dict[str, Any]


class _AsWritten(GenerateJsonSchema):
    """A default reads as an operator would write it."""

    def encode_default(self, dft: Any) -> Any:
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def schemas(vocabulary: Vocabulary) -> dict[str, Schema]:
    """By the name of the file."""
    spec = _as_patch(_schema(spec_model(vocabulary)))
    return {
        "device.json": _with_spec(Device, spec),
        "layer.json": _with_spec(Layer, spec),
        "app.json": _app(vocabulary),
        "fleet.json": _whole(Fleet),
        "policy.json": _whole(Policy),
    }


def _whole(model: type[Document]) -> Schema:
    return {"$schema": DRAFT, **_schema(model)}


def _schema(model: type[BaseModel]) -> Schema:
    return model.model_json_schema(schema_generator=_AsWritten)


def _app(vocabulary: Vocabulary) -> Schema:
    health = with_checks(AppHealth, check_model(vocabulary.probes))
    spec = create_model("AppSpec", __base__=AppSpec, __doc__=AppSpec.__doc__, health=(health, health()))
    return _whole(create_model("App", __base__=App, __doc__=App.__doc__, spec=(spec, ...)))


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
