#!/usr/bin/env python3
"""Turn data/diameter.toml and data/diameter_conf.toml into C tables.

usage: gen_diameter.py dict diameter.toml diameter_dict.h diameter_dict.c
       gen_diameter.py conf diameter_conf.toml diameter_conf.c
"""

import sys
import tomllib

TYPES = ["OctetString", "UTF8String", "DiameterIdentity", "DiameterURI", "Address", "Time", "Unsigned32",
         "Unsigned64", "Integer32", "Enumerated", "Grouped"]
# smallest and largest value in bytes; Address is family and four bytes of IPv4, or sixteen of IPv6
SIZES = {"OctetString": (0, 0), "UTF8String": (0, 0), "DiameterIdentity": (1, 255), "DiameterURI": (7, 0),
         "Address": (6, 0), "Time": (4, 4), "Unsigned32": (4, 4), "Unsigned64": (8, 8), "Integer32": (4, 4),
         "Enumerated": (4, 4), "Grouped": (0, 0)}
M_RULES = {"must": "DIAMETER_M_MUST", "may": "DIAMETER_M_MAY", "must_not": "DIAMETER_M_MUST_NOT"}
CODES = 512
ANY, NEVER = 255, 0


def c_id(name):
    return "AVP_" + name.upper().replace("-", "_")


def c_type(name):
    return "DIAMETER_" + name.upper()


def fail(source, text):
    sys.exit(f"{source}: {text}")


def grammar_row(source, ids, row):
    maximum = {name: ANY for name in ids}
    required = []
    if "first" in row:
        required.append(row["first"])
        maximum[row["first"]] = 1
    for name in row.get("one", []):
        required.append(name)
        maximum[name] = 1
    required += row.get("many", [])
    for name in row.get("optional", []):
        maximum[name] = 1
    for name in row.get("never", []):
        maximum[name] = NEVER
    unknown = (set(maximum) | set(required)) - set(ids)
    if unknown:
        fail(source, f"grammar {row['name']}: unknown {', '.join(sorted(unknown))}")
    return maximum, required


def write_header(path, rows, grammars, results):
    with open(path, "w") as f:
        f.write("/* Generated from data/diameter.toml. */\n#pragma once\n\n")
        f.write("/* Dense numbers of the AVPs we know; 0 is any other. */\nenum avp_id {\n    AVP_UNKNOWN = 0,\n")
        for row in rows:
            f.write(f"    {c_id(row['name'])},\n")
        f.write("    AVP_ID_COUNT\n};\n\n/* Codes on the wire. */\nenum avp_code {\n")
        for row in rows:
            f.write(f"    {c_id(row['name']).replace('AVP_', 'AVP_CODE_', 1)} = {row['code']},\n")
        f.write("};\n\nenum diameter_type {\n")
        for name in TYPES:
            f.write(f"    {c_type(name)},\n")
        f.write("};\n\nenum diameter_grammar_id {\n    GRAMMAR_NONE = 0,\n")
        for row in grammars:
            f.write(f"    GRAMMAR_{row['name']},\n")
        f.write("    GRAMMAR_COUNT\n};\n\nenum diameter_result {\n")
        for row in results:
            f.write(f"    DIAMETER_{row['name']} = {row['code']},\n")
        f.write("};\n\n")
        f.write(f"#define AVP_CODE_LIMIT {CODES}\n#define AVP_ANY {ANY}\n")
        f.write(f"#define DIAMETER_RESULT_COUNT {len(results)}\n")


