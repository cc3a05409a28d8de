#include "keys.h"

/* Derive Key, Create Split Key, Join Split Key, wrapped keys. */

#define LENGTH(bits) INT("CryptographicLength", bits)

static const char *material(struct world *w, const char *uid)
{
    struct kmip_node *out = world_must(w, "Get", UID(uid));
    const struct kmip_node *object = out->last;
    return keys_hex(kmip_child(kmip_child(object, KMIP_TAG_KEY_BLOCK), KMIP_TAG_KEY_VALUE),
                    KMIP_TAG_KEY_MATERIAL);
}

static void keys_are_derived(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    /* RFC 6070, 2: PBKDF2 with HMAC-SHA-1, "password", "salt", 2 iterations */
    const char *base = keys_secret(&w, "70617373776f7264", MASK("DeriveKey") ACTIVE);
    struct kmip_node *out = world_must(
        &w, "DeriveKey",
        world_text("<ObjectType type=\"Enumeration\" value=\"SecretData\"/>%s"
                   "<DerivationMethod type=\"Enumeration\" value=\"PBKDF2\"/>"
                   "<DerivationParameters>" PARAMS(ENUM("HashingAlgorithm", "SHA_1"))
                       HEX("Salt", "73616c74")
                           INT("IterationCount", "2") "</DerivationParameters><Attributes>" LENGTH(
                               "160") "</Attributes>",
                   UID(base)));
    const char *made = world_uid(&w, out);
    assert_string_equal(material(&w, made), "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957");
    assert_non_null(world_attribute(&w, base, "Link", KMIP_TAG_LINK));
    assert_non_null(world_attribute(&w, made, "Link", KMIP_TAG_LINK));
    world_end(&w);
}

static void derivation_is_refused(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    const char *base = keys_secret(&w, "70617373776f7264", MASK("DeriveKey") ACTIVE);
    const char *plain = keys_secret(&w, "00", MASK("Encrypt") ACTIVE);
#define DERIVE(type, uid, method, params, attributes)                                              \
    world_text("<ObjectType type=\"Enumeration\" value=\"" type "\"/>%s"                           \
               "<DerivationMethod type=\"Enumeration\" value=\"" method "\"/>"                     \
               "<DerivationParameters>" params "</DerivationParameters><Attributes>" attributes    \
               "</Attributes>",                                                                    \
               UID(uid))
#define SHA256 PARAMS(ENUM("HashingAlgorithm", "SHA_256"))
    world_must(&w, "DeriveKey", DERIVE("SecretData", base, "HASH", SHA256, LENGTH("256")));
    world_refused(&w, KMIP_REASON_CRYPTOGRAPHIC_FAILURE, "DeriveKey",
                  DERIVE("SecretData", base, "HASH", SHA256, LENGTH("264")));
    world_refused(&w, KMIP_REASON_INVALID_FIELD, "DeriveKey",
                  DERIVE("SecretData", base, "HASH", SHA256, ""));
    world_refused(&w, KMIP_REASON_INVALID_FIELD, "DeriveKey",
                  DERIVE("SymmetricKey", base, "HASH", SHA256, LENGTH("256")));
    world_refused(&w, KMIP_REASON_INVALID_FIELD, "DeriveKey",
                  DERIVE("Certificate", base, "HASH", SHA256, LENGTH("256")));
    world_refused(&w, KMIP_REASON_INVALID_FIELD, "DeriveKey",
                  DERIVE("SecretData", base, "PBKDF2", SHA256, LENGTH("256")));
    world_refused(&w, KMIP_REASON_INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK, "DeriveKey",
                  DERIVE("SecretData", plain, "HASH", SHA256, LENGTH("256")));
    world_refused(&w, KMIP_REASON_INVALID_OBJECT_TYPE, "DeriveKey",
                  DERIVE("SecretData", base, "AsymmetricKey", SHA256, LENGTH("256")));
    /* derivation data both ways (KMIP 1.4, 11.7) */
    world_refused(
        &w, KMIP_REASON_INVALID_MESSAGE, "DeriveKey",
        world_text("<ObjectType type=\"Enumeration\" value=\"SecretData\"/>%s%s"
                   "<DerivationMethod type=\"Enumeration\" value=\"HMAC\"/>"
                   "<DerivationParameters>" SHA256 HEX(
                       "DerivationData",
                       "00") "</DerivationParameters><Attributes>" LENGTH("256") "</Attributes>",
                   UID(base), UID(base)));
    w.who = 1;
    world_refused(&w, KMIP_REASON_OBJECT_NOT_FOUND, "DeriveKey",
                  DERIVE("SecretData", base, "HASH", SHA256, LENGTH("256")));
    world_end(&w);
}

