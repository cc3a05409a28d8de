#include "crypto/hash_alg.h"
#include "crypto/keyform.h"
#include "crypto/keygen.h"
#include "crypto/use.h"

#include "tools.h"

struct pair {
    struct secret *private;
    struct buf public;
    uint32_t alg;
};

static struct pair rsa, p256, p521, ed25519, ed448, dsa;

static int make_pairs(void **state)
{
    (void)state;
    struct pair *all[] = {&rsa, &p256, &p521, &ed25519, &ed448, &dsa};
    static const struct keygen_pair kinds[] = {
        {.alg = ALG_RSA, .bits = 2048},
        {.alg = ALG_EC, .bits = 256},
        {.alg = ALG_ECDSA, .bits = 521},
        {.alg = ALG_ED25519},
        {.alg = ALG_ED448},
        {.alg = ALG_DSA, .bits = 1024},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        all[i]->alg = kinds[i].alg;
        assert_ok(keygen_pair(&kinds[i], &all[i]->private, &all[i]->public, NULL));
    }
    return 0;
}

static int drop_pairs(void **state)
{
    (void)state;
    struct pair *all[] = {&rsa, &p256, &p521, &ed25519, &ed448, &dsa};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        secret_free(all[i]->private);
        buf_done(&all[i]->public);
    }
    return 0;
}

static struct crypto_key private_of(const struct pair *pair)
{
    return (struct crypto_key){CRYPTO_PRIVATE, pair->alg, secret_view(pair->private)};
}

static struct crypto_key public_of(const struct pair *pair)
{
    return (struct crypto_key){CRYPTO_PUBLIC, pair->alg, buf_view(&pair->public)};
}

static bool holds(const struct pair *pair, struct crypto_input input, struct bytes signature)
{
    struct crypto_key key = public_of(pair);
    struct crypto_output output = {0};
    input.op = CRYPTO_VERIFY;
    input.tag = signature;
    assert_ok(crypto_use(&key, &input, &output, NULL));
    return output.valid;
}

static bool piecewise(const struct crypto_key *key, struct crypto_input input,
                      struct crypto_output *output)
{
    AUTO(crypto_stream_freep) struct crypto_stream *stream = NULL;
    struct bytes data = input.data;
    struct bytes tag = input.tag;
    input.data = input.tag = (struct bytes){0};
    assert_ok(crypto_stream_begin(key, &input, output, &stream, NULL));
    for (size_t i = 0; i < data.len; i++)
        assert_ok(crypto_stream_update(stream, bytes_of(data.data + i, 1), output->data, NULL));
    assert_ok(crypto_stream_end(stream, tag, output, NULL));
    return output->valid;
}

static const struct scheme {
    const struct pair *pair;
    struct crypto_params params;
    uint32_t hash; /* that of the digest */
} schemes[] = {
    {&rsa, {.salt_len = -1}, HASH_SHA_256},
    {&rsa, {.padding = PADDING_PKCS1_V1_5, .hash = HASH_SHA_1, .salt_len = -1}, HASH_SHA_1},
    {&rsa, {.hash = HASH_SHA3_512}, HASH_SHA3_512},
    {&rsa, {.hash = HASH_RIPEMD_160}, HASH_RIPEMD_160},
    {&rsa, {.signature = SIG_SHA_384_WITH_RSA_ENCRYPTION}, HASH_SHA_384},
    {&rsa, {.signature = SIG_MD5_WITH_RSA_ENCRYPTION}, HASH_MD5},
    {&rsa, {.padding = PADDING_PSS, .salt_len = -1}, HASH_SHA_256},
    {&rsa, {.padding = PADDING_PSS, .hash = HASH_SHA_256, .salt_len = 222}, HASH_SHA_256},
    {&rsa, {.padding = PADDING_PSS, .hash = HASH_SHA_512, .salt_len = 0}, HASH_SHA_512},
    {&rsa,
     {.signature = SIG_RSASSA_PSS, .hash = HASH_SHA_384, .mask_hash = HASH_SHA_1, .salt_len = 20},
     HASH_SHA_384},
    {&p256, {0}, HASH_SHA_256},
    {&p256, {.signature = SIG_ECDSA_WITH_SHA_1}, HASH_SHA_1},
    {&p256, {.hash = HASH_SHA_512}, HASH_SHA_512},
    {&p521, {0}, HASH_SHA_512},
    {&p521, {.signature = SIG_ECDSA_WITH_SHA384}, HASH_SHA_384},
    {&dsa, {0}, HASH_SHA_256},
    {&dsa, {.signature = SIG_DSA_WITH_SHA_1}, HASH_SHA_1},
    {&ed25519, {0}, 0},
    {&ed448, {0}, 0},
};

