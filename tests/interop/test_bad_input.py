"""Bad input gets a clear error that names file, line or field, changes nothing, and is on record where it touched keys."""

import os
import random
import shutil
import signal
import sqlite3
import time

import pytest

import harness
from harness import (BAD_INPUT, DONE, FAILED, NETWORK, PASSPHRASE, REALM, REFUSED, UNREACHABLE, USAGE, Daemon, Site,
                     flip, openssl, program, run, wait_for)
from test_openssl import make_batch
from test_tour import keyring_text

REPEATABLE = random.Random(20261121)


@pytest.fixture(scope="module")
def joined(folder, daemons):
    key = folder / "kms_key.priv.pem"
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072", "-out", key)
    key.chmod(0o600)
    site = Site(folder, import_key=key)
    site.private_key = key
    daemons += [site.operator, site.factory]
    site.start().join(60)
    # something to lose: nodes of another batch
    site.factory.cli("node", "generate", NETWORK, "--ids", "0x1-0x14", "--batch", "1")
    first = folder / "batch1.csv.rsa"
    site.factory.cli("batch", "export", NETWORK, "--batch", "1", "--to", site.operator.public_key(), "-o", first)
    site.operator.cli("batch", "import", NETWORK, first)
    return site


class Unchanged:
    """Around a refused operation: nothing may be different afterwards, and the refusal is on record."""

    def __init__(self, daemon, recorded=True):
        self.daemon, self.recorded = daemon, recorded

    def __enter__(self):
        self.before, self.refusals = self.daemon.picture(), self.count()
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            assert self.daemon.picture() == self.before
            assert not self.recorded or self.count() > self.refusals, "the refusal is not on the audit chain"

    def count(self):
        return sum(r["result"] != "OK" for r in self.daemon.records())


def refused_import(site, file, *names, recorded=True, network=NETWORK, status=BAD_INPUT):
    """Import a batch that must be refused, with all of `names` in the error."""
    with Unchanged(site.operator, recorded):
        answer = site.operator.cli("batch", "import", network, file, status=status)
    for name in names:
        assert name in answer.err, f"'{name}' is not named:\n{answer}"
    return answer


def suffixed(path, suffix):
    return path.with_name(path.name + suffix)


# Passphrases and signers.


def test_wrong_passphrase(joined):
    factory = joined.factory
    with Unchanged(factory):
        answer = factory.cli("network", "import-gateway-keys", NETWORK, joined.keys, "--signer",
                             joined.operator.public_key(), "--passphrase-file",
                             factory.passphrase_file("not the right passphrase"), status=BAD_INPUT)
    assert "passphrase" in answer.err


def test_wrong_signer(joined):
    factory = joined.factory
    with Unchanged(factory, recorded=False):  # no key was touched
        answer = factory.cli("network", "import-gateway-keys", NETWORK, joined.keys, "--signer", factory.public_key(),
                             "--passphrase-file", factory.passphrase_file(), status=BAD_INPUT)
    assert "signature" in answer.err and "signer" in answer.err


def test_signer_is_no_key(joined, folder):
    for content in (b"", b"not a key", joined.keys.read_bytes()[:40]):
        signer = folder / "signer.pem"
        signer.write_bytes(content)
        joined.factory.cli("network", "import-gateway-keys", NETWORK, joined.keys, "--signer", signer,
                           "--passphrase-file", joined.factory.passphrase_file(), status=None).status != DONE


# Flipped bits and cut files: a sample of positions, the first, the last and some between.