def write_table(path, source, rows, grammars, results):
    ids = [row["name"] for row in rows]
    groups = {row["group"]: row["name"] for row in grammars if "group" in row}
    with open(path, "w") as f:
        f.write('/* Generated from data/diameter.toml. */\n#include "diameter/avp.h"\n\n')
        f.write("const struct avp_def avp_defs[AVP_ID_COUNT] = {\n")
        f.write('    {0, "", DIAMETER_OCTETSTRING, DIAMETER_M_MAY, false, 0, 0, 0, GRAMMAR_NONE},\n')
        for row in rows:
            low, high = SIZES[row["type"]]
            grammar = "GRAMMAR_" + groups.get(row["name"], "NONE")
            secret = "true" if row.get("key") else "false"
            f.write(f"    {{{row['code']}, \"{row['name']}\", {c_type(row['type'])}, {M_RULES[row['m']]}, {secret}, "
                    f"{low}, {high}, {row.get('max', 0)}, {grammar}}},\n")
        f.write("};\n\nconst uint8_t avp_id_of_code[AVP_CODE_LIMIT] = {\n")
        for row in rows:
            f.write(f"    [{row['code']}] = {c_id(row['name'])},\n")
        f.write("};\n\n")
        f.write("const struct diameter_grammar diameter_grammars[GRAMMAR_COUNT] = {\n")
        f.write("    [GRAMMAR_NONE] = {\"\", {0}, 0, AVP_UNKNOWN, {0}},\n")
        for row in grammars:
            maximum, required = grammar_row(source, ids, row)
            if len(required) > 12:
                fail(source, f"grammar {row['name']}: more than 12 required AVPs")
            first = c_id(row["first"]) if "first" in row else "AVP_UNKNOWN"
            f.write(f"    [GRAMMAR_{row['name']}] = {{\"{row['name']}\",\n")
            f.write("        {%s}, %d, %s,\n" % (", ".join(c_id(x) for x in required), len(required), first))
            f.write("        {%s}},\n" % ", ".join(["255"] + [str(maximum[x]) for x in ids]))
        f.write("};\n\nconst struct diameter_result_row diameter_results[DIAMETER_RESULT_COUNT] = {\n")
        for row in results:
            f.write(f"    {{{row['code']}, \"{row['name']}\"}},\n")
        f.write("};\n")


LISTS = {None: ("PROPERTY_SINGLE", "diameter_properties"), "apps": ("PROPERTY_APPS", "diameter_app"),
         "inband": ("PROPERTY_INBAND", None), "peers": ("PROPERTY_PEERS", "diameter_peer_entry")}


def write_conf(source, path):
    with open(source, "rb") as f:
        rows = tomllib.load(f)["property"]
    with open(path, "w") as f:
        f.write('/* Generated from data/diameter_conf.toml. */\n#include "diameter/properties.h"\n\n')
        f.write("const struct property_row property_rows[] = {\n")
        for row in rows:
            if (".N." in row["name"]) != ("list" in row):
                fail(source, f"{row['name']}: N and list go together")
            kind, struct = LISTS[row.get("list")]
            offset = f"offsetof(struct {struct}, {row['field']})" if struct else "0"
            about = row["about"].replace('"', '\\"')
            f.write(f"    {{\"{row['name']}\", PROPERTY_{row['type'].upper()}, {kind}, "
                    f"{'true' if row.get('required') else 'false'}, {offset}, {row.get('min', 0)}u, "
                    f"{row.get('max', 0xffffffff)}u, {row.get('default', 0)}u, \"{about}\"}},\n")
        f.write("};\nconst size_t property_rows_len = sizeof property_rows / sizeof property_rows[0];\n")


def write_dict(source, header, table):
    with open(source, "rb") as f:
        data = tomllib.load(f)
    rows, grammars, results = data["avp"], data["grammar"], data["result"]
    codes = [row["code"] for row in rows]
    if codes != sorted(set(codes)) or codes[-1] >= CODES:
        fail(source, f"AVP codes must be in order, unique and below {CODES}")
    for row in rows:
        if row["type"] not in TYPES:
            fail(source, f"{row['name']}: unknown type {row['type']}")
    write_header(header, rows, grammars, results)
    write_table(table, source, rows, grammars, results)


def main(kind, *paths):
    if kind == "dict":
        write_dict(*paths)
    else:
        write_conf(*paths)


main(*sys.argv[1:])
