"""The KMIP service beside programs no one here wrote: openssl decrypts and verifies, curl posts JSON and XML."""

import json
import shutil
import xml.etree.ElementTree as ElementTree

import pytest

import harness
import kmip_harness


@pytest.fixture(scope="module")
def daemon(folder, daemons):
    return kmip_harness.start(folder, daemons)


@pytest.fixture(scope="module")
def client(daemon):
    return kmip_harness.Client(daemon, "db-cluster")


@pytest.fixture
def files(folder, request):
    path = folder / request.node.name.replace("[", "-").replace("]", "")
    path.mkdir()
    return path


VERSIONS = ["1.0", "1.1", "1.2", "1.3", "1.4", "2.0", "2.1"]


# ---- the command line over the life of a key ----

@pytest.mark.parametrize("version", VERSIONS)
def test_life(client, files, version):
    at = ("--protocol", version)
    uid = client.uid(*at, "create", "aes", "256", "--name", f"disk-{version}", "--attr", "x-rack=r1",
                     "--attr", "contact information=ops@example")
    assert client.uid(*at, "locate", "--name", f"disk-{version}") == uid
    shown = client.json(*at, "attributes", uid)
    assert shown["State"] == "PreActive" and shown["Name"] == f"disk-{version}" and shown["x-rack"] == "r1"
    assert shown["Contact Information"] == "ops@example" and shown["Cryptographic Length"] == "256"
    client.run(*at, "set-attribute", uid, "x-rack=r2")
    assert client.json(*at, "attributes", uid, "x-rack") == {"x-rack": "r2"}
    client.run(*at, "set-attribute", uid, "x-shelf=Integer:7", "--add")
    assert client.json(*at, "attributes", uid, "x-shelf") == {"x-shelf": "7"}
    client.run(*at, "delete-attribute", uid, "x-shelf")
    assert client.json(*at, "attributes", uid, "x-shelf", status=None).get("x-shelf") is None
    client.run(*at, "activate", uid)
    assert client.uid(*at, "locate", "--name", f"disk-{version}", "--state", "active") == uid
    client.run(*at, "get", uid, "-o", files / "key")
    value = (files / "key").read_bytes()
    assert len(value) == 32 and (files / "key").stat().st_mode & 0o777 == 0o600
    assert client.run(*at, "get", uid, "--show-key").out.strip() == value.hex()
    assert value.hex() not in client.run(*at, "get", uid).out
    after = client.uid(*at, "rekey", uid)
    client.run(*at, "get", after, "-o", files / "after")
    assert (files / "after").read_bytes() != value
    client.run(*at, "destroy", uid, "--confirm", uid, status=None)  # active keys are revoked first
    client.run(*at, "revoke", uid, "--reason", "KeyCompromise")
    assert client.json(*at, "attributes", uid, "State") == {"State": "Compromised"}
    refused = client.run(*at, "destroy", uid, "--confirm", "another", status=None)
    assert refused.status != harness.DONE
    client.run(*at, "destroy", uid, "--confirm", uid)
    assert client.run(*at, "get", uid, status=None).status != harness.DONE


@pytest.mark.parametrize("version", ["1.2", "2.1"])
def test_certify(client, files, version):
    """A key of the server's, a request as PEM and as DER; openssl verifies what comes of it."""
    at = ("--protocol", version)
    pair = client.json(*at, "create-pair", "ec", "P-256", "--name", "signer", "--activate")
    made = [client.uid(*at, "certify", pair["public"], "--name", "of-key")]
    harness.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", files / "k.pem",
                    "-subj", "/CN=disk.example", "-out", files / "r.pem")
    harness.openssl("req", "-in", files / "r.pem", "-outform", "DER", "-out", files / "r.der")
    for name in ("r.pem", "r.der"):
        made.append(client.uid(*at, "certify", "--request", files / name, "-a", "x-from=request"))
    for uid in made:
        client.run(*at, "get", uid, "-o", files / uid)
        harness.openssl("x509", "-inform", "DER", "-in", files / uid, "-out", files / f"{uid}.pem")
        harness.openssl("verify", "-CAfile", client.folder / "ca.pem", files / f"{uid}.pem")
    assert client.json(*at, "attributes", made[2], "x-from") == {"x-from": "request"}
    assert client.run(*at, "certify", status=None).status != harness.DONE
    assert client.run(*at, "certify", pair["private"], status=None).status != harness.DONE


