"""The pages of a real daemon, over HTTPS as people get them. The tests of this file follow on one another."""

import http.client
import json
import os
import re
import ssl
import time
import uuid

import pytest
from browser import Browser
from conftest import PICTURES, SOURCE
from harness import Daemon, NETWORK, PASSPHRASE, REALM, free_port, openssl, program, run

TRANSFER_MAX = 100 * 1024
CONFIG = "0x0000012345678abc"
NASTY = "Kite <script>window.hacked=1</script> <img src=x onerror=window.hacked=1> \u202egnp.exe\u202c & \"quoted\""
PASSWORD = "orbit candle maple nineteen"


class Site:
    """A daemon, and who is who at it."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.daemon = Daemon(folder, diameter=False, host="localhost", settings={
            "https.listen": f"127.0.0.1:{self.port}", "factory.enabled": "yes", "kmip.listen": f"127.0.0.1:{free_port()}"})
        made = self.daemon.init()
        self.first_password = re.search(r"first user: admin, password (\S+)", made.out + made.err).group(1)
        self.daemon.start()
        self.address = f"https://localhost:{self.port}"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("daemon"))
    yield site
    site.daemon.stop()


@pytest.fixture(scope="module")
def chromium(site, tmp_path_factory):
    browser = Browser(site.address, downloads=tmp_path_factory.mktemp("downloads"))
    browser.scheme("light")
    yield browser
    browser.quit()


@pytest.fixture
def page(chromium):
    chromium.messages()
    yield chromium
    assert [m for m in chromium.messages() if "401" not in m] == []


def to(page, name, heading=None):
    page.click(name)
    page.heading(heading or name)
    page.settled()


def switch(page, user, password):
    """Log in as someone else."""
    if page.js("return !!document.querySelector('.who')"):
        page.click("Log out")
    page.login(user, password)


def test_first_login(site, page):
    page.open()
    page.login("admin", "not the password")
    page.find("[role=alert]")
    assert page.js("return document.querySelector('input[type=password]').value") == "", "a wrong password does not stay in the field"
    page.messages()
    page.login("admin", site.first_password)
    page.heading("New password")
    page.says("was made for you")
    page.fill("Old password", site.first_password)
    page.fill("New password", "short")
    page.fill("New password again", "other")
    page.click("Change password")
    page.says("at least 12 characters")
    page.says("the two are not the same")
    page.fill("New password", PASSWORD)
    page.fill("New password again", PASSWORD)
    page.click("Change password")
    page.heading("Overview")
    page.settled()


def test_first_paint(site, page):
    """Bytes of a first visit, and how long it takes until something is there."""
    page.cdp("Network.clearBrowserCache")
    page.network()
    page.open("")
    page.driver.get("about:blank")
    page.network()
    page.cdp("Network.clearBrowserCache")
    page.open("")
    page.heading("Overview")
    page.settled()
    loaded = page.network()
    own = {url: n for url, n in loaded.items() if not url.startswith(("chrome:", "data:", "about:"))}
    assert all(url.startswith(site.address) for url in own), own
    assert not any("chart" in url for url in own), "the chart comes with its page"
    total = sum(own.values())
    paint = page.js("return performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    shown = page.js("return Math.max(...performance.getEntriesByType('resource').map((r) => r.responseEnd))")
    print(f"\nfirst visit: {total / 1024:.1f} KiB in {len(own)} requests; first paint after {paint:.0f} ms, everything there after {shown:.0f} ms")
    (PICTURES / "..").resolve().mkdir(exist_ok=True)
    assert total <= TRANSFER_MAX


def test_policy(page):
    """The policy is there, and works: what is inline does not run."""
    page.js("const s = document.createElement('script'); s.textContent = 'window.inline = 1'; document.head.append(s)")
    assert page.js("return window.inline") is None
    assert any("Content Security Policy" in m for m in page.messages())


def test_users_and_their_roles(site, page):
    to(page, "Users")
    page.click("New user")
    page.fill("Name", "mira")
    page.choose("Role", "factory")
    page.click("Create")
    page.says("It is shown this once")
    made = page.find("dialog .shown code").text
    page.click("Done")
    page.says("to choose a password")
    switch(page, "mira", made)
    page.heading("New password")
    page.fill("Old password", made)
    page.fill("New password", PASSWORD)
    page.fill("New password again", PASSWORD)
    page.click("Change password")
    page.heading("Overview")
    page.settled()
    offered = page.js("return [...document.querySelectorAll('.nav a')].map((a) => a.textContent)")
    assert offered == ["Overview", "Import", "Line", "Devices", "Export", "Clients", "System"]
    page.at("#/users")
    page.says("Not for your role")
    page.at("#/clients")
    page.heading("Clients")
    page.settled()
    assert "New client" not in page.text()
    switch(page, "admin", PASSWORD)
    page.heading("Overview")
    to(page, "Users")
    page.click("Disable mira")
    page.says("can't log in until enabled again")
    page.click("Disable")
    page.says("disabled")
    switch(page, "mira", PASSWORD)
    page.find("[role=alert]")
    page.messages()
    page.login("admin", PASSWORD)
    page.heading("Overview")
    to(page, "Users")
    page.click("Enable mira")
    page.named("Disable mira")


def test_rights_are_those_of_the_daemon(site):
    """web/src/session.ts says what is offered; src/vault/access.c says what is allowed."""
    c = (SOURCE / "src/vault/access.c").read_text()
    ts = (SOURCE / "web/src/session.ts").read_text()
    known = set(re.findall(r'"([A-Z_]+)"', ts.split("const fleet")[0]))
    groups = {name: set(re.findall(r"\bMAY\((\w+)\)", body)) for name, body in re.findall(r"#define (\w+)\s+\(([^#]*?)\)\n", c.split("rights[")[0])}
    for name, (body) in re.findall(r"#define (PERSON)\s+\((.*?)\)\n", c):
        groups[name] = set(re.findall(r"MAY\((\w+)\)", body))
    lists = {name: set(re.findall(r'"(\w+)"', body)) for name, body in re.findall(r"const (\w+): Action\[\] = \[(.*?)\];", ts)}
    rows = dict(re.findall(r"\[VAULT_ROLE_(\w+)\]\s*=\s*(.*?)(?=,\s*\[VAULT_ROLE|,\s*};)", c.split("role_names")[0], re.S))
    for role, body in re.findall(r"^    (\w+): \[(.*?)\],$", ts.split("export const rights")[1].split("};")[0], re.M):
        offered = set(re.findall(r'"(\w+)"', body)).union(*(lists[g] for g in re.findall(r"\.\.\.(\w+)", body)))
        row = rows[role.upper()]
        allowed = set(re.findall(r"MAY\((\w+)\)", row)).union(*(groups[g] for g in groups if re.search(rf"\b{g}\b", row)))
        assert offered == allowed & known, role


def test_networks(site, page):
    to(page, "Networks")
    page.says("No network yet")
    page.click("New network")
    page.fill("Name", NETWORK)
    page.fill("Realm", REALM)
    page.fill("Passphrase", PASSPHRASE)
    page.click("Create")
    page.says(NETWORK)
    site.daemon.cli("node", "generate", NETWORK, "--ids", "0x00010200-0x00010263", "--batch", "7")
    to(page, NETWORK)
    page.says("0x00010200")
    page.click("Rotate gateway key")
    page.click("Rotate")
    page.says("v2 active")
    page.click("0x00010203")
    page.says("Reprovisioned")
    page.click("Close")
    keyring = site.daemon.keyring()
    keys = re.findall(rb"0x([0-9a-f]{32,})", keyring)
    assert keys and not any(k.decode() in page.driver.page_source for k in keys), "never a key"


def test_clients(site, page):
    request, key = site.folder / "line-1.csr", site.folder / "line-1.key"
    openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, "-subj", "/CN=line-1")
    to(page, "Clients")
    page.click("New client")
    page.fill("Name", "line-1")
    page.choose("Kind", "station")
    page.js("const e = document.querySelector('dialog textarea'); e.value = arguments[0]; e.dispatchEvent(new Event('input', {bubbles: true}))",
            request.read_text())
    page.click("Create")
    page.click("Save certificate")
    saved = page.until(lambda: next(page.downloads.glob("line-1.pem"), None), "the certificate as a file")
    page.until(lambda: "END CERTIFICATE" in saved.read_text(), "all of it")
    page.click("Close")
    page.says("station")
    year = time.gmtime(time.time() + 825 * 86400).tm_year
    page.says(f"{year}-")
    listed = site.daemon.json("client", "show", "line-1")
    assert listed["not_after"].startswith(str(year)) and listed["not_after"] in site.daemon.cli("client", "list").out
    site.station = (saved, key)


def test_objects(site, page):
    """Made over KMIP, seen on the page as they are."""
    to(page, "KMIP objects")
    page.says("No object yet")
    site.daemon.cli("client", "create", "disks", "--kind", "kmip", "-o", site.folder / "disks")
    kmip = (program("claviger"), "kmip", "--profile", site.folder / "disks")
    nasty = "<script>hack()</script> <b>bold</b> \u202egnp.exe\u202c & \"disk\""  # without an =, which would make it a structure
    key = run([*kmip, "create", "aes", "256", "--name", nasty, "--activate"]).out.strip()
    pair = run([*kmip, "--json", "create-pair", "ec", "P-256", "--name", "signer", "--activate"]).json
    to(page, "System")
    to(page, "KMIP objects")
    page.says("3 of 3")
    page.says(nasty)
    page.fill("Search objects", "signer-pr")
    page.says("1 shown")
    to(page, "signer-private")
    page.says("disks")
    to(page, pair["public"], "signer-public")
    page.says(f"LinkType=PrivateKeyLink, LinkedObjectIdentifier={pair['private']}")
    page.at(f"#/kmip/{key}")
    page.heading(nasty)
    page.says("DigestValue=***")
    assert page.js("return document.querySelectorAll('main script, main b').length") == 0
    page.at("#/kmip/nobody")
    page.says("no object 'nobody'")
    page.messages()


class Station:
    """What claviger-provision says to the server, with the certificate that was made on the page."""

    def __init__(self, site):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.load_cert_chain(*site.station)
        self.connection = http.client.HTTPSConnection("127.0.0.1", site.port, context=context, timeout=20)

    def call(self, method, path, body):
        self.connection.request(method, path, json.dumps(body), {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        text = answer.read().decode()
        assert answer.status < 300, (path, answer.status, text)

    def provision(self, node, batch, code=0):
        run, now = str(uuid.uuid4()), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        where = {"config_id": CONFIG, "revision": 1, "batch": batch}
        self.call("POST", "/v1/line/runs", {"run": run, "operation": "PROVISION", "operator": "deniz", "port": "/dev/ttyUSB0", **where})
        self.call("PUT", f"/v1/line/devices/{node}", {"run": run, "time": now, "key": "5a" * 384, "kcv": "0011223344556677", "applications": [], **where})
        self.call("POST", f"/v1/line/runs/{run}/end", {
            "return_code": code, "node_id": node, "node_type": "UNODE", "hardware": "K170", "versions_before": {"node": "1.0"},
            "versions_after": {"node": "2.0"}, "locked": True, "seconds": 12.5})


@pytest.fixture(scope="module")
def package(site):
    """A package as an operator and a packager make it; the daemon is the operator, too."""
    folder = site.folder / "package"
    folder.mkdir()
    run([SOURCE / "examples/package/make-files", folder, "--firmware", 2000])
    next(folder.glob("node-*.bin")).write_bytes(os.urandom(2_500_000))  # more than one piece of an upload
    site.daemon.cli("network", "export-gateway-keys", NETWORK, "-o", folder / "gw_keys.csv.aes")
    site.daemon.cli("server", "public-key", "-o", folder / "kms_key.pub.pem")
    run([program("claviger"), "package", "key", "-o", folder / "packager"])
    run([program("claviger"), "package", "build", folder / "manifest.toml", "-o", folder / "provPackage.tar.gz", "--key", folder / "packager.key"])
    return folder


def send_package(page, file, passphrase, comment):
    page.fill("File", str(file))
    page.fill("Passphrase", passphrase)
    page.fill("Comment", comment)
    page.click("Send and verify")


def test_import_a_package(site, page, package):
    to(page, "Import")
    page.says("Nobody is trusted yet")
    page.click("Trust another")
    page.fill("Name", "packaging-server")
    page.js("const e = document.querySelector('dialog textarea'); e.value = arguments[0]; e.dispatchEvent(new Event('input', {bubbles: true}))",
            (package / "packager.pub.pem").read_text())
    page.click("Trust")
    page.until(lambda: not page.js("return !!document.querySelector('dialog')") and "packaging-server" in page.text(), "the packager")

    send_package(page, package / "provPackage.tar.gz", "not the passphrase", "no")
    alert = page.find("[role=alert]").text
    assert "passphrase" in alert.lower(), alert
    broken = package / "broken.tar.gz"
    whole = (package / "provPackage.tar.gz").read_bytes()
    broken.write_bytes(whole[:len(whole) // 2])
    send_package(page, broken, PASSPHRASE, "no")
    page.find("[role=alert]")
    to(page, "Overview")
    page.says("No package yet")

    to(page, "Import")
    send_package(page, package / "provPackage.tar.gz", PASSPHRASE, NASTY)
    page.says("What is inside")
    page.says(CONFIG)
    page.picture(PICTURES / "daemon-import.png")
    page.click("Cancel")
    page.named("Send and verify")
    send_package(page, package / "provPackage.tar.gz", PASSPHRASE, "left")
    page.says("What is inside")
    waiting = lambda: next(q["waiting"] for q in site.daemon.json("status")["queues"] if q["queue"] == "imports")
    assert waiting() == 1
    page.driver.refresh()  # and so is one whose window was closed or loaded anew
    page.until(lambda: waiting() == 0, "nothing to wait for a decision")
    page.named("Send and verify")
    send_package(page, package / "provPackage.tar.gz", PASSPHRASE, NASTY)
    page.says("What is inside")
    page.click("Import")
    page.until(lambda: CONFIG in page.driver.current_url, "the package's page")
    page.settled()
    page.says(NASTY)
    page.says("Revision 1")
    assert page.js("return window.hacked") is None
    page.click("Download kms_key.pub.pem")
    saved = page.until(lambda: next(page.downloads.glob("kms_key.pub.pem"), None), "a file of the package")
    page.until(lambda: saved.read_bytes() == (package / "kms_key.pub.pem").read_bytes(), "all of it")
    to(page, "Overview")
    page.says(CONFIG)

    to(page, "Import")
    send_package(page, package / "provPackage.tar.gz", PASSPHRASE, "")
    page.says("as revision 1")
    page.says("the very same package")
    page.click("Cancel")
    page.named("Send and verify")


def test_line_live(site, page, package):
    to(page, "Line")
    page.until(lambda: page.js("return document.querySelector('.lead').textContent") == "live", "events")
    station = Station(site)
    for n in range(12):
        station.provision(f"0x{0x20000 + n:08x}", 1000 + n // 10, 4 if n == 5 else 0)
    page.says("0x0002000b")  # the last one, as it happened
    page.until(lambda: "11 runs passed and 1 failed" in page.text(), "the figures to follow")
    page.says("no communication with the device")
    page.says("line-1")
    page.picture(PICTURES / "daemon-line.png")
    page.click("4")
    page.heading("Devices")
    page.settled()
    page.says("0x00020005")
    page.click("0x00020005")
    page.says("provision: code 4")
    page.says("UNODE hardware K170")
    page.says("0011223344556677")


def test_export(site, page, package):
    to(page, "Export")
    page.says("Nothing was exported yet")
    page.fill("Batches", "1000")
    page.click("Count")
    page.says("9 devices would be exported")
    page.click("Export")
    page.says("Export 1 holds 9 devices")
    saved = page.until(lambda: next(page.downloads.glob("device_keys*.xml"), None), "device_keys.xml")
    page.until(lambda: "</deviceKeys>" in saved.read_text(), "all of it")
    assert saved.read_text().count("<device ") == 9
    page.fill("Batches", "")
    page.click("Count")
    page.says("2 devices would be exported")
    page.click("Repeat export 1")
    page.until(lambda: len(list(page.downloads.glob("device_keys*.xml"))) == 2, "the same again")
    to(page, "Devices")
    page.choose("Exported", "no")
    page.until(lambda: "0x0002000a" in page.text() and "0x00020000" not in page.text(), "devices never exported")


def test_audit(site, page):
    while site.daemon.json("status")["keeper"]["records"] <= 120:  # more than a page of them
        site.daemon.cli("network", "rotate", NETWORK, "--key", "gateway")
    to(page, "Audit")
    page.says("Audit records, newest first")
    page.click("Verify")
    page.says("Whole, from the first record to the last")
    records = "return [...document.querySelectorAll('tbody tr')].map((r) => r.innerText)"
    page.until(lambda: len(page.js(records)) == 100, "the newest hundred")
    page.fill("Search records", "MIRA")
    page.until(lambda: page.js(records) and all("mira" in r for r in page.js(records)), "only what says mira")
    page.says("user-created")
    page.choose("Kind", "package-imported")
    page.says("No record fits")
    page.click("Clear")
    page.choose("Kind", "start")
    page.says("clavigerd")
    page.fill("Actor", "nobody")
    page.says("The whole chain was searched")
    page.click("Clear")
    page.until(lambda: len(page.js(records)) == 100, "the newest hundred")
    page.click("Show more")
    page.until(lambda: len(page.js(records)) > 100 and page.js(records)[-1].startswith("1\t"), "the first of all")


def queues(page):
    """What stands under Queues: {name: how many wait}."""
    return page.js("return Object.fromEntries([...document.querySelectorAll('table')].find((t) => t.caption.textContent === 'Queues')"
                   ".querySelectorAll('tbody tr').values().map((r) => [...r.cells].slice(0, 2).map((c) => c.textContent)))")


def test_system_and_backup(site, page):
    to(page, "System")
    page.says("ready")
    page.says("packages in ")
    # a request of the page itself may be waiting while the daemon counts
    idle = {"requests": "0", "requests of stations": "0", "jobs": "0", "commits to the store": "0", "imports to be decided upon": "0"}
    page.until(lambda: {name: waiting for name, waiting in queues(page).items() if name != "files on their way"} == idle, "queues with nothing in them")
    assert queues(page)["files on their way"].isdigit()
    page.click("Back up")
    page.until(lambda: "the backup is made" in page.text(), "the backup")
    backed_up = "return [...document.querySelectorAll('section')].some((s) => /^Jobs/.test(s.innerText) && /backup\\b[^]*done/.test(s.innerText))"
    page.until(lambda: page.js(backed_up), "the job among the jobs, told by the daemon")
    to(page, "Users")
    to(page, "System")
    page.until(lambda: page.js(backed_up), "the job among those of before")
    page.until(lambda: any(f.stat().st_size > 100_000 and f.suffix != ".crdownload" for f in page.downloads.iterdir()), "the backup as a file")
    page.picture(PICTURES / "daemon-system.png")
