"""The whole circle: an operator's keys go into a package, the package to a factory, the factory's devices back to the operator, and
the devices join. With noise on every line, several stations, and processes that are killed."""

import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from circle_harness import ALIAS, CONFIG, Circle, Nodes, Station, together
from harness import BAD_INPUT, DONE, NETWORK, REFUSED, USAGE, Daemon, alive, flip, lines_of, program, run, wait_for

NOISE = {"noise": "0.0002", "lose": "0.0001", "double": "0.0001"}
WRAPPERS = ["none", "simple", "reliable", "rht_v2", "opt_psem"]


@pytest.fixture(scope="module")
def circle(tmp_path_factory):
    made = Circle(tmp_path_factory.mktemp("circle")).start()
    try:
        made.build()
        made.take_package()
        yield made
    finally:
        made.stop()


@pytest.fixture
def fleet(circle, tmp_path):
    """Starts devices that are ended with the test."""
    started = []

    def start(first, count=1, wrapper="none", **options):
        nodes = Nodes(tmp_path / f"nodes-{len(started)}", first, count, wrapper, **options).start()
        started.append(nodes)
        return nodes
    yield start
    for nodes in started:
        nodes.stop()


def take(circle, path, *args, status=DONE, signer="kite-line"):
    got = circle.operator.json("batch", "import", NETWORK, path, *args, status=status)
    assert got["signed_by"] == signer
    return got


@pytest.fixture
def unsigned(circle):
    """The operator believes nobody in particular: what comes is read."""
    circle.operator.cli("batch", "signer", "remove", "kite-line")
    yield
    circle.introduce()


def join(circle, nodes, status=DONE):
    address = circle.start_gateway()
    try:
        return run([program("claviger-sim"), "join", "--gateway", address, "--state", nodes.state], status=status)
    finally:
        circle.gateway.terminate()
        circle.gateway.wait(10)
        circle.gateway = None


def signature_of(path):
    return path.with_name(path.name + ".sig")


def ids(nodes):
    return [f"0x{nodes.first + i:08x}" for i in range(nodes.count)]


def export_line_records(circle):
    return [r for r in circle.factory.records("release") if r.get("purpose") == "export-line"]


def test_every_wrapper_over_noisy_lines(circle, fleet):
    """Two stations, fifty devices at a time, every wrapper; then all of them join."""
    stations = [Station(circle, "line-1"), Station(circle, "line-2")]
    groups = [fleet(0x00B00000 + 16 * i, 10, wrapper, **NOISE) for i, wrapper in enumerate(WRAPPERS)]

    def provision(station, nodes, config):
        for _ in range(4):  # a line may be so bad that a run gives up: the next one finishes
            if station.provision(nodes, status=None, config=config).status == DONE:
                return
        station.provision(nodes, config=config)
    together([lambda s=stations[i % 2], n=nodes, c=("--config-alias", ALIAS) if i % 2 else ("--config-id", CONFIG): provision(s, n, c)
              for i, nodes in enumerate(groups)])
    there = circle.devices("--state", "provisioned")
    wanted = {i for nodes in groups for i in ids(nodes)}
    assert wanted <= set(there)
    assert {there[i]["station"] for i in wanted} == {"line-1", "line-2"}
    path = circle.export("every.xml")
    dry = take(circle, path, "--dry-run")
    assert dry["devices"] == dry["new"] == len(wanted) and not dry["merged"]
    got = take(circle, path)
    assert got["new"] == len(wanted) and got["merged"] and got["refused"] == 0
    assert take(circle, path)["unchanged"] == len(wanted)
    assert circle.operator.json("batch", "list", NETWORK)["batches"][0]["batch"] == 1000
    for nodes in groups:
        nodes.stop()
        said = join(circle, nodes).out
        assert all(f"{i} joined" in said for i in ids(nodes)), said
    # exported devices are easy to tell from others, and an export can be had again
    assert not circle.devices("--exported", "no")
    again = circle.folder / "again.xml"
    circle.factory.cli("factory", "export", "-o", again, "--repeat", "1")
    assert again.read_bytes() == path.read_bytes()
    assert signature_of(again).read_bytes() == signature_of(path).read_bytes()
    run(["openssl", "dgst", "-sha256", "-verify", circle.folder / "factory.pub.pem", "-signature", signature_of(path), path])


