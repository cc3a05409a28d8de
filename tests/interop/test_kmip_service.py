"""The KMIP service as the network meets it: certificates and passwords, three encodings over HTTPS, the message log, reloads,
and peers that behave badly. What operations answer is the conformance suite's business."""

import json
import re
import resource
import socket
import ssl
import time
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

from harness import Daemon, openssl, wait_for
from kmip_wire import (CREATE, DISCOVER, ENUMERATION, QUERY, SUCCESS, UNAUTHENTICATED, Link, Web, create, find, get, item, message,
                       password, reason, status)

# -- one daemon for all ----------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def daemon(folder, daemons):
    made = Daemon(folder / "d", diameter=False, kmip=True, settings={
        "kmip.idle_timeout": "3", "kmip.write_timeout": "3", "kmip.handshake_timeout": "2",
        "kmip.message_max": "64K", "https.body_max": "64K"})
    daemons.append(made)
    made.init()
    return made.start()


@pytest.fixture(scope="module")
def db(daemon, folder):
    daemon.cli("client", "create", "db", "--kind", "kmip", "-o", folder / "db")
    return folder / "db"


@pytest.fixture
def link(daemon, db):
    made = Link(daemon.kmip_port, db)
    yield made
    made.close()


def change(daemon, **settings):
    """Edit [kmip] of the configuration and have it read again."""
    text = daemon.config.read_text()
    begin = text.index("[kmip]")
    end = text.index("\n[", begin + 1)
    section = text[begin:end]
    for name, value in settings.items():
        section, count = re.subn(rf"^#?\s*{name} =.*$", f"{name} = {value}", section, flags=re.M)
        assert count == 1, (name, section)
    daemon.config.write_text(text[:begin] + section + text[end:])
    daemon.cli("server", "reload")


# -- who may ---------------------------------------------------------------------------------------------------------------

def test_a_registered_certificate_is_its_client(link):
    made = link.ask(create())
    assert status(made) == SUCCESS
    uid = find(made, 0x420094).decode()
    assert len(find(link.ask(get(uid)), 0x420043)) == 32


def test_several_requests_at_once_are_answered_in_order(link):
    link.send(message(DISCOVER) + create() + message(QUERY, [item(0x420074, ENUMERATION, 1)]) + message(DISCOVER))
    assert [find(link.receive(), 0x42005C) for _ in range(4)] == [DISCOVER, CREATE, QUERY, DISCOVER]


def leaf(folder, name, ca=None, extensions=""):
    """A certificate of the openssl command line: self-signed, or by `ca` (certificate, key)."""
    certificate, key, conf = folder / f"{name}.pem", folder / f"{name}.key", folder / f"{name}.cnf"
    conf.write_text(f"[req]\ndistinguished_name = dn\n[dn]\n[ext]\n{extensions}\n")
    signer = [] if ca is None else ["-CA", ca[0], "-CAkey", ca[1]]
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
            f"/CN={name}", "-keyout", key, "-out", certificate, "-config", conf, "-extensions", "ext", *signer)
    return certificate, key


def test_nobody_comes_in_without_a_certificate_of_ours(daemon, db, folder):
    stranger = leaf(folder, "stranger")
    for pair in ((None, None), stranger):
        link = Link(daemon.kmip_port, certificate=pair[0], key=pair[1], ca=db / "ca.pem")
        try:
            link.send(message(DISCOVER))
        except (ConnectionError, ssl.SSLError):
            continue
        assert link.receive() is None


def test_trust_is_not_permission(daemon, db, folder):
    """Further authorities, a certificate without extended key usage, one for servers only, a single self-signed one."""
    ca = leaf(folder, "other-ca", extensions="basicConstraints = critical,CA:true\nkeyUsage = keyCertSign")
    plain = leaf(folder, "plain", ca, "basicConstraints = CA:false")
    server = leaf(folder, "server-only", ca, "basicConstraints = CA:false\nextendedKeyUsage = serverAuth")
    single = leaf(folder, "single")
    more = folder / "more.pem"
    more.write_bytes(ca[0].read_bytes() + single[0].read_bytes())
    more.chmod(0o644)
    (daemon.state / "tls" / "more.pem").write_bytes(more.read_bytes())
    change(daemon, more_ca_file=daemon.state / "tls" / "more.pem")
    for pair in (plain, single):
        link = Link(daemon.kmip_port, certificate=pair[0], key=pair[1], ca=db / "ca.pem")
        assert status(link.ask(message(DISCOVER))) == SUCCESS
        answer = link.ask(create())
        assert status(answer) != SUCCESS and reason(answer) == UNAUTHENTICATED
        link.close()
    link = Link(daemon.kmip_port, certificate=server[0], key=server[1], ca=db / "ca.pem")
    with pytest.raises((ConnectionError, ssl.SSLError, AssertionError)):
        link.send(message(DISCOVER))
        assert link.receive() is not None
    change(daemon, client_purpose="any")
    link = Link(daemon.kmip_port, certificate=server[0], key=server[1], ca=db / "ca.pem")
    assert status(link.ask(message(DISCOVER))) == SUCCESS
    link.close()


