/* Clients' keys in a token, beside the same keys in software: managed NAME [CASE]. */

#include <stdio.h>
#include <string.h>

#include "crypto/hash.h"
#include "crypto/keyform.h"
#include "crypto/keygen.h"
#include "crypto/random.h"
#include "hsm/managed.h"
#include "support/test.h"
#include "support/token.h"

static struct test_token token;
static const char *token_name;
static struct hsm *hsm;
static const struct hsm_kek drawn_kek;

static bool is(const char *name)
{
    return strcmp(token_name, name) == 0;
}

static int setup(void **state)
{
    (void)state;
    struct hsm_config config = token.config;
    config.brief = true;
    config.sessions_max = 6;
    assert_ok(hsm_open(&config, test_token_pin(&token), &hsm, NULL));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hsm_closep(&hsm);
    return 0;
}

static struct hsm_managed secret_key(uint32_t alg, uint32_t bits)
{
    struct hsm_managed object = {
        .class = CRYPTO_SYMMETRIC, .alg = alg, .bits = bits, .extractable = true};
    assert_ok(random_bytes(object.id, sizeof object.id));
    return object;
}

static void gone(const struct hsm_managed *object)
{
    AUTO(secret_freep) struct secret *material = NULL;
    assert_ok(hsm_managed_destroy(hsm, object, NULL));
    assert_err(hsm_managed_release(hsm, &drawn_kek, object, &material, NULL), ERR_NOT_FOUND);
    assert_ok(hsm_managed_destroy(hsm, object, NULL));
}

/* What goes in comes out again, and the digest is that of the material. */
static void a_stored_key_comes_out_again(void **state)
{
    (void)state;
    static const struct {
        uint32_t alg, bits;
    } kinds[] = {{ALG_AES, 128}, {ALG_AES, 256}, {ALG_HMAC_SHA256, 256}, {0, 192}};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct hsm_managed object = secret_key(kinds[i].alg, kinds[i].bits);
        uint8_t key[32], digest[32], wanted[32];
        struct err_detail detail = {0};
        struct bytes material = bytes_of(key, kinds[i].bits / 8);
        assert_ok(random_bytes(key, sizeof key));
        assert_ok(hsm_managed_store(hsm, &object, material, &detail));
        AUTO(secret_freep) struct secret *got = NULL;
        enum err err = hsm_managed_release(hsm, &drawn_kek, &object, &got, &detail);
        if (err != ERR_OK)
            fail_msg("%s", detail.text);
        assert_true(secret_equal(secret_view(got), material));
        err = hsm_managed_digest(hsm, &object, digest, &detail);
        if (err == ERR_OK) {
            assert_ok(hash_sha256(&material, 1, wanted));
            assert_memory_equal(digest, wanted, sizeof wanted);
        } else {
            assert_err(err, ERR_TOKEN_UNABLE);
            assert_false(is("softhsm"));
        }
        gone(&object);
    }
}

static void a_made_key_comes_out_as_long_as_it_is(void **state)
{
    (void)state;
    struct hsm_managed object = secret_key(ALG_AES, 256);
    AUTO(secret_freep) struct secret *got = NULL;
    AUTO(secret_freep) struct secret *again = NULL;
    assert_ok(hsm_managed_generate(hsm, &object, NULL, NULL));
    assert_ok(hsm_managed_generate(hsm, &object, NULL, NULL)); /* a rerun makes no second one */
    assert_ok(hsm_managed_release(hsm, &drawn_kek, &object, &got, NULL));
    assert_ok(hsm_managed_release(hsm, &drawn_kek, &object, &again, NULL));
    assert_int_equal(secret_len(got), 32);
    assert_true(secret_equal(secret_view(got), secret_view(again)));
    gone(&object);
}

static void a_key_that_must_stay_stays(void **state)
{
    (void)state;
    struct hsm_managed object = secret_key(ALG_AES, 256);
    object.extractable = false;
    AUTO(secret_freep) struct secret *got = NULL;
    assert_ok(hsm_managed_generate(hsm, &object, NULL, NULL));
    assert_err(hsm_managed_release(hsm, &drawn_kek, &object, &got, NULL), ERR_DENIED);
    /* The token's word, not only ours; softokn wraps whatever it is asked to. */
    object.extractable = true;
    enum err err = hsm_managed_release(hsm, &drawn_kek, &object, &got, NULL);
    assert_true(err == ERR_TOKEN || err == ERR_TOKEN_UNABLE || (err == ERR_OK && is("nss")));
    assert_ok(hsm_managed_destroy(hsm, &object, NULL));
}

