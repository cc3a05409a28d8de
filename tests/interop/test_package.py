"""claviger package: what it makes is read by tar, sha256sum, md5sum, openssl and xmllint, and what tar and openssl make is taken."""

import hashlib
import shutil
import struct
import subprocess
import xml.etree.ElementTree as ET

import pytest

from harness import BAD_INPUT, FAILED, REFUSED, SOURCE, USAGE, openssl, program, run

NS = "{urn:claviger:package:1}"
CONFIG = "0x0000012345678abc"


def gateway_file(network=b"metro-east", realm=b"metro-east.example", gateway=2, cdld=5):
    """CLVGWKF1 by docs/formats.md; whether the ciphertext opens is not asked here."""
    head = struct.pack(">III", 3, 65536, 4) + bytes(16)
    head += struct.pack(">H", len(network)) + network + struct.pack(">H", len(realm)) + realm
    head += struct.pack(">IIIIB", gateway, cdld, 1, 1, 32) + bytes(12)
    return b"CLVGWKF1" + struct.pack(">H", len(head)) + head + struct.pack(">I", 200) + bytes(200) + bytes(16)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """The operator's part, made with openssl."""
    folder = tmp_path_factory.mktemp("keys")
    private = folder / "kms.pem"
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", private)
    openssl("pkey", "-in", private, "-pubout", "-out", folder / "kms_key.pub.pem")
    (folder / "gw_keys.csv.aes").write_bytes(gateway_file())
    openssl("dgst", "-sha256", "-sign", private, "-out", folder / "gw_keys.csv.aes.sig", folder / "gw_keys.csv.aes")
    return folder


@pytest.fixture
def site(tmp_path, keys):
    """A packaging folder: the example, keys, a packager."""
    run([SOURCE / "examples/package/make-files", tmp_path, "--firmware", 20000])
    for name in ("kms_key.pub.pem", "gw_keys.csv.aes", "gw_keys.csv.aes.sig"):
        shutil.copy(keys / name, tmp_path)
    claviger("key", "-o", tmp_path / "packager")
    return tmp_path


def claviger(*args, status=0, **more):
    return run([program("claviger"), "package", *args], status=status, **more)


def build(site, name="p.tar.gz", key="packager.key", status=0, **more):
    return claviger("build", site / "manifest.toml", "-o", site / name, "--key", site / key, status=status, **more)


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def pack(folder, archive, files, *options):
    subprocess.run(["tar", "--format=ustar", *options, "-czf", archive, "-C", folder, *files], check=True)


def unpack(site, name="p.tar.gz"):
    out = site / "out"
    out.mkdir()
    subprocess.run(["tar", "-xzf", site / name, "-C", out], check=True)
    names = subprocess.run(["tar", "-tzf", site / name], check=True, capture_output=True, text=True).stdout.split()
    return out, names


def test_other_programs_read_it(site):
    build(site)
    out, names = unpack(site)
    assert names[:2] == ["package.xml", "package.xml.sig"]
    root = ET.parse(out / "package.xml").getroot()
    listed = root.findall(NS + "file")
    assert root.tag == NS + "package" and root.get("configId") == CONFIG
    assert names[2:] == [f.get("name") for f in listed]
    for digest, tool in (("sha256", "sha256sum"), ("md5", "md5sum")):
        sums = "".join(f"{f.get(digest)}  {f.get('name')}\n" for f in listed)
        done = subprocess.run([tool, "-c", "--strict"], input=sums, cwd=out, capture_output=True, text=True)
        assert done.returncode == 0, done
    for f in listed:
        assert (out / f.get("name")).stat().st_size == int(f.get("size"))
        assert (out / f.get("name")).read_bytes() == (site / f.get("name")).read_bytes()
    verified = openssl("dgst", "-sha256", "-verify", site / "packager.pub.pem", "-signature", out / "package.xml.sig",
                       out / "package.xml")
    assert "Verified OK" in verified.out
    spki = openssl("pkey", "-pubin", "-in", site / "packager.pub.pem", "-outform", "DER", text=False).out
    assert root.find(NS + "packager").get("key") == spki.hex()


def test_it_holds_the_published_schema(site):
    if shutil.which("xmllint") is None:
        pytest.skip("no xmllint: install libxml2-utils")
    build(site)
    out, _ = unpack(site)
    lint = ["xmllint", "--noout", "--nonet", "--schema", SOURCE / "docs/package.xsd"]
    run([*lint, out / "package.xml"])
    edit(out / "package.xml", 'type="UNODE"', 'kind="UNODE"')
    run([*lint, out / "package.xml"], status=3)


