"""A daemon with the KMIP service, its clients, and PyKMIP's client on them."""

import socket

import harness


def start(folder, daemons, **settings):
    """A daemon whose only service is KMIP (TLS and HTTPS), on free ports of loopback."""
    daemon = harness.Daemon(folder / "kmip", diameter=False, kmip=True, host="localhost", settings=settings)
    daemons.append(daemon)
    daemon.init()
    return daemon.start()


class Client:
    """A client's folder, and the command line on it."""

    def __init__(self, daemon, name, *options):
        self.daemon, self.name, self.folder = daemon, name, daemon.folder / name
        daemon.cli("client", "create", name, "--kind", "kmip", "-o", self.folder, *options)

    @property
    def files(self):
        return str(self.folder / "client.pem"), str(self.folder / "client.key"), str(self.folder / "ca.pem")

    def run(self, *args, status=harness.DONE, stdin=None, text=True):
        return harness.run([harness.program("claviger"), "kmip", "--profile", self.folder, *args],
                           status=status, stdin=stdin, text=text)

    def uid(self, *args, **more):
        """A command whose answer is one unique identifier."""
        return self.run(*args, **more).out.strip()

    def json(self, *args, status=harness.DONE):
        return self.run("--json", *args, status=status).json


def pykmip(client, version="1.4", cls=None):
    """PyKMIP's client library, as another program would use it."""
    import warnings
    warnings.simplefilter("ignore")
    from kmip import enums
    from kmip.pie.client import ProxyKmipClient
    cert, key, ca = client.files
    return ProxyKmipClient(hostname="localhost", port=client.daemon.kmip_port, cert=cert, key=key, ca=ca,
                           ssl_version="PROTOCOL_TLS", kmip_version=enums.KMIPVersion[f"KMIP_{version.replace('.', '_')}"])


def exchange(client, message):
    """One TTLV message over a TLS connection of Python's own."""
    import ssl
    cert, key, ca = client.files
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(cert, key)
    with socket.create_connection(("localhost", client.daemon.kmip_port), 10) as raw:
        with context.wrap_socket(raw, server_hostname="localhost") as tls:
            tls.sendall(message)
            answer = b""
            while len(answer) < 8 or len(answer) < 8 + int.from_bytes(answer[4:8], "big"):
                piece = tls.recv(65536)
                if not piece:
                    break
                answer += piece
            return answer
