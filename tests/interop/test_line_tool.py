"""A factory's own tool on libclaviger-line, in Python, and the stages of claviger-provision with the simulated gateway: both with a real
server, an operator's network and devices that join it.
"""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from circle_harness import CONFIG, Circle, Nodes, Station
from harness import BUILD, NETWORK, SOURCE, openssl, program, run

TOOL = """
import json, logging, sys, time
import claviger_line
port, profile, cache, config, host, server_port = sys.argv[1:]
config, server_port = int(config, 16), int(server_port)
logging.basicConfig(level=logging.INFO, stream=sys.stderr)
log = logging.getLogger("tool")
stages = []
conn = claviger_line.Connection(port)
code = claviger_line.provision(conn, log, True, config, host, server_port, batch=42, profile=profile, cache=cache,
                               progress=lambda stage, done, total: stages.append(stage))
server = claviger_line.ProvisioningServerInterface(log, server=host, port=server_port, profile=profile, cache=cache)
cfg = server.getConfig(None, None, config)
key = bytes(range(16))
sealed = claviger_line.EncryptKeyInfo(cfg.kms_pub_key, key)
server.setDutParams(int(time.time()), config, 42, conn.node_id, ["host-2"], ["abcd"], [sealed], ["0badcafe"])
files = [f.firmware_path for f in cfg.app_files]
assert conn.locked and conn.keyed and not conn.text
print(json.dumps({"code": code, "names": cfg.app_names, "sizes": [len(open(f, "rb").read()) for f in files], "sealed": sealed,
                  "stages": sorted(set(stages))}))
"""


@pytest.fixture(scope="module")
def circle(tmp_path_factory):
    made = Circle(tmp_path_factory.mktemp("tool")).start()
    try:
        made.build()
        made.take_package()
        yield made
    finally:
        made.stop()


def test_a_python_tool_provisions_node_and_host(circle, tmp_path):
    station = Station(circle, "line-python")
    nodes = Nodes(tmp_path / "nodes", 0x00C00001).start()
    try:
        done = subprocess.run(
            [sys.executable, "-c", TOOL, str(nodes.ports()[0]), str(station.folder), str(tmp_path / "cache"), CONFIG, "localhost",
             str(circle.factory.https_port)], capture_output=True, text=True, timeout=120,
            env={**os.environ, "CLAVIGER_LINE_LIBRARY": str(BUILD / "src/line/libclaviger-line.so.1"),
                 "PYTHONPATH": str(SOURCE / "src/line/python"), "PYTHONDONTWRITEBYTECODE": "1"})
    finally:
        nodes.stop()
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["code"] == 0 and told["names"] == ["emcm"] and told["sizes"][0] > 0 and "activate" in told["stages"]
    assert circle.devices("--state", "provisioned")["0x00c00001"]["batch"] == 42
    # both hosts are in the operator's file: the one that the client keyed, and the tool's
    tree = ElementTree.parse(circle.export("python.xml", "--nodes", "0x00c00001"))
    space = {"k": "urn:claviger:device-keys:1"}
    (device,) = tree.findall(".//k:device", space)
    applications = {a.get("name"): a for a in device.findall("k:application", space)}
    assert set(applications) == {"emcm", "host-2"}
    assert applications["host-2"].get("id") == "abcd"
    assert applications["host-2"].findtext("k:key", None, space) == told["sealed"]
    assert applications["host-2"].findtext("k:extra", None, space) == "0badcafe"
    assert circle.operator.json("batch", "import", NETWORK, circle.folder / "python.xml")["new"] == 1


def test_stages_with_a_gateway(circle, tmp_path):
    """The device has a key of the test network from its maker, joins between the stages, and gets its own in the last one."""
    node = 0x00C00100
    station = Station(circle, "line-stages")
    circle.operator.cli("node", "generate", NETWORK, "--ids", f"0x{node:08x}-0x{node:08x}", "--batch", "7")
    keyring = tmp_path / "keyring.csv"
    keyring.write_bytes(circle.operator.keyring(NETWORK))
    keyring.chmod(0o600)
    address = circle.start_gateway()
    host, port = address.split(":")
    nodes = Nodes(tmp_path / "nodes", node, keyring=keyring, gateway=address).start()
    over = ["-g", host, "--control_port", port]
    try:
        station.provision(nodes, *over, "PRETEST")
        assert circle.devices("--state", "pretested")[f"0x{node:08x}"]["state"] == "pretested"
        station.provision(nodes, *over, "CHECKCONFIG")
        station.provision(nodes, *over, "-t", "60", "POSTTEST", timeout=100)
    finally:
        nodes.stop()
        circle.gateway.terminate()
        circle.gateway.wait(10)
        circle.gateway = None
    device = circle.devices("--state", "provisioned")[f"0x{node:08x}"]
    assert device["return_code"] == 0
    # what it joins with from now on is the key that the factory gave it
    path = circle.export("stages.xml", "--nodes", f"0x{node:08x}")
    assert circle.operator.json("batch", "import", NETWORK, path)["reprovisioned"] == 1
    # the gateway has the old key in its cache still, and asks for the new one when the proof does not fit
    cached = run([program("claviger-kmc"), "--config", circle.operator.folder / "diameter_client.conf", "cache"]).out
    assert f"{node:08x}" in cached
    address = circle.start_gateway()
    try:
        said = run([program("claviger-sim"), "join", "--gateway", address, "--state", nodes.state]).out
        assert f"0x{node:08x} joined" in said
    finally:
        circle.gateway.terminate()
        circle.gateway.wait(10)
        circle.gateway = None


def test_stations_that_are_not_let_in(circle, tmp_path):
    """Each is told what is wrong with its certificate."""
    station = Station(circle, "line-out")
    nodes = Nodes(tmp_path / "nodes", 0x00C00200).start()
    cert, key = station.folder / "cert.pem", station.folder / "key.pem"
    try:
        circle.factory.cli("client", "disable", "line-out")
        said = station.provision(nodes, status=101)
        assert "does not admit this station's certificate" in said.out
        circle.factory.cli("client", "enable", "line-out")
        own = cert.read_bytes(), key.read_bytes()
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "1", "-subj", "/CN=line-out")
        said = station.provision(nodes, status=100)
        assert "alert unknown ca" in said.out
        cert.write_text("no certificate")
        assert "cert.pem" in station.provision(nodes, status=100).out
        cert.write_bytes(own[0])
        key.write_bytes(own[1])
        station.provision(nodes)
    finally:
        nodes.stop()