static void the_operators_kek_opens_what_the_token_wraps(void **state)
{
    (void)state;
    struct hsm_managed object = secret_key(ALG_AES, 256);
    uint8_t kek_bytes[32], other[32] = {1};
    AUTO(secret_freep) struct secret *got = NULL;
    assert_ok(random_bytes(kek_bytes, sizeof kek_bytes));
    struct hsm_kek kek = {.key = BYTES(kek_bytes), .label = "no such label"};
    assert_ok(hsm_managed_generate(hsm, &object, NULL, NULL));
    assert_err(hsm_managed_release(hsm, &kek, &object, &got, NULL), ERR_NOT_FOUND);
    assert_err(hsm_kek_check(hsm, &kek, NULL), ERR_NOT_FOUND);
    if (!is("nss")) { /* put there by the operator's own tool; here by p11tool's way */
        struct hsm_managed carrier = secret_key(ALG_AES, 256);
        assert_ok(hsm_managed_store(hsm, &carrier, kek.key, NULL));
        kek.label = HSM_MANAGED_LABEL;
        enum err err = hsm_managed_release(hsm, &kek, &object, &got, NULL);
        assert_true(err == ERR_CONFLICT); /* two objects have it */
        assert_err(hsm_kek_check(hsm, &kek, NULL), ERR_CONFLICT);
        assert_ok(hsm_managed_destroy(hsm, &carrier, NULL));
    }
    kek.key = BYTES(other);
    assert_null(got);
    assert_ok(hsm_managed_destroy(hsm, &object, NULL));
}

struct cipher_case {
    const char *name;
    uint32_t alg, bits, mode, padding;
    size_t iv, len;
    bool on_all;
};

static void ciphers_agree_with_software(void **state)
{
    (void)state;
    static const struct cipher_case cases[] = {
        {"aes-256-cbc", ALG_AES, 256, MODE_CBC, PADDING_NONE, 16, 64, true},
        {"aes-128-cbc-pkcs5", ALG_AES, 128, MODE_CBC, PADDING_PKCS5, 16, 33, true},
        {"aes-256-ecb", ALG_AES, 256, MODE_ECB, PADDING_NONE, 0, 32, true},
        {"aes-256-ecb-pkcs5", ALG_AES, 256, MODE_ECB, PADDING_PKCS5, 0, 32, true},
        {"aes-256-gcm", ALG_AES, 256, MODE_GCM, 0, 12, 100, false},
        {"aes-256-ctr", ALG_AES, 256, MODE_CTR, 0, 16, 100, false},
    };
    uint8_t key[32], iv[16], text[128];
    assert_ok(random_bytes(key, sizeof key));
    assert_ok(random_bytes(iv, sizeof iv));
    assert_ok(random_bytes(text, sizeof text));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct cipher_case *c = &cases[i];
        struct hsm_managed object = secret_key(c->alg, c->bits);
        struct crypto_key own = {CRYPTO_SYMMETRIC, c->alg, bytes_of(key, c->bits / 8)};
        struct err_detail detail = {0};
        AUTO(buf_done) struct buf here = {0};
        AUTO(buf_done) struct buf there = {0};
        AUTO(buf_done) struct buf back = {0};
        struct crypto_output a = {.data = &here}, b = {.data = &there}, d = {.data = &back};
        struct crypto_input input = {.op = CRYPTO_ENCRYPT,
                                     .params = {.mode = c->mode, .padding = c->padding},
                                     .data = bytes_of(text, c->len),
                                     .iv = bytes_of(iv, c->iv)};
        assert_ok(hsm_managed_store(hsm, &object, own.material, &detail));
        assert_ok(crypto_use(&own, &input, &a, &detail));
        enum err err = hsm_managed_use(hsm, &object, &input, &b, &detail);
        print_message("  %-18s %s\n", c->name, err == ERR_OK ? "yes" : detail.text);
        if (err == ERR_OK) {
            assert_true(bytes_equal(buf_view(&here), buf_view(&there)));
            assert_int_equal(a.tag_len, b.tag_len);
            assert_memory_equal(a.tag, b.tag, a.tag_len);
            input.op = CRYPTO_DECRYPT;
            input.data = buf_view(&there);
            input.tag = bytes_of(b.tag, b.tag_len);
            assert_ok(hsm_managed_use(hsm, &object, &input, &d, &detail));
            assert_true(bytes_equal(buf_view(&back), bytes_of(text, c->len)));
            if (b.tag_len != 0) {
                b.tag[0] ^= 1;
                assert_err(hsm_managed_use(hsm, &object, &input, &d, &detail), ERR_DECRYPT);
            }
        } else {
            assert_err(err, ERR_TOKEN_UNABLE);
            assert_false(c->on_all || is("softhsm"));
        }
        assert_ok(hsm_managed_destroy(hsm, &object, NULL));
    }
}

