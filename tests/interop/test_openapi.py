"""docs/openapi.yaml against the route table and against what a running daemon answers."""

import json
import re

import pytest

from harness import SOURCE, Daemon, wait_for
from https_wire import Browser, first_password, settle

pytest.importorskip("yaml")
jsonschema = pytest.importorskip("jsonschema")
from openapi_check import API, answer_schema, check, deref, unknown  # noqa: E402

METHODS = ("get", "post", "put", "patch", "delete")
OPERATIONS = {(m.upper(), path): item[m] for path, item in API["paths"].items() for m in METHODS if m in item}
ADMIN = "words of the first user"
NAMED = {"name": "metro-east", "id": "1", "host": "gw.example", "config": "0x1", "node": "0x1", "alias": "none", "number": "1", "revision": "1",
         "run": "01234567-89ab-cdef-0123-456789abcdef"}


def routes():
    """(method, path) → action, as src/api has them."""
    table = (SOURCE / "src/api/resources.h").read_text().replace("\\\n", "")
    found = {(m, p): a for m, p, a in re.findall(r'ROUTE\((\w+),\s*"([^"]+)",\s*\w+,\s*(\w+),', table)}
    assert '"/v1/login", api_login' in (SOURCE / "src/api/routes.c").read_text()
    return {**found, ("POST", "/v1/login"): "LOGIN"}


def body_schema(operation):
    content = operation.get("requestBody", {}).get("content", {})
    return content.get("application/json", {}).get("schema")


def fill(path):
    return re.sub(r"\{(\w+)\}", lambda m: NAMED[m.group(1)], path)


@pytest.fixture(scope="module")
def daemon(folder, daemons):
    made = Daemon(folder / "d", settings={"factory.enabled": "yes"})
    made.given["https.listen"] = f"127.0.0.1:{made.https_port}"
    daemons.append(made)
    made.first = first_password(made.init())
    made.start()
    made.make_network()
    made.cli("node", "generate", "metro-east", "--ids", "0x00000001-0x00000003", "--batch", "7")
    made.cli("gateway", "create", "gw.example", "--network", "metro-east", "--realm", "example", status=None)
    made.cli("client", "create", "metro-east", "--kind", "station", "-o", folder / "station")
    return made


@pytest.fixture(scope="module")
def admin(daemon):
    return settle(Browser(daemon), "admin", daemon.first, ADMIN)


# ---- the document ----

def test_document_has_the_routes_and_no_others():
    assert set(OPERATIONS) == set(routes())


def test_document_says_who_may():
    assert {key: o["x-action"] for key, o in OPERATIONS.items()} == routes()


def test_document_is_sound():
    for key, operation in OPERATIONS.items():
        assert operation["summary"] and "default" in operation["responses"], key
        named = {p["name"] for p in API["paths"][key[1]].get("parameters", [])}
        assert named == set(re.findall(r"\{(\w+)\}", key[1])), key
        needs_token = key[0] != "GET" and operation["x-action"] != "LOGIN"
        assert any("csrf" in p.get("$ref", "") for p in operation.get("parameters", [])) == needs_token, key
    text = json.dumps(API)
    for name in re.findall(r"#/components/(\w+/\w+)", text):
        kind, item = name.split("/")
        assert item in API["components"][kind], name
    for name, schema in API["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert set(schema.get("required", [])) <= set(schema.get("properties", {})), name
        assert f"schemas/{name}\"" in text, f"nobody uses {name}"


# ---- a running daemon ----

@pytest.mark.parametrize("path", [p for (m, p), o in OPERATIONS.items() if m == "GET" and answer_schema(o)])
def test_answers_are_as_the_document_says(daemon, admin, path):
    query = {"/v1/line/config": "?id=0x1", "/v1/networks": "?counts", "/v1/networks/{name}": "?counts"}.get(path, "")
    answer = admin.get(fill(path) + query)
    if answer.status == 200:
        check(answer.json, answer_schema(OPERATIONS["GET", path]))
        assert unknown(answer.json, answer_schema(OPERATIONS["GET", path])) == []
    else:
        assert answer.status in (404, 422), answer
        check(answer.json, {"$ref": "#/components/schemas/Refusal"})


def test_most_of_them_were_there(daemon, admin):
    there = [p for (m, p), o in OPERATIONS.items() if m == "GET" and answer_schema(o) and admin.get(fill(p)).status == 200]
    assert len(there) >= 24, there


@pytest.mark.parametrize("key", [k for k, o in OPERATIONS.items() if body_schema(o) and deref(body_schema(o)).get("required") and k[1] != "/v1/login"])
def test_what_is_required_is_wanted(daemon, admin, key):
    """Each required field of a body in turn is left out; nothing is done without it."""
    before = daemon.json("status")["counts"]
    answer = admin.ask(key[0], fill(key[1]), {})
    assert answer.status in (400, 404, 409, 422), answer
    check(answer.json, {"$ref": "#/components/schemas/Refusal"})
    assert daemon.json("status")["counts"] == before


def made(admin, method, path, body, schema):
    answer = admin.ask(method, path, body)
    assert answer.status in (200, 201), answer
    check(answer.json, answer_schema(OPERATIONS[method, schema]))
    return answer.json


def test_what_is_made_is_as_the_document_says(daemon, admin):
    made(admin, "POST", "/v1/users", {"name": "bob", "role": "auditor"}, "/v1/users")
    made(admin, "PATCH", "/v1/users/bob", {"reset": True}, "/v1/users/{name}")
    job = made(admin, "POST", "/v1/backup", {}, "/v1/backup")["job"]
    wait_for(lambda: admin.get(f"/v1/jobs/{job}").json["state"] == "done", "the backup")
    check(admin.get(f"/v1/jobs/{job}").json, {"$ref": "#/components/schemas/Job"})
    made(admin, "POST", "/v1/networks/metro-east/rotate", {"key": "base"}, "/v1/networks/{name}/rotate")
    made(admin, "POST", "/v1/networks/metro-east/gateway-keys/export", {}, "/v1/networks/{name}/gateway-keys/export")
    made(admin, "POST", "/v1/uploads", None, "/v1/uploads")
    made(admin, "POST", "/v1/clients/metro-east/disable", {}, "/v1/clients/{name}/disable")
    made(admin, "POST", "/v1/networks/metro-east/nodes/change", {"change": "revoke", "ids": "0x1"}, "/v1/networks/{name}/nodes/change")


def test_refusals_are_as_the_document_says(daemon, admin):
    stranger = Browser(daemon)
    for (method, path), operation in OPERATIONS.items():
        answer = stranger.ask(method, fill(path), b"{}" if body_schema(operation) else None)
        assert answer.status == (400 if operation["x-action"] == "LOGIN" else 401), (method, path)
        check(answer.json, {"$ref": "#/components/schemas/Refusal"})
        assert answer.header("X-Claviger-Error") == [answer.code]