def test_every_type_comes_back(client, files):
    harness.openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", files / "rsa.pem")
    harness.openssl("pkey", "-in", files / "rsa.pem", "-pubout", "-out", files / "public.pem")
    (files / "bytes").write_bytes(bytes(range(32)))
    certificate = client.folder / "client.pem"
    for kind, path, more in [("private", files / "rsa.pem", ("--algorithm", "RSA", "--bits", "2048", "--usage", "Sign")),
                             ("public", files / "public.pem", ("--algorithm", "RSA", "--bits", "2048", "--usage", "Verify")),
                             ("certificate", certificate, ())]:
        uid = client.uid("register", kind, path, "--name", f"r-{kind}", *more)
        client.run("get", uid, "--pem", "-o", files / "out.pem")
        was = path.read_text()
        form = ("x509",) if kind == "certificate" else ("pkey", "-pubin") if kind == "public" else ("pkey",)
        assert harness.openssl(*form, "-in", files / "out.pem").out == harness.openssl(*form, stdin=was).out
    for kind in ("key", "secret", "opaque"):
        uid = client.uid("register", kind, files / "bytes", "--name", f"r-{kind}",
                         *(("--usage", "DeriveKey") if kind == "secret" else ()))
        client.run("get", uid, "-o", files / "out")
        assert (files / "out").read_bytes() == bytes(range(32))


def test_export_and_import(client, files):
    uid = client.uid("create", "aes", "128", "--name", "moving", "--activate")
    client.run("get", uid, "-o", files / "before")
    client.run("export", uid, "-o", files / "moving.kmip")
    shown = client.run("decode", files / "moving.kmip").out
    assert "moving" in shown
    assert client.run("import", files / "moving.kmip", status=None).status != harness.DONE  # it is there already
    client.run("revoke", uid)
    client.run("destroy", uid, "--confirm", uid)
    assert client.uid("import", files / "moving.kmip", "--replace") == uid
    client.run("get", uid, "-o", files / "after")
    assert (files / "after").read_bytes() == (files / "before").read_bytes()


# ---- openssl ----

def key_hex(client, uid):
    return client.run("get", uid, "--show-key").out.strip()


@pytest.mark.parametrize("mode,cipher", [("cbc", "aes-256-cbc"), ("ctr", "aes-256-ctr"), ("cfb", "aes-256-cfb"),
                                         ("ofb", "aes-256-ofb"), ("ecb", "aes-256-ecb")])
def test_openssl_decrypts(client, files, mode, cipher):
    text = b"what the server encrypted, openssl decrypts" * 7
    (files / "plain").write_bytes(text)
    uid = client.uid("create", "aes", "256", "--activate")
    padded = mode in ("cbc", "ecb")
    params = ("--mode", mode, "--padding", "pkcs5" if padded else "none")
    iv = () if mode == "ecb" else ("--iv", "000102030405060708090a0b0c0d0e0f")
    client.run("encrypt", uid, files / "plain", *params, *iv, "-o", files / "sealed")
    openssl_iv = () if mode == "ecb" else ("-iv", iv[1])
    harness.openssl("enc", "-d", f"-{cipher}", "-K", key_hex(client, uid), *openssl_iv,
                    "-in", files / "sealed", "-out", files / "opened")
    assert (files / "opened").read_bytes() == text
    harness.openssl("enc", f"-{cipher}", "-K", key_hex(client, uid), *openssl_iv,
                    "-in", files / "plain", "-out", files / "theirs")
    client.run("decrypt", uid, files / "theirs", *params, *iv, "-o", files / "back")
    assert (files / "back").read_bytes() == text


