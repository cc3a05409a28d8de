"""A browser without mercy: HTTP/1.1 over TLS, written byte by byte, with a jar of cookies and the CSRF token of its session."""

import json
import re
import socket
import ssl
from pathlib import Path

TIMEOUT = 30


def first_password(init):
    """What `clavigerd init` printed of the first user."""
    return re.search(r"first user: admin, password (\S+)", init.out).group(1)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name):
        """All values of a header, in order."""
        return [v for n, v in self.headers if n.lower() == name.lower()]

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def code(self):
        return self.json["error"]["code"] if self.status >= 400 else "OK"

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


def read_answer(file):
    line = file.readline()
    if not line:
        return None
    status = int(line.split()[1])
    headers = []
    while (line := file.readline().rstrip(b"\r\n")):
        name, value = line.decode("latin-1").split(":", 1)
        headers.append((name, value.strip()))
    length = [v for n, v in headers if n.lower() == "content-length"]
    body = file.read(int(length[0])) if length else b""
    return Answer(status, headers, body)


class Browser:
    def __init__(self, daemon, identity=None, host="127.0.0.1"):
        self.port, self.host = daemon.https_port, host
        self.context = ssl.create_default_context(cafile=daemon.state / "tls/ca.pem")
        if identity is not None:
            self.context.load_cert_chain(Path(identity) / "cert.pem", Path(identity) / "key.pem")
        self.cookies, self.csrf = {}, None

    def connect(self):
        plain = socket.create_connection((self.host, self.port), TIMEOUT)
        return self.context.wrap_socket(plain, server_hostname="localhost")

    def send(self, data):
        """Bytes as they are; the answer, or None where the connection was closed without one."""
        with self.connect() as tls:
            tls.sendall(data)
            with tls.makefile("rb") as file:
                return read_answer(file)

    def head(self, method, target, headers, body):
        lines = {"Host": f"localhost:{self.port}", "Connection": "close", **headers}
        if body is not None:
            lines.setdefault("Content-Length", str(len(body)))
        if self.cookies and "Cookie" not in lines:
            lines["Cookie"] = "; ".join(f"{n}={v}" for n, v in self.cookies.items())
        if self.csrf and method != "GET" and "X-Claviger-CSRF" not in lines:
            lines["X-Claviger-CSRF"] = self.csrf
        text = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in lines.items() if v is not None)
        return text.encode("latin-1") + b"\r\n" + (body or b"")

    def ask(self, method, target, body=None, **headers):
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        headers = {n.replace("_", "-"): v for n, v in headers.items()}
        answer = self.send(self.head(method, target, headers, body))
        for cookie in answer.header("Set-Cookie") if answer else []:
            name, value = cookie.split(";")[0].split("=", 1)
            self.cookies.pop(name, None)
            if value:
                self.cookies[name] = value
        return answer

    def get(self, target, **headers):
        return self.ask("GET", target, **headers)

    def post(self, target, body=None, **headers):
        return self.ask("POST", target, body, **headers)

    def log_in(self, user, password):
        answer = self.post("/v1/login", {"user": user, "password": password})
        if answer.status == 200:
            self.csrf = answer.json["csrf"]
        return answer

    def listen(self, topics=None, **headers):
        """An event stream: a file of lines, its chunks taken apart."""
        tls = self.connect()
        target = "/v1/events" + (f"?topics={topics}" if topics else "")
        lines = {"Connection": "keep-alive", **{n.replace("_", "-"): v for n, v in headers.items()}}
        tls.sendall(self.head("GET", target, lines, None))
        file = tls.makefile("rb")
        return Events(tls, file)


class Events:
    def __init__(self, tls, file):
        self.tls, self.file = tls, file
        self.status = int(file.readline().split()[1])
        self.headers = []
        while (line := file.readline().rstrip(b"\r\n")):
            self.headers.append(line.decode())
        self.text = b""

    def until(self, wanted):
        """Read until `wanted` has come; False where the stream ended before."""
        wanted = wanted.encode()
        while wanted not in self.text:
            size = self.file.readline()
            if not size or int(size, 16) == 0:
                return False
            self.text += self.file.read(int(size, 16))
            self.file.readline()
        return True

    def close(self):
        self.file.close()
        self.tls.close()


def settle(browser, user, password, fresh):
    """The first login of a user, with the password changed as it must be."""
    assert browser.log_in(user, password).json["must_change"] is True
    answer = browser.ask("PUT", "/v1/session/password", {"old": password, "new": fresh})
    assert answer.status == 200, answer
    return browser
