"""PyKMIP's client library over the whole life of objects, in every version it speaks."""

import pytest

import harness
import kmip_harness

kmip = pytest.importorskip("kmip", reason="no PyKMIP: install python3-pykmip")

from kmip import enums  # noqa: E402
from kmip.pie import exceptions, objects  # noqa: E402

ALL = ["1.0", "1.1", "1.2", "1.3", "1.4", "2.0"]
FROM_1_2 = ALL[2:]
MASK = enums.CryptographicUsageMask
AES = enums.CryptographicAlgorithm.AES
BOTH = [MASK.ENCRYPT, MASK.DECRYPT]


@pytest.fixture(scope="module")
def client(folder, daemons):
    daemon = kmip_harness.start(folder, daemons)
    return kmip_harness.Client(daemon, "pykmip")


@pytest.fixture(scope="module")
def other(client):
    return kmip_harness.Client(client.daemon, "other")


@pytest.fixture
def proxy(client, request):
    """At the version of the test's parameter, else 1.4."""
    version = getattr(request, "param", "1.4")
    with kmip_harness.pykmip(client, version) as opened:
        yield opened


def at(versions):
    return pytest.mark.parametrize("proxy", versions, indirect=True)


def refused(reason):
    return pytest.raises(exceptions.KmipOperationFailure, match=reason)


def key(proxy, name, masks=BOTH, bits=256, active=True):
    uid = proxy.create(AES, bits, name=name, cryptographic_usage_mask=masks)
    if active:
        proxy.activate(uid)
    return uid


@at(ALL)
def test_life_of_a_key(proxy):
    version = proxy.kmip_version.name
    uid = key(proxy, f"life-{version}", active=False)
    got = proxy.get(uid)
    assert got.cryptographic_algorithm == AES and got.cryptographic_length == 256 and len(got.value) == 32
    wanted = ["State", "Name", "Object Type", "Initial Date"]
    if version != "KMIP_1_0":  # PyKMIP wants the Digest of 1.1 there, too
        wanted.append("Digest")
    attributes = {str(a.attribute_name): a.attribute_value for a in proxy.get_attributes(uid, wanted)[1]}
    assert attributes["State"].value == enums.State.PRE_ACTIVE
    assert set(attributes) == set(wanted)
    assert "State" in proxy.get_attribute_list(uid)
    proxy.activate(uid)
    assert proxy.get_attributes(uid, ["State"])[1][0].attribute_value.value == enums.State.ACTIVE
    with refused("WRONG_KEY_LIFECYCLE_STATE|PERMISSION_DENIED"):
        proxy.destroy(uid)  # active: it has to be revoked first
    proxy.revoke(enums.RevocationReasonCode.CESSATION_OF_OPERATION, uid)
    assert proxy.get_attributes(uid, ["State"])[1][0].attribute_value.value == enums.State.DEACTIVATED
    proxy.destroy(uid)
    with refused("ITEM_NOT_FOUND|OBJECT_NOT_FOUND|OBJECT_DESTROYED|ILLEGAL_OPERATION|destroyed"):
        proxy.get(uid)


@at(ALL)
def test_locate(proxy):
    from kmip.core.factories.attributes import AttributeFactory
    attribute = AttributeFactory().create_attribute
    version = proxy.kmip_version.name
    uids = {key(proxy, f"find-{version}-{n}") for n in range(3)}
    name = attribute(enums.AttributeType.NAME, objects_name(f"find-{version}-1"))
    found = proxy.locate(attributes=[name])
    assert len(found) == 1 and found[0] in uids
    kind = attribute(enums.AttributeType.OBJECT_TYPE, enums.ObjectType.SYMMETRIC_KEY)
    assert uids <= set(proxy.locate(attributes=[kind]))
    assert len(proxy.locate(attributes=[kind], maximum_items=2)) == 2
    nothing = attribute(enums.AttributeType.NAME, objects_name("no such name"))
    assert proxy.locate(attributes=[nothing]) == []


def objects_name(text):
    from kmip.core.attributes import Name
    return Name.create(text, enums.NameType.UNINTERPRETED_TEXT_STRING)


