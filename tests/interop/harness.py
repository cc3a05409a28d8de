"""What every interop test stands on: the programs of a build folder, daemons in temporary folders, files to feed them.

CLAVIGER_BUILD names the meson build folder (tests/interop/meson.build sets it; by hand: CLAVIGER_BUILD=build pytest ...).
Every daemon listens on loopback and free ports only, and is ended by its process id.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("CLAVIGER_BUILD", SOURCE / "build")).resolve()
PROGRAMS = BUILD / "src" / "programs"

DONE, FAILED, USAGE, UNREACHABLE, REFUSED, BAD_INPUT = range(6)  # data/commands.toml, [[exit]]

NETWORK, REALM = "metro-east", "metro-east.example"
PASSPHRASE = "correct horse battery staple"
WAIT = 30  # seconds for what should take one


def program(name):
    return str(PROGRAMS / name / name)


def shared(*parts):
    """A folder beside the test vectors ($CLAVIGER_VECTORS/..), or None where it is absent."""
    vectors = os.environ.get("CLAVIGER_VECTORS")
    path = (Path(vectors).parent if vectors else SOURCE.parent / "shared").joinpath(*parts)
    return path if path.exists() else None


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(condition, what, seconds=WAIT):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s for: {what}")
        time.sleep(0.02)


class Answer:
    """How a command ended."""

    def __init__(self, args, done):
        self.args, self.status, self.out, self.err = args, done.returncode, done.stdout, done.stderr

    @property
    def json(self):
        return json.loads(self.out)

    def __str__(self):
        return f"$ {' '.join(map(str, self.args))}\n[{self.status}]\n{self.out}{self.err}"


def run(args, status=DONE, env=None, stdin=None, cwd=None, timeout=120, text=True):
    """Run a command; `status` is the exit status it must have (None: any)."""
    args = [str(a) for a in args]
    done = subprocess.run(args, capture_output=True, text=text, timeout=timeout, cwd=cwd,
                          env={**os.environ, **(env or {})}, input=stdin,
                          stdin=subprocess.DEVNULL if stdin is None else None)
    answer = Answer(args, done)
    if text and status is not None:
        assert done.returncode == status, f"exit status {status} was wanted:\n{answer}"
    elif status is not None:
        assert done.returncode == status, f"{args}: {done.returncode} {done.stderr!r}"
    return answer


def openssl(*args, status=DONE, text=True, stdin=None):
    return run(["openssl", *args], status=status, text=text, stdin=stdin)


def children(pid):
    try:
        return [int(c) for c in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def open_files(pid):
    """What the process has open. One that is closed while we look is none."""
    names = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            names.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except FileNotFoundError:
            continue
    return names


def alive(pid):
    """Until its last thread has ended: the first may be gone while another still holds the files."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text() or len(os.listdir(f"/proc/{pid}/task")) > 1
    except OSError:
        return False


