"""The openssl and argon2 command lines open, check and reproduce every file, by docs/formats.md alone."""

import ctypes
import hashlib
import re
import shutil
import struct
import subprocess

import pytest

from harness import NETWORK, PASSPHRASE, REALM, Site, lines_of, openssl

FIRST, NODES = 0x00010200, 200


@pytest.fixture(scope="module")
def joined(folder, daemons):
    """The operator's RSA key is one that openssl made, so that its files can be opened outside."""
    if shutil.which("argon2") is None:
        pytest.skip("no argon2 command: install argon2")
    key = folder / "kms_key.priv.pem"
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:3072", "-out", key)
    key.chmod(0o600)
    site = Site(folder, import_key=key)
    site.private_key = key
    daemons += [site.operator, site.factory]
    return site.start().join(NODES)


def argon2id(salt, passes, memory_kib, lanes):
    """The 64 bytes that Argon2id makes of the passphrase."""
    if 0 not in salt:
        done = subprocess.run([b"argon2", salt, b"-id", b"-t", b"%d" % passes, b"-k", b"%d" % memory_kib,
                               b"-p", b"%d" % lanes, b"-l", b"64", b"-r"],
                              input=PASSPHRASE.encode(), capture_output=True, check=True)
        return bytes.fromhex(done.stdout.decode())
    # no argument can hold a zero byte; the command's library can
    out, secret = ctypes.create_string_buffer(64), PASSPHRASE.encode()
    assert ctypes.CDLL("libargon2.so.1").argon2id_hash_raw(passes, memory_kib, lanes, secret, len(secret), salt,
                                                           len(salt), out, 64) == 0
    return out.raw


def cmac(key, path):
    """`openssl mac` over a file."""
    cipher = {16: "AES-128-CBC", 32: "AES-256-CBC"}[len(key)]
    return openssl("mac", "-cipher", cipher, "-macopt", f"hexkey:{key.hex()}", "-in", path, "-binary", "CMAC",
                   text=False).out


def gcm_open(key, nonce, aad, ciphertext, tag):
    """AES-256-GCM by libcrypto: the openssl command has no AEAD."""
    crypto = ctypes.CDLL("libcrypto.so.3")
    for name in ("EVP_CIPHER_CTX_new", "EVP_aes_256_gcm"):
        getattr(crypto, name).restype = ctypes.c_void_p
    context, got = ctypes.c_void_p(crypto.EVP_CIPHER_CTX_new()), ctypes.c_int()
    out = ctypes.create_string_buffer(len(ciphertext) + 16)
    assert crypto.EVP_DecryptInit_ex(context, ctypes.c_void_p(crypto.EVP_aes_256_gcm()), None, key, nonce) == 1
    assert crypto.EVP_DecryptUpdate(context, None, ctypes.byref(got), aad, len(aad)) == 1
    assert crypto.EVP_DecryptUpdate(context, out, ctypes.byref(got), ciphertext, len(ciphertext)) == 1
    assert crypto.EVP_CIPHER_CTX_ctrl(context, 0x11, 16, tag) == 1  # EVP_CTRL_AEAD_SET_TAG
    assert crypto.EVP_DecryptFinal_ex(context, ctypes.create_string_buffer(16), ctypes.byref(got)) == 1
    crypto.EVP_CIPHER_CTX_free(context)
    return out.raw[:len(ciphertext)]


class GatewayFile:
    """.csv.aes taken apart as docs/formats.md says."""

    def __init__(self, data):
        assert data[:8] == b"CLVGWKF1"
        self.header_len, = struct.unpack_from(">H", data, 8)
        self.aad = data[:10 + self.header_len]
        self.passes, self.memory_kib, self.lanes = struct.unpack_from(">III", data, 10)
        self.salt = data[22:38]
        at = 38
        self.network, at = self.text(data, at)
        self.realm, at = self.text(data, at)
        *self.versions, self.id_width = struct.unpack_from(">IIIIB", data, at)
        self.nonce = data[at + 17:at + 29]
        assert at + 29 == len(self.aad)
        length, = struct.unpack_from(">I", data, at + 29)
        body = data[at + 33:]
        assert len(body) == length + 16
        self.ciphertext, self.tag = body[:length], body[length:]

    @staticmethod
    def text(data, at):
        length, = struct.unpack_from(">H", data, at)
        return data[at + 2:at + 2 + length].decode(), at + 2 + length


def test_gateway_key_file_is_signed(joined):
    verify = ["dgst", "-sha256", "-verify", joined.operator.public_key(), "-signature", f"{joined.keys}.sig", joined.keys]
    assert "Verified OK" in openssl(*verify).out
    # and the public key is the one of the private key that was given to init
    assert openssl("pkey", "-in", joined.private_key, "-pubout").out == joined.operator.public_key().read_text()


def test_gateway_key_file_opens(joined):
    file = GatewayFile(joined.keys.read_bytes())
    assert (file.network, file.realm, file.versions, file.id_width) == (NETWORK, REALM, [1, 1, 1, 1], 32)
    key = argon2id(file.salt, file.passes, file.memory_kib, file.lanes)
    plain = gcm_open(key[:32], file.nonce, file.aad, file.ciphertext, file.tag)
    assert plain == b"".join(joined.operator.keyring().splitlines(keepends=True)[:4])


