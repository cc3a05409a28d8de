"""Turn data/line-codes.toml into the table behind base/line_code.h: gen_line_codes.py line-codes.toml line_codes.h line_codes.c"""

import sys
import tomllib

ACTIONS_MAX = 3


def c_string(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def main(source, header, table):
    with open(source, "rb") as f:
        data = tomllib.load(f)
    codes = sorted(data["code"], key=lambda row: row["number"])
    actions = {row["number"]: row["text"] for row in data["action"]}
    for key in ("number", "name"):
        if len({row[key] for row in codes}) != len(codes):
            sys.exit(f"{source}: a {key} stands twice")
    if sorted(actions) != list(range(1, len(data["action"]) + 1)):
        sys.exit(f"{source}: actions are numbered from 1 without gaps")
    for row in codes:
        unknown = set(row["actions"]) - set(actions)
        if unknown or len(row["actions"]) > ACTIONS_MAX or not 0 <= row["number"] <= 255:
            sys.exit(f"{source}: code {row['number']}: not possible")
    with open(header, "w") as f:
        f.write("/* Generated from data/line-codes.toml. */\n#pragma once\n\nenum line_code {\n")
        for row in codes:
            f.write(f"    LINE_{row['name']} = {row['number']}, /* {row['text']} */\n")
        f.write("};\n\n#define LINE_CODE_ROWS %d\n#define LINE_ACTIONS %d\n" % (len(codes), len(actions)))
    with open(table, "w") as f:
        f.write('/* Generated from data/line-codes.toml. */\n#include "base/line_code.h"\n\n')
        f.write("const char *const line_actions[LINE_ACTIONS + 1] = {\n    \"\",\n")
        for number in sorted(actions):
            f.write(f"    {c_string(actions[number])},\n")
        f.write("};\n\nconst struct line_code_row line_code_rows[LINE_CODE_ROWS] = {\n")
        for row in codes:
            numbers = ", ".join(map(str, row["actions"])) or "0"
            f.write(f"    {{{c_string(row['name'])}, {c_string(row['text'])}, {row['number']}, {{{numbers}}}}},\n")
        f.write("};\n")


main(*sys.argv[1:4])
