#include "keys.h"

/* Sign, Signature Verify, MAC, MAC Verify, Hash, RNG Retrieve, RNG Seed. */

#define PSS PARAMS(ENUM("PaddingMethod", "PSS") ENUM("HashingAlgorithm", "SHA_256"))

static uint32_t verdict(const struct kmip_node *out)
{
    return kmip_enum(out, KMIP_TAG_VALIDITY_INDICATOR, 0);
}

static void signatures_hold_or_not(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    const char *public = NULL;
    const char *private = keys_pair(&w, "RSA", 2048, &public);
    struct kmip_node *out =
        world_must(&w, "Sign", world_text("%s" PSS HEX("Data", BLOCK), UID(private)));
    const char *signature = keys_hex(out, KMIP_TAG_SIGNATURE_DATA);
    assert_int_equal(strlen(signature), 512);
#define VERIFY(data)                                                                               \
    world_text("%s" PSS HEX("Data", data) "<SignatureData type=\"ByteString\" value=\"%s\"/>",     \
               UID(public), signature)
    assert_int_equal(verdict(world_must(&w, "SignatureVerify", VERIFY(BLOCK))),
                     KMIP_VALIDITY_INDICATOR_VALID);
    assert_int_equal(verdict(world_must(&w, "SignatureVerify", VERIFY("00"))),
                     KMIP_VALIDITY_INDICATOR_INVALID);
    /* the other half can't, nothing to sign, a digest of another length, data twice */
    world_refused(&w, KMIP_REASON_INVALID_OBJECT_TYPE, "Sign",
                  world_text("%s" PSS HEX("Data", BLOCK), UID(public)));
    world_refused(&w, KMIP_REASON_INVALID_OBJECT_TYPE, "SignatureVerify",
                  world_text("%s" PSS HEX("Data", BLOCK) HEX("SignatureData", "00"), UID(private)));
    world_refused(&w, KMIP_REASON_MISSING_DATA, "Sign", world_text("%s" PSS, UID(private)));
    assert_null(
        world_ask(&w, "Sign", world_text("%s" PSS HEX("DigestedData", "0102"), UID(private))));
    world_refused(&w, KMIP_REASON_INVALID_FIELD, "Sign",
                  world_text("%s" PSS HEX("Data", "00") HEX("DigestedData", "00"), UID(private)));
    world_end(&w);
}

static void digests_and_pieces_are_signed(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    assert_ok(kmip_streams_new(w.site.keeper, &w.env.streams));
    const char *public = NULL;
    const char *private = keys_pair(&w, "EC", 256, &public);
    const char *ecdsa = PARAMS(ENUM("DigitalSignatureAlgorithm", "ECDSAWithSHA256"));
    struct kmip_node *out =
        world_must(&w, "Hash", PARAMS(ENUM("HashingAlgorithm", "SHA_256")) HEX("Data", BLOCK));
    assert_hex(out, KMIP_TAG_DATA,
               "ad41233d22cf9322e3a7ff49a13da434797abed3bab80950a1a0d4e582b7ea72");
    out = world_must(&w, "Sign",
                     world_text("%s%s<DigestedData type=\"ByteString\" value=\"%s\"/>",
                                UID(private), ecdsa, keys_hex(out, KMIP_TAG_DATA)));
    const char *signature = keys_hex(out, KMIP_TAG_SIGNATURE_DATA);
    /* verified in two pieces, by a public key: the engine's own stream */
    out =
        world_must(&w, "SignatureVerify",
                   world_text("%s%s" HEX("Data", "0102030405060708") BOOL("InitIndicator", "true"),
                              UID(public), ecdsa));
    assert_null(kmip_child(out, KMIP_TAG_VALIDITY_INDICATOR));
    out = world_must(
        &w, "SignatureVerify",
        world_text(
            "%s%s" HEX(
                "Data",
                "0910111213141516") "<SignatureData type=\"ByteString\" value=\"%s\"/>"
                                    "<CorrelationValue type=\"ByteString\" value=\"%s\"/>" BOOL(
                                        "FinalIndicator", "true"),
            UID(public), ecdsa, signature, keys_hex(out, KMIP_TAG_CORRELATION_VALUE)));
    assert_int_equal(verdict(out), KMIP_VALIDITY_INDICATOR_VALID);
    kmip_streams_free(w.env.streams);
    world_end(&w);
}

