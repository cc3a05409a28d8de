#!/usr/bin/env python3
"""Write the corpora of kmip_ttlv, kmip_json and kmip_xml: make_kmip_corpus.py (into corpus/ beside it).

A message is nested tuples (tag, type, value) with the names of JSON and XML; values of enumerations are numbers in TTLV
and names in the other two, so both are given.
"""

import json
import pathlib
import struct
import sys
import tomllib
from xml.sax.saxutils import quoteattr

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from gen_kmip import wire_name  # noqa: E402

with open(ROOT / "data/kmip-tags.toml", "rb") as f:
    TAGS = {wire_name(row["name"]): row["value"] for row in tomllib.load(f)["tag"]}
TYPES = {name: number for number, name in enumerate(
    ["Structure", "Integer", "LongInteger", "BigInteger", "Enumeration", "Boolean", "TextString", "ByteString",
     "DateTime", "Interval", "DateTimeExtended"], 1)}


def ttlv(item):
    tag, kind, value = item[:3]
    if kind == "Structure":
        body = b"".join(ttlv(child) for child in value)
    elif kind in ("Integer", "Interval", "Enumeration"):
        body = struct.pack(">i", value) if value < 1 << 31 else struct.pack(">I", value)
    elif kind in ("LongInteger", "Boolean", "DateTime", "DateTimeExtended"):
        body = struct.pack(">q", value)
    else:
        body = value.encode() if isinstance(value, str) else value
    number = TAGS.get(tag) or int(tag, 16)
    return struct.pack(">II", number << 8 | TYPES[kind], len(body)) + body + bytes(-len(body) % 8)


def text(item):
    """What stands for the value: a name where one is given."""
    kind, value = item[1:3]
    if len(item) > 3:
        return item[3]
    if kind in ("DateTime", "DateTimeExtended", "Enumeration"):
        return f"0x{value:0{8 if kind == 'Enumeration' else 16}x}"
    return value.hex() if isinstance(value, bytes) else value


def as_json(item):
    tag, kind = item[:2]
    if kind == "Structure":
        return {"tag": tag, "value": [as_json(child) for child in item[2]]}
    value = bool(item[2]) if kind == "Boolean" else text(item)
    return {"tag": tag, "type": kind, "value": "0x" + value if kind == "BigInteger" else value}


def as_xml(item):
    tag, kind = item[:2]
    name = tag if tag in TAGS else f'TTLV tag="{tag}"'
    if kind == "Structure":
        return f"<{name}>" + "".join(as_xml(child) for child in item[2]) + f"</{name.split()[0]}>"
    value = ("true" if item[2] else "false") if kind == "Boolean" else str(text(item))
    return f'<{name} type="{kind}" value={quoteattr(value)}/>'


def header(kind, major, minor, *extra):
    version = ("ProtocolVersion", "Structure", [("ProtocolVersionMajor", "Integer", major),
                                                ("ProtocolVersionMinor", "Integer", minor)])
    return (kind + "Header", "Structure", [version, *extra, ("BatchCount", "Integer", 1)])


def request(version, operation, name, *fields):
    return ("RequestMessage", "Structure", [header("Request", *version), ("BatchItem", "Structure", [
        ("Operation", "Enumeration", operation, name), ("RequestPayload", "Structure", list(fields))])])


def attribute(name, kind, *value):
    return ("Attribute", "Structure", [("AttributeName", "TextString", name), ("AttributeValue", kind, *value)])


UID = ("UniqueIdentifier", "TextString", "0190a1b2-0000-7000-8000-000000000001")
KEY = ("SymmetricKey", "Structure", [("KeyBlock", "Structure", [
    ("KeyFormatType", "Enumeration", 1, "Raw"),
    ("KeyValue", "Structure", [("KeyMaterial", "ByteString", bytes(range(32)))]),
    ("CryptographicAlgorithm", "Enumeration", 3, "AES"), ("CryptographicLength", "Integer", 256)])])
MESSAGES = {
    "versions-1.0": request((1, 0), 30, "DiscoverVersions"),
    "create-1.2": request((1, 2), 1, "Create", ("ObjectType", "Enumeration", 2, "SymmetricKey"), (
        "TemplateAttribute", "Structure", [
            attribute("Cryptographic Algorithm", "Enumeration", 3, "AES"),
            attribute("Cryptographic Length", "Integer", 256),
            attribute("Cryptographic Usage Mask", "Integer", 12),
            attribute("Name", "Structure", [("NameValue", "TextString", "a"), ("NameType", "Enumeration", 1)])])),
    "locate-2.1": request((2, 1), 8, "Locate", ("MaximumItems", "Integer", 5), ("Attributes", "Structure", [
        ("ObjectType", "Enumeration", 2, "SymmetricKey"), ("ActivationDate", "DateTime", 1700000000)])),
    "get-2.0": ("ResponseMessage", "Structure", [
        header("Response", 2, 0, ("TimeStamp", "DateTime", 1700000000)), ("BatchItem", "Structure", [
            ("Operation", "Enumeration", 10, "Get"), ("ResultStatus", "Enumeration", 0, "Success"),
            ("ResponsePayload", "Structure", [("ObjectType", "Enumeration", 2), UID, KEY])])]),
    "attributes-2.1": ("ResponseMessage", "Structure", [
        header("Response", 2, 1, ("TimeStamp", "DateTime", 1700000000)), ("BatchItem", "Structure", [
            ("Operation", "Enumeration", 11, "GetAttributes"), ("ResultStatus", "Enumeration", 0, "Success"),
            ("ResponsePayload", "Structure", [UID, ("Attributes", "Structure", [
                ("Sensitive", "Boolean", 1), ("RotateInterval", "Interval", 60), ("LeaseTime", "Interval", 3600),
                ("Link", "Structure", [("LinkType", "Enumeration", 0x101, "CertificateLink"),
                                       ("LinkedObjectIdentifier", "TextString", "2")])])])])]),
    "failed-1.4": ("ResponseMessage", "Structure", [header("Response", 1, 4), ("BatchItem", "Structure", [
        ("ResultStatus", "Enumeration", 1, "OperationFailed"), ("ResultReason", "Enumeration", 0x43),
        ("ResultMessage", "TextString", "wrong < & \" \u00e4")])]),
    "types": ("0x540001", "Structure", [
        ("0x540002", "LongInteger", -2), ("X", "BigInteger", b"\xff" * 8), ("0x540003", "DateTimeExtended", 1),
        ("Username", "TextString", ""), ("MACData", "ByteString", b""), ("RequestPayload", "Structure", [])]),
}


def main():
    for kind in ("ttlv", "json", "xml"):
        (HERE / "corpus" / f"kmip_{kind}").mkdir(parents=True, exist_ok=True)
    for name, message in MESSAGES.items():
        (HERE / "corpus/kmip_ttlv" / name).write_bytes(ttlv(message))
        (HERE / "corpus/kmip_json" / name).write_text(json.dumps(as_json(message)))
        (HERE / "corpus/kmip_xml" / name).write_text(as_xml(message))


main()
