"""Answers of the daemon against docs/openapi.yaml."""

import jsonschema
import yaml

from harness import SOURCE

API = yaml.safe_load((SOURCE / "docs/openapi.yaml").read_text())


def resolve(schema):
    """A schema that stands by itself, its references within the document."""
    return {**schema, "components": API["components"]}


def check(value, schema):
    jsonschema.Draft202012Validator(resolve(schema)).validate(value)


def answer_schema(operation):
    for status, response in operation["responses"].items():
        if status.startswith("2") and "application/json" in response.get("content", {}):
            return response["content"]["application/json"]["schema"]
    return None


def deref(schema):
    return API["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema


def unknown(value, schema, at=""):
    """Paths of fields that an answer has and the document does not: [".records[].hash"]."""
    schema = deref(schema)
    for kind in ("oneOf", "anyOf"):
        if kind in schema:
            return min((unknown(value, one, at) for one in schema[kind]), key=len)
    found = set()
    if isinstance(value, dict) and "properties" in schema:
        for name, field in value.items():
            if name in schema["properties"]:
                found.update(unknown(field, schema["properties"][name], f"{at}.{name}"))
            elif not schema.get("additionalProperties"):
                found.add(f"{at}.{name}")
    if isinstance(value, list) and "items" in schema:
        for item in value:
            found.update(unknown(item, schema["items"], f"{at}[]"))
    return sorted(found)


def match(value, method, path):
    """An answer has what the document says, and nothing else."""
    schema = answer_schema(API["paths"][path][method.lower()])
    check(value, schema)
    assert unknown(value, schema) == [], (method, path)
    return value
