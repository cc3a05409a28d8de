"""SIGKILL at random points of KMIP's work, for each of the three processes: what was acknowledged is there, what was destroyed is gone,
nothing is half made. CLAVIGER_KILL_ROUNDS is how often (6)."""

import os
import random
import signal
import sqlite3
import ssl
import threading
import time

import pytest

from harness import Daemon, alive, children, wait_for
from kmip_wire import (DESTROY, FAILED, GET_ATTRIBUTES, INTEGER, LOCATE, STRUCTURE, SUCCESS, TEXT, Link, attribute, batch, batch_item,
                       create, every, find, get, item, message, name_attribute, named, register, status)

ROUNDS = int(os.environ.get("CLAVIGER_KILL_ROUNDS", "6"))
VICTIMS = ["engine", "keeper", "supervisor"]
WORKERS = 4


class Ledger:
    """What one worker knows of its objects: acknowledged, or asked and not answered."""

    def __init__(self, number):
        self.number, self.made = number, 0
        self.keys = {}       # uid: (name, key bytes or None, value of x-step or None)
        self.open = {}       # uid: what may have become of it: "destroy", or a value of x-step
        self.gone = set()    # uids whose Destroy was acknowledged
        self.names = set()   # of makings that got no answer


def step(value):
    return attribute("x-step", item(0x42000B, TEXT, value))


def work(ledger, link, chance):
    """One request and its answer; raises where the connection ends."""
    what = chance.random()
    idle = [u for u in ledger.keys if u not in ledger.open]
    if what < 0.5 or len(idle) < 3:
        ledger.made += 1
        name = f"w{ledger.number}-{ledger.made}"
        key = os.urandom(32) if chance.random() < 0.5 else None
        ledger.names.add(name)
        data = create(name_attribute(name)) if key is None else register(key, name_attribute(name))
        answer = checked(link.ask(data))
        ledger.names.discard(name)
        ledger.keys[find(answer, 0x420094).decode()] = (name, key, None)
        return
    uid = chance.choice(idle)
    name, key, old = ledger.keys[uid]
    if what < 0.75:
        value = f"{chance.random()}"
        ledger.open[uid] = value
        checked(link.ask(message(13 if old is None else 14, [named(uid), step(value)])))  # Add, Modify Attribute
        ledger.keys[uid] = (name, key, value)
    else:
        ledger.open[uid] = "destroy"
        checked(link.ask(message(DESTROY, [named(uid)])))
        del ledger.keys[uid]
        ledger.gone.add(uid)
    del ledger.open[uid]


def checked(answer):
    if answer is None:
        raise ConnectionError
    if status(answer) != SUCCESS:  # the other process is gone already: not an acknowledgement
        raise ConnectionError(find(answer, 0x42007D))
    return answer


def run(ledger, port, folder, seed, stop):
    chance = random.Random(seed)
    try:
        link = Link(port, folder)
        while not stop.is_set():
            work(ledger, link, chance)
    except (ConnectionError, ssl.SSLError, OSError):
        pass


@pytest.fixture(scope="module")
def daemon(folder, daemons):
    made = Daemon(folder / "d", diameter=False, kmip=True)
    daemons.append(made)
    made.init()
    return made.start()


@pytest.fixture(scope="module")
def client(daemon, folder):
    daemon.cli("client", "create", "one", "--kind", "kmip", "-o", folder / "one")
    return folder / "one"


def kill(daemon, victim):
    before = children(daemon.process.pid)
    pid = daemon.process.pid if victim == "supervisor" else daemon.kids().get(victim)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
    if victim == "supervisor":
        daemon.process.wait(10)
        wait_for(lambda: not any(running(k) for k in before), "keeper and engine to follow their supervisor", 10)
        daemon.process = None
        daemon.start_again()
    else:
        wait_for(lambda: pid is None or not running(pid), "the process to be gone", 10)
        daemon.wait_ready()


def running(pid):
    """Any thread of it: its sockets are closed when the last has ended."""
    try:
        return alive(pid) or len(os.listdir(f"/proc/{pid}/task")) > 1
    except OSError:
        return False


def fresh_link(daemon, client):
    """Connections may be refused a moment longer than `claviger status` is."""
    def look():
        try:
            link = Link(daemon.kmip_port, client)
            return link if status(link.ask(message(0x1E))) == SUCCESS else None
        except (OSError, ssl.SSLError, TypeError):
            return None
    return wait_for(look, "KMIP to be served")


def stored(daemon):
    """Of a stopped daemon's store: the index is what the rows say, and the uids whose keys are gone."""
    with sqlite3.connect(f"file:{daemon.state}/store/store.db?mode=ro", uri=True) as db:
        rows = db.execute("select id, uid, length(sealed), length(entries), destroyed from object").fetchall()
        ids = {row[0] for row in rows}
        indexed = {row[0] for row in db.execute("select distinct object from object_key")}
        assert indexed <= ids, f"{len(indexed - ids)} objects of the index are not there"
        for table in ("object_due", "object_usage"):
            assert {row[0] for row in db.execute(f"select object from {table}")} <= ids, table
        assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
        return {uid: sealed for _, uid, sealed, _, _ in rows}


