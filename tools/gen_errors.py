"""Turn data/errors.toml into `enum err` and its table: gen_errors.py errors.toml err_codes.h err_table.c"""

import sys
import tomllib


def c_string(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def main(source, header, table):
    with open(source, "rb") as f:
        rows = tomllib.load(f)["error"]
    names = [row["name"] for row in rows]
    if len(set(names)) != len(names) or names[0] != "OK":
        sys.exit(f"{source}: names must be unique and OK the first")
    with open(header, "w") as f:
        f.write("/* Generated from data/errors.toml. */\n#pragma once\n\nenum err {\n")
        for number, name in enumerate(names):
            f.write(f"    ERR_{name} = {number},\n")
        f.write("};\n\n#define ERR_COUNT %d\n" % len(names))
    with open(table, "w") as f:
        f.write('/* Generated from data/errors.toml. */\n#include "base/err.h"\n\n')
        f.write("const struct err_row err_rows[ERR_COUNT] = {\n")
        for row in rows:
            fields = [row["name"], row["text"], row["hint"]]
            f.write("    {%s, %d, %d, %s},\n" % (", ".join(c_string(x) for x in fields), row["http"],
                                                 row["diameter"], c_string(row["kmip"])))
        f.write("};\n")


main(*sys.argv[1:4])
