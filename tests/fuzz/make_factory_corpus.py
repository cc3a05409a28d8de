#!/usr/bin/env python3
"""Write the corpora of the factory_package, factory_xml and factory_toml targets, by docs/formats.md and the openssl command alone.

Keys are made anew, so every run gives other bytes.

usage: tests/fuzz/make_factory_corpus.py [FOLDER]
"""

import gzip
import hashlib
import io
import pathlib
import struct
import subprocess
import sys
import tarfile
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def openssl(*args):
    return subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True).stdout


def gateway_file():
    head = struct.pack(">III", 3, 65536, 4) + bytes(16) + b"\0\1n\0\1r" + struct.pack(">IIIIB", 1, 1, 1, 1, 32) + bytes(12)
    return b"CLVGWKF1" + struct.pack(">H", len(head)) + head + struct.pack(">I", 1) + b"x" + bytes(16)


def listed(name, role, content):
    return (f'<file name="{name}" role="{role}" size="{len(content)}" sha256="{hashlib.sha256(content).hexdigest()}" '
            f'md5="{hashlib.md5(content).hexdigest()}"/>\n')


def description(files, key, more=""):
    out = ('<package xmlns="urn:claviger:package:1" configId="0x0000000000000045" version="1" '
           'created="2026-11-21T02:39:00Z" label="l">\n' + more + f'<packager name="p" key="{key.hex()}"/>\n'
           '<keys kms="k" gateway="g" signature="s"/>\n<node type="UNODE" version="1" firmware="f" fieldConfiguration="c"/>\n')
    if any(name == "h" for name, _, _ in files):
        out += '<application name="a" version="2" firmware="h" publicKey="b"/>\n<alias name="x"/>\n'
    return (out + "".join(listed(*f) for f in files) + "</package>\n").encode()


def archive(entries):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content, kind in entries:
            info = tarfile.TarInfo(name)
            info.size, info.type = len(content), kind
            info.linkname = "/etc/passwd" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue().rstrip(b"\0") + bytes(1536)


def main():
    if len(sys.argv) > 2 or sys.argv[1:] in (["-h"], ["--help"]):
        print(__doc__.strip())
        return 2
    to = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "corpus"
    with tempfile.TemporaryDirectory() as name:
        work = pathlib.Path(name)
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", work / "key")
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", work / "kms")
        spki = openssl("pkey", "-in", work / "key", "-pubout", "-outform", "DER")
        kms = openssl("pkey", "-in", work / "kms", "-pubout")
        (work / "g").write_bytes(gateway_file())
        sig = openssl("dgst", "-sha256", "-sign", work / "kms", work / "g")
        files = [("k", "kms-key", kms), ("g", "gateway-keys", gateway_file()), ("s", "gateway-keys-signature", sig),
                 ("f", "firmware", b"firmware" * 20), ("c", "field-configuration", b"c")]
        more = files + [("h", "firmware", b""), ("b", "backend-key", kms)]

        def signed(xml):
            (work / "x").write_bytes(xml)
            return [("package.xml", xml, tarfile.REGTYPE),
                    ("package.xml.sig", openssl("dgst", "-sha256", "-sign", work / "key", work / "x"), tarfile.REGTYPE)]

        small, large = description(files, spki), description(more, spki, "<comment>a &lt; b&#10;c</comment>\n")
        regular = [(n, c, tarfile.REGTYPE) for n, _, c in files]
        seeds = {
            "factory_package": {
                "whole.tar.gz": gzip.compress(archive(signed(small) + regular), mtime=0),
                "whole.tar": archive(signed(large) + [(n, c, tarfile.REGTYPE) for n, _, c in more]),
                "link.tar": archive(signed(small) + [("f", b"", tarfile.SYMTYPE)] + regular),
                "path.tar": archive(signed(small) + [("../f", b"x", tarfile.REGTYPE)]),
                "missing.tar": archive(signed(small) + regular[:-1]),
                "twice.tar": archive(signed(small) + regular[:2] + regular[:2]),
                "zeros.tar.gz": gzip.compress(bytes(200_000), mtime=0),
            },
            "factory_xml": {
                "small.xml": description(files, spki[:8]),
                "large.xml": description(more, spki[:8], "<comment>a &lt; b&#10;c \u00e4</comment>\n"),
                "entities.xml": b'<!DOCTYPE package [<!ENTITY a "b"><!ENTITY c "&a;&a;">]>\n' + small,
                "empty.xml": b'<package xmlns="urn:claviger:package:1"/>',
            },
            "factory_toml": {
                "example.toml": (HERE.parents[1] / "examples/package/manifest.toml").read_bytes(),
                "kinds.toml": b"a = 0xff\nb = 0o7\nc = 0b1\nd = +1_0\ne = true\n'f' = 'x'\n\"g\" = \"\\u00e4\\n\"\n"
                              b"h = [ 'a', # b\n \"c\", ]\n[i . j]\nk = 1\n[[l]]\n[[l]]\n",
                "small.toml": b"config_id = 1\nversion = 1\nlabel = 'l'\npackager = 'p'\naliases = ['x']\n[keys]\nkms = 'k'\n"
                              b"gateway = 'g'\nsignature = 's'\n[node]\ntype = 't'\nversion = '1'\nfirmware = 'd/f'\n"
                              b"field_configuration = 'c'\n[[application]]\nname = 'a'\nversion = '1'\npublic_key = 'b'\n",
            },
        }
    for target, ones in seeds.items():
        (to / target).mkdir(parents=True, exist_ok=True)
        for name, content in ones.items():
            (to / target / name).write_bytes(content)
    return 0


sys.exit(main())