@at(ALL)
def test_create_key_pair(proxy):
    public, private = proxy.create_key_pair(
        enums.CryptographicAlgorithm.RSA, 2048, public_name="pub", private_name="priv",
        public_usage_mask=[MASK.VERIFY], private_usage_mask=[MASK.SIGN])
    assert isinstance(proxy.get(public), objects.PublicKey)
    got = proxy.get(private)
    assert isinstance(got, objects.PrivateKey) and got.cryptographic_length == 2048


def rsa(folder):
    """A key pair of the openssl command line, as DER."""
    pem = folder / "rsa.pem"
    harness.openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", pem)
    private = harness.openssl("pkcs8", "-topk8", "-nocrypt", "-in", pem, "-outform", "DER", text=False).out
    public = harness.openssl("pkey", "-in", pem, "-pubout", "-outform", "DER", text=False).out
    return private, public


@at(ALL)
def test_register_and_get_every_type(proxy, client, folder):
    private, public = rsa(folder)
    pem = (client.folder / "client.pem").read_text()
    certificate = harness.openssl("x509", "-outform", "DER", text=False, stdin=pem.encode()).out
    rsa_algorithm = enums.CryptographicAlgorithm.RSA
    things = [
        objects.SymmetricKey(AES, 128, bytes(range(16)), masks=BOTH, name="sym"),
        objects.PublicKey(rsa_algorithm, 2048, public, enums.KeyFormatType.X_509, masks=[MASK.VERIFY]),
        objects.PrivateKey(rsa_algorithm, 2048, private, enums.KeyFormatType.PKCS_8, masks=[MASK.SIGN]),
        objects.X509Certificate(certificate, masks=[MASK.VERIFY]),
        objects.SecretData(b"open sesame", enums.SecretDataType.PASSWORD, masks=[MASK.DERIVE_KEY]),
        objects.OpaqueObject(b"anything at all", enums.OpaqueDataType.NONE),
    ]
    for thing in things:
        got = proxy.get(proxy.register(thing))
        assert type(got) is type(thing) and got.value == thing.value, thing


@at(FROM_1_2)
def test_encrypt_and_decrypt(proxy):
    uid = key(proxy, None)
    text, iv = b"sixteen bytes or more of text", bytes(range(16))
    parameters = {"block_cipher_mode": enums.BlockCipherMode.CBC, "padding_method": enums.PaddingMethod.PKCS5,
                  "cryptographic_algorithm": AES}
    sealed, _ = proxy.encrypt(text, uid, cryptographic_parameters=parameters, iv_counter_nonce=iv)
    assert proxy.decrypt(sealed, uid, cryptographic_parameters=parameters, iv_counter_nonce=iv) == text
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    plain = Cipher(algorithms.AES(proxy.get(uid).value), modes.CBC(iv)).decryptor().update(sealed)
    assert plain[:-plain[-1]] == text
    with refused("CRYPTOGRAPHIC_FAILURE|INVALID_FIELD|INVALID_DATA|BAD"):
        proxy.decrypt(sealed[:-1], uid, cryptographic_parameters=parameters, iv_counter_nonce=iv)


@at(FROM_1_2)
def test_sign_and_verify(proxy):
    public, private = proxy.create_key_pair(
        enums.CryptographicAlgorithm.RSA, 2048, public_usage_mask=[MASK.VERIFY], private_usage_mask=[MASK.SIGN])
    proxy.activate(public)
    proxy.activate(private)
    parameters = {"padding_method": enums.PaddingMethod.PSS, "hashing_algorithm": enums.HashingAlgorithm.SHA_256,
                  "cryptographic_algorithm": enums.CryptographicAlgorithm.RSA}
    signature = proxy.sign(b"what is signed", private, cryptographic_parameters=parameters)
    assert len(signature) == 256
    verify = proxy.signature_verify
    assert verify(b"what is signed", signature, public, parameters) == enums.ValidityIndicator.VALID
    assert verify(b"what is not", signature, public, parameters) == enums.ValidityIndicator.INVALID


