"""KMIP objects as administrators see them: of every group, by filter and page, with their attributes, and nothing that is in them."""

import hashlib
import urllib.parse
from contextlib import closing

import pytest

from harness import BAD_INPUT, REFUSED, Daemon
from https_wire import Browser, first_password, settle
from kmip_harness import Client
from kmip_wire import BYTES, CREATE, ENUMERATION, INTEGER, REGISTER, STRUCTURE, TEXT, Link, aes, attribute, batch, batch_item, create, item, message, \
    name_attribute, register, uid_of
from test_kmip_secrets import Secret

ADMIN = "words of the first user"
KEY = bytes(range(0x51, 0x71))
PASSWORD = b"wombats-march-at-noon-7391"
HOSTILE = "<img src=x onerror=alert(1)>\x1b[2J\u202egnp.exe \"'&\\"
MANY = 1200


@pytest.fixture(scope="module")
def daemon(folder, daemons):
    made = Daemon(folder / "d", diameter=False, kmip=True, host="localhost")
    daemons.append(made)
    made.first = first_password(made.init())
    return made.start()


@pytest.fixture(scope="module")
def admin(daemon):
    return settle(Browser(daemon), "admin", daemon.first, ADMIN)


class World:
    """Objects of three groups, one of which lives in the token."""

    def __init__(self, daemon):
        self.database = Client(daemon, "db-cluster")
        self.backup = Client(daemon, "backup", "--group", "storage")
        self.tokens = Client(daemon, "signer", "--placement", "token")
        self.key = self.database.uid("create", "aes", "256", "--name", "disk-7", "--activate", "--attr", "x-rack=r7")
        self.pair = self.backup.json("create-pair", "ec", "P-256", "--name", "signer", "--activate")
        self.token = self.tokens.uid("create", "aes", "256", "--name", "in-the-token", "--activate")
        self.revoked = self.database.uid("create", "aes", "128", "--name", "disk-8", "--activate")
        self.database.run("revoke", self.revoked, "--reason", "KeyCompromise")
        with closing(Link(daemon.kmip_port, self.database.folder)) as link:
            self.registered = uid_of(link.ask(register(KEY, name_attribute("given"))))
            self.secret = uid_of(link.ask(message(REGISTER, [item(0x420057, ENUMERATION, 7), item(0x420091, STRUCTURE, [
                attribute("Cryptographic Usage Mask", item(0x42000B, INTEGER, 0)), name_attribute("a password")]), item(0x420085, STRUCTURE, [
                    item(0x420086, ENUMERATION, 1), item(0x420040, STRUCTURE, [
                        item(0x420042, ENUMERATION, 2), item(0x420045, STRUCTURE, [item(0x420043, BYTES, PASSWORD)])])])])))
            self.hostile = uid_of(link.ask(create(name_attribute(HOSTILE), attribute("x-<b>", item(0x42000B, TEXT, HOSTILE)))))


@pytest.fixture(scope="module")
def world(daemon):
    return World(daemon)


def rows(admin, **query):
    answer = admin.get("/v1/objects?" + urllib.parse.urlencode(query))
    assert answer.status == 200, answer
    return answer.json["objects"]


def show(admin, uid):
    answer = admin.get(f"/v1/objects/{urllib.parse.quote(uid, safe='')}")
    assert answer.status == 200, answer
    return answer


def test_of_every_group(daemon, admin, world):
    found = {o["id"]: o for o in rows(admin)}
    assert found[world.key] == {
        "id": world.key, "type": "Symmetric Key", "algorithm": "AES", "length": 256, "state": "Active", "names": ["disk-7"],
        "group": "db-cluster", "placement": "vault", "archived": False, "created": found[world.key]["created"],
        "activation": found[world.key]["activation"], "deactivation": None, "last_change": found[world.key]["last_change"]}
    assert found[world.pair["public"]]["group"] == "storage" and found[world.token]["placement"] == "token"
    assert found[world.revoked]["state"] == "Compromised"
    assert [o["id"] for o in daemon.json("object", "list")["objects"]] == list(found)


@pytest.mark.parametrize("query, wanted", [
    ({"type": "private key"}, {"private"}), ({"state": "compromised"}, {"revoked"}), ({"group": "storage"}, {"private", "public"}),
    ({"placement": "token"}, {"token"}), ({"q": "disk-"}, {"key", "revoked"}), ({"q": "disk-", "state": "active"}, {"key"}),
    ({"algorithm": "EC", "type": "public-key"}, {"public"}), ({"type": "Secret Data"}, {"secret"}), ({"q": "Disk-"}, set()),
    ({"q": "disk-7%"}, set()), ({"q": "signer", "group": "db-cluster"}, set())])
def test_filters(admin, world, query, wanted):
    known = {**vars(world), **world.pair}
    assert {o["id"] for o in rows(admin, **query)} == {known[name] for name in wanted}


def test_one_and_its_links(daemon, admin, world):
    private = show(admin, world.pair["private"]).json
    assert private["links"] == [{"type": "Public Key Link", "id": world.pair["public"]}]
    assert private["owner"] == "backup" and private["usage"] is None
    assert [e["date"] for e in private["history"]][-1] == "Last Change Date"
    attributes = {a["name"]: a["value"] for a in show(admin, world.key).json["attributes"]}
    told = world.database.json("attributes", world.key)
    assert {n: v for n, v in told.items() if n not in ("Digest", "Lease Time", "Fresh")} == {
        n: attributes[n] for n in told if n not in ("Digest", "Lease Time", "Fresh")}
    shown = daemon.cli("object", "show", world.key).out
    assert "x-rack" in shown and "r7" in shown and "db-cluster" in shown
    assert daemon.json("object", "show", world.key)["attributes"] == show(admin, world.key).json["attributes"]