def test_what_was_given_is_on_the_record(circle, fleet):
    station = Station(circle, "line-record")
    before = len(export_line_records(circle))
    station.provision(fleet(0x00B01000))
    new = export_line_records(circle)[before:]
    assert len(new) == 2
    assert {r["table"] for r in new} == {"gateway", "cdld"}
    for record in new:
        assert "line-record" in record["actor"]
        assert re.search(r"config 0x0000012345678abc recipient sha256:[0-9a-f]{64}", record["text"])
    circle.factory.cli("audit", "verify")


def test_keys_stand_nowhere_in_clear(circle, fleet):
    """The network's keys and those of devices: not in a log, the package, an export, the factory's files, the station's folder."""
    station = Station(circle, "line-secret")
    nodes = fleet(0x00B08000)
    station.provision(nodes, "--verbosity", "2", "--logfile", station.folder / "log")
    path = circle.export("secret.xml", "--nodes", "0x00b08000")
    assert take(circle, path)["new"] == 1
    heads, keys = lines_of(circle.operator.keyring(NETWORK))
    secrets = [heads["gateway"], heads["gateway_cdld"], keys[0x00B08000][0]]
    files = [f for folder in (circle.factory.folder, station.folder, circle.packaging) for f in folder.rglob("*") if f.is_file()]
    files += [path, circle.package, circle.operator.log]
    assert len(files) > 20
    for file in files:
        content = file.read_bytes()
        for secret in secrets:
            assert secret not in content and secret.hex().encode() not in content.lower(), file


def test_a_device_that_is_keyed_anew(circle, fleet):
    station = Station(circle, "line-anew")
    first = fleet(0x00B02000)
    station.provision(first, "--skip_lock")
    old = circle.export("old.xml", "--nodes", "0x00b02000")
    assert take(circle, old)["new"] == 1
    first.stop()
    fresh = fleet(0x00B02000)  # the same id in a new device: its flash knows nothing
    station.provision(fresh)
    new = circle.export("new.xml", "--nodes", "0x00b02000")
    assert take(circle, new)["reprovisioned"] == 1
    fresh.stop()
    assert "joined" in join(circle, fresh).out
    # an old export does not bring the old key back
    said = circle.operator.cli("batch", "import", NETWORK, old, status=None)
    assert said.status != DONE and "replaced by a newer one" in said.out + said.err


def test_a_station_that_is_killed(circle, fleet):
    """kill -9 at points all over a run: the run after it ends well, with one identity."""
    station = Station(circle, "line-killed")
    for i in range(5):
        nodes = fleet(0x00B03000 + i, 1, "reliable", baud=921600)
        process = station.spawn(nodes)
        time.sleep(0.1 + 0.12 * i)
        process.kill()
        process.wait(10)
        station.provision(nodes)
        path = circle.export(f"killed-{i}.xml", "--nodes", f"0x{nodes.first:08x}")
        assert take(circle, path)["refused"] == 0
        nodes.stop()
        assert "joined" in join(circle, nodes).out


def test_a_server_that_is_killed(circle, fleet):
    """kill -9 of the factory's daemon under several runs: what stations were told is there after it."""
    station = Station(circle, "line-server")
    groups = [fleet(0x00B04000 + 16 * i, 2, wrapper, baud=460800) for i, wrapper in enumerate(("none", "rht_v2"))]
    processes = [station.spawn(nodes) for nodes in groups]
    time.sleep(0.4)
    kids = circle.factory.kids().values()
    circle.factory.process.send_signal(signal.SIGKILL)
    circle.factory.process.wait(10)
    wait_for(lambda: not any(alive(k) for k in kids), "the daemon's children to end")
    said = [process.communicate(timeout=90)[0] for process in processes]
    circle.factory.start()
    # whoever was told "return code 0" is provisioned here
    for text in said:
        for node in re.findall(r"(0x[0-9a-f]{8}): return code 0:", text):
            assert circle.devices("--state", "provisioned")[node]
    for nodes in groups:
        station.provision(nodes)
    path = circle.export("server.xml", "--nodes", "0x00b04000-0x00b040ff")
    assert take(circle, path)["refused"] == 0
    for nodes in groups:
        nodes.stop()
        said = join(circle, nodes).out
        assert said.count("joined") == 2


