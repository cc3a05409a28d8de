/* Managed objects in real tokens, through the keeper's verbs: token_objects NAME [CASE]. */

#include <stdio.h>
#include <string.h>

#include "crypto/derive.h"
#include "crypto/hash.h"
#include "crypto/keyform.h"
#include "crypto/random.h"
#include "hsm/object.h"
#include "keeper/token.h"
#include "support/token.h"
#include "thing.h"

static struct test_token token;
static const char *token_name;
static struct hsm *hsm;
static struct keeper_token_hsm *keys;
static struct hsm_key *root, *server;
static struct rig rig;

static const struct keeper_object_spec aes_there = {CRYPTO_SYMMETRIC, ALG_AES, 256, 0, 0,
                                                    KEEPER_IN_TOKEN};

static bool is(const char *name)
{
    return strcmp(token_name, name) == 0;
}

static int setup(void **state)
{
    (void)state;
    struct hsm_config config = token.config;
    config.brief = true;
    assert_ok(hsm_open(&config, test_token_pin(&token), &hsm, NULL));
    assert_ok(hsm_aes_generate(hsm, KEEPER_LABEL_ROOT, &root, NULL));
    assert_ok(hsm_rsa_generate(hsm, KEEPER_LABEL_SERVER, 2048, &server, NULL));
    assert_ok(keeper_token_new(hsm, &keys, NULL));
    assert_ok(keeper_token_objects(keys, &(struct keeper_token_objects){.digest_key = true}, NULL));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    keeper_token_free(keys);
    hsm_key_free(root);
    hsm_key_free(server);
    hsm_closep(&hsm);
    return 0;
}

static int keeper_up(void **state)
{
    (void)state;
    const struct keeper_token real = keeper_token_of(keys);
    const struct rig_options options = {.policy = rig_open_policy(), .token = &real};
    rig_begin(&rig, &options);
    return 0;
}

static int keeper_down(void **state)
{
    (void)state;
    return rig_end(&rig) == ERR_OK ? 0 : -1;
}

static enum err use(const struct thing *key, const struct crypto_input *input,
                    struct crypto_output *output)
{
    return keeper_object_use(rig_client(&rig, 0), RIG_ACTOR, &key->object, input, output, NULL);
}

static void destroy(const struct thing *key)
{
    struct keeper_client *client = rig_client(&rig, 0);
    AUTO(buf_done) struct buf got = {0};
    assert_ok(keeper_object_destroy(client, RIG_ACTOR, &key->object, NULL));
    assert_err(thing_release(&rig, key, &got), ERR_NOT_FOUND);
    assert_ok(keeper_object_destroy(client, RIG_ACTOR, &key->object, NULL));
}

/* Encrypts there and opens in software with what came out. */
static void works_like(const struct thing *key, struct bytes material, uint32_t mode, size_t len)
{
    uint8_t text[200];
    AUTO(buf_done) struct buf there = {0};
    AUTO(buf_done) struct buf back = {0};
    struct crypto_output output = {.data = &there}, plain = {.data = &back};
    struct crypto_input input = {.op = CRYPTO_ENCRYPT,
                                 .params = {.mode = mode, .random_iv = true},
                                 .data = bytes_of(text, len)};
    assert_ok(random_bytes(text, sizeof text));
    assert_ok(use(key, &input, &output));
    input.op = CRYPTO_DECRYPT;
    input.data = buf_view(&there);
    input.iv = bytes_of(output.iv, output.iv_len);
    input.tag = bytes_of(output.tag, output.tag_len);
    const struct crypto_key own = {CRYPTO_SYMMETRIC, ALG_AES, material};
    assert_ok(crypto_use(&own, &input, &plain, NULL));
    assert_true(bytes_equal(buf_view(&back), bytes_of(text, len)));
    back.len = 0;
    assert_ok(use(key, &input, &plain));
    assert_true(bytes_equal(buf_view(&back), bytes_of(text, len)));
}