def settle(ledger, link):
    """What was under way is either way; from here on it is known which."""
    for uid, what in list(ledger.open.items()):
        answer = link.ask(get(uid))
        name, key, old = ledger.keys[uid]
        if what == "destroy" and status(answer) != SUCCESS:
            del ledger.keys[uid]
            ledger.gone.add(uid)
        elif what != "destroy":
            now = link.ask(message(GET_ATTRIBUTES, [named(uid), item(0x42000A, TEXT, "x-step")]))
            values = [v.decode() for v in every(now, 0x42000B)]
            assert values in ([old] if old is not None else [], [what]), f"{uid}: {values}, it was {old}, asked for {what}"
            ledger.keys[uid] = (name, key, values[0] if values else None)
    ledger.open.clear()


def verify(ledger, link):
    """Every object that was acknowledged opens and is found by its name; none that was destroyed."""
    uids = list(ledger.keys)
    for start in range(0, len(uids), 60):
        some = uids[start:start + 60]
        answer = link.ask(batch([batch_item(10, [named(u)], uid=b"%d" % i) for i, u in enumerate(some)],
                                header=[item(0x42000E, 5, 1)]))
        assert every(answer, 0x42007F) == [SUCCESS] * len(some), "an acknowledged object does not open"
        for u, value in zip(some, every(answer, 0x420043)):
            assert len(value) == 32 and ledger.keys[u][1] in (None, value), f"{u} has another key"
        answer = link.ask(batch([batch_item(11, [named(u), item(0x42000A, TEXT, "x-step")]) for u in some],
                                header=[item(0x42000E, 5, 1)]))
        assert [v.decode() for v in every(answer, 0x42000B)] == [ledger.keys[u][2] for u in some if ledger.keys[u][2] is not None]
        answer = link.ask(batch([batch_item(8, [name_attribute(ledger.keys[u][0])]) for u in some], header=[item(0x42000E, 5, 1)]))
        assert every(answer, 0x420094) == [u.encode() for u in some], "Locate by name finds something else"
    for uid in ledger.gone:
        assert status(link.ask(get(uid))) == FAILED, f"{uid} was destroyed"
    # a making without an answer is there or not, whole or not at all
    for name in list(ledger.names):
        found = every(link.ask(message(LOCATE, [name_attribute(name)])), 0x420094)
        assert len(found) <= 1
        for uid in found:
            assert len(find(link.ask(get(uid.decode())), 0x420043)) == 32
            ledger.keys[uid.decode()] = (name, None, None)
        ledger.names.discard(name)


def test_kill(daemon, client):
    chance = random.Random(7)
    ledgers = [Ledger(n) for n in range(WORKERS)]
    for number in range(ROUNDS):
        victim, stop = VICTIMS[number % len(VICTIMS)], threading.Event()
        threads = [threading.Thread(target=run, args=(l, daemon.kmip_port, client, 100 * number + l.number, stop)) for l in ledgers]
        before = sum(l.made for l in ledgers)
        for t in threads:
            t.start()
        time.sleep(chance.uniform(0.2, 1.2))
        kill(daemon, victim)
        stop.set()
        for t in threads:
            t.join(30)
            assert not t.is_alive(), f"a client hangs after SIGKILL of the {victim}"
        assert sum(l.made for l in ledgers) > before, "no work was done"
        link = fresh_link(daemon, client)
        for ledger in ledgers:
            settle(ledger, link)
            verify(ledger, link)
        link.close()
    everything(daemon, client, ledgers)


def everything(daemon, client, ledgers):
    """Locate without a filter is what the ledgers know, and destroyed keys are no rows of the store any more."""
    link = fresh_link(daemon, client)
    known = {u.encode() for l in ledgers for u in l.keys}
    found, offset = set(), 0
    while True:
        page = every(link.ask(message(LOCATE, [item(0x42004F, INTEGER, 500), item(0x4200D4, INTEGER, offset)], of=(1, 4))), 0x420094)
        found |= set(page)
        offset += len(page)
        if len(page) < 500:
            break
    gone = {u.encode() for l in ledgers for u in l.gone}
    assert known <= found and found - known <= gone, f"{len(known - found)} lost, {len(found - known - gone)} nobody knows of"
    assert daemon.json("audit", "verify")["verified"]
    link.close()
    daemon.stop()
    rows = stored(daemon)
    for ledger in ledgers:
        assert all(rows[u] > 0 for u in ledger.keys), "an object without its key record"
        assert all(rows.get(u, 0) == 0 for u in ledger.gone), "the key record of a destroyed object is still there"
