"""An operator, a packaging side and a factory with its line: what the tests of the whole circle stand on."""

import re
import subprocess
import threading
import time
from pathlib import Path

from harness import DONE, NETWORK, PROGRAMS, SOURCE, Daemon, free_port, program, run, wait_for

CONFIG = "0x0000012345678abc"
ALIAS = "kite_170_node_637_dev_net"
FIRMWARE = 16384


class Nodes:
    """claviger-sim node: devices behind pseudo-terminals in a folder, their flash beside them."""

    def __init__(self, folder, first, count=1, wrapper="none", **options):
        self.folder, self.first, self.count, self.wrapper = Path(folder), first, count, wrapper
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state = self.folder / "state"
        self.log = self.folder / "node.log"
        self.options = options
        self.process = None

    def start(self):
        words = [program("claviger-sim"), "node", "--pty", self.folder / "dut0", "--wrapper", self.wrapper, "--count", self.count,
                 "--id", f"0x{self.first:08x}", "--state", self.state, "--host", "emcm:1.0.0.0"]
        for name, value in self.options.items():
            words += [f"--{name.replace('_', '-')}"] + ([] if value is True else [value])
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(lambda: all((self.folder / f"dut{i}").exists() for i in range(self.count)), "the devices' ports")
        return self

    def ports(self):
        return [self.folder / f"dut{i}" for i in range(self.count)]

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None


class Station:
    """A machine on the line with a certificate of its own."""

    def __init__(self, circle, name):
        self.circle, self.folder = circle, circle.folder / name
        circle.factory.cli("client", "create", name, "--kind", "station", "-o", self.folder)
        self.name = name

    def words(self, nodes, *args, batch="1000", config=("--config-id", CONFIG)):
        words = [program("claviger-provision"), "-s", f"localhost:{self.circle.factory.https_port}", "--profile", self.folder,
                 "-B", batch, *config, "--cache", self.folder / "cache", "--wrapper", nodes.wrapper, "--operator", "test"]
        for port in nodes.ports():
            words += ["-d", port]
        return [str(w) for w in [*words, *args]]

    def provision(self, nodes, *args, status=DONE, timeout=120, **more):
        return run(self.words(nodes, *args, **more), status=status, timeout=timeout)

    def spawn(self, nodes, *args, **more):
        return subprocess.Popen(self.words(nodes, *args, **more), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True)


class Circle:
    """Everything up to a factory that has the operator's package."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.operator = Daemon(self.folder / "operator")
        self.factory = Daemon(self.folder / "factory", diameter=False, kmip=True,
                              settings={"factory.enabled": "yes", "kmip.listen": ""})
        self.packaging = self.folder / "packaging"
        self.package = self.folder / "provPackage.tar.gz"
        self.gateway = None

    def start(self):
        for daemon in (self.operator, self.factory):
            daemon.init()
            daemon.start()
        return self

    def build(self, version=1, **edits):
        """The operator's keys and the packager's files to a package."""
        if not self.packaging.exists():
            run([SOURCE / "examples/package/make-files", self.packaging, "--firmware", FIRMWARE])
            self.operator.make_network()
            self.operator.cli("network", "export-gateway-keys", NETWORK, "-o", self.packaging / "gw_keys.csv.aes")
            self.operator.cli("server", "public-key", "-o", self.packaging / "kms_key.pub.pem")
            run([program("claviger"), "package", "key", "-o", self.packaging / "packager"])
            self.factory.cli("factory", "packager", "add", "acme", self.packaging / "packager.pub.pem")
            self.introduce()
        manifest = self.packaging / "manifest.toml"
        text = re.sub(r"^version = \d+ ", f"version = {version} ", manifest.read_text(), flags=re.M)
        text = text.replace('type = "UNODE"', 'type = "unode"')
        for old, new in edits.items():
            text = text.replace(old, new)
        manifest.write_text(text)
        self.package.unlink(missing_ok=True)
        run([program("claviger"), "package", "build", manifest, "-o", self.package, "--key", self.packaging / "packager.key"])
        return self

    def introduce(self, *args):
        """The operator believes this factory, and then no one else."""
        key = self.folder / "factory.pub.pem"
        self.factory.cli("server", "public-key", "-o", key)
        return self.operator.json("batch", "signer", "add", "kite-line", key, *args)

    def take_package(self, status=DONE, passphrase=None):
        return self.factory.cli("factory", "import", self.package, "--yes", "--comment", "circle", "--passphrase-file",
                                self.factory.passphrase_file(*([passphrase] if passphrase else [])), status=status)

    def devices(self, *args):
        return {d["node_id"]: d for d in self.factory.json("factory", "devices", *args)["devices"]}

    def export(self, name="device_keys.xml", *args, status=DONE):
        path = self.folder / name
        self.factory.cli("factory", "export", "-o", path, *args, status=status)
        return path

    def start_gateway(self):
        """The simulated gateway, which fetches keys from the operator over Diameter; gives its address."""
        port = free_port()
        with open(self.folder / "gateway.log", "ab") as log:
            self.gateway = subprocess.Popen(
                [program("claviger-sim"), "gateway", "--config", str(self.operator.folder / "diameter_client.conf"), "--listen",
                 f"127.0.0.1:{port}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + 20
        while f":{port}" not in (self.folder / "gateway.log").read_text() and time.monotonic() < end:
            time.sleep(0.05)
        return f"127.0.0.1:{port}"

    def stop(self):
        if self.gateway is not None:
            self.gateway.terminate()
            self.gateway.wait(10)
        for daemon in (self.factory, self.operator):
            daemon.stop()


def together(functions):
    """Run them in threads; the first failure is raised."""
    failures = []

    def guarded(function):
        try:
            function()
        except BaseException as failure:  # pylint: disable=broad-except
            failures.append(failure)
    threads = [threading.Thread(target=guarded, args=(f,)) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


__all__ = ["ALIAS", "CONFIG", "PROGRAMS", "Circle", "Nodes", "Station", "together"]