def test_what_tar_and_openssl_make_is_taken(site):
    """A packager without claviger, and with an RSA key."""
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072", "-out", site / "rsa.key")
    (site / "rsa.key").chmod(0o600)
    pub = openssl("pkey", "-in", site / "rsa.key", "-pubout", "-out", site / "rsa.pub.pem") and site / "rsa.pub.pem"
    build(site, key="rsa.key")
    claviger("verify", site / "p.tar.gz", "--packager", pub)
    out, names = unpack(site)
    edit(out / "package.xml", "label=\"kite 170", "label=\"by hand")
    openssl("dgst", "-sha256", "-sign", site / "rsa.key", "-out", out / "package.xml.sig", out / "package.xml")
    for options in ([], ["--format=gnu"], ["--owner=1000", "--mtime=2020-01-01"]):
        pack(out, site / "hand.tar.gz", names, *options)
        shown = claviger("verify", site / "hand.tar.gz", "--packager", site / "packager.pub.pem", "--packager", pub, "--json")
        assert shown.json["label"].startswith("by hand")
    # tar's own ways of saying more
    pack(out, site / "pax.tar.gz", names, "--format=pax", "--pax-option=exthdr.name=x")
    refused = claviger("inspect", site / "pax.tar.gz", status=BAD_INPUT)
    assert "tar --format=ustar" in refused.err
    pack(out, site / "dots.tar.gz", ["./" + n for n in names])
    assert "without a folder" in claviger("inspect", site / "dots.tar.gz", status=BAD_INPUT).err


def test_inspect_and_diff(site):
    build(site, "1.tar.gz", env={"SOURCE_DATE_EPOCH": "1795228740"})
    shown = claviger("inspect", site / "1.tar.gz", "--json").json
    assert shown["config_id"] == CONFIG and shown["version"] == 1 and shown["created"] == "2026-11-21T02:39:00Z"
    assert shown["node"]["firmware"] == "node-1.2.3.4.bin" and shown["applications"][0]["name"] == "emcm"
    assert shown["gateway_keys"] == {"network": "metro-east", "realm": "metro-east.example",
                                     "versions": {"gateway": 2, "cdld": 5}}
    assert shown["sha256"] == hashlib.sha256((site / "1.tar.gz").read_bytes()).hexdigest()
    firmware = next(f for f in shown["files"] if f["name"] == "node-1.2.3.4.bin")
    assert firmware["md5"] == hashlib.md5((site / "node-1.2.3.4.bin").read_bytes()).hexdigest()
    text = claviger("inspect", site / "1.tar.gz").out
    for word in (CONFIG, "kite_170_node_637_dev_net", "UNODE", "metro-east.example", "example packaging", firmware["sha256"]):
        assert word in text
    build(site, "same.tar.gz", env={"SOURCE_DATE_EPOCH": "1795228740"})
    assert claviger("diff", site / "1.tar.gz", site / "same.tar.gz", "--json").json == {"same": True, "changes": []}
    edit(site / "manifest.toml", "version = 1 ", "version = 2 ")
    edit(site / "manifest.toml", '"1.2.3.4"', '"1.2.3.5"')
    (site / "node-field.cfg").write_text("system_id=638\n")
    edit(site / "manifest.toml", "[[application]]", "[[application]]\nname = \"zigbee\"\nversion = \"1\"\n[[application]]")
    build(site, "2.tar.gz", env={"SOURCE_DATE_EPOCH": "1795228740"})
    changes = {c["what"]: (c["before"], c["after"])
               for c in claviger("diff", site / "1.tar.gz", site / "2.tar.gz", "--json").json["changes"]}
    assert set(changes) == {"version", "node version", "file node-field.cfg", "application zigbee version"}
    assert changes["version"] == ("1", "2") and changes["application zigbee version"] == (None, "1")
    assert "zigbee" in claviger("diff", site / "1.tar.gz", site / "2.tar.gz").out


def test_the_key_is_found_beside_the_manifest(site):
    claviger("build", "manifest.toml", "-o", "p.tar.gz", cwd=site)
    claviger("build", site / "manifest.toml", "-o", site / "q.tar.gz")
    (site / "packager.key").unlink()
    refused = claviger("build", site / "manifest.toml", "-o", site / "r.tar.gz", status=REFUSED)
    assert "packager.key" in refused.err and "hint: claviger package key" in refused.err


