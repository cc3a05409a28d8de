"""claviger-provision cut at any point: the cable, the power, the server, the client. The next run finishes what was begun, and there is one
identity each time.
"""

import socket
import subprocess
import time

import pytest

from harness import run
from line_harness import NODE, Line


@pytest.fixture
def line(tmp_path):
    made = Line(tmp_path)
    yield made
    made.close()


# ---------------------------------------------------------------- cut at any point


def finish(line, device):
    """The next run ends well, and the one after it finds the device's key and the server's the same."""
    line.provision(device.pty)
    keyings = line.server.count("PUT", "/devices/")
    record = dict(line.server.devices[NODE])
    line.provision(device.pty)
    assert line.server.count("PUT", "/devices/") == keyings
    assert line.server.devices[NODE]["root"] == record["root"] and record["state"] == "provisioned"


# bytes on the line: identify, look, firmware, configuration, and then closely: keys, activation, lock
@pytest.mark.parametrize("at", [1, 40, 300, 9000, 20000, 31000, 32700, 33100, 33300, 33500, 33700, 33900, 34300, 35000])
def test_the_cable_is_pulled(line, at):
    device = line.device("--cut", str(at))
    answer = run(line.args(device.pty), status=None, timeout=200)
    assert answer.status in (0, 4, 36, 68), str(answer)
    device.restart()
    finish(line, device)
    line.no_secret_anywhere()


@pytest.mark.parametrize("after", [12, 40, 48, 52, 55, 58, 61])
def test_power_is_lost(line, after):
    """Nothing comes any more after so many answers; then the device starts anew with the flash it had."""
    device = line.device("--silent-after", str(after))
    answer = run(line.args(device.pty), status=None, timeout=200)
    assert answer.status in (0, 4), str(answer)
    device.restart()
    finish(line, device)


@pytest.mark.parametrize("route", ["/config", "POST /v1/line/runs", "/gateway-keys", "GET /v1/line/devices", "PUT ", "/end"])
def test_the_server_goes(line, route):
    """The connection is cut in the request, and for good; a recorded key is never lost, a lost one never used."""
    def cut(handler):
        if route == "PUT ":
            line.server.report(NODE, handler.body)  # it is recorded, but the station never hears of it
        handler.connection.shutdown(socket.SHUT_RDWR)
        handler.close_connection = True

    device = line.device()
    line.server.faults[route] = cut
    line.provision(device.pty, code=100)
    line.server.faults.clear()
    finish(line, device)
    line.no_secret_anywhere()


def test_a_slow_server_is_waited_for(line):
    def slow(handler):
        time.sleep(2)
        return False

    line.server.faults["/config"] = slow
    line.provision(line.device().pty)


def test_the_client_is_killed(line):
    device = line.device("--delay", "5")
    for after in (0.3, 0.6, 0.9, 1.2, 1.5):
        client = subprocess.Popen([str(a) for a in line.args(device.pty)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(after)
        client.kill()
        client.wait()
    finish(line, device)


def test_noise_on_the_line(line):
    device = line.device("--noise", "0.0001", "--lose", "0.00003", "--double", "0.00003", wrapper="none")
    line.provision(device.pty)
    assert line.server.devices[NODE]["state"] == "provisioned"


def test_nothing_is_left_in_the_folders(line):
    """What the client writes: the files by their hash, and the log."""
    device = line.device()
    line.provision(device.pty)
    names = {p.name for p in (line.folder / "cache").iterdir()}
    assert all(len(n) == 64 for n in names) and len(names) == 4
    assert oct((line.folder / "cache").stat().st_mode)[-3:] == "700"
    log = line.log.read_text()
    assert "return code" in log or "ended with 0" in log
    line.no_secret_anywhere()
