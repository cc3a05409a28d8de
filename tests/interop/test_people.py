"""People over HTTPS against the real daemon: first login, sessions, roles, guessing, and what a hostile page or program can send."""

import gzip
import json
import socket
import ssl
import threading
import time

import pytest

from harness import BAD_INPUT, DONE, REFUSED, Daemon, program, run, secret_file, wait_for
from https_wire import Browser, first_password, settle

ADMIN = "an administrator's own words"
ALICE = "the words that alice chose"
ROLES = ["operator", "factory", "officer", "auditor", "headend", "backoffice", "technician"]


@pytest.fixture(scope="module")
def daemon(folder, daemons):
    made = Daemon(folder / "d", diameter=False)
    made.given["https.listen"] = f"127.0.0.1:{made.https_port}"  # and no KMIP
    daemons.append(made)
    made.first = first_password(made.init())
    return made.start()


@pytest.fixture(scope="module")
def admin(daemon):
    return settle(Browser(daemon), "admin", daemon.first, ADMIN)


@pytest.fixture(scope="module")
def alice(daemon, admin):
    made = admin.post("/v1/users", {"name": "alice", "role": "factory"})
    assert made.status == 200, made
    return settle(Browser(daemon), "alice", made.json["password"], ALICE)


def make(admin, name, role):
    answer = admin.post("/v1/users", {"name": name, "role": role})
    assert answer.status == 200, answer
    return answer.json["password"]


# ---- login ----

def test_first_password_opens_nothing_but_its_change(daemon, folder):
    other = Daemon(folder / "first", diameter=False)
    other.given["https.listen"] = f"127.0.0.1:{other.https_port}"
    password = first_password(other.init())
    assert password not in other.init().out  # said once
    other.start()
    try:
        browser = Browser(other)
        assert browser.get("/v1/status").status == 401
        assert browser.log_in("admin", password).json["must_change"] is True
        assert browser.get("/v1/status").code == "DENIED"
        assert browser.get("/v1/users").code == "DENIED"
        change = {"old": password, "new": "short"}
        assert browser.ask("PUT", "/v1/session/password", change).code == "ARGUMENT"
        assert browser.ask("PUT", "/v1/session/password", {"old": "wrong words", "new": ADMIN}).code == "DENIED"
        assert browser.ask("PUT", "/v1/session/password", {"old": password, "new": password}).code == "ARGUMENT"
        assert browser.ask("PUT", "/v1/session/password", {"old": password, "new": ADMIN}).status == 200
        assert browser.get("/v1/status").status == 200
        assert Browser(other).log_in("admin", password).status == 401
        assert password.encode() not in other.log.read_bytes()
    finally:
        other.stop()


def test_cookies_are_the_strictest_there_are(daemon, admin):
    answer = Browser(daemon).log_in("admin", ADMIN)
    session, device = sorted(answer.header("Set-Cookie"), key=len)
    for cookie, name in (session, "__Host-claviger="), (device, "__Host-claviger-device="):
        assert cookie.startswith(name)
        for attribute in "; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict":
            assert attribute in cookie
        assert "Domain" not in cookie
    assert "Max-Age" not in session


def test_session_is_shown_and_ends(daemon, admin):
    browser = Browser(daemon)
    made = browser.log_in("admin", ADMIN).json
    assert browser.get("/v1/session").json["csrf"] == made["csrf"]
    assert made["role"] == "administrator" and made["user"] == "admin" and made["expires"].endswith("Z")
    kept = dict(browser.cookies)
    answer = browser.post("/v1/logout")
    assert answer.status == 204
    assert "__Host-claviger" not in browser.cookies
    browser.cookies = kept
    assert browser.get("/v1/session").status == 401


def test_wrong_names_and_passwords_look_alike(daemon, admin):
    known = Browser(daemon).log_in("admin", "not the password")
    unknown = Browser(daemon).log_in("nobody-at-all", "not the password")
    assert known.status == unknown.status == 401
    assert known.body == unknown.body
    strip = {"date"}
    assert [h for h in known.headers if h[0].lower() not in strip] == [h for h in unknown.headers if h[0].lower() not in strip]
    times = {}
    for name in "auditor-who-is-not", "alice-who-is-not":
        before = time.monotonic()
        Browser(daemon).log_in(name, "x" * 20)
        times[name] = time.monotonic() - before
    assert min(times.values()) > 0.02  # the hash was computed for nobody, too


