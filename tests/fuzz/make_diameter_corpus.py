#!/usr/bin/env python3
"""Write the corpora of diameter_message and diameter_peer: make_diameter_corpus.py (into corpus/ beside it)."""

import pathlib
import struct

HERE = pathlib.Path(__file__).resolve().parent / "corpus"


def avp(code, value, flags=0x40):
    if isinstance(value, int):
        value = struct.pack(">I", value)
    elif isinstance(value, str):
        value = value.encode()
    length = 8 + len(value)
    return struct.pack(">II", code, flags << 24 | length) + value + bytes(-length % 4)


def group(code, *avps):
    return avp(code, b"".join(avps))


def message(flags, command, application, *avps):
    body = b"".join(avps)
    return struct.pack(">IIIII", 1 << 24 | 20 + len(body), flags << 24 | command, application, 7, 9) + body


def address(*octets):
    return struct.pack(">H", 1) + bytes(octets)


ORIGIN = avp(264, "gw1.test") + avp(296, "test")
CAPABILITIES = (ORIGIN + avp(257, address(127, 0, 0, 1)) + avp(266, 0) + avp(269, "gw", 0) + avp(278, 5) + avp(258, 2)
                + group(260, avp(266, 10415), avp(258, 2)) + avp(267, 1, 0))
CER = message(0x80, 257, 0, CAPABILITIES)
CER_TLS = message(0x80, 257, 0, CAPABILITIES, avp(299, 1), avp(299, 0))
CEA = message(0, 257, 0, avp(268, 2001), CAPABILITIES)
DWR = message(0x80, 280, 0, ORIGIN)
DWA = message(0, 280, 0, avp(268, 2001), ORIGIN)
DPR = message(0x80, 282, 0, ORIGIN, avp(273, 0))
STR = message(0xC0, 275, 2, avp(263, "s;1"), ORIGIN, avp(283, "test"), avp(258, 2), avp(295, 1))


def amr(user, *more, reg="KMS1", auth=(4, 0, 4)):
    return message(0xC0, 260, 2, avp(263, "gw1.test;1;2"), avp(258, 2), avp(1, user), avp(283, "test"), ORIGIN,
                   avp(320, reg), group(322, avp(341, 256), avp(338, auth[0]), avp(339, auth[1]), avp(340, auth[2])),
                   *more)


GATEWAY = amr("gateway@net.test", avp(337, 96), group(284, avp(280, "p.test"), avp(33, "x")))
NODE = amr("00010200@node.net.test", avp(337, 288), avp(323, 257), avp(333, address(10, 0, 0, 7)), avp(277, 1))
SIGNED = amr("gateway@net.test", reg="0123456789abcdef" * 2, auth=(16, 16, 16))
AMA = message(0x40, 260, 2, avp(263, "gw1.test;1;2"), avp(258, 2), avp(268, 2001), ORIGIN,
              group(326, avp(319, 257), avp(345, 2), avp(343, bytes(24))),
              group(328, avp(318, 257), avp(345, 2), avp(343, bytes(16))), avp(367, 86400))
REFUSED = message(0x60, 260, 2, avp(263, "gw1.test;1;2"), ORIGIN, avp(268, 3004), avp(281, "too busy", 0))

MESSAGES = {"cer": CER, "cer-tls": CER_TLS, "cea": CEA, "dwr": DWR, "dwa": DWA, "dpr": DPR, "str": STR,
            "amr-gateway": GATEWAY, "amr-node": NODE, "ama": AMA, "ama-refused": REFUSED}
# first byte: see diameter_peer.c
TALKS = {"plain": bytes([0]) + CER + GATEWAY + NODE + DWR + STR + DPR,
         "late": bytes([16]) + CER + NODE + NODE + GATEWAY,
         "tls": bytes([2]) + CER_TLS + GATEWAY,
         "refused": bytes([8]) + CER,
         "signed": bytes([32]) + CER + SIGNED,
         "no-cer": bytes([1]) + DWR,
         "initiator": bytes([4]) + CEA + DWR + AMA + DWA + DPR}


def main():
    for target, files in (("diameter_message", MESSAGES), ("diameter_peer", TALKS)):
        folder = HERE / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)


main()
