#include "keys.h"

#include "base/clock.h"

/* Encrypt and Decrypt, at once and in pieces. */

static void keys_encrypt_and_decrypt(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    const char *uid = keys_register(&w, "AES", 128, AES_KEY, MASK("Encrypt Decrypt") ACTIVE);
    const char *ecb = PARAMS(ENUM("BlockCipherMode", "ECB"));
    struct kmip_node *out =
        world_must(&w, "Encrypt", world_text("%s%s" HEX("Data", BLOCK), UID(uid), ecb));
    assert_hex(out, KMIP_TAG_DATA, "d9bcce11b0b437b90239552df3a360c9");
    out = world_must(
        &w, "Decrypt",
        world_text("%s%s" HEX("Data", "d9bcce11b0b437b90239552df3a360c9"), UID(uid), ecb));
    assert_hex(out, KMIP_TAG_DATA, BLOCK);
    /* CBC: the server makes an IV where none is given, and says so; decryption wants it */
    const char *cbc = PARAMS(ENUM("BlockCipherMode", "CBC") ENUM("PaddingMethod", "PKCS5"));
    out = world_must(&w, "Encrypt", world_text("%s%s" HEX("Data", "0102"), UID(uid), cbc));
    const char *data = keys_hex(out, KMIP_TAG_DATA), *iv = keys_hex(out, KMIP_TAG_IV_COUNTER_NONCE);
    assert_int_equal(strlen(iv), 32);
    out = world_must(&w, "Decrypt",
                     world_text("%s%s<Data type=\"ByteString\" value=\"%s\"/>"
                                "<IVCounterNonce type=\"ByteString\" value=\"%s\"/>",
                                UID(uid), cbc, data, iv));
    assert_hex(out, KMIP_TAG_DATA, "0102");
    world_refused(&w, KMIP_REASON_INVALID_MESSAGE, "Decrypt",
                  world_text("%s%s<Data type=\"ByteString\" value=\"%s\"/>", UID(uid), cbc, data));
    /* no mode anywhere, no data, a length that is no block, another algorithm */
    world_refused(&w, KMIP_REASON_BAD_CRYPTOGRAPHIC_PARAMETERS, "Encrypt",
                  world_text("%s" HEX("Data", BLOCK), UID(uid)));
    assert_null(world_ask(&w, "Encrypt", world_text("%s%s", UID(uid), ecb)));
    assert_null(world_ask(&w, "Encrypt", world_text("%s%s" HEX("Data", "01"), UID(uid), ecb)));
    world_refused(&w, KMIP_REASON_BAD_CRYPTOGRAPHIC_PARAMETERS, "Encrypt",
                  world_text("%s" PARAMS(ENUM("BlockCipherMode", "ECB") ENUM(
                                 "CryptographicAlgorithm", "DES3")) HEX("Data", BLOCK),
                             UID(uid)));
    /* for another client it is not there */
    w.who = 1;
    world_refused(&w, KMIP_REASON_OBJECT_NOT_FOUND, "Encrypt",
                  world_text("%s%s" HEX("Data", BLOCK), UID(uid), ecb));
    world_end(&w);
}

static void tags_are_checked(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    const char *uid = keys_register(&w, "AES", 128, AES_KEY, MASK("Encrypt Decrypt") ACTIVE);
    const char *gcm = PARAMS(ENUM("BlockCipherMode", "GCM") INT("TagLength", "16"));
    struct kmip_node *out = world_must(
        &w, "Encrypt",
        world_text("%s%s" HEX("Data", "010203") HEX("AuthenticatedEncryptionAdditionalData", "aa"),
                   UID(uid), gcm));
    const char *data = keys_hex(out, KMIP_TAG_DATA), *iv = keys_hex(out, KMIP_TAG_IV_COUNTER_NONCE),
               *tag = keys_hex(out, KMIP_TAG_AUTHENTICATED_ENCRYPTION_TAG);
    assert_int_equal(strlen(tag), 32);
#define DECRYPT(a, t)                                                                              \
    world_text("%s%s<Data type=\"ByteString\" value=\"%s\"/><IVCounterNonce type=\"ByteString\" "  \
               "value=\"%s\"/><AuthenticatedEncryptionAdditionalData type=\"ByteString\" "         \
               "value=\"%s\"/><AuthenticatedEncryptionTag type=\"ByteString\" value=\"%s\"/>",     \
               UID(uid), gcm, data, iv, (a), (t))
    out = world_must(&w, "Decrypt", DECRYPT("aa", tag));
    assert_hex(out, KMIP_TAG_DATA, "010203");
    world_refused(&w, KMIP_REASON_CRYPTOGRAPHIC_FAILURE, "Decrypt", DECRYPT("ab", tag));
    world_refused(&w, KMIP_REASON_CRYPTOGRAPHIC_FAILURE, "Decrypt",
                  DECRYPT("aa", "00000000000000000000000000000000"));
    /* a tag that is shorter than the parameters say, none at all, and lengths that no mode has */
    assert_null(world_ask(&w, "Decrypt", DECRYPT("aa", "00")));
    assert_null(world_ask(&w, "Decrypt",
                          world_text("%s%s<Data type=\"ByteString\" value=\"%s\"/><IVCounterNonce "
                                     "type=\"ByteString\" value=\"%s\"/>",
                                     UID(uid), gcm, data, iv)));
    world_refused(&w, KMIP_REASON_GENERAL_FAILURE, "Encrypt",
                  world_text("%s" PARAMS(ENUM("BlockCipherMode", "GCM") INT("TagLength", "32"))
                                 HEX("Data", "01"),
                             UID(uid)));
    world_end(&w);
}