def test_old_session_ends_with_a_new_login(daemon, admin):
    """Fixation: what the browser brought is never what it gets, and opens nothing any more."""
    browser = Browser(daemon)
    planted = "ab" * 32
    browser.cookies["__Host-claviger"] = planted
    browser.log_in("admin", ADMIN)
    first = browser.cookies["__Host-claviger"]
    assert first != planted
    browser.log_in("admin", ADMIN)
    assert browser.cookies["__Host-claviger"] != first
    browser.cookies["__Host-claviger"] = first
    assert browser.get("/v1/session").status == 401


@pytest.mark.parametrize("cookie", [
    "__Host-claviger=", "__Host-claviger=0", "__Host-claviger=" + "0" * 64, "__Host-claviger=" + "z" * 64, "__Host-claviger=" + "0" * 5000,
    "__Host-claviger", "=", ";;;;", "__Host-claviger=\xff\xfe", "claviger=" + "0" * 64, "__Host-claviger=%00"])
def test_made_up_cookies_open_nothing(daemon, cookie):
    assert Browser(daemon).get("/v1/session", Cookie=cookie).status == 401


def test_two_session_cookies_are_none(daemon, admin):
    mine = admin.cookies["__Host-claviger"]
    browser = Browser(daemon)
    assert browser.get("/v1/session", Cookie=f"__Host-claviger={mine}").status == 200
    assert browser.get("/v1/session", Cookie=f"__Host-claviger={mine}; __Host-claviger={'0' * 64}").status == 401


@pytest.mark.parametrize("body,code", [
    (b"", "ARGUMENT"), (b"{}", "ARGUMENT"), (b"[]", "SYNTAX"), (b"{", "SYNTAX"), (b'{"user":7,"password":"x"}', "ARGUMENT"),
    (b'{"user":"admin"}', "ARGUMENT"), (b'{"user":"admin","user":"x","password":"y"}', "SYNTAX"),
    (b'{"user":"admin\\u0000","password":"x"}', "SYNTAX"), (b'{"user":"a\\nb","password":"x"}', "UNAUTHENTICATED"),
    (b'{"user":"\' OR 1=1 --","password":"x"}', "UNAUTHENTICATED"), (b'{"user":"' + b"a" * 3000 + b'","password":"x"}', "UNAUTHENTICATED"),
    (b'{"user":"admin","password":"' + b"a" * 5000 + b'"}', "LIMIT")])
def test_bodies_of_a_login(daemon, body, code):
    time.sleep(0.05)
    answer = Browser(daemon).post("/v1/login", body)
    if code == "UNAUTHENTICATED" and answer.code == "ATTEMPTS":
        return  # many of them come from one address
    assert answer.code == code


# ---- requests of other pages ----

def test_a_change_needs_the_csrf_token(daemon, alice, admin):
    alices = Browser(daemon)
    alices.log_in("alice", ALICE)
    for wrong in None, "", "0" * 64, alices.csrf, alices.csrf.upper(), admin.cookies["__Host-claviger"]:
        answer = admin.ask("POST", "/v1/users", {"name": "eve", "role": "administrator"}, X_Claviger_CSRF=wrong)
        assert answer.code == "DENIED", wrong
    for method, target in ("DELETE", "/v1/users/alice"), ("PATCH", "/v1/users/alice"), ("PUT", "/v1/session/password"), ("POST", "/v1/logout"):
        assert admin.ask(method, target, b"{}" if method != "DELETE" else None, X_Claviger_CSRF=None).status == 403
    assert admin.get("/v1/users").status == 200
    assert [u["name"] for u in admin.get("/v1/users").json["users"]] == ["admin", "alice"]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:{port}", "https://localhost", "https://localhost:{port}.evil.example",
                                    "https://localhost:{port}/", "https://evil@localhost:{port}", ""])
def test_other_origins_are_refused(daemon, admin, origin):
    origin = origin.format(port=daemon.https_port)
    assert admin.get("/v1/status", Origin=origin).status == 403
    assert admin.post("/v1/login", {"user": "admin", "password": ADMIN}, Origin=origin).status == 403
    assert admin.get("/", Origin=origin).status == 403


def test_our_own_origin_is_served(daemon, admin):
    own = f"https://localhost:{daemon.https_port}"
    assert admin.get("/v1/status", Origin=own).status == 200
    assert admin.get("/", Origin=own).status == 200
    assert admin.get("/v1/status", Origin=own, Host="other.example").status == 403


# ---- roles and users ----

