#!/usr/bin/env python3
"""Turn data/kmip-*.toml into C headers, C tables and the reference page.

usage: gen_kmip.py DATA_DIR kmip_tags.h kmip_enums.h kmip_tables.c kmip-reference.md

How names are made, always from the name as the specification prints it:
  on the wire  (JSON, XML) CamelCase by KMIP Additional Message Encodings, 4.1.3: "X.509 Certificate Issuer" is
               X_509CertificateIssuer, "PKCS#11" is PKCS_11, "3DES" is DES3, "Re-key Key Pair" is ReKeyKeyPair
  in C         the same words in capitals with '_' between them: KMIP_TAG_X_509_CERTIFICATE_ISSUER, KMIP_OP_PKCS_11,
               KMIP_CRYPTOGRAPHIC_ALGORITHM_DES3, KMIP_OP_RE_KEY_KEY_PAIR
"""

import pathlib
import re
import sys
import tomllib

VERSIONS = {"1.0": 0x0100, "1.1": 0x0101, "1.2": 0x0102, "1.3": 0x0103, "1.4": 0x0104, "2.0": 0x0200, "2.1": 0x0201}
# enumerations whose constants have a short prefix
PREFIXES = {"Operation": "KMIP_OP", "Object Type": "KMIP_OBJECT", "State": "KMIP_STATE",
            "Result Reason": "KMIP_REASON", "Result Status": "KMIP_STATUS", "Cryptographic Usage Mask": "KMIP_MASK"}


TYPES = {None: "0", "Structure": "KMIP_STRUCTURE", "Integer": "KMIP_INTEGER", "Long Integer": "KMIP_LONG_INTEGER",
         "Big Integer": "KMIP_BIG_INTEGER", "Enumeration": "KMIP_ENUMERATION", "Boolean": "KMIP_BOOLEAN",
         "Text String": "KMIP_TEXT_STRING", "Byte String": "KMIP_BYTE_STRING", "Date-Time": "KMIP_DATE_TIME",
         "Interval": "KMIP_INTERVAL", "Date-Time-Extended": "KMIP_DATE_TIME_EXTENDED"}


def fail(text):
    sys.exit(f"gen_kmip.py: {text}")


def wire_name(name):
    text = re.sub(r"[()]", " ", name)
    text = re.sub(r"\W([A-Za-z][a-z])", r" \1", text)
    words = [re.sub(r"\W", "_", word) for word in text.split()]
    words[0] = re.sub(r"^(\d+)(.*)", r"\2\1", words[0])
    return "".join(word[0].upper() + word[1:] for word in words)


def c_words(name):
    words = re.sub(r"\W+", " ", name).split()
    words[0] = re.sub(r"^(\d+)(.*)", r"\2\1", words[0])
    return "_".join(words).upper()


def prefix(enum):
    return PREFIXES.get(enum, "KMIP_" + c_words(enum))


class Table:
    def __init__(self, folder):
        def load(name):
            with open(pathlib.Path(folder) / f"kmip-{name}.toml", "rb") as f:
                return tomllib.load(f)
        self.tags = load("tags")["tag"]
        enums = load("enums")
        self.enums, self.masks = enums["enum"], enums["mask"]
        self.attributes = load("attributes")["attribute"]
        self.structures = load("structures")["structure"]
        self.operations = load("operations")["operation"]
        self.check()
        self.enums.append({"name": "Tag", "values": self.tags, "tags": True})

    def check(self):
        described = {row["name"] for row in self.structures} | {"Request Payload", "Response Payload"}
        for row in self.tags:
            kinds = [row.get("type")] if not isinstance(row.get("type"), list) else row["type"]
            if "Structure" in kinds and row["name"] not in described:
                fail(f"tag {row['name']}: no structure of that name")
        enums = {row["name"] for row in self.enums + self.masks} | {"Tag"}
        for row in self.tags:
            if row.get("values", "Tag") not in enums:
                fail(f"tag {row['name']}: no enumeration or mask {row['values']}")
            # whose values are all extensions
            if row.get("type") == "Enumeration" and row["name"] != "Opaque Data Type" and \
                    row.get("values", row["name"]) not in enums:
                fail(f"tag {row['name']}: an enumeration without values")
        for rows, what in [(self.tags, "tags")] + [(e["values"], e["name"]) for e in self.enums + self.masks]:
            for key in (lambda r: r["value"], lambda r: wire_name(r["name"]), lambda r: c_words(r["name"])):
                keys = [key(row) for row in rows]
                twice = {k for k in keys if keys.count(k) > 1}
                if twice:
                    fail(f"{what}: twice: {twice}")
            for row in rows:
                if row.get("since", "1.0") not in VERSIONS or row.get("until", "2.1") not in VERSIONS:
                    fail(f"{what}: {row['name']}: unknown version")


