"""A factory for tests: an operator and a factory, a packaging folder, and a station that speaks to the API by hand."""

import http.client
import json
import os
import socket
import time
import uuid
from pathlib import Path

import harness
from harness import NETWORK, SOURCE, Daemon, openssl, program, run, secret_file

CONFIG = "0x0000012345678abc"
ALIAS = "kite_170_node_637_dev_net"


class Factory:
    """Operator with a network, factory with its packager, packages of the example manifest."""

    def __init__(self, folder, daemons, settings=None):
        self.folder = Path(folder)
        self.operator = Daemon(self.folder / "operator", diameter=False)
        self.daemon = Daemon(self.folder / "factory", diameter=False, settings={"factory.enabled": "yes", **(settings or {})})
        daemons += [self.operator, self.daemon]
        self.site = self.folder / "packaging"
        self.passphrase = secret_file(self.folder, harness.PASSPHRASE)

    def start(self):
        for daemon in (self.operator, self.daemon):
            daemon.init()
            daemon.start()
        self.operator.make_network()
        run([SOURCE / "examples/package/make-files", self.site, "--firmware", 20000])
        self.operator.cli("server", "public-key", "-o", self.site / "kms_key.pub.pem")
        self.operator.cli("network", "export-gateway-keys", NETWORK, "-o", self.site / "gw_keys.csv.aes")
        run([program("claviger"), "package", "key", "-o", self.site / "packager"])
        return self

    def trust(self):
        self.daemon.cli("factory", "packager", "add", "acme", self.site / "packager.pub.pem")
        return self

    def build(self, name="p.tar.gz", edit=lambda text: text):
        manifest = self.site / f"{name}.toml"
        manifest.write_text(edit((self.site / "manifest.toml").read_text()))
        run([program("claviger"), "package", "build", manifest, "-o", self.site / name, "--key", self.site / "packager.key"])
        return self.site / name

    def import_(self, path, *args, status=harness.DONE, passphrase=None):
        return self.daemon.cli("--json", "factory", "import", path, "--passphrase-file", passphrase or self.passphrase,
                               "--yes", *args, status=status)

    def kms_encrypt(self, key):
        """RSA-OAEP with SHA-1 to the operator, as a station does it."""
        return openssl("pkeyutl", "-encrypt", "-pubin", "-inkey", self.site / "kms_key.pub.pem", "-pkeyopt",
                       "rsa_padding_mode:oaep", stdin=key, text=False).out


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)


class Caller:
    """One HTTP client: `call` gives status and JSON (or bytes)."""

    def __init__(self, connection):
        self.connection = connection

    def call(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        self.connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
        answer = self.connection.getresponse()
        content = answer.read()
        kind = answer.getheader("Content-Type") or ""
        return answer.status, json.loads(content) if content and kind.startswith("application/json") else content

    def must(self, method, path, body=None, status=200):
        got, answer = self.call(method, path, body)
        assert got == status, f"{method} {path}: {got} {answer}"
        return answer

    def job(self, path, body, state="done"):
        number = self.must("POST", path, body)["job"]
        while True:
            job = self.must("GET", f"/v1/jobs/{number}")
            if job["state"] in ("done", "failed"):
                assert job["state"] == state, job
                return job["result"] if state == "done" else job["error"]
            time.sleep(0.01)

    def upload(self, data):
        number = self.must("POST", "/v1/uploads")["upload"]
        for at in range(0, len(data), 1 << 20):
            self.connection.request("PUT", f"/v1/uploads/{number}?offset={at}", data[at:at + (1 << 20)])
            answer = self.connection.getresponse()
            answer.read()
            assert answer.status == 204
        return number


def admin(daemon):
    return Caller(UnixConnection(daemon.socket))


class Station(Caller):
    """Works on devices without having any."""

    def __init__(self, connection, factory, batch=1000):
        super().__init__(connection)
        self.factory, self.batch = factory, batch
        self.revision = 1

    def place(self):
        return {"config_id": CONFIG, "revision": self.revision, "batch": self.batch}

    def begin(self, operation="PROVISION", run=None):
        run = run or str(uuid.uuid4())
        self.must("POST", "/v1/line/runs", {"run": run, "operation": operation, "operator": "mira", **self.place()}, 201)
        return run

    def key(self, run, node, status=200, encrypted=None):
        encrypted = encrypted or self.factory.kms_encrypt(os.urandom(16))
        body = {"run": run, **self.place(), "time": "2026-11-21T12:00:00Z", "key": encrypted.hex(), "kcv": "00112233445566ff",
                "applications": [{"name": "emcm", "id": "0001f3a2", "key": "aa", "extra": "bb"}]}
        return self.must("PUT", f"/v1/line/devices/{node}", body, status)

    def end(self, run, code=0, node=None, status=200):
        body = {"return_code": code, "node_type": "UNODE", "hardware": "B", "versions_before": {"node": "1.0"},
                "versions_after": {"node": "1.2.3.4"}, "locked": True, "seconds": 2.5}
        return self.must("POST", f"/v1/line/runs/{run}/end", {**body, **({"node_id": node} if node else {})}, status)

    def provision(self, node, **key):
        run = self.begin()
        self.key(run, node, **key)
        self.end(run, 0, node)
        return run