static void every_scheme(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        const struct scheme *s = &schemes[i];
        if (s->hash != 0 && hash_alg_size(s->hash) == 0)
            continue;
        struct crypto_key key = private_of(s->pair);
        AUTO(buf_done) struct buf signature = {0};
        struct crypto_output output = {.data = &signature};
        struct crypto_input input = {
            .op = CRYPTO_SIGN, .params = s->params, .data = bytes_str("a message")};
        assert_ok(crypto_can(&key, CRYPTO_SIGN, &input.params, NULL));
        assert_ok(crypto_use(&key, &input, &output, NULL));
        assert_true(holds(s->pair, input, buf_view(&signature)));
        struct crypto_input other = input;
        other.data = bytes_str("another");
        assert_false(holds(s->pair, other, buf_view(&signature)));
        assert_false(holds(s->pair, input, bytes_of(signature.data, signature.len - 1)));
        assert_false(holds(s->pair, input, bytes_of(signature.data, 0)));
        signature.data[signature.len / 2] ^= 4;
        assert_false(holds(s->pair, input, buf_view(&signature)));
        if (s->hash == 0) {
            struct crypto_stream *none = NULL;
            assert_err(crypto_stream_begin(&key, &input, &output, &none, NULL), ERR_UNSUPPORTED);
            input.digested = true;
            assert_err(crypto_use(&key, &input, &output, NULL), ERR_UNSUPPORTED);
            continue;
        }
        signature.len = 0;
        (void)piecewise(&key, input, &output);
        assert_true(holds(s->pair, input, buf_view(&signature)));
        struct crypto_key public = public_of(s->pair);
        other = input;
        other.op = CRYPTO_VERIFY;
        other.tag = buf_view(&signature);
        struct crypto_output verdict = {0};
        assert_true(piecewise(&public, other, &verdict));
        /* Of a digest that was made elsewhere. */
        uint8_t digest[HASH_ALG_MAX];
        size_t len = 0;
        assert_ok(hash_alg(s->hash, &input.data, 1, digest, &len));
        other = input;
        other.digested = true;
        other.data = bytes_of(digest, len);
        assert_true(holds(s->pair, other, buf_view(&signature)));
        signature.len = 0;
        assert_ok(crypto_use(&key, &other, &output, NULL));
        assert_true(holds(s->pair, input, buf_view(&signature)));
        other.data.len--;
        if (s->params.hash != 0 || s->pair == &rsa)
            assert_err(crypto_use(&key, &other, &output, NULL), ERR_ARGUMENT);
    }
}

static void salts(void **state)
{
    (void)state;
    struct crypto_key key = private_of(&rsa);
    AUTO(buf_done) struct buf signature = {0};
    struct crypto_output output = {.data = &signature};
    struct crypto_input input = {.op = CRYPTO_SIGN,
                                 .params = {.padding = PADDING_PSS, .salt_len = 222},
                                 .data = bytes_str("a message")};
    assert_ok(crypto_use(&key, &input, &output, NULL));
    input.params.salt_len = -1; /* found in the signature */
    assert_true(holds(&rsa, input, buf_view(&signature)));
    input.params.salt_len = 20;
    assert_false(holds(&rsa, input, buf_view(&signature)));
    input.params.salt_len = 223; /* longer than fits */
    assert_err(crypto_use(&key, &input, &output, NULL), ERR_ARGUMENT);
    input.params.salt_len = -2;
    assert_err(crypto_use(&key, &input, &output, NULL), ERR_ARGUMENT);
    input.params = (struct crypto_params){
        .padding = PADDING_PSS, .hash = HASH_SHA_1, .mask_hash = HASH_SHA_256, .salt_len = 20};
    assert_false(holds(&rsa, input, buf_view(&signature)));
}

