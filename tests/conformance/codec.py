"""KMIP messages in TTLV, JSON and XML, written apart from the project's own codecs so that the two check each other.

The names come from the enumeration tables beside the vectors (shared/specs/kmip), not from data/.
"""

import csv
import json
import re
import struct
import xml.etree.ElementTree as ElementTree
from datetime import datetime, timezone

TYPES = ["", "Structure", "Integer", "LongInteger", "BigInteger", "Enumeration", "Boolean", "TextString", "ByteString",
         "DateTime", "Interval", "DateTimeExtended"]
(STRUCTURE, INTEGER, LONG, BIG, ENUMERATION, BOOLEAN, TEXT, BYTES, DATE, INTERVAL, EXTENDED) = range(1, 12)

MASKS = {
    "CryptographicUsageMask": [
        "Sign", "Verify", "Encrypt", "Decrypt", "WrapKey", "UnwrapKey", "Export", "MACGenerate", "MACVerify", "DeriveKey",
        "ContentCommitment", "KeyAgreement", "CertificateSign", "CRLSign", "GenerateCryptogram", "ValidateCryptogram",
        "TranslateEncrypt", "TranslateDecrypt", "TranslateWrap", "TranslateUnwrap", "Authenticate", "Unrestricted",
        "FPEEncrypt", "FPEDecrypt"],
    "StorageStatusMask": ["OnlineStorage", "ArchivalStorage", "DestroyedStorage"],
    "ProtectionStorageMask": [
        "Software", "Hardware", "OnProcessor", "OnSystem", "OffSystem", "Hypervisor", "OperatingSystem", "Container",
        "OnPremises", "OffPremises", "SelfManaged", "Outsourced", "Validated", "SameJurisdiction"],
}
# tags whose enumeration has another name
ENUMERATION_OF = {
    "MaskGeneratorHashingAlgorithm": "HashingAlgorithm", "AttributeReference": "Tag", "CryptographicAlgorithms": "CryptographicAlgorithm",
    "ExtensionType": "ItemType", "CertificateLinkType": "LinkType",
}
# KMIP 2.1, 11.38: counted from 1
PKCS11_FUNCTIONS = {"C_Initialize": 1, "C_Finalize": 2, "C_GetInfo": 3}


def camel(name):
    """4.1.3 of the additional message encodings."""
    name = re.sub(r"[()]", " ", name)
    name = re.sub(r"\W([A-Za-z][a-z])", r" \1", name)
    words = [re.sub(r"\W", "_", word) for word in name.split()]
    words[0] = re.sub(r"^(\d+)(.*)", r"\2\1", words[0])
    return "".join(word[0].upper() + word[1:] for word in words)


class Tables:
    """Names and numbers."""

    def __init__(self, specs):
        self.tags, self.enums = {}, {}
        for name in ("enumerations-1.2.csv", "enumerations-2.1.csv"):
            with open(specs / name, newline="") as f:
                for category, item, value in list(csv.reader(f))[1:]:
                    if item.startswith("(") or not re.fullmatch(r"[0-9A-Fa-f]{6,8}", value):
                        continue
                    number = int(value, 16)
                    if category == "Tag":
                        self.tags[camel(item)] = number
                    else:
                        self.enums.setdefault(camel(category), {})[camel(item)] = number
        self.enums["Tag"] = self.tags
        self.enums["MaskGenerator"] = {"MGF1": 1}  # the table misspells it
        # the table lost a superscript
        self.enums["SplitKeyMethod"] |= {"PolynomialSharingGF2_16": 2, "PolynomialSharingGF2_8": 4}
        self.enums["PKCS_11Function"] = PKCS11_FUNCTIONS
        self.enums["PKCS_11ReturnCode"] = {"OK": 0}
        self.tag_names = {number: name for name, number in self.tags.items()}

    def tag(self, name):
        if name.startswith("0x"):
            return int(name, 16)
        if name not in self.tags:
            raise ValueError(f"no tag {name}")
        return self.tags[name]

    def tag_name(self, number):
        return self.tag_names.get(number, f"0x{number:06x}")

    def enum(self, tag, text):
        """`tag` is the name of the item that holds the value."""
        if text.startswith("0x"):
            return int(text, 16)
        names = self.enums.get(ENUMERATION_OF.get(tag) or tag)
        if names is None or text not in names:
            raise ValueError(f"{tag}: no value {text}")
        return names[text]

    def enum_name(self, tag, number):
        for name, value in self.enums.get(ENUMERATION_OF.get(tag) or tag, {}).items():
            if value == number:
                return name
        return f"0x{number:08x}"

    @staticmethod
    def mask(tag, text):
        value = 0
        for part in re.split(r"[\s|]+", text.strip()):
            if re.fullmatch(r"-?\d+", part):
                value |= int(part)
            elif part.startswith("0x"):
                value |= int(part, 16)
            elif part:
                value |= 1 << MASKS[tag].index(part)
        return value