def test_keys_are_kept_well(site):
    assert (site / "packager.key").stat().st_mode & 0o777 == 0o600
    before = (site / "packager.key").read_bytes()
    again = claviger("key", "-o", site / "packager", status=BAD_INPUT)
    assert "packager.key" in again.err and (site / "packager.key").read_bytes() == before
    (site / "packager.key").chmod(0o644)
    assert "packager.key" in build(site, status=None).err
    assert not (site / "p.tar.gz").exists()
    (site / "packager.key").chmod(0o600)
    build(site)
    for path in (site / "p.tar.gz", *unpack(site)[0].iterdir()):
        assert b"PRIVATE KEY" not in path.read_bytes()


@pytest.mark.parametrize("old, new, words", [
    ("config_id", "configid", "config_id"),
    ("version = 1 ", "version = 1.5 ", "line 6"),
    ("[node]", "[nodes]", "[node]"),
    ("type = ", "kind = ", "'type' is missing in [node]"),
    ("[keys]", "[keys]\ncolour = \"red\"", "line 13: 'colour' is not known"),
    ('"node-field.cfg"', '"no-such.cfg"', "no-such.cfg"),
    ('"node-field.cfg"', '"node-1.2.3.4.bin"', "another role"),
    ('"kite_170_node_637_dev_net"', '"a b"', "can't be an alias"),
    ('"kms_key.pub.pem"', '"gw_keys.csv.aes"', "another role"),
    ('"kms_key.pub.pem"', '"packager.key"', "packager.key"),
])
def test_manifests_that_are_refused(site, old, new, words):
    edit(site / "manifest.toml", old, new)
    answer = build(site, status=None)
    assert answer.status in (FAILED, REFUSED, BAD_INPUT) and words in answer.err, answer
    assert not list(site.glob("p.tar.gz*"))
    answer = build(site, "p.tar.gz", status=None)
    as_json = claviger("build", site / "manifest.toml", "-o", site / "p.tar.gz", "--key", site / "packager.key", "--json",
                       status=answer.status)
    assert words in as_json.json["error"]["detail"]


def test_gateway_keys_of_another_server(site):
    (site / "gw_keys.csv.aes").write_bytes(gateway_file(gateway=3))
    answer = build(site, status=BAD_INPUT)
    assert "gw_keys.csv.aes.sig: not a signature of gw_keys.csv.aes by kms_key.pub.pem" in answer.err
    assert "hint: the gateway key file" in answer.err


def test_who_is_trusted(site):
    build(site)
    claviger("key", "-o", site / "other")
    claviger("verify", site / "p.tar.gz", "--packager", site / "packager.pub.pem")
    refused = claviger("verify", site / "p.tar.gz", "--packager", site / "other.pub.pem", status=BAD_INPUT)
    assert "signed by 'example packaging'" in refused.err and "package inspect" in refused.err
    claviger("verify", site / "p.tar.gz", status=USAGE)
    refused = claviger("verify", site / "p.tar.gz", "--packager", site / "manifest.toml", status=BAD_INPUT)
    assert "manifest.toml: no public key" in refused.err
    out, names = unpack(site)
    (out / "node-field.cfg").write_bytes(b"system_id=666\nap_list=1,2,3\n")
    pack(out, site / "bad.tar.gz", names)
    refused = claviger("verify", site / "bad.tar.gz", "--packager", site / "packager.pub.pem", "--json", status=BAD_INPUT)
    assert refused.json["error"]["code"] == "MISMATCH" and "node-field.cfg" in refused.json["error"]["detail"]


def test_an_output_that_cannot_be_written_leaves_what_is_there(site):
    build(site)
    before = (site / "p.tar.gz").read_bytes()
    assert "no/such" in build(site, "no/such/p.tar.gz", status=None).err
    (site / "emcm-field.cfg").unlink()
    assert "emcm-field.cfg" in build(site, status=REFUSED).err
    assert (site / "p.tar.gz").read_bytes() == before and len(list(site.glob("p.tar.gz*"))) == 1


def test_no_private_key_gets_into_a_package(site):
    shutil.copy(site / "packager.key", site / "emcm-field.cfg")
    refused = build(site, status=BAD_INPUT)
    assert "emcm-field.cfg: holds a private key" in refused.err and not (site / "p.tar.gz").exists()