def test_a_disabled_client_is_out_at_once(daemon, folder):
    daemon.cli("client", "create", "gone", "--kind", "kmip", "-o", folder / "gone")
    link = Link(daemon.kmip_port, folder / "gone")
    assert status(link.ask(create())) == SUCCESS
    daemon.cli("client", "disable", "gone")
    assert reason(link.ask(create())) == UNAUTHENTICATED
    link.close()


def test_passwords_are_really_checked(daemon, db, folder):
    secret = folder / "password"
    secret.write_text("open sesame, please\n")
    secret.chmod(0o600)
    daemon.cli("client", "create", "fred", "--kind", "kmip", "-o", folder / "fred", "--password-file", secret)
    link = Link(daemon.kmip_port, db)
    right = password("fred", "open sesame, please")
    assert status(link.ask(message(CREATE, credential=right))) != SUCCESS  # no payload, but it got that far
    assert reason(link.ask(message(CREATE, credential=right))) != UNAUTHENTICATED
    begin = time.monotonic()
    for _ in range(20):
        link.ask(message(DISCOVER, credential=right))
    assert time.monotonic() - begin < 2, "a password that was verified is known again"
    for wrong in (password("fred", "open sesame"), password("nobody", "x"), password("fred", "")):
        assert reason(link.ask(message(DISCOVER, credential=wrong))) == UNAUTHENTICATED
    for _ in range(4):
        link.ask(message(DISCOVER, credential=password("fred", "guess")))
    other = Link(daemon.kmip_port, db)
    answer = other.ask(message(DISCOVER, credential=right))
    assert reason(answer) == UNAUTHENTICATED, "after too many wrong ones it has to wait"
    other.close()
    link.close()


# -- HTTPS -----------------------------------------------------------------------------------------------------------------

XML = ('<RequestMessage><RequestHeader><ProtocolVersion><ProtocolVersionMajor type="Integer" value="1"/>'
       '<ProtocolVersionMinor type="Integer" value="4"/></ProtocolVersion><BatchCount type="Integer" value="1"/>'
       '</RequestHeader><BatchItem><Operation type="Enumeration" value="DiscoverVersions"/><RequestPayload/></BatchItem>'
       '</RequestMessage>')


def test_https_speaks_all_three_encodings(daemon, db):
    web = Web(daemon, db)
    answer, body = web.post(message(DISCOVER), "application/octet-stream")
    assert (answer.status, answer.getheader("Content-Type")) == (200, "application/octet-stream")
    assert status(body) == SUCCESS
    answer, body = web.post(XML, "text/xml; charset=utf-8")
    assert answer.status == 200 and xml.fromstring(body).tag == "ResponseMessage"
    as_json = json.dumps({"tag": "RequestMessage", "value": [
        {"tag": "RequestHeader", "value": [
            {"tag": "ProtocolVersion", "value": [
                {"tag": "ProtocolVersionMajor", "type": "Integer", "value": 1},
                {"tag": "ProtocolVersionMinor", "type": "Integer", "value": 4}]},
            {"tag": "BatchCount", "type": "Integer", "value": 1}]},
        {"tag": "BatchItem", "value": [
            {"tag": "Operation", "type": "Enumeration", "value": "DiscoverVersions"},
            {"tag": "RequestPayload", "value": []}]}]})
    answer, body = web.post(as_json, "application/json")
    assert answer.status == 200 and json.loads(body)["tag"] == "ResponseMessage"
    answer, body = web.post(create(), "application/octet-stream")
    assert status(body) == SUCCESS