def test_each_role_has_its_own(daemon, admin):
    targets = {"/v1/networks": {"operator", "officer", "auditor"}, "/v1/audit": {"officer", "auditor"}, "/v1/users": {"officer", "auditor"},
               "/v1/clients": {"operator", "factory", "officer", "auditor"}, "/v1/objects": {"officer", "auditor"}, "/v1/status": set(ROLES), "/v1/session": set(ROLES)}
    for role in ROLES:
        browser = settle(Browser(daemon), f"a-{role}", make(admin, f"a-{role}", role), f"words chosen by one of them, {role[::-1]}")
        for target, may in targets.items():
            assert browser.get(target).status == (200 if role in may else 403), (role, target)
        assert browser.post("/v1/users", {"name": "eve", "role": "administrator"}).status == 403
        assert browser.ask("PATCH", f"/v1/users/a-{role}", {"role": "administrator"}).status == 403
        assert browser.post("/v1/reload").status in ((204,) if role == "operator" else (403,))
        assert browser.post("/v1/backup", {}).status in ((200,) if role == "officer" else (403,))
        assert browser.get("/v1/line/config").status in (403, 404)
        assert admin.ask("DELETE", f"/v1/users/a-{role}").status == 204
        assert browser.get("/v1/session").status == 401


def test_another_role_or_state_counts_at_once(daemon, admin):
    browser = settle(Browser(daemon), "bob", make(admin, "bob", "operator"), "words that he chose")
    stream = browser.listen("status")
    assert stream.status == 200 and stream.until("retry")
    assert admin.ask("PATCH", "/v1/users/bob", {"disabled": True}).json["state"] == "disabled"
    assert browser.get("/v1/session").status == 401
    assert not stream.until("never comes")  # its stream has ended
    stream.close()
    assert browser.log_in("bob", "words that he chose").status == 401
    assert admin.ask("PATCH", "/v1/users/bob", {"disabled": False}).status == 200
    assert browser.log_in("bob", "words that he chose").status == 200
    made = admin.ask("PATCH", "/v1/users/bob", {"reset": True}).json
    assert browser.get("/v1/session").status == 401
    assert browser.log_in("bob", "words that he chose").status == 401
    assert browser.log_in("bob", made["password"]).json["must_change"] is True
    assert admin.ask("DELETE", "/v1/users/bob").status == 204


def test_last_administrator_stays(daemon, admin):
    for change in {"disabled": True}, {"role": "auditor"}:
        assert admin.ask("PATCH", "/v1/users/admin", change).code == "STATE"
    assert admin.ask("DELETE", "/v1/users/admin").code == "STATE"


@pytest.mark.parametrize("body", [{"name": "x y", "role": "factory"}, {"name": "<script>", "role": "factory"}, {"name": "eve", "role": "station"},
                                  {"name": "eve", "role": "root"}, {"name": "eve"}, {"role": "factory"}, {"name": "daemon", "role": "factory"},
                                  {"name": "eve", "role": "factory", "password": "short"}, {"name": "", "role": "factory"},
                                  {"name": "eve", "role": "factory", "password": "eve eve eve eve"}, {"name": ["eve"], "role": "factory"}])
def test_users_that_can_not_be(daemon, admin, body):
    assert admin.post("/v1/users", body).code == "ARGUMENT"


def test_other_sessions_end_with_a_new_password(daemon, admin, alice):
    other = Browser(daemon)
    other.log_in("alice", ALICE)
    answer = alice.ask("PUT", "/v1/session/password", {"old": ALICE, "new": ALICE + " again"})
    assert answer.status == 200, answer
    assert other.get("/v1/session").status == 401
    assert alice.get("/v1/session").status == 200
    assert alice.ask("PUT", "/v1/session/password", {"old": ALICE + " again", "new": ALICE}).status == 200


def test_jobs_and_files_are_ones_own(daemon, admin, alice):
    officer = settle(Browser(daemon), "olga", make(admin, "olga", "officer"), "words of an officer")
    job = officer.post("/v1/backup", {}).json["job"]
    assert officer.get(f"/v1/jobs/{job}").status == 200
    assert admin.get(f"/v1/jobs/{job}").status == 200
    assert alice.get(f"/v1/jobs/{job}").status == 404
    assert alice.ask("DELETE", f"/v1/jobs/{job}").status == 404
    listed = {name: [j["job"] for j in who.get("/v1/jobs").json["jobs"]] for name, who in (("olga", officer), ("admin", admin), ("alice", alice))}
    assert listed["olga"] == [job] and job in listed["admin"] and job not in listed["alice"]
    assert listed["admin"] == sorted(listed["admin"], reverse=True)
    upload = alice.post("/v1/uploads").json["upload"]
    assert upload > 2 ** 20  # nobody finds it by counting
    assert alice.ask("DELETE", f"/v1/uploads/{upload}").status == 204


