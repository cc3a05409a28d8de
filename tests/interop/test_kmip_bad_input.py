"""Malformed messages against the real daemon: each gets the answer that KMIP names or a clean close, stores nothing, and leaves the
next request as it was. Slow and deaf peers are in test_kmip_service.py."""

import json
import random
import socket
import ssl
import struct

import pytest

from harness import Daemon, shared
from kmip_wire import (ACTIVATE, BIG, BOOLEAN, BYTES, CREATE, DATE, DESTROY, DISCOVER, ENUMERATION, FAILED, GET, GET_ATTRIBUTES, INTEGER,
                       INTERVAL, INVALID_FIELD, INVALID_MESSAGE, LOCATE, LONG, MISSING, NOT_FOUND, NOT_SUPPORTED, PENDING, QUERY, REGISTER,
                       REVOKE, STRUCTURE, SUCCESS, TEXT, TOO_LARGE, Link, Web, aes, attribute, batch, batch_item, create, every, find, get,
                       item, message, name_attribute, named, raw, reason, register, status, uid_of, version, walk)

MESSAGE_MAX, BATCH_MAX = 1 << 20, 256  # data/config.toml
REFUSALS = {INVALID_MESSAGE, INVALID_FIELD, MISSING, NOT_FOUND}


@pytest.fixture(scope="module")
def daemon(folder, daemons):
    made = Daemon(folder / "d", diameter=False, kmip=True)
    daemons.append(made)
    made.init()
    return made.start()


@pytest.fixture(scope="module")
def one(daemon, folder):
    daemon.cli("client", "create", "one", "--kind", "kmip", "-o", folder / "one")
    return folder / "one"


@pytest.fixture(scope="module")
def two(daemon, folder):
    daemon.cli("client", "create", "two", "--kind", "kmip", "-o", folder / "two")
    return folder / "two"


class Wire:
    """A link that is made anew when the server has closed it."""

    def __init__(self, daemon, folder):
        self.daemon, self.folder, self.link = daemon, folder, Link(daemon.kmip_port, folder)

    def ask(self, data):
        answer = self.link.try_ask(data)
        if answer is None:
            self.link.close()
            self.link = Link(self.daemon.kmip_port, self.folder)
        return answer

    def objects(self):
        return set(every(self.ask(message(LOCATE, [])), 0x420094))


@pytest.fixture(scope="module")
def wire(daemon, one):
    made = Wire(daemon, one)
    yield made
    made.link.close()


@pytest.fixture
def untouched(wire):
    """Whatever the test sends, nothing is stored and the next request is served."""
    before = wire.objects()
    yield wire
    assert status(wire.ask(message(DISCOVER))) == SUCCESS
    assert wire.objects() == before


def refused(answer):
    """What every refusal looks like: one header, a version that is served, Operation Failed with a reason and a text; gives the reason."""
    assert answer is not None, "closed"
    items = list(walk(answer))
    assert items[0][0] == 0x42007B and items[1][0] == 0x42007A, answer.hex()
    of = find(answer, 0x42006A), find(answer, 0x42006B)
    assert of in {(1, 0), (1, 1), (1, 2), (1, 3), (1, 4), (2, 0), (2, 1)}, of
    assert find(answer, 0x420092) is not None and find(answer, 0x42000D) == len(every(answer, 0x42000F))
    assert every(answer, 0x42007F)[-1] == FAILED, answer.hex()
    assert find(answer, 0x42007D), "a failure without a text"
    assert 0x42007C not in [tag for tag, _, _ in items], "a failure with a payload"
    return reason(answer)


# -- the frame: bytes that are no TTLV --------------------------------------------------------------------------------------

def inside(body):
    """A frame that is right around what is not."""
    return raw(0x420078, STRUCTURE, len(body), body)


def deep(levels, tag=0x420008):
    """Structures in structures; outermost first, as their lengths are known."""
    return b"".join(raw(tag, STRUCTURE, 8 * below, b"") for below in reversed(range(levels)))


