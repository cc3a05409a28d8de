"""Keys that live in the HSM: a client with --placement token over the whole life of its objects, on SoftHSM2."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

import harness
import kmip_harness

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
KEK_LABEL = "P6RKEK1"

pytestmark = pytest.mark.skipif(not shutil.which("p11tool"), reason="no p11tool: install gnutls-bin")


@pytest.fixture(scope="module")
def daemon(folder, daemons):
    return kmip_harness.start(folder, daemons)


@pytest.fixture(scope="module")
def client(daemon):
    return kmip_harness.Client(daemon, "hw", "--placement", "token")


@pytest.fixture(scope="module")
def plain(daemon):
    path = daemon.folder / "plain"
    path.write_bytes(b"what goes to the token and comes back" * 11)
    return path


@pytest.fixture
def files(folder, request):
    path = folder / request.node.name.replace("[", "-").replace("]", "")
    path.mkdir()
    return path


def in_token(daemon):
    """What the operator's own tool sees of clients' keys: one line each, private and public halves."""
    listed = harness.run(["p11tool", "--provider", MODULE, "--login", "--only-urls", "--list-all", "pkcs11:token=claviger"],
                         env={"SOFTHSM2_CONF": str(daemon.folder / "softhsm2.conf"),
                              "GNUTLS_PIN": (daemon.folder / "token-pin").read_text().strip()})
    return sorted(line for line in listed.out.splitlines() if "object=claviger%20object" in line)


def refused(client, *args, reason):
    answer = client.run(*args, status=None)
    assert answer.status != harness.DONE and reason in answer.err, str(answer)


def value(client, uid):
    return client.run("get", uid, "--show-key").out.strip()


def pair(client, *args):
    """(private, public)"""
    words = client.run("create-pair", *args, "--activate").out.split()
    return words[words.index("private") + 1], words[words.index("public") + 1]


def destroy(client, uid):
    client.run("revoke", uid)
    client.run("destroy", uid, "--confirm", uid)


# ---- symmetric keys ----

def test_life_of_a_key(daemon, client, plain, files):
    before = in_token(daemon)
    uid = client.uid("create", "aes", "256", "--activate")
    assert len(in_token(daemon)) == len(before) + 1
    material = value(client, uid)
    assert len(material) == 64 and value(client, uid) == material
    digest = harness.openssl("dgst", "-sha256", "-r", stdin=bytes.fromhex(material), text=False).out[:64].decode()
    assert digest in client.json("attributes", uid, "Digest")["Digest"].lower()
    # openssl opens with the key that came out what the token encrypted with the one inside
    made = client.json("encrypt", uid, plain, "--mode", "cbc", "--padding", "pkcs5", "-o", files / "sealed")
    harness.openssl("enc", "-d", "-aes-256-cbc", "-K", material, "-iv", made["iv"],
                    "-in", files / "sealed", "-out", files / "opened")
    assert (files / "opened").read_bytes() == plain.read_bytes()
    made = client.json("encrypt", uid, plain, "--mode", "gcm", "--aad", "0a0b", "-o", files / "sealed")
    again = ("decrypt", uid, files / "sealed", "--mode", "gcm", "--iv", made["iv"], "--aad", "0a0b")
    client.run(*again, "--tag", made["tag"], "-o", files / "back")
    assert (files / "back").read_bytes() == plain.read_bytes()
    wrong = f"{int(made['tag'], 16) ^ 1:0{len(made['tag'])}x}"
    assert client.run(*again, "--tag", wrong, status=None).status != harness.DONE
    after = client.uid("rekey", uid)
    assert value(client, after) != material and len(in_token(daemon)) == len(before) + 2
    client.run("destroy", after, "--confirm", after, status=None)
    client.run("revoke", after)
    client.run("destroy", after, "--confirm", after, status=None)
    destroy(client, uid)
    assert in_token(daemon) == before
    assert client.run("get", uid, status=None).status != harness.DONE


def test_a_key_that_never_leaves(client, plain):
    uid = client.uid("create", "aes", "256", "--activate", "-a", "Extractable=false", "--protocol", "2.1")
    refused(client, "get", uid, "--show-key", reason="NotExtractable")
    client.run("encrypt", uid, plain, "--mode", "gcm")
    uid = client.uid("create", "aes", "256", "--activate", "-a", "Sensitive=true", "--protocol", "2.1")
    assert client.run("get", uid, "--show-key", status=None).status != harness.DONE


def test_macs(client, plain):
    uid = client.uid("create", "hmac-sha256", "256", "--activate")
    tag = client.run("mac", uid, plain).out.strip()
    theirs = harness.openssl("dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{value(client, uid)}", "-r", plain)
    assert theirs.out.startswith(tag)
    client.run("mac", uid, plain, "--verify", tag)
    wrong = f"{int(tag, 16) ^ 1:0{len(tag)}x}"
    assert client.run("mac", uid, plain, "--verify", wrong, status=None).status != harness.DONE


# ---- key pairs ----

@pytest.mark.parametrize("kind,size", [("rsa", "2048"), ("ec", "P-256"), ("ec", "P-384")])
def test_pairs(daemon, client, plain, files, kind, size):
    before = in_token(daemon)
    private, public = pair(client, kind, size)
    assert len(in_token(daemon)) == len(before) + 2
    client.run("sign", private, plain, "-o", files / "signature")
    client.run("get", public, "--format", "x509", "--pem", "-o", files / "public.pem")
    by_size = "-sha384" if size == "P-384" else "-sha256"
    harness.openssl("dgst", by_size, "-verify", files / "public.pem", "-signature", files / "signature", plain)
    client.run("verify", public, plain, "--signature", files / "signature")
    client.run("get", private, "--format", "pkcs8", "--pem", "-o", files / "private.pem")
    assert harness.openssl("pkey", "-in", files / "private.pem", "-pubout").out == (files / "public.pem").read_text()
    destroy(client, private)
    assert in_token(daemon) == before
    refused(client, "sign", private, plain, reason="")


def test_register(daemon, client, plain, files):
    before = in_token(daemon)
    (files / "key").write_bytes(bytes(range(32)))
    uid = client.uid("register", "key", files / "key", "--activate")
    assert value(client, uid) == bytes(range(32)).hex()
    made = client.json("encrypt", uid, plain, "--mode", "cbc", "--padding", "pkcs5", "-o", files / "sealed")
    harness.openssl("enc", "-d", "-aes-256-cbc", "-K", bytes(range(32)).hex(), "-iv", made["iv"],
                    "-in", files / "sealed", "-out", files / "opened")
    assert (files / "opened").read_bytes() == plain.read_bytes()
    assert len(in_token(daemon)) == len(before) + 1
    secret = client.uid("register", "secret", plain, "--usage", "DeriveKey")
    assert bytes.fromhex(value(client, secret)) == plain.read_bytes()
    certificate = client.uid("register", "certificate", client.folder / "client.pem")
    client.run("get", certificate, "--pem", "-o", files / "certificate.pem")
    assert harness.openssl("x509", "-in", files / "certificate.pem").out == (client.folder / "client.pem").read_text()
    for args, more in [(("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"), ("--algorithm", "RSA")),
                       (("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"), ("--algorithm", "EC"))]:
        harness.openssl("genpkey", *args, "-out", files / "own.pem")
        harness.openssl("pkey", "-in", files / "own.pem", "-pubout", "-out", files / "own.pub")
        uid = client.uid("register", "private", files / "own.pem", *more, "--usage", "Sign", "--activate")
        client.run("sign", uid, plain, "-o", files / "signature")
        harness.openssl("dgst", "-sha256", "-verify", files / "own.pub", "-signature", files / "signature", plain)


# ---- where an object lives ----

def test_the_object_says_where(daemon, client):
    before = in_token(daemon)
    for at in ("1.4", "2.1"):
        here = client.uid("--protocol", at, "create", "aes", "128", "-a", "x-claviger-placement=vault")
        assert in_token(daemon) == before
        assert client.json("--protocol", at, "attributes", here)["x-claviger-placement"] == "vault"
    other = kmip_harness.Client(daemon, "software")
    there = other.uid("create", "aes", "128", "-a", "x-claviger-placement=token")
    assert len(in_token(daemon)) == len(before) + 1
    assert other.json("attributes", there)["x-claviger-placement"] == "token"
    other.run("destroy", there, "--confirm", there)
    assert in_token(daemon) == before
    refused(client, "create", "aes", "128", "-a", "x-claviger-placement=moon", reason="InvalidAttributeValue")
    assert in_token(daemon) == before


def test_what_it_cannot_do(daemon, client, plain, files):
    """Refused with a reason, and nothing is left behind."""
    before = in_token(daemon)
    stream = client.uid("create", "chacha20", "256", "--activate")  # can be kept there, and no more
    refused(client, "encrypt", stream, plain, "--iv", "00" * 12, reason="NotSupported")
    uid = client.uid("create", "aes", "256", "--activate")
    for mode in ("xts", "ofb", "cfb"):
        refused(client, "encrypt", uid, plain, "--mode", mode, "--iv", "00" * 16, reason="NotSupported")
    kek = client.uid("create", "aes", "256", "--activate")
    refused(client, "get", uid, "--wrap-with", kek, reason="NotSupported")
    (files / "large").write_bytes(bytes(20000))
    refused(client, "register", "secret", files / "large", "--usage", "DeriveKey", reason="InvalidField")
    for gone in (stream, uid, kek):
        destroy(client, gone)
    assert in_token(daemon) == before


# ---- the operator's key-encrypting key ----

def test_the_operators_kek(folder, daemons, plain):
    daemon = harness.Daemon(folder / "kek", diameter=False, kmip=True, host="localhost",
                            settings={"kmip.kek_label": KEK_LABEL, "kmip.kek_file": str(folder / "kek" / "aes256.key")})
    daemons.append(daemon)
    daemon.folder.mkdir()
    key = daemon.folder / "aes256.key"
    # softhsm2-util reads the file as a line of text: it ends at a zero or at a line feed
    key.write_bytes(bytes(byte for byte in os.urandom(256) if byte not in (0, 10))[:32])
    key.chmod(0o600)
    daemon.init()
    pin = (daemon.folder / "token-pin").read_text().strip()
    harness.run(["softhsm2-util", "--import", key, "--aes", "--token", "claviger", "--pin", pin, "--label", KEK_LABEL,
                 "--id", "f0"], env={"SOFTHSM2_CONF": str(daemon.folder / "softhsm2.conf")})
    daemon.start()
    client = kmip_harness.Client(daemon, "hw", "--placement", "token")
    uid = client.uid("create", "aes", "256", "--activate")
    material = value(client, uid)
    made = client.json("encrypt", uid, plain, "--mode", "cbc", "--padding", "pkcs5", "-o", folder / "kek-sealed")
    harness.openssl("enc", "-d", "-aes-256-cbc", "-K", material, "-iv", made["iv"], "-in", folder / "kek-sealed",
                    "-out", folder / "kek-opened")
    assert (folder / "kek-opened").read_bytes() == plain.read_bytes()
    assert "kek_file" not in daemon.log.read_text()
    # the file has another key than the token: nothing comes out, and the daemon lives
    daemon.stop()
    good = key.read_bytes()
    key.write_bytes(os.urandom(32))
    daemon.start()
    assert "[kmip] kek_file: no key will come out of the token" in daemon.log.read_text()
    assert client.run("get", uid, "--show-key", status=None).status != harness.DONE
    client.run("encrypt", uid, plain, "--mode", "gcm")
    key.write_bytes(good)
    daemon.stop()
    daemon.start()
    assert value(client, uid) == material
    assert daemon.stop() == harness.DONE


# ---- what happens to the processes, and to the token ----

def test_restarts(daemon, client, plain):
    uid = client.uid("create", "aes", "256", "--activate")
    material = value(client, uid)
    os.kill(daemon.kids()["keeper"], signal.SIGKILL)
    harness.wait_for(lambda: client.run("get", uid, "--show-key", status=None).out.strip() == material,
                     "the next keeper to release the key")
    client.run("encrypt", uid, plain, "--mode", "gcm")
    daemon.stop()
    daemon.start()
    assert value(client, uid) == material
    client.run("encrypt", uid, plain, "--mode", "gcm")


def test_a_destroy_that_was_cut_off(daemon, client):
    """The store has it, the token not yet: the next run finishes it."""
    before = in_token(daemon)
    uid = client.uid("create", "aes", "256", "--activate")
    client.run("revoke", uid)
    keeper = daemon.kids()["keeper"]
    os.kill(keeper, signal.SIGSTOP)
    command = [harness.program("claviger"), "kmip", "--profile", str(client.folder), "destroy", uid, "--confirm", uid]
    waiting = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1)
    for pid in (daemon.process.pid, *daemon.kids().values()):
        os.kill(pid, signal.SIGKILL)
    assert waiting.wait(60) != harness.DONE  # never acknowledged
    daemon.process.wait()
    assert len(in_token(daemon)) == len(before) + 1
    daemon.start()
    assert client.json("attributes", uid, "State") == {"State": "Destroyed"}
    harness.wait_for(lambda: in_token(daemon) == before, "the key to leave the token")


def test_keys_that_were_being_made(daemon, client):
    """Killed at random while keys are made: the token has those that the store has, and no other."""
    chance = random.Random(5)
    maker = ["sh", "-c", 'while :; do "$0" kmip --profile "$1" create aes 128 --name made >/dev/null 2>&1 || sleep 0.05; done',
             harness.program("claviger"), str(client.folder)]
    for _ in range(5):
        making = [subprocess.Popen(maker, start_new_session=True) for _ in range(2)]
        time.sleep(chance.uniform(0.3, 0.9))
        for pid in (daemon.process.pid, *daemon.kids().values()):
            os.kill(pid, signal.SIGKILL)
        for process in making:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        daemon.process.wait()
        daemon.start_again()
    listed = harness.wait_for(lambda: promises(daemon) == 0 and in_token(daemon), "promises to be settled")
    with sqlite3.connect(f"file:{daemon.state}/store/store.db?mode=ro", uri=True) as db:
        rows = db.execute("select type, count(*) from object where placement = 2 and length(sealed) > 0 group by type").fetchall()
    known = dict(rows)
    assert len(listed) == sum(known.values()), f"{known}, {len(listed)} in the token"
    assert known[2] > 5, "no key was made"


def promises(daemon):
    with sqlite3.connect(f"file:{daemon.state}/store/store.db?mode=ro", uri=True) as db:
        return db.execute("select count(*) from token_promise").fetchone()[0]


def test_token_lost_and_back(daemon, client, plain):
    uid = client.uid("create", "aes", "256", "--activate")
    token = daemon.folder / "token"
    daemon.stop()
    token.rename(daemon.folder / "away")
    token.mkdir(0o700)
    daemon.spawn()
    time.sleep(2)
    assert client.run("encrypt", uid, plain, "--mode", "gcm", status=None).status != harness.DONE
    if daemon.process.poll() is None:
        daemon.stop()
    token.rmdir()
    (daemon.folder / "away").rename(token)
    daemon.start()
    client.run("encrypt", uid, plain, "--mode", "gcm")


def test_wrong_pin(daemon, client, plain):
    uid = client.uid("create", "aes", "256", "--activate")
    pin = daemon.folder / "token-pin"
    right = pin.read_text()
    daemon.stop()
    pin.write_text("0000")
    daemon.spawn()
    harness.wait_for(lambda: "PIN" in daemon.tail(), "a word about the PIN")
    assert client.run("encrypt", uid, plain, "--mode", "gcm", status=None).status != harness.DONE
    if daemon.process.poll() is None:
        daemon.stop()
    pin.write_text(right)
    daemon.start()
    client.run("encrypt", uid, plain, "--mode", "gcm")