/* RFC 8032, 7.1, test 2. */
static void known_answer(void **state)
{
    (void)state;
    AUTO(secret_freep) struct secret *private = NULL;
    struct keyform_info info;
    assert_ok(keyform_private_in(
        FORMAT_RAW, ALG_ED25519, 0,
        unhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"), &private, &info,
        NULL));
    struct crypto_key key = {CRYPTO_PRIVATE, ALG_ED25519, secret_view(private)};
    AUTO(buf_done) struct buf signature = {0};
    struct crypto_output output = {.data = &signature};
    struct crypto_input input = {.op = CRYPTO_SIGN, .data = unhex("72")};
    assert_ok(crypto_use(&key, &input, &output, NULL));
    assert_hex(signature.data, "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                               "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
}

static void refusals(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf to = {0};
    struct crypto_output output = {.data = &to};
    struct crypto_input input = {.op = CRYPTO_SIGN, .data = bytes_str("a message")};
    struct crypto_key public = public_of(&rsa);
    assert_err(crypto_use(&public, &input, &output, NULL), ERR_ARGUMENT);
    struct crypto_key key = private_of(&rsa);
    static const struct {
        struct crypto_params params;
        enum err err;
    } wrong[] = {
        {{.padding = PADDING_OAEP}, ERR_UNSUPPORTED},
        {{.padding = PADDING_X9_31}, ERR_UNSUPPORTED},
        {{.hash = HASH_WHIRLPOOL}, ERR_UNSUPPORTED},
        {{.padding = PADDING_PSS, .mask_hash = HASH_TIGER}, ERR_UNSUPPORTED},
        {{.signature = SIG_MD2_WITH_RSA_ENCRYPTION}, ERR_UNSUPPORTED},
        {{.signature = 0x99}, ERR_UNSUPPORTED},
        {{.signature = SIG_ECDSA_WITH_SHA256}, ERR_ARGUMENT},
        {{.signature = SIG_DSA_WITH_SHA256}, ERR_ARGUMENT},
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        input.params = wrong[i].params;
        assert_err(crypto_use(&key, &input, &output, NULL), wrong[i].err);
    }
    input.params = (struct crypto_params){0};
    /* The bytes of one kind of key under the name of another. */
    key.alg = ALG_EC;
    assert_err(crypto_use(&key, &input, &output, NULL), ERR_KEY_FORM);
    key = private_of(&ed25519);
    key.alg = ALG_ED448;
    assert_err(crypto_use(&key, &input, &output, NULL), ERR_KEY_FORM);
    key.alg = ALG_ECDH;
    assert_err(crypto_use(&key, &input, &output, NULL), ERR_UNSUPPORTED);
    key = private_of(&rsa);
    key.material.len--;
    assert_err(crypto_use(&key, &input, &output, NULL), ERR_KEY_FORM);
    key.material = bytes_str("no key");
    assert_err(crypto_use(&key, &input, &output, NULL), ERR_KEY_FORM);
    key.class = CRYPTO_SYMMETRIC;
    assert_err(crypto_use(&key, &input, &output, NULL), ERR_ARGUMENT);
    assert_int_equal(to.len, 0);
}

static void openssl_verifies(void **state)
{
    (void)state;
    if (!have("openssl"))
        skip();
    char *dir = test_tempdir();
    static const struct {
        const struct pair *pair;
        struct crypto_params params;
        const char *options;
    } peers[] = {
        {&rsa, {.hash = HASH_SHA_384}, "-sha384"},
        {&rsa,
         {.padding = PADDING_PSS, .salt_len = -1},
         "-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32"},
        {&p521, {.hash = HASH_SHA_256}, "-sha256"},
        {&dsa, {0}, "-sha256"},
    };
    put_file(dir, "message", bytes_str("a message"));
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        struct crypto_key key = private_of(peers[i].pair);
        AUTO(buf_done) struct buf signature = {0};
        struct crypto_output output = {.data = &signature};
        struct crypto_input input = {
            .op = CRYPTO_SIGN, .params = peers[i].params, .data = bytes_str("a message")};
        assert_ok(crypto_use(&key, &input, &output, NULL));
        put_file(dir, "signature", buf_view(&signature));
        put_file(dir, "public.der", buf_view(&peers[i].pair->public));
        assert_int_equal(shell("cd %s && openssl pkey -pubin -inform DER -in public.der -out "
                               "public.pem && openssl dgst %s -verify public.pem -signature "
                               "signature message >/dev/null",
                               dir, peers[i].options),
                         0);
    }
    test_tempdir_remove(dir);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_scheme), cmocka_unit_test(salts),
                                       cmocka_unit_test(known_answer), cmocka_unit_test(refusals),
                                       cmocka_unit_test(openssl_verifies)};
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, make_pairs, drop_pairs);
}