# ---- guessing ----

def test_who_guesses_waits_and_nobody_else(daemon, admin):
    """From 127.0.0.2, at a name of its own; the administrator's browser is at 127.0.0.1."""
    outsider = Browser(daemon)

    def guess(name):
        plain = socket.socket()
        plain.bind(("127.0.0.2", 0))
        plain.connect(("127.0.0.1", daemon.https_port))
        with outsider.context.wrap_socket(plain, server_hostname="localhost") as tls:
            body = json.dumps({"user": name, "password": "a wrong password"}).encode()
            tls.sendall(outsider.head("POST", "/v1/login", {}, body))
            from https_wire import read_answer
            with tls.makefile("rb") as file:
                return read_answer(file)

    for name in "admin", "who-is-not-there":
        answers = [guess(name) for _ in range(8)]
        assert [a.status for a in answers[:5]] == [401] * 5
        refused = [a for a in answers if a.status == 429]
        assert refused and all(int(a.header("Retry-After")[0]) >= 1 for a in refused)
        for a in refused:  # what it says is about passwords, and as long as the header
            error = a.json["error"]
            assert error["code"] == "ATTEMPTS" and error["detail"] == f"wait {a.header('Retry-After')[0]} s" and "keeper" not in error["hint"]
    shown = {u["name"]: u for u in admin.get("/v1/users").json["users"]}["admin"]
    assert shown["failures"] >= 5
    # a browser that has been here before, and one that has not, from elsewhere
    assert Browser(daemon).log_in("admin", ADMIN).status == 200
    known = Browser(daemon)
    known.cookies["__Host-claviger-device"] = admin.cookies["__Host-claviger-device"]
    assert known.log_in("admin", ADMIN).status == 200
    daemon.cli("user", "list")  # and the Unix socket, whatever happens


def test_a_flood_of_logins_leaves_others_working(daemon, admin):
    stop = threading.Event()

    def flood():
        browser = Browser(daemon)
        while not stop.is_set():
            try:
                browser.log_in("nobody", "x" * 200)
            except (OSError, ssl.SSLError):
                pass

    threads = [threading.Thread(target=flood) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            assert admin.get("/v1/status").status == 200
        known = Browser(daemon)
        known.cookies["__Host-claviger-device"] = admin.cookies["__Host-claviger-device"]
        assert known.log_in("admin", ADMIN).status == 200
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_logins_are_in_the_chain(daemon, admin):
    kinds = {r["kind"] for r in daemon.records()}
    assert {"login", "login-refused", "logout", "user-created", "user-changed", "user-removed"} <= kinds
    text = json.dumps(daemon.records())
    assert ADMIN not in text and ALICE not in text and daemon.first not in text
    assert ADMIN.encode() not in daemon.log.read_bytes()


# ---- answers ----

def test_every_answer_says_how_it_wants_to_be_treated(daemon, admin):
    for answer in admin.get("/"), admin.get("/v1/status"), admin.get("/nowhere.js"), Browser(daemon).get("/v1/users"), admin.post("/v1/nowhere"):
        policy = answer.header("Content-Security-Policy")[0]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert answer.header("Strict-Transport-Security") and answer.header("X-Content-Type-Options") == ["nosniff"]
        assert answer.header("Referrer-Policy") == ["no-referrer"]
    assert admin.get("/v1/status").header("Cache-Control") == ["no-store"]
    assert admin.get("/v1/session").header("Cache-Control") == ["no-store"]


def test_pages(daemon):
    browser = Browser(daemon)
    first = browser.get("/")
    assert first.status == 200 and first.header("Content-Type")[0].startswith("text/html")
    page = gzip.decompress(first.body)
    assert b"<html" in page and b"<script>" not in page and b"style=" not in page
    assert browser.get("/line").body == first.body and browser.get("/networks/metro-east").body == first.body
    tag = first.header("ETag")[0]
    for known in tag, f'"x", {tag}', "*":
        again = browser.get("/", If_None_Match=known)
        assert again.status == 304 and again.body == b""
    assert browser.get("/", If_None_Match='"other"').status == 200
    for target in "/favicon.svgz", "/v1/nothing", "/kmip/x", "/assets/none", "/assets/../x.js":
        assert browser.get(target).status in (400, 404), target


@pytest.mark.parametrize("target", ["/../etc/passwd", "/..%2f..%2fetc/passwd", "/%2e%2e/x", "//etc/passwd", "/./x.js", "/a%00b", "/%ff", "/a%0d%0aX: y",
                                    "/v1/../kmip", "\\etc", "/v1/users/..", "/v1/users/%2e%2e", "*", "http://localhost/v1/status", "/v1/status#x",
                                    "/" + "a" * 5000, "/" + "a/" * 30])
def test_paths_that_are_tricks(daemon, admin, target):
    answer = admin.get(target)
    assert answer is None or answer.status in (400, 404, 413, 431) or gzip.decompress(answer.body).startswith(b"<!"), answer


@pytest.mark.parametrize("head", [
    b"GET /v1/status HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET /v1/status HTTP/1.1\r\n\r\n", b"GET /v1/status HTTP/2.0\r\nHost: a\r\n\r\n",
    b"GET  /v1/status HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /v1/status HTTP/1.1\nHost: a\n\n", b"BREW /v1/status HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /v1/login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/login HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
    b"POST /v1/login HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", b"POST /v1/login HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n",
    b"GET /v1/status HTTP/1.1\r\nHost: a\r\n X-Folded: 1\r\n\r\n", b"GET /v1/status HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: y\r\n" % i for i in range(200)) + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 20000 + b"\r\n\r\n", b"\x16\x03\x01\x00\xff", b"\r\n\r\n"])