static void macs_are_made_and_verified(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    const char *uid = keys_register(
        &w, "AES", 128, AES_KEY,
        MASK("MACGenerate MACVerify") ACTIVE PARAMS(ENUM("CryptographicAlgorithm", "HMAC_SHA256")));
    struct kmip_node *out = world_must(&w, "MAC", world_text("%s" HEX("Data", BLOCK), UID(uid)));
    const char *mac = "c911e78196d64c30f631bb079ea37b97a95936d4da764d6a171df030c895ecf9";
    assert_hex(out, KMIP_TAG_MAC_DATA, mac);
#define MAC_VERIFY(data)                                                                           \
    world_text("%s" HEX("Data", data) "<MACData type=\"ByteString\" value=\"%s\"/>", UID(uid), mac)
    assert_int_equal(verdict(world_must(&w, "MACVerify", MAC_VERIFY(BLOCK))),
                     KMIP_VALIDITY_INDICATOR_VALID);
    assert_int_equal(verdict(world_must(&w, "MACVerify", MAC_VERIFY("01"))),
                     KMIP_VALIDITY_INDICATOR_INVALID);
    world_refused(&w, KMIP_REASON_MISSING_DATA, "MACVerify",
                  world_text("%s" HEX("Data", BLOCK), UID(uid)));
    const char *bare = keys_register(&w, "AES", 128, AES_KEY, MASK("MACGenerate Encrypt") ACTIVE);
    world_refused(&w, KMIP_REASON_BAD_CRYPTOGRAPHIC_PARAMETERS, "MAC",
                  world_text("%s" HEX("Data", BLOCK), UID(bare)));
    out = world_must(
        &w, "MAC",
        world_text("%s" PARAMS(ENUM("BlockCipherMode", "CMAC")) HEX("Data", BLOCK), UID(bare)));
    assert_int_equal(kmip_bytes(out, KMIP_TAG_MAC_DATA).len, 16);
    world_refused(&w, KMIP_REASON_BAD_CRYPTOGRAPHIC_PARAMETERS, "Encrypt",
                  world_text("%s" PARAMS(ENUM("CryptographicAlgorithm", "HMAC_SHA256"))
                                 HEX("Data", BLOCK),
                             UID(bare)));
    world_end(&w);
}

static void hashes_come_in_pieces(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    assert_ok(kmip_streams_new(w.site.keeper, &w.env.streams));
    const char *sha = PARAMS(ENUM("HashingAlgorithm", "SHA_256"));
    struct kmip_node *out = world_must(
        &w, "Hash",
        world_text("%s" HEX("Data", "0102030405060708") BOOL("InitIndicator", "true"), sha));
    const char *value = keys_hex(out, KMIP_TAG_CORRELATION_VALUE);
    const char *last = world_text(
        "%s" HEX("Data", "0910111213141516") "<CorrelationValue type=\"ByteString\" "
                                             "value=\"%s\"/>" BOOL("FinalIndicator", "true"),
        sha, value);
    w.who = 1;
    world_refused(&w, KMIP_REASON_INVALID_CORRELATION_VALUE, "Hash", last);
    w.who = 0;
    out = world_must(&w, "Hash", last);
    assert_hex(out, KMIP_TAG_DATA,
               "ad41233d22cf9322e3a7ff49a13da434797abed3bab80950a1a0d4e582b7ea72");
    world_refused(&w, KMIP_REASON_INVALID_CORRELATION_VALUE, "Hash", last);
    world_refused(&w, KMIP_REASON_MISSING_DATA, "Hash", world_text("%s", sha));
    assert_null(world_ask(&w, "Hash", PARAMS(ENUM("HashingAlgorithm", "MD2")) HEX("Data", "00")));
    kmip_streams_free(w.env.streams);
    world_end(&w);
}

static void random_numbers_are_given_and_taken(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    struct kmip_node *out = world_must(&w, "RNGRetrieve", INT("DataLength", "32"));
    assert_int_equal(kmip_bytes(out, KMIP_TAG_DATA).len, 32);
    world_refused(&w, KMIP_REASON_INVALID_FIELD, "RNGRetrieve", INT("DataLength", "0"));
    world_refused(&w, KMIP_REASON_INVALID_FIELD, "RNGRetrieve", INT("DataLength", "100000"));
    static const struct {
        uint32_t rule;
        int64_t used;
    } seeds[] = {{KMIP_SEED_TAKEN, 16}, {KMIP_SEED_HALF, 8}, {KMIP_SEED_IGNORED, 0}};
    for (size_t i = 0; i < ARRAY_LEN(seeds); i++) {
        w.config.rng_seed = seeds[i].rule;
        out = world_must(&w, "RNGSeed", HEX("Data", BLOCK));
        assert_int_equal(kmip_num(out, KMIP_TAG_DATA_LENGTH, -1), seeds[i].used);
    }
    w.config.rng_seed = KMIP_SEED_REFUSED;
    world_refused(&w, KMIP_REASON_PERMISSION_DENIED, "RNGSeed", HEX("Data", BLOCK));
    world_end(&w);
}

TEST_MAIN(cmocka_unit_test(signatures_hold_or_not), cmocka_unit_test(digests_and_pieces_are_signed),
          cmocka_unit_test(macs_are_made_and_verified), cmocka_unit_test(hashes_come_in_pieces),
          cmocka_unit_test(random_numbers_are_given_and_taken))