static void a_key_is_made_used_and_destroyed(void **state)
{
    (void)state;
    struct thing key;
    AUTO(buf_done) struct buf material = {0};
    assert_ok(thing_generate(&rig, &key, 1, &aes_there));
    assert_int_equal(key.made.bits, 256);
    assert_ok(thing_release(&rig, &key, &material));
    assert_int_equal(material.len, 32);
    uint8_t digest[32];
    struct bytes part = buf_view(&material);
    assert_ok(hash_sha256(&part, 1, digest));
    assert_memory_equal(digest, key.made.digest, sizeof digest);
    works_like(&key, part, MODE_CBC, 64);
    if (is("softhsm"))
        works_like(&key, part, MODE_GCM, 100);
    destroy(&key);
    thing_done(&key);
}

/* What is reserved names the key before it is made, and after; it is good for nothing else. */
static void a_key_can_be_named_before_it_is_made(void **state)
{
    (void)state;
    struct keeper_client *client = rig_client(&rig, 0);
    struct thing key;
    AUTO(buf_done) struct buf reserved = {0};
    AUTO(buf_done) struct buf got = {0};
    const struct keeper_object_spec vault = {CRYPTO_SYMMETRIC, ALG_AES, 256, 0, 0, 0};
    struct keeper_object_spec stays = aes_there;
    stays.flags |= KEEPER_NO_EXTRACT;
    thing_name(&key, 90);
    struct keeper_object named = key.object;
    assert_err(keeper_object_reserve(client, RIG_ACTOR, &named, &vault, &reserved, NULL),
               ERR_ARGUMENT);
    assert_ok(keeper_object_reserve(client, RIG_ACTOR, &named, &aes_there, &reserved, NULL));
    named.sealed = buf_view(&reserved);
    /* nothing is there, and nothing can be done with it */
    assert_ok(keeper_object_destroy(client, RIG_ACTOR, &named, NULL));
    assert_err(keeper_object_release(client, RIG_ACTOR, &named, &got, NULL), ERR_STATE);
    /* as something else than it was reserved as */
    assert_err(keeper_object_generate(client, RIG_ACTOR, &named, &stays, &key.made, NULL),
               ERR_ARGUMENT);
    assert_err(keeper_object_generate(client, RIG_ACTOR, &named, &vault, &key.made, NULL),
               ERR_ARGUMENT);
    struct keeper_object other = named;
    other.row.row = 91;
    assert_err(keeper_object_generate(client, RIG_ACTOR, &other, &aes_there, &key.made, NULL),
               ERR_SEAL);
    assert_ok(keeper_object_generate(client, RIG_ACTOR, &named, &aes_there, &key.made, NULL));
    thing_made(&key);
    assert_ok(thing_release(&rig, &key, &got));
    /* the record of a key that is there is no reservation */
    struct keeper_object live = key.object;
    struct thing again;
    thing_name(&again, 90);
    assert_err(keeper_object_generate(client, RIG_ACTOR, &live, &aes_there, &again.made, NULL),
               ERR_ARGUMENT);
    thing_done(&again);
    assert_ok(keeper_object_destroy(client, RIG_ACTOR, &named, NULL));
    assert_err(thing_release(&rig, &key, &got), ERR_NOT_FOUND);
    thing_done(&key);
}

static void what_comes_in_comes_out(void **state)
{
    (void)state;
    uint8_t raw[32];
    struct thing key;
    AUTO(buf_done) struct buf material = {0};
    assert_ok(random_bytes(raw, sizeof raw));
    assert_ok(thing_put(&rig, &key, 2, &aes_there, BYTES(raw)));
    assert_ok(thing_release(&rig, &key, &material));
    assert_true(bytes_equal(buf_view(&material), BYTES(raw)));
    works_like(&key, BYTES(raw), MODE_CBC, 32);
    destroy(&key);
    thing_done(&key);
    /* no key of AES: refused here, and nothing is left in the token */
    assert_err(thing_put(&rig, &key, 2, &aes_there, bytes_of(raw, 31)), ERR_KEY_FORM);
}