def test_gcm_with_a_nonce_of_the_server(client, files):
    (files / "plain").write_bytes(b"authenticated")
    uid = client.uid("create", "aes", "256", "--activate")
    made = client.json("encrypt", uid, files / "plain", "--mode", "gcm", "--aad", "0a0b", "-o", files / "sealed")
    again = ("--mode", "gcm", "--iv", made["iv"], "--aad", "0a0b", "-o", files / "opened")
    client.run("decrypt", uid, files / "sealed", *again, "--tag", made["tag"])
    assert (files / "opened").read_bytes() == b"authenticated"
    wrong = f"{int(made['tag'], 16) ^ 1:0{len(made['tag'])}x}"
    refused = client.run("decrypt", uid, files / "sealed", *again, "--tag", wrong, status=None)
    assert refused.status != harness.DONE


@pytest.mark.parametrize("kind,sizes,params,options", [
    ("rsa", "2048", ("--padding", "pss", "--hash", "sha-256"),
     ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:auto")),
    ("rsa", "2048", ("--padding", "pkcs1v1.5", "--hash", "sha-256"), ()),
    ("ec", "P-256", ("--hash", "sha-256"), ()),
], ids=["pss", "pkcs1", "ecdsa"])
def test_openssl_verifies(client, files, kind, sizes, params, options):
    (files / "text").write_bytes(b"what the server signed, openssl verifies")
    pair = client.json("create-pair", kind, sizes, "--activate")
    client.run("sign", pair["private"], files / "text", *params, "-o", files / "signature")
    client.run("get", pair["public"], "--format", "x509", "--pem", "-o", files / "public.pem")
    told = harness.openssl("dgst", "-sha256", "-verify", files / "public.pem", *options,
                           "-signature", files / "signature", files / "text")
    assert "Verified OK" in told.out
    client.run("verify", pair["public"], files / "text", "--signature", files / "signature", *params)
    (files / "text").write_bytes(b"another text")
    client.run("verify", pair["public"], files / "text", "--signature", files / "signature", *params,
               status=harness.BAD_INPUT)


def test_openssl_makes_the_same_mac_and_hash(client, files):
    (files / "text").write_bytes(b"checked by both")
    uid = client.uid("create", "hmac-sha256", "256", "--activate")
    mac = client.run("mac", uid, files / "text").out.strip()
    theirs = harness.openssl("dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{key_hex(client, uid)}", files / "text")
    assert theirs.out.split()[-1] == mac
    client.run("mac", uid, files / "text", "--verify", mac)
    client.run("mac", uid, files / "text", "--verify", "00" * 32, status=harness.BAD_INPUT)
    for name in ("sha-256", "sha-512", "sha3-256"):
        digest = client.run("hash", name, files / "text").out.strip()
        option = "-" + name.replace("sha-", "sha")
        assert harness.openssl("dgst", option, files / "text").out.split()[-1] == digest


def test_openssl_unwraps(client, files):
    uid, kek = client.uid("create", "aes", "256"), client.uid("create", "aes", "256", "--usage", "WrapKey", "--activate")
    client.run("get", uid, "--wrap-with", kek, "-o", files / "wrapped")
    harness.openssl("enc", "-d", "-id-aes256-wrap", "-iv", "A6A6A6A6A6A6A6A6", "-K", key_hex(client, kek),
                    "-in", files / "wrapped", "-out", files / "key")
    assert (files / "key").read_bytes().hex() == key_hex(client, uid)


def test_random_is_never_the_same(client):
    drawn = {client.run("random", "32").out.strip() for _ in range(5)}
    assert len(drawn) == 5 and all(len(d) == 64 for d in drawn)


# ---- curl ----

QUERY_XML = """<RequestMessage><RequestHeader><ProtocolVersion><ProtocolVersionMajor type="Integer" value="1"/>
<ProtocolVersionMinor type="Integer" value="4"/></ProtocolVersion><BatchCount type="Integer" value="1"/></RequestHeader>
<BatchItem><Operation type="Enumeration" value="Query"/><RequestPayload>
<QueryFunction type="Enumeration" value="QueryServerInformation"/></RequestPayload></BatchItem></RequestMessage>"""


def curl(client, body, media, *more):
    cert, key, ca = client.files
    return harness.run(["curl", "-sS", "--cert", cert, "--key", key, "--cacert", ca, "-H", f"Content-Type: {media}",
                        "--data-binary", "@-", "-w", "\n%{http_code} %{content_type}", *more,
                        f"https://localhost:{client.daemon.https_port}/kmip"], stdin=body, status=None)


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_curl_posts_xml(client):
    answer, _, last = curl(client, QUERY_XML, "text/xml").out.rpartition("\n")
    assert last.startswith("200 text/xml"), answer
    root = ElementTree.fromstring(answer)
    assert root.tag == "ResponseMessage"
    assert root.find(".//ResultStatus").get("value") == "Success"
    assert root.find(".//VendorIdentification").get("value") == "Claviger"


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_curl_posts_json(client, files):
    (files / "query.xml").write_text(QUERY_XML)
    body = client.run("decode", files / "query.xml", "--to", "json").out
    answer, _, last = curl(client, body, "application/json").out.rpartition("\n")
    assert last.startswith("200 application/json"), answer
    assert json.loads(answer)["tag"] == "ResponseMessage" and "Claviger" in answer


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_curl_is_refused(client):
    bad = curl(client, "<RequestMessage><", "text/xml").out
    assert "Success" not in bad
    assert curl(client, QUERY_XML, "text/plain").out.splitlines()[-1][:1] == "4"
    stranger = harness.run(["curl", "-sS", "--cacert", client.files[2], "-d", "x",
                            f"https://localhost:{client.daemon.https_port}/kmip"], status=None)
    assert "Claviger" not in stranger.out


def test_command_line_over_https(client):
    over = ("--https", client.daemon.https_port)
    uid = client.uid(*over, "create", "aes", "128", "--name", "over-https")
    assert client.uid("locate", "--name", "over-https") == uid


def test_raw_in_all_encodings(client, files):
    (files / "query.xml").write_text(QUERY_XML)
    for to in ("ttlv", "json", "xml"):
        client.run("decode", files / "query.xml", "--to", to, "-o", files / f"query.{to}2")
        answer = client.run("raw", files / f"query.{to}2").out
        assert ElementTree.fromstring(answer).find(".//VendorIdentification").get("value") == "Claviger"
        over = client.run("--https", client.daemon.https_port, "raw", files / f"query.{to}2", "--to", "json").out
        assert "Claviger" in json.dumps(json.loads(over))
    dump = (files / "query.ttlv2").read_bytes().hex(" ")
    assert "QueryServerInformation" in client.run("raw", "--decode", stdin=dump).out
    for bad in ("{", "<RequestMessage>"):
        client.run("raw", stdin=bad, status=harness.BAD_INPUT)
    for bad in ("{", "<RequestMessage>", "42 00 78 01 00 00 00 10"):
        client.run("decode", stdin=bad, status=harness.BAD_INPUT)


# ---- who may what ----

def test_permissions_and_groups(daemon, client):
    reader = kmip_harness.Client(daemon, "reader", "--permissions", "read", "--group", "db-cluster")
    stranger = kmip_harness.Client(daemon, "stranger")
    uid = client.uid("create", "aes", "128", "--name", "shared")
    assert reader.uid("locate", "--name", "shared") == uid
    reader.run("get", uid)
    reader.run("destroy", uid, "--confirm", uid, status=harness.REFUSED)
    reader.run("create", "aes", "128", status=harness.REFUSED)
    assert stranger.uid("locate", "--name", "shared") == ""
    stranger.run("get", uid, status=harness.REFUSED)


def test_a_client_is_disabled_renewed_and_removed(daemon):
    client = kmip_harness.Client(daemon, "leaving")
    client.run("locate")
    daemon.cli("client", "disable", "leaving")
    client.run("locate", status=harness.REFUSED)
    daemon.cli("client", "enable", "leaving")
    client.run("locate")
    before = (client.folder / "client.pem").read_text()
    shutil.copytree(client.folder, client.folder.with_name("leaving-before"))
    daemon.cli("client", "renew", "leaving", "-o", client.folder)
    assert (client.folder / "client.pem").read_text() != before
    client.run("locate")
    client.folder = client.folder.with_name("leaving-before")
    client.run("locate", status=harness.REFUSED)
    daemon.cli("client", "remove", "leaving")
    daemon.cli("client", "show", "leaving", status=harness.REFUSED)
    kinds = [r["kind"] for r in daemon.records()]
    for kind in ("client-created", "client-changed", "client-removed", "certificate-issued", "certificate-revoked"):
        assert kind in kinds


def test_nothing_is_made_where_the_folder_or_the_address_is_wrong(daemon, files):
    (files / "file").write_text("")
    create = ("client", "create", "unborn")
    daemon.cli(*create, status=harness.USAGE)
    daemon.cli(*create, "-o", files / "file" / "below", status=None)
    daemon.cli(*create, "-o", files / "new", "--server", "host:notaport", status=harness.USAGE)
    daemon.cli(*create, "--csr", files / "file", "-o", files / "new", status=harness.BAD_INPUT)
    daemon.cli("client", "show", "unborn", status=harness.REFUSED)
    daemon.cli(*create, "-o", files / "new", "--server", "[::1]:700")
    assert "host = ::1\nport = 700\n" in (files / "new" / "profile.conf").read_text()


def test_create_replaces_no_other_client(daemon, files):
    daemon.cli("client", "create", "first", "-o", files / "folder")
    before = (files / "folder" / "client.key").read_bytes()
    daemon.cli("client", "create", "second", "-o", files / "folder", status=harness.BAD_INPUT)
    assert (files / "folder" / "client.key").read_bytes() == before
    daemon.cli("client", "show", "second", status=harness.REFUSED)
    daemon.cli("client", "renew", "first", "-o", files / "folder")
    assert (files / "folder" / "client.key").read_bytes() != before


def test_csr_of_the_machine_itself(daemon, files):
    harness.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", files / "own.key", "-out", files / "own.csr",
                    "-subj", "/CN=whatever it says")
    daemon.cli("client", "create", "own-key", "--csr", files / "own.csr", "-o", files / "client")
    assert not (files / "client" / "client.key").exists()
    subject = harness.openssl("x509", "-in", files / "client" / "client.pem", "-noout", "-subject").out
    assert "own-key" in subject and "whatever" not in subject
    shutil.copy(files / "own.key", files / "client" / "client.key")
    (files / "client" / "client.key").chmod(0o600)
    harness.run([harness.program("claviger"), "kmip", "--profile", files / "client", "query"])


