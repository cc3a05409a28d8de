"""The tour of the README with both daemons, and what an operator does in the years after it."""

import re
import stat
import time
import tomllib
from datetime import datetime, timedelta, timezone

import pytest

import harness
from harness import (BAD_INPUT, DONE, NETWORK, PASSPHRASE, REALM, REFUSED, SOURCE, UNREACHABLE, USAGE, Daemon,
                     lines_of, program, run, secret_file)

FIRST, NODES = 0x00010200, 1000
COMMANDS = tomllib.loads((SOURCE / "data" / "commands.toml").read_text())["command"]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: f"{c['program']} {c['name']}")
def test_help(command):
    """Every command explains itself, with an example of itself."""
    answer = run([program(command["program"]), *command["name"].split(), "--help"])
    assert command["example"] in answer.out
    for option in command.get("options", []):
        assert f"--{option['name']}" in answer.out
    assert answer.err == ""


def test_help_of_programs():
    for name in {c["program"] for c in COMMANDS}:
        answer = run([program(name), "--help"])
        for command in (c for c in COMMANDS if c["program"] == name):
            assert command["name"] in answer.out
        # a factory's line knows wrong arguments as code 3 (data/line-codes.toml)
        wrong = 3 if name == "claviger-provision" else USAGE
        assert run([program(name), "no-such-command"], status=wrong).err


def test_init_again_changes_nothing(folder):
    daemon = Daemon(folder / "again", diameter=False)
    first, second = daemon.init(), daemon.init()
    assert "made" in first.out
    assert not [line for line in second.out.splitlines() if line.startswith("made")]


def test_no_daemon(folder):
    daemon = Daemon(folder / "nobody")
    daemon.folder.mkdir()
    answer = daemon.cli("status", status=UNREACHABLE)
    assert "can't be reached" in answer.err
    assert daemon.json("status", status=UNREACHABLE)["error"]["code"] == "UNREACHABLE"


# The tour; each test goes on where the one before it ended.


def test_network_create(site):
    operator = site.operator
    made = operator.make_network()
    assert made["name"] == NETWORK and made["realm"] == REALM and made["id_bits"] == 32
    assert [n["name"] for n in operator.json("network", "list")["networks"]] == [NETWORK]
    status = operator.json("status", "--token")
    assert status["counts"]["networks"] == 1 and status["keeper"]["token_ready"]
    assert status["keeper"]["profile"]
    assert operator.json("vault", "list")["domains"][0]["network"] == NETWORK
    # a name or realm only once
    for name, realm in ((NETWORK, "other.example"), ("other", REALM)):
        operator.cli("network", "create", name, "--realm", realm, "--passphrase-file", operator.passphrase_file(),
                     status=BAD_INPUT)


def test_passphrase_rules(site, folder):
    operator = site.operator
    create = ["network", "create", "weak", "--realm", "weak.example", "--passphrase-file"]
    operator.cli(*create, operator.passphrase_file("short"), status=None).status != DONE
    readable = secret_file(folder, PASSPHRASE)
    harness.os.chmod(readable, 0o644)
    answer = operator.cli(*create, readable, status=REFUSED)
    assert readable in answer.err
    assert [n["name"] for n in operator.json("network", "list")["networks"]] == [NETWORK]


def test_gateway_keys_to_the_factory(site):
    operator, factory = site.operator, site.factory
    operator.json("network", "export-gateway-keys", NETWORK, "-o", site.keys)
    importing = ["network", "import-gateway-keys", NETWORK, site.keys, "--signer", operator.public_key(),
                 "--passphrase-file", factory.passphrase_file()]
    made = factory.json(*importing)
    assert made["created"] and made["added"] == 3
    again = factory.json(*importing)
    assert not again["created"] and again["added"] == 0 and again["unchanged"] == 3
    # both sides now have the same four first lines
    assert lines_of(operator.keyring())[0] == lines_of(factory.keyring())[0]