@at(FROM_1_2)
def test_mac(proxy):
    import hashlib
    import hmac
    hmac_256 = enums.CryptographicAlgorithm.HMAC_SHA256
    uid = proxy.create(hmac_256, 256, cryptographic_usage_mask=[MASK.MAC_GENERATE, MASK.MAC_VERIFY])
    proxy.activate(uid)
    _, made = proxy.mac(b"what is checked", uid, algorithm=hmac_256)
    assert made == hmac.new(proxy.get(uid).value, b"what is checked", hashlib.sha256).digest()


@at(ALL)
def test_derive_key(proxy):
    import hashlib
    base = key(proxy, None, masks=[MASK.DERIVE_KEY])
    made = proxy.derive_key(
        enums.ObjectType.SYMMETRIC_KEY, [base], enums.DerivationMethod.HMAC,
        {"cryptographic_parameters": {"hashing_algorithm": enums.HashingAlgorithm.SHA_256},
         "derivation_data": b"", "salt": b"some salt"},
        cryptographic_length=256, cryptographic_algorithm=AES, cryptographic_usage_mask=BOTH)
    assert len(proxy.get(made).value) == 32 and proxy.get(made).value != proxy.get(base).value
    made = proxy.derive_key(
        enums.ObjectType.SYMMETRIC_KEY, [base], enums.DerivationMethod.HASH,
        {"cryptographic_parameters": {"hashing_algorithm": enums.HashingAlgorithm.SHA_256}},
        cryptographic_length=256, cryptographic_algorithm=AES, cryptographic_usage_mask=BOTH)
    assert proxy.get(made).value == hashlib.sha256(proxy.get(base).value).digest()


@at(ALL[:5])  # in 2.0 PyKMIP writes the request of 1.x
def test_rekey(proxy):
    uid = key(proxy, f"rekey-{proxy.kmip_version.name}")
    after = proxy.rekey(uid)
    assert after != uid and proxy.get(after).value != proxy.get(uid).value
    assert "Link" in proxy.get_attribute_list(after)


@at(ALL)
def test_check(proxy):
    uid = key(proxy, None)
    assert proxy.check(uid, cryptographic_usage_mask=BOTH) == uid
    with pytest.raises((exceptions.KmipOperationFailure, AttributeError)):
        proxy.check(uid, cryptographic_usage_mask=[MASK.SIGN])  # PyKMIP looks into the payload before the status


def test_attributes_in_1(proxy):
    from kmip.core.factories.attributes import AttributeFactory
    attribute = AttributeFactory().create_attribute
    uid = key(proxy, "before")
    _, changed = proxy.modify_attribute(uid, attribute=attribute(enums.AttributeType.NAME, objects_name("after"), 0))
    assert str(changed.attribute_value) == str(objects_name("after"))
    _, gone = proxy.delete_attribute(uid, attribute_name="Name", attribute_index=0)
    assert "Name" not in proxy.get_attribute_list(uid)


@at(["2.0"])
def test_attributes_in_2(proxy):
    uid = key(proxy, "before")
    proxy.set_attribute(uid, attribute_name="Sensitive", attribute_value=True)
    assert str(proxy.get_attributes(uid, ["Sensitive"])[1][0].attribute_value) == "True"


@at(ALL)
def test_refusals(proxy):
    with refused("ITEM_NOT_FOUND|OBJECT_NOT_FOUND"):
        proxy.get("no such object")
    with refused("ITEM_NOT_FOUND|OBJECT_NOT_FOUND"):
        proxy.destroy("01936b2c-0000-7000-8000-000000000000")
    with refused("."):
        proxy.create(AES, 99)
    inactive = key(proxy, None, active=False)
    if proxy.kmip_version.name not in ("KMIP_1_0", "KMIP_1_1"):
        with refused("WRONG_KEY_LIFECYCLE_STATE|PERMISSION_DENIED"):
            proxy.encrypt(bytes(16), inactive, iv_counter_nonce=bytes(16), cryptographic_parameters={
                "block_cipher_mode": enums.BlockCipherMode.CBC, "padding_method": enums.PaddingMethod.NONE})
        # PyKMIP adds Encrypt and Decrypt to every mask
        with refused("INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK|PERMISSION_DENIED|ILLEGAL_OPERATION"):
            proxy.mac(bytes(16), key(proxy, None), algorithm=enums.CryptographicAlgorithm.HMAC_SHA256)