@pytest.mark.parametrize("kind, path, method, headers, size, wanted", [
    ("text/plain", "/kmip", "POST", {}, 10, 415),
    ("application/octet-stream", "/kmip", "GET", {}, 0, 405),
    ("application/octet-stream", "/other", "POST", {}, 10, 404),
    ("application/octet-stream", "/kmip", "POST", {"Origin": "https://evil.example"}, 10, 403),
    ("application/octet-stream", "/kmip", "POST", {}, 65 * 1024, 413),
])
def test_https_refuses_in_its_own_words(daemon, db, kind, path, method, headers, size, wanted):
    answer, _ = Web(daemon, db).post(b"x" * size, kind, path, method, headers)
    assert answer.status == wanted or (wanted == 413 and answer.status == 400)


# -- message log -----------------------------------------------------------------------------------------------------------

def logged(daemon, extension):
    folder = daemon.state / "kmip-log" / "127.0.0.1" / "server"
    return "".join(p.read_text() for p in sorted(folder.glob(f"kmip-*.{extension}"))) if folder.exists() else ""


@pytest.mark.parametrize("form, sign", [("xml", '<Operation type="Enumeration" value="Get"'), ("json", '"Operation"'),
                                        ("ttlv", "42005c 05")])
def test_the_log_shows_messages_and_no_keys(daemon, db, form, sign):
    change(daemon, log="messages", log_format=form, log_headers="yes")
    link = Link(daemon.kmip_port, db)
    uid = find(link.ask(create()), 0x420094).decode()
    key = find(link.ask(get(uid)), 0x420043)
    link.ask(message(DISCOVER, credential=password("fred", "a secret that nobody sees")))
    Web(daemon, db).post(message(DISCOVER), "application/octet-stream", headers={"X-Trace": "seven"})
    text = wait_for(lambda: "seven" in logged(daemon, form) and logged(daemon, form), "the log")
    assert uid in text and sign in text
    assert key.hex() not in text.lower() and "nobody sees" not in text
    link.close()


def test_a_header_does_not_end_the_comment_it_stands_in(daemon, db):
    change(daemon, log="messages", log_format="xml", log_headers="yes")
    Web(daemon, db).post(message(DISCOVER), "application/octet-stream", headers={"X-Odd": "one --><Forged/><!-- two --- end"})
    text = wait_for(lambda: "end" in logged(daemon, "xml") and logged(daemon, "xml"), "the log")
    root = xml.fromstring(f"<log>{text[text.index('<'):]}</log>")
    assert root.find("Forged") is None and root.find("RequestMessage") is not None


def test_the_laboratory_sees_keys(daemon, db):
    change(daemon, log="messages", log_format="ttlv", log_secrets="yes")
    link = Link(daemon.kmip_port, db)
    key = find(link.ask(get(find(link.ask(create()), 0x420094).decode())), 0x420043)
    wait_for(lambda: key.hex() in logged(daemon, "ttlv"), "the key in the log")
    assert "log_secrets" in daemon.log.read_text()
    change(daemon, log="basic", log_secrets="no")
    link.ask(message(DISCOVER))
    wait_for(lambda: re.search(r"client db KMIP 1.4 DiscoverVersions items 1 failed 0", logged(daemon, "log")), "a line")
    change(daemon, log="off")
    link.close()


# -- reload ----------------------------------------------------------------------------------------------------------------

def test_a_reload_drops_no_connection(daemon, db, link, folder):
    web = Web(daemon, db)
    web.post(message(DISCOVER), "application/octet-stream")
    before = web.http.sock
    certificate, key = leaf(folder, "fresh", extensions="subjectAltName = DNS:localhost")
    for file in (certificate, key):
        (daemon.state / "tls" / file.name).write_bytes(file.read_bytes())
        (daemon.state / "tls" / file.name).chmod(0o600)
    change(daemon, vendor="Another Name", cert_file=daemon.state / "tls" / certificate.name,
           key_file=daemon.state / "tls" / key.name)
    assert b"Another Name" in link.ask(message(QUERY, [item(0x420074, ENUMERATION, 3)]))
    assert web.post(message(DISCOVER), "application/octet-stream")[0].status == 200 and web.http.sock is before
    fresh = Link(daemon.kmip_port, certificate=db / "client.pem", key=db / "client.key", ca=certificate)
    assert status(fresh.ask(message(DISCOVER))) == SUCCESS
    fresh.close()
    change(daemon, cert_file="", key_file="")