def test_node_generate(site):
    factory = site.factory
    ids = f"0x{FIRST:08x}-0x{FIRST + NODES - 1:08x}"
    assert factory.json("node", "generate", NETWORK, "--ids", ids, "--batch", "7")["created"] == NODES
    again = factory.cli("node", "generate", NETWORK, "--ids", ids, "--batch", "8", status=BAD_INPUT)
    assert "0x00010200" in again.err
    for bad in ("0x00010200", "0x2-0x1", "0-5", "0x1-0x100000000", "abc-xyz", "0x0-0x5"):
        answer = factory.cli("node", "generate", NETWORK, "--ids", bad, "--batch", "8", status=None)
        assert answer.status in ((DONE, BAD_INPUT) if bad == "0x00010200" else (USAGE, BAD_INPUT)), answer
    assert factory.json("node", "generate", NETWORK, "--ids", "0x00020000-0x00020009", "--batch", "9",
                        "--random")["created"] == 10


def test_batch_export(site):
    factory = site.factory
    result = factory.json("batch", "export", NETWORK, "--batch", "7", "--to", site.operator.public_key(),
                          "-o", site.batch)
    assert result["nodes"] == NODES
    for suffix in ("", ".sig", ".manifest"):
        path = site.batch.with_name(site.batch.name + suffix)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    factory.cli("batch", "export", NETWORK, "--batch", "77", "--to", site.operator.public_key(),
                "-o", site.batch.with_name("none"), status=REFUSED)
    assert not site.batch.with_name("none").exists()


def test_batch_import(site):
    operator = site.operator
    dry = operator.json("batch", "import", NETWORK, site.batch, "--dry-run")
    assert dry["new"] == NODES and not dry["merged"] and operator.nodes() == []
    done = operator.json("batch", "import", NETWORK, site.batch, "--backup")
    assert done["new"] == NODES and done["merged"] and done["refused"] == 0
    assert re.search(r"/keyring\.\d{12}\.csv\.rsa$", done["backup"])
    again = operator.json("batch", "import", NETWORK, site.batch)
    assert again["new"] == 0 and again["unchanged"] == NODES
    assert lines_of(operator.keyring(NETWORK, "--batch", "7"))[1] == lines_of(site.factory.keyring(NETWORK, "--batch", "7"))[1]
    batch = {b["batch"]: b for b in operator.json("batch", "list", NETWORK)["batches"]}[7]
    assert batch["nodes"] == NODES and batch["source"] == "batch7.csv.rsa"


def test_node_list_pages(site):
    operator = site.operator
    seen, start = [], 0
    while True:
        page = operator.json("node", "list", NETWORK, "--from", f"0x{start:x}", "--limit", "300")["nodes"]
        seen += [int(n["id"], 16) for n in page]
        if len(page) < 300:
            break
        start = seen[-1] + 1
    assert seen == list(range(FIRST, FIRST + NODES))
    assert len(operator.nodes()) == NODES
    assert operator.json("node", "list", NETWORK, "--batch", "8")["nodes"] == []
    assert len(operator.json("node", "list", NETWORK)["nodes"]) == 100


def test_kmc(site):
    operator = site.operator
    heads, nodes = lines_of(operator.keyring())
    assert key_of(operator.kmc("--json", "--show-key", "gateway")) == heads["gateway"]
    assert key_of(operator.kmc("--json", "--show-key", "cdld")) == heads["gateway_cdld"]
    assert key_of(operator.kmc("--json", "--show-key", "node", f"0x{FIRST:08x}")) == nodes[FIRST][0]
    shown = operator.kmc("node", f"0x{FIRST:08x}").out
    assert nodes[FIRST][0].hex() not in shown.lower()
    operator.kmc("node", "0x0badcafe", status=REFUSED)
    assert operator.kmc("--json", "--offline", "--show-key", "gateway").json
    operator.kmc("--offline", "node", f"0x{FIRST + 1:08x}", status=None).status != DONE
    operator.kmc("--json", "cache")


def key_of(answer):
    """The key in claviger-kmc's JSON, wherever it stands."""
    def find(tree):
        if isinstance(tree, dict):
            for name, value in tree.items():
                if name == "key" and isinstance(value, str) and re.fullmatch(r"(0x)?[0-9a-fA-F]{32,48}", value):
                    return bytes.fromhex(value.removeprefix("0x"))
                if (found := find(value)) is not None:
                    return found
        if isinstance(tree, list):
            for value in tree:
                if (found := find(value)) is not None:
                    return found
        return None
    key = find(answer.json)
    assert key is not None, answer
    return key