def test_heads_that_are_none(daemon, head):
    browser = Browser(daemon)
    answer = browser.send(head if head.endswith(b"\r\n\r\n") or b"Content" in head else head + b"\r\n\r\n")
    assert answer is None or answer.status in (400, 401, 405, 413, 431, 501), answer
    assert Browser(daemon).get("/").status == 200


def test_bodies_are_bounded(daemon, admin):
    assert admin.post("/v1/users", b" " * 70000).code == "LIMIT"
    assert admin.get("/v1/users/x").status == 405
    assert admin.ask("GET", "/", b"{}").status in (400, 413)


def test_plain_http_gets_nothing(daemon):
    with socket.create_connection(("127.0.0.1", daemon.https_port), 10) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"HTTP/1.1 200" not in plain.recv(4096)


# ---- machines ----

@pytest.fixture(scope="module")
def station(daemon, folder):
    daemon.cli("client", "create", "line-1", "--kind", "station", "-o", folder / "station")
    return folder / "station"


def test_a_station_may_work_on_the_line_and_nothing_else(daemon, station, admin):
    assert sorted(p.name for p in station.iterdir()) == ["ca.pem", "cert.pem", "key.pem"]
    assert (station / "key.pem").stat().st_mode & 0o777 == 0o600
    machine = Browser(daemon, station)
    assert machine.get("/v1/status").status == 200
    for target in "/v1/networks", "/v1/users", "/v1/audit", "/v1/session", "/v1/events", "/v1/clients", "/v1/jobs/1":
        assert machine.get(target).status == 403, target
    assert machine.post("/v1/uploads").status == 403
    assert machine.post("/kmip", b"\x42", Content_Type="application/octet-stream").status in (200, 400, 401, 403)
    assert daemon.json("client", "show", "line-1")["kind"] == "station"
    daemon.cli("client", "disable", "line-1")
    assert machine.get("/v1/status").status == 401
    daemon.cli("client", "enable", "line-1")
    assert machine.get("/v1/status").status == 200


def test_what_a_station_can_not_have(daemon, folder):
    for wrong in ["--permissions", "read"], ["--group", "x"], ["--notify", "h:1"], ["--placement", "token"]:
        daemon.cli("client", "create", "line-x", "--kind", "station", "-o", folder / "none", *wrong, status=None)
    assert "line-x" not in {c["name"] for c in daemon.json("client", "list")["clients"]}
    daemon.cli("client", "create", "line-x", "--kind", "toaster", "-o", folder / "none", status=None)
    assert "line-x" not in {c["name"] for c in daemon.json("client", "list")["clients"]}


def test_kmip_is_for_its_own_clients(daemon, station):
    answer = Browser(daemon).post("/kmip", b"\x42", Content_Type="application/octet-stream")
    assert answer.status == 401


