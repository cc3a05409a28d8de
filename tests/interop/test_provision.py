"""claviger-provision: one device and several, over TLS, in stages, and every return code; no key where none belongs."""

import ctypes
import resource
import signal
import subprocess
import time

import pytest

from harness import free_port, run, wait_for
from line_harness import NODE, Line
from line_stub import ALIAS, CONFIG_ID, Answerer, Front, Gateway, Stub, check_value, tls_context


@pytest.fixture
def line(tmp_path):
    made = Line(tmp_path)
    yield made
    made.close()


def answer(status, body):
    return lambda handler: handler.give(status, body)


def set_config(line, path, value):
    at = line.server.config
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value


# ---------------------------------------------------------------- one device


def test_a_device_is_provisioned(line):
    device = line.device()
    answer = line.provision(device.pty)
    assert "fresh root key, locked" in answer.out
    record = line.server.devices[NODE]
    assert record["state"] == "provisioned" and record["batch"] == 1000 and record["config_id"] == f"0x{CONFIG_ID:016x}"
    (application,) = record["applications"]
    assert application["name"] == "emcm" and check_value(line.server.open(application["key"])).hex() == application["extra"]
    (done,) = line.server.runs.values()
    assert done["return_code"] == 0 and done["locked"] and done["port"].startswith(str(device.pty)[:20])
    assert done["versions_before"] == {"node": "1.0.0.0", "emcm": "1.2.0.0"}
    assert done["versions_after"] == {"node": "2.1.0.0", "emcm": "5.6.7.8"}
    line.no_secret_anywhere()
    # once more: it is finished and locked, and keeps its one identity
    line.provision(device.pty, choice=[f"--config-alias={ALIAS}"])
    assert line.server.count("PUT", "/devices/") == 1
    assert line.server.count("GET", "/files/node.bin") == 1  # kept by its hash


def test_over_tls_with_the_stations_certificate(line):
    context, profile = tls_context(line.folder / "tls")
    line.server.close()
    line.server = Stub(line.folder / "tls-server", tls=context)
    device = line.device()
    args = [a for a in line.args(device.pty, "--profile", profile) if a != "--disable-ssl"]
    assert run(args, status=None, timeout=120).status == 0
    assert line.server.devices[NODE]["state"] == "provisioned"
    # a connection that is cut in its handshake is made again
    front = line.keep(Front(line.server.port))
    again = [a.replace(str(line.server.port), str(front.port)) if a == f"127.0.0.1:{line.server.port}" else a for a in map(str, args)]
    answer = run(again, status=None, timeout=120)
    assert answer.status == 0 and front.cut == 1, str(answer)
    # another authority's profile
    _, other = tls_context(line.folder / "other")
    args = [other if a == profile else a for a in args]
    answer = run(args, status=None, timeout=120)
    assert answer.status == 100 and "return code 100" in answer.out


@pytest.mark.parametrize("wrapper", ["none", "orw", "simple", "reliable", "rht_v2", "opt_psem"])
def test_every_wrapper(line, wrapper):
    device = line.device(wrapper=wrapper)
    line.provision(device.pty, f"--wrapper={wrapper}")
    assert line.server.devices[NODE]["state"] == "provisioned"


def test_several_ports_at_the_same_time(line):
    device = line.device(count=4)
    more = [word for p in device.ptys[1:] for word in ("-d", p)]
    answer = line.provision(device.pty, *more)
    assert answer.out.count("return code 0: done") == 4
    assert sorted(line.server.devices) == [NODE + i for i in range(4)]
    assert len({d["root"] for d in line.server.devices.values()}) == 4
    line.no_secret_anywhere()