def sample(size, count):
    fixed = [0, 1, size // 2, size - 2, size - 1]
    return sorted({p for p in fixed if p >= 0} | {REPEATABLE.randrange(size) for _ in range(count)})


@pytest.mark.parametrize("suffix", ["", ".sig"])
def test_flipped_bit_in_gateway_keys(joined, folder, suffix):
    factory, spoilt = joined.factory, folder / "spoilt.csv.aes"
    signer, passphrase = joined.operator.public_key(), factory.passphrase_file()
    size = suffixed(joined.keys, suffix).stat().st_size
    with Unchanged(factory, recorded=False):  # the signature is checked before any key is touched
        for position in sample(size, 8):
            for s in ("", ".sig"):
                shutil.copy(f"{joined.keys}{s}", f"{spoilt}{s}")
            flip(suffixed(spoilt, suffix), position, REPEATABLE.randrange(8))
            factory.cli("network", "import-gateway-keys", NETWORK, spoilt, "--signer", signer, "--passphrase-file",
                        passphrase, status=BAD_INPUT)


@pytest.mark.parametrize("suffix", ["", ".sig", ".manifest"])
def test_flipped_bit_in_batch(joined, folder, suffix):
    file = joined.copy_batch(folder / "flipped")
    size = suffixed(file, suffix).stat().st_size
    with Unchanged(joined.operator):
        for position in sample(size, 14):
            bit = REPEATABLE.randrange(8)
            flip(suffixed(file, suffix), position, bit)
            answer = joined.operator.cli("batch", "import", NETWORK, file, status=BAD_INPUT)
            assert answer.err.strip(), position
            flip(suffixed(file, suffix), position, bit)


@pytest.mark.parametrize("suffix", ["", ".sig", ".manifest"])
def test_truncated_batch(joined, folder, suffix):
    with Unchanged(joined.operator, recorded=suffix != ".manifest"):
        for length in (0, 1, -1, -20, 100):
            file = joined.copy_batch(folder / "cut")
            path = suffixed(file, suffix)
            size = path.stat().st_size
            if length >= size:
                continue
            os.truncate(path, length if length >= 0 else max(0, size + length))
            joined.operator.cli("batch", "import", NETWORK, file, status=BAD_INPUT)


def test_appended_batch(joined, folder):
    for suffix in ("", ".sig", ".manifest"):
        file = joined.copy_batch(folder / "longer")
        with open(suffixed(file, suffix), "ab") as f:
            f.write(b"\n")
        refused_import(joined, file)


# A batch that does not fit.


def test_parts_of_two_batches(joined, folder):
    """Each part is good, but they don't belong together."""
    other = make_batch(joined, folder, "other.csv.rsa", b"0x00030000, 0x%032x,11,0\n" % 5)
    for suffix in (".sig", ".manifest"):
        file = joined.copy_batch(folder / "mixed")
        shutil.copy(suffixed(other, suffix), suffixed(file, suffix))
        refused_import(joined, file, recorded=True)


def lines(first, count, batch=11):
    return b"".join(b"0x%08x, 0x%032x,%d,0\n" % (first + i, i + 1, batch) for i in range(count))


@pytest.mark.parametrize("ids", [range(0x30000, 0x30009), range(0x30000, 0x3000B), range(0x30001, 0x3000B),
                                 [0x30000, 0x30002, 0x30001, *range(0x30003, 0x3000A)]],
                         ids=["one-fewer", "one-more", "another", "order"])
def test_manifest_ids(joined, folder, ids):
    file = make_batch(joined, folder, "manifest.csv.rsa", lines(0x30000, 10), ids=list(ids))
    refused_import(joined, file, "manifest")


def test_manifest_count(joined, folder):
    file = make_batch(joined, folder, "count.csv.rsa", lines(0x30000, 10), nodes=9)
    refused_import(joined, file, "manifest", "line")


def test_another_networks_batch(joined, folder):
    operator = joined.operator
    if "metro-west" not in [n["name"] for n in operator.json("network", "list")["networks"]]:
        operator.make_network("metro-west", "metro-west.example")
    refused_import(joined, joined.batch, "metro-east", "metro-west", network="metro-west", recorded=False)
    file = make_batch(joined, folder, "realm.csv.rsa", lines(0x30000, 1), realm="metro-west.example")
    refused_import(joined, file, "realm", recorded=False)
    operator.cli("batch", "import", "no-such-network", joined.batch, status=REFUSED)


def test_manifest_of_64_bits(joined, folder):
    file = make_batch(joined, folder, "wide.csv.rsa", lines(0x30000, 1), **{"id-bits": 64})
    refused_import(joined, file, "manifest", recorded=False)


def test_not_for_this_server(joined, folder):
    """Encrypted to the factory's own key: the signature is right, nobody here can open it."""
    factory, file = joined.factory, folder / "theirs.csv.rsa"
    factory.cli("batch", "export", NETWORK, "--batch", "7", "--to", factory.public_key(), "-o", file)
    refused_import(joined, file, "not encrypted to this server's key")


# Lines.


@pytest.mark.parametrize("bad, why", [
    (b"0x00030001, 0x%030x,11,0\n" % 5, "digits"),
    (b"0x00030001, 0x%034x,11,0\n" % 5, "digits"),
    (b"0x00030001, 0x%031x,11,0\n" % 5, "odd"),
    (b"0x00030001, 0x%031xg,11,0\n" % 5, "hexadecimal"),
    (b"0x00030001, %032x,11,0\n" % 5, "0x"),
    (b"0x100030001, 0x%032x,11,0\n" % 5, "out of range"),
    (b"0x00000000, 0x%032x,11,0\n" % 5, "reserved"),
    (b"0x00030000, 0x%032x,11,0\n" % 5, "in line 1"),
    (b"0x00030001, 0x%032x,4294967296,0\n" % 5, "out of range"),
    (b"0x00030001, 0x%032x,11\n" % 5, "missing"),
    (b"0x00030001, 0x%032x,11,0,0\n" % 5, "more behind"),
    (b"0x00030001 0x%032x 11 0\n" % 5, "node id"),
    (b"0x00030001, 0x%032x,11,0" % 5 + b" " * 10_000_000 + b"\n", "256 bytes"),
    (b"\0" * 300 + b"\n", "256 bytes"),
], ids=["short", "long", "odd", "digit", "prefix", "wide", "zero", "twice", "batch", "missing", "more", "commas", "10MB",
        "zeros"])
def test_bad_line(joined, folder, bad, why):
    good = lines(0x30000, 1), lines(0x30002, 1)
    second = 0x30000 if why == "in line 1" else 0x30001
    file = make_batch(joined, folder, "lines.csv.rsa", good[0] + bad + good[1], ids=[0x30000, second, 0x30002])
    refused_import(joined, file, "line 2", why)


def test_first_lines_in_a_batch(joined, folder):
    """A batch may not bring keys of the network."""
    file = make_batch(joined, folder, "first.csv.rsa", b"base, 0x%032x\n" % 5 + lines(0x30000, 1))
    refused_import(joined, file, "line 1")


def test_many_bad_lines(joined, folder):
    """Every refused line is told, up to a limit; all are counted."""
    file = make_batch(joined, folder, "many.csv.rsa", b"".join(b"0x%08x, 0x12,11,0\n" % (0x30000 + i) for i in range(50)))
    with Unchanged(joined.operator):
        answer = joined.operator.cli("batch", "import", NETWORK, file, status=BAD_INPUT)
    assert answer.err.count("refused") >= 50 and "50 refused" in answer.out, answer


def test_bad_keyrings(joined, folder):
    operator, path = joined.operator, folder / "bad.csv"
    good = keyring_text(3)
    cases = {
        "line 1": good.replace("pwdh", "pwd"),
        "line 3": good.replace("gateway, 0x01", "gateway, 0x00"),  # parity
        "line 4": good.replace("gateway_cdld, 0xc4", "gateway_cdld, 0x"),
        "line 6": good.replace("0x00020001", "0x0002000g"),
    }
    for line, text in cases.items():
        path.write_text(text)
        with Unchanged(operator, recorded=False):
            answer = operator.cli("keyring", "import", "bad", path, "--realm", "bad.example", "--passphrase-file",
                                  operator.passphrase_file(), status=BAD_INPUT)
        assert line in answer.err, answer
    for text in ("", "\n".join(good.splitlines()[1:]), "\n".join(good.splitlines()[:3])):
        path.write_text(text)
        with Unchanged(operator, recorded=False):
            operator.cli("keyring", "import", "bad", path, "--realm", "bad.example", "--passphrase-file",
                         operator.passphrase_file(), status=BAD_INPUT)


# Files that can't be read, arguments that can't be.


def test_missing_files(joined, folder):
    nowhere = folder / "nowhere.csv.rsa"
    operator = joined.operator
    with Unchanged(operator, recorded=False):
        for args in (["batch", "import", NETWORK, nowhere], ["keyring", "import", NETWORK, nowhere],
                     ["batch", "export", NETWORK, "--batch", "1", "--to", nowhere, "-o", folder / "out"],
                     ["network", "set-passphrase", NETWORK, "--passphrase-file", nowhere]):
            answer = operator.cli(*args, status=None)
            assert answer.status != DONE and "nowhere.csv.rsa" in answer.err, answer
        for suffix in (".sig", ".manifest"):
            file = joined.copy_batch(folder / "partly")
            suffixed(file, suffix).unlink()
            answer = operator.cli("batch", "import", NETWORK, file, status=None)
            assert answer.status != DONE and suffix in answer.err, answer


def test_unwritable_output(joined, folder):
    operator = joined.operator
    for args in (["server", "public-key", "-o"], ["network", "export-gateway-keys", NETWORK, "-o"],
                 ["keyring", "export", NETWORK, "--confirm", NETWORK, "-o"]):
        answer = operator.cli(*args, folder / "no-such-folder" / "file", status=None)
        assert answer.status != DONE and "no-such-folder" in answer.err, answer


@pytest.mark.parametrize("args", [
    ["network", "create", "Metro East", "--realm", "x.example"], ["network", "create", "x", "--realm", "bad realm"],
    ["network", "rotate", NETWORK, "--key", "nothing"], ["network", "retire", NETWORK, "--key", "cdld", "--version", "x"],
    ["node", "show", NETWORK, "zzz"], ["node", "list", NETWORK, "--limit", "-1"], ["batch", "export", NETWORK],
    ["node", "list"], ["node", "list", NETWORK, "--state", "asleep"], ["status", "--nonsense"], ["audit", "show", "--last", "x"],
], ids=lambda a: " ".join(a))
def test_arguments(joined, args):
    if args[:2] == ["network", "create"]:
        args = [*args, "--passphrase-file", joined.operator.passphrase_file()]
    with Unchanged(joined.operator, recorded=False):
        answer = joined.operator.cli(*args, status=None)
    assert answer.status in (USAGE, BAD_INPUT) and answer.err, answer


# Configuration.


def spoil(folder, daemon, name, change):
    """A copy of the daemon's configuration file with a change; `check-config` and `run` must refuse it alike."""
    path = daemon.folder / name
    path.write_text(change((daemon.folder / "clavigerd.conf").read_text()))
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("extra, names", [
    ("[daemon]\nno_such_key = 1\n", ["no_such_key"]), ("[no-such-section]\na = 1\n", ["no-such-section"]),
    ("nonsense\n", []), ("[keeper]\nexport_rate = lots\n", ["export_rate"]),
], ids=["key", "section", "line", "value"])
def test_configuration(folder, daemons, extra, names):
    path = folder / "wrong.conf"
    path.write_text("# a comment\n\n" + extra)
    line = f"{path}: line {2 + len(extra.splitlines())}"
    for command in ("check-config", "run"):
        answer = run([program("clavigerd"), command, "--config", path], status=USAGE)
        for name in [line, *names]:
            assert name in answer.err + answer.out, answer


def test_address_that_is_none(folder):
    path = folder / "address.conf"
    path.write_text("[daemon]\nsocket = address.sock\n[metrics]\nlisten =\n[https]\nlisten =\n[kmip]\nlisten = 127.0.0.1:x\n")
    for command in ("check-config", "run"):
        answer = run([program("clavigerd"), command, "--config", path], status=USAGE)
        assert "[kmip] listen" in answer.out + answer.err and "127.0.0.1:x" in answer.out + answer.err, answer


def test_property_file(joined, folder):
    operator = joined.operator
    good = (operator.folder / "diameter_server.conf").read_text()
    for extra, name in (("NoSuchProperty=1", "NoSuchProperty"), ("PeerTable.7.URI=http://x", "http://x"),
                        ("no equals sign", "")):
        path = operator.folder / "wrong_server.conf"
        path.write_text(good.rstrip("\n") + f"\n{extra}\n")
        config = spoil(folder, operator, "wrong_clavigerd.conf",
                       lambda text: text.replace("diameter_server.conf", "wrong_server.conf"))
        answer = run([program("clavigerd"), "check-config", "--config", config], status=USAGE)
        assert f"wrong_server.conf: line {len(good.splitlines()) + 1}" in answer.out + answer.err, answer
        assert name in answer.out + answer.err


def test_reload_keeps_what_is_good(joined):
    """A reload that fails says why and changes nothing."""
    operator = joined.operator
    path = operator.folder / "diameter_server.conf"
    good = path.read_text()
    path.write_text(good + "NoSuchProperty=1\n")
    answer = operator.cli("server", "reload", status=None)
    assert answer.status != DONE and "NoSuchProperty" in answer.err, answer
    operator.kmc("--refresh", "gateway")
    path.write_text(good)
    operator.cli("server", "reload")


def test_init_refuses(folder):
    bad = Daemon(folder / "refused", settings={"daemon.loops": "many"})
    answer = bad.init(status=USAGE)
    assert "loops" in answer.err and not bad.config.exists()
    key = folder / "no-key.pem"
    key.write_text("not a key")
    key.chmod(0o600)
    Daemon(folder / "refused-key", diameter=False, import_key=key).init(status=None).status != DONE


# The daemon's own house.


def test_second_daemon(joined):
    operator = joined.operator
    before = operator.picture()
    second = run([program("clavigerd"), "run", "--config", operator.config], status=None, timeout=30)
    assert second.status != DONE
    assert "in use" in second.err or "another" in second.err, second
    assert operator.picture() == before
    operator.kmc("--refresh", "gateway")


@pytest.fixture
def spare(folder, daemons, request):
    """A small daemon that may be spoilt."""
    daemon = Daemon(folder / request.node.name[:24], diameter=False, settings={"audit.segment_size": "256K"})
    daemons.append(daemon)
    daemon.init()
    daemon.start()
    daemon.make_network()
    daemon.cli("node", "generate", NETWORK, "--ids", "0x1-0x3e8", "--batch", "1")
    yield daemon
    daemon.stop()


def test_wrong_pin(spare):
    """It is tried once: a token locks after a few."""
    pin = spare.folder / "token-pin"
    good = pin.read_text()
    spare.stop()
    pin.write_text("wrong-pin-1234")
    spare.log.write_text("")
    spare.spawn()
    assert spare.process.wait(30) != 0
    log = spare.log.read_text()
    assert "refused the PIN" in log and log.count("refused the PIN") <= 2, log
    spare.process = None
    pin.write_text(good)
    spare.start()
    assert spare.json("audit", "verify")["verified"]


def test_edited_audit_segment(spare, folder):
    spare.json("audit", "verify")
    copy = folder / "edited"
    spare.cli("audit", "export", "-o", copy)
    key = spare.public_key()
    verify = [program("claviger"), "--json", "audit", "verify", "--directory", copy, "--key", key]
    assert run(verify).json["verified"]
    segment = sorted(copy.iterdir())[0]
    victim = next(r for r in spare.records("network-created") if r["segment"] == 1)
    position = segment.read_bytes().index(NETWORK.encode(), victim["offset"])
    flip(segment, position)
    answer = run(verify, status=BAD_INPUT)
    problem = answer.json["problem"]
    assert problem["segment"] == 1 and problem["offset"] == victim["offset"] and problem["seq"] == victim["seq"]
    assert "segment 1" in answer.err and str(victim["offset"]) in answer.err, answer
    flip(segment, position)
    # a segment that is missing, and one that was cut
    more = sorted(copy.iterdir())
    if len(more) > 2:
        moved = more[1].rename(folder / "moved.audit")
        assert run(verify, status=BAD_INPUT).json["problem"]
        moved.rename(more[1])
    assert run(verify).json["verified"]
    # the live chain, too
    live = sorted((spare.state / "audit").glob("*.audit"))[0]
    flip(live, position)
    assert spare.json("audit", "verify", status=BAD_INPUT)["problem"]["segment"] == 1
    flip(live, position)


def test_broken_chain_is_not_continued(spare):
    """A record of the last segment was edited while the daemon was down: it does not start, and touches nothing."""
    victim = spare.records("network-created")[-1]
    spare.stop()
    segment = spare.state / "audit" / f"{victim['segment']:010d}.audit"
    flip(segment, victim["offset"] + 45)
    before = {p.name: p.read_bytes() for p in (spare.state / "audit").iterdir()}
    spare.log.write_text("")
    spare.spawn()
    assert spare.process.wait(30) != 0
    assert "audit chain does not verify" in spare.log.read_text(), spare.tail()
    spare.process = None
    assert {p.name: p.read_bytes() for p in (spare.state / "audit").iterdir()} == before
    flip(segment, victim["offset"] + 45)
    spare.start()
    assert spare.json("audit", "verify")["verified"]


def test_corrupted_store(spare):
    """Damage is told, not served: the keys of other rows stay good."""
    spare.stop()
    store = spare.state / "store" / "store.db"
    with sqlite3.connect(store) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    whole = store.read_bytes()
    with open(store, "r+b") as f:
        for position in range(4096, len(whole), 64):
            f.seek(position)
            f.write(b"\xa5" * 32)
    spare.log.write_text("")
    spare.spawn()
    ended = wait_for(lambda: spare.process.poll() is not None or spare.ready() or None, "an end or an answer", 60)
    assert ended
    if spare.process.poll() is None:
        answer = spare.cli("keyring", "export", NETWORK, "-o", spare.folder / "k.csv", "--confirm", NETWORK, status=None)
        assert answer.status != DONE, answer
    else:
        assert spare.process.returncode != 0 and "damaged" in spare.log.read_text(), spare.tail()
        spare.process = None
    spare.stop()
    for beside in ("store.db-wal", "store.db-shm"):
        (spare.state / "store" / beside).unlink(missing_ok=True)
    store.write_bytes(whole)
    spare.start()
    assert len(spare.keyring().splitlines()) == 1004


def test_store_row_moved(spare):
    """A sealed key that was moved to another node does not open there."""
    spare.stop()
    store = spare.state / "store" / "store.db"
    with sqlite3.connect(store) as db:
        columns = [r[1] for r in db.execute("PRAGMA table_info(node)")]
        identity = next(c for c in columns if c in ("id", "node_id", "node"))
        first, second = [r[0] for r in db.execute(f"SELECT {identity} FROM node ORDER BY {identity} LIMIT 2")]
        db.execute(f"UPDATE node SET sealed = (SELECT sealed FROM node WHERE {identity} = ?) WHERE {identity} = ?",
                   (first, second))
    db.close()
    spare.start()
    answer = spare.cli("keyring", "export", NETWORK, "-o", spare.folder / "k.csv", "--confirm", NETWORK, status=None)
    assert answer.status != DONE and "seal" in answer.err, answer
    assert not (spare.folder / "k.csv").exists()


def test_token_gone_while_serving(joined, folder):
    """Node keys are served from memory; what needs the token says that it is gone; when it is back all goes on."""
    operator = joined.operator
    token, away = operator.folder / "token", operator.folder / "token.away"
    file = make_batch(joined, folder, "later.csv.rsa", lines(0x40000, 3, 12))
    token.rename(away)
    try:
        operator.kmc("--refresh", "gateway")
        operator.kmc("--refresh", "node", "0x00000001")
        with Unchanged(operator, recorded=False):
            answer = operator.cli("batch", "import", NETWORK, file, status=None)
        assert answer.status in (UNREACHABLE, FAILED) and "token" in answer.err, answer
        operator.kmc("--refresh", "node", "0x00000002")
    finally:
        away.rename(token)
    wait_for(lambda: operator.cli("batch", "import", NETWORK, file, status=None).status == DONE, "the token to be back")
    assert operator.json("batch", "list", NETWORK)["batches"][-1]["batch"] == 12


def test_disk_full(folder, daemons):
    """The disk fills up during an import: nothing is merged, and the server serves on."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system wants root")
    small = folder / "small"
    small.mkdir()
    if run(["mount", "-t", "tmpfs", "-o", "size=24m", "none", small], status=None).status != DONE:
        pytest.skip("no file system can be mounted here")
    try:
        daemon = Daemon(small / "d", diameter=False, settings={"audit.segment_size": "1M"})
        daemons.append(daemon)
        daemon.init()
        daemon.start()
        daemon.make_network()
        daemon.cli("node", "generate", NETWORK, "--ids", "0x1-0x3e8", "--batch", "1")
        path = folder / "large.csv"
        path.write_text("".join(f"0x{0x10000 + i:08x}, 0x{i + 1:032x},2,0\n" for i in range(200_000)))
        with Unchanged(daemon, recorded=False):
            answer = daemon.cli("keyring", "import", NETWORK, path, status=None)
            assert answer.status != DONE and "space" in answer.err, answer
        assert len(daemon.keyring().splitlines()) == 1004
        assert daemon.json("audit", "verify")["verified"]
        daemon.stop()
    finally:
        run(["umount", "-l", small], status=None)


def test_audit_is_whole(joined):
    """After all that."""
    assert joined.operator.json("audit", "verify")["verified"]
    assert joined.factory.json("audit", "verify")["verified"]


def test_chain_cut_off(spare):
    """The store remembers how far the chain reached: a shorter one, or another, is refused and left as it is."""
    spare.stop()
    good = spare.state / "audit"
    good.rename(spare.folder / "audit.old")
    spare.log.write_text("")
    spare.spawn()
    assert spare.process.wait(30) != 0
    assert "is known to have been there" in spare.log.read_text(), spare.tail()
    spare.process = None
    harness.shutil.rmtree(good)
    (spare.folder / "audit.old").rename(good)
    spare.start()
    assert spare.json("audit", "verify")["verified"]
