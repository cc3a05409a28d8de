"""claviger-provision with simulated devices (claviger-sim node) and a server that does what it is told (line_stub.py)."""

import subprocess
from pathlib import Path

from harness import program, run, wait_for
from line_stub import CDLD_KEY, CONFIG_ID, GATEWAY_KEY, Stub

NODE = 0x00A00001


class Device:
    """claviger-sim node on a pseudo-terminal; its flash outlives it."""

    def __init__(self, folder, *options, count=1, wrapper="none", host="emcm:1.2.0.0"):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.pty, self.state, self.count = self.folder / "dut0", self.folder / "state", count
        self.wrapper, self.host = wrapper, host
        self.process = None
        self.start(*options)

    def start(self, *options):
        hosts = ["--host", self.host] if self.host else []
        self.log = open(self.folder / "sim.log", "ab")
        self.process = subprocess.Popen(
            [program("claviger-sim"), "node", "--pty", self.pty, "--count", str(self.count), "--wrapper", self.wrapper, "--state", self.state,
             *hosts, *options], stdout=self.log, stderr=self.log)
        wait_for(lambda: all(p.exists() for p in self.ptys), "pseudo-terminals")

    @property
    def ptys(self):
        return [self.folder / f"dut{i}" for i in range(self.count)]

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(10)
            self.log.close()
        self.process = None
        for p in self.ptys:
            p.unlink(missing_ok=True)

    def restart(self, *options):
        self.stop()
        self.start(*options)


class Line:
    def __init__(self, folder):
        self.folder, self.server, self.devices, self.others = Path(folder), Stub(Path(folder) / "server"), [], []
        self.log = self.folder / "run.log"
        self.out = ""

    def device(self, *options, **more):
        device = Device(self.folder / f"device{len(self.devices)}", *options, **more)
        self.devices.append(device)
        return device

    def keep(self, other):
        self.others.append(other)
        return other

    def args(self, port, *more, server=None, choice=None):
        return [program("claviger-provision"), "-d", port, "-s", server or f"127.0.0.1:{self.server.port}", "-B", "1000", "--disable-ssl",
                "--cache", self.folder / "cache", "--logfile", self.log, "--verbosity=2", *(choice or [f"--config-id=0x{CONFIG_ID:x}"]), *more]

    def provision(self, port, *more, code=0, **options):
        env = {"HOME": str(self.folder)}
        answer = run(self.args(port, *more, **options), status=None, env=env, timeout=200)
        self.out += answer.out + answer.err
        assert answer.status == code, f"return code {code} was wanted:\n{answer}"
        if code != 0:
            assert f"return code {code}: " in answer.out + answer.err, str(answer)
        return answer

    def close(self):
        for device in self.devices:
            device.stop()
        for other in self.others:
            other.close()
        self.server.close()

    def secrets(self):
        keys = [d["root"] for d in self.server.devices.values()] + [GATEWAY_KEY, CDLD_KEY]
        keys += [self.server.open(a["key"]) for d in self.server.devices.values() for a in d["applications"] if a["key"]]
        return keys

    def no_secret_anywhere(self):
        """Not in what was printed, not in any file that the client wrote, not in what went to the server."""
        texts = [self.out.encode(), repr(self.server.requests).encode()]
        texts += [p.read_bytes() for p in [self.log, *(self.folder / "cache").glob("*")] if p.is_file()]
        for key in self.secrets():
            for text in texts:
                assert key not in text and key.hex().encode() not in text.lower()