def test_the_loop_takes_one_device_after_the_other(line):
    device = line.device()
    loop = subprocess.Popen([str(a) for a in line.args(device.pty, "--loop")], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for(lambda: line.server.devices.get(NODE, {}).get("state") == "provisioned", "the first device")
        device.stop()
        time.sleep(1.5)  # an empty fixture is looked at twice a second
        device.state = device.folder / "state2"
        device.start("--id", "0x00a00077")
        wait_for(lambda: line.server.devices.get(0x00A00077, {}).get("state") == "provisioned", "the second device")
    finally:
        loop.send_signal(signal.SIGINT)
        out, _ = loop.communicate(timeout=60)
    assert loop.returncode == 0, out
    assert out.count("return code 0: done") == 2


def test_several_hosts(line):
    """Each gets its own firmware, configuration and key; a host whose backend wants none gets none."""
    device = line.device("--host", "zigbee:1.0", "--host", "gas:3.0")
    emcm = line.server.config["applications"][0]
    line.server.files["gas.cfg"] = b"gas = 1\n"
    line.server.config["applications"] += [
        {**emcm, "name": "gas", "version": "3.0", "public_key": None, "firmware": None, "field_configuration": line.server.entry("gas.cfg"),
         "factory_configuration": None},
        {**emcm, "name": "zigbee", "version": "7.0"}]
    line.provision(device.pty)
    (done,) = line.server.runs.values()
    assert done["versions_before"] == {"node": "1.0.0.0", "emcm": "1.2.0.0", "gas": "3.0", "zigbee": "1.0"}
    assert done["versions_after"] == {"node": "2.1.0.0", "emcm": "5.6.7.8", "gas": "3.0", "zigbee": "7.0"}
    told = {a["name"]: a for a in line.server.devices[NODE]["applications"]}
    assert set(told) == {"emcm", "gas", "zigbee"} and told["gas"]["key"] == told["gas"]["extra"] == ""
    keys = {name: line.server.open(told[name]["key"]) for name in ("emcm", "zigbee")}
    assert keys["emcm"] != keys["zigbee"]
    assert all(check_value(key).hex() == told[name]["extra"] for name, key in keys.items())
    line.no_secret_anywhere()


# ---------------------------------------------------------------- stages


def test_stages(line):
    gateway = line.keep(Gateway())
    device = line.device()
    over = ["-g", "127.0.0.1", f"--control_port={gateway.port}"]
    line.provision(device.pty, *over, "PRETEST")
    assert gateway.cleared == [NODE] and not line.server.devices
    line.provision(device.pty, *over, "CHECKCONFIG")
    line.provision(device.pty, *over, "--csys_1_x", "POSTTEST")
    assert gateway.asked == [NODE] and gateway.one_x == {False, True}
    assert line.server.devices[NODE]["state"] == "provisioned"
    assert [r["operation"] for r in line.server.runs.values()] == ["PRETEST", "CHECKCONFIG", "POSTTEST"]
    line.no_secret_anywhere()


# ---------------------------------------------------------------- every return code


def device_with(*options, **more):
    def prepare(line):
        return line.device(*options, **more).pty
    return prepare


def with_config(path, value, *options):
    def prepare(line):
        set_config(line, path, value)
        return line.device(*options).pty
    return prepare


def with_fault(route, fault):
    def prepare(line):
        line.server.faults[route] = fault
        return line.device().pty
    return prepare


def garbage(line):
    return f"127.0.0.1:{line.keep(Answerer(lambda data: bytes((b * 7 + 3) & 0xFF for b in data))).port}"


def bent_file(line):
    line.server.files["node.bin"] = b"x" + line.server.files["node.bin"][1:]
    return line.device().pty


def gateway_args(answerer):
    return lambda line: ["-g", "127.0.0.1", f"--control_port={line.keep(answerer()).port}"]


def pretested(line):
    """A device behind its PRETEST."""
    gateway = line.keep(Gateway())
    device = line.device()
    line.provision(device.pty, "-g", "127.0.0.1", f"--control_port={gateway.port}", "PRETEST")
    return device.pty


def no_args(line):
    return []


CODES = [
    # code, the port, further arguments
    (2, device_with(), lambda line: ["--logfile=/nonexistent/log"]),
    (3, device_with(), lambda line: ["--config-alias=both"]),
    (3, device_with(), lambda line: ["--batch=09"]),
    (3, device_with(), lambda line: ["--no-such-option"]),
    (3, device_with(), lambda line: ["--wrapper=foobar"]),
    (4, lambda line: line.folder / "nothing", no_args),
    (4, device_with("--silent-after", "0x3"), no_args),
    (4, device_with("--silent-after", "30"), no_args),
    (36, garbage, no_args),
    (37, device_with("--fault", "node-error"), no_args),
    (38, device_with("--fault", "bad-config"), no_args),
    (38, device_with("--fault", "bad-key"), no_args),
    (39, device_with("--fault", "old-protocol"), no_args),
    (39, device_with(), lambda line: ["CHECKCONFIG"]),
    (40, device_with("--fault", "bad-hardware"), no_args),
    (40, device_with("--hardware", "unode-2"), no_args),
    (41, device_with("--fault", "bad-calibration"), no_args),
    (42, device_with("--firmware-version", "2.1.0.0", host="emcm:5.6.7.8"), lambda line: ["CHECKCONFIG"]),
    (43, device_with("--type", "dnode"), no_args),
    (43, with_config(["node", "firmware"], None), no_args),
    (44, with_config(["node", "field_configuration"], None), no_args),
    (44, with_config(["node", "factory_configuration"], None), lambda line: ["--factory-config"]),
    (68, device_with("--fault", "silent-host"), no_args),
    (68, device_with(host=None), no_args),
    (69, device_with("--fault", "host-error"), no_args),
    (70, device_with("--fault", "bad-host-config"), no_args),
    (70, device_with(), lambda line: ["--partial_mcm_id=01234567"]),
    (72, device_with("--fault", "failing-host"), no_args),
    (75, with_config(["applications", 0, "firmware"], None), no_args),
    (76, with_config(["applications", 0, "field_configuration"], None), no_args),
    (101, device_with(), lambda line: ["--config-id=7"]),
    (101, with_fault("/config", answer(403, {"error": {"code": "DENIED", "text": "not permitted"}})), no_args),
    (101, with_fault("PUT ", answer(500, {"error": {"code": "INTERNAL", "text": "internal error"}})), no_args),
    (102, with_fault("/config", answer(200, b"<html>hello</html>")), no_args),
    (102, with_config(["kms_key"], "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), no_args),
    (102, bent_file, no_args),
    (102, with_fault("/gateway-keys", answer(200, {"cms": "AAAA", "gateway_kcv": "00" * 8, "cdld_kcv": "00" * 8})), no_args),
    (108, device_with(), lambda line: ["--cache", "/dev/full/cache"]),
    (108, with_config(["files"], "shared"), no_args),
    (132, device_with(), lambda line: [f"--control_port={free_port()}", "-g", "127.0.0.1", "PRETEST"]),
    (133, device_with(), lambda line: gateway_args(lambda: Answerer(lambda data: b"\0\x02xx"))(line) + ["PRETEST"]),
    (134, pretested, lambda line: gateway_args(lambda: Gateway(join=2))(line) + ["POSTTEST"]),
    (134, pretested, lambda line: gateway_args(lambda: Gateway(join=0))(line) + ["-t", "1", "POSTTEST"]),
    (140, device_with(), lambda line: ["--gateway_library=/nonexistent.so", "PRETEST"]),
    (141, device_with(), lambda line: ["--gateway_certs=/nonexistent", "PRETEST"]),
    (164, device_with("--fault", "no-meter"), no_args),
]


@pytest.mark.parametrize("code,port,more", CODES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CODES)])
def test_return_code(line, code, port, more):
    choice = ["--config-id=7"] if more(line) == ["--config-id=7"] else None
    extra = [] if choice else more(line)
    line.provision(port(line), *extra, code=code, choice=choice)
    ended = [r for r in line.server.runs.values() if "return_code" in r]
    if ended and code > 3:
        assert ended[-1]["return_code"] == code
    line.no_secret_anywhere()
    # whatever it was: no device is provisioned that did not end well
    assert all(d["state"] == "keyed" for d in line.server.devices.values())


def test_return_code_14(line):
    """No memory can be locked for keys."""
    device = line.device()

    def starve():
        ctypes.CDLL(None).prctl(24, 14, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_IPC_LOCK
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))

    done = subprocess.run([str(a) for a in line.args(device.pty)], capture_output=True, text=True, timeout=120, preexec_fn=starve)
    assert done.returncode == 14, done.stdout + done.stderr
    assert "return code 14: " in done.stdout
    assert not line.server.devices


