"""Turn data/ckr.toml into the table behind hsm/ckr.h: gen_ckr.py ckr.toml ckr_table.c"""

import sys
import tomllib

GROUPS = {"", "session", "login", "device", "handle", "pin", "data", "unable"}


def main(source, table):
    with open(source, "rb") as f:
        rows = sorted(tomllib.load(f)["ckr"], key=lambda row: row["value"])
    if len({row["value"] for row in rows}) != len(rows) or len({row["name"] for row in rows}) != len(rows):
        sys.exit(f"{source}: names and values must be unique")
    with open(table, "w") as f:
        f.write('/* Generated from data/ckr.toml. */\n#include "hsm/ckr.h"\n\n')
        f.write("const struct ckr_row ckr_rows[] = {\n")
        for row in rows:
            group = row.get("group", "")
            if group not in GROUPS:
                sys.exit(f"{source}: {row['name']}: no such group: {group}")
            f.write('    {0x%xUL, "%s", CKR_GROUP_%s},\n' % (row["value"], row["name"], (group or "none").upper()))
        f.write("};\nconst unsigned ckr_row_count = %d;\n" % len(rows))


main(*sys.argv[1:3])