static const char *split(const char *uid, unsigned parts, unsigned threshold, const char *method)
{
    return world_text("<ObjectType type=\"Enumeration\" value=\"SplitKey\"/>%s"
                      "<SplitKeyParts type=\"Integer\" value=\"%u\"/>"
                      "<SplitKeyThreshold type=\"Integer\" value=\"%u\"/>"
                      "<SplitKeyMethod type=\"Enumeration\" value=\"%s\"/><Attributes/>",
                      uid != NULL ? UID(uid) : "", parts, threshold, method);
}

static void keys_are_split_and_joined(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    const char *key = keys_register(&w, "AES", 128, AES_KEY, MASK("Encrypt") ACTIVE);
    struct kmip_node *out =
        world_must(&w, "CreateSplitKey", split(key, 3, 2, "PolynomialSharingGF2_8"));
    const char *parts[3];
    const struct kmip_node *n = kmip_child(out, KMIP_TAG_UNIQUE_IDENTIFIER);
    for (size_t i = 0; i < 3; i++, n = kmip_again(n)) {
        assert_non_null(n);
        parts[i] = arena_strndup(w.kept, n->bytes.data, n->bytes.len);
    }
    assert_null(n);
    out = world_must(&w, "Get", UID(parts[2]));
    const struct kmip_node *part = kmip_child(out, KMIP_TAG_SPLIT_KEY);
    assert_int_equal(kmip_num(part, KMIP_TAG_KEY_PART_IDENTIFIER, 0), 3);
    assert_int_equal(kmip_num(part, KMIP_TAG_SPLIT_KEY_THRESHOLD, 0), 2);
#define JOIN(list) world_text("<ObjectType type=\"Enumeration\" value=\"SymmetricKey\"/>%s", list)
    out = world_must(&w, "JoinSplitKey", JOIN(world_text("%s%s", UID(parts[2]), UID(parts[0]))));
    assert_string_equal(material(&w, world_uid(&w, out)), AES_KEY);
    world_refused(&w, KMIP_REASON_CRYPTOGRAPHIC_FAILURE, "JoinSplitKey", JOIN(UID(parts[0])));
    world_refused(&w, KMIP_REASON_INVALID_FIELD, "JoinSplitKey",
                  JOIN(world_text("%s%s", UID(parts[0]), UID(parts[0]))));
    world_refused(&w, KMIP_REASON_INVALID_OBJECT_TYPE, "JoinSplitKey",
                  JOIN(world_text("%s%s", UID(parts[0]), UID(key))));
    world_refused(&w, KMIP_REASON_INVALID_FIELD, "CreateSplitKey",
                  split(key, 3, 4, "PolynomialSharingGF2_8"));
    world_refused(&w, KMIP_REASON_INVALID_FIELD, "CreateSplitKey", split(key, 3, 2, "XOR"));
    world_refused(&w, KMIP_REASON_INVALID_FIELD, "CreateSplitKey",
                  split(key, 3, 2, "PolynomialSharingPrimeField"));
    world_refused(&w, KMIP_REASON_INVALID_FIELD, "CreateSplitKey", split(key, 1, 1, "XOR"));
    world_must(&w, "CreateSplitKey", split(key, 2, 2, "XOR"));
    w.who = 1;
    world_refused(&w, KMIP_REASON_OBJECT_NOT_FOUND, "JoinSplitKey",
                  JOIN(world_text("%s%s", UID(parts[2]), UID(parts[0]))));
    world_end(&w);
}

/* ---- wrapped keys ---- */

#define ENCRYPTED_BY(uid, params, more)                                                            \
    world_text("<WrappingMethod type=\"Enumeration\" value=\"Encrypt\"/>"                          \
               "<EncryptionKeyInformation>%s%s</EncryptionKeyInformation>%s",                      \
               UID(uid), (params), (more))
#define NO_ENCODING ENUM("EncodingOption", "NoEncoding")

