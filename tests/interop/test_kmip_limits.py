"""The limits of the KMIP service, reached: connections, handshakes, answers that nobody reads. Memory stays bounded, others are served."""

import re
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest

from harness import Daemon, wait_for
from kmip_wire import (DISCOVER, ENUMERATION, QUERY, SUCCESS, Link, Web, batch, batch_item, create, item, message, name_attribute,
                       password, register, status, uid_of)

CONNECTIONS, PER_ADDRESS = 60, 50


@pytest.fixture(scope="module")
def daemon(folder, daemons):
    made = Daemon(folder / "d", diameter=False, kmip=True, settings={
        "kmip.connections": str(CONNECTIONS), "kmip.connections_per_address": str(PER_ADDRESS), "kmip.idle_timeout": "20",
        "kmip.handshake_timeout": "3", "kmip.write_timeout": "3", "kmip.requests": "16", "https.idle_timeout": "4"})
    daemons.append(made)
    made.init()
    return made.start()


@pytest.fixture(scope="module")
def one(daemon, folder):
    daemon.cli("client", "create", "one", "--kind", "kmip", "-o", folder / "one")
    return folder / "one"


def resident(daemon):
    """KiB of keeper and engine."""
    return sum(int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) for pid in daemon.kids().values())


def served(daemon, folder):
    def look():
        try:
            link = Link(daemon.kmip_port, folder)
            answer = link.ask(message(DISCOVER))
            link.close()
            return answer is not None and status(answer) == SUCCESS
        except (OSError, ssl.SSLError):
            return False
    return wait_for(look, "a new client to be served", 15)


def test_connections_above_the_limit_are_refused_and_those_below_served(daemon, one):
    held = []
    with pytest.raises((OSError, ssl.SSLError, AssertionError)):
        for _ in range(CONNECTIONS + 20):
            link = Link(daemon.kmip_port, one)
            held.append(link)
            answer = link.ask(message(DISCOVER))
            assert answer is not None and status(answer) == SUCCESS
    assert len(held) >= PER_ADDRESS - 2
    for link in held[:PER_ADDRESS - 2]:
        assert status(link.ask(message(DISCOVER))) == SUCCESS
    for link in held:
        link.close()
    served(daemon, one)


def test_a_flood_of_handshakes_that_never_end(daemon, one):
    """Connections that say nothing, or the first bytes of a handshake, are gone after handshake_timeout; memory is as before."""
    before = resident(daemon)
    for kind in (b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x00" * 64, b"\x16\x03\x01\xff\xff" + b"x" * 4096):
        for _ in range(3):
            flood = []
            for _ in range(100):
                s = socket.socket()
                s.setblocking(False)
                s.connect_ex(("127.0.0.1", daemon.kmip_port))
                flood.append(s)
            for s in flood:
                try:
                    s.send(kind)
                except OSError:
                    pass
            for s in flood:
                s.close()
    served(daemon, one)
    waiting = [socket.create_connection(("127.0.0.1", daemon.kmip_port), 20) for _ in range(PER_ADDRESS)]
    served(daemon, one)
    for s in waiting:
        s.settimeout(15)
        try:
            assert s.recv(1) == b"", "still open without a handshake"
        except ConnectionError:
            pass
        s.close()
    assert resident(daemon) - before < 32 * 1024


def test_who_pipelines_large_requests_and_reads_nothing(daemon, one):
    """Answers pile up to a bound, not to the end of memory; the connection ends by write_timeout, and others go on."""
    link = Link(daemon.kmip_port, one)
    uid = uid_of(link.ask(register(b"k" * 32, name_attribute("large"))))
    bomb = batch([batch_item(10, [item(0x420094, 7, uid)])] * 200, header=[])
    query = batch([batch_item(QUERY, [item(0x420074, ENUMERATION, n) for n in (1, 2, 3)])] * 100)
    before = resident(daemon)
    deaf = [Link(daemon.kmip_port, one) for _ in range(8)]
    for d in deaf:
        d.tls.setblocking(False)
    ended, peak = set(), 0
    end = time.monotonic() + 30
    sent = 0
    while len(ended) < len(deaf) and time.monotonic() < end:
        for i, d in enumerate(deaf):
            if i in ended:
                continue
            try:
                for _ in range(4):
                    d.tls.send((bomb + query) * 2)
                    sent += 1
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError, BlockingIOError):
                pass
            except (ConnectionError, ssl.SSLError, OSError):
                ended.add(i)
        peak = max(peak, resident(daemon))
        begin = time.monotonic()
        assert status(link.ask(message(DISCOVER))) == SUCCESS
        assert time.monotonic() - begin < 5, "others wait for the deaf one"
        time.sleep(0.05)
    assert len(ended) == len(deaf), f"{len(deaf) - len(ended)} are still there after write_timeout"
    assert peak - before < 256 * 1024, f"{peak - before} KiB more"
    link.close()


