"""Where keys and passwords must not be: with the most talkative log there is, nothing that a client gave or got lies in clear in the
files, the environment, the arguments or the core dump settings of the daemon."""

import base64
import os
from pathlib import Path

import pytest

from harness import Daemon, wait_for
from kmip_wire import (ACTIVATE, BYTES, DESTROY, DISCOVER, ENUMERATION, INTEGER, REGISTER, STRUCTURE, SUCCESS, TEXT, Link, Web, attribute,
                       create, find, get, item, message, named, password, register, status, uid_of)

PASSWORD = "wombats-march-at-noon-7391"
WRONG = "wallabies-never-do-5526"


class Secret:
    """Bytes in every form in which a log could have them."""

    def __init__(self, what, value):
        text = value.hex()
        self.what = what
        self.forms = {value, text.encode(), text.upper().encode(), base64.b64encode(value).rstrip(b"="),
                      " ".join(text[i:i + 2] for i in range(0, len(text), 2)).encode(),
                      " ".join(text[i:i + 8] for i in range(0, len(text), 8)).encode()}

    def found(self, data):
        return any(form in data for form in self.forms)


@pytest.fixture(scope="module", params=["ttlv", "json", "xml"])
def daemon(request, folder, daemons):
    made = Daemon(folder / request.param, diameter=False, kmip=True, settings={
        "kmip.log": "messages", "kmip.log_format": request.param, "kmip.log_headers": "yes", "daemon.log_level": "debug"})
    daemons.append(made)
    made.init()
    return made.start()


def secret_data(value):
    """A password as Secret Data."""
    return message(REGISTER, [item(0x420057, ENUMERATION, 7), item(0x420091, STRUCTURE, [
        attribute("Cryptographic Usage Mask", item(0x42000B, INTEGER, 0))]), item(0x420085, STRUCTURE, [
            item(0x420086, ENUMERATION, 1), item(0x420040, STRUCTURE, [
                item(0x420042, ENUMERATION, 2), item(0x420045, STRUCTURE, [item(0x420043, BYTES, value)])])])])


def opaque(value):
    return message(REGISTER, [item(0x420057, ENUMERATION, 8), item(0x420091, STRUCTURE, []), item(0x42005B, STRUCTURE, [
        item(0x420059, ENUMERATION, 0x80000001), item(0x42005A, BYTES, value)])])


def talk(daemon, folder):
    """All that handles secrets once; gives the secrets."""
    file = daemon.folder / "given"
    file.write_text(PASSWORD + "\n")
    file.chmod(0o600)
    daemon.cli("client", "create", "one", "--kind", "kmip", "-o", folder, "--password-file", file)
    file.unlink()
    link = Link(daemon.kmip_port, folder)
    secrets = [Secret("the password", PASSWORD.encode()), Secret("a wrong password", WRONG.encode())]
    keys = [os.urandom(32), os.urandom(32), b"secret-data-" + os.urandom(8).hex().encode(), os.urandom(48)]
    uids = [uid_of(link.ask(data)) for data in (register(keys[0]), create(), secret_data(keys[2]), opaque(keys[3]))]
    keys[1] = find(link.ask(get(uids[1])), 0x420043)
    for uid in uids:
        assert status(link.ask(get(uid))) == SUCCESS
    secrets += [Secret(f"key {n}", key) for n, key in enumerate(keys)]
    assert status(link.ask(message(ACTIVATE, [named(uids[0])]))) == SUCCESS
    plain = b"plaintext-" + os.urandom(11).hex().encode()
    params = item(0x42002B, STRUCTURE, [item(0x420011, ENUMERATION, 1), item(0x42005F, ENUMERATION, 3)])
    sealed = link.ask(message(31, [named(uids[0]), params, item(0x4200C2, BYTES, plain)]))
    assert status(sealed) == SUCCESS
    opened = link.ask(message(32, [named(uids[0]), params, item(0x4200C2, BYTES, find(sealed, 0x4200C2)),
                                   item(0x42003D, BYTES, find(sealed, 0x42003D) or b"")]))
    assert find(opened, 0x4200C2) == plain
    secrets.append(Secret("plaintext", plain))
    assert status(link.ask(message(DISCOVER, credential=password("one", PASSWORD)))) == SUCCESS
    link.ask(message(DISCOVER, credential=password("one", WRONG)))
    web = Web(daemon, folder)
    assert web.post(get(uids[0]), "application/octet-stream", headers={"Authorization": f"Basic {WRONG}", "X-Mark": "the-end"})[0].status == 200
    # what fails and what is cut holds secrets as well
    broken = register(keys[0], attribute("Nonsense", item(0x42000B, TEXT, "x")))
    assert status(link.ask(broken)) != SUCCESS
    cut = register(keys[0])[:-8]
    link.ask(cut[:4] + (len(cut) - 8).to_bytes(4, "big") + cut[8:])
    for body, kind in ((b'{"tag":"RequestMessage","value":[{"tag":"KeyMaterial","type":"ByteString","value":"' + keys[0].hex().encode(),
                        "application/json"),
                       (b'<RequestMessage><KeyMaterial type="ByteString" value="' + keys[0].hex().encode(), "text/xml")):
        web.post(body, kind)
    assert status(link.ask(message(DESTROY, [named(uids[1])]))) == SUCCESS
    link.close()
    return secrets, uids


def every_file(folder, but):
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file() and but not in path.parents:
            yield path


def test_nothing_lies_in_clear(daemon):
    profile = daemon.folder / "one"
    secrets, uids = talk(daemon, profile)
    log = daemon.state / "kmip-log"
    text = wait_for(lambda: [d for d in [b"".join(p.read_bytes() for p in every_file(log, profile))] if b"the-end" in d], "the message log")[0]
    assert uids[0].encode() in text, "a log that says nothing"
    found = [f"{s.what} in {path}" for path in every_file(daemon.folder, profile) for s in secrets if s.found(path.read_bytes())]
    assert not found, found
    for pid in [daemon.process.pid, *daemon.kids().values()]:
        for name in ("environ", "cmdline"):
            data = Path(f"/proc/{pid}/{name}").read_bytes()
            assert not [s.what for s in secrets if s.found(data)], f"{name} of {pid}"
        limits = Path(f"/proc/{pid}/limits").read_text()
        core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
        assert pid == daemon.process.pid or core.split()[4] == "0", core
    daemon.stop()
    found = [f"{s.what} in {path}" for path in every_file(daemon.folder, profile) for s in secrets if s.found(path.read_bytes())]
    assert not found, found


def test_the_search_would_find_them(folder, daemons):
    """The same with the switch of the laboratory, which writes what others may not see."""
    daemon = Daemon(folder / "lab", diameter=False, kmip=True, settings={
        "kmip.log": "messages", "kmip.log_format": "ttlv", "kmip.log_secrets": "yes"})
    daemons.append(daemon)
    daemon.init()
    daemon.start()
    secrets, _ = talk(daemon, daemon.folder / "one")
    daemon.stop()
    log = b"".join(p.read_bytes() for p in every_file(daemon.state / "kmip-log", daemon.folder / "one"))
    assert [s.what for s in secrets if not s.found(log)] == []
