#include "keeper/object_wrap.h"
#include "thing.h"

/* Keys that leave and come wrapped. */

struct wrapped {
    struct buf data, mac, rest;
    uint8_t iv[CRYPTO_IV_MAX];
    size_t iv_len;
};

static void wrapped_done(struct wrapped *wrapped)
{
    buf_done(&wrapped->data);
    buf_done(&wrapped->mac);
    buf_done(&wrapped->rest);
}

static enum err wrap_it(struct rig *rig, const struct thing *thing, const struct keeper_wrap *wrap,
                        struct wrapped *wrapped)
{
    *wrapped = (struct wrapped){.iv_len = 0};
    return keeper_object_wrap(rig_client(rig, 0), RIG_ACTOR, &thing->object, wrap, &wrapped->data,
                              wrapped->iv, &wrapped->iv_len, &wrapped->mac, NULL);
}

static enum err unwrap_it(struct rig *rig, struct thing *thing, const struct keeper_wrap *wrap,
                          struct wrapped *wrapped, const struct keeper_object_spec *spec)
{
    struct keeper_wrap back = *wrap;
    back.after = bytes_of(NULL, 0);
    back.iv = bytes_of(wrapped->iv, wrapped->iv_len);
    back.mac_value = buf_view(&wrapped->mac);
    back.rest = &wrapped->rest;
    thing_name(thing, 50);
    TRY(keeper_object_unwrap(rig_client(rig, 0), RIG_ACTOR, &back, buf_view(&wrapped->data),
                             &thing->object, spec, &thing->made, NULL));
    thing_made(thing);
    return ERR_OK;
}

static void there_and_back(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    const struct keeper_object_spec hmac = {CRYPTO_SYMMETRIC, ALG_HMAC_SHA256, 256, 0, 0, 0};
    const struct keeper_object_spec ec = {CRYPTO_PRIVATE, ALG_EC, 256, CURVE_P_256, 0, 0};
    struct thing kek, mac, key, private;
    assert_ok(thing_generate(&rig, &kek, 1, &thing_aes256));
    assert_ok(thing_generate(&rig, &mac, 2, &hmac));
    struct keeper_object_spec kept = thing_aes256;
    kept.flags = KEEPER_NO_RELEASE;
    assert_ok(thing_generate(&rig, &key, 3, &kept));
    assert_ok(thing_pair(&rig, &private, 4, &ec));
    const struct {
        const struct thing *what;
        const struct keeper_object_spec *spec;
        uint32_t mode, format;
        bool mac, first, ttlv;
    } ways[] = {
        {&key, &thing_aes256, MODE_NISTKEYWRAP, 0, false, false, false},
        {&key, &thing_aes256, MODE_AESKEYWRAPPADDING, 0, false, false, true},
        {&key, &thing_aes256, MODE_GCM, 0, true, false, false},
        {&key, &thing_aes256, MODE_NISTKEYWRAP, 0, true, true, true},
        {&private, &ec, MODE_AESKEYWRAPPADDING, 0, false, false, true},
        {&private, &ec, MODE_AESKEYWRAPPADDING, FORMAT_ECPRIVATEKEY, true, false, true},
    };
    for (unsigned i = 0; i < ARRAY_LEN(ways); i++) {
        struct keeper_wrap wrap = {.encrypt = &kek.object,
                                   .encrypt_params.mode = ways[i].mode,
                                   .mac = ways[i].mac ? &mac.object : NULL,
                                   .mac_then_encrypt = ways[i].first,
                                   .format = ways[i].format,
                                   .ttlv = ways[i].ttlv};
        wrap.encrypt_params.random_iv = ways[i].mode == MODE_GCM;
        if (ways[i].ttlv)
            wrap.after = bytes_str("\x42\x00\x08\x01\0\0\0\0");
        if (ways[i].ttlv)
            wrap.after.len = 8;
        struct wrapped wrapped;
        struct thing back;
        assert_ok(wrap_it(&rig, ways[i].what, &wrap, &wrapped));
        assert_int_equal(wrapped.mac.len, ways[i].mac ? 32 : 0);
        assert_int_equal(wrapped.iv_len, ways[i].mode == MODE_GCM ? 12 : 0);
        assert_ok(unwrap_it(&rig, &back, &wrap, &wrapped, ways[i].spec));
        assert_memory_equal(back.made.digest, ways[i].what->made.digest, 32);
        assert_int_equal(wrapped.rest.len, ways[i].ttlv ? 8 : 0);
        thing_done(&back);
        /* a bit of it, or of the MAC */
        wrapped.data.data[9] ^= 1;
        assert_err(unwrap_it(&rig, &back, &wrap, &wrapped, ways[i].spec), ERR_DECRYPT);
        wrapped.data.data[9] ^= 1;
        if (ways[i].mac) {
            wrapped.mac.data[0] ^= 1;
            assert_err(unwrap_it(&rig, &back, &wrap, &wrapped, ways[i].spec), ERR_DECRYPT);
        }
        wrapped_done(&wrapped);
    }
    struct audit_verify_result result;
    rig_chain(&rig, &result);
    struct audit_event event;
    assert_int_equal(rig_records(&rig, AUDIT_OBJECT_WRAP, ERR_OK, &event), ARRAY_LEN(ways));
    assert_true(bytes_equal(event.text, bytes_str("object-4 under object-1")));
    assert_int_equal(rig_records(&rig, AUDIT_OBJECT_UNWRAP, ERR_OK, &event), ARRAY_LEN(ways));
    thing_done(&kek);
    thing_done(&mac);
    thing_done(&key);
    thing_done(&private);
    assert_ok(rig_end(&rig));
}

