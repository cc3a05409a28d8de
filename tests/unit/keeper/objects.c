#include "keeper/client_objects.h"

#include "crypto/hash.h"
#include "crypto/keyform.h"
#include "thing.h"

/* Managed objects: made, registered, released, used; and refused. */

static void keys_are_made_and_released(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0);
    struct thing key;
    assert_ok(thing_generate(&rig, &key, 1, &thing_aes256));
    assert_int_equal(key.sealed.len, 32 + KEEPER_OBJECT_OVERHEAD);
    assert_int_equal(key.made.bits, 256);
    assert_int_equal(key.made.len, 32);
    assert_int_equal(key.made.alg, ALG_AES);
    struct buf material = {0};
    assert_ok(keeper_object_release(client, RIG_ACTOR, &key.object, &material, NULL));
    assert_int_equal(material.len, 32);
    uint8_t digest[32];
    struct bytes part = buf_view(&material);
    assert_ok(hash_sha256(&part, 1, digest));
    assert_memory_equal(digest, key.made.digest, 32);
    struct buf hash = {0};
    assert_ok(keeper_object_digest(client, RIG_ACTOR, &key.object, HASH_SHA_256, &hash, NULL));
    assert_true(bytes_equal(buf_view(&hash), BYTES(digest)));
    hash.len = 0;
    assert_ok(keeper_object_digest(client, RIG_ACTOR, &key.object, HASH_SHA_512, &hash, NULL));
    assert_int_equal(hash.len, 64);
    assert_err(keeper_object_digest(client, RIG_ACTOR, &key.object, 99, &hash, NULL),
               ERR_UNSUPPORTED);
    buf_done(&hash);

    struct audit_verify_result result;
    rig_chain(&rig, &result);
    struct audit_event event;
    assert_int_equal(rig_records(&rig, AUDIT_OBJECT_RELEASE, ERR_OK, &event), 1);
    assert_true(bytes_equal(event.text, bytes_str("object-1")));
    assert_int_equal(event.row, 1);
    assert_int_equal(event.table, KEEPER_OBJECT);
    assert_int_equal(event.purpose, KEEPER_KMIP_RELEASE);
    assert_true(bytes_equal(event.actor, bytes_str(RIG_ACTOR)));
    assert_int_equal(rig_records(&rig, AUDIT_OBJECT_CREATE, ERR_OK, &event), 1);
    assert_true(bytes_equal(event.text, bytes_str("object-1 aes")));
    buf_done(&material);
    thing_done(&key);
    assert_ok(rig_end(&rig));
}

static void what_comes_in_is_checked(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0);
    uint8_t raw[33] = "0123456789abcdef0123456789abcdef";
    struct thing key;
    assert_ok(thing_put(&rig, &key, 1, &thing_aes256, bytes_of(raw, 32)));
    struct buf material = {0};
    assert_ok(keeper_object_release(client, RIG_ACTOR, &key.object, &material, NULL));
    assert_true(bytes_equal(buf_view(&material), bytes_of(raw, 32)));
    thing_done(&key);
    /* no length of AES, no private key, nothing at all */
    assert_err(thing_put(&rig, &key, 1, &thing_aes256, BYTES(raw)), ERR_KEY_FORM);
    struct keeper_object_spec rsa = {CRYPTO_PRIVATE, ALG_RSA, 2048, 0, 0, 0};
    assert_err(thing_put(&rig, &key, 1, &rsa, bytes_of(raw, 32)), ERR_KEY_FORM);
    assert_err(thing_put(&rig, &key, 1, &thing_aes256, bytes_of(raw, 0)), ERR_KEY_FORM);
    struct keeper_object_spec odd = thing_aes256;
    odd.class = CRYPTO_PUBLIC;
    assert_err(thing_put(&rig, &key, 1, &odd, bytes_of(raw, 32)), ERR_ARGUMENT);
    odd = thing_aes256;
    odd.flags = 64;
    assert_err(thing_put(&rig, &key, 1, &odd, bytes_of(raw, 32)), ERR_ARGUMENT);
    odd = thing_aes256;
    odd.bits = 100;
    assert_err(thing_generate(&rig, &key, 1, &odd), ERR_ARGUMENT);
    odd.class = CRYPTO_PRIVATE;
    assert_err(thing_generate(&rig, &key, 1, &odd), ERR_ARGUMENT);
    /* secret data of any length, up to the largest */
    struct keeper_object_spec secret = {CRYPTO_SECRET, 0, 0, 0, 0, 0};
    uint8_t *large = calloc(1, KEEPER_OBJECT_MAX + 1);
    assert_err(thing_put(&rig, &key, 2, &secret, bytes_of(large, KEEPER_OBJECT_MAX + 1)),
               ERR_LIMIT);
    large[KEEPER_OBJECT_MAX - 1] = 7;
    assert_ok(thing_put(&rig, &key, 2, &secret, bytes_of(large, KEEPER_OBJECT_MAX)));
    assert_int_equal(key.sealed.len, KEEPER_OBJECT_SEALED_MAX);
    material.len = 0;
    assert_ok(keeper_object_release(client, RIG_ACTOR, &key.object, &material, NULL));
    assert_true(bytes_equal(buf_view(&material), bytes_of(large, KEEPER_OBJECT_MAX)));
    thing_done(&key);
    buf_done(&material);
    free(large);
    assert_ok(rig_end(&rig));
}