HEADER = item(0x420077, STRUCTURE, [version(1, 4), item(0x42000D, INTEGER, 1)])
PLAIN = [item(0x420057, ENUMERATION, 2)]
UNREADABLE = {
    "nothing": b"",
    "half an item": HEADER + b"\x42\x00\x0f\x01\0\0\0\x08",
    "an item longer than the message": HEADER + raw(0x42000F, STRUCTURE, 4096, b"\0" * 8),
    "an item of nearly 4 GiB": HEADER + raw(0x42000F, STRUCTURE, 0xFFFFFFF8, b"\0" * 8),
    "a text of 4 GiB less one": HEADER + raw(0x42000F, STRUCTURE, 16, raw(0x420094, TEXT, 0xFFFFFFFF, b"\0" * 8)),
    "a text of a negative length": HEADER + raw(0x42000F, STRUCTURE, 16, raw(0x420094, TEXT, -8, b"\0" * 8)),
    "a length that wraps with its padding": HEADER + raw(0x42000F, STRUCTURE, 8, raw(0x420094, BYTES, 0xFFFFFFF9, b"")),
    "a child that reaches past its parent": HEADER + raw(0x42000F, STRUCTURE, 8, raw(0x42005C, ENUMERATION, 4, b"\0\0\0\1\0\0\0\0")),
    "an integer of 8 bytes": HEADER + raw(0x42000F, STRUCTURE, 16, raw(0x42002A, INTEGER, 8, b"\0" * 8)),
    "an integer of none": HEADER + raw(0x42000F, STRUCTURE, 8, raw(0x42002A, INTEGER, 0, b"")),
    "a boolean that is 2": HEADER + raw(0x42000F, STRUCTURE, 16, raw(0x420026, BOOLEAN, 8, struct.pack(">q", 2))),
    "a big integer of 3 bytes": HEADER + raw(0x42000F, STRUCTURE, 16, raw(0x420052, BIG, 3, b"\0" * 8)),
    "a big integer of none": HEADER + raw(0x42000F, STRUCTURE, 8, raw(0x420052, BIG, 0, b"")),
    "padding that is not zero": HEADER + raw(0x42000F, STRUCTURE, 16, raw(0x42005C, ENUMERATION, 4, b"\0\0\0\1\0\0\0\1")),
    "type 0": HEADER + raw(0x42000F, STRUCTURE, 16, raw(0x42005C, 0, 4, b"\0" * 8)),
    "type 12": HEADER + raw(0x42000F, STRUCTURE, 16, raw(0x42005C, 12, 4, b"\0" * 8)),
    "type 255": HEADER + raw(0x42000F, STRUCTURE, 16, raw(0x42005C, 255, 4, b"\0" * 8)),
    "tag 0": HEADER + raw(0, STRUCTURE, 0, b""),
    "text that is not UTF-8": HEADER + item(0x42000F, STRUCTURE, [item(0x420094, TEXT, b"\xff\xfe\xc0\x80")]),
    "text with half a surrogate": HEADER + item(0x42000F, STRUCTURE, [item(0x420094, TEXT, b"\xed\xa0\x80")]),
    "text of more than 64 KiB": HEADER + item(0x42000F, STRUCTURE, [item(0x420094, TEXT, b"x" * 65537)]),
    "33 levels": HEADER + deep(40),
    "100,000 levels": HEADER + deep(100000),
    "as many items as fit": HEADER + raw(0x42000F, STRUCTURE, 8 * 130000, deep(1) * 130000),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_can_not_be_read_is_an_invalid_message(untouched, name):
    data = inside(UNREADABLE[name])
    assert len(data) <= MESSAGE_MAX + 8
    link = untouched.link
    assert refused(untouched.ask(data)) == INVALID_MESSAGE
    assert untouched.link is link, "the frame was right: no reason to close"


UNFRAMED = {
    "another tag first": b"\x41\x00\x78\x01" + b"\0" * 12,
    "no structure": item(0x420078, TEXT, "hello"),
    "no multiple of eight": raw(0x420078, STRUCTURE, 13, b"\0" * 16),
    "4 GiB": raw(0x420078, STRUCTURE, 0xFFFFFFF8, b"\0" * 64),
    "a negative length": raw(0x420078, STRUCTURE, -8, b"\0" * 64),
    "a byte more than message_max": raw(0x420078, STRUCTURE, MESSAGE_MAX, b"\0" * 64),
    "HTTP": b"POST /kmip HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
    "a response": item(0x42007B, STRUCTURE, [item(0x42007A, STRUCTURE, [version(1, 4)])]),
    "zeros": b"\0" * 4096,
}


@pytest.mark.parametrize("name", UNFRAMED)
def test_what_can_not_be_framed_ends_the_connection(untouched, name):
    assert untouched.ask(UNFRAMED[name]) is None


def test_what_was_asked_before_the_end_is_answered(daemon, one):
    """Two good requests and then rubbish in one write: two answers, then the end."""
    link = Link(daemon.kmip_port, one)
    link.send(message(DISCOVER) * 2 + b"\xff" * 64)
    answers = [link.receive() for _ in range(3)]
    assert [a is not None and status(a) for a in answers] == [SUCCESS, SUCCESS, False]


# -- the header ----------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("of", [(0, 9), (0, 0), (1, 5), (1, 9), (1, 255), (1, -1), (2, 2), (3, 0), (-1, 0), (0x7FFFFFFF, 0x7FFFFFFF),
                                (-0x80000000, 4), (256, 4), (1, 260)])
def test_versions_that_are_not_spoken(untouched, of):
    """Refused in a version that is spoken, whether the rest can be read or not; the connection stays."""
    link = untouched.link
    assert refused(untouched.ask(batch([batch_item(DISCOVER)], of=of))) in (INVALID_MESSAGE, 0x3F)  # Unsupported Protocol Version
    assert refused(untouched.ask(inside(item(0x420077, STRUCTURE, [version(*of)]) + b"\xff" * 16))) == INVALID_MESSAGE
    assert untouched.link is link


