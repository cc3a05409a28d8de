#!/usr/bin/python3
"""Play what real products send (vectors/kmip/vendors), and send every message of vectors/kmip/ttlv-hex to the daemon.

usage: vendors.py [-v]
example: CLAVIGER_BUILD=build tests/conformance/vendors.py
"""

import json
import re
import sys
import time
import tomllib

from codec import BIG, BYTES, ENUMERATION, INTEGER, STRUCTURE, TYPES, Node, Tables, camel, from_ttlv, to_ttlv, value_of_text
from play import Server
from harness import shared


def loose(text):
    return re.sub(r"[^a-z0-9]", "", text.lower())


def lookup(names, text):
    """The products' own spelling of a name: "Mac", "SHA256"."""
    return next((name for name in names if loose(name) == loose(text)), text)


def node_of(item, bound, siblings, tables):
    tag = lookup(tables.tags, item["tag"])
    value = item["value"]
    kind = TYPES.index(item.get("type", "Structure"))
    if kind == STRUCTURE:
        return Node(tag, kind, [node_of(i, bound, value, tables) for i in value])
    if isinstance(value, str):
        value = re.sub(r"\{\{(\w+)\}\}", lambda m: bound[m.group(1)], value)
    named = tag
    if tag == "AttributeValue":
        named = camel(next(s["value"] for s in siblings if s["tag"] == "AttributeName"))
    if kind == ENUMERATION and isinstance(value, str):
        value = tables.enum(named, lookup(tables.enums.get(named, {}), value))
    elif kind in (BYTES, BIG):
        value = bytes.fromhex(value)
    elif isinstance(value, str):
        value = value_of_text(kind, value, named, tables)
    return Node(tag, kind, value)


def integer(tag, value):
    return Node(tag, INTEGER, value)


def message(operation, payload, version, tables):
    name = lookup(tables.enums["Operation"], operation)
    return Node("RequestMessage", STRUCTURE, [
        Node("RequestHeader", STRUCTURE, [
            Node("ProtocolVersion", STRUCTURE, [integer("ProtocolVersionMajor", version[0]), integer("ProtocolVersionMinor", version[1])]),
            integer("BatchCount", 1)]),
        Node("BatchItem", STRUCTURE, [
            Node("Operation", ENUMERATION, tables.enum("Operation", name)), Node("RequestPayload", STRUCTURE, payload.value)])])


def play_sequence(folder, peer, tables, verbose):
    manifest = tomllib.loads((folder / "manifest.toml").read_text())
    bound = {}
    for step in manifest["steps"]:
        text = (folder / step["request"]).read_text()
        version = manifest.get("kmip_version") or ([1, 4] if "TemplateAttribute" in "".join(
            p.read_text() for p in folder.glob("*.json")) else [2, 1])
        answer = peer.ask(message(step["operation"], node_of(json.loads(text), bound, [], tables), version, tables), "ttlv")
        item = answer.child("BatchItem")
        if verbose:
            print(answer.show(tables))
        if step.get("assert_success") and item.child("ResultStatus").value != 0:
            return f"{step['request']}: {item.show(tables)}"
        found = {n.tag: n.value for n in item.walk() if n.kind != STRUCTURE}
        for name, tag in step.get("capture", {}).items():
            if tag not in found:
                return f"{step['request']}: no {tag} in the answer"
            bound[name] = found[tag].hex() if isinstance(found[tag], bytes) else str(found[tag])
        for tag, wanted in step.get("assert_fields", {}).items():
            got = found.get(tag)
            if (got.hex().upper() if isinstance(got, bytes) else str(got)) != str(wanted):
                return f"{step['request']}: {tag} is {got!r}, wanted {wanted}"
    return None


def send_all(path, client, tables):
    """Every request gets an answer of its version that is framed and whole; what is no request ends the connection or is refused."""
    problems = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        vector = json.loads(line)
        data = bytes.fromhex(vector["hex"])
        node = from_ttlv(data, tables)
        if to_ttlv(node, tables) != data:
            problems.append(f"{path.name}:{number}: decoding and encoding changes it")
        if node.tag != "RequestMessage":
            continue
        try:
            answer = from_ttlv(client.send(data), tables)
        except ConnectionError as failure:
            problems.append(f"{path.name}:{number}: {failure}")
            client.close()
            continue
        version = node.child("RequestHeader").child("ProtocolVersion")
        header = answer.child("ResponseHeader")
        got = [n.value for n in header.child("ProtocolVersion").value] if header else None
        if got is None or got > [2, 1] or (version.value[0].value, version.value[1].value) <= (2, 1) and got != [n.value for n in version.value]:
            problems.append(f"{path.name}:{number}: answered in version {got}")
    return problems


def main():
    if "--help" in sys.argv:
        print(__doc__)
        return 0
    vectors, specs = shared("vectors", "kmip"), shared("specs", "kmip")
    if not vectors or not specs or not (vectors / "vendors").is_dir():
        print("skipped: no vectors beside the project")
        return 77
    tables = Tables(specs)
    passed = failed = 0
    with Server() as server:
        for manifest in sorted((vectors / "vendors").glob("*/manifest.toml")):
            peer = server.client(tables)
            problem = play_sequence(manifest.parent, peer, tables, "-v" in sys.argv)
            peer.close()
            passed, failed = passed + (problem is None), failed + (problem is not None)
            if problem:
                print(f"{manifest.parent.name}: {problem}")
        for path in sorted((vectors / "ttlv-hex").glob("*.jsonl")):
            started = time.monotonic()
            peer = server.client(tables)
            problems = send_all(path, peer, tables)
            peer.close()
            passed, failed = passed + (not problems), failed + bool(problems)
            print("\n".join(problems[:20] + [f"{path.name}: {time.monotonic() - started:.1f} s"]))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