def test_a_strangers_certificate_is_refused(daemon, folder):
    own = folder / "own"
    own.mkdir()
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=line-1", "-days", "1",
         "-keyout", own / "key.pem", "-out", own / "cert.pem"])
    with pytest.raises((ssl.SSLError, OSError, AssertionError)):
        assert Browser(daemon, own).get("/v1/status") is not None


def test_p12_for_a_browser(daemon, folder):
    password = secret_file(folder, "words of a p12")
    daemon.cli("client", "create", "olgas-laptop", "--kind", "browser", "-o", folder / "p12", "--p12", "--p12-password-file", password)
    file = folder / "p12" / "client.p12"
    assert file.stat().st_mode & 0o777 == 0o600
    out = run(["openssl", "pkcs12", "-in", file, "-passin", f"file:{password}", "-noenc"]).out
    assert "PRIVATE KEY" in out and "olgas-laptop" in out
    run(["openssl", "pkcs12", "-in", file, "-passin", "pass:wrong", "-noenc"], status=1)
    # which is no way in by itself
    assert Browser(daemon, folder / "p12").get("/v1/status").status == 401


def test_login_certificate(daemon, folder, daemons):
    made = Daemon(folder / "strict", diameter=False, settings={"https.login_certificate": "yes"})
    made.given["https.listen"] = f"127.0.0.1:{made.https_port}"
    daemons.append(made)
    password = first_password(made.init())
    made.start()
    try:
        assert Browser(made).log_in("admin", password).code == "DENIED"
        made.cli("client", "create", "laptop", "--kind", "browser", "-o", folder / "laptop")
        browser = Browser(made, folder / "laptop")
        assert browser.log_in("admin", password).status == 200
        stolen = Browser(made)
        stolen.cookies, stolen.csrf = browser.cookies, browser.csrf
        assert stolen.get("/v1/session").status == 403
        made.cli("client", "disable", "laptop")
        assert browser.get("/v1/session").status == 403
    finally:
        made.stop()


# ---- the command line from elsewhere ----

def test_claviger_from_elsewhere(daemon, folder, admin, station):
    password = secret_file(folder, ADMIN)
    base = [program("claviger"), "--url", f"https://localhost:{daemon.https_port}", "--ca", daemon.state / "tls/ca.pem"]
    mine = base + ["--user", "admin", "--login-password-file", password]
    made = run(mine + ["--json", "user", "create", "carol", "--role", "technician"]).json
    assert made["password"]
    assert "carol" in run(mine + ["user", "list"]).out
    run(mine + ["user", "role", "carol", "auditor"])
    assert {u["name"]: u["role"] for u in run(mine + ["--json", "user", "list"]).json["users"]}["carol"] == "auditor"
    assert run(mine + ["user", "role", "carol", "emperor"], status=None).status != DONE
    run(mine + ["user", "disable", "carol"])
    run(base + ["--user", "carol", "--login-password-file", secret_file(folder, made["password"]), "status"], status=REFUSED)
    run(mine + ["user", "enable", "carol"])
    hers = base + ["--user", "carol", "--login-password-file", secret_file(folder, made["password"])]
    run(hers + ["status"], status=REFUSED)  # must change first
    run(hers + ["user", "password", "--password-file", secret_file(folder, "her own long words")])
    run(base + ["--user", "carol", "--login-password-file", secret_file(folder, "her own long words"), "status"])
    run(mine + ["user", "remove", "carol"])
    assert "clavigerd" in run(base[:3] + ["--identity", station, "status"]).out
    assert run(base[:3] + ["--user", "admin", "--login-password-file", password, "status"], status=None).status != DONE
    run(base + ["status"], status=None).status != DONE  # as whom?


# ---- events ----

def test_events_by_role(daemon, admin, alice):
    assert alice.listen("audit").status == 403
    stream = alice.listen()
    assert stream.status == 200 and stream.until("retry: 3000")
    assert any(h.lower().startswith("content-type: text/event-stream") for h in stream.headers)
    stream.close()
    stream = admin.listen("status")
    assert stream.until("retry")
    assert stream.until(": still here")  # every 15 seconds
    stream.close()


def test_the_end_is_orderly_with_streams_open(daemon, admin):
    streams = [admin.listen() for _ in range(5)]
    assert all(s.until("retry") for s in streams)
    assert daemon.stop() == 0
    for stream in streams:
        stream.close()
    daemon.start()
    assert admin.get("/v1/session").status == 401  # sessions are not kept