def test_others_see_nothing(proxy, other):
    uid = key(proxy, "mine")
    with kmip_harness.pykmip(other) as stranger:
        assert stranger.locate() == []
        with refused("ITEM_NOT_FOUND"):
            stranger.get(uid)
        with refused("ITEM_NOT_FOUND"):
            stranger.destroy(uid)
    assert proxy.get(uid).value


def test_low_level_proxy(client):
    """Query and Discover Versions, which only PyKMIP's lower layer has."""
    from kmip.core.messages.contents import ProtocolVersion
    from kmip.services.kmip_client import KMIPProxy
    cert, private, ca = client.files
    proxy = KMIPProxy(host="localhost", port=client.daemon.kmip_port, certfile=cert, keyfile=private, ca_certs=ca,
                      ssl_version="PROTOCOL_TLS")
    proxy.open()
    try:
        answer = proxy.discover_versions()
        assert answer.result_status.value == enums.ResultStatus.SUCCESS
        assert ProtocolVersion(1, 4) in answer.protocol_versions and ProtocolVersion(1, 0) in answer.protocol_versions
        answer = proxy.query(query_functions=[enums.QueryFunction.QUERY_OPERATIONS, enums.QueryFunction.QUERY_OBJECTS,
                                              enums.QueryFunction.QUERY_SERVER_INFORMATION])
        assert enums.Operation.LOCATE in answer.operations
        assert enums.ObjectType.CERTIFICATE in answer.object_types
        assert str(answer.vendor_identification) == "Claviger"
    finally:
        proxy.close()


def test_disabled_while_connected(client):
    """Not only new connections: what is open gets no further answer either."""
    leaving = kmip_harness.Client(client.daemon, "leaving")
    with kmip_harness.pykmip(leaving) as opened:
        uid = key(opened, "left behind")
        client.daemon.cli("client", "disable", "leaving")
        with pytest.raises(Exception):
            opened.get(uid)
    client.daemon.cli("client", "enable", "leaving")
    with kmip_harness.pykmip(leaving) as opened:
        assert opened.get(uid).value


def test_fewer_permissions_while_connected(client):
    limited = kmip_harness.Client(client.daemon, "limited")
    with kmip_harness.pykmip(limited) as opened:
        uid = key(opened, "kept")
        client.daemon.cli("client", "change", "limited", "--permissions", "read")
        assert opened.get(uid).value
        with refused("PERMISSION_DENIED|NOT_AUTHORISED"):
            opened.destroy(uid)
        with refused("PERMISSION_DENIED|NOT_AUTHORISED"):
            opened.create(AES, 256)


@at(["1.4", "2.0"])
def test_keys_in_the_token(client, proxy):
    """The same work with keys that live in the HSM."""
    name = f"token-{proxy.kmip_version.name.lower().replace('_', '-')}"
    inside = kmip_harness.Client(client.daemon, name, "--placement", "token")
    with kmip_harness.pykmip(inside, proxy.kmip_version.name[5:].replace("_", ".")) as opened:
        uid = key(opened, name)
        parameters = {"block_cipher_mode": enums.BlockCipherMode.CBC, "padding_method": enums.PaddingMethod.PKCS5,
                      "cryptographic_algorithm": AES}
        sealed, _ = opened.encrypt(b"inside", uid, cryptographic_parameters=parameters, iv_counter_nonce=bytes(16))
        assert opened.decrypt(sealed, uid, cryptographic_parameters=parameters, iv_counter_nonce=bytes(16)) == b"inside"
        opened.revoke(enums.RevocationReasonCode.CESSATION_OF_OPERATION, uid)
        opened.destroy(uid)
        assert uid not in opened.locate()
