"""The Python module on the shared library, against a server of a few lines: python.py LIBRARY MODULE-FOLDER"""

import hashlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer

os.environ["CLAVIGER_LINE_LIBRARY"] = sys.argv[1]
sys.path.insert(0, sys.argv[2])
sys.dont_write_bytecode = True
import claviger_line  # noqa: E402

FILES = {"node.bin": b"node firmware", "field.cfg": b"a = 1\n", "meter.bin": b"meter firmware", "meter.cfg": b"b = 2\n"}
seen = []


def entry(name):
    data = FILES[name]
    return {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "md5": hashlib.md5(data).hexdigest(),
            "path": "/files/" + name}


def import_without_library():
    answer = subprocess.run([sys.executable, "-c", "import claviger_line"], capture_output=True, text=True,
                            env={**os.environ, "CLAVIGER_LINE_LIBRARY": "/nowhere.so", "PYTHONPATH": sys.argv[2]}, check=False)
    return answer.stderr


class Server(BaseHTTPRequestHandler):
    config = None

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path.startswith("/v1/line/config?"):
            good = self.path.endswith(("id=0x0000000000000045", "alias=kite%20170"))
            self.answer(200 if good else 404, json.dumps(self.config).encode() if good else b"{}")
        else:
            self.answer(200, FILES[os.path.basename(self.path)])

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        seen.append((self.command, self.path, json.loads(body)))
        self.answer(200, b"{}")

    do_PUT = do_POST

    def log_message(self, *_):
        pass


class Module(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        key = os.path.join(cls.folder.name, "key.pem")
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        pem = subprocess.run(["openssl", "rsa", "-in", key, "-pubout"], check=True, capture_output=True, text=True).stdout
        cls.key, cls.pem = key, pem
        Server.config = {
            "config_id": "0x0000000000000045", "revision": 2, "label": "kite", "network": "metro", "kms_key": pem, "files": "http",
            "node": {"type": "UNODE", "version": "2.1", "hardware": "7", "firmware": entry("node.bin"),
                     "field_configuration": entry("field.cfg"), "factory_configuration": None},
            "applications": [{"name": "meter", "version": "5.6", "public_key": pem, "firmware": entry("meter.bin"),
                              "field_configuration": entry("meter.cfg"), "factory_configuration": None},
                             {"name": "zigbee", "version": "1.0", "public_key": None}]}
        cls.http = HTTPServer(("127.0.0.1", 0), Server)
        threading.Thread(target=cls.http.serve_forever, daemon=True).start()
        cls.log = logging.getLogger("test")
        cls.log.addHandler(logging.NullHandler())
        cls.log.propagate = False

    @classmethod
    def tearDownClass(cls):
        cls.http.shutdown()
        cls.http.server_close()
        cls.folder.cleanup()

    def server(self):
        return claviger_line.ProvisioningServerInterface(self.log, server="127.0.0.1", port=self.http.server_port, ssl=False,
                                                         cache=os.path.join(self.folder.name, "cache"))

    def test_config(self):
        with self.server() as server:
            for cfg in server.getConfig(None, None, 0x45), server.getConfig("UNODE", 7, None, "kite 170"):
                self.assertEqual(cfg.app_names, ["meter", "zigbee"])
                self.assertEqual(cfg.app_versions, ["5.6", "1.0"])
                self.assertTrue(cfg.app_pub_keys[0].startswith("-----BEGIN PUBLIC KEY-----"))
                self.assertIsNone(cfg.app_pub_keys[1])
                with open(cfg.app_files[0].firmware_path, "rb") as f:
                    self.assertEqual(f.read(), FILES["meter.bin"])
                self.assertIsNone(cfg.app_files[0].factory_config_path)
                self.assertIsNone(cfg.app_files[1].firmware_path)
                self.assertEqual((cfg.config_id, cfg.revision, cfg.node_type), (0x45, 2, "UNODE"))
            with self.assertRaises(claviger_line.ProvisioningError) as raised:
                server.getConfig("DNODE", None, 0x45)
            self.assertEqual(raised.exception.code, 43)
            with self.assertRaises(claviger_line.ProvisioningError) as raised:
                server.getConfig(None, None, 0x46)
            self.assertEqual(raised.exception.code, 101)

    def test_set_dut_params(self):
        key = bytes(range(16))
        sealed = claviger_line.EncryptKeyInfo(self.pem, key)
        opened = subprocess.run(["openssl", "pkeyutl", "-decrypt", "-inkey", self.key, "-pkeyopt", "rsa_padding_mode:oaep"],
                                input=bytes.fromhex(sealed), check=True, capture_output=True).stdout
        self.assertEqual(opened, key)
        with self.server() as server:
            server.setDutParams(1700000000, 0x45, 1000, 0x10200, ["meter", "zigbee"], ["abcd", None], [sealed, ""], ["00", None])
            method, path, body = [s for s in seen if s[0] == "PUT"][-1]
            self.assertEqual(path, "/v1/line/devices/0x00010200")
            self.assertEqual(body["batch"], 1000)
            self.assertEqual(body["time"], "2023-11-14T22:13:20Z")
            self.assertEqual(body["applications"], [{"name": "meter", "id": "abcd", "key": sealed, "extra": "00"},
                                                    {"name": "zigbee", "id": "", "key": "", "extra": ""}])
            self.assertRaises(ValueError, server.setDutParams, 0, 0x45, 1, 7, ["meter"], [], [], [])
            with self.assertRaises(claviger_line.ProvisioningError) as raised:
                server.setDutParams(0, 0x45, 1, 7, ["meter"], ["xyz"], [""], [""])
            self.assertEqual(raised.exception.code, 3)
            self.assertRaises(claviger_line.ProvisioningError, server.setDutParams, 0, 0x45, 1, None, ["meter"], [""], [""], [""])

    def test_provision_gives_the_code(self):
        stages = []
        code = claviger_line.provision(
            claviger_line.Connection(os.path.join(self.folder.name, "nothing")), self.log, True, 0x45, "127.0.0.1",
            self.http.server_port, batch=7, ssl=False, cache=os.path.join(self.folder.name, "cache"),
            progress=lambda stage, done, total: stages.append(stage))
        self.assertEqual(code, 4)
        self.assertIn("identify", stages)
        method, path, body = seen[-1]
        self.assertTrue(path.endswith("/end"))
        self.assertEqual(body["return_code"], 4)
        conn = claviger_line.Connection("x")
        self.assertEqual(claviger_line.provision(conn, object(), False, 0x45, "127.0.0.1", self.http.server_port, ssl=False), 2)
        self.assertEqual((conn.node_id, conn.locked, conn.keyed), (None, False, False))
        with self.assertRaises(claviger_line.ProvisioningError) as raised:
            claviger_line.ProvisioningServerInterface(object())
        self.assertEqual(raised.exception.code, 2)
        self.assertEqual(claviger_line.provision(claviger_line.Connection("x"), self.log, False, 0x45, "127.0.0.1", 1, profile="/nonexistent"),
                         100)

    def test_without_library(self):
        said = import_without_library()
        self.assertIn("ImportError", said)
        self.assertIn("CLAVIGER_LINE_LIBRARY", said.splitlines()[-1])

    def test_codes(self):
        self.assertEqual(claviger_line.codeText(0), "done")
        self.assertEqual(claviger_line.codeAction(0), [])
        self.assertEqual(len(claviger_line.codeAction(75)), 3)
        self.assertIn("return code 4", str(claviger_line.ProvisioningError(4)))


unittest.main(argv=sys.argv[:1])