def test_old_runs_go(circle, fleet):
    """By hand; the newest run of each device, what was exported and what is to be exported stay."""
    station = Station(circle, "line-prune")
    nodes = fleet(0x00B0D000)
    station.provision(nodes, "--skip_lock")
    path = circle.export("prune.xml", "--nodes", "0x00b0d000")
    station.provision(nodes, "--skip_lock")
    station.provision(nodes)

    def mine():
        return [r for r in circle.factory.json("factory", "runs", "--limit", "1000")["runs"] if r["node_id"] == "0x00b0d000"]
    assert len(mine()) == 3
    time.sleep(1.1)  # times are in seconds
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    devices, dry = circle.devices(), circle.factory.json("factory", "prune", "--before", now, "--dry-run")
    assert dry["dry_run"] and dry["runs"] >= 2 and len(mine()) == 3
    done = circle.factory.json("factory", "prune", "--before", now)
    assert done["runs"] == dry["runs"] and len(mine()) == 1
    assert circle.devices() == devices
    again = circle.folder / "prune-again.xml"
    number = circle.factory.json("factory", "exports")["exports"][0]["id"]
    circle.factory.cli("factory", "export", "-o", again, "--repeat", number)
    assert again.read_bytes() == path.read_bytes()
    assert f"{done['runs']} runs" in circle.factory.records("factory-pruned")[-1]["text"]
    circle.factory.cli("factory", "prune", "--before", "2999-01-01", status=None)
    assert "has not come yet" in circle.factory.cli("factory", "prune", "--before", "2999-01-01", status=None).err
    circle.factory.cli("factory", "prune", status=USAGE)


def test_a_factory_that_is_restored(circle, fleet):
    """Store and packages' files from one backup: stations go on, with every file as it was."""
    station = Station(circle, "line-backup")
    station.provision(fleet(0x00B0C000))
    factory = circle.factory
    copy = circle.folder / "copy.db"
    made = factory.json("server", "backup", "-o", copy)
    archive = circle.folder / "copy.db.packages.tar"
    assert made["packages"]["missing"] == 0 and made["packages"]["files"] > 5
    assert archive.stat().st_size == made["packages"]["bytes"]
    alone = factory.json("server", "backup", "--no-packages", "-o", circle.folder / "alone.db")
    assert alone["packages"] is None
    stays = factory.json("server", "backup")
    assert Path(stays["packages"]["path"]).name == stays["name"].replace("store.", "packages.").replace(".db", ".tar")
    before = factory.json("factory", "packages")
    packages = factory.state / "packages"
    files = {f.relative_to(packages): f.read_bytes() for f in packages.rglob("*") if f.is_file()}
    assert len(files) == made["packages"]["files"]
    factory.stop()
    for path in (*factory.state.joinpath("store").glob("store.db*"), *packages.iterdir()):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    # a store without its packages says so, and is backed up with what is there
    shutil.copyfile(copy, factory.state / "store/store.db")
    factory.start()
    said = factory.cli("server", "backup", "-o", circle.folder / "half.db")
    assert "are not there" in said.err
    factory.stop()
    run(["tar", "-xf", archive, "-C", packages])
    factory.start()
    assert factory.json("factory", "packages") == before
    assert {f.relative_to(packages): f.read_bytes() for f in packages.rglob("*") if f.is_file()} == files
    shutil.rmtree(station.folder / "cache", ignore_errors=True)
    station.provision(fleet(0x00B0C001))
    assert circle.devices("--state", "provisioned")["0x00b0c000"]