class Node:
    """One item; `value` is a list of nodes, int, bool, str or bytes (big integers: bytes)."""

    def __init__(self, tag, kind, value):
        self.tag, self.kind, self.value = tag, kind, value

    def child(self, tag):
        return next((n for n in self.value if n.tag == tag), None) if self.kind == STRUCTURE else None

    def children(self, tag):
        return [n for n in self.value if n.tag == tag]

    def walk(self):
        yield self
        if self.kind == STRUCTURE:
            for n in self.value:
                yield from n.walk()

    def show(self, tables, indent=0):
        pad = "  " * indent
        if self.kind == STRUCTURE:
            return "\n".join([f"{pad}{self.tag}"] + [n.show(tables, indent + 1) for n in self.value])
        value = self.value
        if self.kind == ENUMERATION and isinstance(value, int):
            value = tables.enum_name(self.tag, value)
        if isinstance(value, bytes):
            value = value.hex()
        return f"{pad}{self.tag} ({TYPES[self.kind]}) {value}"


# ---- TTLV ----

def to_ttlv(node, tables):
    kind, value = node.kind, node.value
    if kind == STRUCTURE:
        body = b"".join(to_ttlv(n, tables) for n in value)
    elif kind == INTEGER:
        body = struct.pack(">i", value if value < 1 << 31 else value - (1 << 32))
    elif kind in (LONG, DATE, EXTENDED):
        body = struct.pack(">q", value)
    elif kind in (ENUMERATION, INTERVAL):
        body = struct.pack(">I", value)
    elif kind == BOOLEAN:
        body = struct.pack(">Q", int(value))
    elif kind == TEXT:
        body = value.encode()
    else:
        body = value
    return struct.pack(">I", tables.tag(node.tag) << 8 | kind) + struct.pack(">I", len(body)) + body + bytes(-len(body) % 8)


def from_ttlv(data, tables):
    node, end = _from_ttlv(data, 0, tables)
    if end != len(data):
        raise ValueError("bytes behind the message")
    return node


def _from_ttlv(data, at, tables):
    head, length = struct.unpack_from(">II", data, at)
    tag, kind = tables.tag_name(head >> 8), head & 0xff
    start, end = at + 8, at + 8 + length
    if end > len(data):
        raise ValueError(f"{tag}: cut")
    if kind == STRUCTURE:
        value, inner = [], start
        while inner < end:
            child, inner = _from_ttlv(data, inner, tables)
            value.append(child)
        if inner != end:
            raise ValueError(f"{tag}: children are longer than it")
        return Node(tag, kind, value), end
    body = data[start:end]
    sizes = {INTEGER: 4, LONG: 8, ENUMERATION: 4, BOOLEAN: 8, DATE: 8, INTERVAL: 4, EXTENDED: 8}
    if kind in sizes and length != sizes[kind]:
        raise ValueError(f"{tag}: length {length}")
    if kind == INTEGER:
        value = struct.unpack(">i", body)[0]
    elif kind in (LONG, DATE, EXTENDED):
        value = struct.unpack(">q", body)[0]
    elif kind in (ENUMERATION, INTERVAL):
        value = struct.unpack(">I", body)[0]
    elif kind == BOOLEAN:
        value = struct.unpack(">Q", body)[0]
        if value > 1:
            raise ValueError(f"{tag}: boolean {value}")
        value = bool(value)
    elif kind == TEXT:
        value = body.decode()
    elif kind in (BYTES, BIG):
        value = body
    else:
        raise ValueError(f"{tag}: type {kind}")
    padded = end + (-length % 8)
    if any(data[end:padded]) or padded > len(data):
        raise ValueError(f"{tag}: padding")
    return Node(tag, kind, value), padded


# ---- what JSON and XML share: values as text ----

def _attribute_tag(tag, siblings):
    """AttributeValue is read as the attribute that AttributeName beside it names."""
    if tag != "AttributeValue":
        return tag
    name = next((s for s in siblings if s[0] == "AttributeName"), None)
    return camel(name[1]) if name is not None and name[1] else tag


def value_of_text(kind, text, tag, tables):
    if kind == INTEGER:
        return tables.mask(tag, text) if tag in MASKS else int(text, 0)
    if kind in (LONG, INTERVAL):
        return int(text, 0)
    if kind in (BIG, BYTES):
        return bytes.fromhex(text.removeprefix("0x") if kind == BIG else text)
    if kind == ENUMERATION:
        return tables.enum(tag, text)
    if kind == BOOLEAN:
        if text not in ("true", "false", "1", "0"):
            raise ValueError(f"{tag}: boolean {text}")
        return text in ("true", "1")
    if kind == TEXT:
        return text
    if kind == DATE:
        if text.startswith("0x"):
            return int(text, 16)
        return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())
    if kind == EXTENDED:
        if text.startswith("0x"):
            return int(text, 16)
        return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000000)
    raise ValueError(f"{tag}: type {kind}")


