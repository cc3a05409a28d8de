#include "crypto/derive.h"
#include "thing.h"

/* Managed objects: derived, split and joined, sealed anew; random; and what a token must do. */

static void keys_are_derived(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0);
    const struct keeper_object_spec secret = {CRYPTO_SECRET, 0, 0, 0, 0, 0};
    struct thing base, derived;
    assert_ok(thing_put(&rig, &base, 1, &secret, bytes_str("a passphrase")));
    const struct keeper_derive ways[] = {
        {.method = DERIVE_HMAC, .params.hash = HASH_SHA_256, .data = bytes_str("data")},
        {.method = DERIVE_HASH, .params.hash = HASH_SHA_256},
        {.method = DERIVE_HKDF, .params.hash = HASH_SHA_256, .salt = bytes_str("salt")},
        {.method = DERIVE_PBKDF2,
         .params.hash = HASH_SHA_256,
         .salt = bytes_str("salt"),
         .iterations = 1000},
    };
    for (unsigned i = 0; i < ARRAY_LEN(ways); i++) {
        thing_name(&derived, i + 2);
        assert_ok(keeper_object_derive(client, RIG_ACTOR, &base.object, NULL, &ways[i],
                                       &derived.object, &thing_aes256, &derived.made, NULL));
        thing_made(&derived);
        struct buf got = {0};
        assert_ok(thing_release(&rig, &derived, &got));
        const struct derive_input input = {.method = ways[i].method,
                                           .key = {CRYPTO_SECRET, 0, bytes_str("a passphrase")},
                                           .params = ways[i].params,
                                           .data = ways[i].data,
                                           .salt = ways[i].salt,
                                           .iterations = ways[i].iterations};
        AUTO(secret_freep) struct secret *want = NULL;
        assert_ok(derive_key(&input, 32, &want, NULL));
        assert_true(bytes_equal(buf_view(&got), secret_view(want)));
        buf_done(&got);
        thing_done(&derived);
    }
    /* a private key is not derived, nor from nothing, nor by an unknown method */
    struct keeper_derive way = ways[0];
    const struct keeper_object_spec rsa = {CRYPTO_PRIVATE, ALG_RSA, 2048, 0, 0, 0};
    thing_name(&derived, 9);
    assert_err(keeper_object_derive(client, RIG_ACTOR, &base.object, NULL, &way, &derived.object,
                                    &rsa, &derived.made, NULL),
               ERR_ARGUMENT);
    way.method = 99;
    assert_err(keeper_object_derive(client, RIG_ACTOR, &base.object, NULL, &way, &derived.object,
                                    &thing_aes256, &derived.made, NULL),
               ERR_UNSUPPORTED);
    assert_int_equal(derived.sealed.len, 0);

    struct audit_verify_result result;
    rig_chain(&rig, &result);
    struct audit_event event;
    assert_int_equal(rig_records(&rig, AUDIT_OBJECT_DERIVE, ERR_OK, &event), ARRAY_LEN(ways));
    assert_true(bytes_equal(event.text, bytes_str("object-5 from object-1")));
    thing_done(&base);
    assert_ok(rig_end(&rig));
}

/* What goes in as data comes out where the method can be turned round. */
static void data_keys_hand_on_their_flags(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0);
    struct keeper_object_spec kept = thing_aes256;
    kept.flags = KEEPER_NO_RELEASE;
    struct thing base, data, derived;
    assert_ok(thing_generate(&rig, &base, 1, &thing_aes256));
    assert_ok(thing_generate(&rig, &data, 2, &kept));
    const struct keeper_derive way = {.method = DERIVE_ENCRYPT, .params.mode = MODE_ECB};
    thing_name(&derived, 3);
    assert_ok(keeper_object_derive(client, RIG_ACTOR, &base.object, &data.object, &way,
                                   &derived.object, &thing_aes256, &derived.made, NULL));
    thing_made(&derived);
    struct buf out = {0};
    assert_err(thing_release(&rig, &derived, &out), ERR_DENIED);
    struct keeper_derive both = way;
    both.data = bytes_str("0123456789abcdef");
    assert_err(keeper_object_derive(client, RIG_ACTOR, &base.object, &data.object, &both,
                                    &derived.object, &thing_aes256, &derived.made, NULL),
               ERR_ARGUMENT);
    buf_done(&out);
    thing_done(&base);
    thing_done(&data);
    thing_done(&derived);
    assert_ok(rig_end(&rig));
}