static void a_key_that_must_stay_stays(void **state)
{
    (void)state;
    static const uint32_t flags[] = {KEEPER_NO_EXTRACT, KEEPER_NO_RELEASE};
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        struct keeper_object_spec spec = aes_there;
        spec.flags |= flags[i];
        struct thing key;
        AUTO(buf_done) struct buf material = {0};
        assert_ok(thing_generate(&rig, &key, 3, &spec));
        assert_err(thing_release(&rig, &key, &material), ERR_DENIED);
        assert_int_equal(material.len, 0);
        assert_ok(keeper_object_destroy(rig_client(&rig, 0), RIG_ACTOR, &key.object, NULL));
        thing_done(&key);
    }
}

static void pairs_sign(void **state)
{
    (void)state;
    static const struct {
        struct keeper_object_spec spec;
        uint32_t bits;
    } pairs[] = {
        {{CRYPTO_PRIVATE, ALG_RSA, 2048, 0, 0, KEEPER_IN_TOKEN}, 2048},
        {{CRYPTO_PRIVATE, ALG_EC, 0, CURVE_P_256, 0, KEEPER_IN_TOKEN}, 256},
        {{CRYPTO_PRIVATE, ALG_EC, 0, CURVE_P_384, 0, KEEPER_IN_TOKEN}, 384},
    };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        struct thing key;
        enum err err = thing_pair(&rig, &key, 4, &pairs[i].spec);
        print_message("  pair %u: %s\n", pairs[i].bits, err_text(err));
        if (err == ERR_TOKEN_UNABLE && is("opencryptoki") && pairs[i].spec.alg == ALG_EC) {
            thing_done(&key);
            continue;
        }
        assert_ok(err);
        assert_int_equal(key.made.bits, pairs[i].bits);
        AUTO(buf_done) struct buf signature = {0};
        struct crypto_output output = {.data = &signature}, verdict = {.data = NULL};
        struct crypto_input input = {.op = CRYPTO_SIGN, .data = bytes_str("what is to be signed")};
        assert_ok(use(&key, &input, &output));
        const struct crypto_key public = {CRYPTO_PUBLIC, pairs[i].spec.alg, buf_view(&key.spki)};
        input.op = CRYPTO_VERIFY;
        input.tag = buf_view(&signature);
        assert_ok(crypto_use(&public, &input, &verdict, NULL));
        assert_true(verdict.valid);
        assert_ok(keeper_object_destroy(rig_client(&rig, 0), RIG_ACTOR, &key.object, NULL));
        input.op = CRYPTO_SIGN;
        assert_err(use(&key, &input, &output), ERR_NOT_FOUND);
        thing_done(&key);
    }
}

static void pieces_make_the_whole(void **state)
{
    (void)state;
    struct keeper_client *client = rig_client(&rig, 0);
    struct thing key;
    uint8_t raw[32], text[96];
    AUTO(buf_done) struct buf cipher = {0};
    AUTO(buf_done) struct buf plain = {0};
    assert_ok(random_bytes(raw, sizeof raw));
    assert_ok(random_bytes(text, sizeof text));
    assert_ok(thing_put(&rig, &key, 5, &aes_there, BYTES(raw)));
    uint8_t iv[16] = {1, 2, 3};
    struct crypto_input begin = {.op = CRYPTO_ENCRYPT, .params.mode = MODE_CBC, .iv = BYTES(iv)};
    struct crypto_output first = {.data = &cipher}, last = {.data = &cipher},
                         opened = {.data = &plain};
    uint32_t stream = 0;
    assert_ok(keeper_stream_begin(client, RIG_ACTOR, &key.object, &begin, &first, &stream, NULL));
    assert_ok(keeper_stream_update(client, stream, bytes_of(text, 10), &cipher, NULL));
    assert_ok(keeper_stream_update(client, stream, bytes_of(text + 10, 50), &cipher, NULL));
    assert_ok(
        keeper_stream_end(client, stream, bytes_of(text + 60, 36), bytes_of(NULL, 0), &last, NULL));
    const struct crypto_key own = {CRYPTO_SYMMETRIC, ALG_AES, BYTES(raw)};
    struct crypto_input open = begin;
    open.op = CRYPTO_DECRYPT;
    open.data = buf_view(&cipher);
    assert_ok(crypto_use(&own, &open, &opened, NULL));
    assert_true(bytes_equal(buf_view(&plain), BYTES(text)));
    /* one that is dropped leaves the token as it was */
    assert_ok(keeper_stream_begin(client, RIG_ACTOR, &key.object, &begin, &first, &stream, NULL));
    keeper_stream_drop(client, stream);
    assert_err(keeper_stream_update(client, stream, BYTES(text), &cipher, NULL), ERR_NOT_FOUND);
    destroy(&key);
    thing_done(&key);
}

