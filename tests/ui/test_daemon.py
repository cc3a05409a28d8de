"""The pages of a real daemon, over HTTPS as people get them. The tests of this file follow on one another."""

import json
import re
import time

import pytest
from browser import Browser
from conftest import PICTURES
from harness import Daemon, NETWORK, PASSPHRASE, REALM, free_port, openssl

TRANSFER_MAX = 100 * 1024
PASSWORD = "orbit candle maple nineteen"


class Site:
    """A daemon, and who is who at it."""

    def __init__(self, folder):
        self.folder = folder
        self.port = free_port()
        self.daemon = Daemon(folder, diameter=False, settings={"https.listen": f"127.0.0.1:{self.port}", "factory.enabled": "yes"})
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
    from conftest import SOURCE
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
    site.station = (saved, key)


def test_audit(page):
    to(page, "Audit")
    page.says("Audit records, newest first")
    page.click("Verify")
    page.says("Whole, from the first record to the last")
    page.fill("Search these records", "mira")
    page.says("user-created")


def test_system_and_backup(site, page):
    to(page, "System")
    page.says("ready")
    page.click("Back up")
    page.until(lambda: any(f.suffix != ".crdownload" and "claviger" in f.name for f in page.downloads.iterdir()), "the backup as a file")
    page.picture(PICTURES / "daemon-system.png")