def versions(row):
    since, until = row.get("since"), row.get("until")
    text = f"{since} on" if since else ""
    if until:
        text = f"{since or '1.0'} to {until}"
    return f" /* {text} */" if text else ""


def write_tags(path, table):
    with open(path, "w") as f:
        f.write("/* Generated from data/kmip-tags.toml. */\n#pragma once\n\n")
        for row in table.tags:
            f.write(f"#define KMIP_TAG_{c_words(row['name'])} {row['value']:#08x}{versions(row)}\n")


def write_enums(path, table):
    with open(path, "w") as f:
        f.write("/* Generated from data/kmip-enums.toml. */\n#pragma once\n")
        for enum in table.enums + table.masks:
            if enum.get("tags"):
                continue
            f.write(f"\n/* {enum['name']} */\n")
            for row in enum["values"]:
                f.write(f"#define {prefix(enum['name'])}_{c_words(row['name'])} {row['value']:#x}{versions(row)}\n")


def c_string(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def c_versions(row):
    return f"{VERSIONS[row.get('since', '1.0')]:#06x}, {VERSIONS[row.get('until', '2.1')]:#06x}"


def hash_name(name):
    """FNV-1a over the bytes, as kmip_hash in src/kmip/codec/table.c."""
    value = 0x811C9DC5
    for byte in name.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def write_index(f, name, keys):
    """Open addressing, a power of two with at least half of it empty; 0 is empty, else row + 1."""
    size = 8
    while size < 2 * len(keys):
        size *= 2
    slots = [0] * size
    for row, key in enumerate(keys):
        at = hash_name(key) % size
        while slots[at]:
            at = (at + 1) % size
        slots[at] = row + 1
    f.write(f"const uint16_t {name}[{size}] = {{\n")
    for at in range(0, size, 16):
        f.write("    " + ", ".join(str(x) for x in slots[at:at + 16]) + ",\n")
    f.write(f"}};\nconst uint32_t {name}_size = {size};\n\n")


def write_enum_tables(f, table):
    for number, enum in enumerate(table.enums + table.masks):
        rows = sorted(enum["values"], key=lambda row: row["value"])
        f.write(f"/* {enum['name']} */\nstatic const struct kmip_enum_value values_{number}[] = {{\n")
        for row in rows:
            f.write(f"    {{{row['value']:#x}, {c_versions(row)}, {c_string(wire_name(row['name']))}, "
                    f"{c_string(row['name'])}}},\n")
        f.write(f"}};\nstatic const struct kmip_enum_name names_{number}[] = {{\n")
        names = {}
        for at, row in enumerate(rows):
            for name in {wire_name(row["name"]), *row.get("alias", [])}:
                if name in names:
                    fail(f"{enum['name']}: two values have the name {name}")
                names[name] = at
        # many write HMACSHA256 and PKCS1
        for name, at in list(names.items()):
            names.setdefault(name.replace("_", ""), at)
        for name, at in sorted(names.items()):
            f.write(f"    {{{c_string(name)}, {at}}},\n")
        f.write("};\n")
        enum["c"] = number
        enum["names"] = len(names)
    f.write("\nstatic const struct kmip_enum enums[] = {\n")
    for enum in table.enums + table.masks:
        mask = "true" if enum in table.masks else "false"
        f.write(f"    {{{c_string(enum['name'])}, {mask}, {len(enum['values'])}, values_{enum['c']}, "
                f"{enum['names']}, names_{enum['c']}}},\n")
    f.write("};\n\n")


def types(value):
    """The usual type, and one bit for each that is allowed: 0 where it varies."""
    names = [value] if isinstance(value, str) else value or [None]
    bits = " | ".join(f"1 << {TYPES[name]}" for name in names if name) or "0"
    return TYPES[names[0]], bits


def tag_numbers(table):
    return {row["name"]: row["value"] for row in table.tags}


def enum_numbers(table, name):
    return {row["name"]: row["value"] for enum in table.enums if enum["name"] == name for row in enum["values"]}


def bits(names, numbers, what):
    unknown = set(names) - set(numbers)
    if unknown:
        fail(f"{what}: unknown: {unknown}")
    return sum(1 << numbers[name] for name in names)


ATTRIBUTE_FLAGS = ["always", "multi", "template", "server_modifies", "client_modifies", "client_deletes"]
ATTRIBUTE_KEYS = {"name", "since", "until", "set_by", "modify_states", "implicit", "objects", "objects2", *ATTRIBUTE_FLAGS}


def write_attributes(f, table):
    numbers, places = tag_numbers(table), {}
    operations, objects = enum_numbers(table, "Operation"), enum_numbers(table, "Object Type")
    states = enum_numbers(table, "State")
    rows = sorted(table.attributes, key=lambda row: numbers[row["name"]])
    f.write("const struct kmip_attribute_row kmip_attribute_rows[] = {\n")
    for at, row in enumerate(rows):
        name = row["name"]
        if set(row) - ATTRIBUTE_KEYS or not row["set_by"] or set(row["set_by"]) - {"client", "server"}:
            fail(f"attribute {name}: unknown key or no set_by")
        flags = [who in row["set_by"] for who in ("client", "server")] + [row.get(key, False) for key in ATTRIBUTE_FLAGS]
        applies = bits(row.get("objects", objects), objects, name)
        applies2 = bits(row["objects2"], objects, name) if "objects2" in row else applies
        f.write(f"    {{{numbers[name]:#08x}, {c_versions(row)}, {', '.join('true' if x else 'false' for x in flags)}, "
                f"{bits(row.get('modify_states', states), states, name):#x}, {{{applies:#x}, {applies2:#x}}}, "
                f"{bits(row.get('implicit', []), operations, name):#x}, {c_string(name)}}},\n")
        places[numbers[name]] = at + 1
    f.write(f"}};\nconst uint32_t kmip_attribute_rows_count = {len(rows)};\n\n")
    return places


def write_reasons(f, table):
    rows = next(enum["values"] for enum in table.enums if enum["name"] == "Result Reason")
    numbers = enum_numbers(table, "Result Reason")
    f.write("const struct kmip_reason_row kmip_reason_rows[] = {\n")
    for row in rows:
        whole = "since" not in row and "until" not in row
        if whole != ("instead" not in row):
            fail(f"reason {row['name']}: instead, and only where a version hasn't it")
        f.write(f"    {{{row['value']:#x}, {c_versions(row)}, {numbers[row.get('instead', row['name'])]:#x}}},\n")
    f.write(f"}};\nconst uint32_t kmip_reason_rows_count = {len(rows)};\n\n")


# fields that are no tag: an attribute, an object, anything (enum kmip_field_any in src/kmip/codec/schema.h)
ANY = {"@Attributes": 1, "@Object": 2, "@Any": 3}
FIELD = re.compile(r"^(.*?)([?*+]?)(?: since (\d\.\d))?$")


def c_field(text, tags, owner):
    name, many, since = FIELD.match(text).groups()
    if name not in tags and name not in ANY:
        fail(f"{owner}: unknown field {name}")
    row = dict(tags.get(name, {}))
    if since:
        row["since"] = since
    number = row.get("value", ANY.get(name))
    required = "true" if many in ("", "+") else "false"
    repeats = "true" if many in ("*", "+") else "false"
    return f"{{{number:#x}, {c_versions(row)}, {required}, {repeats}}}"


def write_fields(f, name, rows, table):
    """Arrays of fields, one for each different list; gives what a row says of its list."""
    tags = {row["name"]: row for row in table.tags}
    if len(rows) > 32:
        fail(f"{name}: more than 32 fields")
    if rows:
        f.write(f"static const struct kmip_field {name}[] = {{\n")
        for text in rows:
            f.write(f"    {c_field(text, tags, name)},\n")
        f.write("};\n")
    return f"{{{name if rows else 'NULL'}, {len(rows)}, true}}"


def write_structures(f, table):
    numbers, places, rows = tag_numbers(table), {}, []
    of = {}
    for at, row in enumerate(table.structures):
        name = f"fields_{at}"
        unknown = "{NULL, 0, false}"
        first = write_fields(f, name, row["fields"], table) if "fields" in row else unknown
        second = first
        if "fields2" in row:
            second = write_fields(f, name + "_2", row["fields2"], table) if row["fields2"] else unknown
        rows.append(f"    {{{numbers[row['name']]:#08x}, {{{first}, {second}}}}}, /* {row['name']} */\n")
        if "of" in row:
            of[row["of"]] = at
        else:
            places[numbers[row["name"]]] = at + 1
    f.write("const struct kmip_structure_row kmip_structure_rows[] = {\n" + "".join(rows) + "};\n")
    f.write(f"const struct kmip_structure_row *const kmip_request_item_row = "
            f"&kmip_structure_rows[{of['Request Message']}];\n"
            f"const struct kmip_structure_row *const kmip_response_item_row = "
            f"&kmip_structure_rows[{of['Response Message']}];\n\n")
    return places


def write_operations(f, table):
    numbers = enum_numbers(table, "Operation")
    known = {row["name"]: row for enum in table.enums if enum["name"] == "Operation" for row in enum["values"]}
    by = {"client": 1, "server": 2, "both": 3}
    rows = []
    for row in table.operations:
        lists = []
        for kind in ("request", "response"):
            name = f"{kind}_{numbers[row['name']]}"
            first = write_fields(f, name, row[kind], table)
            second = write_fields(f, name + "_2", row[kind + "2"], table) if kind + "2" in row else first
            lists.append(f"{{{first}, {second}}}")
        rows.append((numbers[row["name"]], f"    {{{numbers[row['name']]:#x}, {c_versions(known[row['name']])}, "
                     f"{by[row.get('by', 'client')]}, {c_string(row['name'])}, {', '.join(lists)}}},\n"))
    if [number for number, _ in sorted(rows)] != list(range(1, len(numbers) + 1)):
        fail("operations: one row for each, without gaps")
    f.write("const struct kmip_operation_row kmip_operation_rows[] = {\n" + "".join(r for _, r in sorted(rows)) + "};\n")
    f.write(f"const uint32_t kmip_operation_rows_count = {len(rows)};\n\n")


def write_places(f, name, places):
    first, last = 0x420000, max(places)
    f.write(f"const uint16_t {name}[{last - first + 1}] = {{\n")
    values = [places.get(tag, 0) for tag in range(first, last + 1)]
    for at in range(0, len(values), 16):
        f.write("    " + ", ".join(str(x) for x in values[at:at + 16]) + ",\n")
    f.write(f"}};\nconst uint32_t {name}_count = {len(values)};\n\n")


def write_tables(path, table):
    rows = sorted(table.tags, key=lambda row: row["value"])
    by_name = {enum["name"]: enum for enum in table.enums + table.masks}
    with open(path, "w") as f:
        f.write('/* Generated from data/kmip-*.toml. */\n#include "kmip/codec/table_rows.h"\n\n')
        write_enum_tables(f, table)
        f.write("const struct kmip_tag_row kmip_tag_rows[] = {\n")
        for row in rows:
            enum = by_name.get(row.get("values", row["name"]))
            values = f"&enums[{enum['c']}]" if enum else "NULL"
            kind, first = types(row.get("type"))
            second = types(row["type2"])[1] if "type2" in row else first
            f.write(f"    {{{row['value']:#08x}, {kind}, {'true' if row.get('secret') else 'false'}, {c_versions(row)}, "
                    f"{{{first}, {second}}}, {c_string(wire_name(row['name']))}, {c_string(row['name'])}, {values}}},\n")
        f.write(f"}};\nconst uint32_t kmip_tag_rows_count = {len(rows)};\n\n")
        write_places(f, "kmip_tag_places", {row["value"]: at + 1 for at, row in enumerate(rows)})
        write_places(f, "kmip_attribute_places", write_attributes(f, table))
        write_places(f, "kmip_structure_places", write_structures(f, table))
        write_operations(f, table)
        write_reasons(f, table)
        write_index(f, "kmip_tag_names", [wire_name(row["name"]) for row in rows])
        write_index(f, "kmip_tag_titles", [row["name"] for row in rows])


def span(row):
    since, until = row.get("since", "1.0"), row.get("until", "2.1")
    return "all" if (since, until) == ("1.0", "2.1") else f"{since} on" if until == "2.1" else f"{since} to {until}"


def type_text(row):
    def one(value):
        return " or ".join([value] if isinstance(value, str) else value or ["any"])
    first = one(row.get("type"))
    return first if "type2" not in row else f"{first}; from 2.0 {one(row['type2'])}"


def field_lists(row, key):
    first, second = row.get(key), row.get(key + "2")
    text = ", ".join(first) if first else "–"
    if second is None:
        return text
    return f"{text}; from 2.0: {', '.join(second) or '–'}"


def ask(row):
    return {"client": "", "server": " (the server asks)", "both": " (either asks)"}[row.get("by", "client")]


def reference_operations(f, table):
    known = {row["name"]: row for enum in table.enums if enum["name"] == "Operation" for row in enum["values"]}
    f.write("## Operations\n\n| number | operation | versions | request | response |\n|---|---|---|---|---|\n")
    for row in table.operations:
        number = known[row["name"]]
        f.write(f"| {number['value']} | {row['name']}{ask(row)} | {span(number)} | {field_lists(row, 'request')} | "
                f"{field_lists(row, 'response')} |\n")


def reference_attributes(f, table):
    f.write("\n## Attributes\n\n`C` client, `S` server. Objects are all where none are named.\n\n"
            "| attribute | versions | set by | changed by | deleted by client | several | objects |\n"
            "|---|---|---|---|---|---|---|\n")
    for row in table.attributes:
        changed = ("C" if row.get("client_modifies") else "") + ("S" if row.get("server_modifies") else "")
        if "modify_states" in row:
            changed += " while " + " or ".join(row["modify_states"])
        objects = ", ".join(row.get("objects", []))
        if "objects2" in row:
            objects += "; from 2.0: " + ", ".join(row["objects2"])
        f.write(f"| {row['name']} | {span(row)} | {''.join(who[0].upper() for who in row['set_by'])} | {changed} | "
                f"{'yes' if row.get('client_deletes') else ''} | {'yes' if row.get('multi') else ''} | {objects} |\n")


def reference_enums(f, table):
    for enum in table.enums + table.masks:
        if enum.get("tags"):
            continue
        reasons = enum["name"] == "Result Reason"
        f.write(f"\n### {enum['name']}\n\n| value | name | versions |{' instead |' if reasons else ''}\n"
                f"|---|---|---|{'---|' if reasons else ''}\n")
        for row in enum["values"]:
            f.write(f"| {row['value']:#x} | {wire_name(row['name'])} | {span(row)} |"
                    + (f" {row.get('instead', '')} |" if reasons else "") + "\n")


def write_reference(path, table):
    with open(path, "w") as f:
        f.write("# KMIP reference\n\nMade from `data/kmip-*.toml` by `tools/gen_kmip.py`: what the codecs, the checks and the "
                "answers of this server know of KMIP 1.0\nto 2.1. A field is there exactly once, `?` at most once, `*` any "
                "number of times, `+` at least once.\n\n")
        reference_operations(f, table)
        f.write("\n## Structures\n\n| structure | fields |\n|---|---|\n")
        for row in table.structures:
            name = row["name"] + (f" (of a {row['of']})" if "of" in row else "")
            f.write(f"| {name} | {field_lists(row, 'fields')} |\n")
        reference_attributes(f, table)
        f.write("\n## Enumerations and masks\n\nNames as JSON and XML write them. Values with the top bit set are "
                "extensions.\n")
        reference_enums(f, table)
        f.write("\n## Tags\n\n| tag | name | type | versions |\n|---|---|---|---|\n")
        for row in table.tags:
            f.write(f"| {row['value']:06x} | {wire_name(row['name'])} | {type_text(row)} | {span(row)} |\n")


def main(folder, tags_h, enums_h, tables_c, reference):
    table = Table(folder)
    write_tags(tags_h, table)
    write_enums(enums_h, table)
    write_tables(tables_c, table)
    write_reference(reference, table)


if __name__ == "__main__":
    main(*sys.argv[1:])
