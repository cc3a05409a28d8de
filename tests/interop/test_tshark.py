"""tshark decodes what goes over the wire: nothing malformed, nothing unknown, in requests, answers and refusals."""

import os
import re
import shutil
import socket
import struct
import subprocess
import time

import pytest

from harness import NETWORK, REALM, Daemon, run, wait_for

if shutil.which("tshark") is None or shutil.which("dumpcap") is None:
    pytest.skip("no tshark: install tshark", allow_module_level=True)

NODE = 0x00010200
GATEWAY = f"gw5.{REALM}"
HOST = "server.test"


@pytest.fixture(scope="module")
def served(folder, daemons):
    daemon = Daemon(folder / "operator", host=HOST)
    daemons.append(daemon)
    daemon.init()
    daemon.start()
    daemon.make_network()
    daemon.cli("node", "generate", NETWORK, "--ids", f"0x{NODE:08x}-0x{NODE + 9:08x}", "--batch", "1")
    daemon.cli("gateway", "create", GATEWAY, "--network", NETWORK, "--plain", "-o", folder / "gw5")
    conf = folder / "gw5" / "diameter_client.conf"
    text = conf.read_text()
    conf.write_text(re.sub(r"^PeerTable\.0\.URI=.*$", f"PeerTable.0.URI=aaa://127.0.0.1:{daemon.port}", text, flags=re.M))
    daemon.conf = conf
    return daemon


@pytest.fixture(scope="module")
def capture(folder, served):
    """Everything on the Diameter port while the tests before `stop` run."""
    path = folder / "lo.pcapng"
    dumpcap = subprocess.Popen(["dumpcap", "-q", "-i", "lo", "-f", f"tcp port {served.port}", "-w", path],
                               stderr=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: path.exists() or dumpcap.poll() is not None, "dumpcap to start")
        if dumpcap.poll() is not None:
            pytest.skip(f"nothing can be captured here: {dumpcap.stderr.read()[-200:]}")
        time.sleep(0.3)
        talk(served)
        time.sleep(0.5)
    finally:
        dumpcap.terminate()
        dumpcap.wait()
    return path


def talk(served):
    served.kmc("--refresh", "gateway", config=served.conf)
    served.kmc("--refresh", "cdld", config=served.conf)
    served.kmc("--refresh", "node", *[f"0x{NODE + i:08x}" for i in range(10)], config=served.conf)
    served.kmc("--refresh", "node", "0x0badcafe", config=served.conf, status=None)
    served.kmc("--refresh", "--key-version", "77", "gateway", config=served.conf, status=None)
    raw_client(served)


# A client of a few lines that sends what claviger-kmc never would.

M = 0x40


def avp(code, data, flags=M):
    if isinstance(data, int):
        data = struct.pack(">I", data)
    if isinstance(data, str):
        data = data.encode()
    return struct.pack(">IBBH", code, flags, 0, 8 + len(data)) + data + bytes(-len(data) % 4)


def message(command, app, avps, flags=0xC0, number=[1]):
    number[0] += 1
    body = b"".join(avps)
    return struct.pack(">II", 1 << 24 | 20 + len(body), flags << 24 | command) + struct.pack(
        ">III", app, number[0], number[0]) + body


def origin(host=GATEWAY):
    return [avp(264, host), avp(296, REALM)]


def cer(host=GATEWAY, app=2):
    return message(257, 0, origin(host) + [avp(257, b"\0\1\x7f\0\0\1"), avp(266, 0), avp(269, "raw", 0), avp(258, app)],
                   flags=0x80)


def amr(user, *more, drop=None, realm="claviger.example"):
    mn = avp(341, 256) + avp(338, 4) + avp(339, 0) + avp(340, 4)
    avps = {263: avp(263, f"{GATEWAY};1;2"), 258: avp(258, 2), 1: avp(1, user), 283: avp(283, realm),
            264: avp(264, GATEWAY), 296: avp(296, REALM), 320: avp(320, b"KMS1"), 322: avp(322, mn), 337: avp(337, 32)}
    avps.pop(drop, None)
    return message(260, 2, [*avps.values(), *more])