static void keys_leave_and_come_wrapped(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    const char *kek = keys_register(&w, "AES", 256,
                                    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1"
                                    "e1f",
                                    MASK("WrapKey UnwrapKey") ACTIVE);
    const char *key =
        keys_register(&w, "AES", 128, "00112233445566778899aabbccddeeff", MASK("Encrypt") ACTIVE);
    const char *kw = PARAMS(ENUM("BlockCipherMode", "NISTKeyWrap"));
    /* RFC 3394, 4.3 */
    struct kmip_node *out =
        world_must(&w, "Get",
                   world_text("%s<KeyWrappingSpecification>%s</KeyWrappingSpecification>", UID(key),
                              ENCRYPTED_BY(kek, kw, NO_ENCODING)));
    const struct kmip_node *block =
        kmip_child(kmip_child(out, KMIP_TAG_SYMMETRIC_KEY), KMIP_TAG_KEY_BLOCK);
    assert_hex(block, KMIP_TAG_KEY_VALUE, "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7");
    assert_non_null(kmip_child(block, KMIP_TAG_KEY_WRAPPING_DATA));
#define REGISTER(hex, data)                                                                        \
    world_text(                                                                                    \
        "<ObjectType type=\"Enumeration\" value=\"SymmetricKey\"/><Attributes>" MASK(              \
            "Encrypt") "</Attributes><SymmetricKey><KeyBlock>" ENUM("KeyFormatType",               \
                                                                    "Raw") "<KeyValue "            \
                                                                           "type=\"ByteString\" "  \
                                                                           "value=\"%s\"/>" ENUM(  \
                                                                               "CryptographicAlgo" \
                                                                               "rithm",            \
                                                                               "AES")              \
                                                                               LENGTH(             \
                                                                                   "128") "<KeyWr" \
                                                                                          "apping" \
                                                                                          "Data>%" \
                                                                                          "s</"    \
                                                                                          "KeyWra" \
                                                                                          "ppingD" \
                                                                                          "ata></" \
                                                                                          "KeyBlo" \
                                                                                          "ck></"  \
                                                                                          "Symmet" \
                                                                                          "ricKey" \
                                                                                          ">",     \
        (hex), (data))
    out = world_must(&w, "Register",
                     REGISTER("64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7",
                              ENCRYPTED_BY(kek, kw, NO_ENCODING)));
    assert_string_equal(material(&w, world_uid(&w, out)), "00112233445566778899aabbccddeeff");
    /* the TTLV of the Key Value, there and back */
    out = world_must(&w, "Get",
                     world_text("%s<KeyWrappingSpecification>%s</KeyWrappingSpecification>",
                                UID(key), ENCRYPTED_BY(kek, kw, "")));
    block = kmip_child(kmip_child(out, KMIP_TAG_SYMMETRIC_KEY), KMIP_TAG_KEY_BLOCK);
    const char *ttlv = keys_hex(block, KMIP_TAG_KEY_VALUE);
    assert_int_equal(strlen(ttlv), 2 * (8 + 8 + 16 + 8));
    out = world_must(&w, "Register", REGISTER(ttlv, ENCRYPTED_BY(kek, kw, "")));
    assert_string_equal(material(&w, world_uid(&w, out)), "00112233445566778899aabbccddeeff");
    world_refused(&w, KMIP_REASON_CRYPTOGRAPHIC_FAILURE, "Register",
                  REGISTER("64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae8",
                           ENCRYPTED_BY(kek, kw, NO_ENCODING)));
    world_end(&w);
}

/* One way to wrap: what Get asks with, and Register says of what came. */
struct way {
    const char *method, *encrypt, *mac, *more; /* more: names of attributes, for Get */
};

struct wrapped {
    const char *value, *mac; /* hex */
};

static const char *information(const char *tag, const char *text)
{
    return *text != '\0' ? world_text("<%s>%s</%s>", tag, text, tag) : "";
}

static const char *way_text(const struct way *way, const char *mac_value, const char *more)
{
    return world_text("<WrappingMethod type=\"Enumeration\" value=\"%s\"/>%s%s%s%s", way->method,
                      information("EncryptionKeyInformation", way->encrypt),
                      information("MACSignatureKeyInformation", way->mac),
                      *mac_value != '\0' ? world_text(HEX("MACSignature", "%s"), mac_value) : "",
                      more);
}

