"""The shared library shows the functions of its header, and nothing else: exports.py LIBRARY PREFIX VERSION HEADER"""

import re
import subprocess
import sys

library, prefix, version_wanted, header = sys.argv[1:]
shown = {}
for line in subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout.splitlines():
    kind, symbol = line.split()[-2:]
    name, _, version = symbol.partition("@@")
    if kind != "A":
        shown[name] = version
text = re.sub(r"/\*.*?\*/", "", open(header).read(), flags=re.S)
declared = set(re.findall(rf"\b({prefix}_\w+)\(", re.sub(r"typedef .*", "", text)))
problems = [f"{n} is declared but not shown" for n in sorted(declared - shown.keys())]
problems += [f"{n} is shown but not declared" for n in sorted(shown.keys() - declared)]
problems += [f"{n} has version {v}" for n, v in shown.items() if v != version_wanted]
problems += [f"the header includes {m}" for m in re.findall(r'#\s*include\s+"(.*)"', text)
             if not m.startswith("claviger-")]
print("\n".join(problems))
sys.exit(1 if problems or not declared else 0)