def test_pwdh(joined, folder):
    file = GatewayFile(joined.keys.read_bytes())
    key = argon2id(file.salt, file.passes, file.memory_kib, file.lanes)
    (folder / "label").write_bytes(b"claviger pwdh v1")
    assert cmac(key[32:], folder / "label") == lines_of(joined.operator.keyring())[0]["pwdh"]


def test_network_shows_parameters(joined):
    """Nothing needs the file: `network show` tells the parameters, too."""
    file, shown = GatewayFile(joined.keys.read_bytes()), joined.operator.json("network", "show", NETWORK)
    assert bytes.fromhex(shown["passphrase_salt"]) == file.salt
    assert shown["argon2id"] == {"passes": file.passes, "memory_kib": file.memory_kib, "lanes": file.lanes}


def test_node_keys_by_kbkdf(joined):
    heads, nodes = lines_of(joined.factory.keyring())
    for node in (FIRST, FIRST + 1, FIRST + NODES - 1):
        key, _, count = nodes[node]
        info = REALM.encode() + b"\0" + struct.pack(">QI", node, count)
        answer = openssl("kdf", "-keylen", 16, "-kdfopt", "mac:CMAC", "-kdfopt", "cipher:AES-128-CBC",
                         "-kdfopt", f"hexkey:{heads['base'].hex()}",
                         "-kdfopt", f"hexsalt:{b'claviger node key'.hex()}", "-kdfopt", f"hexinfo:{info.hex()}", "KBKDF")
        assert bytes.fromhex(answer.out.replace(":", "")) == key


def batch_key(site):
    """The MAC key of batch files, from the manifest's salt."""
    salt = re.search(r"^passphrase-salt: ([0-9a-f]{32})$", manifest(site), re.M)[1]
    file = GatewayFile(site.keys.read_bytes())
    assert bytes.fromhex(salt) == file.salt
    return argon2id(file.salt, file.passes, file.memory_kib, file.lanes)[32:]


def manifest(site):
    return site.batch.with_name(site.batch.name + ".manifest").read_text()


def test_batch_signature(joined):
    assert cmac(batch_key(joined), joined.batch) == joined.batch.with_name(joined.batch.name + ".sig").read_bytes()


def test_manifest(joined, folder):
    text = manifest(joined)
    head, _, rest = text.partition("\n\n")
    fields = dict(line.split(": ", 1) for line in head.splitlines())
    assert list(fields) == ["claviger-manifest", "network", "realm", "batch", "nodes", "id-bits", "file", "sha256",
                            "passphrase-salt", "created"]
    assert fields["sha256"] == hashlib.sha256(joined.batch.read_bytes()).hexdigest()
    assert rest.splitlines()[:-1] == [f"0x{FIRST + i:08x}" for i in range(NODES)]
    last = rest.splitlines()[-1]
    (folder / "signed").write_text(text[:-len(last) - 1])
    assert last == "cmac: " + cmac(batch_key(joined), folder / "signed").hex()


def test_batch_decrypts(joined, folder):
    openssl("cms", "-decrypt", "-inform", "DER", "-in", joined.batch, "-inkey", joined.private_key,
            "-binary", "-out", folder / "batch7.csv")
    plain = (folder / "batch7.csv").read_bytes()
    keyring = joined.factory.keyring(NETWORK, "--batch", "7")
    assert plain == b"".join(keyring.splitlines(keepends=True)[4:])
    # and what was imported is what was in it
    joined.operator.cli("batch", "import", NETWORK, joined.batch)
    assert joined.operator.keyring().splitlines()[4:] == plain.splitlines()


def test_batch_structure(joined):
    shown = openssl("cms", "-cmsout", "-print", "-inform", "DER", "-in", joined.batch).out
    assert "id-smime-ct-authEnvelopedData" in shown
    assert "aes-256-gcm" in shown and "rsaesOaep" in shown
    assert "subjectKeyIdentifier" in shown


def test_backup_decrypts(joined, folder):
    """A sealed backup is a whole keyring.csv for this server's key, first lines included."""
    before = joined.operator.keyring()
    backup = joined.operator.json("batch", "import", NETWORK, joined.batch, "--backup")["backup"]
    openssl("cms", "-decrypt", "-inform", "DER", "-in", backup, "-inkey", joined.private_key, "-binary",
            "-out", folder / "backup.csv")
    assert (folder / "backup.csv").read_bytes() == before
    with open(f"{backup}.sig", "rb") as f:
        assert cmac(batch_key(joined), backup) == f.read()


def test_batch_made_by_openssl(joined, folder):
    """The other way round: what openssl encrypts and MACs is a batch file like any other."""
    lines = b"".join(b"0x%08x, 0x%032x,11,0\n" % (0x30000 + i, 7 * i + 1) for i in range(50))
    file = make_batch(joined, folder, "made.csv.rsa", lines)
    assert joined.operator.json("batch", "import", NETWORK, file)["new"] == 50
    assert lines_of(joined.operator.keyring(NETWORK, "--batch", "11"))[1][0x30001] == (bytes(15) + b"\x08", 11, 0)


