#!/usr/bin/env python3
"""Write the corpora of the factory line's fuzz targets: node messages, and frames of each transport wrapper.

usage: tests/fuzz/make_line_corpus.py
example: tests/fuzz/make_line_corpus.py      (into tests/fuzz/corpus/line_*; the files are committed)
"""
import binascii
import pathlib
import struct
import sys

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"


def save(target, name, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def field(tag, value):
    return struct.pack(">BH", tag, len(value)) + value


def message(kind, sequence, result=0, *fields):
    body = b"".join(fields)
    head = struct.pack(">BBBBBH", 0xCE, 1, kind, sequence, result, len(body)) + body
    return head + struct.pack(">I", binascii.crc32(head))


def crc16(data):
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return struct.pack("<H", crc ^ 0xFFFF)


def crc8(data):
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ (7 if crc & 0x80 else 0)) & 0xFF
    return bytes([crc])


def cobs(data):
    out = b""
    for run in (data + b"\0").split(b"\0")[:-1]:
        assert len(run) < 254
        out += bytes([len(run) + 1]) + run
    return out + b"\0"


def reliable(kind, session, sequence, data=b""):
    head = struct.pack(">BBBBBH", 0xA5, 0x5A, kind, session, sequence, len(data))
    frame = head + crc8(head) + data
    return frame + crc16(frame) if data else frame


def rht(kind, session, sequence, wanted, data=b""):
    frame = struct.pack(">BBBBH", kind, session, sequence, wanted, 0) + data
    return b"\0" + cobs(frame + struct.pack(">I", binascii.crc32(frame)))


def psem(data, control=0, follow=0):
    frame = struct.pack(">BBBBH", 0xEE, 0, control, follow, len(data)) + data
    return frame + crc16(frame)


def psem_table(service, table, data):
    return struct.pack(">BHH", service, table, len(data)) + data + bytes([-sum(data) & 0xFF])


def main():
    if len(sys.argv) > 1:
        print(__doc__.strip())
        return 0 if sys.argv[1] in ("-h", "--help") else 2
    requests = {
        "identify": message(1, 1, 0, field(1, b"\1")),
        "target": message(4, 2, 0, field(12, b"\1")),
        "transfer": message(5, 3, 0, field(13, b"\2"), field(14, b"\0\0\0\4"), field(17, b"\x34" * 32), field(19, b"field"))
        + message(6, 4, 0, field(15, b"\0\0\0\0"), field(16, b"data"))
        + message(7, 5, 0, field(13, b"\2"), field(17, b"\x34" * 32)),
        "keys": message(8, 6, 0, field(13, b"\1"), field(20, b"k" * 16)) + message(9, 7, 0, field(22, b"\0" * 8))
        + message(10, 8, 0, field(13, b"\1")),
        "lock": message(13, 9) + message(14, 10) + message(15, 11, 0, field(29, b"m" * 16)) + message(16, 12),
        "status": message(11, 13) + message(12, 14) + message(2, 15) + message(3, 16),
    }
    for name, data in requests.items():
        save("line_device", name, data)
    identity = message(0x81, 1, 0, field(1, b"\1"), field(2, b"\0\0\0\0\0\0\0\1"), field(3, b"unode"), field(4, b"1.0"), field(5, b"h"),
                       field(8, b"\4\x4c"), field(9, b"\x08"), field(10, b"\0\0\0\0"), field(11, b"\1"))
    save("line_station", "identify", identity + message(0x82, 2, 0, field(5, b"h"), field(6, b"\0\1"), field(7, b"\0")))
    save("line_station", "target", identity * 3 + message(0x84, 4, 0, field(3, b"emcm"), field(4, b"1"), field(27, b"12345678"), field(30, b"\0")))
    save("line_station", "transfer", identity * 7 + message(0x85, 8, 0, field(15, b"\0\0\0\0")) + message(0x86, 9, 0, field(15, b"\0\0\4\0"))
         + message(0x86, 10, 6, field(15, b"\0\0\0\0")) + message(0x87, 11))
    text = message(11, 1)
    frame = struct.pack("<H", len(text) + 4) + b"\x47" + text
    host = b"\x06\x00\x00hi"
    save("line_simple", "node", frame + bytes([sum(frame) & 0xFF]))
    save("line_simple", "host", host + bytes([sum(host) & 0xFF]))
    save("line_reliable", "data", reliable(1, 4, 3, text) + reliable(2, 4, 3) + reliable(1, 9, 1, b"x"))
    save("line_rht_v2", "device", rht(1, 5, 0, 0) + rht(3, 5, 0, 0, text) + rht(0x83, 5, 1, 0, b"ab") + rht(4, 5, 0, 0))
    save("line_rht_v2", "station", rht(2, 5, 0, 0) + rht(4, 5, 0, 1) + rht(3, 5, 0, 1, text) + rht(5, 5, 0, 0))
    save("line_opt_psem", "device", psem(b"\x20") + b"\6" + psem(b"\x60\1\0\x08", 0x20) + b"\6" + psem(b"\x50\0\1claviger  ") + b"\6"
         + psem(psem_table(0x40, 2048, text), 0x20) + b"\6" + psem(b"\x30\x08\1"))
    save("line_opt_psem", "station", b"\6" + psem(b"\0\0\1\0\0") + b"\6" + psem(b"\0\1\0\x08\6", 0x20) + b"\6" + psem(b"\0") + b"\6"
         + psem(b"\0", 0x20) + b"\6" + psem(b"\7", 0x80, 1) + b"\x15")
    save("line_gateway", "query", bytes.fromhex("000a0106") + b"\0" * 7 + b"\1")
    save("line_gateway", "status", bytes.fromhex("00130108") + b"\0" * 7 + b"\1" + b"\1" + b"\0\0\0\2\0\0\0\3")
    save("line_gateway", "one_x", bytes.fromhex("00060117") + b"\0\0\0\1")
    return 0


sys.exit(main())