def receive(link):
    head = b""
    while len(head) < 20:
        piece = link.recv(20 - len(head))
        if not piece:
            return None
        head += piece
    length = struct.unpack_from(">I", head)[0] & 0xFFFFFF
    while len(head) < length:
        head += link.recv(length - len(head))
    return head


def result(answer):
    """The Result-Code of a message, which is among its first AVPs or not there."""
    at = 20
    while at + 8 <= len(answer):
        code, rest = struct.unpack_from(">II", answer, at)
        if code == 268:
            return struct.unpack_from(">I", answer, at + 8)[0]
        at += (rest & 0xFFFFFF) + 3 & ~3
    return None


def raw_client(served):
    """Every kind of refusal, and goodbye."""
    with socket.create_connection(("127.0.0.1", served.port), 10) as link:
        def ask(request):
            link.sendall(request)
            return result(receive(link))
        node = f"{NODE:08x}@node.{REALM}"
        assert ask(cer()) == 2001
        assert ask(message(280, 0, origin(), flags=0x80)) == 2001
        assert ask(amr(node)) == 2001
        assert ask(amr("nonsense")) == 5004
        assert ask(amr(f"0badcafe@node.{REALM}")) == 5003
        assert ask(amr(node, realm="elsewhere.example")) == 3003
        assert ask(amr(node, drop=320)) == 5005
        assert ask(amr(node, avp(9999, b"?"))) == 5001
        assert ask(message(999, 2, origin())) == 3001
        assert ask(message(260, 77, origin())) == 3007
        assert ask(message(275, 2, [avp(263, "s;1;2"), *origin(), avp(283, "claviger.example"), avp(258, 2),
                                    avp(295, 1)])) in (2001, 3001)
        assert ask(cer()) == 5012
        link.sendall(message(282, 0, origin() + [avp(273, 0)], flags=0x80))
        assert result(receive(link)) == 2001
    for request, code in ((cer("stranger.example"), 3010), (cer(app=77), 5010)):
        with socket.create_connection(("127.0.0.1", served.port), 10) as link:
            link.sendall(request)
            assert result(receive(link)) == code


def tshark(served, capture, *args):
    return run(["tshark", "-r", capture, "-d", f"tcp.port=={served.port},diameter", *args]).out


def test_nothing_malformed(served, capture):
    # what tshark finds wrong is marked in the tree; a zero-filled AVP of a Failed-AVP is not
    bad = tshark(served, capture, "-Y", "diameter && (_ws.malformed || _ws.expert.severity == error)", "-V")
    assert bad == "", bad[:6000]


def test_every_byte_is_diameter(served, capture):
    """Every segment with data belongs to a Diameter message."""
    other = tshark(served, capture, "-Y", "tcp.len > 0 && !diameter && !tcp.reassembled_in")
    assert other == "", other[:3000]


def test_everything_was_seen(served, capture):
    shown = tshark(served, capture, "-Y", "diameter", "-T", "fields", "-e", "diameter.cmd.code",
                   "-e", "diameter.flags.request", "-e", "diameter.Result-Code", "-E", "occurrence=a", "-E", "separator=;")
    commands, codes = set(), set()
    for line in shown.splitlines():
        command, request, code = line.split(";")
        commands |= {*zip(command.split(","), request.split(","))}
        codes |= {int(c) for c in code.split(",") if c}
    for command in ("257", "260", "280", "282"):
        assert {(command, "0"), (command, "1")} <= commands | {(c, {"True": "1", "False": "0"}.get(r, r)) for c, r in commands}
    assert {2001, 3001, 3003, 3007, 3010, 4007, 5001, 5003, 5004, 5005, 5010, 5012} <= codes


def test_avps_are_known(served, capture):
    """Our answers have no AVP that tshark's dictionary does not know (but the one we refuse, in Failed-AVP)."""
    shown = tshark(served, capture, "-Y", "diameter.flags.request == 0", "-T", "fields", "-e", "diameter.avp.unknown",
                   "-e", "diameter.avp.code", "-E", "separator=;")
    unknown = [line for line in shown.splitlines() if line.split(";")[0] and "9999" not in line]
    assert unknown == []
