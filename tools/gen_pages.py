#!/usr/bin/env python3
"""Bundle web/ and write it as the table of src/api/pages_table.h: each file compressed, with its type and its entity tag.

usage: tools/gen_pages.py FOLDER TABLE.c DEPFILE     (FOLDER is made anew)
example: tools/gen_pages.py build/web/pages build/web/pages_table.c build/web/pages_table.d
"""

import gzip
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}


def array(name, data):
    lines = [f"static const uint8_t {name}[] = {{"]
    lines += ["    " + ",".join(str(b) for b in data[i:i + 32]) + "," for i in range(0, len(data), 32)]
    return "\n".join(lines) + "\n};\n"


def squeeze(path):
    """As gzip: by zopfli, which makes it 3% smaller, where it is there."""
    if shutil.which("zopfli"):
        return subprocess.run(["zopfli", "-c", path], check=True, stdout=subprocess.PIPE).stdout
    return gzip.compress(path.read_bytes(), 9, mtime=0)


def main():
    if len(sys.argv) != 4:
        print(__doc__.strip())
        return 2
    folder, table, depfile = (Path(a) for a in sys.argv[1:])
    subprocess.run([sys.executable, ROOT / "web/build", folder], check=True)
    arrays, rows = [], []
    for path in sorted(p for p in folder.rglob("*") if p.suffix in TYPES):
        plain = path.read_bytes()
        data = squeeze(path)
        url = "/" + str(path.relative_to(folder))
        name = f"file_{len(rows)}"
        rows.append(((b"/" if url == "/index.html" else url.encode()), TYPES[path.suffix],
                     hashlib.sha256(plain).hexdigest()[:20], url.startswith("/assets/"), name, len(plain)))
        arrays.append(array(name, data))
    rows.sort()
    with open(table, "w") as out:
        out.write('/* Made by tools/gen_pages.py of web/. */\n#include "api/pages_table.h"\n\n')
        out.write("\n".join(arrays) + "\nconst struct page_file page_files[] = {\n")
        for url, kind, etag, immutable, name, plain_len in rows:
            out.write(f'    {{"{url.decode()}", "{kind}", "\\"{etag}\\"", {str(immutable).lower()}, {name}, '
                      f"sizeof {name}, {plain_len}}},\n")
        out.write("};\n\nconst size_t page_files_len = sizeof page_files / sizeof page_files[0];\n")
    inputs = [line.replace(" ", "\\ ") for line in (folder / "inputs.txt").read_text().split("\n") if line]
    depfile.write_text(f"{table}: {' '.join(inputs)}\n")
    return 0


sys.exit(main())