def test_reprovision_and_history(site, folder):
    factory, operator = site.factory, site.operator
    before = lines_of(operator.keyring())[1][FIRST]
    made = factory.json("node", "generate", NETWORK, "--ids", f"0x{FIRST:08x}-0x{FIRST + 4:08x}", "--batch", "8",
                        "--reprovision")
    assert made["reprovisioned"] == 5
    file = folder / "batch8.csv.rsa"
    factory.cli("batch", "export", NETWORK, "--batch", "8", "--to", operator.public_key(), "-o", file)
    answer = operator.cli("batch", "import", NETWORK, file, "-v")
    assert answer.out.count("reprovisioned") >= 5
    after = lines_of(operator.keyring())[1][FIRST]
    assert after[0] != before[0] and after[1:] == (8, 1)
    shown = operator.json("node", "show", NETWORK, f"0x{FIRST:08x}")
    assert [v["reprovisioned"] for v in shown["history"]] == [0]
    assert shown["history"][0]["batch"] == 7 and shown["history"][0]["replaced"]
    assert key_of(operator.kmc("--json", "--show-key", "--refresh", "node", f"0x{FIRST:08x}")) == after[0]
    # an older file can't take a node back
    refused = operator.cli("batch", "import", NETWORK, site.batch, status=None)
    assert refused.status == BAD_INPUT and "0x00010200" in refused.err, refused
    assert lines_of(operator.keyring())[1][FIRST] == after


def test_rotate_and_retire(site):
    operator = site.operator
    before = lines_of(operator.keyring())[0]["gateway"]
    assert operator.json("network", "rotate", NETWORK, "--key", "gateway")["version"] == 2
    after = lines_of(operator.keyring())[0]["gateway"]
    assert before != after
    fetch = ["--json", "--show-key", "--refresh"]
    assert key_of(operator.kmc(*fetch, "gateway")) == after
    assert key_of(operator.kmc(*fetch, "--key-version", "1", "gateway")) == before
    operator.cli("network", "retire", NETWORK, "--key", "gateway", "--version", "2", status=BAD_INPUT)
    operator.cli("network", "retire", NETWORK, "--key", "gateway", "--version", "1")
    gone = operator.kmc("--refresh", "--key-version", "1", "gateway", status=None)
    assert gone.status != DONE and "4007" in gone.out + gone.err, gone
    operator.cli("network", "retire", NETWORK, "--key", "gateway", "--version", "1", "--destroy")
    states = {(k["key"], k["version"]): k["state"] for k in operator.json("network", "show", NETWORK)["keys"]}
    assert states[("gateway", 1)] == "destroyed" and states[("gateway", 2)] == "active"
    for key in ("cdld", "base"):
        assert operator.json("network", "rotate", NETWORK, "--key", key)["version"] == 2
    # what the factory needs of it comes with the next gateway key file
    operator.cli("network", "export-gateway-keys", NETWORK, "-o", site.keys)
    taken = site.factory.json("network", "import-gateway-keys", NETWORK, site.keys, "--signer", operator.public_key(),
                              "--passphrase-file", site.factory.passphrase_file())
    assert taken["added"] == 3


def test_scheduled_rotation(site):
    operator = site.operator
    at = datetime.now(timezone.utc) + timedelta(seconds=3)
    operator.cli("network", "rotate", NETWORK, "--key", "cdld", "--at", at.strftime("%Y-%m-%dT%H:%M:%SZ"))

    def cdld():
        return {k["version"]: k["state"] for k in operator.json("network", "show", NETWORK)["keys"] if k["key"] == "cdld"}

    assert cdld()[2] == "active" and cdld()[3] == "pre-active"
    operator.cli("network", "rotate", NETWORK, "--key", "cdld", status=BAD_INPUT)
    # nobody may keep the old one beyond the change
    fetched = operator.kmc("--json", "--show-key", "--refresh", "cdld")
    old = key_of(fetched)
    harness.wait_for(lambda: cdld()[3] == "active", "the date of the rotation", 10)
    assert key_of(operator.kmc("--json", "--show-key", "cdld")) != old
    for bad in ("tomorrow", "2027-13-01T00:00:00Z", "2027-01-01 noon"):
        operator.cli("network", "rotate", NETWORK, "--key", "cdld", "--at", bad, status=USAGE)