def killed_within(daemon, delay, *args):
    """`claviger ARGS`, kill -9 of its daemon's supervisor `delay` seconds later, and the daemon's next start."""
    with subprocess.Popen([program("claviger"), "--socket", str(daemon.socket), *args],
                          stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        time.sleep(delay)
        kids = daemon.kids().values()
        daemon.process.send_signal(signal.SIGKILL)
        daemon.process.wait(10)
        process.wait(60)
    wait_for(lambda: not any(alive(kid) for kid in kids), "the daemon's children to end")
    daemon.start()


def test_a_rotation_that_is_killed(circle, fleet):
    """kill -9 all over a new domain key for the packages: stations get their keys before, between and after."""
    station = Station(circle, "line-rotate")

    def state():
        return next(d for d in circle.factory.json("vault", "list")["domains"] if d.get("factory"))
    first, nodes = state()["version"], 0x00B0B000
    for i, delay in enumerate((0.02, 0.3, 1.0, 2.5)):
        killed_within(circle.factory, delay, "vault", "rotate", "--factory")
        station.provision(fleet(nodes + i))
        wait_for(lambda: not state()["resealing"], "the rotation to be finished", 30)
        station.provision(fleet(nodes + 16 + i))
    assert state()["version"] > first
    before = state()["version"]
    said = circle.factory.cli("vault", "rotate", "--factory").out
    assert f"sealed under domain key version {before + 1}" in said
    station.provision(fleet(nodes + 32))
    assert "(factory)" in circle.factory.cli("vault", "list").out
    circle.factory.cli("vault", "rotate", "--factory", "--objects", status=USAGE)
    circle.operator.cli("vault", "rotate", "--factory", status=REFUSED)
    circle.factory.cli("audit", "verify")


def test_an_operator_killed_at_the_import(circle, fleet):
    """Nothing is imported by half."""
    station = Station(circle, "line-import")
    nodes = fleet(0x00B05000, 4)
    station.provision(nodes)
    path = circle.export("import.xml", "--nodes", "0x00b05000-0x00b0500f")
    for delay in (0.05, 0.2):
        before = {n["id"] for n in circle.operator.nodes()}
        killed_within(circle.operator, delay, "batch", "import", NETWORK, str(path))
        new = {n["id"] for n in circle.operator.nodes()} - before
        assert len(new) in (0, 4)
    assert take(circle, path)["refused"] == 0
    nodes.stop()
    assert join(circle, nodes).out.count("joined") == 4


def test_files_of_nobody_who_is_known(circle, fleet, tmp_path):
    """Unsigned, changed, signed by another, for another network: nothing is imported."""
    station = Station(circle, "line-signed")
    nodes = fleet(0x00B09000, 2)
    station.provision(nodes)
    path = circle.export("signed.xml", "--nodes", "0x00b09000-0x00b0900f")
    operator, picture = circle.operator, circle.operator.nodes()
    signers = operator.json("batch", "signer", "list")["signers"]
    assert [(s["name"], s["network"]) for s in signers] == [("kite-line", None)]

    def refused(file, pattern, hint, *args):
        said = operator.cli("batch", "import", NETWORK, file, *args, status=BAD_INPUT)
        assert re.search(pattern, said.err) and hint in said.err, said
        assert operator.nodes() == picture
    alone = tmp_path / "alone.xml"
    alone.write_bytes(path.read_bytes())
    refused(alone, "alone.xml came without a signature", "--signature")
    # the entries of two devices exchanged with their check values: nothing but the signature would tell
    first, second = (f'nodeId="{i}"' for i in ids(nodes))
    swapped = tmp_path / "swapped.xml"
    swapped.write_text(path.read_text().replace(first, "@").replace(second, first).replace("@", second))
    refused(swapped, "the signature is of no factory that is known here", "claviger batch signer list", "--signature", signature_of(path))
    signature_of(swapped).write_bytes(circle.packaging.joinpath("gw_keys.csv.aes.sig").read_bytes())
    refused(swapped, "the signature is of no factory", "nothing was imported")
    flip(signature_of(swapped), 10)
    refused(swapped, "the signature is of no factory", "nothing was imported")
    operator.cli("batch", "import", NETWORK, path, "--signature", tmp_path / "none.sig", status=REFUSED)
    kinds = [r["kind"] for r in operator.records("batch-refused")]
    assert len(kinds) >= 4
    # the right one by another name, beside a file that was moved
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(signature_of(path).read_bytes())
    assert take(circle, alone, "--signature", elsewhere)["new"] == 2


def test_without_a_factory_s_key(circle, fleet, unsigned):
    station = Station(circle, "line-unsigned")
    station.provision(fleet(0x00B0A000))
    path = circle.export("unsigned.xml", "--nodes", "0x00b0a000")
    said = circle.operator.cli("batch", "import", NETWORK, path)
    assert "nothing proves who made unsigned.xml" in said.err and "claviger batch signer add" in said.err
    assert "1 new" in said.out
    # a network that another factory is for keeps it out
    circle.operator.cli("batch", "signer", "add", "other-line", circle.packaging / "kms_key.pub.pem", "--network", NETWORK)
    try:
        said = circle.operator.cli("batch", "import", NETWORK, path, status=BAD_INPUT)
        assert "the signature is of no factory that is known here" in said.err
        circle.operator.cli("batch", "signer", "add", "other-line", circle.packaging / "kms_key.pub.pem", status=None)
    finally:
        circle.operator.cli("batch", "signer", "remove", "other-line")


def test_files_that_are_not_taken(circle, fleet, tmp_path, unsigned):
    station = Station(circle, "line-bad")
    nodes = fleet(0x00B06000, 2)
    station.provision(nodes)
    path = circle.export("good.xml", "--nodes", "0x00b06000-0x00b0600f")
    text = path.read_text()
    picture = circle.operator.nodes()

    def refused(name, content, pattern, *args):
        bad = tmp_path / name
        bad.write_text(content)
        said = circle.operator.cli("batch", "import", NETWORK, bad, *args, status=None)
        assert said.status != DONE
        assert re.search(pattern, said.out + said.err), said
        assert circle.operator.nodes() == picture
    first = re.search(r"<device .*?</device>", text, re.S).group(0)
    refused("kcv.xml", re.sub(r'kcv="(\w)', lambda m: f'kcv="{int(m.group(1), 16) ^ 1:x}', text, count=1), "another check value")
    key = re.search(r">([0-9a-f]{512,})<", text).group(1)
    refused("key.xml", text.replace(key, key[:-1] + f"{int(key[-1], 16) ^ 1:x}", 1), "does not open")
    refused("recipient.xml", re.sub(r'recipient="[0-9a-f]{64}"', f'recipient="{"ab" * 32}"', text),
            r"encrypted for key server abababababababab\.\.\., this one is ")
    refused("cut.xml", text[:-40], "ends|truncated|cut|early|unclosed")
    refused("twice.xml", text.replace(first, first + first, 1), "is in line")
    refused("entity.xml", text.replace("<deviceKeys", '<!DOCTYPE d [<!ENTITY a "b">]>\n<deviceKeys', 1), "DOCTYPE")
    refused("manifest.xml", text, "--manifest is for batch files", "--manifest", path)
    bad = tmp_path / "one.xml"
    bad.write_text(re.sub(r'kcv="(\w)', lambda m: f'kcv="{int(m.group(1), 16) ^ 1:x}', text, count=1))
    some = take(circle, bad, "--skip-refused", signer=None)
    assert (some["new"], some["refused"], some["merged"]) == (1, 1, True)
    # what it is called says nothing
    odd = tmp_path / "batch7.csv.rsa"
    odd.write_text(text)
    assert take(circle, odd, "--backup", signer=None)["new"] == 1


def test_packages_that_are_not_taken(circle):
    devices, packages = circle.devices(), circle.factory.json("factory", "packages")["packages"]
    circle.build(version=2)
    said = circle.take_package(status=None, passphrase="not the passphrase")
    assert said.status != DONE and "passphrase" in (said.out + said.err).lower()
    flip(circle.package, circle.package.stat().st_size // 2)
    assert circle.take_package(status=None).status != DONE
    circle.build(version=2)
    run([program("claviger"), "package", "key", "-o", circle.packaging / "stranger"])
    run([program("claviger"), "package", "build", circle.packaging / "manifest.toml", "-o", circle.folder / "stranger.tar.gz",
         "--key", circle.packaging / "stranger.key"])
    said = circle.factory.cli("factory", "import", circle.folder / "stranger.tar.gz", "--yes", "--passphrase-file",
                              circle.factory.passphrase_file(), status=None)
    assert said.status != DONE
    assert circle.factory.json("factory", "packages")["packages"] == packages
    assert circle.devices() == devices
    # and the right one is a new revision, which counts
    circle.take_package()
    assert circle.factory.json("factory", "packages")["packages"][0]["revision"] == packages[0]["revision"] + 1


def test_an_operator_who_is_not_meant(circle, fleet, tmp_path):
    other = Daemon(tmp_path / "other")
    other.init()
    other.start()
    try:
        other.make_network()
        station = Station(circle, "line-other")
        station.provision(fleet(0x00B07000))
        path = circle.export("other.xml", "--nodes", "0x00b07000")
        said = other.cli("batch", "import", NETWORK, path, status=BAD_INPUT)
        assert "encrypted for key server" in said.out + said.err
        assert not other.nodes()
    finally:
        other.stop()
