"""The provisioning server: packages in, stations served, devices recorded and exported, spoken to as curl would."""

import base64
import gzip
import hashlib
import http.client
import json
import os
import re
import signal
import threading
import time
import uuid
import xml.etree.ElementTree as ET

import pytest

import harness
from factory_harness import ALIAS, CONFIG, Factory, Station, UnixConnection, admin
from harness import BAD_INPUT, DONE, REFUSED, openssl, run, secret_file

PLAIN = harness.free_port()
KEY = 384  # bytes that the operator's RSA-3072 gives
NS = "{urn:claviger:device-keys:1}"


@pytest.fixture(scope="module")
def factory(folder, daemons):
    made = Factory(folder, daemons, settings={"factory.http_listen": f"127.0.0.1:{PLAIN}"})
    return made.start()


@pytest.fixture(scope="module")
def ready(factory):
    """The example package is there."""
    factory.trust()
    factory.import_(factory.build(), "--comment", "first lot")
    return factory


@pytest.fixture
def station(ready):
    return Station(UnixConnection(ready.daemon.socket), ready)


def folders(factory):
    return sorted(p.name for p in (factory.daemon.state / "packages").iterdir())


def test_status_says_what_is_served(factory):
    rows = [s["state"] for s in factory.daemon.json("status")["services"] if s["service"] == "factory"]
    assert len(rows) == 1 and f"packages in {factory.daemon.state / 'packages'}" in rows[0] and str(PLAIN) in rows[0]
    assert [s["state"] for s in factory.operator.json("status")["services"] if s["service"] == "factory"] == ["off"]


# Importing.


def test_nobody_is_trusted_at_first(factory):
    answer = factory.import_(factory.build(), status=None)
    assert answer.status in (REFUSED, BAD_INPUT) and answer.json["error"]["code"] == "SIGNATURE"
    assert "packager add" in answer.json["error"]["hint"]
    assert folders(factory) == []


def test_import_shows_what_is_inside(ready):
    packages = ready.daemon.json("factory", "packages")["packages"]
    assert [(p["config_id"], p["revision"], p["comment"], p["network"]) for p in packages] == [
        (CONFIG, 1, "first lot", harness.NETWORK)]
    assert packages[0]["applications"] == [{"name": "emcm", "version": "5.6.7.8"}]
    assert packages[0]["aliases"] == [ALIAS]
    shown = ready.daemon.json("factory", "show", CONFIG)
    assert shown["kms_key"]["fingerprint"] == ready.operator.json("server", "public-key")["fingerprint"]
    assert {f["role"] for f in shown["files"]} >= {"firmware", "field-configuration"}
    assert "first lot" in ready.daemon.cli("factory", "show", "0x12345678abc").out
    kinds = {r["kind"] for r in ready.daemon.records()}
    assert {"packager-added", "package-imported"} <= kinds


def test_a_staged_package_is_not_seen(ready):
    caller = admin(ready.daemon)
    upload = caller.upload(ready.build("other.tar.gz", lambda t: t.replace("0x12345678abc", "0x77").replace(ALIAS, "seven")).read_bytes())
    staged = caller.job("/v1/factory/imports", {"upload": upload, "file": "other.tar.gz", "passphrase": harness.PASSPHRASE})
    assert staged["package"]["config_id"] == "0x0000000000000077" and staged["replaces"] is None
    assert caller.call("GET", "/v1/factory/packages/0x77")[0] == 404
    assert caller.call("GET", "/v1/line/config?alias=seven")[0] == 404
    waiting, = ready.daemon.json("factory", "imports")["imports"]
    assert (waiting["import"], waiting["config_id"]) == (staged["import"], "0x0000000000000077") and 3500 < waiting["left"] <= 3600
    assert "0x0000000000000077" in ready.daemon.cli("factory", "imports").out
    ready.daemon.cli("factory", "imports", "drop", staged["import"])
    assert ready.daemon.json("factory", "imports")["imports"] == []
    assert "no import" in ready.daemon.cli("factory", "imports", "drop", staged["import"], status=harness.REFUSED).err
    ready.daemon.cli("factory", "imports", "lose", "1", status=harness.USAGE)
    assert caller.call("POST", f"/v1/factory/imports/{staged['import']}/commit")[0] == 404
    assert folders(ready) == [CONFIG]
    jobs = ready.daemon.json("server", "jobs")["jobs"]
    assert jobs[0]["kind"] == "package-import" and jobs[0]["state"] == "done" and "lines" not in jobs[0]
    assert "package-import" in ready.daemon.cli("server", "jobs").out
    ready.daemon.cli("server", "jobs", "cancel", "999999", status=harness.REFUSED)