static void under_a_public_key(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    const struct keeper_object_spec rsa = {CRYPTO_PRIVATE, ALG_RSA, 2048, 0, 0, 0};
    struct thing pair, key, back;
    assert_ok(thing_pair(&rig, &pair, 1, &rsa));
    assert_ok(thing_generate(&rig, &key, 2, &thing_aes256));
    struct keeper_wrap wrap = {.encrypt_spki = buf_view(&pair.spki),
                               .encrypt_params = {.padding = PADDING_OAEP, .hash = HASH_SHA_256}};
    struct wrapped wrapped;
    assert_ok(wrap_it(&rig, &key, &wrap, &wrapped));
    assert_int_equal(wrapped.data.len, 256);
    wrap.encrypt_spki = bytes_of(NULL, 0);
    wrap.encrypt = &pair.object;
    assert_ok(unwrap_it(&rig, &back, &wrap, &wrapped, &thing_aes256));
    assert_memory_equal(back.made.digest, key.made.digest, 32);
    thing_done(&back);
    wrapped_done(&wrapped);
    /* a public key that is none */
    wrap = (struct keeper_wrap){.encrypt_spki = bytes_str("no key")};
    assert_err(wrap_it(&rig, &key, &wrap, &wrapped), ERR_KEY_FORM);
    wrapped_done(&wrapped);
    struct audit_verify_result result;
    rig_chain(&rig, &result);
    struct audit_event event;
    assert_int_equal(rig_records(&rig, AUDIT_OBJECT_WRAP, ERR_OK, &event), 1);
    static const char want[] = "object-2 under spki sha256 ";
    assert_int_equal(event.text.len, sizeof want - 1 + 64);
    assert_memory_equal(event.text.data, want, sizeof want - 1);
    thing_done(&pair);
    thing_done(&key);
    assert_ok(rig_end(&rig));
}

/* A MAC alone: the key goes in clear, so it counts as released. */
static void macs_alone(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    const struct keeper_object_spec hmac = {CRYPTO_SYMMETRIC, ALG_HMAC_SHA256, 256, 0, 0, 0};
    struct thing mac, key, back;
    assert_ok(thing_generate(&rig, &mac, 1, &hmac));
    assert_ok(thing_generate(&rig, &key, 2, &thing_aes256));
    struct keeper_wrap wrap = {.mac = &mac.object};
    struct wrapped wrapped;
    struct buf clear = {0};
    assert_ok(wrap_it(&rig, &key, &wrap, &wrapped));
    assert_ok(thing_release(&rig, &key, &clear));
    assert_true(bytes_equal(buf_view(&clear), buf_view(&wrapped.data)));
    assert_ok(unwrap_it(&rig, &back, &wrap, &wrapped, &thing_aes256));
    thing_done(&back);
    wrapped.data.data[0] ^= 1;
    assert_err(unwrap_it(&rig, &back, &wrap, &wrapped, &thing_aes256), ERR_DECRYPT);
    buf_done(&clear);
    wrapped_done(&wrapped);
    thing_done(&mac);
    thing_done(&key);
    assert_ok(rig_end(&rig));
}

static void the_value_around_a_key(void **state)
{
    (void)state;
    AUTO(secret_freep) struct secret *value = NULL;
    assert_ok(wrap_ttlv_make(bytes_str("material"), bytes_of(NULL, 0), &value));
    /* KMIP 2.1, 9.1: tag, type, length, value */
    static const uint8_t want[] = {0x42, 0x00, 0x45, 0x01, 0,   0,   0,   16,
                                   0x42, 0x00, 0x43, 0x08, 0,   0,   0,   8,
                                   'm',  'a',  't',  'e',  'r', 'i', 'a', 'l'};
    assert_true(bytes_equal(secret_view(value), BYTES(want)));
    struct bytes material, after;
    assert_ok(wrap_ttlv_read(BYTES(want), &material, &after));
    assert_true(bytes_equal(material, bytes_str("material")));
    assert_int_equal(after.len, 0);
    for (size_t len = 0; len < sizeof want; len++)
        assert_err(wrap_ttlv_read(bytes_of(want, len), &material, &after), ERR_DECRYPT);
    for (size_t i = 0; i < 16; i++) {
        uint8_t bad[sizeof want];
        memcpy(bad, want, sizeof want);
        bad[i] ^= 0x80;
        assert_err(wrap_ttlv_read(BYTES(bad), &material, &after), ERR_DECRYPT);
    }
    static const uint8_t transparent[] = {
        0x42, 0x00, 0x45, 0x01, 0, 0, 0, 24, 0x42, 0x00, 0x43, 0x01, 0, 0, 0, 16,
        0x42, 0x00, 0x3f, 0x08, 0, 0, 0, 3,  1,    2,    3,    0,    0, 0, 0, 0};
    assert_ok(wrap_ttlv_read(BYTES(transparent), &material, &after));
    assert_true(bytes_equal(material, bytes_of("\1\2\3", 3)));
}

TEST_MAIN(cmocka_unit_test(there_and_back), cmocka_unit_test(under_a_public_key),
          cmocka_unit_test(macs_alone), cmocka_unit_test(the_value_around_a_key))