def make_batch(site, folder, name, lines, ids=None, **fields):
    """A batch file of these lines, by openssl alone. `ids`: the manifest's, where they are not the lines'."""
    plain, file, request = folder / "plain.csv", folder / name, folder / "self.pem"
    plain.write_bytes(lines)
    if not request.exists():
        openssl("req", "-x509", "-new", "-key", site.private_key, "-subj", "/CN=kms", "-out", request,
                "-addext", "subjectKeyIdentifier=hash")
    openssl("cms", "-encrypt", "-aes-256-gcm", "-binary", "-keyid", "-in", plain, "-outform", "DER", "-out", file,
            "-recip", request, "-keyopt", "rsa_padding_mode:oaep")
    key = batch_key(site)
    file.with_name(name + ".sig").write_bytes(cmac(key, file))
    if ids is None:
        ids = [int(line.split(b",")[0], 16) for line in lines.splitlines() if line.startswith(b"0x")]
    head = {"claviger-manifest": "1", "network": NETWORK, "realm": REALM, "batch": "11", "nodes": len(ids),
            "id-bits": "32", "file": name, "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            "passphrase-salt": GatewayFile(site.keys.read_bytes()).salt.hex(), "created": "2026-11-21T02:39:00Z",
            **fields}
    text = "".join(f"{k}: {v}\n" for k, v in head.items()) + "\n" + "".join(f"0x{i:08x}\n" for i in ids)
    (folder / "signed").write_text(text)
    file.with_name(name + ".manifest").write_text(text + f"cmac: {cmac(key, folder / 'signed').hex()}\n")
    return file


def test_certificates(joined, folder):
    ca = folder / "ca.pem"
    joined.operator.cli("server", "ca", "-o", ca)
    state = joined.operator.state
    demo = joined.operator.folder / "gateway" / "gateway.pem"
    joined.operator.cli("gateway", "create", f"gw9.{REALM}", "--network", NETWORK, "-o", folder / "gw9")
    server = next(p for p in (state / "tls").iterdir() if "BEGIN CERTIFICATE" in p.read_text() and "ca" not in p.name)
    for purpose, certificate in (("sslserver", server), ("sslclient", demo), ("sslclient", folder / "gw9/gateway.pem")):
        openssl("verify", "-x509_strict", "-purpose", purpose, "-CAfile", ca, certificate)
    shown = openssl("x509", "-in", folder / "gw9/gateway.pem", "-noout", "-ext", "subjectAltName").out
    assert f"DNS:gw9.{REALM}" in shown
    # each certificate's key is the one beside it
    for where in (demo.parent, folder / "gw9"):
        public = openssl("x509", "-in", where / "gateway.pem", "-noout", "-pubkey").out
        assert openssl("pkey", "-in", where / "gateway.key", "-pubout").out == public


def test_audit_head_signature(joined, folder):
    """A head signature checked by hand, from the segment's bytes (docs/audit.md)."""
    joined.operator.json("audit", "verify")  # signs the head
    copy = folder / "chain"
    joined.operator.cli("audit", "export", "-o", copy)
    checked = 0
    for segment in sorted(copy.iterdir()):
        data = segment.read_bytes()
        if not any(data[:128]):
            continue  # a spare
        chain, before, at = data[16:32], data[96:128], 128
        assert data[:8] == b"CLVAUDIT" and hashlib.sha256(data[:96]).digest() == data[96:128]
        while at + 4 <= len(data):
            inverse, length = struct.unpack_from(">HH", data, at)
            if inverse == length == 0:
                break  # the unused rest
            assert inverse == length ^ 0xFFFF
            record, stored = data[at:at + length - 32], data[at + length - 32:at + length]
            assert hashlib.sha256(before + record).digest() == stored, f"{segment}, offset {at}"
            sequence, _, kind = struct.unpack_from(">QQH", record, 4)
            if kind == 6:
                checked += check_signature(joined, folder, chain, record)
            before, at = stored, at + length
    assert checked


def check_signature(site, folder, chain, record):
    """The text of a head-signature record: the head's sequence number and hash, the key's fingerprint, the signature."""
    at = 42 + 1 + record[42]
    length, = struct.unpack_from(">H", record, at)
    text = record[at + 2:at + 2 + length]
    head, fingerprint, signature = text[:40], text[40:72], text[74:]
    spki = openssl("pkey", "-pubin", "-in", site.operator.public_key(), "-outform", "DER", text=False).out
    assert fingerprint == hashlib.sha256(spki).digest()
    (folder / "head").write_bytes(b"claviger audit head v1\0" + chain + head)
    (folder / "head.sig").write_bytes(signature)
    assert "Verified OK" in openssl("dgst", "-sha256", "-verify", site.operator.public_key(),
                                    "-signature", folder / "head.sig", folder / "head").out
    return 1