static void split_and_joined(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0);
    struct thing key, part[5], joined;
    assert_ok(thing_generate(&rig, &key, 1, &thing_aes256));
    static const uint32_t methods[] = {1, 2, 4};
    for (unsigned m = 0; m < ARRAY_LEN(methods); m++) {
        uint32_t threshold = methods[m] == 1 ? 5 : 3;
        struct keeper_split split = {.method = methods[m], .count = 5, .threshold = threshold};
        struct keeper_object objects[5];
        struct keeper_object_made made[5];
        for (unsigned i = 0; i < 5; i++) {
            thing_name(&part[i], 10 + i);
            objects[i] = part[i].object;
            made[i] = part[i].made;
        }
        assert_ok(keeper_object_split(client, RIG_ACTOR, &key.object, &split, objects, made, NULL));
        uint32_t numbers[5];
        for (unsigned i = 0; i < 5; i++) {
            thing_made(&part[4 - i]);
            assert_int_equal(made[i].len, 32);
            objects[i] = part[4 - i].object;
            numbers[i] = 5 - i;
        }
        thing_name(&joined, 20);
        assert_ok(keeper_object_join(client, RIG_ACTOR, &split, objects, numbers, threshold,
                                     &joined.object, &thing_aes256, &joined.made, NULL));
        assert_memory_equal(joined.made.digest, key.made.digest, 32);
        assert_err(keeper_object_join(client, RIG_ACTOR, &split, objects, numbers, threshold - 1,
                                      &joined.object, &thing_aes256, &joined.made, NULL),
                   ERR_ARGUMENT);
        numbers[1] = numbers[0];
        assert_err(keeper_object_join(client, RIG_ACTOR, &split, objects, numbers, threshold,
                                      &joined.object, &thing_aes256, &joined.made, NULL),
                   ERR_ARGUMENT);
        thing_done(&joined);
        for (unsigned i = 0; i < 5; i++)
            thing_done(&part[i]);
    }
    struct audit_verify_result result;
    rig_chain(&rig, &result);
    struct audit_event event;
    assert_int_equal(rig_records(&rig, AUDIT_OBJECT_SPLIT, ERR_OK, &event), 15);
    assert_true(bytes_equal(event.text, bytes_str("object-14 part of object-1")));
    assert_int_equal(event.row, 14);
    assert_int_equal(rig_records(&rig, AUDIT_OBJECT_JOIN, ERR_OK, &event), 6 + 4 + 4);
    thing_done(&key);
    assert_ok(rig_end(&rig));
}

static void sealed_for_another_row_and_anew(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0);
    struct thing key[3];
    for (unsigned i = 0; i < 3; i++)
        assert_ok(thing_generate(&rig, &key[i], i + 1, &thing_aes256));
    struct buf out = {0}, material = {0}, again = {0};
    assert_ok(thing_release(&rig, &key[0], &material));
    /* the next epoch of the row: the old record is still one, the new one opens there only */
    struct keeper_row next = key[0].object.row;
    next.epoch = 2;
    assert_ok(keeper_object_reflag(client, RIG_ACTOR, &key[0].object, 0, next, &out, NULL));
    struct keeper_object moved = key[0].object;
    moved.sealed = buf_view(&out);
    assert_err(keeper_object_release(client, RIG_ACTOR, &moved, &again, NULL), ERR_SEAL);
    moved.row = next;
    assert_ok(keeper_object_release(client, RIG_ACTOR, &moved, &again, NULL));
    assert_true(bytes_equal(buf_view(&again), buf_view(&material)));

    /* a new domain key: everything sealed anew, the wrong one said so */
    struct buf wrapped = {0}, sealed = {0};
    uint16_t version = 0;
    assert_ok(
        keeper_domain_rotate(client, RIG_ACTOR, RIG_DOMAIN, RIG_NAME, &version, &wrapped, NULL));
    assert_ok(keeper_domain_load(client, RIG_ACTOR, RIG_DOMAIN, RIG_NAME, version,
                                 buf_view(&wrapped), NULL));
    struct keeper_object all[3] = {key[0].object, key[1].object, key[2].object};
    all[1].row.row = 77;
    struct keeper_object_resealed results[3];
    assert_ok(keeper_object_reseal(client, RIG_ACTOR, all, 3, &sealed, results, NULL));
    assert_ok(results[0].err);
    assert_err(results[1].err, ERR_SEAL);
    assert_ok(results[2].err);
    assert_ok(keeper_domain_drop(client, RIG_ACTOR, RIG_DOMAIN, 1, NULL));
    assert_err(thing_release(&rig, &key[2], &again), ERR_NOT_FOUND);
    all[0].sealed = bytes_of(sealed.data + results[0].at, results[0].len);
    again.len = 0;
    assert_ok(keeper_object_release(client, RIG_ACTOR, &all[0], &again, NULL));
    assert_true(bytes_equal(buf_view(&again), buf_view(&material)));
    buf_done(&wrapped);
    buf_done(&sealed);
    buf_done(&out);
    buf_done(&material);
    buf_done(&again);
    for (unsigned i = 0; i < 3; i++)
        thing_done(&key[i]);
    assert_ok(rig_end(&rig));
}

