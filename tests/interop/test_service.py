"""The daemon as a service: its unit, notifications, signals, sandbox, secrets, metrics."""

import os
import re
import resource
import shutil
import signal
import socket
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from harness import (BUILD, NETWORK, PASSPHRASE, REALM, SOURCE, Daemon, children, open_files, program, run, wait_for)


@pytest.fixture(scope="module")
def served(folder, daemons):
    """Started as systemd would: with a socket for notifications."""
    daemon = Daemon(folder / "operator")
    daemons.append(daemon)
    daemon.init()
    daemon.notify = Notify(folder / "notify")
    daemon.spawn({"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "2000000"})
    daemon.notify.wait("READY=1")
    daemon.wait_ready()
    daemon.make_network()
    daemon.cli("node", "generate", NETWORK, "--ids", "0x00010200-0x0001020f", "--batch", "1")
    return daemon


class Notify:
    """The service manager's end: reads at once what comes, as systemd does."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.lines = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while True:
            self.lines += self.socket.recv(4096).decode().splitlines()

    def wait(self, line):
        wait_for(lambda: line in self.lines, line)


# The unit.


def test_unit(folder):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze")
    unit = folder / "clavigerd.service"
    text = (BUILD / "systemd" / "clavigerd.service").read_text()
    unit.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={program('clavigerd')}", text, flags=re.M))
    answer = run(["systemd-analyze", "verify", "--man=no", unit], status=None)
    complaints = [line for line in answer.err.splitlines() if "clavigerd.service" in line]
    assert complaints == [], answer
    score = run(["systemd-analyze", "security", "--offline=true", unit], status=None)
    print(score.out.splitlines()[-1] if score.out else score.err)
    exposure = re.search(r"exposure level for clavigerd.service: ([\d.]+)", score.out)
    assert exposure is None or float(exposure[1]) < 2.5


def test_ready(served):
    served.notify.wait("WATCHDOG=1")


# The three processes.


def test_three_processes(served):
    assert sorted(served.kids()) == ["engine", "keeper"]


def status_of(pid):
    return dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)


def test_no_core_dumps(served):
    for pid in (served.process.pid, *served.kids().values()):
        assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0), pid


def test_sandbox(served):
    for name, pid in served.kids().items():
        status = status_of(pid)
        assert status["Seccomp"].strip() == "2", name
        assert status["NoNewPrivs"].strip() == "1", name
        assert int(status["CapEff"], 16) == 0 or name == "engine", (name, status["CapEff"])


def test_keeper_holds_nothing_else(served):
    """Sockets to the engine and the supervisor, segments of the audit chain, and what the token's module opened."""
    keeper = served.kids()["keeper"]
    allowed = re.compile(r"^(socket:|pipe:|anon_inode:\[(eventpoll|eventfd|signalfd|timerfd)\]|/dev/null|/dev/urandom|"
                         + re.escape(str(served.log)) + "|" + re.escape(str(served.state / "audit")) + "/|"
                         + re.escape(str(served.folder / "token")) + ")")
    files = open_files(keeper)
    for target in files:
        assert allowed.match(target), target
    # none of its sockets is one of the network
    inodes = {m[1] for target in files if (m := re.match(r"socket:\[(\d+)\]", target))}
    for table in ("tcp", "tcp6", "udp", "udp6"):
        rows = Path(f"/proc/{keeper}/net/{table}").read_text().splitlines()[1:]
        assert not inodes & {row.split()[9] for row in rows}


def test_keeper_dies_alone_and_both_come_back(served):
    before = served.kids()
    os.kill(before["keeper"], signal.SIGKILL)

    def other():
        now = served.kids()
        return len(now) == 2 and now["keeper"] != before["keeper"] and now["engine"] != before["engine"]
    wait_for(other, "keeper and engine to be started anew")
    served.wait_ready()
    served.kmc("--refresh", "gateway")


def test_no_secret_shows(served):
    """Neither PIN nor passphrase in a log, an argument, or an environment."""
    secrets = [served.folder.joinpath("token-pin").read_bytes().strip(), PASSPHRASE.encode()]
    places = [served.log]
    for pid in (served.process.pid, *served.kids().values()):
        places += [Path(f"/proc/{pid}/cmdline"), Path(f"/proc/{pid}/environ")]
    places += sorted((served.state / "audit").iterdir())
    places += [p for p in (served.state / "store").iterdir()]
    for place in places:
        data = place.read_bytes()
        for secret in secrets:
            assert len(secret) > 8 and secret not in data, place


def test_no_key_at_rest_in_clear(served):
    keys = [part for line in served.keyring().splitlines() for part in [bytes.fromhex(line.split(b", 0x")[1].split(b",")[0].decode())]]
    assert len(keys) == 20
    for place in [*(served.state / "store").iterdir(), *(served.state / "audit").iterdir(), *(served.state / "spool").iterdir()]:
        data = place.read_bytes()
        for key in keys[1:]:
            assert key not in data and key.hex().encode() not in data, place


def test_pin_from_the_environment(folder, daemons, served):
    """It is gone from the environment of all three when they serve."""
    daemon = Daemon(folder / "pin", diameter=False, settings={"token.pin": "env:TOKEN_PIN", "metrics.listen": ""})
    daemons.append(daemon)
    sets = [a for name, value in daemon.given.items() for a in ("--set", f"{name}={value}")]
    pin = {"TOKEN_PIN": "environment-pin-42"}
    run([program("clavigerd"), "init", "--config", daemon.config, *sets], env=pin)
    daemon.start(pin)
    for process in (daemon.process.pid, *daemon.kids().values()):
        assert b"environment-pin-42" not in Path(f"/proc/{process}/environ").read_bytes()
    daemon.stop()


def test_pin_from_a_credential(folder, daemons):
    daemon = Daemon(folder / "credential", diameter=False,
                    settings={"token.pin": "credential:token-pin", "metrics.listen": ""})
    daemons.append(daemon)
    credentials = folder / "credentials"
    credentials.mkdir()
    (credentials / "token-pin").write_text("credential-pin-42\n")
    (credentials / "token-pin").chmod(0o400)
    given = {"CREDENTIALS_DIRECTORY": str(credentials)}
    sets = [a for name, value in daemon.given.items() for a in ("--set", f"{name}={value}")]
    run([program("clavigerd"), "init", "--config", daemon.config, *sets], env=given)
    daemon.start(given)
    assert daemon.stop() == 0


# Signals.


def test_reload(served, folder):
    """SIGHUP: a new gateway of the peer table may connect; who is connected stays connected."""
    fresh = f"gw7.{REALM}"
    properties = served.folder / "diameter_server.conf"
    before = len(served.json("gateway", "list")["gateways"])
    connected = socket.create_connection(("127.0.0.1", served.port), 5)
    served.cli("gateway", "create", f"gw6.{REALM}", "--network", NETWORK, "--plain")
    from test_tshark import avp, message, receive, result
    def origin(host):
        return [avp(264, host), avp(296, REALM)]
    connected.sendall(message(257, 0, origin(f"gw6.{REALM}") + [avp(257, b"\0\1\x7f\0\0\1"), avp(266, 0),
                                                                avp(269, "raw", 0), avp(258, 2)], flags=0x80))
    assert result(receive(connected)) == 2001
    with open(properties, "a") as f:
        f.write(f"PeerTable.1.URI=aaas://{fresh}\nPeerTable.1.Realm={REALM}\n")
    served.process.send_signal(signal.SIGHUP)
    wait_for(lambda: fresh in [g["host"] for g in served.json("gateway", "list")["gateways"]], "the new gateway")
    assert len(served.json("gateway", "list")["gateways"]) == before + 2
    connected.sendall(message(280, 0, origin(f"gw6.{REALM}"), flags=0x80))
    assert result(receive(connected)) == 2001
    connected.close()
    served.notify.wait("RELOADING=1")
    assert served.records("config-reloaded")


def test_metrics(served):
    base = f"http://127.0.0.1:{served.metrics_port}"
    served.kmc("--refresh", "node", "0x00010200")
    text = urllib.request.urlopen(f"{base}/metrics", timeout=5).read().decode()
    assert re.search(r"^claviger_diameter_answer_seconds_bucket\{.*le=\"\+Inf\"\} [1-9]", text, re.M), text[:3000]
    assert 'claviger_diameter_answers_total{result="2001"}' in text
    names = set(re.findall(r"^(claviger_\w+?)(?:_bucket|_sum|_count)?(?:\{| )", text, re.M))
    documented = (SOURCE / "docs" / "operation.md").read_text()
    assert [n for n in names if n not in documented] == [], "docs/operation.md does not name these"
    promised = set(re.findall(r"claviger_\w+", documented.split("## Monitoring")[1].split("\n## ")[0]))
    missing = [n for n in promised - names if not n.startswith("claviger_kmip_")]  # this daemon serves no KMIP
    assert missing == [], "docs/operation.md names these, and they are not there"
    assert re.search(r"^claviger_net_accepted_total [1-9]", text, re.M)
    for path, headers, wanted in (("/", {}, 404), ("/v1/status", {}, 404), ("/metrics", {"Host": "evil.example"}, None),
                                  ("/metrics", {"Origin": "http://evil.example"}, None)):
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(urllib.request.Request(base + path, headers=headers), timeout=5)
        assert refusal.value.code == wanted or (wanted is None and refusal.value.code in (400, 403, 421))


def test_socket_is_private(served):
    mode = served.socket.stat().st_mode & 0o777
    assert mode & 0o007 == 0, oct(mode)


def test_stop(served):
    """SIGTERM: gateways are told, the chain is closed in order, everything ends with status 0."""
    from test_tshark import avp, message, receive, result
    link = socket.create_connection(("127.0.0.1", served.port), 5)
    host = [avp(264, f"gw6.{REALM}"), avp(296, REALM)]
    link.sendall(message(257, 0, host + [avp(257, b"\0\1\x7f\0\0\1"), avp(266, 0), avp(269, "raw", 0), avp(258, 2)], flags=0x80))
    assert result(receive(link)) == 2001
    served.process.send_signal(signal.SIGTERM)
    goodbye = receive(link)
    assert goodbye is not None and int.from_bytes(goodbye[5:8], "big") == 282, goodbye
    link.sendall(message(282, 0, [avp(268, 2001), *host], flags=0))
    assert served.process.wait(30) == 0
    served.notify.wait("STOPPING=1")
    shown = run([program("claviger"), "--json", "audit", "show", "--directory", served.state / "audit", "--last", "3"]).json
    assert shown["records"][-1]["kind"] in ("stop", "head-signature")
    assert "stop" in [r["kind"] for r in shown["records"]]
    verdict = run([program("claviger"), "--json", "audit", "verify", "--directory", served.state / "audit", "--key",
                   served.state / "kms_key.pub.pem"]).json
    assert verdict["verified"] and verdict["torn_bytes"] == 0
    assert not served.socket.exists()