static void macs_agree_with_software(void **state)
{
    (void)state;
    uint8_t key[64];
    assert_ok(random_bytes(key, sizeof key));
    static const uint32_t algs[] = {ALG_HMAC_SHA256, ALG_HMAC_SHA512, ALG_AES};
    for (size_t i = 0; i < ARRAY_LEN(algs); i++) {
        uint32_t bits = algs[i] == ALG_HMAC_SHA512 ? 512 : 256; /* softhsm: as long as the hash */
        struct hsm_managed object = secret_key(algs[i], bits);
        struct crypto_key own = {CRYPTO_SYMMETRIC, algs[i], bytes_of(key, bits / 8)};
        AUTO(buf_done) struct buf here = {0};
        AUTO(buf_done) struct buf there = {0};
        struct crypto_output a = {.data = &here}, b = {.data = &there};
        struct err_detail detail = {0};
        struct crypto_input input = {.op = CRYPTO_MAC, .data = bytes_str("what is to be kept")};
        if (algs[i] == ALG_AES)
            input.params.mode = MODE_CMAC;
        assert_ok(hsm_managed_store(hsm, &object, own.material, &detail));
        assert_ok(crypto_use(&own, &input, &a, &detail));
        enum err err = hsm_managed_use(hsm, &object, &input, &b, &detail);
        if (err == ERR_OK) {
            assert_true(bytes_equal(buf_view(&here), buf_view(&there)));
            input.op = CRYPTO_MAC_VERIFY;
            input.tag = buf_view(&here);
            assert_ok(hsm_managed_use(hsm, &object, &input, &b, &detail));
            assert_true(b.valid);
            here.data[0] ^= 1;
            assert_ok(hsm_managed_use(hsm, &object, &input, &b, &detail));
            assert_false(b.valid);
        } else {
            assert_err(err, ERR_TOKEN_UNABLE);
            print_message("  algorithm %u: %s\n", algs[i], detail.text);
            assert_false(is("softhsm"));
        }
        assert_ok(hsm_managed_destroy(hsm, &object, NULL));
    }
}

static void check_signature(const struct hsm_managed *object, struct bytes spki,
                            const struct crypto_params *params)
{
    AUTO(buf_done) struct buf signature = {0};
    struct crypto_output out = {.data = &signature}, verdict = {.data = NULL};
    struct err_detail detail = {0};
    struct crypto_input input = {
        .op = CRYPTO_SIGN, .params = *params, .data = bytes_str("what is to be signed")};
    enum err err = hsm_managed_use(hsm, object, &input, &out, &detail);
    if (err == ERR_TOKEN_UNABLE && !is("softhsm"))
        return;
    if (err != ERR_OK)
        fail_msg("%s", detail.text);
    struct crypto_key public = {CRYPTO_PUBLIC, object->alg, spki};
    input.op = CRYPTO_VERIFY;
    input.tag = buf_view(&signature);
    assert_ok(crypto_use(&public, &input, &verdict, &detail));
    assert_true(verdict.valid);
}

/* Pairs made in the token: what it signs, software verifies; what software encrypts, it decrypts.
 */
static void pairs_work(void **state)
{
    (void)state;
    static const struct {
        uint32_t alg, bits, curve;
    } pairs[] = {{ALG_RSA, 2048, 0}, {ALG_EC, 256, CURVE_P_256}, {ALG_EC, 384, CURVE_P_384}};
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        struct hsm_managed object = secret_key(pairs[i].alg, pairs[i].bits);
        object.class = CRYPTO_PRIVATE;
        object.curve = pairs[i].curve;
        struct err_detail detail = {0};
        AUTO(buf_done) struct buf spki = {0};
        enum err err = hsm_managed_generate(hsm, &object, &spki, &detail);
        if (err == ERR_TOKEN_UNABLE && is("opencryptoki") && pairs[i].alg == ALG_EC)
            continue;
        if (err != ERR_OK)
            fail_msg("%s", detail.text);
        struct keyform_info info;
        assert_ok(keyform_public_info(buf_view(&spki), &info, &detail));
        assert_int_equal(info.bits, pairs[i].bits);
        check_signature(&object, buf_view(&spki), &(struct crypto_params){0});
        if (pairs[i].alg == ALG_RSA) {
            check_signature(&object, buf_view(&spki),
                            &(struct crypto_params){
                                .signature = SIG_RSASSA_PSS, .hash = HASH_SHA_256, .salt_len = -1});
            AUTO(buf_done) struct buf sealed = {0};
            AUTO(buf_done) struct buf plain = {0};
            struct crypto_output out = {.data = &sealed}, back = {.data = &plain};
            struct crypto_key public = {CRYPTO_PUBLIC, ALG_RSA, buf_view(&spki)};
            struct crypto_input input = {.op = CRYPTO_ENCRYPT,
                                         .params = {.padding = PADDING_OAEP},
                                         .data = bytes_str("claviger")};
            assert_ok(crypto_use(&public, &input, &out, &detail));
            input.op = CRYPTO_DECRYPT;
            input.data = buf_view(&sealed);
            assert_ok(hsm_managed_use(hsm, &object, &input, &back, &detail));
            assert_true(bytes_equal(buf_view(&plain), bytes_str("claviger")));
        }
        assert_ok(hsm_managed_destroy(hsm, &object, NULL));
        assert_err(
            hsm_managed_use(hsm, &object,
                            &(struct crypto_input){.op = CRYPTO_SIGN, .data = bytes_str("x")},
                            &(struct crypto_output){.data = &spki}, NULL),
            ERR_NOT_FOUND);
    }
}

