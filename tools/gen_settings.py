"""Turn data/config.toml into the settings of clavigerd:

    gen_settings.py c   config.toml settings_table.h settings_table.c
    gen_settings.py man config.toml clavigerd.conf.5.scd.in out.scd
"""

import sys
import tomllib

C_TYPES = {"text": "const char *", "path": "const char *", "source": "const char *", "bool": "bool ", "number": "int64_t ", "size": "int64_t ",
           "seconds": "int64_t ", "choice": "unsigned ", "rate": "int64_t ", "list": "struct settings_list "}


def c_string(value):
    return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'


def load(path):
    with open(path, "rb") as f:
        return tomllib.load(f)["section"]


def choice_name(section, key, choice):
    return f"SETTINGS_{section['name']}_{key['name']}_{choice}".upper().replace("-", "_").replace(".", "_")


def write_header(sections, path):
    with open(path, "w") as f:
        f.write("/* Generated from data/config.toml. */\n#pragma once\n\n")
        f.write("#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n\n")
        f.write("struct settings_list {\n    size_t len;\n    const char **items;\n};\n\n")
        for section in sections:
            for key in section["key"]:
                if key["type"] == "choice":
                    names = ", ".join(choice_name(section, key, c) for c in key["choices"])
                    f.write(f"enum {{ {names} }};\n")
        f.write("\nstruct settings {\n")
        for section in sections:
            f.write("    struct {\n")
            for key in section["key"]:
                f.write(f"        {C_TYPES[key['type']]}{key['name']};\n")
            f.write(f"    }} {section['name']};\n")
        f.write("    void *memory; /* what the strings live in */\n};\n")


def write_table(sections, path):
    with open(path, "w") as f:
        f.write('/* Generated from data/config.toml. */\n#include "base/settings_row.h"\n\n')
        f.write("const struct settings_row settings_rows[] = {\n")
        for section in sections:
            for key in section["key"]:
                choices = " ".join(key.get("choices", []))
                f.write("    {%s, %s, SETTINGS_%s, offsetof(struct settings, %s.%s), INT64_C(%d), INT64_C(%d), %s, %s, %s},\n" % (
                    c_string(section["name"]), c_string(key["name"]), key["type"].upper(), section["name"],
                    key["name"], key.get("min", 0), key.get("max", 2**62), c_string(key["default"]),
                    c_string(choices), c_string(key["about"])))
        f.write("};\n\nconst size_t settings_rows_len = sizeof settings_rows / sizeof settings_rows[0];\n")


def write_man(sections, template, path):
    lines = []
    for section in sections:
        lines += [f"# [{section['name']}]", "", section["about"], ""]
        for key in section["key"]:
            kind = key["type"]
            if kind == "choice":
                kind = " | ".join(key["choices"])
            default = str(key["default"]) or "empty"
            about = key["about"].replace("_", "\\_").replace("*", "\\*")
            lines += [f"*{key['name']}* = _{kind}_", f"\t{about}", "", f"\tDefault: {default}".replace("_", "\\_"), ""]
    with open(template) as f:
        text = f.read()
    with open(path, "w") as f:
        f.write(text.replace("@SETTINGS@", "\n".join(lines)))


def main():
    if sys.argv[1] == "c":
        sections = load(sys.argv[2])
        write_header(sections, sys.argv[3])
        write_table(sections, sys.argv[4])
    else:
        write_man(load(sys.argv[2]), sys.argv[3], sys.argv[4])


main()