/* More than one message takes. */
static void many_large_ones_anew(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0);
    const struct keeper_object_spec secret = {CRYPTO_SECRET, 0, 0, 0, 0, 0};
    uint8_t *large = calloc(1, KEEPER_OBJECT_MAX);
    struct thing things[5];
    struct keeper_object all[5];
    for (unsigned i = 0; i < 5; i++) {
        assert_ok(thing_put(&rig, &things[i], i + 1, &secret, bytes_of(large, KEEPER_OBJECT_MAX)));
        all[i] = things[i].object;
    }
    struct keeper_object_resealed results[5];
    struct buf sealed = {0};
    assert_ok(keeper_object_reseal(client, RIG_ACTOR, all, 5, &sealed, results, NULL));
    for (unsigned i = 0; i < 5; i++) {
        assert_ok(results[i].err);
        assert_true(bytes_equal(bytes_of(sealed.data + results[i].at, results[i].len),
                                all[i].sealed)); /* the nonce comes of what is sealed */
        thing_done(&things[i]);
    }
    buf_done(&sealed);
    free(large);
    assert_ok(rig_end(&rig));
}

static void random_comes_of_two(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0);
    struct buf a = {0}, b = {0};
    unsigned calls = rig.token.calls;
    assert_ok(keeper_random(client, RIG_ACTOR, 100000, &a, NULL));
    assert_int_equal(a.len, 100000);
    assert_true(rig.token.calls > calls);
    assert_ok(keeper_random(client, RIG_ACTOR, 32, &b, NULL));
    assert_false(memcmp(a.data, b.data, 32) == 0);
    assert_ok(keeper_random_seed(client, RIG_ACTOR, bytes_str("entropy"), NULL));
    rig.token.fail = ERR_TOKEN_GONE;
    assert_err(keeper_random(client, RIG_ACTOR, 32, &b, NULL), ERR_TOKEN_GONE);
    assert_int_equal(b.len, 32);
    buf_done(&a);
    buf_done(&b);
    assert_ok(rig_end(&rig));
}

static void destroyed_and_in_the_token(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0);
    struct thing key;
    assert_ok(thing_generate(&rig, &key, 1, &thing_aes256));
    assert_ok(keeper_object_destroy(client, RIG_ACTOR, &key.object, NULL));
    struct keeper_object gone = key.object;
    gone.sealed.len = 0;
    assert_ok(keeper_object_destroy(client, RIG_ACTOR, &gone, NULL));
    gone.row.row = 5;
    gone.sealed = key.object.sealed;
    assert_err(keeper_object_destroy(client, RIG_ACTOR, &gone, NULL), ERR_SEAL);
    /* what comes of two keys of ours is never put there */
    struct keeper_object_spec there = thing_aes256;
    there.flags = KEEPER_IN_TOKEN;
    const struct keeper_derive way = {.method = DERIVE_HMAC, .data = bytes_str("data")};
    struct thing derived;
    thing_name(&derived, 2);
    assert_err(keeper_object_derive(client, RIG_ACTOR, &key.object, NULL, &way, &derived.object,
                                    &there, &derived.made, NULL),
               ERR_TOKEN_UNABLE);
    assert_int_equal(derived.sealed.len, 0);
    thing_done(&key);

    struct audit_verify_result result;
    rig_chain(&rig, &result);
    assert_int_equal(rig_records(&rig, AUDIT_OBJECT_DESTROY, ERR_OK, NULL), 2);
    assert_int_equal(rig_records(&rig, AUDIT_OBJECT_DESTROY, ERR_SEAL, NULL), 1);
    assert_ok(rig_end(&rig));
}

TEST_MAIN(cmocka_unit_test(keys_are_derived), cmocka_unit_test(data_keys_hand_on_their_flags),
          cmocka_unit_test(split_and_joined), cmocka_unit_test(sealed_for_another_row_and_anew),
          cmocka_unit_test(many_large_ones_anew), cmocka_unit_test(random_comes_of_two),
          cmocka_unit_test(destroyed_and_in_the_token))