def test_revoke_reinstate_destroy(site):
    operator, node = site.operator, f"0x{FIRST + 9:08x}"
    fetch = ["--refresh", "node", node]
    operator.kmc(*fetch)
    assert operator.json("node", "revoke", NETWORK, node, "--reason", "stolen")["changed"] == 1
    operator.kmc(*fetch, status=REFUSED)
    assert any("stolen" in r["text"] for r in operator.records())
    assert [n["id"] for n in operator.json("node", "list", NETWORK, "--state", "revoked")["nodes"]] == [node]
    operator.cli("node", "reinstate", NETWORK, node)
    operator.kmc(*fetch)
    many = f"0x{FIRST + 20:08x}-0x{FIRST + 29:08x}"
    assert operator.json("node", "revoke", NETWORK, many)["changed"] == 10
    operator.cli("node", "destroy", NETWORK, node, "--confirm", "0x1", status=None).status != DONE
    operator.cli("node", "destroy", NETWORK, node, "--confirm", node)
    gone = operator.kmc(*fetch, status=None)
    assert gone.status != DONE
    assert operator.json("status")["counts"]["destroyed"] == 1
    operator.cli("node", "reinstate", NETWORK, node, status=BAD_INPUT)
    operator.cli("node", "reinstate", NETWORK, many)
    operator.cli("node", "revoke", NETWORK, "0x0badcafe", status=REFUSED)


def test_gateway_create(site, folder):
    operator, host = site.operator, f"gw2.{REALM}"
    there = folder / "gw2"
    made = operator.json("gateway", "create", host, "--network", NETWORK, "-o", there)
    assert made["networks"] == [NETWORK] and made["require_tls"] and made["origin"] == "store"
    assert stat.S_IMODE((there / "gateway.key").stat().st_mode) == 0o600
    conf = there / "diameter_client.conf"
    heads = lines_of(operator.keyring())[0]
    assert key_of(operator.kmc("--json", "--show-key", "gateway", config=conf)) == heads["gateway"]
    operator.cli("gateway", "deny", host, NETWORK)
    operator.kmc("--refresh", "gateway", config=conf, status=REFUSED)
    operator.cli("gateway", "allow", host, NETWORK)
    operator.kmc("--refresh", "gateway", config=conf)
    assert operator.json("gateway", "show", host)["networks"] == [NETWORK]
    assert host in [g["host"] for g in operator.json("gateway", "list")["gateways"]]
    operator.cli("gateway", "remove", host)
    operator.kmc("--refresh", "gateway", config=conf, status=None).status != DONE
    operator.cli("gateway", "show", host, status=REFUSED)


def test_gateway_with_secret(site, folder):
    operator, host = site.operator, f"gw3.{REALM}"
    there = folder / "gw3"
    secret = secret_file(folder, "0123456789abcdef")
    operator.cli("gateway", "create", host, "--network", NETWORK, "--secret-file", secret, "-o", there)
    conf = there / "diameter_client.conf"
    without = operator.kmc("gateway", config=conf, status=None)
    assert without.status == REFUSED and "4001" in without.out + without.err, without
    with open(conf, "a") as f:
        f.write(f"Auth.SecretFile={secret}\n")
    operator.kmc("gateway", config=conf)


def test_set_passphrase(site, folder):
    factory, operator = site.factory, site.operator
    file = folder / "batch9.csv.rsa"
    factory.cli("batch", "export", NETWORK, "--batch", "9", "--to", operator.public_key(), "-o", file)
    fresh = "another passphrase altogether"
    operator.cli("network", "set-passphrase", NETWORK, "--passphrase-file", operator.passphrase_file(fresh))
    old = operator.cli("batch", "import", NETWORK, file, status=BAD_INPUT)
    assert "passphrase" in old.err
    operator.cli("network", "export-gateway-keys", NETWORK, "-o", site.keys)
    importing = ["network", "import-gateway-keys", NETWORK, site.keys, "--signer", operator.public_key(),
                 "--passphrase-file"]
    factory.cli(*importing, factory.passphrase_file(), status=BAD_INPUT)
    factory.cli(*importing, factory.passphrase_file(fresh))
    factory.cli("batch", "export", NETWORK, "--batch", "9", "--to", operator.public_key(), "-o", file)
    assert operator.json("batch", "import", NETWORK, file)["new"] == 10