static void state_mask_and_dates_are_kept(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    const char *ask = PARAMS(ENUM("BlockCipherMode", "ECB")) HEX("Data", BLOCK);
    const char *young = keys_register(&w, "AES", 128, AES_KEY, MASK("Encrypt Decrypt"));
    world_refused(&w, KMIP_REASON_WRONG_KEY_LIFECYCLE_STATE, "Encrypt",
                  world_text("%s%s", UID(young), ask));
    const char *one_way = keys_register(&w, "AES", 128, AES_KEY, MASK("Encrypt") ACTIVE);
    world_must(&w, "Encrypt", world_text("%s%s", UID(one_way), ask));
    world_refused(&w, KMIP_REASON_INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK, "Decrypt",
                  world_text("%s%s", UID(one_way), ask));
    /* KMIP 1.4, 11.30: Permission Denied */
    w.version = KMIP_1_4;
    world_refused(&w, KMIP_REASON_PERMISSION_DENIED, "Decrypt",
                  world_text("%s%s", UID(one_way), ask));
    w.version = KMIP_2_1;
    const char *dated =
        keys_register(&w, "AES", 128, AES_KEY,
                      MASK("Encrypt Decrypt") ACTIVE
                      "<ProtectStopDate type=\"DateTime\" value=\"2002-01-01T00:00:00+00:00\"/>");
    world_refused(&w, KMIP_REASON_WRONG_KEY_LIFECYCLE_STATE, "Encrypt",
                  world_text("%s%s", UID(dated), ask));
    world_must(&w, "Decrypt", world_text("%s%s", UID(dated), ask));
    /* deactivated: decrypts for who manages objects, encrypts for nobody */
    world_must(&w, "Revoke",
               world_text("%s<RevocationReason><RevocationReasonCode type=\"Enumeration\" "
                          "value=\"Superseded\"/></RevocationReason>",
                          UID(dated)));
    world_must(&w, "Decrypt", world_text("%s%s", UID(dated), ask));
    w.clients[0].may &= ~(uint32_t)VAULT_MAY_MANAGE;
    world_refused(&w, KMIP_REASON_WRONG_KEY_LIFECYCLE_STATE, "Decrypt",
                  world_text("%s%s", UID(dated), ask));
    w.clients[0].may &= ~(uint32_t)VAULT_MAY_USE;
    world_refused(&w, KMIP_REASON_PERMISSION_DENIED, "Encrypt",
                  world_text("%s%s", UID(one_way), ask));
    world_end(&w);
}

static void limits_are_used_up(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    const char *uid = keys_register(
        &w, "AES", 128, AES_KEY,
        MASK("Encrypt Decrypt") ACTIVE
        "<UsageLimits><UsageLimitsTotal type=\"LongInteger\" value=\"16\"/><UsageLimitsUnit "
        "type=\"Enumeration\" value=\"Byte\"/></UsageLimits>");
    const char *ask =
        world_text("%s" PARAMS(ENUM("BlockCipherMode", "ECB")) HEX("Data", BLOCK), UID(uid));
    world_must(&w, "Encrypt", ask);
    world_refused(&w, KMIP_REASON_PERMISSION_DENIED, "Encrypt", ask);
    world_must(&w, "Decrypt", ask);
    world_end(&w);
}