class Daemon:
    """clavigerd in a folder of its own."""

    def __init__(self, folder, *, diameter=True, kmip=False, gateway=None, host=None, import_key=None, settings=None):
        self.folder = Path(folder)
        self.config = self.folder / "clavigerd.conf"
        self.socket = self.folder / "claviger.sock"
        self.log = self.folder / "clavigerd.log"
        self.state = self.folder / "state"
        self.process = None
        self.port, self.tls_port, self.metrics_port = free_port(), free_port(), free_port()
        self.kmip_port, self.https_port = free_port(), free_port()
        self.given = {
            "audit.segment_size": "1M",  # segments are written in full when they are made
            "metrics.listen": f"127.0.0.1:{self.metrics_port}",
            "diameter.listen": f"127.0.0.1:{self.port}" if diameter else "",
            "diameter.listen_tls": f"127.0.0.1:{self.tls_port}" if diameter else "",
            "kmip.listen": f"127.0.0.1:{self.kmip_port}" if kmip else "",
            "https.listen": f"127.0.0.1:{self.https_port}" if kmip else "",
            **({} if diameter else {"diameter.properties": ""}),
            **(settings or {}),
        }
        self.init_args = []
        for name, value in (("--gateway", gateway), ("--host", host), ("--import-key", import_key)):
            if value is not None:
                self.init_args += [name, value]

    def init(self, status=DONE):
        sets = [a for name, value in self.given.items() for a in ("--set", f"{name}={value}")]
        return run([program("clavigerd"), "init", "--config", self.config, *self.init_args, *sets], status=status)

    def spawn(self, env=None):
        """Start without waiting for it."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [program("clavigerd"), "run", "--config", str(self.config)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **(env or {})})
        return self

    def start(self, env=None):
        self.spawn(env)
        self.wait_ready()
        return self

    def start_again(self):
        """After it was killed: its ports are of the range from which others' connections take theirs."""
        for left in range(20, -1, -1):
            try:
                return self.start()
            except AssertionError:
                if left == 0 or "already in use" not in self.tail(4):
                    raise
                time.sleep(0.25)

    def ready(self):
        return self.cli("status", status=None).status == DONE

    def wait_ready(self, seconds=WAIT):
        def look():
            if self.process.poll() is not None:
                raise AssertionError(f"clavigerd ended with {self.process.returncode}:\n{self.tail()}")
            return self.ready()
        try:
            wait_for(look, "clavigerd to answer", seconds)
        except AssertionError as failure:
            raise AssertionError(f"{failure}\n{self.tail()}") from None

    def tail(self, lines=25):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def stop(self, how=signal.SIGTERM, seconds=WAIT):
        """End the supervisor; gives its exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            kids = children(self.process.pid)
            self.process.send_signal(how)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"clavigerd did not stop:\n{self.tail()}") from None
            wait_for(lambda: not any(alive(k) for k in kids), "its children to end")
        status, self.process = self.process.returncode, None
        return status

    def kids(self):
        """Process ids of keeper and engine: {"keeper": pid, "engine": pid}."""
        found = {}
        for pid in children(self.process.pid):
            # the engine is the one that listens: it has the store open
            try:
                files = open_files(pid)
            except OSError:
                continue
            if files:
                found["engine" if any("store.db" in name for name in files) else "keeper"] = pid
        return found

    def cli(self, *args, status=DONE, stdin=None, timeout=120):
        return run([program("claviger"), "--socket", self.socket, *args], status=status, stdin=stdin, timeout=timeout)

    def json(self, *args, status=DONE, timeout=120):
        return self.cli("--json", *args, status=status, timeout=timeout).json

    def kmc(self, *args, config=None, status=DONE):
        return run([program("claviger-kmc"), "--config", config or self.folder / "diameter_client.conf", *args],
                   status=status)

    def passphrase_file(self, passphrase=PASSPHRASE):
        return secret_file(self.folder, passphrase)

    def make_network(self, name=NETWORK, realm=REALM, passphrase=PASSPHRASE, id_bits=32):
        return self.json("network", "create", name, "--realm", realm, "--id-bits", str(id_bits),
                         "--passphrase-file", self.passphrase_file(passphrase))

    def public_key(self):
        path = self.folder / "public.pem"
        self.cli("server", "public-key", "-o", path)
        return path

    def keyring(self, name=NETWORK, *args):
        """The network's keyring.csv in plaintext."""
        path = self.folder / f"keyring.{time.monotonic_ns()}.csv"
        self.cli("keyring", "export", name, "-o", path, "--confirm", name, *args)
        data = path.read_bytes()
        path.unlink()
        return data

    def nodes(self, name=NETWORK):
        return self.json("node", "list", name, "--limit", "0")["nodes"]

    def records(self, kind=None):
        args = ["--kind", kind] if kind else []
        return self.json("audit", "show", "--last", "0", *args)["records"]

    def picture(self):
        """What a refused operation must leave as it was."""
        networks = self.json("network", "list")["networks"]
        nodes = {n["name"]: self.json("node", "list", n["name"], "--limit", "0")["nodes"] for n in networks}
        return {"counts": self.json("status")["counts"], "networks": networks, "nodes": nodes}


def secret_file(folder, text):
    """A file of mode 0600 with a passphrase."""
    fd, path = tempfile.mkstemp(dir=folder, prefix="secret.")
    os.write(fd, text.encode())
    os.close(fd)
    return path


class Site:
    """Operator and factory, already joined by the gateway key file."""

    def __init__(self, folder, **operator):
        folder = Path(folder)
        self.operator = Daemon(folder / "operator", **operator)
        self.factory = Daemon(folder / "factory", diameter=False)
        self.keys = folder / "gw_keys.csv.aes"
        self.batch = folder / "batch7.csv.rsa"

    def start(self):
        self.operator.init()
        self.factory.init()
        self.operator.start()
        self.factory.start()
        return self

    def join(self, nodes=1000):
        """The tour's first half: the factory has `nodes` nodes in batch 7, the batch file is written."""
        self.operator.make_network()
        self.operator.cli("network", "export-gateway-keys", NETWORK, "-o", self.keys)
        self.factory.cli("network", "import-gateway-keys", NETWORK, self.keys, "--signer", self.operator.public_key(),
                         "--passphrase-file", self.factory.passphrase_file())
        self.factory.cli("node", "generate", NETWORK, "--ids", f"0x00010200-0x{0x10200 + nodes - 1:08x}",
                         "--batch", "7")
        self.factory.cli("batch", "export", NETWORK, "--batch", "7", "--to", self.operator.public_key(),
                         "-o", self.batch)
        return self

    def copy_batch(self, to):
        """Copies of the batch's three files that a test may spoil; gives the path of the first."""
        to = Path(to)
        to.mkdir(parents=True, exist_ok=True)
        for suffix in ("", ".sig", ".manifest"):
            shutil.copy(f"{self.batch}{suffix}", to)
        return to / self.batch.name

    def stop(self):
        for daemon in (self.operator, self.factory):
            daemon.stop()


def flip(path, position, bit=0):
    """Turn one bit of a file over."""
    with open(path, "r+b") as f:
        f.seek(position)
        byte = f.read(1)[0]
        f.seek(position)
        f.write(bytes([byte ^ 1 << bit]))


def lines_of(keyring):
    """keyring.csv → (its first lines by name, its nodes by id)."""
    heads, nodes = {}, {}
    for line in keyring.decode().splitlines():
        first, rest = [part.strip() for part in line.split(",", 1)]
        if first.startswith("0x"):
            key, batch, count = rest.split(",")
            nodes[int(first, 16)] = (bytes.fromhex(key.strip()[2:]), int(batch), int(count))
        else:
            heads[first] = bytes.fromhex(rest[2:])
    return heads, nodes