def test_return_code_100(line):
    device = line.device()
    line.provision(device.pty, server=f"127.0.0.1:{free_port()}", code=100)
    line.provision(device.pty, server="no-such-host.invalid", code=100)
    assert line.provision(device.pty, code=0)


def test_a_disk_that_is_full(line):
    """No signal ends a run in its middle, and what can't be written is said."""
    device = line.device(count=2)

    def small():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))

    args = [str(a) for a in line.args(device.ptys[0], "--verbosity=0")]
    done = subprocess.run(args, capture_output=True, text=True, timeout=120, preexec_fn=small)
    assert done.returncode == 108, done
    assert "File too large" in done.stdout
    log = [a if a != str(line.log) else "/dev/full" for a in args]
    done = subprocess.run(log, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done
    assert done.stderr.count("the log can't be written, lines are missing: /dev/full: No space left on device") == 1
    assert line.server.devices[NODE]["state"] == "provisioned"


def test_nobody_reads_what_is_printed(line):
    device = line.device()
    client = subprocess.Popen([str(a) for a in line.args(device.pty)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    client.stdout.close()
    client.stderr.close()
    assert client.wait(120) == 0
    assert line.server.devices[NODE]["state"] == "provisioned"


def test_two_clients_for_one_device(line):
    device = line.device("--delay", "40")
    first = subprocess.Popen([str(a) for a in line.args(device.pty)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for(lambda: line.server.runs, "the first client's run")
    time.sleep(0.3)
    answer = line.provision(device.pty, code=4)
    assert "use" in answer.out or "lock" in answer.out
    out, _ = first.communicate(timeout=120)
    assert first.returncode == 0, out
    assert line.server.devices[NODE]["state"] == "provisioned"