def test_password(daemon, client, files):
    secret = harness.secret_file(files, "correct horse")
    daemon.cli("client", "change", "db-cluster", "--password-file", secret)
    assert daemon.json("client", "show", "db-cluster")["has_password"]
    shutil.copytree(client.folder, files / "p")
    conf = files / "p" / "profile.conf"
    conf.write_text(conf.read_text() + f"username = db-cluster\npassword_file = {secret}\n")
    run = [harness.program("claviger"), "kmip", "--profile", files / "p", "query"]
    harness.run(run)
    (files / "p" / "wrong").write_text("incorrect horse")
    (files / "p" / "wrong").chmod(0o600)
    conf.write_text(conf.read_text().replace(f"password_file = {secret}", "password_file = wrong"))
    harness.run(run, status=harness.REFUSED)


def test_errors_have_hints(client, files):
    assert "hint:" in client.run("get", "no-such-object", status=harness.REFUSED).err
    other = harness.run([harness.program("claviger"), "kmip", "query"], status=harness.USAGE)
    assert "--profile" in other.err
    shutil.copytree(client.folder, files / "p")
    conf = files / "p" / "profile.conf"
    was = conf.read_text()
    run = [harness.program("claviger"), "kmip", "--profile", files / "p", "query"]
    conf.write_text(was.replace(str(client.daemon.kmip_port), "1"))
    assert "is the server running" in harness.run(run, status=harness.UNREACHABLE).err
    harness.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", files / "x.key", "-out", files / "p" / "ca.pem", "-subj", "/CN=other")
    conf.write_text(was)
    assert "ca.pem" in harness.run(run, status=harness.FAILED).err