static struct wrapped get_wrapped(struct world *w, const char *key, const struct way *way)
{
    struct kmip_node *out =
        world_must(w, "Get",
                   world_text("%s<KeyWrappingSpecification>%s</KeyWrappingSpecification>", UID(key),
                              way_text(way, "", way->more)));
    const struct kmip_node *block =
        kmip_child(kmip_child(out, KMIP_TAG_SYMMETRIC_KEY), KMIP_TAG_KEY_BLOCK);
    const struct kmip_node *data = kmip_child(block, KMIP_TAG_KEY_WRAPPING_DATA);
    return (struct wrapped){keys_keep(w, keys_hex(block, KMIP_TAG_KEY_VALUE)),
                            keys_keep(w, keys_hex(data, KMIP_TAG_MAC_SIGNATURE))};
}

/* Another end of the byte string. */
static const char *bent(const char *hex)
{
    char *text = (char *)(uintptr_t)world_text("%s", hex);
    size_t len = strlen(text);
    assert_true(len > 2);
    text[len - 1] = text[len - 1] == '0' ? '1' : '0';
    return text;
}

/* There and back, and refused where the MAC or signature is of something else. */
static const char *there_and_back(struct world *w, const char *key, const struct way *way)
{
    const struct wrapped got = get_wrapped(w, key, way);
    const bool macs = strcmp(way->method, "Encrypt") != 0;
    assert_int_equal(*got.mac != '\0', macs);
    if (macs)
        world_refused(w, KMIP_REASON_CRYPTOGRAPHIC_FAILURE, "Register",
                      REGISTER(got.value, way_text(way, bent(got.mac), "")));
    world_refused(w, KMIP_REASON_CRYPTOGRAPHIC_FAILURE, "Register",
                  REGISTER(bent(got.value), way_text(way, got.mac, "")));
    struct kmip_node *out =
        world_must(w, "Register", REGISTER(got.value, way_text(way, got.mac, "")));
    const char *uid = keys_keep(w, world_uid(w, out));
    assert_string_equal(material(w, uid), AES_KEY);
    return uid;
}