static void pieces_make_a_whole(void **state)
{
    (void)state;
    struct world w;
    world_begin(&w);
    assert_ok(kmip_streams_new(w.site.keeper, &w.env.streams));
    const char *uid = keys_register(&w, "AES", 128, "feffe9928665731c6d6a8f9467308308",
                                    MASK("Encrypt Decrypt") ACTIVE);
    const char *gcm = PARAMS(ENUM("BlockCipherMode", "GCM") INT("TagLength", "16"));
    const char *first = world_text(
        "%s%s" HEX("Data", "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72")
            HEX("IVCounterNonce", "cafebabefacedbad") BOOL("InitIndicator", "true")
                HEX("AuthenticatedEncryptionAdditionalData",
                    "feedfacedeadbeeffeedfacedeadbeefabaddad2"),
        UID(uid), gcm);
    first = keys_keep(&w, first);
    struct kmip_node *out = world_must(&w, "Encrypt", first);
    assert_hex(out, KMIP_TAG_DATA,
               "61353b4c2806934a777ff51fa22a4755699b2a714fcdc6f83766e5f97b6c7423");
    const char *value = keys_hex(out, KMIP_TAG_CORRELATION_VALUE);
    assert_int_equal(strlen(value), 2 * KMIP_STREAM_VALUE_LEN);
    assert_null(kmip_child(out, KMIP_TAG_AUTHENTICATED_ENCRYPTION_TAG));
    const char *last =
        world_text("%s%s" HEX("Data", "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637"
                                      "b39") "<CorrelationValue type=\"ByteString\" "
                                             "value=\"%s\"/>" BOOL("FinalIndicator", "true"),
                   UID(uid), gcm, value);
    /* nobody else's, no other operation's, no other key's */
    world_refused(&w, KMIP_REASON_INVALID_CORRELATION_VALUE, "Decrypt", last);
    const char *other = keys_register(&w, "AES", 128, AES_KEY, MASK("Encrypt Decrypt") ACTIVE);
    world_refused(
        &w, KMIP_REASON_INVALID_CORRELATION_VALUE, "Encrypt",
        world_text("%s%s" HEX("Data", "00") "<CorrelationValue type=\"ByteString\" value=\"%s\"/>",
                   UID(other), gcm, value));
    w.who = 1;
    const char *bobs = keys_register(&w, "AES", 128, AES_KEY, MASK("Encrypt Decrypt") ACTIVE);
    world_refused(
        &w, KMIP_REASON_INVALID_CORRELATION_VALUE, "Encrypt",
        world_text("%s%s" HEX("Data", "00") "<CorrelationValue type=\"ByteString\" value=\"%s\"/>",
                   UID(bobs), gcm, value));
    w.who = 0;
    out = world_must(&w, "Encrypt", last);
    assert_hex(out, KMIP_TAG_DATA, "73806900e49f24b22b097544d4896b424989b5e1ebac0f07c23f4598");
    assert_hex(out, KMIP_TAG_AUTHENTICATED_ENCRYPTION_TAG, "3612d2e79e3b0785561be14aaca2fccb");
    assert_null(kmip_child(out, KMIP_TAG_CORRELATION_VALUE));
    world_refused(&w, KMIP_REASON_INVALID_CORRELATION_VALUE, "Encrypt", last);
    assert_int_equal(kmip_streams_count(w.env.streams), 0);
    /* what is forgotten ends by itself; both indicators of a beginning make no sense */
    world_must(&w, "Encrypt", first);
    assert_int_equal(kmip_streams_count(w.env.streams), 1);
    kmip_streams_expire(w.env.streams, clock_now_s() + KMIP_STREAM_IDLE_S + 1);
    assert_int_equal(kmip_streams_count(w.env.streams), 0);
    world_refused(
        &w, KMIP_REASON_INVALID_FIELD, "Encrypt",
        world_text("%s%s" BOOL("InitIndicator",
                               "true") "<CorrelationValue type=\"ByteString\" value=\"%s\"/>",
                   UID(uid), gcm, value));
    for (unsigned i = 0; i < KMIP_STREAMS_OF_CLIENT; i++)
        world_must(&w, "Encrypt", first);
    world_refused(&w, KMIP_REASON_SERVER_LIMIT_EXCEEDED, "Encrypt", first);
    kmip_streams_free(w.env.streams);
    w.env.streams = NULL;
    world_refused(&w, KMIP_REASON_FEATURE_NOT_SUPPORTED, "Encrypt", first);
    world_end(&w);
}

TEST_MAIN(cmocka_unit_test(keys_encrypt_and_decrypt), cmocka_unit_test(tags_are_checked),
          cmocka_unit_test(state_mask_and_dates_are_kept), cmocka_unit_test(limits_are_used_up),
          cmocka_unit_test(pieces_make_a_whole))
