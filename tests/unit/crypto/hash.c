#include "crypto/hash.h"

#include "crypto/crypto.h"
#include "crypto/random.h"
#include "tools.h"

static void sha256_vectors(void **state)
{
    (void)state;
    /* FIPS 180-4 examples. */
    uint8_t digest[HASH_SHA256_SIZE];
    const struct bytes parts[] = {bytes_str("a"), bytes_str(""), bytes_str("bc")};
    assert_ok(hash_sha256(parts, 3, digest));
    assert_hex(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_ok(hash_sha256(NULL, 0, digest));
    assert_hex(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_ok(hash_sha1(parts, 3, digest));
    assert_hex(digest, "a9993e364706816aba3e25717850c26c9cd0d89d");
}

static void context_is_reusable(void **state)
{
    (void)state;
    struct hash *hash = NULL;
    uint8_t digest[HASH_SHA256_SIZE];
    const struct bytes parts[] = {bytes_str("ab"), bytes_str("c")};
    assert_ok(hash_new(&hash));
    for (int i = 0; i < 3; i++) {
        assert_ok(hash_begin(hash));
        assert_ok(hash_update(hash, bytes_str("what is dropped")));
        assert_ok(hash_parts(hash, parts, 2, digest));
        assert_hex(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
    hash_free(hash);
}

static void random_differs(void **state)
{
    (void)state;
    assert_ok(crypto_start(NULL));
    uint8_t a[32];
    uint8_t b[32];
    assert_ok(random_bytes(a, sizeof a));
    assert_ok(random_bytes(b, sizeof b));
    assert_memory_not_equal(a, b, sizeof a);
    struct secret *secret = NULL;
    assert_ok(random_secret(32, &secret));
    assert_int_equal(secret_len(secret), 32);
    assert_memory_not_equal(secret_data(secret), a, sizeof a);
    secret_free(secret);
    assert_err(random_secret(SECRET_MAX + 1, &secret), ERR_LIMIT);
}

static void an_hmac_is_that_of_the_rfc(void **state)
{
    (void)state;
    /* RFC 4231, test case 2 */
    uint8_t mac[HASH_SHA256_SIZE];
    const struct bytes parts[] = {bytes_str("what do ya want "), bytes_str("for nothing?")};
    assert_ok(hash_hmac_sha256(bytes_str("Jefe"), parts, ARRAY_LEN(parts), mac));
    assert_hex(mac, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    assert_err(hash_hmac_sha256(bytes_of(NULL, 0), parts, ARRAY_LEN(parts), mac), ERR_KEY_FORM);
}

TEST_MAIN(cmocka_unit_test(sha256_vectors), cmocka_unit_test(an_hmac_is_that_of_the_rfc),
          cmocka_unit_test(context_is_reusable), cmocka_unit_test(random_differs))
