#!/usr/bin/env python3
"""Write the corpus of the audit_segment target, from the format's description in src/keeper/segment.h alone.

usage: tests/fuzz/make_audit_corpus.py [FOLDER]
"""

import hashlib
import pathlib
import struct
import sys


def header(size=8192, number=1, first=1):
    start = b"CLVAUDIT" + struct.pack(">HHI16sQQ32sQQ", 1, 128, 0, bytes(range(16)), number, first, bytes(32),
                                      1_700_000_000_000_000, size)
    return start + hashlib.sha256(start).digest()


def record(before, seq, kind, row=0, actor=b"", text=b"", result=0):
    body = struct.pack(">QQHHIBBQI", seq, 1_700_000_000_000_000 + seq, kind, result, 3, 1, 1, row, 7)
    body += struct.pack(">B", len(actor)) + actor + struct.pack(">H", len(text)) + text
    body += bytes(-(len(body)) % 4)
    length = 4 + len(body) + 32
    start = struct.pack(">HH", length ^ 0xFFFF, length) + body
    return start + hashlib.sha256(before[-32:] + start).digest()


def chain(records):
    out = header()
    for seq, (kind, options) in enumerate(records, 1):
        out += record(out, seq, kind, **options)
    return out


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "corpus/audit_segment"
    folder.mkdir(parents=True, exist_ok=True)
    release = (22, {"row": 0x10200, "actor": b"gw1.metro-east.example"})
    good = chain([(3, {"row": 1}), (1, {"text": b"0.1.0"}), release, release, (33, {"row": 2, "text": b"x" * 300})])
    (folder / "good").write_bytes(good)
    (folder / "empty").write_bytes(header())
    torn = bytearray(good)
    torn[512:] = bytes(len(torn) - 512)
    (folder / "torn").write_bytes(bytes(torn))
    many = chain([release] * 12)
    hole = bytearray(many)
    hole[512:1024] = bytes(512)
    (folder / "hole").write_bytes(bytes(hole))


main()