def test_a_wrong_setting_changes_nothing(daemon, link):
    text = daemon.config.read_text()
    daemon.config.write_text(text.replace("\noperations =", "\noperations = Crate\n#", 1)
                             if "\noperations =" in text else text.replace("[kmip]\n", "[kmip]\noperations = Crate\n", 1))
    answer = daemon.cli("server", "reload", status=None)
    assert answer.status != 0 and "Crate" in answer.err
    daemon.config.write_text(text)
    assert status(link.ask(message(DISCOVER))) == SUCCESS


# -- peers that behave badly -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"\x42\x00\x78\x01\xff\xff\xff\xf8" + b"\0" * 64,  # nearly 4 GiB to come
    b"\x42\x00\x78\x01\x00\x02\x00\x00" + b"\0" * 64,  # more than message_max
    b"\x42\x00\x78\x02\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00",
])
def test_what_is_no_message_ends_the_connection(link, data):
    link.send(data)
    assert link.receive() is None


def test_a_cut_message_and_a_slow_one_end_by_themselves(daemon, db):
    slow = Link(daemon.kmip_port, db)
    whole = message(DISCOVER)
    begin = time.monotonic()
    try:
        for i in range(len(whole) - 1):
            slow.send(whole[i:i + 1])
            time.sleep(0.25)
    except (ConnectionError, ssl.SSLError):
        pass
    assert slow.receive() is None
    assert time.monotonic() - begin < 30
    silent = socket.create_connection(("127.0.0.1", daemon.kmip_port), timeout=20)
    assert silent.recv(1) == b"", "no handshake in time"


def test_a_half_closed_connection_gets_its_answer(daemon, db):
    link = Link(daemon.kmip_port, db)
    link.send(create())
    link.raw = link.tls.detach  # keep the TLS object as it is
    socket.socket.shutdown(link.tls, socket.SHUT_WR)
    assert status(link.receive()) == SUCCESS


def test_who_never_reads_is_left_and_others_are_served(daemon, db, link):
    deaf = Link(daemon.kmip_port, db)
    deaf.tls.setblocking(False)
    query = message(QUERY, [item(0x420074, ENUMERATION, n) for n in (1, 2, 3)])
    stuck = 0
    end = time.monotonic() + 25
    closed = False
    while time.monotonic() < end and not closed:
        try:
            deaf.tls.send(query * 20)
            stuck = 0
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError, BlockingIOError):
            stuck += 1
            time.sleep(0.05)
            assert status(link.ask(message(DISCOVER))) == SUCCESS
        except (ConnectionError, ssl.SSLError, OSError):
            closed = True
    assert closed, "write_timeout"


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


def test_an_idle_connection_ends(daemon, db):
    idle = Link(daemon.kmip_port, db)
    assert status(idle.ask(message(DISCOVER))) == SUCCESS
    begin = time.monotonic()
    assert idle.receive() is None
    assert time.monotonic() - begin > 2


def test_idle_connections_are_cheap(daemon, db):
    """As many as the limits of this session allow, 2,000 at most; `tests/bench` has the figure for 10,000."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(2000, (hard - 200) // 2)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * count)), hard))
    change(daemon, idle_timeout="60")
    engine = daemon.kids()["engine"]
    before = resident(engine)
    context = ssl.create_default_context(cafile=str(db / "ca.pem"))
    context.load_cert_chain(str(db / "client.pem"), str(db / "client.key"))
    idle = []
    for _ in range(count):
        raw = socket.create_connection(("127.0.0.1", daemon.kmip_port), timeout=20)
        idle.append(context.wrap_socket(raw, server_hostname="localhost"))
    grown = resident(engine) - before
    print(f"{count} idle connections: {grown / count:.1f} KiB each")
    assert grown / count < 100
    assert status(Link(daemon.kmip_port, db).ask(message(DISCOVER))) == SUCCESS
    for s in idle:
        s.close()


def test_it_stops_with_connections_open(daemon, db):
    open_ones = [Link(daemon.kmip_port, db) for _ in range(20)]
    for link in open_ones:
        link.send(create())
    assert daemon.stop() == 0
    answered = [link.receive() for link in open_ones]
    assert all(a is None or status(a) == SUCCESS for a in answered)