static void a_stored_private_key_signs_and_comes_out(void **state)
{
    (void)state;
    AUTO(secret_freep) struct secret *pkcs8 = NULL;
    AUTO(secret_freep) struct secret *back = NULL;
    AUTO(buf_done) struct buf spki = {0};
    struct err_detail detail = {0};
    struct hsm_managed object = secret_key(ALG_RSA, 2048);
    object.class = CRYPTO_PRIVATE;
    struct keygen_pair pair = {.alg = ALG_RSA, .bits = 2048};
    assert_ok(keygen_pair(&pair, &pkcs8, &spki, &detail));
    enum err err = hsm_managed_store(hsm, &object, secret_view(pkcs8), &detail);
    if (err != ERR_OK)
        fail_msg("%s", detail.text);
    check_signature(&object, buf_view(&spki), &(struct crypto_params){0});
    err = hsm_managed_release(hsm, &drawn_kek, &object, &back, &detail);
    if (err == ERR_OK)
        assert_ok(keyform_match(secret_view(back), buf_view(&spki), &detail));
    else
        print_message("  private key: %s\n", detail.text);
    assert_true(err == ERR_OK || !is("softhsm"));
    assert_ok(hsm_managed_destroy(hsm, &object, NULL));
}

static void what_the_token_cannot_do_is_said(void **state)
{
    (void)state;
    struct hsm_managed object = secret_key(ALG_AES, 256);
    struct err_detail detail = {0};
    AUTO(buf_done) struct buf out = {0};
    struct crypto_output output = {.data = &out};
    assert_ok(hsm_managed_generate(hsm, &object, NULL, &detail));
    struct crypto_input input = {
        .op = CRYPTO_ENCRYPT, .params.mode = MODE_XTS, .data = bytes_str("0123456789abcdef")};
    assert_err(hsm_managed_use(hsm, &object, &input, &output, &detail), ERR_TOKEN_UNABLE);
    assert_true(strlen(detail.text) > 0);
    input.params.mode = MODE_CBC;
    assert_err(hsm_managed_use(hsm, &object, &input, &output, &detail), ERR_ARGUMENT);
    input.op = CRYPTO_SIGN;
    assert_err(hsm_managed_use(hsm, &object, &input, &output, &detail), ERR_ARGUMENT);
    assert_int_equal(out.len, 0);
    gone(&object);
    struct hsm_managed dsa = secret_key(ALG_DSA, 2048);
    dsa.class = CRYPTO_PRIVATE;
    assert_err(hsm_managed_generate(hsm, &dsa, &out, &detail), ERR_TOKEN_UNABLE);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stored_key_comes_out_again),
        cmocka_unit_test(a_made_key_comes_out_as_long_as_it_is),
        cmocka_unit_test(a_key_that_must_stay_stays),
        cmocka_unit_test(the_operators_kek_opens_what_the_token_wraps),
        cmocka_unit_test(ciphers_agree_with_software),
        cmocka_unit_test(macs_agree_with_software),
        cmocka_unit_test(pairs_work),
        cmocka_unit_test(a_stored_private_key_signs_and_comes_out),
        cmocka_unit_test(what_the_token_cannot_do_is_said),
    };
    token_name = test_token_begin(argc, argv, &token);
    int failed = cmocka_run_group_tests(tests, setup, teardown);
    test_token_down(&token);
    hsm_leave(failed == 0 ? 0 : 1);
}
