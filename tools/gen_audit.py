"""Turn data/audit.toml into `enum audit_kind`, its table and the table of the manual:
gen_audit.py audit.toml audit_kinds.h audit_kinds.c audit-kinds.md"""

import sys
import tomllib


def c_string(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def main(source, header, table, manual):
    with open(source, "rb") as f:
        rows = tomllib.load(f)["kind"]
    numbers = [row["number"] for row in rows]
    names = [row["name"] for row in rows]
    if sorted(set(numbers)) != numbers or len(set(names)) != len(names) or not 0 < numbers[-1] < 65536:
        sys.exit(f"{source}: numbers must rise and names must be unique")
    with open(header, "w") as f:
        f.write("/* Generated from data/audit.toml. */\n#pragma once\n\nenum audit_kind {\n")
        for row in rows:
            f.write(f"    AUDIT_{row['name'].upper().replace('-', '_')} = {row['number']},\n")
        f.write("};\n\n#define AUDIT_KIND_END %d\n" % (numbers[-1] + 1))
    with open(table, "w") as f:
        f.write('/* Generated from data/audit.toml. */\n#include "keeper/audit.h"\n\n')
        f.write("const struct audit_kind_row audit_kind_rows[AUDIT_KIND_END] = {\n")
        for row in rows:
            note = "true" if row.get("note", False) else "false"
            f.write("    [%d] = {%s, %s, %s},\n"
                    % (row["number"], c_string(row["name"]), c_string(row["about"]), note))
        f.write("};\n")
    with open(manual, "w") as f:
        f.write("| number | kind | meaning | written by |\n|---|---|---|---|\n")
        for row in rows:
            writer = "engine, by way of the keeper" if row.get("note", False) else "keeper"
            f.write(f"| {row['number']} | `{row['name']}` | {row['about']} | {writer} |\n")


main(*sys.argv[1:5])