def test_vault_rotate(site):
    operator = site.operator
    before = operator.keyring()
    result = operator.json("vault", "rotate", NETWORK)
    assert result["version"] == 2
    assert operator.keyring() == before
    domain = operator.json("vault", "list")["domains"][0]
    assert domain["version"] == 2 and not domain["resealing"]
    operator.kmc("--refresh", "gateway")


def test_backup_brings_a_network_back(site, folder):
    operator = site.operator
    file = folder / "batch8.csv.rsa"  # any import will do
    site.factory.cli("batch", "export", NETWORK, "--batch", "8", "--to", operator.public_key(), "-o", file)
    backup = operator.json("batch", "import", NETWORK, file, "--backup")["backup"]
    before = operator.keyring()
    operator.cli("network", "destroy", NETWORK, "--confirm", "metro-wets", status=None).status != DONE
    operator.cli("network", "destroy", NETWORK, "--confirm", NETWORK)
    operator.kmc("--refresh", "gateway", status=None).status != DONE
    fresh = "another passphrase altogether"
    restore = ["keyring", "import", NETWORK, backup, "--realm", REALM, "--passphrase-file"]
    wrong = operator.cli(*restore, operator.passphrase_file("not the passphrase it had"), status=BAD_INPUT)
    assert operator.json("network", "list")["networks"] == [], wrong
    done = operator.json(*restore, operator.passphrase_file(fresh))
    assert done["merged"] and done["refused"] == 0
    # byte for byte, pwdh included: the passphrase and its salt are what they were
    assert operator.keyring() == before
    heads = lines_of(before)[0]
    assert key_of(operator.kmc("--json", "--show-key", "--refresh", "gateway")) == heads["gateway"]


# keyring.csv, the plaintext form of the user guide.

KEYS = {"pwdh": "a1" * 16, "base": "b2" * 16, "gateway": "0123456789abcdeffedcba98765432100f1e2d3c4b5a6978",
        "gateway_cdld": "c4" * 16}


def with_parity(digits):
    """Each byte of a 3DES key has an odd number of ones."""
    return bytes(b if bin(b).count("1") % 2 else b ^ 1 for b in bytes.fromhex(digits)).hex()


def keyring_text(nodes=5, **keys):
    keys = {**KEYS, "gateway": with_parity(KEYS["gateway"]), **keys}
    lines = [f"{name}, 0x{digits}" for name, digits in keys.items()]
    lines += [f"0x{0x20000 + i:08x}, 0x{i + 1:032x},{1 + i % 2},0" for i in range(nodes)]
    return "\n".join(lines) + "\n"


def take(daemon, name, path, status=DONE, *args):
    return daemon.cli("keyring", "import", name, path, "--realm", f"{name}.example", "--passphrase-file",
                      daemon.passphrase_file(), *args, status=status)


def test_keyring_identity(site, folder):
    """Exported, imported at another server, exported again: the same bytes but for pwdh, which is the passphrase's."""
    path = folder / "identity.csv"
    path.write_text(keyring_text(300))
    take(site.operator, "identity", path)
    first = site.operator.keyring("identity")
    path.write_bytes(first)
    take(site.factory, "identity", path)
    second = site.factory.keyring("identity")
    assert first.splitlines()[1:] == second.splitlines()[1:]
    assert first.splitlines()[0].startswith(b"pwdh, 0x")
    assert first.splitlines()[1:] == keyring_text(300).encode().splitlines()[1:]
    # and into a network that is there: nothing changes
    again = site.factory.json("keyring", "import", "identity", path)
    assert again["unchanged"] == 300 and again["new"] == 0
    assert site.factory.keyring("identity") == second


def test_keyring_export_is_private(site, folder):
    operator, path = site.operator, folder / "private.csv"
    operator.cli("keyring", "export", "identity", "-o", path, "--confirm", "other", status=None).status != DONE
    assert not path.exists()
    before = len(operator.records("keyring-exported"))
    path.write_text("an older file, readable by all")
    path.chmod(0o644)
    operator.cli("keyring", "export", "identity", "-o", path, "--confirm", "identity")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(operator.records("keyring-exported")) == before + 1


