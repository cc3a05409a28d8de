"""Compile migrations into C: gen_migrations.py migrations.c FILE.sql...

A file is [SCHEMA/]NNNN-name[.ENGINE].sql below a folder named migrations; without ENGINE it is for every engine that has no
variant of its own. 0001-meta.sql begins every schema.
"""

import pathlib
import re
import sys

NAME = re.compile(r"(\d{4})-([a-z0-9-]{1,60})(?:\.([a-z]+))?\.sql")


def c_string(text):
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return "\n".join('     "%s\\n"' % line for line in escaped.splitlines() if line.strip())


def load(files):
    schemas = {"main": {}}
    for path in map(pathlib.Path, files):
        match = NAME.fullmatch(path.name)
        if not match:
            sys.exit(f"{path}: the name is not NNNN-name[.engine].sql")
        schema = "main" if path.parent.name == "migrations" else path.parent.name
        number, name, engine = int(match[1]), match[2], match[3]
        variants = schemas.setdefault(schema, {}).setdefault(number, (name, {}))[1]
        if schemas[schema][number][0] != name or engine in variants:
            sys.exit(f"{path}: number {number} is taken by {schemas[schema][number][0]}")
        variants[engine] = path.read_text(encoding="utf-8")
    first = schemas["main"].get(1)
    for schema, rows in schemas.items():
        rows.setdefault(1, first)
        if rows[1] is not first or sorted(rows) != list(range(1, len(rows) + 1)):
            sys.exit(f"schema {schema}: numbers must run without a gap"
                     + ("" if schema == "main" else " from 0002"))
    return schemas


def main(target, files):
    out = ['/* Generated from src/store/migrations. */', '#include "store/migrate.h"', "",
           '#pragma GCC diagnostic ignored "-Woverlength-strings"', "",
           "const struct migration migrations[] = {"]
    for schema, rows in sorted(load(files).items()):
        for number, (name, variants) in sorted(rows.items()):
            if None not in variants:
                sys.exit(f"{number:04}-{name}: the file for every engine is missing")
            for engine, sql in sorted(variants.items(), key=lambda item: item[0] or ""):
                engine = f'"{engine}"' if engine else "NULL"
                out.append(f'    {{"{schema}", {number}, "{name}", {engine},\n{c_string(sql)}}},')
    out += ["};", "const size_t migrations_len = sizeof migrations / sizeof migrations[0];", ""]
    pathlib.Path(target).write_text("\n".join(out), encoding="utf-8")


main(sys.argv[1], sys.argv[2:])
