"""A client that listens: Notify and Put arrive over mutually authenticated TLS, from the daemon as it runs."""

import queue
import socket
import ssl
import threading
import time

import pytest

import harness
import kmip_harness

NOTIFY, PUT = 0x1B, 0x1C
OPERATION, UNIQUE_IDENTIFIER, REPLACED, PUT_FUNCTION = 0x42005C, 0x420094, 0x420076, 0x420070
KEY_MATERIAL, STATE = 0x420043, 0x42008D


def leaves(data, found=None):
    """Every item of a TTLV message that is no structure: {tag: [value, ...]}."""
    found = {} if found is None else found
    at = 0
    while at < len(data):
        tag, kind = int.from_bytes(data[at:at + 3], "big"), data[at + 3]
        length = int.from_bytes(data[at + 4:at + 8], "big")
        value = data[at + 8:at + 8 + length]
        if kind == 1:
            leaves(value, found)
        else:
            found.setdefault(tag, []).append(value)
        at += 8 + (length + 7) // 8 * 8
    return found


class Ear:
    """A TLS listener with the client's registered certificate, whatever its names; it wants one of its authority's too."""

    def __init__(self, files, client):
        self.heard = queue.Queue()
        self.peers = []
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client.files[2])
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(*files)
        self.context = context
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.drop = 0  # connections to close before a word is read
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            if self.drop > 0:
                self.drop -= 1
                raw.close()
                continue
            try:
                with self.context.wrap_socket(raw, server_side=True) as tls:
                    self.peers.append(tls.getpeercert())
                    data = b""
                    while len(data) < 8 or len(data) < 8 + int.from_bytes(data[4:8], "big"):
                        piece = tls.recv(65536)
                        if not piece:
                            raise ConnectionError(f"half a message: {data!r}")
                        data += piece
                    self.heard.put(leaves(data))
            except OSError as failure:
                self.heard.put(failure)

    def next(self, operation, uid=None, seconds=30):
        end = time.monotonic() + seconds
        while True:
            message = self.heard.get(timeout=max(0.1, end - time.monotonic()))
            assert isinstance(message, dict), message
            if message[OPERATION] == [operation.to_bytes(4, "big")] and \
                    uid in (None, message[UNIQUE_IDENTIFIER][0].decode()):
                return message


def server_files(daemon):
    return str(daemon.state / "tls/server.pem"), str(daemon.state / "tls/server.key")


@pytest.fixture(scope="module")
def daemon(folder, daemons):
    return kmip_harness.start(folder, daemons)


@pytest.fixture(scope="module")
def client(daemon):
    return kmip_harness.Client(daemon, "array")


@pytest.fixture(scope="module")
def ear(daemon, client):
    made = Ear(client.files[:2], client)
    daemon.cli("client", "change", "array", "--notify", f"localhost:{made.port}", "--put")
    time.sleep(6)  # a new address counts within seconds
    yield made
    made.listener.close()


def test_a_change_is_told(client, ear):
    uid = client.uid("create", "aes", "256", "--name", "told")
    client.run("activate", uid)
    message = ear.next(NOTIFY, uid)
    assert message[STATE] == [(2).to_bytes(4, "big")]
    assert ear.peers[-1]["subject"]  # the server showed a certificate of its authority


def test_what_replaces_is_put(daemon, client, ear):
    uid = client.uid("create", "aes", "256", "--name", "put")
    after = client.uid("rekey", uid)
    message = ear.next(PUT, after)
    assert message[PUT_FUNCTION] == [(2).to_bytes(4, "big")] and message[REPLACED] == [uid.encode()]
    key = client.run("get", after, "--show-key").out.strip()
    assert message[KEY_MATERIAL][0].hex() == key
    assert key not in daemon.log.read_text(errors="replace")


def test_nobody_else_is_told(daemon, client, ear):
    """A certificate of the right authority that names the right host is not the client's."""
    other = Ear(server_files(daemon), client)
    daemon.cli("client", "change", "array", "--notify", f"localhost:{other.port}")
    time.sleep(6)
    uid = client.uid("create", "aes", "256", "--name", "secret")
    client.uid("rekey", uid)
    with pytest.raises(queue.Empty):
        while True:  # that the connection ends within the handshake may be heard
            assert not isinstance(other.heard.get(timeout=4), dict)
    other.listener.close()
    daemon.cli("client", "change", "array", "--notify", f"localhost:{ear.port}")
    time.sleep(6)


def test_it_is_tried_again(client, ear):
    ear.drop = 1
    uid = client.uid("create", "aes", "256", "--name", "again")
    after = client.uid("rekey", uid)
    ear.next(PUT, after)


def test_it_goes_on_after_a_reload(daemon, client, ear):
    daemon.cli("server", "reload")
    uid = client.uid("create", "aes", "256", "--name", "reloaded")
    ear.next(PUT, client.uid("rekey", uid))


def test_who_does_not_want_it_gets_none(daemon, client, ear):
    daemon.cli("client", "change", "array", "--no-put")
    assert daemon.json("client", "show", "array")["put"] is False
    both = daemon.cli("client", "change", "array", "--put", "--no-put", status=None)
    assert both.status != harness.DONE
    time.sleep(6)
    uid = client.uid("create", "aes", "256", "--name", "none")
    after = client.uid("rekey", uid)
    with pytest.raises(queue.Empty):
        ear.next(PUT, after, seconds=3)