static enum err crypt(struct rig *rig, const struct thing *key, enum crypto_op op, uint32_t mode,
                      struct bytes data, struct crypto_output *output)
{
    struct crypto_input input = {.op = op, .params = {.mode = mode}, .data = data};
    if (op == CRYPTO_ENCRYPT)
        input.params.random_iv = true;
    input.iv = bytes_of(output->iv, output->iv_len);
    input.tag = bytes_of(output->tag, output->tag_len);
    return keeper_object_use(rig_client(rig, 0), RIG_ACTOR, &key->object, &input, output, NULL);
}

static void keys_are_used(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct thing key;
    assert_ok(thing_generate(&rig, &key, 1, &thing_aes256));
    static const size_t sizes[] = {0, 1, 1024, 60000, 65536, 200000};
    uint8_t *data = malloc(200000);
    for (size_t i = 0; i < 200000; i++)
        data[i] = (uint8_t)(i * 7 + i / 251);
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct buf cipher = {0}, plain = {0};
        struct crypto_output output = {.data = &cipher};
        assert_ok(crypt(&rig, &key, CRYPTO_ENCRYPT, MODE_GCM, bytes_of(data, sizes[i]), &output));
        assert_int_equal(cipher.len, sizes[i]);
        assert_int_equal(output.iv_len, 12);
        assert_int_equal(output.tag_len, 16);
        output.data = &plain;
        struct crypto_output kept = output;
        assert_ok(crypt(&rig, &key, CRYPTO_DECRYPT, MODE_GCM, buf_view(&cipher), &output));
        assert_true(bytes_equal(buf_view(&plain), bytes_of(data, sizes[i])));
        /* a wrong tag gives nothing, in one piece or in many */
        kept.tag[0] ^= 1;
        plain.len = 0;
        assert_err(crypt(&rig, &key, CRYPTO_DECRYPT, MODE_GCM, buf_view(&cipher), &kept),
                   ERR_DECRYPT);
        assert_int_equal(plain.len, 0);
        buf_done(&cipher);
        buf_done(&plain);
    }
    free(data);
    struct audit_verify_result result;
    rig_chain(&rig, &result);
    struct audit_event event;
    assert_true(rig_records(&rig, AUDIT_OBJECT_USE, ERR_OK, &event) >= 2 * ARRAY_LEN(sizes));
    thing_done(&key);
    assert_ok(rig_end(&rig));
}

static void pairs_sign(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    const struct {
        struct keeper_object_spec spec;
        uint32_t signature;
    } kinds[] = {{{CRYPTO_PRIVATE, ALG_RSA, 2048, 0, 0, 0}, SIG_SHA_256_WITH_RSA_ENCRYPTION},
                 {{CRYPTO_PRIVATE, ALG_EC, 0, CURVE_P_256, 0, 0}, SIG_ECDSA_WITH_SHA256}};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct thing key;
        assert_ok(thing_pair(&rig, &key, i + 1, &kinds[i].spec));
        assert_true(key.spki.len > 50);
        struct buf signature = {0};
        struct crypto_output output = {.data = &signature};
        struct crypto_input input = {
            .op = CRYPTO_SIGN,
            .params = {.signature = kinds[i].signature, .hash = HASH_SHA_256},
            .data = bytes_str("signed by the keeper")};
        assert_ok(
            keeper_object_use(rig_client(&rig, 0), RIG_ACTOR, &key.object, &input, &output, NULL));
        const struct crypto_key public = {CRYPTO_PUBLIC, kinds[i].spec.alg, buf_view(&key.spki)};
        struct crypto_input verify = input;
        verify.op = CRYPTO_VERIFY;
        verify.tag = buf_view(&signature);
        assert_ok(crypto_use(&public, &verify, &output, NULL));
        assert_true(output.valid);
        buf_done(&signature);
        thing_done(&key);
    }
    struct thing none;
    assert_err(thing_pair(&rig, &none, 9, &thing_aes256), ERR_ARGUMENT);
    struct keeper_object_spec odd = kinds[0].spec;
    odd.bits = 100;
    assert_err(thing_pair(&rig, &none, 9, &odd), ERR_ARGUMENT);
    assert_ok(rig_end(&rig));
}

TEST_MAIN(cmocka_unit_test(keys_are_made_and_released), cmocka_unit_test(what_comes_in_is_checked),
          cmocka_unit_test(keys_are_used), cmocka_unit_test(pairs_sign))