def text_of_value(node, tag, tables):
    kind, value = node.kind, node.value
    if kind == INTEGER and tag in MASKS:
        names = [name for bit, name in enumerate(MASKS[tag]) if value >> bit & 1]
        rest = value & ~sum(1 << bit for bit in range(len(MASKS[tag])))
        return names + ([f"0x{rest & 0xffffffff:08x}"] if rest else []) or ["0x00000000"]
    if kind in (INTEGER, LONG, INTERVAL):
        return str(value)
    if kind in (BIG, BYTES):
        return value.hex()
    if kind == ENUMERATION:
        return tables.enum_name(tag, value)
    if kind == BOOLEAN:
        return "true" if value else "false"
    if kind == DATE:
        return datetime.fromtimestamp(value, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    if kind == EXTENDED:
        return datetime.fromtimestamp(value / 1000000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value


# ---- JSON ----

def to_json(node, tables):
    return json.dumps(_to_json(node, [], tables)).encode()


def _to_json(node, siblings, tables):
    if node.kind == STRUCTURE:
        beside = [(n.tag, n.value if n.kind == TEXT else None) for n in node.value]
        return {"tag": node.tag, "value": [_to_json(n, beside, tables) for n in node.value]}
    text = text_of_value(node, _attribute_tag(node.tag, siblings), tables)
    if isinstance(text, list):
        text = "|".join(text)
    elif node.kind in (INTEGER, INTERVAL):
        text = int(text)
    elif node.kind == LONG:
        text = int(text) if abs(int(text)) < 1 << 52 else f"0x{int(text) & (1 << 64) - 1:016x}"
    elif node.kind == BOOLEAN:
        text = text == "true"
    elif node.kind == BIG:
        text = "0x" + text
    return {"tag": node.tag, "type": TYPES[node.kind], "value": text}


def from_json(data, tables):
    return _from_json(json.loads(data), [], tables)


def _from_json(item, siblings, tables):
    tag = item["tag"]
    if tag.startswith("0x"):
        tag = tables.tag_name(int(tag, 16))
    kind = TYPES.index(item.get("type", "Structure"))
    value = item.get("value")
    if kind == STRUCTURE:
        inner = value or []
        beside = [(i["tag"], i.get("value") if i.get("type") == "TextString" else None) for i in inner]
        return Node(tag, kind, [_from_json(i, beside, tables) for i in inner])
    if isinstance(value, bool):
        return Node(tag, kind, value)
    if isinstance(value, int):
        return Node(tag, kind, value.to_bytes(8, "big", signed=True) if kind == BIG else value)
    if kind == INTEGER and value.startswith("0x") and "|" not in value:
        number = int(value, 16)
        return Node(tag, kind, number - (1 << 32) if number >> 31 else number)
    if kind == LONG and value.startswith("0x"):
        number = int(value, 16)
        return Node(tag, kind, number - (1 << 64) if number >> 63 else number)
    return Node(tag, kind, value_of_text(kind, value, _attribute_tag(tag, siblings), tables))


# ---- XML ----

def to_xml(node, tables):
    return ElementTree.tostring(_to_xml(node, [], tables))


def _to_xml(node, siblings, tables):
    if node.tag.startswith("0x"):
        element = ElementTree.Element("TTLV", tag=node.tag)
    else:
        element = ElementTree.Element(node.tag)
    if node.kind == STRUCTURE:
        beside = [(n.tag, n.value if n.kind == TEXT else None) for n in node.value]
        element.extend(_to_xml(n, beside, tables) for n in node.value)
        return element
    text = text_of_value(node, _attribute_tag(node.tag, siblings), tables)
    element.set("type", TYPES[node.kind])
    element.set("value", " ".join(text) if isinstance(text, list) else text)
    return element


def from_xml(data, tables):
    return from_element(ElementTree.fromstring(data), [], tables)


def from_element(element, siblings, tables, keep=None):
    """`keep(text)`: True for a value that is to stay as text, such as a placeholder."""
    tag = element.tag.rsplit("}", 1)[-1]
    if tag == "TTLV":
        tag = tables.tag_name(int(element.get("tag"), 16))
    kind = TYPES.index(element.get("type", "Structure"))
    if kind == STRUCTURE:
        beside = [(e.tag.rsplit("}", 1)[-1], e.get("value") if e.get("type") == "TextString" else None) for e in element]
        return Node(tag, kind, [from_element(e, beside, tables, keep) for e in element])
    text = element.get("value", "")
    if keep is not None and keep(text):
        return Node(tag, kind, text)
    return Node(tag, kind, value_of_text(kind, text, _attribute_tag(tag, siblings), tables))


ENCODINGS = {
    "ttlv": (to_ttlv, from_ttlv, "application/octet-stream"),
    "json": (to_json, from_json, "application/json"),
    "xml": (to_xml, from_xml, "text/xml"),
}