static void what_no_token_does_is_refused(void **state)
{
    (void)state;
    struct keeper_client *client = rig_client(&rig, 0);
    struct thing key, derived;
    AUTO(buf_done) struct buf out = {0};
    assert_ok(thing_generate(&rig, &key, 6, &aes_there));
    assert_err(keeper_object_digest(client, RIG_ACTOR, &key.object, HASH_SHA_512, &out, NULL),
               ERR_TOKEN_UNABLE);
    const struct keeper_derive way = {.method = DERIVE_HASH, .params.hash = HASH_SHA_256};
    thing_name(&derived, 7);
    assert_err(keeper_object_derive(client, RIG_ACTOR, &key.object, NULL, &way, &derived.object,
                                    &thing_aes256, &derived.made, NULL),
               ERR_TOKEN_UNABLE);
    assert_int_equal(derived.sealed.len, 0);
    struct crypto_output output = {.data = &out};
    struct crypto_input xts = {
        .op = CRYPTO_ENCRYPT, .params.mode = MODE_XTS, .data = bytes_str("0123456789abcdef")};
    assert_err(use(&key, &xts, &output), ERR_TOKEN_UNABLE);
    const struct keeper_object_spec dsa = {CRYPTO_PRIVATE, ALG_DSA, 2048, 0, 0, KEEPER_IN_TOKEN};
    struct thing pair;
    assert_err(thing_pair(&rig, &pair, 8, &dsa), ERR_TOKEN_UNABLE);
    thing_done(&pair);
    assert_int_equal(out.len, 0);
    /* of a key in the store nothing is destroyed outside of it */
    struct thing here;
    assert_ok(thing_generate(&rig, &here, 9, &thing_aes256));
    assert_ok(keeper_object_destroy(client, RIG_ACTOR, &here.object, NULL));
    assert_ok(thing_release(&rig, &here, &out));
    thing_done(&here);
    destroy(&key);
    thing_done(&key);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_key_is_made_used_and_destroyed, keeper_up, keeper_down),
        cmocka_unit_test_setup_teardown(a_key_can_be_named_before_it_is_made, keeper_up,
                                        keeper_down),
        cmocka_unit_test_setup_teardown(what_comes_in_comes_out, keeper_up, keeper_down),
        cmocka_unit_test_setup_teardown(a_key_that_must_stay_stays, keeper_up, keeper_down),
        cmocka_unit_test_setup_teardown(pairs_sign, keeper_up, keeper_down),
        cmocka_unit_test_setup_teardown(pieces_make_the_whole, keeper_up, keeper_down),
        cmocka_unit_test_setup_teardown(what_no_token_does_is_refused, keeper_up, keeper_down),
    };
    token_name = test_token_begin(argc, argv, &token);
    int failed = cmocka_run_group_tests(tests, setup, teardown);
    test_token_down(&token);
    hsm_leave(failed == 0 ? 0 : 1);
}
