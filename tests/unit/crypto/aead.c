#include "crypto/aead.h"

#include "tools.h"

static const struct vector {
    const char *key, *nonce, *aad, *plain, *sealed, *tag;
} vectors[] = {
    /* The GCM specification (McGrew, Viega), test cases 13, 14 and 16. */
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
     "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
     "", "00000000000000000000000000000000", "cea7403d4d606b6e074ec5d3baf39d18",
     "d0d1c8a799996bf0265b98b5d48ab919"},
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b"
     "5"
     "25b16aedf5aa0de657ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828"
     "8"
     "38c5f61e6393ba7a0abcc9f662",
     "76fc6ece0f4e1768cddf8853bb2d551b"},
};

static void seal_and_open(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        const struct vector *v = &vectors[i];
        struct aead *aead = NULL;
        uint8_t out[64];
        uint8_t tag[AEAD_TAG_SIZE];
        assert_ok(aead_new(unhex(v->key), &aead));
        struct bytes nonce = unhex(v->nonce);
        struct bytes aad = unhex(v->aad);
        struct bytes plain = unhex(v->plain);
        for (int again = 0; again < 2; again++) {
            assert_ok(aead_seal(aead, nonce.data, aad, plain, out, tag));
            assert_hex(out, v->sealed);
            assert_hex(tag, v->tag);
            assert_ok(aead_open(aead, nonce.data, aad, bytes_of(out, plain.len), tag, out));
            assert_memory_equal(out, plain.data, plain.len);
        }
        aead_free(aead);
    }
}

static void every_flipped_bit_is_refused(void **state)
{
    (void)state;
    uint8_t key[32] = {1};
    uint8_t nonce[12] = {2};
    uint8_t aad[9] = {3};
    uint8_t sealed[16] = {4};
    uint8_t tag[16];
    uint8_t out[16];
    static const uint8_t zero[16];
    struct aead *aead = NULL;
    assert_err(aead_new(bytes_of(key, 31), &aead), ERR_ARGUMENT);
    assert_ok(aead_new(BYTES(key), &aead));
    assert_ok(aead_seal(aead, nonce, BYTES(aad), BYTES(sealed), sealed, tag));
    const struct {
        uint8_t *at;
        size_t len;
    } fields[] = {
        {nonce, sizeof nonce}, {aad, sizeof aad}, {sealed, sizeof sealed}, {tag, sizeof tag}};
    for (size_t f = 0; f < ARRAY_LEN(fields); f++)
        for (size_t bit = 0; bit < fields[f].len * 8; bit++) {
            fields[f].at[bit / 8] ^= (uint8_t)(1 << bit % 8);
            memset(out, 0xee, sizeof out);
            assert_err(aead_open(aead, nonce, BYTES(aad), BYTES(sealed), tag, out), ERR_SEAL);
            assert_memory_equal(out, zero, sizeof out);
            fields[f].at[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    assert_ok(aead_open(aead, nonce, BYTES(aad), BYTES(sealed), tag, out));
    aead_free(aead);
}

static void stream_equals_one_call(void **state)
{
    (void)state;
    const struct vector *v = &vectors[2];
    struct bytes key = unhex(v->key);
    struct bytes nonce = unhex(v->nonce);
    struct bytes aad = unhex(v->aad);
    struct bytes plain = unhex(v->plain);
    for (size_t step = 1; step <= plain.len; step++) {
        struct aead_stream *s = NULL;
        uint8_t out[64];
        uint8_t tag[16];
        assert_ok(aead_stream_encrypt(key, nonce.data, aad, &s));
        for (size_t at = 0; at < plain.len; at += step) {
            size_t now = plain.len - at < step ? plain.len - at : step;
            assert_ok(aead_stream_update(s, bytes_of(plain.data + at, now), out + at));
        }
        assert_ok(aead_stream_tag(s, tag));
        aead_stream_free(s);
        assert_hex(out, v->sealed);
        assert_hex(tag, v->tag);
        for (size_t tag_len = 0; tag_len <= sizeof tag; tag_len++) {
            uint8_t back[64];
            assert_ok(aead_stream_decrypt(key, nonce.data, aad, &s));
            assert_ok(aead_stream_update(s, bytes_of(out, plain.len), back));
            assert_err(aead_stream_verify(s, bytes_of(tag, tag_len)),
                       tag_len >= AEAD_TAG_MIN ? ERR_OK : ERR_DECRYPT);
            assert_memory_equal(back, plain.data, plain.len);
            aead_stream_free(s);
        }
        tag[0] ^= 1;
        uint8_t back[64];
        assert_ok(aead_stream_decrypt(key, nonce.data, aad, &s));
        assert_ok(aead_stream_update(s, bytes_of(out, plain.len), back));
        assert_err(aead_stream_verify(s, BYTES(tag)), ERR_DECRYPT);
        aead_stream_free(s);
    }
}

TEST_MAIN(cmocka_unit_test(seal_and_open), cmocka_unit_test(every_flipped_bit_is_refused),
          cmocka_unit_test(stream_equals_one_call))
