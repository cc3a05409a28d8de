"""One client's connections: TTLV over TLS, and TTLV, JSON and XML over HTTPS."""

import http.client
import socket
import ssl
import struct

from codec import ENCODINGS


class Peer:
    """`folder` holds client.pem, client.key and ca.pem as `claviger client create` writes them."""

    def __init__(self, folder, ttlv, https, tables):
        self.ttlv, self.https, self.tables = ttlv, https, tables
        self.tls = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(folder / "ca.pem"))
        self.tls.check_hostname = False
        self.tls.load_cert_chain(str(folder / "client.pem"), str(folder / "client.key"))
        self.socket = self.web = None

    def close(self):
        for held in (self.socket, self.web):
            if held is not None:
                held.close()
        self.socket = self.web = None

    def send(self, data):
        """TTLV bytes to the KMIP port; the answer's bytes."""
        if self.socket is None:
            raw = socket.create_connection(self.ttlv, timeout=30)
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket = self.tls.wrap_socket(raw)
        self.socket.sendall(data)
        head = self._take(8)
        return head + self._take(struct.unpack(">I", head[4:])[0])

    def _take(self, length):
        data = b""
        while len(data) < length:
            piece = self.socket.recv(length - len(data))
            if not piece:
                raise ConnectionError(f"closed after {len(data)} of {length} bytes")
            data += piece
        return data

    def post(self, data, kind):
        """A body to /kmip; the answer's body."""
        if self.web is None:
            self.web = http.client.HTTPSConnection(*self.https, context=self.tls, timeout=30)
        self.web.request("POST", "/kmip", data, {"Content-Type": kind, "Cache-Control": "no-cache"})
        answer = self.web.getresponse()
        body = answer.read()
        if answer.status != 200 or answer.getheader("Content-Type", "").split(";")[0] != kind:
            raise ConnectionError(f"status {answer.status}, {answer.getheader('Content-Type')}: {body[:200]!r}")
        return body

    def ask(self, request, encoding, web=False):
        """One message, there and back."""
        encode, decode, kind = ENCODINGS[encoding]
        data = encode(request, self.tables)
        answer = self.send(data) if encoding == "ttlv" and not web else self.post(data, kind)
        return decode(answer, self.tables)
