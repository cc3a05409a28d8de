"""freeDiameter as the gateway: keys over plain TCP, over TLS, and over TLS begun in-band."""

import re
import shutil
import socket
import subprocess

import pytest

from harness import NETWORK, REALM, Daemon, lines_of, run, shared

SERVER, GATEWAY = "server.test", "client.test"
NODE = 0x00010200

PEER = shared("peers", "freediameter")
if PEER is None:
    pytest.skip("no ../shared/peers/freediameter", allow_module_level=True)
for command in ("freeDiameterd", "certtool", "make", "gcc"):
    if shutil.which(command) is None:
        pytest.skip(f"no {command}: install freediameterd libfreediameter-dev gnutls-bin make", allow_module_level=True)


@pytest.fixture(scope="module")
def peer(folder):
    """The extension, built in a folder of ours, with freeDiameter's certificates of its own."""
    there = folder / "freediameter"
    shutil.copytree(PEER, there)
    made = run(["make", "-C", there], status=None)
    if made.status != 0:
        pytest.skip(f"the extension can't be built here: {made.err[-300:]}")
    run(["sh", there / "make_certs.sh"])
    return there


@pytest.fixture(scope="module")
def served(folder, daemons, peer):
    """A server that trusts two authorities: its own, and the one that freeDiameter's certificate comes from."""
    daemon = Daemon(folder / "operator", host=SERVER, gateway=f"gw1.{REALM}")
    daemons.append(daemon)
    daemon.init()
    properties = daemon.folder / "diameter_server.conf"
    text = properties.read_text()
    both = daemon.folder / "both.pem"
    ours = re.search(r"^TLS.CaFile=(.*)$", text, re.M)[1]
    both.write_text(open(ours).read() + (peer / "ca.pem").read_text())
    for name, file in (("CertificateFile", peer / "server.pem"), ("PrivateKeyFile", peer / "server.key"),
                       ("CaFile", both)):
        text = re.sub(rf"^TLS\.{name}=.*$", f"TLS.{name}={file}", text, flags=re.M)
    (peer / "server.key").chmod(0o600)
    properties.write_text(text)
    daemon.start()
    daemon.make_network()
    daemon.cli("node", "generate", NETWORK, "--ids", f"0x{NODE:08x}-0x{NODE + 99:08x}", "--batch", "1")
    daemon.cli("gateway", "create", GATEWAY, "--network", NETWORK, "--plain")
    return daemon


LINKS = {"plain": ("port", "No_TLS;"), "tls": ("tls_port", ""), "in-band": ("port", "TLS_old_method;")}


def ask(served, peer, link, options):
    """One run of freeDiameterd; gives what it logged."""
    port, tls = LINKS[link]
    config = peer / "client.conf"
    text = (peer / "client.conf.in").read_text()
    for name, value in (("@DIR@", str(peer)), ("@OPTS@", f"client,host={SERVER},realm=claviger.example,{options}"),
                        ("@PORT@", str(getattr(served, port))), ("@TLS@", tls)):
        text = text.replace(name, value)
    for name in ("Port", "SecPort"):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            text = re.sub(rf"\b{name} = \d+;", f"{name} = {s.getsockname()[1]};", text, count=1)
    config.write_text(text)
    done = subprocess.run(["timeout", "40", "freeDiameterd", "-c", config], cwd=peer, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, errors="replace")
    assert "AMR n=" in done.stdout, f"no answer:\n{done.stdout[-3000:]}"
    return done.stdout


def result(log):
    return [int(code) for code in re.findall(r"AMA result-code (\d+)", log)]


def keys(log):
    return {group: bytes.fromhex(digits) for group, digits in
            re.findall(r"(MIP-FA-to-\w+-MSA) MIP-Session-Key \d+ bytes ([0-9a-f]+)", log)}


@pytest.mark.parametrize("link", LINKS)
def test_gateway_and_code_download_key(served, peer, link):
    log = ask(served, peer, link, f"n=1,fv=96,user=gateway@{REALM}")
    heads = lines_of(served.keyring())[0]
    assert result(log) == [2001], log[-2000:]
    assert keys(log) == {"MIP-FA-to-MN-MSA": heads["gateway"], "MIP-FA-to-HA-MSA": heads["gateway_cdld"]}


def test_one_key_at_a_time(served, peer):
    heads = lines_of(served.keyring())[0]
    assert keys(ask(served, peer, "plain", f"n=1,fv=32,user=gateway@{REALM}")) == {"MIP-FA-to-MN-MSA": heads["gateway"]}
    assert keys(ask(served, peer, "plain", f"n=1,fv=64,user=gateway@{REALM}")) == {
        "MIP-FA-to-HA-MSA": heads["gateway_cdld"]}


@pytest.mark.parametrize("link", LINKS)
def test_node(served, peer, link):
    log = ask(served, peer, link, f"n=1,user={NODE:08x}@node.{REALM}")
    assert result(log) == [2001]
    assert keys(log) == {"MIP-FA-to-MN-MSA": lines_of(served.keyring())[1][NODE][0]}


@pytest.mark.parametrize("user, code", [
    (f"0badcafe@node.{REALM}", 5003), (f"nonsense@node.{REALM}", 5004), ("gateway@elsewhere.example", 5003),
    (f"{NODE + 1:08x}@node.{REALM}", 5003),
], ids=["unknown-node", "no-node-id", "unknown-network", "revoked"])
def test_refused(served, peer, user, code):
    served.cli("node", "revoke", NETWORK, f"0x{NODE + 1:08x}")
    log = ask(served, peer, "plain", f"n=1,user={user}")
    assert result(log) == [code] and keys(log) == {}, log[-2000:]


def test_network_not_allowed(served, peer):
    served.cli("gateway", "deny", GATEWAY, NETWORK)
    assert result(ask(served, peer, "plain", f"n=1,user=gateway@{REALM}")) == [5003]
    served.cli("gateway", "allow", GATEWAY, NETWORK)


def test_many(served, peer):
    """A thousand requests, a hundred of them under way at a time."""
    log = ask(served, peer, "tls", f"n=1000,win=100,user={NODE:08x}@node.{REALM}")
    assert re.search(r"answered=1000 errors=0", log), log[-1000:]


def test_links_that_want_protection(served, peer):
    """A gateway whose record wants TLS gets no key over a plain link."""
    served.cli("gateway", "remove", GATEWAY)
    served.cli("gateway", "create", GATEWAY, "--network", NETWORK)
    assert result(ask(served, peer, "plain", f"n=1,user=gateway@{REALM}")) == [5025]
    assert result(ask(served, peer, "tls", f"n=1,user=gateway@{REALM}")) == [2001]
    served.cli("gateway", "remove", GATEWAY)
    served.cli("gateway", "create", GATEWAY, "--network", NETWORK, "--plain")


def test_audited(served):
    assert {r["actor"] for r in served.records("release")} >= {GATEWAY}
    assert served.json("audit", "verify")["verified"]