def test_keyring_odd_digits(site, folder):
    """As in the guide's own example, whose base line lacks a digit."""
    path = folder / "odd.csv"
    path.write_text(keyring_text(base="b2" * 15 + "b"))
    answer = take(site.operator, "odd", path, BAD_INPUT)
    assert "line 2" in answer.err and "31 digits" in answer.err, answer
    assert "odd" not in [n["name"] for n in site.operator.json("network", "list")["networks"]]


def test_keyring_tolerates(site, folder):
    """Blanks, case, CRLF, empty lines, no newline at the end."""
    operator, path = site.operator, folder / "tolerant.csv"
    lines = keyring_text(20).splitlines()
    lines[0] = "  PWDH ,\t0X" + KEYS["pwdh"].upper() + "  "
    lines[5] = lines[5].upper().replace("0X", "0x").replace(",", " , ")
    path.write_bytes("\r\n".join(lines[:10] + ["", "   "] + lines[10:]).encode())
    take(operator, "tolerant", path)
    got = operator.keyring("tolerant")
    assert got.splitlines()[1:] == keyring_text(20).encode().splitlines()[1:]


def test_keyring_wide_ids(site, folder):
    operator, path = site.operator, folder / "wide.csv"
    wide = keyring_text(0) + "".join(f"0x{(1 << 60) + i:016x}, 0x{i + 1:032x},1,0\n" for i in range(5))
    path.write_text(wide)
    narrow = take(operator, "wide", path, BAD_INPUT)
    assert "line 5" in narrow.err and "out of range" in narrow.err, narrow
    take(operator, "wide", path, DONE, "--id-bits", "64")
    assert operator.keyring("wide").splitlines()[1:] == wide.encode().splitlines()[1:]
    assert operator.nodes("wide")[0]["id"] == "0x1000000000000000"


# The record of it all.


def test_audit(site, folder):
    operator = site.operator
    verdict = operator.json("audit", "verify")
    assert verdict["verified"] and verdict["signatures"] >= 1 and verdict["signed_seq"] > 0
    copy = folder / "audit-copy"
    operator.cli("audit", "export", "-o", copy)
    offline = run([program("claviger"), "--json", "audit", "verify", "--directory", copy, "--key",
                   operator.public_key()]).json
    assert offline["verified"] and offline["signatures"] >= 1
    other = run([program("claviger"), "audit", "verify", "--directory", copy, "--key", site.factory.public_key()],
                status=BAD_INPUT)
    assert "signature" in (other.out + other.err)
    shown = run([program("claviger"), "--json", "audit", "show", "--directory", copy, "--last", "3"]).json
    assert len(shown["records"]) == 3
    stolen = operator.json("audit", "show", "--search", "STOLEN", "--last", "0")["records"]
    assert stolen and all("stolen" in r["text"] for r in stolen)
    first = operator.json("audit", "show", "--before", str(stolen[0]["seq"]), "--last", "0")["records"]
    assert [r["seq"] for r in first] == list(range(1, stolen[0]["seq"]))
    assert operator.json("audit", "show", "--search", "stolen", "--to", "2020-01-01")["records"] == []
    offline = operator.json("audit", "show", "--search", "stolen", "--directory", copy, "--from", "2020-01-01", "--last", "0")
    assert [r["seq"] for r in offline["records"]] == [r["seq"] for r in stolen]
    assert "a time such as" in operator.cli("audit", "show", "--from", "yesterday", status=None).err
    kinds = {r["kind"] for r in operator.records()}
    assert {"network-created", "batch-imported", "batch-refused", "release", "key-rotated", "key-retired", "node-state",
            "peer-created", "certificate-issued", "keyring-exported", "backup-written"} <= kinds
    operator.cli("audit", "show", "--kind", "no-such-kind", status=USAGE)


def test_json_without_an_answer(site):
    """A command that has nothing to tell still prints JSON."""
    assert site.operator.json("server", "reload") == {}


def test_restart(site):
    """Everything is still there, and the chain goes on."""
    operator = site.operator
    before = operator.keyring(), operator.nodes()
    assert operator.stop() == 0
    operator.start()
    assert (operator.keyring(), operator.nodes()) == before
    assert operator.json("audit", "verify")["verified"]
