"""A provisioning server of the line's routes (/v1/line/...) and a gateway of the control messages, for tests of claviger-provision: what no
real server does (being slow, gone, wrong in one byte) they do when told to. Everything a station sends is kept to be looked at.
"""

import functools
import hashlib
import json
import os
import socket
import ssl
import struct
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

CONFIG_ID = 0x12345678abc
ALIAS = "kite_170_node_637_dev_net"
GATEWAY_KEY = bytes.fromhex("0123456789abcdef23456789abcdef01456789abcdef0123")
CDLD_KEY = bytes(range(16))


def openssl(*args, stdin=None):
    return subprocess.run(["openssl", *map(str, args)], input=stdin, check=True, capture_output=True).stdout


def check_value(key):
    """First 8 bytes of the MAC under the key over a fixed text."""
    mac = ["-cipher", "AES-128-CBC"] if len(key) == 16 else ["-digest", "SHA256"]
    return openssl("mac", *mac, "-macopt", "hexkey:" + key.hex(), "-binary", "CMAC" if len(key) == 16 else "HMAC",
                   stdin=b"claviger kcv 1")[:8]


@functools.cache
def kms_key():
    """One for all tests of a file: making it takes longer than most of them."""
    return openssl("genrsa", "2048")


class Stub:
    """Starts at once; `edit` gets the configuration before it is given. `faults` maps a route (a part of its path) to a function of the
    handler, which answers in its place."""

    def __init__(self, folder, tls=None):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.faults, self.runs, self.devices, self.keyings, self.requests = {}, {}, {}, {}, []
        self.lock = threading.Lock()
        self.kms = self.folder / "kms.pem"
        self.kms.write_bytes(kms_key())
        self.public = openssl("pkey", "-in", self.kms, "-pubout").decode()
        self.files = {"node.bin": os.urandom(20000), "field.cfg": b"system_id = 7\n", "factory.cfg": b"system_id = 1\n",
                      "emcm.bin": os.urandom(9000), "emcm.field.cfg": b"meter = 7\n", "emcm.factory.cfg": b"meter = 1\n"}
        self.config = {
            "config_id": f"0x{CONFIG_ID:016x}", "revision": 3, "label": "ge_kv2c", "network": "metro-east", "kms_key": self.public,
            "files": "https" if tls else "http",
            "node": {"type": "unode", "version": "2.1.0.0", "hardware": "unode-1", "firmware": self.entry("node.bin"),
                     "field_configuration": self.entry("field.cfg"), "factory_configuration": self.entry("factory.cfg")},
            "applications": [{"name": "emcm", "version": "5.6.7.8", "public_key": self.public, "firmware": self.entry("emcm.bin"),
                              "field_configuration": self.entry("emcm.field.cfg"),
                              "factory_configuration": self.entry("emcm.factory.cfg")}]}
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def handle_one(self):
                length = int(self.headers.get("Content-Length") or 0)
                self.body = json.loads(self.rfile.read(length)) if length else None
                with stub.lock:
                    stub.requests.append((self.command, self.path, self.body))
                for part, fault in list(stub.faults.items()):
                    if part in f"{self.command} {self.path}":
                        if fault(self) is not False:
                            return
                stub.answer(self)

            do_GET = do_POST = do_PUT = handle_one

            def give(self, status, body):
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.handle_error = lambda *_: None
        if tls:
            self.http.socket = tls.wrap_socket(self.http.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.http.server_port
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()

    def entry(self, name):
        data = self.files[name]
        return {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "md5": hashlib.md5(data).hexdigest(),
                "path": "/v1/line/files/" + name}

    # ---- the routes

    def answer(self, handler):
        url = urlsplit(handler.path)
        parts = url.path.split("/")[3:]
        query = parse_qs(url.query)
        if parts == ["config"]:
            good = query.get("alias") == [ALIAS] or query.get("id") == [f"0x{CONFIG_ID:016x}"]
            handler.give(200 if good else 404, self.config if good else {"error": {"code": "NOT_FOUND", "text": "not found"}})
        elif parts[0] == "files" and parts[-1] in self.files:
            handler.give(200, self.files[parts[-1]])
        elif parts == ["gateway-keys"]:
            handler.give(200, self.gateway_keys(handler.body["recipient"]))
        elif parts == ["runs"]:
            with self.lock:
                self.runs.setdefault(handler.body["run"], dict(handler.body))
            handler.give(201, {"run": handler.body["run"]})
        elif parts[0] == "runs":
            self.end(parts[1], handler.body)
            handler.give(200, {"run": parts[1]})
        elif handler.command == "PUT":
            self.report(int(parts[1], 16), handler.body)
            handler.give(200, {"device": 1})
        elif parts[0] == "devices" and int(parts[1], 16) in self.devices:
            handler.give(200, self.record(int(parts[1], 16), query.get("kcv", [""])[0]))
        else:
            handler.give(404, {"error": {"code": "NOT_FOUND", "text": "not found"}})

    def gateway_keys(self, recipient):
        pem, cert, extensions = self.folder / "recipient.pem", self.folder / "recipient.crt", self.folder / "extensions"
        extensions.write_text("subjectKeyIdentifier=hash")
        with self.lock:
            pem.write_text(recipient)
            openssl("x509", "-new", "-subj", "/CN=station", "-force_pubkey", pem, "-signkey", self.kms, "-days", "1",
                    "-extfile", extensions, "-out", cert)
            text = f"gateway, 0x{GATEWAY_KEY.hex()}\ngateway_cdld, 0x{CDLD_KEY.hex()}\n".encode()
            cms = openssl("cms", "-encrypt", "-aes-256-gcm", "-binary", "-keyid", "-outform", "DER", "-recip", cert,
                          "-keyopt", "rsa_padding_mode:oaep", stdin=text)
            b64 = openssl("base64", "-A", stdin=cms).decode()
        return {"cms": b64, "gateway_version": 1, "cdld_version": 1, "gateway_kcv": check_value(GATEWAY_KEY).hex(),
                "cdld_kcv": check_value(CDLD_KEY).hex()}

    def report(self, node, body):
        """Opens what is for the operator, as the operator would."""
        key = self.open(body["key"])
        assert len(key) == 16 and check_value(key).hex() == body["kcv"]
        with self.lock:
            self.devices[node] = {**body, "state": "keyed", "root": key}
            self.keyings.setdefault(node, []).append(self.devices[node])

    def record(self, node, kcv):
        """The newest key with this check value, else the newest of all."""
        device = next((k for k in reversed(self.keyings[node]) if k["kcv"] == kcv), self.devices[node])
        runs = list(self.runs.values())
        run = self.runs[device["run"]]
        since = [r for r in runs[runs.index(run):] if r["operation"] == "PRETEST" and r.get("return_code") == 0 and int(r["node_id"], 16) == node]
        return {**{k: device[k] for k in ("kcv", "state", "config_id", "revision")}, "tested": run["operation"] == "POSTTEST" and not since,
                "applications": [{"name": a["name"], "kcv": a["extra"]} for a in device["applications"]]}

    def open(self, digits):
        return openssl("pkeyutl", "-decrypt", "-inkey", self.kms, "-pkeyopt", "rsa_padding_mode:oaep", stdin=bytes.fromhex(digits))

    def end(self, run, body):
        with self.lock:
            self.runs[run].update(body)
            node = int(body.get("node_id", "0"), 16)
            if body["return_code"] == 0 and "kcv" in body and self.runs[run]["operation"] in ("PROVISION", "POSTTEST"):
                self.devices[node] = next(k for k in reversed(self.keyings[node]) if k["kcv"] == body["kcv"])
                self.devices[node]["state"] = "provisioned"

    def count(self, method, part):
        return sum(1 for m, path, _ in self.requests if m == method and part in path)


def tls_context(folder):
    """A certificate authority in `folder`: a server context that wants client certificates, and a station's profile."""
    folder = Path(folder)
    profile = folder / "station"
    profile.mkdir(parents=True)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "ca.key", "-out", profile / "ca.pem", "-days", "2", "-subj",
            "/CN=factory authority")
    for name, key, cert, extra in (("127.0.0.1", folder / "server.key", folder / "server.pem", "subjectAltName=IP:127.0.0.1"),
                                   ("line-1", profile / "client.key", profile / "client.pem", "extendedKeyUsage=clientAuth")):
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", folder / "r.csr", "-subj", f"/CN={name}")
        (folder / "ext").write_text(extra)
        openssl("x509", "-req", "-in", folder / "r.csr", "-CA", profile / "ca.pem", "-CAkey", folder / "ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", folder / "ext", "-out", cert)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    context.load_verify_locations(profile / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context, profile


class Front:
    """Stands before a server: the first connection is reset when bytes come, the others are passed on."""

    def __init__(self, port):
        self.to, self.cut = port, 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                conn, _ = self.socket.accept()
            except OSError:
                return
            if self.cut == 0:
                self.cut += 1
                conn.recv(100)
                conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                conn.close()
                continue
            server = socket.create_connection(("127.0.0.1", self.to))
            for a, b in ((conn, server), (server, conn)):
                threading.Thread(target=self.pump, args=(a, b), daemon=True).start()

    @staticmethod
    def pump(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.socket.close()


class Answerer:
    """A TCP server that gives every piece of bytes it gets to `answer(data)` and sends what that returns."""

    def __init__(self, answer):
        self.answer = answer
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                conn, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        with conn:
            try:
                while data := conn.recv(4096):
                    conn.sendall(self.answer(data))
            except OSError:
                pass

    def close(self):
        self.socket.close()


class Gateway(Answerer):
    """Control messages of docs/join-protocol.md. `join`: 0 unknown, 1 joined, 2 refused; `cleared` and `asked` keep the node ids."""

    def __init__(self, join=1):
        self.join, self.cleared, self.asked, self.one_x = join, [], [], set()
        super().__init__(self.control)

    def control(self, data):
        _, version, kind = struct.unpack(">HBB", data[:4])
        one_x = bool(kind & 0x10)
        node = int.from_bytes(data[4:8 if one_x else 12], "big")
        self.one_x.add(one_x)
        (self.cleared if kind & 0x0f == 7 else self.asked).append(node)
        body = data[4:4 + (4 if one_x else 8)] + struct.pack(">BII", self.join if kind & 0x0f == 6 else 0, 1, 1)
        return struct.pack(">HBB", len(body) + 2, version, 8 | (kind & 0x10)) + body