DISCOVERED = batch_item(DISCOVER)
HEADERS = {
    "no header": inside(DISCOVERED),
    "header last": inside(DISCOVERED + HEADER),
    "two headers": inside(HEADER * 2 + DISCOVERED),
    "no version": inside(item(0x420077, STRUCTURE, [item(0x42000D, INTEGER, 1)]) + DISCOVERED),
    "version without minor": inside(item(0x420077, STRUCTURE, [
        item(0x420069, STRUCTURE, [item(0x42006A, INTEGER, 1)]), item(0x42000D, INTEGER, 1)]) + DISCOVERED),
    "version as text": inside(item(0x420077, STRUCTURE, [item(0x420069, TEXT, "1.4"), item(0x42000D, INTEGER, 1)]) + DISCOVERED),
    "header as text": inside(item(0x420077, TEXT, "header") + DISCOVERED),
    "no batch count": inside(item(0x420077, STRUCTURE, [version(1, 4)]) + DISCOVERED),
    "batch count twice": inside(item(0x420077, STRUCTURE, [version(1, 4), item(0x42000D, INTEGER, 1), item(0x42000D, INTEGER, 1)])
                                + DISCOVERED),
    "batch count as long integer": inside(item(0x420077, STRUCTURE, [version(1, 4), item(0x42000D, LONG, 1)]) + DISCOVERED),
    "batch count 0": batch([], count=0),
    "batch count 0 with an item": batch([DISCOVERED], count=0),
    "batch count 2 with one": batch([DISCOVERED], count=2),
    "batch count 1 with two": batch([DISCOVERED] * 2, count=1),
    "batch count -1": batch([DISCOVERED], count=-1),
    "batch count 2 milliards": batch([DISCOVERED], count=0x7FFFFFFF),
    "more items than batch_max": batch([DISCOVERED] * (BATCH_MAX + 1)),
    "a thousand items": batch([DISCOVERED] * 1000),
    "more than any limit": batch([DISCOVERED] * 1001),
    "an unknown item in the header": batch([DISCOVERED], header=[item(0x42FFFF, INTEGER, 1)]),
    "an extension item in the header": batch([DISCOVERED], header=[item(0x54FFFF, TEXT, "vendor")]),
    "an item that belongs elsewhere": batch([DISCOVERED], header=[item(0x420094, TEXT, "1")]),
    "maximum response size as text": batch([DISCOVERED], header=[item(0x420050, TEXT, "1024")]),
    "time stamp as integer": batch([DISCOVERED], header=[item(0x420092, INTEGER, 1)]),
    "continuation that is none": batch([DISCOVERED], header=[item(0x42000E, ENUMERATION, 77)]),
    "an item beside the batch": inside(HEADER + DISCOVERED + item(0x420094, TEXT, "1")),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_are_wrong(untouched, name):
    link = untouched.link
    assert refused(untouched.ask(HEADERS[name])) in REFUSALS
    assert untouched.link is link


# -- batch items -----------------------------------------------------------------------------------------------------------------

def field(operation, *payload):
    return message(operation, payload)


ITEMS = {
    "no operation": (batch([item(0x42000F, STRUCTURE, [item(0x420079, STRUCTURE, [])])]), REFUSALS),
    "operation as integer": (batch([item(0x42000F, STRUCTURE, [item(0x42005C, INTEGER, 1), item(0x420079, STRUCTURE, [])])]), REFUSALS),
    "operation twice": (batch([item(0x42000F, STRUCTURE, [item(0x42005C, ENUMERATION, 0x1E)] * 2 + [item(0x420079, STRUCTURE, [])])]),
                        REFUSALS),
    "operation 0": (field(0), {NOT_SUPPORTED}),
    "operation 0xfff": (field(0xFFF), {NOT_SUPPORTED}),
    "operation 0xffffffff": (field(0xFFFFFFFF), {NOT_SUPPORTED}),
    "vendor's operation": (field(0x80000001), {NOT_SUPPORTED}),
    "an operation of servers": (field(0x1C), {NOT_SUPPORTED}),  # Put
    "an operation of 2.1 in 1.4": (field(0x2C), {NOT_SUPPORTED}),  # Log
    "payload as text": (batch([item(0x42000F, STRUCTURE, [item(0x42005C, ENUMERATION, GET), item(0x420079, TEXT, "x")])]), REFUSALS),
    "payload twice": (batch([item(0x42000F, STRUCTURE, [item(0x42005C, ENUMERATION, GET)] + [item(0x420079, STRUCTURE, [])] * 2)]), REFUSALS),
    "an unknown item beside the payload": (batch([batch_item(DISCOVER, more=[item(0x42FFFE, INTEGER, 1)])]), REFUSALS),
    "a critical extension": (batch([batch_item(DISCOVER, more=[item(0x420051, STRUCTURE, [
        item(0x42009D, TEXT, "acme"), item(0x420026, BOOLEAN, 1), item(0x42009C, STRUCTURE, [])])])]), None),
    "no payload for Create": (batch([batch_item(CREATE, None)]), REFUSALS),
    "no payload for Get": (batch([batch_item(GET, None)]), REFUSALS),
    "Create of nothing": (field(CREATE), REFUSALS),
    "Get of nothing": (field(GET), REFUSALS),
    "Register of nothing": (field(REGISTER), REFUSALS),
    "Register without its object": (field(REGISTER, item(0x420057, ENUMERATION, 2), item(0x420091, STRUCTURE, [])), REFUSALS),
    "Destroy of nothing": (field(DESTROY), REFUSALS),
    "Revoke of nothing": (field(REVOKE), REFUSALS),
    "an unknown tag": (field(GET, named("x"), item(0x42FFF0, TEXT, "?")), REFUSALS),
    "a vendor's tag": (field(GET, named("x"), item(0x540001, TEXT, "?")), REFUSALS),
    "a tag of 2.1 in 1.4": (field(CREATE, item(0x420057, ENUMERATION, 2), item(0x420125, STRUCTURE, [])), REFUSALS),
    "identifier twice": (field(GET, named("x"), named("y")), REFUSALS),
    "identifier as integer": (field(GET, item(0x420094, INTEGER, 1)), REFUSALS),
    "identifier as bytes": (field(GET, item(0x420094, BYTES, b"x")), REFUSALS),
    "identifier as structure": (field(GET, item(0x420094, STRUCTURE, [])), REFUSALS),
    "identifier with NUL": (field(GET, named("a\0b")), REFUSALS),
    "identifier of 64 KiB": (field(GET, named("x" * 65536)), REFUSALS),
    "identifier with quotes": (field(GET, named("' OR 1=1 --")), {NOT_FOUND}),
    "an empty identifier": (field(GET, named("")), REFUSALS),
    "object type as integer": (field(CREATE, item(0x420057, INTEGER, 2), item(0x420091, STRUCTURE, [])), REFUSALS),
    "object type 0": (field(CREATE, item(0x420057, ENUMERATION, 0), item(0x420091, STRUCTURE, [])), REFUSALS),
    "object type 0xffffffff": (field(CREATE, item(0x420057, ENUMERATION, 0xFFFFFFFF), item(0x420091, STRUCTURE, [])), REFUSALS),
    "template as text": (field(CREATE, *PLAIN, item(0x420091, TEXT, "x")), REFUSALS),
    "attribute without a name": (create(item(0x420008, STRUCTURE, [item(0x42000B, INTEGER, 1)])), REFUSALS),
    "attribute without a value": (create(item(0x420008, STRUCTURE, [item(0x42000A, TEXT, "Name")])), REFUSALS),
    "attribute nobody knows": (create(attribute("Nonsense", item(0x42000B, INTEGER, 1))), None),
    "attribute with a negative index": (create(item(0x420008, STRUCTURE, [
        item(0x42000A, TEXT, "Contact Information"), item(0x420009, INTEGER, -1), item(0x42000B, TEXT, "x")])), None),
    "attribute name with NUL": (create(attribute("Name\0", item(0x42000B, INTEGER, 1))), None),
    "length as text": (create(attribute("Lease Time", item(0x42000B, TEXT, "1"))), None),
    "name as text": (create(attribute("Name", item(0x42000B, TEXT, "plain"))), None),
    "state from the client": (create(attribute("State", item(0x42000B, ENUMERATION, 2))), None),
    "digest from the client": (create(attribute("Digest", item(0x42000B, STRUCTURE, []))), None),
    "identifier from the client": (create(attribute("Unique Identifier", item(0x42000B, TEXT, "mine"))), None),
    "key as text": (field(REGISTER, *PLAIN, item(0x420091, STRUCTURE, []), item(0x42008F, TEXT, "key")), REFUSALS),
    "key of no bytes": (register(b""), None),
    "key of 15 bytes": (register(b"x" * 15), None),
    "the wrong object": (field(REGISTER, *PLAIN, item(0x420091, STRUCTURE, []), item(0x420085, STRUCTURE, [])), None),
    "revocation without a reason": (field(REVOKE, named("x")), REFUSALS),
    "a date as interval": (field(LOCATE, attribute("Activation Date", item(0x42000B, INTERVAL, 1))), None),
    "maximum items as text": (field(LOCATE, item(0x42004F, TEXT, "all")), REFUSALS),
    "query as text": (field(QUERY, item(0x420074, TEXT, "Operations")), REFUSALS),
    "query function 0": (field(QUERY, item(0x420074, ENUMERATION, 0)), REFUSALS),
    "activation of a date": (field(ACTIVATE, item(0x420094, DATE, 0)), REFUSALS),
}


@pytest.mark.parametrize("name", ITEMS)
def test_items_that_are_wrong(untouched, name):
    data, wanted = ITEMS[name]
    link = untouched.link
    why = refused(untouched.ask(data))
    assert (wanted is None and why) or why in wanted, f"{why:#x}"
    assert untouched.link is link


@pytest.mark.parametrize("kind, value", [(STRUCTURE, []), (INTEGER, -1), (LONG, -1), (BIG, b"\xff" * 8), (ENUMERATION, 0xFFFFFFFF),
                                         (BOOLEAN, 1), (TEXT, "\0"), (BYTES, b""), (DATE, -1), (INTERVAL, 0xFFFFFFFF)])
def test_every_type_in_the_place_of_every_field(untouched, kind, value):
    """Each field of good requests, given in each of the ten types: what is not its type is refused."""
    uid = "00000000-0000-0000-0000-000000000000"
    good = [create(name_attribute("n")), register(bytes(32)), get(uid), message(DESTROY, [named(uid)]),
            message(GET_ATTRIBUTES, [named(uid), item(0x42000A, TEXT, "State")]),
            message(LOCATE, [item(0x42004F, INTEGER, 1), item(0x420081, INTEGER, 1), name_attribute("n")]),
            message(REVOKE, [named(uid), item(0x420081, STRUCTURE, [item(0x420082, ENUMERATION, 1)])])]
    for whole in good:
        for at, tag, was in places(whole):
            if was == kind or at < 100:  # the header is other tests' business
                continue
            answer = untouched.ask(replace(whole, at, item(tag, kind, value)))
            why = refused(answer)
            assert why in REFUSALS | {NOT_SUPPORTED, 8, 11} or why >= 0x10, f"{tag:#x} as {kind}: {why:#x}"


def places(data, start=0, end=None):
    """(offset, tag, type) of every item."""
    end = len(data) if end is None else end
    while start < end:
        head, length = struct.unpack_from(">II", data, start)
        yield start, head >> 8, head & 0xFF
        if head & 0xFF == STRUCTURE:
            yield from places(data, start + 8, start + 8 + length)
        start += 8 + length + -length % 8


def replace(data, at, new, start=0, end=None):
    """The same message with another item at `at`, all lengths around it made right."""
    end = len(data) if end is None else end
    out = b""
    while start < end:
        head, length = struct.unpack_from(">II", data, start)
        stop = start + 8 + length + -length % 8
        if start == at:
            out += new
        elif head & 0xFF == STRUCTURE and start < at < stop:
            body = replace(data, at, new, start + 8, start + 8 + length)
            out += struct.pack(">II", head, len(body)) + body
        else:
            out += data[start:stop]
        start = stop
    return out


def test_extensions_that_are_not_critical_are_passed_over(wire):
    extension = item(0x420051, STRUCTURE, [item(0x42009D, TEXT, "acme"), item(0x420026, BOOLEAN, 0),
                                           item(0x42009C, STRUCTURE, [item(0x540001, TEXT, "whatever"), item(0x540002, INTEGER, 7)])])
    assert status(wire.ask(batch([batch_item(DISCOVER, more=[extension])]))) == SUCCESS


def test_an_unknown_operation_fails_alone(wire):
    answer = wire.ask(batch([batch_item(DISCOVER, uid=b"1"), batch_item(0xFFF, uid=b"2"), batch_item(DISCOVER, uid=b"3")],
                            header=[item(0x42000E, ENUMERATION, 1)]))  # continue
    assert every(answer, 0x42007F) == [SUCCESS, FAILED, SUCCESS] and every(answer, 0x42007E) == [NOT_SUPPORTED]
    assert every(answer, 0x420093) == [b"1", b"2", b"3"]


def test_identifiers_of_batch_items_come_back_as_they_were(wire):
    """Twice the same, none, empty, or long: whose they are is the client's business, and each answer has its own."""
    uids = [b"x", b"x", b"", b"y" * 4096]
    answer = wire.ask(batch([batch_item(DISCOVER, uid=u) for u in uids]))
    assert every(answer, 0x420093) == uids and every(answer, 0x42007F) == [SUCCESS] * 4
    answer = wire.ask(batch([batch_item(DISCOVER)] * 2))
    assert every(answer, 0x42007F) == [SUCCESS] * 2 and every(answer, 0x420093) == []


@pytest.mark.parametrize("size", [-1, -0x80000000, 1, 64, 200, 300])
def test_the_answer_is_too_large(untouched, size):
    asked = [item(0x420050, INTEGER, size)]
    answer = untouched.ask(message(QUERY, [item(0x420074, ENUMERATION, n) for n in (1, 2, 3)], header=asked))
    if size < 0:
        assert answer is not None
    else:
        assert refused(answer) == TOO_LARGE


def test_nothing_is_made_where_its_answer_is_too_large(wire):
    """The client can't learn the identifier: whether the object is kept or not, the client must be able to tell."""
    before = wire.objects()
    answer = wire.ask(batch([batch_item(CREATE, aes())], header=[item(0x420050, INTEGER, 16)]))
    assert refused(answer) == TOO_LARGE
    assert wire.objects() == before


def test_a_batch_bomb_costs_its_answers_and_no_more(wire):
    """256 Queries answer to more than response_max: the rest is Response Too Large, and the connection serves on."""
    functions = [item(0x420074, ENUMERATION, n) for n in range(1, 12)]
    answer = wire.ask(batch([batch_item(QUERY, functions)] * BATCH_MAX, header=[item(0x42000E, ENUMERATION, 1)]))
    assert len(every(answer, 0x42000F)) == BATCH_MAX and len(answer) < 5 << 20
    answer = wire.ask(batch([batch_item(QUERY, functions)] * BATCH_MAX, header=[
        item(0x420050, INTEGER, 65536), item(0x42000E, ENUMERATION, 1)]))
    reasons = every(answer, 0x42007E)
    assert reasons and set(reasons) == {TOO_LARGE}
    assert status(wire.ask(message(DISCOVER))) == SUCCESS


# -- cut and bent messages of others ----------------------------------------------------------------------------------------

def vectors():
    """Requests that others wrote, as TTLV."""
    folder = shared("vectors", "kmip", "ttlv-hex")
    if folder is None:
        return []
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        rows = [bytes.fromhex(json.loads(line)["hex"]) for line in path.read_text().splitlines()]
        found += [row for row in rows if row[:3] == b"\x42\x00\x78" and len(row) < 1024]
    return found[::max(1, len(found) // 12)]


def test_cut_at_every_byte(untouched):
    """A frame that is right around a message that is cut: one answer for each cut, on one connection."""
    found = vectors() or [create(name_attribute("n")), register(bytes(32))]
    for whole in found:
        cuts = [inside(body + b"\xff" * (-len(body) % 8)) for body in (whole[8:at] for at in range(8, len(whole) - 8))]
        for start in range(0, len(cuts), 64):
            some = cuts[start:start + 64]
            untouched.link.send(b"".join(some))
            for cut in some:
                answer = untouched.link.receive()
                assert answer is not None, cut.hex()
                assert every(answer, 0x42007F)[-1] == FAILED, cut.hex()


def test_cut_and_closed(untouched, daemon, one):
    """The same without the rest of the frame: the client goes, and nothing is left of it."""
    whole = create(name_attribute("never"))
    for at in range(1, len(whole), 7):
        link = Link(daemon.kmip_port, one)
        link.send(whole[:at])
        link.close()


def test_bent_messages(wire):
    """Bytes of good messages turned: an answer or the end, and never anything else."""
    chance = random.Random(20)
    found = vectors() or [create(), get("x")]
    for _ in range(1500):
        data = bytearray(chance.choice(found))
        for _ in range(chance.choice((1, 1, 2, 5))):
            data[chance.randrange(8, len(data))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        answer = wire.ask(bytes(data))
        assert answer is None or list(walk(answer))[0][0] == 0x42007B
    assert status(wire.ask(message(DISCOVER))) == SUCCESS


# -- HTTPS: JSON and XML ----------------------------------------------------------------------------------------------------

def json_message(item_text, count=1, head=""):
    return ('{"tag":"RequestMessage","value":[{"tag":"RequestHeader","value":[{"tag":"ProtocolVersion","value":['
            '{"tag":"ProtocolVersionMajor","type":"Integer","value":1},{"tag":"ProtocolVersionMinor","type":"Integer","value":4}]},'
            f'{head}{{"tag":"BatchCount","type":"Integer","value":{count}}}]}},{item_text}]}}')


def json_get(uid='"x"', more=""):
    return ('{"tag":"BatchItem","value":[{"tag":"Operation","type":"Enumeration","value":"Get"},{"tag":"RequestPayload","value":['
            f'{{"tag":"UniqueIdentifier","type":"TextString","value":{uid}{more}}}]}}]}}')


JSON = {
    "nothing": "",
    "not JSON": "hello",
    "cut": json_message(json_get())[:-2],
    "more behind it": json_message(json_get()) + "{}",
    "a member twice": json_message(json_get(more=',"value":"y"')),
    "a tag twice": json_message(json_get(more=',"tag":"Name"')),
    "an unknown member": json_message(json_get(more=',"extra":1')),
    "an unknown tag": json_message(json_get().replace("UniqueIdentifier", "NoSuchThing")),
    "an unknown type": json_message(json_get().replace("TextString", "NoSuchType")),
    "a tag as number": json_message(json_get().replace('"UniqueIdentifier"', "4325524")),
    "a huge number": json_message(json_get(), count="9" * 400),
    "a number beyond its type": json_message(json_get(), count=1 << 40),
    "a number with a fraction": json_message(json_get(), count="1.5"),
    "a number with an exponent": json_message(json_get(), count="1e400"),
    "not a number": json_message(json_get(), count="NaN"),
    "a hexadecimal that is too long": json_message(json_get(), count='"0x' + "f" * 400 + '"'),
    "null": json_message(json_get("null")),
    "an object as value": json_message(json_get("{}")),
    "deep arrays": "[" * 100000 + "]" * 100000,
    "deep objects": '{"tag":"RequestMessage","value":[' * 5000 + "]}" * 5000,
    "deep in a value": json_message(json_get("[" * 5000 + "]" * 5000)),
    "not UTF-8": json_message(json_get()).encode().replace(b'"x"', b'"\xff\xfe"'),
    "half a surrogate": json_message(json_get('"\\ud800"')),
    "UTF-16": json_message(json_get()).encode("utf-16"),
    "a byte order mark and rubbish": b"\xef\xbb\xbf\xff",
    "many commas": "[" + "1," * 500000 + "1]",
}


@pytest.mark.parametrize("name", JSON)
def test_json_that_is_wrong(untouched, daemon, one, name):
    body = JSON[name]
    answer, text = Web(daemon, one).post(body if isinstance(body, bytes) else body.encode(), "application/json")
    assert answer.status in (200, 400), answer.status
    if answer.status == 200:
        said = json.loads(text)
        assert said["tag"] == "ResponseMessage" and '"OperationFailed"' in text.decode() and b"ResponsePayload" not in text


def test_json_text_with_nul_is_nobodys_identifier(untouched, daemon, one):
    answer, text = Web(daemon, one).post(json_message(json_get('"a\\u0000b"')).encode(), "application/json")
    assert answer.status == 200 and b'"OperationFailed"' in text


XML_HEAD = ('<RequestHeader><ProtocolVersion><ProtocolVersionMajor type="Integer" value="1"/><ProtocolVersionMinor type="Integer" value="4"/>'
            '</ProtocolVersion><BatchCount type="Integer" value="1"/></RequestHeader>')
XML_ITEM = ('<BatchItem><Operation type="Enumeration" value="Get"/><RequestPayload><UniqueIdentifier type="TextString" value="%s"/>'
            '</RequestPayload></BatchItem>')


def xml_message(uid="x", before="", root="RequestMessage", attributes=""):
    return f"{before}<{root}{attributes}>{XML_HEAD}{XML_ITEM % uid}</{root}>"


LAUGHS = '<!DOCTYPE l [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9)) + "]>"
XML = {
    "nothing": "",
    "not XML": "hello",
    "cut": xml_message()[:-5],
    "two roots": xml_message() * 2,
    "a DOCTYPE": xml_message(before="<!DOCTYPE RequestMessage>"),
    "a DOCTYPE from elsewhere": xml_message(before='<!DOCTYPE r SYSTEM "http://127.0.0.1:9/x.dtd">'),
    "an entity": xml_message("&me;", '<!DOCTYPE r [<!ENTITY me "x">]>'),
    "a file": xml_message("&me;", '<!DOCTYPE r [<!ENTITY me SYSTEM "file:///etc/passwd">]>'),
    "a parameter entity": xml_message(before='<!DOCTYPE r [<!ENTITY % me SYSTEM "file:///etc/passwd"> %me;]>'),
    "a billion laughs": xml_message("&j;", LAUGHS),
    "an entity that nobody made": xml_message("&nobody;"),
    "an attribute twice": xml_message('x" value="y'),
    "another attribute": xml_message('x" extra="y'),
    "text between": xml_message().replace("<BatchItem>", "<BatchItem>hello"),
    "an element nobody knows": xml_message().replace("UniqueIdentifier", "NoSuchThing"),
    "a prefix nobody declared": xml_message().replace("RequestMessage", "k:RequestMessage"),
    "another namespace": xml_message(attributes=' xmlns="http://evil.example/"'),
    "another namespace inside": xml_message().replace("<UniqueIdentifier", '<e:UniqueIdentifier xmlns:e="http://evil.example/"'),
    "a control character": xml_message("&#1;"),
    "NUL": xml_message("&#0;"),
    "a character beyond Unicode": xml_message("&#x110000;"),
    "not UTF-8": xml_message().encode().replace(b'"x"', b'"\xff\xfe"'),
    "UTF-16 that is announced only": xml_message(before='<?xml version="1.0" encoding="UTF-16"?>'),
    "an encoding nobody knows": xml_message(before='<?xml version="1.0" encoding="x-evil"?>'),
    "deep": "<RequestMessage>" + "<Attribute>" * 60000,
    "deep and closed": "<RequestMessage>" + "<Attribute>" * 20000 + "</Attribute>" * 20000 + "</RequestMessage>",
    "an attribute of 500 KiB": xml_message("x" * 500000),
    "a number that is none": xml_message().replace('value="1"', 'value="one"'),
    "a number beyond its type": xml_message().replace('value="1"', f'value="{1 << 40}"'),
    "a mask nobody knows": xml_message().replace('"Get"', '"Get Get"'),
    "bytes of half a byte": xml_message().replace("TextString", "ByteString"),
}


@pytest.mark.parametrize("name", XML)
def test_xml_that_is_wrong(untouched, daemon, one, name):
    body = XML[name]
    answer, text = Web(daemon, one).post(body if isinstance(body, bytes) else body.encode(), "text/xml")
    assert answer.status in (200, 400), answer.status
    assert b"root:" not in text and b"haha" not in text
    if answer.status == 200:
        assert b"<ResponseMessage" in text and b'"OperationFailed"' in text and b"<ResponsePayload" not in text


# -- HTTPS itself ----------------------------------------------------------------------------------------------------------------

def http_raw(daemon, folder, data, *more):
    """Bytes as they are over TLS; the status, or None where the server closed without one."""
    context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
    context.load_cert_chain(str(folder / "client.pem"), str(folder / "client.key"))
    with socket.create_connection(("127.0.0.1", daemon.https_port), 20) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as tls:
            try:
                for piece in (data, *more):
                    tls.sendall(piece)
                line = tls.recv(4096)
            except (ConnectionError, ssl.SSLError):
                return None
            return int(line.split()[1]) if line.startswith(b"HTTP/") else None


def request(*lines, method="POST", path="/kmip", protocol="HTTP/1.1", body=b""):
    head = [f"{method} {path} {protocol}", "Host: localhost", *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


TTLV = "Content-Type: application/octet-stream"
GOOD = message(DISCOVER)
LENGTH = f"Content-Length: {len(GOOD)}"
HTTP = {
    "GET": (request(method="GET"), {405}),
    "PUT": (request(TTLV, LENGTH, method="PUT", body=GOOD), {405, 501}),
    "DELETE": (request(method="DELETE"), {405, 501}),
    "a method nobody knows": (request(method="EVIL"), {400, 405, 501, None}),
    "another path": (request(TTLV, LENGTH, path="/", body=GOOD), {404}),
    "a path upwards": (request(TTLV, LENGTH, path="/kmip/../../etc/passwd", body=GOOD), {400, 404}),
    "no content type": (request(LENGTH, body=GOOD), {415}),
    "another content type": (request("Content-Type: text/html", LENGTH, body=GOOD), {415}),
    "no length": (request(TTLV), {200, 400, 411}),
    "a length that is none": (request(TTLV, "Content-Length: many"), {400, 411, None}),
    "a negative length": (request(TTLV, "Content-Length: -1"), {400, 411, 413, None}),
    "a length beyond 64 bits": (request(TTLV, "Content-Length: " + "9" * 40), {400, 413, None}),
    "two lengths": (request(TTLV, LENGTH, "Content-Length: 1", body=GOOD), {400, None}),
    "length and chunks": (request(TTLV, LENGTH, "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), {200, 400, 411, 413, 501, None}),
    "a body that is announced too long": (request(TTLV, "Content-Length: 4294967296"), {400, 413, None}),
    "a chunk that is too long": (request(TTLV, "Transfer-Encoding: chunked", body=b"ffffffff\r\n"), {400, 411, 413, 501, None}),
    "a chunk of no number": (request(TTLV, "Transfer-Encoding: chunked", body=b"zz\r\n"), {400, 411, 413, 501, None}),
    "another coding": (request(TTLV, "Transfer-Encoding: gzip", body=b"x"), {400, 411, 501, None}),
    "long headers": (request(TTLV, "X-Long: " + "x" * 300000), {400, 413, 414, 431, None}),
    "many headers": (request(TTLV, *[f"X-{i}: {i}" for i in range(20000)]), {400, 413, 431, None}),
    "a long path": (request(TTLV, path="/" + "x" * 300000), {400, 404, 413, 414, 431, None}),
    "another protocol": (request(TTLV, LENGTH, protocol="HTTP/9.9", body=GOOD), {400, 501, 505, None}),
    "TTLV": (GOOD + b"\r\n\r\n", {400, None}),
    "rubbish": (b"\x00\xff" * 100 + b"\r\n\r\n", {400, None}),
    "a page of another origin": (request(TTLV, LENGTH, "Origin: https://evil.example", body=GOOD), {403}),
}


@pytest.mark.parametrize("name", HTTP)
def test_http_that_is_wrong(untouched, daemon, one, name):
    data, wanted = HTTP[name]
    got = http_raw(daemon, one, data)
    assert got in wanted, got
    assert Web(daemon, one).post(GOOD, "application/octet-stream")[0].status == 200


def test_a_body_that_is_too_long_is_not_read(untouched, daemon, one):
    got = http_raw(daemon, one, request(TTLV, f"Content-Length: {MESSAGE_MAX * 4}"), *[bytes(65536)] * 64)
    assert got in (400, 413, None)


def test_chunks_are_one_message(daemon, one):
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(GOOD[i:i + 7]), GOOD[i:i + 7]) for i in range(0, len(GOOD), 7)) + b"0\r\n\r\n"
    assert http_raw(daemon, one, request(TTLV, "Transfer-Encoding: chunked", body=chunks)) in (200, 411, 501)


# -- between clients ----------------------------------------------------------------------------------------------------------

TEMPLATE = item(0x420091, STRUCTURE, [])
OF_AN_OBJECT = {  # operation: what it needs beside the identifier (1.4)
    GET: [], GET_ATTRIBUTES: [], 12: [], 13: [attribute("x-a", item(0x42000B, TEXT, "1"))],
    14: [attribute("x-a", item(0x42000B, TEXT, "1"))], 15: [item(0x42000A, TEXT, "x-a")], 16: [], 17: [item(0x420096, LONG, 1)], ACTIVATE: [], REVOKE: [item(0x420081, STRUCTURE, [item(0x420082, ENUMERATION, 1)])], DESTROY: [],
    21: [], 22: [], 4: [], 9: [],
    31: [item(0x4200C2, BYTES, b"x" * 16)], 32: [item(0x4200C2, BYTES, b"x" * 16)], 33: [item(0x4200C2, BYTES, b"x")],
    34: [item(0x4200C2, BYTES, b"x"), item(0x4200C3, BYTES, b"x")], 35: [item(0x4200C2, BYTES, b"x")],
    36: [item(0x4200C2, BYTES, b"x"), item(0x4200C6, BYTES, b"x")], 43: [],
}


@pytest.fixture(scope="module")
def stranger(daemon, two):
    made = Wire(daemon, two)
    yield made
    made.link.close()


@pytest.mark.parametrize("operation", OF_AN_OBJECT)
def test_what_is_anothers_is_not_there(wire, stranger, operation):
    """The same answer, word for word, as for an identifier that nobody has."""
    uid = uid_of(wire.ask(create(name_attribute(f"mine {operation}"))))
    before = wire.ask(message(GET_ATTRIBUTES, [named(uid)]))
    answers = []
    for other in (uid, uid[:-4] + "0000"):
        answer = stranger.ask(message(operation, [named(other), *OF_AN_OBJECT[operation]]))
        refused(answer)
        answers.append((reason(answer), find(answer, 0x42007D).decode().replace(other, "UID")))
    assert answers[0] == answers[1]
    assert answers[0][0] in (NOT_FOUND, 0x35), answers  # Item Not Found, Object Not Found
    after = wire.ask(message(GET_ATTRIBUTES, [named(uid)]))
    assert [v for t, _, v in walk(before) if t == 0x420008] == [v for t, _, v in walk(after) if t == 0x420008]
    assert status(wire.ask(get(uid))) == SUCCESS


def test_nobody_locates_what_is_anothers(wire, stranger):
    uid = uid_of(wire.ask(create(name_attribute("between you and me"))))
    for payload in ([], [name_attribute("between you and me")], [attribute("Unique Identifier", item(0x42000B, TEXT, uid))]):
        answer = stranger.ask(message(LOCATE, payload))
        assert uid.encode() not in answer
    # the name is free for the other
    theirs = uid_of(stranger.ask(create(name_attribute("between you and me"))))
    assert every(wire.ask(message(LOCATE, [name_attribute("between you and me")])), 0x420094) == [uid.encode()]
    assert every(stranger.ask(message(LOCATE, [name_attribute("between you and me")])), 0x420094) == [theirs.encode()]


def test_links_and_wrapping_keys_of_others(wire, stranger):
    """Another's key wraps nothing, and is no base of a derivation."""
    kek = uid_of(wire.ask(message(CREATE, aes())))
    mine = uid_of(stranger.ask(message(CREATE, aes())))
    wrapping = item(0x420047, STRUCTURE, [item(0x42009E, ENUMERATION, 1), item(0x420036, STRUCTURE, [
        named(kek), item(0x42002B, STRUCTURE, [item(0x420011, ENUMERATION, 0xD)])])])
    why = refused(stranger.ask(message(GET, [named(mine), wrapping])))
    assert why in (NOT_FOUND, 0x35, INVALID_FIELD, 0x41), hex(why)
    refused(stranger.ask(message(5, [item(0x420057, ENUMERATION, 2), named(kek), item(0x420031, ENUMERATION, 2), item(
        0x420032, STRUCTURE, [item(0x420030, BYTES, b"x" * 16)]), TEMPLATE])))


def test_streams_of_others(daemon, wire, stranger):
    """A correlation value is good for its client only."""
    uid = uid_of(wire.ask(message(CREATE, aes())))
    wire.ask(message(ACTIVATE, [named(uid)]))
    params = item(0x42002B, STRUCTURE, [item(0x420011, ENUMERATION, 1), item(0x42005F, ENUMERATION, 3)])
    answer = wire.ask(message(31, [named(uid), params, item(0x4200C2, BYTES, b"a" * 32), item(0x4200D7, BOOLEAN, 1)]))
    assert status(answer) == SUCCESS
    correlation = find(answer, 0x4200D6)
    assert correlation
    for other in (stranger, wire):
        answer = other.ask(message(31, [named(uid), params, item(0x4200C2, BYTES, b"b" * 32), item(0x4200D6, BYTES, correlation),
                                        item(0x4200D8, BOOLEAN, 1)]))
        assert (status(answer) == SUCCESS) == (other is wire), "the stranger went on with it, or spoilt it"


def test_answers_of_others_in_their_time(wire, stranger):
    """An asynchronous correlation value is the asker's: nobody else polls or cancels it."""
    asked = [item(0x420007, BOOLEAN, 1)]
    answer = wire.ask(message(2, [item(0x42001F, STRUCTURE, [
        attribute("Cryptographic Algorithm", item(0x42000B, ENUMERATION, 4)),
        attribute("Cryptographic Length", item(0x42000B, INTEGER, 2048))]), item(0x420065, STRUCTURE, [
            attribute("Cryptographic Usage Mask", item(0x42000B, INTEGER, 1))]), item(0x42006E, STRUCTURE, [
                attribute("Cryptographic Usage Mask", item(0x42000B, INTEGER, 2))])], header=asked))
    assert status(answer) == PENDING
    correlation = find(answer, 0x420006)
    refused(stranger.ask(message(26, [item(0x420006, BYTES, correlation)])))  # Poll
    assert find(stranger.ask(message(25, [item(0x420006, BYTES, correlation)])), 0x420012) == 5  # Cancel: Unavailable
    for _ in range(1000):
        answer = wire.ask(message(26, [item(0x420006, BYTES, correlation)]))
        if status(answer) != PENDING:
            break
    assert status(answer) == SUCCESS
    refused(stranger.ask(message(26, [item(0x420006, BYTES, correlation)])))


def test_tickets_of_others(wire, stranger):
    """A ticket is as good as a password, whoever shows it; what is not the server's is refused, and so is what was ended."""
    answer = wire.ask(message(0x2D, [], of=(2, 1)))  # Login
    assert status(answer) == SUCCESS, f"{reason(answer):#x}"
    ticket = next(v for t, _, v in walk(answer) if t == 0x420149)

    def credential(value):
        return item(0x420023, STRUCTURE, [item(0x420024, ENUMERATION, 6), item(0x420025, STRUCTURE, [
            raw(0x420149, STRUCTURE, len(value), value)])])

    value = next(v for t, _, v in walk(answer) if t == 0x42014B)
    spoilt = ticket.replace(value, bytes([value[0] ^ 1]) + value[1:])
    assert status(wire.ask(message(DISCOVER, credential=credential(ticket), of=(2, 1)))) == SUCCESS
    refused(wire.ask(message(DISCOVER, credential=credential(spoilt), of=(2, 1))))
    refused(stranger.ask(message(DISCOVER, credential=credential(spoilt), of=(2, 1))))
    refused(stranger.ask(message(0x2E, [raw(0x420149, STRUCTURE, len(ticket), ticket)], of=(2, 1))))
    assert status(wire.ask(message(DISCOVER, credential=credential(ticket), of=(2, 1)))) == SUCCESS
    assert status(wire.ask(message(0x2E, [raw(0x420149, STRUCTURE, len(ticket), ticket)], of=(2, 1)))) == SUCCESS  # Logout
    refused(wire.ask(message(DISCOVER, credential=credential(ticket), of=(2, 1))))


def test_the_placeholder_ends_with_its_message(wire):
    assert status(wire.ask(create())) == SUCCESS
    assert refused(wire.ask(message(GET, []))) in REFUSALS