@pytest.mark.parametrize("what", ["passphrase", "cut", "bit", "text"])
def test_bad_packages_leave_nothing(ready, what):
    path = ready.build("bad.tar.gz")
    data = bytearray(path.read_bytes())
    passphrase = None
    if what == "passphrase":
        passphrase = secret_file(ready.folder, "not the right one at all")
    elif what == "cut":
        data = data[:len(data) // 2]
    elif what == "bit":
        data[len(data) // 2] ^= 1
    else:
        data = b"this is no package"
    path.write_bytes(data)
    before = ready.daemon.json("factory", "packages")
    answer = ready.import_(path, status=None, passphrase=passphrase)
    assert answer.status != DONE and "error" in answer.json, answer
    if what == "passphrase":
        assert answer.json["error"]["code"] == "DECRYPT"
    assert folders(ready) == [CONFIG]
    assert ready.daemon.json("factory", "packages") == before


def test_imports_say_how_they_compare(ready):
    """The same again, or an older one, still counts from then on: a person is told before the yes."""
    def build(name, time):
        return ready.build(name, lambda t: t.replace("0x12345678abc", "0x66").replace(ALIAS, "six").replace("label", f'created = "{time}"\nlabel'))

    older, newer = build("older.tar.gz", "2026-01-01T00:00:00Z"), build("newer.tar.gz", "2026-02-01T00:00:00Z")

    def said(path):
        return ready.daemon.cli("factory", "import", path, "--passphrase-file", ready.passphrase, "--yes").out

    assert "revision 1" in said(older)
    for path, same, before in ((newer, False, False), (newer, True, False), (older, False, True)):
        out = said(path)
        assert ("the very same package" in out, "made before" in out) == (same, before), out


def test_mistakes_are_named(ready):
    cli = ready.daemon.cli
    # what is not there is said before anybody types a passphrase
    missing = cli("factory", "import", ready.folder / "nowhere.tar.gz", status=REFUSED)
    assert "nowhere.tar.gz" in missing.err and "terminal" not in missing.err
    assert "--passphrase-file" in cli("factory", "import", ready.site / "p.tar.gz", status=BAD_INPUT).err
    asked = cli("factory", "import", ready.site / "p.tar.gz", "--passphrase-file", ready.passphrase, status=BAD_INPUT)
    assert "--yes" in asked.err
    # a private key goes nowhere
    private = cli("factory", "packager", "add", "typo", ready.site / "packager.key", status=BAD_INPUT)
    assert "packager.key" in private.err and "pub.pem" in private.err
    # an alias is as good as an id
    assert cli("factory", "show", ALIAS).out == cli("factory", "show", CONFIG).out
    assert cli("factory", "devices", "--config", ALIAS).out == cli("factory", "devices", "--config", CONFIG).out
    assert "no alias" in cli("factory", "show", "kyte", status=REFUSED).err
    assert "no alias" in cli("factory", "export", "--config", "kyte", status=REFUSED).err
    status, answer = admin(ready.daemon).call("GET", "/v1/nowhere")
    assert (status, answer["error"]["detail"]) == (404, "no such path")


def test_two_imports_at_once_make_two_revisions(ready):
    config = "0x0000000000000099"
    data = ready.build("nine.tar.gz", lambda t: t.replace("0x12345678abc", "0x99").replace(ALIAS, "nine")).read_bytes()
    done = []

    def work():
        caller = admin(ready.daemon)
        body = {"upload": caller.upload(data), "file": "nine.tar.gz", "passphrase": harness.PASSPHRASE}
        staged = caller.job("/v1/factory/imports", body)
        done.append(caller.must("POST", f"/v1/factory/imports/{staged['import']}/commit"))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(d["revision"] for d in done) == [1, 2, 3]
    shown = ready.daemon.json("factory", "show", config)
    assert shown["revision"] == 3 and [r["revision"] for r in shown["revisions"]] == [3, 2, 1]
    assert ready.daemon.json("factory", "show", config, "--revision", "1")["revision"] == 1


def test_aliases(ready):
    caller = admin(ready.daemon)
    assert caller.call("GET", "/v1/line/config?alias=nobody")[0] == 404
    caller.must("PUT", "/v1/factory/aliases/kite", {"config_id": CONFIG})
    assert caller.must("GET", "/v1/line/config?alias=kite")["config_id"] == CONFIG
    assert caller.call("PUT", "/v1/factory/aliases/kite", {"config_id": "0x5"})[0] == 404
    assert caller.call("PUT", "/v1/factory/aliases/kite", {"config_id": "0x99"})[0] == 409
    assert caller.call("PUT", "/v1/factory/aliases/a%20b", {"config_id": CONFIG})[0] == 400
    # an import whose alias is another's is refused
    path = ready.build("eight.tar.gz", lambda t: t.replace("0x12345678abc", "0x88"))
    answer = ready.import_(path, status=None)
    assert answer.json["error"]["code"] == "EXISTS" and ALIAS in answer.json["error"]["detail"]
    caller.must("DELETE", "/v1/factory/aliases/kite", status=204)
    assert caller.call("DELETE", "/v1/factory/aliases/kite")[0] == 404
    ready.daemon.cli("factory", "alias", "set", "kite", "0x99")
    assert ready.daemon.cli("factory", "alias", "set", "kite", CONFIG, status=None).status != DONE
    ready.daemon.cli("factory", "alias", "set", "kite", CONFIG, "--replace")
    ready.daemon.cli("factory", "alias", "remove", "kite")


# Serving stations.


def test_configuration_and_files(station, ready):
    config = station.must("GET", f"/v1/line/config?id={CONFIG}")
    assert config == station.must("GET", f"/v1/line/config?alias={ALIAS}")
    assert config["files"] == "https" and "BEGIN PUBLIC KEY" in config["kms_key"]
    firmware = config["node"]["firmware"]
    status, data = station.call("GET", firmware["path"])
    assert status == 200 and len(data) == firmware["size"]
    assert hashlib.sha256(data).hexdigest() == firmware["sha256"] and hashlib.md5(data).hexdigest() == firmware["md5"]
    assert data == (ready.site / firmware["name"]).read_bytes()
    assert station.call("GET", "/v1/line/config")[0] == 400
    assert station.call("GET", f"/v1/line/config?id={CONFIG}&alias={ALIAS}")[0] == 400
    for name in ("..%2f..%2f..%2fclavigerd.conf", "%2e%2e", "nothing.bin", ".staged-1"):
        assert station.call("GET", f"/v1/line/files/{CONFIG}/1/{name}")[0] in (400, 404), name


def test_gateway_keys_come_wrapped(station, ready, tmp_path):
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", tmp_path / "s.key")
    openssl("pkey", "-in", tmp_path / "s.key", "-pubout", "-out", tmp_path / "s.pem")
    body = {"config_id": CONFIG, "revision": 1, "recipient": (tmp_path / "s.pem").read_text()}
    answer = station.must("POST", "/v1/line/gateway-keys", body)
    assert len(base64.b64decode(answer["cms"])) > 200 and re.fullmatch("[0-9a-f]{16}", answer["gateway_kcv"])
    assert (answer["gateway_version"], answer["cdld_version"]) == (1, 1)
    assert station.call("POST", "/v1/line/gateway-keys", {**body, "recipient": "no key"})[0] == 400
    assert station.call("POST", "/v1/line/gateway-keys", {**body, "revision": 7})[0] == 404


def test_a_run_from_begin_to_export(station, ready, tmp_path):
    caller, daemon = admin(ready.daemon), ready.daemon
    node, encrypted = "0x00010200", ready.kms_encrypt(os.urandom(16))
    assert station.call("GET", f"/v1/line/devices/{node}")[0] == 404
    run_id = station.begin()
    first = station.key(run_id, node, encrypted=encrypted)
    record = station.must("GET", f"/v1/line/devices/{node}")
    assert record["state"] == "keyed" and record["kcv"] == "00112233445566ff"
    assert daemon.json("factory", "devices", "--state", "keyed")["devices"][0]["node_id"] == node
    assert first == station.key(run_id, node, encrypted=encrypted)  # the same once more
    station.end(run_id, 0, node)
    assert station.must("GET", f"/v1/line/devices/{node}")["state"] == "provisioned"
    assert station.end(run_id, 0, node) == {"run": run_id}  # idempotent
    shown = caller.must("GET", f"/v1/factory/devices/{node}")
    assert [r["run"] for r in shown["runs"]] == [run_id] and shown["applications"][0]["name"] == "emcm"
    assert shown["runs"][0]["versions_after"] == {"node": "1.2.3.4"} and shown["runs"][0]["operator"] == "mira"
    line = caller.must("GET", "/v1/factory/line?minutes=10")
    assert line["stations"][0]["passed"] >= 1 and len(line["chart"]) == 10
    few = caller.must("GET", "/v1/factory/line?minutes=10&points=4")["chart"]  # of three minutes each
    assert len(few) == 4 and sum(p["passed"] for p in few) == sum(p["passed"] for p in line["chart"]) >= 1
    assert caller.call("GET", "/v1/factory/line?points=0")[0] == 400
    caller.connection.request("GET", "/v1/factory/line?minutes=600", headers={"Accept-Encoding": "br, gzip"})
    answer = caller.connection.getresponse()
    small = answer.read()
    assert answer.getheader("Content-Encoding") == "gzip" and len(json.loads(gzip.decompress(small))["chart"]) == 600
    assert line["codes"][0] == {"code": 0, "count": line["codes"][0]["count"], "text": "done", "action": ""}
    # out, once more, and what is in it
    out, again = tmp_path / "device_keys.xml", tmp_path / "again.xml"
    export = daemon.json("factory", "export", "-o", out, "--config", CONFIG, "--only-new")
    daemon.cli("factory", "export", "-o", again, "--repeat", export["export"])
    assert out.read_bytes() == again.read_bytes()
    assert run(["xmllint", "--noout", "--schema", harness.SOURCE / "docs/device-keys.xsd", out], status=DONE)
    device = ET.parse(out).getroot().find(NS + "device")
    assert device.get("nodeId") == node and device.get("batch") == "1000" and device.get("configId") == CONFIG
    assert device.find(NS + "key").get("recipient") == ready.operator.json("server", "public-key")["fingerprint"]
    assert daemon.cli("factory", "export", "-o", tmp_path / "none.xml", "--only-new", status=None).status != DONE
    assert not (tmp_path / "none.xml").exists()
    assert daemon.json("factory", "exports")["exports"][0]["devices"] == 1
    assert caller.must("GET", f"/v1/factory/devices/{node}")["exported"] is True
    assert "devices-exported" in {r["kind"] for r in daemon.records()}


def test_pages_hear_of_runs_and_devices(station, ready):
    listening = UnixConnection(ready.daemon.socket)
    listening.request("GET", "/v1/events?topics=line")
    answer = listening.getresponse()
    assert answer.status == 200
    run_id = station.provision("0x00040000", encrypted=bytes(KEY))
    heard = []
    while sum(name == "run" for name, _ in heard) < 2:
        line = answer.readline().decode().strip()
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            heard.append((name, json.loads(line[6:])))
    listening.close()
    runs = [data for name, data in heard if name == "run"]
    assert [r["run"] for r in runs] == [run_id] * 2 and [r["return_code"] for r in runs] == [None, 0]
    assert [d["state"] for name, d in heard if name == "device"][0] == "keyed"


def test_plain_http_serves_the_line_and_nothing_else(ready):
    plain = Station(http.client.HTTPConnection("127.0.0.1", PLAIN), ready)
    firmware = plain.must("GET", f"/v1/line/config?id={CONFIG}")["node"]["firmware"]
    assert len(plain.call("GET", firmware["path"])[1]) == firmware["size"]
    plain.provision("0x00030000", encrypted=bytes(KEY))
    assert ready.daemon.json("factory", "devices", "--search", "0x00030000")["devices"][0]["station"] == "127.0.0.1"
    for path in ("/v1/status", "/v1/factory/devices", "/v1/networks", "/v1/uploads", "/"):
        assert plain.call("GET", path)[0] == 404, path
    assert plain.call("POST", "/v1/line/gateway-keys", {"config_id": CONFIG, "revision": 1, "recipient": "x"})[0] == 400
    plain.connection.request("GET", f"/v1/line/config?id={CONFIG}", headers={"Origin": "http://evil.example"})
    answer = plain.connection.getresponse()
    answer.read()
    assert answer.status == 403


def test_what_stations_send_is_checked(station):
    run_id = station.begin()
    bad = [("POST", "/v1/line/runs", {"run": "1", "operation": "PROVISION", **station.place()}),
           ("POST", "/v1/line/runs", {"run": str(uuid.uuid4()), "operation": "BREW", **station.place()}),
           ("POST", "/v1/line/runs", {"run": str(uuid.uuid4()), "operation": "PROVISION", **station.place(), "batch": 1 << 32}),
           ("POST", "/v1/line/runs", {"run": str(uuid.uuid4()), "operation": "PROVISION", **station.place(), "operator": "x" * 65}),
           ("POST", f"/v1/line/runs/{run_id}/end", {"return_code": 256}),
           ("POST", f"/v1/line/runs/{run_id}/end", {"return_code": 0, "versions_before": {"node": 3}}),
           ("POST", f"/v1/line/runs/{run_id}/end", {"return_code": 0, "seconds": -1}),
           ("PUT", "/v1/line/devices/zz", {}),
           ("PUT", "/v1/line/devices/0x7", {"run": run_id, **station.place(), "time": "yesterday", "key": "00", "kcv": "00" * 8}),
           ("PUT", "/v1/line/devices/0x7", {"run": run_id, **station.place(), "time": "2026-11-21T12:00:00Z", "key": "00" * 255, "kcv": "00" * 8}),
           ("PUT", "/v1/line/devices/0x7", {"run": run_id, **station.place(), "time": "2026-11-21T12:00:00Z", "key": "00" * KEY, "kcv": "00"})]
    for method, path, body in bad:
        status, answer = station.call(method, path, body)
        assert status == 400 and answer["error"]["code"] == "ARGUMENT", (path, body, answer)
    assert station.call("POST", f"/v1/line/runs/{uuid.uuid4()}/end", {"return_code": 0})[0] == 404
    assert station.call("GET", "/v1/line/devices/0x7")[0] == 404


def test_lists(station, ready):
    for n in range(5):
        station.provision(f"0x0002000{n}", encrypted=bytes(KEY))
    devices = ready.daemon.json("factory", "devices", "--search", "0x0002", "--limit", "2")
    assert [d["node_id"] for d in devices["devices"]] == ["0x00020000", "0x00020001"] and devices["next"] == "0x00020002"
    more = ready.daemon.json("factory", "devices", "--search", "0x0002", "--from", devices["next"])
    assert len(more["devices"]) == 3 and more["next"] is None
    runs = ready.daemon.json("factory", "runs", "--limit", "3")
    assert len(runs["runs"]) == 3 and runs["next"]
    assert ready.daemon.json("factory", "runs", "--after", runs["next"])["runs"][0]["id"] < runs["runs"][-1]["id"]
    assert ready.daemon.cli("factory", "line", "--once").out.count("uid:") == 1
    assert ready.daemon.json("factory", "export", "--count", "--nodes", "0x20000-0x20002")["devices"] == 3


@pytest.mark.parametrize("body, words", [
    ({"batches": "3-1"}, "batches: a range ends"), ({"nodes": "0xzz"}, "nodes: ranges such as"), ({"nodes": "1,,2"}, "nodes: ranges such as"),
    ({"batches": "4294967296"}, "batches: '4294967296'"), ({"batch": "1000"}, "'batch'"), ({"nodes": "1", "config": CONFIG}, "'config'"),
    ({"to": "2026-02-30"}, "to: a time such as"), ({"config_id": "kite"}, "config_id: "), ({"only_new": "yes"}, "'only_new'")])
def test_selections_that_are_none(ready, body, words):
    """What is written wrong selects nothing, and never everything."""
    status, answer = admin(ready.daemon).call("POST", "/v1/factory/exports", {"count_only": True, **body})
    assert status == 400 and words in answer["error"]["detail"], answer


def test_a_passphrase_that_can_not_be_one(ready):
    caller = admin(ready.daemon)
    for passphrase in ("", "x" * 1025):
        body = {"upload": caller.upload(b"x"), "file": "p.tar.gz", "passphrase": passphrase}
        assert "passphrase: 1 to 1024 bytes" in caller.job("/v1/factory/imports", body, "failed")["detail"]


def test_a_keyed_device_is_never_lost(ready):
    """Killed again and again while keys come in: what was answered is there afterwards."""
    daemon = ready.daemon
    answered = {}
    for turn in range(3):
        stop = threading.Event()

        def work(base):
            try:
                station = Station(UnixConnection(daemon.socket), ready)
                for n in range(10000):
                    if stop.is_set():
                        return
                    node, encrypted = f"0x{base + n:08x}", os.urandom(KEY)
                    station.key(station.begin(), node, encrypted=encrypted)
                    answered[node] = encrypted
            except (OSError, http.client.HTTPException):
                return  # the daemon is gone

        before = len(answered)
        threads = [threading.Thread(target=work, args=(0x100000 * (turn + 1) + 0x10000 * i,)) for i in range(4)]
        for t in threads:
            t.start()
        harness.wait_for(lambda: len(answered) > before + 40, "keys to come in")
        daemon.process.send_signal(signal.SIGKILL)
        stop.set()
        for t in threads:
            t.join()
        daemon.process.wait()
        daemon.process = None
        daemon.start()
    caller = admin(daemon)
    for node in answered:
        assert caller.must("GET", f"/v1/line/devices/{node}")["state"] == "keyed"


def test_one_device_and_one_file(station, ready, tmp_path):
    """What the pages show of a device and give of a package, the command line does, too."""
    daemon = ready.daemon
    station.provision("0x00005001", encrypted=bytes(KEY))
    shown = daemon.json("factory", "device", "0x5001")
    assert shown["node_id"] == "0x00005001" and shown["runs"] and shown["keyings"]
    text = daemon.cli("factory", "device", "0x5001").out
    for part in ("0x00005001", shown["state"], CONFIG, "mira", "node 1.2.3.4", "00112233445566ff"):
        assert part in text, text
    assert "export" in text
    missing = daemon.cli("factory", "device", "0x77777", status=None)
    assert missing.status != DONE and "no device 0x00077777" in missing.err and "factory devices" in missing.err
    to = tmp_path / "field.cfg"
    daemon.cli("factory", "file", CONFIG, "node-field.cfg", "-o", to)
    assert to.read_bytes() == (ready.site / "node-field.cfg").read_bytes()
    run([harness.program("claviger"), "--socket", daemon.socket, "factory", "file", CONFIG, "kms_key.pub.pem", "--revision", "1"], cwd=tmp_path)
    assert (tmp_path / "kms_key.pub.pem").read_bytes() == (ready.site / "kms_key.pub.pem").read_bytes()
    for args in ([CONFIG, "no-such.cfg"], ["0x55", "node-field.cfg"], [CONFIG, "node-field.cfg", "--revision", "99"], [CONFIG, "../../etc/passwd"]):
        before = sorted(tmp_path.iterdir())
        answer = daemon.cli("factory", "file", *args, "-o", tmp_path / "nothing", status=None)
        assert answer.status != DONE and answer.err and sorted(tmp_path.iterdir()) == before, answer


@pytest.mark.parametrize("turn", range(6))
def test_killed_within_an_import(ready, turn):
    """While it is unpacked, or between the yes and the answer: all of it is there afterwards, or nothing."""
    daemon, config = ready.daemon, "0x0000000000000066"
    firmware = next(ready.site.glob("node-*.bin"))
    small = firmware.read_bytes()
    try:
        firmware.write_bytes(os.urandom(4_000_000))
        data = ready.build("six.tar.gz", lambda t: t.replace("0x12345678abc", "0x66").replace(ALIAS, "six")).read_bytes()
    finally:
        firmware.write_bytes(small)
    caller = admin(daemon)
    body = {"upload": caller.upload(data), "file": "six.tar.gz", "passphrase": harness.PASSPHRASE}
    revisions = len(caller.call("GET", f"/v1/factory/packages/{config}")[1].get("revisions", []))
    answered = []
    if turn % 2 == 0:
        number = caller.must("POST", "/v1/factory/imports", body)["job"]
        part = len(data) * (turn + 1) // 8
        harness.wait_for(lambda: caller.must("GET", f"/v1/jobs/{number}")["done"] >= part, "some of it to be unpacked")
    else:
        staged = caller.job("/v1/factory/imports", body)

        def commit():
            try:
                answered.append(admin(daemon).call("POST", f"/v1/factory/imports/{staged['import']}/commit"))
            except (OSError, http.client.HTTPException):
                pass  # the daemon is gone

        thread = threading.Thread(target=commit)
        thread.start()
        time.sleep(0.003 * turn)
    kids = harness.children(daemon.process.pid)
    for pid in (daemon.process.pid, *kids):
        os.kill(pid, signal.SIGKILL)
    if turn % 2 == 1:
        thread.join()
    daemon.process.wait()
    harness.wait_for(lambda: not any(harness.alive(pid) for pid in kids), "its processes to be gone")
    daemon.process = None
    daemon.start_again()
    caller = admin(daemon)
    status, shown = caller.call("GET", f"/v1/factory/packages/{config}")
    now = len(shown["revisions"]) if status == 200 else 0
    assert now in ((revisions, revisions + 1) if turn % 2 == 1 else (revisions,))
    assert not answered or answered[0][0] != 200 or now == answered[0][1]["revision"]
    packages = daemon.state / "packages"
    assert [p.name for p in packages.iterdir() if p.name.startswith(".")] == []
    there = sorted(p.name for p in (packages / config).iterdir()) if now else []
    assert there == [str(n + 1) for n in range(now)] or (now == 0 and not (packages / config).exists())
    for revision in there:
        for file in caller.must("GET", f"/v1/factory/packages/{config}?revision={revision}")["files"]:
            content = (packages / config / revision / file["name"]).read_bytes()
            assert hashlib.sha256(content).hexdigest() == file["sha256"], file
    assert caller.call("GET", "/v1/line/config?alias=six")[0] == (200 if now else 404)


def test_answers_are_as_the_document_says(station, ready):
    """The routes of factory and line with something in them; test_openapi.py has the rest."""
    match = pytest.importorskip("openapi_check").match
    caller, place, node = admin(ready.daemon), station.place(), "0x00006001"
    run_id = str(uuid.uuid4())
    begin = {"run": run_id, "operation": "PROVISION", "operator": "mira", "port": "/dev/ttyUSB0", **place}
    key = {"run": run_id, **place, "time": "2026-11-21T12:00:00Z", "key": "5a" * KEY, "kcv": "00" * 8,
           "applications": [{"name": "emcm", "id": "1", "key": "aa", "extra": "bb"}]}
    end = {"return_code": 0, "node_id": node, "versions_before": {"node": "1.0"}, "versions_after": {"node": "1.2"}, "locked": True, "seconds": 2.5}
    match(caller.must("POST", "/v1/line/runs", begin, 201), "POST", "/v1/line/runs")
    match(caller.must("PUT", f"/v1/line/devices/{node}", key), "PUT", "/v1/line/devices/{node}")
    match(caller.must("POST", f"/v1/line/runs/{run_id}/end", end), "POST", "/v1/line/runs/{run}/end")
    recipient = openssl("pkey", "-pubout", stdin=openssl("genrsa", "2048").out).out
    give = {"config_id": CONFIG, "revision": 1, "recipient": recipient}
    match(caller.must("POST", "/v1/line/gateway-keys", give), "POST", "/v1/line/gateway-keys")
    match(caller.must("PUT", "/v1/factory/aliases/documented", {"config_id": CONFIG}), "PUT", "/v1/factory/aliases/{alias}")
    caller.job("/v1/factory/exports", {"nodes": node})
    for path, filled in [("/v1/line/config", f"/v1/line/config?id={CONFIG}"), ("/v1/line/devices/{node}", f"/v1/line/devices/{node}"),
                         ("/v1/factory/packages/{config}", f"/v1/factory/packages/{CONFIG}"), ("/v1/factory/devices/{node}", f"/v1/factory/devices/{node}"),
                         *((p, p) for p in ("/v1/status", "/v1/packagers", "/v1/factory/packages", "/v1/factory/aliases", "/v1/factory/devices",
                                            "/v1/factory/runs", "/v1/factory/line", "/v1/factory/exports"))]:
        answer = match(caller.must("GET", filled), "GET", path)
        lists = [v for v in answer.values() if isinstance(v, list)]
        assert lists == [] or any(lists) or path.startswith("/v1/line/"), (path, answer)
    pretest = station.begin("PRETEST")
    station.end(pretest, 0, "0x00006002")
    for path, filled in (("/v1/factory/devices", "/v1/factory/devices?state=pretested"), ("/v1/factory/devices/{node}", "/v1/factory/devices/0x6002")):
        assert "'state': 'pretested'" in str(match(caller.must("GET", filled), "GET", path))


def set_line(config, key, value):
    """In the section [factory]: keys that are commented are defaults."""
    text = config.read_text()
    head, rest = text.split("[factory]", 1)
    changed, count = re.subn(rf"(?m)^#?\s*{key} =.*$", f"{key} = {value}", rest, count=1)
    assert count == 1, key
    config.write_text(f"{head}[factory]{changed}")


def test_other_ways_of_files(ready):
    daemon = ready.daemon
    daemon.stop()
    set_line(daemon.config, "files", "shared")
    assert run([harness.program("clavigerd"), "run", "--config", daemon.config], status=None).status != DONE
    set_line(daemon.config, "client_directory", "/mnt/packages")
    set_line(daemon.config, "http_allow", "192.0.2.0/24")
    daemon.start()
    config = admin(daemon).must("GET", f"/v1/line/config?id={CONFIG}")
    assert config["files"] == "shared"
    path = config["node"]["firmware"]["path"]
    assert path.startswith("/mnt/packages/")
    assert (daemon.state / "packages" / path.removeprefix("/mnt/packages/")).read_bytes()
    plain = Station(http.client.HTTPConnection("127.0.0.1", PLAIN), ready)
    assert plain.call("GET", f"/v1/line/config?id={CONFIG}")[0] == 403


def test_leftovers_go_at_the_start(ready):
    daemon, packages = ready.daemon, ready.daemon.state / "packages"
    daemon.stop()
    for name in (".staged-9", f"{CONFIG}/77", "0x00000000000000ff/1"):
        (packages / name).mkdir(parents=True)
        (packages / name / "package.xml").write_text("half")
    daemon.start()
    assert not list(packages.glob(".staged*")) and not (packages / CONFIG / "77").exists()
    assert not (packages / "0x00000000000000ff").exists()
    assert (packages / CONFIG / "1" / "package.xml").exists()


def test_the_key_that_the_device_has_counts(station, ready):
    """Two runs on one device: a late report hides nothing, the check value at the end says which key it is."""
    node = "0x00050000"
    early, late = station.begin(), station.begin()
    station.key(late, node, encrypted=bytes(KEY))
    station.end(late, 0, node)
    status, answer = station.call("PUT", f"/v1/line/devices/{node}", {
        "run": early, **station.place(), "time": "2026-11-21T12:00:00Z", "key": "01" * KEY, "kcv": "ff" * 8})
    assert status == 409 and answer["error"]["code"] == "STATE"
    assert station.must("GET", f"/v1/line/devices/{node}?kcv=" + "ff" * 8)["state"] == "provisioned"
    # keyed anew, and the run is lost: what is in the device is the first key still
    third = station.begin()
    station.must("PUT", f"/v1/line/devices/{node}", {
        "run": third, **station.place(), "time": "2026-11-21T12:00:00Z", "key": "02" * KEY, "kcv": "ee" * 8})
    assert station.must("GET", f"/v1/line/devices/{node}")["kcv"] == "ee" * 8
    first = station.must("GET", f"/v1/line/devices/{node}?kcv=00112233445566ff")
    assert (first["kcv"], first["state"], first["tested"]) == ("00112233445566ff", "keyed", False)
    fourth = station.begin()
    body = {"return_code": 0, "node_id": node, "kcv": "00112233445566ff"}
    assert station.call("POST", f"/v1/line/runs/{fourth}/end", {**body, "kcv": "dd" * 8})[0] == 422
    assert station.call("POST", f"/v1/line/runs/{fourth}/end", {**body, "kcv": "dd"})[0] == 400
    station.must("POST", f"/v1/line/runs/{fourth}/end", body)
    record = station.must("GET", f"/v1/line/devices/{node}")
    assert (record["kcv"], record["state"]) == ("00112233445566ff", "provisioned")
    assert station.call("GET", f"/v1/line/devices/{node}?kcv=xyz")[0] == 400
