#!/usr/bin/env python3
"""clang-tidy for tools/lint: as many files at a time as there are cores, the largest first.

What it says of a file hangs on the file, on all it includes, on how it is compiled, on the settings and on the tool; where the
hash of all these is one that was clean before, the file is passed over. A header that the compiler found is in ninja's log of
dependencies; a file that is not there (or is older than what it depends on) is always read.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
CLEAN = BUILD / "lint-clean"
ANALYZER = ROOT / "tools" / "analyzer.h"
TIDY = ["clang-tidy", "-p", str(BUILD), "--quiet", "--extra-arg=-include", f"--extra-arg={ANALYZER}"]
SAID = re.compile(r"^\S.*: (warning|error): ")
# unix.Malloc does not know that AUTO frees, so its messages about leaks are dropped here; its other findings (use after free,
# double free) stay. Leaks are what LeakSanitizer finds in ./check asan.
LEAK = re.compile(r": (warning|error): .*Potential leak of memory.*unix\.Malloc")


def text(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout


class Hashes:
    def __init__(self):
        self.files = {}
        self.common = b"".join([text("clang-tidy", "--version").encode(), (ROOT / ".clang-tidy").read_bytes(), ANALYZER.read_bytes(),
                                Path(__file__).read_bytes()])
        self.commands = {}  # source: [(object, command)]
        for entry in json.loads((BUILD / "compile_commands.json").read_text()):
            source = (Path(entry["directory"]) / entry["file"]).resolve()
            self.commands.setdefault(source, []).append((entry.get("output"), entry["command"]))
        self.deps = {}
        target = None
        for line in text("ninja", "-C", str(BUILD), "-t", "deps").splitlines():
            if line.startswith("    "):
                if target is not None:
                    self.deps[target].append(line.strip())
            elif line.endswith("(VALID)"):
                target = line.split(":", 1)[0]
                self.deps[target] = []
            else:
                target = None

    def of_file(self, path):
        if path not in self.files:
            self.files[path] = hashlib.sha256(path.read_bytes()).digest()
        return self.files[path]

    def key(self, name):
        """None where what the file includes is not known."""
        whole = hashlib.sha256(self.common)
        entries = self.commands.get((ROOT / name).resolve(), [])
        if not entries:
            return None
        for output, command in entries:
            deps = self.deps.get(output)
            if not deps:
                return None
            whole.update(command.encode())
            for dep in deps:
                try:
                    whole.update(dep.encode() + b"\0" + self.of_file((BUILD / dep).resolve()))
                except OSError:
                    return None
        return whole.hexdigest()


def read(name):
    """What is wrong with the file; nothing: ""."""
    done = subprocess.run([*TIDY, name], capture_output=True, text=True, cwd=ROOT)
    kept, keep = [], False
    for line in done.stdout.splitlines():
        if SAID.match(line):
            keep = not LEAK.search(line)
        if keep:
            kept.append(line)
    if done.returncode != 0:
        kept += [line for line in done.stderr.splitlines() if "rror" in line] or [f"{name}: clang-tidy failed"]
    return "\n".join(kept)


def main(names):
    hashes = Hashes()
    clean = set(CLEAN.read_text().split()) if CLEAN.exists() and not os.environ.get("LINT_ALL") else set()
    keys = {name: hashes.key(name) for name in names}
    todo = sorted((n for n in names if keys[n] is None or keys[n] not in clean), key=lambda n: -(ROOT / n).stat().st_size)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = dict(zip(todo, pool.map(read, todo)))
    for name, said in results.items():
        if said:
            print(said)
    good = {keys[n] for n in names if keys[n] is not None and not results.get(n)}
    part = CLEAN.with_suffix(".part")
    part.write_text("\n".join(sorted(good | clean)) + "\n")
    part.rename(CLEAN)
    print(f"{len(todo)} of {len(names)} files read")
    return 1 if any(results.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