def test_large_messages_that_never_end(daemon, one):
    """Who announces a megabyte and sends most of it costs a megabyte; when he goes, nothing is left."""
    before = resident(daemon)
    held = []
    for _ in range(20):
        link = Link(daemon.kmip_port, one)
        link.send(b"\x42\x00\x78\x01\x00\x0f\xff\xf0" + b"\0" * 900000)
        held.append(link)
    served(daemon, one)
    assert resident(daemon) - before < 20 * 3 * 1024
    for link in held:
        link.raw.close()
        link.tls.close()
    served(daemon, one)


def test_wrong_passwords_in_numbers(daemon, one):
    """Guessing on many connections is slow for the guesser and nobody else."""
    links = [Link(daemon.kmip_port, one) for _ in range(12)]
    threads = []

    def guess(link, n):
        for i in range(3):
            if link.try_ask(message(DISCOVER, credential=password(f"name{n}", f"guess{i}"))) is None:
                return
    for n, link in enumerate(links):
        threads.append(threading.Thread(target=guess, args=(link, n)))
        threads[-1].start()
    other = Link(daemon.kmip_port, one)
    slowest = 0
    for _ in range(50):
        begin = time.monotonic()
        assert status(other.ask(create())) == SUCCESS
        slowest = max(slowest, time.monotonic() - begin)
    assert slowest < 10
    for t in threads:
        t.join(60)
        assert not t.is_alive()
    for link in (*links, other):
        link.close()


def test_a_deep_pipeline_is_answered_in_order(daemon, one):
    """Two thousand requests in one write by one who does read."""
    link = Link(daemon.kmip_port, one)
    count = 2000
    reader = []

    def read():
        for _ in range(count):
            reader.append(link.receive())
    thread = threading.Thread(target=read)
    thread.start()
    link.send(b"".join(batch([batch_item(DISCOVER, uid=n.to_bytes(4, "big"))]) for n in range(count)))
    thread.join(60)
    assert [a is not None and a.find(n.to_bytes(4, "big")) > 0 for n, a in enumerate(reader)] == [True] * count
    link.close()


def test_https_has_its_limits_too(daemon, one):
    held, answered = [], 0
    for _ in range(PER_ADDRESS + 40):
        try:
            web = Web(daemon, one)
            if web.post(message(DISCOVER), "application/octet-stream")[0].status == 200:
                answered += 1
            held.append(web)
        except (OSError, ssl.SSLError):
            break
    assert answered >= 1
    for web in held:
        web.http.close()
    served(daemon, one)
    wait_for(lambda: Web(daemon, one).post(message(DISCOVER), "application/octet-stream")[0].status == 200, "HTTPS to be served", 15)


@pytest.mark.parametrize("first", [b"", b"POST /kmip HTTP/1.1\r\nHost: localhost\r\n",
                                   b"POST /kmip HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\nContent-Length: 90000\r\n\r\n"])
def test_https_requests_that_never_end(daemon, one, first):
    """Silence after nothing, half a head, or a head whose body does not come: closed in the end, and nobody else waits."""
    context = ssl.create_default_context(cafile=str(one / "ca.pem"))
    context.load_cert_chain(str(one / "client.pem"), str(one / "client.key"))
    with socket.create_connection(("127.0.0.1", daemon.https_port), 20) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as tls:
            tls.sendall(first)
            assert Web(daemon, one).post(message(DISCOVER), "application/octet-stream")[0].status == 200
            begin = time.monotonic()
            try:
                data = tls.recv(4096)
            except (ConnectionError, ssl.SSLError):
                data = b""
            assert time.monotonic() - begin < 15
            assert data == b"" or data.split()[1] in (b"400", b"408")
