"""SIGKILL at random points of imports and rotations, for each of the three processes: nothing lost, nothing half done."""

import os
import random
import signal
import subprocess
import time

import pytest

from harness import DONE, NETWORK, Site, alive, children, lines_of, program, wait_for

ROUNDS = int(os.environ.get("CLAVIGER_KILL_ROUNDS", "6"))  # of each of the three kinds of work
NODES = 4000
VICTIMS = ["supervisor", "engine", "keeper"]


@pytest.fixture(scope="module")
def joined(folder, daemons):
    site = Site(folder, diameter=False, settings={"audit.segment_size": "256K"})
    daemons += [site.operator, site.factory]
    site.start().join(NODES)
    site.signer = site.operator.public_key()
    site.factory.stop()
    return site


def pick(daemon, victim):
    return daemon.process.pid if victim == "supervisor" else daemon.kids().get(victim)


def kill_during(daemon, args, victim, delay):
    """Run a command, kill the victim after `delay` seconds; gives the command's exit status."""
    pid, daemon.before = pick(daemon, victim), children(daemon.process.pid)
    with open(os.devnull, "w") as null:
        command = subprocess.Popen([program("claviger"), "--socket", str(daemon.socket), *map(str, args)],
                                   stdout=null, stderr=null)
        time.sleep(delay)
        if pid is not None:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        # where the daemon is gone for good, the command has to notice by itself
        try:
            return command.wait(30)
        except subprocess.TimeoutExpired:
            command.kill()
            raise AssertionError(f"{args} hangs after SIGKILL of the {victim}") from None


def back(daemon, victim):
    """Serving again; by itself unless it was the supervisor that died."""
    if victim == "supervisor":
        daemon.process.wait(10)
        wait_for(lambda: not any(alive(k) for k in daemon.before), "keeper and engine to follow their supervisor", 10)
        daemon.process = None
        daemon.start()
    else:
        daemon.wait_ready()


def settle(daemon):
    """A picture once everything that goes on in the background has ended."""
    def look():
        network = daemon.json("network", "show", NETWORK)
        return network if not network["resealing"] else None
    return wait_for(look, "the rotation to be finished in the background")


def delays(longest, seed):
    chance = random.Random(seed)
    return [(VICTIMS[i % 3], chance.uniform(0, longest)) for i in range(ROUNDS)]


def timed(daemon, *args):
    start = time.monotonic()
    daemon.cli(*args)
    return time.monotonic() - start


def test_import(joined):
    operator = joined.operator
    keys = lines_of(operator.keyring())[0]
    longest = timed(operator, "batch", "import", NETWORK, joined.batch, "--dry-run") * 1.3
    for victim, delay in delays(longest, 1):
        status = kill_during(operator, ["batch", "import", NETWORK, joined.batch], victim, delay)
        back(operator, victim)
        count = len(operator.nodes())
        assert count in (0, NODES), f"{count} nodes after SIGKILL of the {victim} at {delay:.3f} s"
        assert status != DONE or count == NODES, f"an import that said it was done is lost ({victim}, {delay:.3f} s)"
        heads, nodes = lines_of(operator.keyring())
        assert heads == keys and len(nodes) == count
        if count:
            operator.cli("network", "destroy", NETWORK, "--confirm", NETWORK)
            remake(joined)
            keys = lines_of(operator.keyring())[0]
    assert operator.json("audit", "verify")["verified"]
    assert not list((operator.state / "spool").iterdir()), "files are left in the spool folder"


def remake(site):
    """The network anew from its gateway key file, so that the batch file fits again."""
    operator = site.operator
    operator.cli("network", "import-gateway-keys", NETWORK, site.keys, "--signer", site.signer,
                 "--passphrase-file", operator.passphrase_file())


def test_rotate(joined):
    """Either the version is there, whole, or it is not; a version that was reported is never lost."""
    operator = joined.operator
    versions = [k["version"] for k in operator.json("network", "show", NETWORK)["keys"] if k["key"] == "gateway"]
    longest = timed(operator, "network", "rotate", NETWORK, "--key", "cdld") * 2
    for victim, delay in delays(longest, 2):
        before = max(versions)
        status = kill_during(operator, ["network", "rotate", NETWORK, "--key", "gateway"], victim, delay)
        back(operator, victim)
        shown = [k for k in operator.json("network", "show", NETWORK)["keys"] if k["key"] == "gateway"]
        versions = [k["version"] for k in shown]
        assert versions == list(range(1, max(versions) + 1)) and max(versions) - before in (0, 1)
        assert status != DONE or max(versions) == before + 1, "a rotation that said it was done is lost"
        assert [k["state"] for k in shown][-1] == "active" and [k["state"] for k in shown].count("active") == 1
        assert len(lines_of(operator.keyring())[0]["gateway"]) == 24
    assert operator.json("audit", "verify")["verified"]


def test_vault_rotate(joined):
    """Every record opens under whichever version of the domain key it is; what was cut off is finished by itself."""
    operator = joined.operator
    if not operator.nodes():
        operator.cli("batch", "import", NETWORK, joined.batch)
    whole = operator.keyring()
    longest = timed(operator, "vault", "rotate", NETWORK) * 1.2
    for victim, delay in delays(longest, 3):
        kill_during(operator, ["vault", "rotate", NETWORK], victim, delay)
        back(operator, victim)
        assert operator.keyring() == whole, f"after SIGKILL of the {victim} at {delay:.3f} s"
        settle(operator)
    assert operator.keyring() == whole
    assert operator.json("audit", "verify")["verified"]