static void macs_and_signatures_hold_what_is_wrapped(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
#define KEEP(text)           keys_keep(&w, (text))
#define REGISTERED(alg, use) KEEP(keys_register(&w, alg, 128, AES_KEY, MASK(use) ACTIVE))
    const char *key = REGISTERED("AES", "Encrypt");
    const char *kek = REGISTERED("AES", "WrapKey UnwrapKey");
    const char *cmac = REGISTERED("AES", "MACGenerate MACVerify");
    const char *hmac = REGISTERED("HMAC_SHA256", "MACGenerate MACVerify");
    const char *public;
    const char *private = keys_pair(&w, "RSA", 2048, &public);
    const char *wraps =
        KEEP(world_text("%s" PARAMS(ENUM("BlockCipherMode", "AESKeyWrapPadding")), UID(kek)));
    const char *by_cmac = KEEP(world_text("%s" PARAMS(ENUM("BlockCipherMode", "CMAC")), UID(cmac)));
    const char *by_hmac =
        KEEP(world_text("%s" PARAMS(ENUM("CryptographicAlgorithm", "HMAC_SHA256")), UID(hmac)));
    const char *by_rsa = KEEP(world_text(
        "%s" PARAMS(ENUM("DigitalSignatureAlgorithm", "SHA_256WithRSAEncryption")), UID(private)));
    const struct way ways[] = {
        {"MACSign", "", by_cmac, ""},
        {"MACSign", "", by_hmac, ""},
        {"MACSign", "", by_rsa, ""},
        {"EncryptThenMACSign", wraps, by_hmac, ""},
        {"EncryptThenMACSign", wraps, by_rsa, ""},
        {"MACSignThenEncrypt", wraps, by_cmac, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(ways); i++)
        (void)there_and_back(&w, key, &ways[i]);
    world_end(&w);
}

/* Attributes that the specification names travel within what is wrapped. */
static void attributes_travel_within(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    const char *kek = REGISTERED("AES", "WrapKey UnwrapKey");
    const char *key = KEEP(keys_register(
        &w, "AES", 128, AES_KEY,
        MASK("Encrypt") ACTIVE "<Attribute><VendorIdentification type=\"TextString\" value=\"x\"/>"
                               "<AttributeName type=\"TextString\" value=\"rack\"/>"
                               "<AttributeValue type=\"TextString\" value=\"r7\"/></Attribute>"));
    const char *wraps =
        KEEP(world_text("%s" PARAMS(ENUM("BlockCipherMode", "AESKeyWrapPadding")), UID(kek)));
    const struct way plain = {"Encrypt", wraps, "", ""};
    const struct way more = {"Encrypt", wraps, "",
                             "<AttributeName type=\"TextString\" value=\"x-rack\"/>"};
    const struct wrapped bare = get_wrapped(&w, key, &plain);
    assert_true(strlen(get_wrapped(&w, key, &more).value) > strlen(bare.value));
    const char *uid = there_and_back(&w, key, &more);
    const struct kmip_node *out = world_must(
        &w, "GetAttributes",
        world_text("%s<AttributeReference><VendorIdentification type=\"TextString\" value=\"x\"/>"
                   "<AttributeName type=\"TextString\" value=\"rack\"/></AttributeReference>",
                   UID(uid)));
    assert_non_null(kmip_child(kmip_child(out, KMIP_TAG_ATTRIBUTES), KMIP_TAG_ATTRIBUTE));
    world_end(&w);
}

static void wrapping_is_refused(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    const char *key = keys_register(&w, "AES", 128, AES_KEY, MASK("Encrypt") ACTIVE);
    const char *young = keys_register(&w, "AES", 128, AES_KEY, MASK("WrapKey"));
    const char *bound =
        keys_register(&w, "AES", 128, AES_KEY,
                      MASK("WrapKey") ACTIVE PARAMS(ENUM("BlockCipherMode", "AESKeyWrapPadding")));
    const char *kw = PARAMS(ENUM("BlockCipherMode", "NISTKeyWrap"));
#define WRAPPED(text)                                                                              \
    world_text("%s<KeyWrappingSpecification>%s</KeyWrappingSpecification>", UID(key), (text))
    world_refused(&w, KMIP_REASON_INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK, "Get",
                  WRAPPED(ENCRYPTED_BY(key, kw, "")));
    world_refused(&w, KMIP_REASON_WRONG_KEY_LIFECYCLE_STATE, "Get",
                  WRAPPED(ENCRYPTED_BY(young, kw, "")));
    world_refused(&w, KMIP_REASON_WRAPPING_OBJECT_NOT_FOUND, "Get",
                  WRAPPED(ENCRYPTED_BY("nobody", kw, "")));
    world_refused(&w, KMIP_REASON_BAD_CRYPTOGRAPHIC_PARAMETERS, "Get",
                  WRAPPED(ENCRYPTED_BY(bound, kw, "")));
    world_refused(
        &w, KMIP_REASON_ENCODING_OPTION_ERROR, "Get",
        WRAPPED(ENCRYPTED_BY(bound, "",
                             "<AttributeName type=\"TextString\" value=\"State\"/>" NO_ENCODING)));
    world_refused(&w, KMIP_REASON_INVALID_FIELD, "Get", WRAPPED(ENUM("WrappingMethod", "Encrypt")));
    world_must(&w, "Get", WRAPPED(ENCRYPTED_BY(bound, "", "")));
    /* ANS X9.102 is not served */
    const char *any = keys_keep(&w, keys_register(&w, "AES", 128, AES_KEY, MASK("WrapKey") ACTIVE));
    static const char *const x9[] = {"X9_102AESKW", "X9_102TDKW", "X9_102AKW1", "X9_102AKW2"};
    for (size_t i = 0; i < ARRAY_LEN(x9); i++)
        world_refused(&w, KMIP_REASON_UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS, "Get",
                      WRAPPED(ENCRYPTED_BY(
                          any, world_text(PARAMS(ENUM("BlockCipherMode", "%s")), x9[i]), "")));
    const char *mac = keys_register(&w, "AES", 128, AES_KEY, MASK("MACGenerate") ACTIVE);
    const char *signed_only =
        world_text(ENUM("WrappingMethod", "MACSign") "<MACSignatureKeyInformation>%s" PARAMS(
                       ENUM("BlockCipherMode", "CMAC")) "</MACSignatureKeyInformation>",
                   UID(mac));
    world_must(&w, "Get", WRAPPED(signed_only));
    w.config.export_secrets = false;
    world_refused(&w, KMIP_REASON_PERMISSION_DENIED, "Get", WRAPPED(signed_only));
    world_must(&w, "Get", WRAPPED(ENCRYPTED_BY(bound, "", "")));
    world_end(&w);
}

TEST_MAIN(cmocka_unit_test(keys_are_derived), cmocka_unit_test(derivation_is_refused),
          cmocka_unit_test(keys_are_split_and_joined),
          cmocka_unit_test(keys_leave_and_come_wrapped),
          cmocka_unit_test(macs_and_signatures_hold_what_is_wrapped),
          cmocka_unit_test(attributes_travel_within), cmocka_unit_test(wrapping_is_refused))
