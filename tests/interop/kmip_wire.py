"""KMIP as bytes: messages that no library would make, and connections that hold on to them."""

import http.client
import socket
import ssl
import struct

DISCOVER, QUERY, CREATE, GET = 0x1E, 0x18, 1, 10
REGISTER, LOCATE, GET_ATTRIBUTES, DESTROY, ACTIVATE, REVOKE = 3, 8, 11, 20, 18, 19
SUCCESS, FAILED, PENDING = 0, 1, 2
NOT_FOUND, TOO_LARGE, UNAUTHENTICATED, INVALID_MESSAGE, NOT_SUPPORTED, MISSING, INVALID_FIELD = 1, 2, 3, 4, 5, 6, 7
STRUCTURE, INTEGER, LONG, BIG, ENUMERATION, BOOLEAN, TEXT, BYTES, DATE, INTERVAL = range(1, 11)


def raw(tag, kind, length, body):
    """An item whose length and padding are as told, however wrong."""
    return struct.pack(">II", tag << 8 | kind, length & 0xFFFFFFFF) + body


def item(tag, kind, value):
    if kind == STRUCTURE:
        body = b"".join(value)
    elif kind == INTEGER:
        body = struct.pack(">i", value)
    elif kind in (ENUMERATION, INTERVAL):
        body = struct.pack(">I", value)
    elif kind in (LONG, DATE, BOOLEAN):
        body = struct.pack(">q", value)
    else:
        body = value.encode() if isinstance(value, str) else value
    return raw(tag, kind, len(body), body + b"\0" * (-len(body) % 8))


def password(name, secret):
    return item(0x420023, STRUCTURE, [item(0x420024, ENUMERATION, 1), item(0x420025, STRUCTURE, [
        item(0x420099, TEXT, name), item(0x4200A1, TEXT, secret)])])


def version(major, minor):
    return item(0x420069, STRUCTURE, [item(0x42006A, INTEGER, major), item(0x42006B, INTEGER, minor)])


def batch_item(operation, payload=(), uid=None, more=()):
    """`payload` None: none at all."""
    inside = [item(0x42005C, ENUMERATION, operation)]
    if uid is not None:
        inside.append(item(0x420093, BYTES, uid))
    if payload is not None:
        inside.append(item(0x420079, STRUCTURE, payload))
    return item(0x42000F, STRUCTURE, [*inside, *more])


def batch(items, *, of=(1, 4), count=None, header=()):
    head = [version(*of), *header, item(0x42000D, INTEGER, len(items) if count is None else count)]
    return item(0x420078, STRUCTURE, [item(0x420077, STRUCTURE, head), *items])


def message(operation, payload=(), credential=None, of=(1, 4), header=()):
    header = list(header)
    if credential is not None:
        header.append(item(0x42000C, STRUCTURE, [credential]))
    return batch([batch_item(operation, payload)], of=of, header=header)


def attribute(name, value):
    return item(0x420008, STRUCTURE, [item(0x42000A, TEXT, name), value])


def name_attribute(name):
    return attribute("Name", item(0x42000B, STRUCTURE, [item(0x420055, TEXT, name), item(0x420054, ENUMERATION, 1)]))


def aes(*more):
    return [item(0x420057, ENUMERATION, 2), item(0x420091, STRUCTURE, [
        attribute("Cryptographic Algorithm", item(0x42000B, ENUMERATION, 3)),
        attribute("Cryptographic Length", item(0x42000B, INTEGER, 256)),
        attribute("Cryptographic Usage Mask", item(0x42000B, INTEGER, 12)), *more])]


def create(*more):
    return message(CREATE, aes(*more))


def register(key, *more):
    """A symmetric AES key with these bytes."""
    return message(REGISTER, [item(0x420057, ENUMERATION, 2), item(0x420091, STRUCTURE, [
        attribute("Cryptographic Usage Mask", item(0x42000B, INTEGER, 12)), *more]),
        item(0x42008F, STRUCTURE, [item(0x420040, STRUCTURE, [
            item(0x420042, ENUMERATION, 1), item(0x420045, STRUCTURE, [item(0x420043, BYTES, key)]),
            item(0x420028, ENUMERATION, 3), item(0x42002A, INTEGER, len(key) * 8)])])])


def named(uid):
    return item(0x420094, TEXT, uid)


def get(uid):
    return message(GET, [named(uid)])


def walk(data, start=0, end=None):
    """(tag, kind, value bytes) of every item, outer ones first; ValueError where it is no TTLV."""
    end = len(data) if end is None else end
    while start < end:
        if end - start < 8:
            raise ValueError("cut")
        head, length = struct.unpack_from(">II", data, start)
        start += 8
        if start + length > end:
            raise ValueError("cut")
        yield head >> 8, head & 0xFF, data[start:start + length]
        if head & 0xFF == STRUCTURE:
            yield from walk(data, start, start + length)
        start += length + -length % 8


def every(answer, tag):
    """The values of all items with that tag."""
    return [struct.unpack(">i", value)[0] if kind in (INTEGER, ENUMERATION) else value
            for found, kind, value in walk(answer) if found == tag]


def find(answer, tag):
    """The value of the first item with that tag; None: there is none."""
    return next(iter(every(answer, tag)), None)


def status(answer):
    return find(answer, 0x42007F)


def reason(answer):
    return find(answer, 0x42007E)


def uid_of(answer):
    assert status(answer) == SUCCESS, answer.hex()
    return find(answer, 0x420094).decode()


class Link:
    """One connection to the KMIP port."""

    def __init__(self, port, folder=None, certificate=None, key=None, ca=None):
        self.context = ssl.create_default_context(cafile=str(ca or folder / "ca.pem"))
        if folder is not None:
            certificate, key = folder / "client.pem", folder / "client.key"
        if certificate is not None:
            self.context.load_cert_chain(str(certificate), str(key))
        self.raw = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls = self.context.wrap_socket(self.raw, server_hostname="localhost")

    def send(self, data):
        self.tls.sendall(data)

    def receive(self):
        """One answer; None where the server closed."""
        data = b""
        wanted = 8
        while len(data) < wanted:
            try:
                piece = self.tls.recv(wanted - len(data))
            except (ConnectionError, ssl.SSLError):
                return None
            if not piece:
                return None
            data += piece
            if len(data) == 8:
                wanted = 8 + struct.unpack(">I", data[4:])[0]
        return data

    def ask(self, data):
        self.send(data)
        return self.receive()

    def try_ask(self, data):
        """The answer, or None where the server closed, also while it was being asked."""
        try:
            self.send(data)
        except (ConnectionError, ssl.SSLError):
            pass
        return self.receive()

    def close(self):
        self.tls.close()


class Web:
    """One connection to HTTPS."""

    def __init__(self, daemon, folder):
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        context.load_cert_chain(str(folder / "client.pem"), str(folder / "client.key"))
        self.http = http.client.HTTPSConnection("localhost", daemon.https_port, context=context, timeout=20)

    def post(self, body, kind, path="/kmip", method="POST", headers=None):
        self.http.request(method, path, body, {"Content-Type": kind, **(headers or {})})
        answer = self.http.getresponse()
        return answer, answer.read()