def test_what_changes_is_seen(daemon, admin, world):
    uid = world.database.uid("create", "aes", "256", "--name", "passing", "--activate")
    world.database.run("revoke", uid, "--reason", "Superseded")
    assert show(admin, uid).json["state"] == "Deactivated"
    world.database.run("destroy", uid, "--confirm", uid)
    gone = show(admin, uid).json
    assert gone["state"] == "Destroyed" and "Destroy Date" in [e["date"] for e in gone["history"]]
    fresh = [next(a["value"] for a in show(admin, world.key).json["attributes"] if a["name"] == "Fresh")]
    world.database.run("get", world.key)
    fresh.append(next(a["value"] for a in show(admin, world.key).json["attributes"] if a["name"] == "Fresh"))
    assert fresh == ["true", "false"]


def test_nothing_secret_is_in_an_answer(daemon, admin, world):
    world.database.run("get", world.key, "-o", daemon.folder / "key")
    made = (daemon.folder / "key").read_bytes()
    secrets = [Secret("a registered key", KEY), Secret("a password", PASSWORD), Secret("a key made here", made)]
    secrets += [Secret(f"digest of {s}", hashlib.sha256(s).digest()) for s in (KEY, PASSWORD, made)]
    bodies = [admin.get("/v1/objects?counts").body] + [show(admin, uid).body for uid in (world.key, world.registered, world.secret, world.token)]
    for body in bodies:
        assert [s.what for s in secrets if s.found(body)] == []
    assert b"DigestValue=***" in show(admin, world.secret).body
    public = show(admin, world.pair["public"]).body
    assert b"DigestValue=" in public and b"***" not in public


def test_hostile_texts_stay_texts(daemon, admin, world):
    shown = show(admin, world.hostile)
    assert shown.json["names"] == [HOSTILE] and {"name": "x-<b>", "value": HOSTILE} in shown.json["attributes"]
    assert shown.header("Content-Type") == ["application/json"] and shown.header("X-Content-Type-Options") == ["nosniff"]
    for out in daemon.cli("object", "list").out, daemon.cli("object", "show", world.hostile).out:
        assert "\\x1b[2J" in out and "\x1b" not in out
    assert [o["id"] for o in rows(admin, q=HOSTILE.split("\x1b")[0])] == [world.hostile]


@pytest.mark.parametrize("query", ["type=key", "state=alive", "algorithm=rot13", "placement=moon", "limit=501", "limit=x", "from=-1",
                                   "q=" + "x" * 129, "type=" + urllib.parse.quote(HOSTILE.replace("\x1b", ""))])
def test_a_filter_that_makes_no_sense(admin, query):
    assert admin.get(f"/v1/objects?{query}").status == 400


def test_what_is_not_there(daemon, admin):
    assert admin.get("/v1/objects?group=strangers").status == 404
    for uid in ("nobody", "rotate", "..", "a%2Fb", "x" * 500, "%27%20OR%201%3D1"):
        assert admin.get(f"/v1/objects/{uid}").status in (400, 404), uid
    assert daemon.cli("object", "show", "nobody", status=None).status == REFUSED
    assert daemon.cli("object", "list", "--state", "alive", status=None).status in (2, BAD_INPUT)
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert admin.ask(method, "/v1/objects", b"{}").status == 405


def test_who_may(daemon, admin, world):
    for role, may in (("operator", False), ("factory", False), ("officer", True), ("auditor", True), ("headend", False),
                      ("backoffice", False), ("technician", False)):
        password = admin.post("/v1/users", {"name": f"an-{role}", "role": role}).json["password"]
        browser = settle(Browser(daemon), f"an-{role}", password, f"words chosen by one of them, {role[::-1]}")
        for path in ("/v1/objects", "/v1/objects?counts", f"/v1/objects/{world.key}", "/v1/objects/none"):
            wanted = 403 if not may else 404 if path.endswith("none") else 200
            assert browser.get(path).status == wanted, (role, path)
    assert Browser(daemon).get("/v1/objects").status == 401


def test_pages_and_counts(daemon, admin, world):
    before = daemon.json("object", "list", "--counts", "--limit", "100000")
    items = [batch_item(CREATE, aes(name_attribute(f"many-{n}")), uid=b"%08d" % n) for n in range(MANY)]
    with closing(Link(daemon.kmip_port, world.backup.folder)) as link:
        for first in range(0, MANY, 100):
            link.ask(batch(items[first:first + 100]))
    seen, at, pages = [], 0, 0
    while at is not None:
        page = admin.get(f"/v1/objects?q=many-&limit=97&from={at}").json
        seen += [o["names"][0] for o in page["objects"]]
        at, pages = page["next"], pages + 1
    assert seen == [f"many-{n}" for n in reversed(range(MANY))] and pages == -(-MANY // 97)
    listed = daemon.json("object", "list", "--search", "many-", "--limit", "1100")
    assert len(listed["objects"]) == 1100 and listed["next"] is not None
    assert f"more: --from {listed['next']}" in daemon.cli("object", "list", "--search", "many-", "--limit", "1100").out
    counts = daemon.json("object", "list", "--counts", "--limit", "1")["counts"]
    assert counts["total"] == len(before["objects"]) + MANY
    assert counts["total"] == sum(counts["types"].values()) == sum(counts["states"].values()) == sum(g["objects"] for g in counts["groups"])
    assert next(g["objects"] for g in counts["groups"] if g["name"] == "storage") == MANY + 2
