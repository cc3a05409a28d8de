#include "thing.h"

#include "keeper/bundle.h"
#include "keeper/object_wrap.h"

#include <poll.h>
#include <sys/socket.h>

/* What an engine that was taken over tries with managed objects: another row, another epoch,
 * another algorithm, the flags away, somebody's stream, bundles that are none. */

static const uint32_t restricted[] = {KEEPER_NO_RELEASE, KEEPER_NO_EXTRACT,
                                      KEEPER_NO_RELEASE | KEEPER_NO_EXTRACT};

static void what_was_made_to_stay_stays(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0);
    struct thing kek;
    assert_ok(thing_generate(&rig, &kek, 99, &thing_aes256));
    for (unsigned i = 0; i < ARRAY_LEN(restricted); i++) {
        struct keeper_object_spec spec = thing_aes256;
        spec.flags = restricted[i];
        struct thing key;
        assert_ok(thing_generate(&rig, &key, i + 1, &spec));
        struct buf out = {0}, mac = {0};
        assert_err(thing_release(&rig, &key, &out), ERR_DENIED);
        /* neither wrapped in nothing, */
        uint8_t iv[CRYPTO_IV_MAX];
        size_t iv_len = 0;
        struct keeper_wrap wrap = {.mac = &kek.object};
        wrap.mac_params.hash = HASH_SHA_256;
        assert_err(keeper_object_wrap(client, RIG_ACTOR, &key.object, &wrap, &out, iv, &iv_len,
                                      &mac, NULL),
                   ERR_DENIED);
        wrap = (struct keeper_wrap){.encrypt = NULL};
        assert_err(keeper_object_wrap(client, RIG_ACTOR, &key.object, &wrap, &out, iv, &iv_len,
                                      &mac, NULL),
                   ERR_ARGUMENT);
        /* nor wrapped at all where it says so, */
        wrap = (struct keeper_wrap){.encrypt = &kek.object};
        assert_err(keeper_object_wrap(client, RIG_ACTOR, &key.object, &wrap, &out, iv, &iv_len,
                                      &mac, NULL),
                   (restricted[i] & KEEPER_NO_EXTRACT) != 0 ? ERR_DENIED : ERR_OK);
        /* nor with its flags taken off, nor said to be in the token */
        out.len = 0;
        for (uint32_t flags = 0; flags < 8; flags++) {
            enum err want = (flags & restricted[i]) == restricted[i] && flags < KEEPER_IN_TOKEN
                                ? ERR_OK
                                : ERR_STATE;
            assert_err(keeper_object_reflag(client, RIG_ACTOR, &key.object, flags, key.object.row,
                                            &out, NULL),
                       want);
        }
        buf_done(&out);
        buf_done(&mac);
        thing_done(&key);
    }
    thing_done(&kek);
    assert_ok(rig_end(&rig));
}

static void parts_bear_the_flags_of_the_whole(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0);
    struct keeper_object_spec spec = thing_aes256;
    spec.flags = KEEPER_NO_EXTRACT;
    struct thing key, part[2];
    assert_ok(thing_generate(&rig, &key, 1, &spec));
    thing_name(&part[0], 2);
    thing_name(&part[1], 3);
    struct keeper_object parts[2] = {part[0].object, part[1].object};
    struct keeper_object_made made[2] = {part[0].made, part[1].made};
    struct keeper_split split = {.method = 1, .count = 2, .threshold = 2};
    assert_err(keeper_object_split(client, RIG_ACTOR, &key.object, &split, parts, made, NULL),
               ERR_DENIED);
    thing_done(&key);
    spec.flags = KEEPER_NO_RELEASE;
    assert_ok(thing_generate(&rig, &key, 1, &spec));
    assert_ok(keeper_object_split(client, RIG_ACTOR, &key.object, &split, parts, made, NULL));
    struct buf out = {0};
    for (unsigned i = 0; i < 2; i++) {
        thing_made(&part[i]);
        parts[i] = part[i].object;
        assert_err(thing_release(&rig, &part[i], &out), ERR_DENIED);
        /* a part is no key */
        struct crypto_input input = {.op = CRYPTO_ENCRYPT,
                                     .params = {.mode = MODE_GCM, .random_iv = true},
                                     .data = bytes_str("data")};
        struct crypto_output output = {.data = &out};
        assert_true(keeper_object_use(client, RIG_ACTOR, &part[i].object, &input, &output, NULL) !=
                    ERR_OK);
    }
    struct thing joined;
    thing_name(&joined, 4);
    static const uint32_t numbers[] = {1, 2};
    assert_ok(keeper_object_join(client, RIG_ACTOR, &split, parts, numbers, 2, &joined.object,
                                 &thing_aes256, &joined.made, NULL));
    thing_made(&joined);
    assert_memory_equal(joined.made.digest, key.made.digest, 32);
    assert_err(thing_release(&rig, &joined, &out), ERR_DENIED);
    /* a key that was never split is no part */
    parts[0] = key.object;
    assert_err(keeper_object_join(client, RIG_ACTOR, &split, parts, numbers, 2, &joined.object,
                                  &thing_aes256, &joined.made, NULL),
               ERR_ARGUMENT);
    buf_done(&out);
    thing_done(&joined);
    thing_done(&part[0]);
    thing_done(&part[1]);
    thing_done(&key);
    assert_ok(rig_end(&rig));
}

static void records_open_in_their_place_only(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0);
    struct buf wrapped = {0}, out = {0};
    assert_ok(keeper_domain_create(client, RIG_ACTOR, 8, "network/8", &wrapped, NULL));
    assert_ok(keeper_domain_load(client, RIG_ACTOR, 8, "network/8", 1, buf_view(&wrapped), NULL));
    struct thing key;
    assert_ok(thing_generate(&rig, &key, 1, &thing_aes256));
    struct keeper_object other = key.object;
    other.row.row = 2;
    assert_err(keeper_object_release(client, RIG_ACTOR, &other, &out, NULL), ERR_SEAL);
    other = key.object;
    other.row.epoch = 2;
    assert_err(keeper_object_release(client, RIG_ACTOR, &other, &out, NULL), ERR_SEAL);
    other = key.object;
    other.row.domain = 8;
    assert_err(keeper_object_release(client, RIG_ACTOR, &other, &out, NULL), ERR_SEAL);
    other.row.domain = 9;
    assert_err(keeper_object_release(client, RIG_ACTOR, &other, &out, NULL), ERR_NOT_FOUND);
    other = key.object;
    other.row.table = KEEPER_NODE;
    assert_err(keeper_object_release(client, RIG_ACTOR, &other, &out, NULL), ERR_ARGUMENT);
    /* one bit anywhere */
    for (size_t bit = 0; bit < key.sealed.len * 8; bit += 5) {
        key.sealed.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        enum err err = keeper_object_release(client, RIG_ACTOR, &key.object, &out, NULL);
        assert_true(err == ERR_SEAL || err == ERR_NOT_FOUND);
        key.sealed.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    /* not through the verbs of device keys, nor theirs through these */
    assert_err(
        rig_release(&rig, &key.object.row, bytes_of(key.sealed.data, key.sealed.len), NULL, NULL),
        ERR_DENIED);
    struct keeper_made made;
    assert_err(
        keeper_seal(client, RIG_ACTOR, key.object.row, bytes_str("0123456789abcdef"), &made, NULL),
        ERR_DENIED);
    assert_err(keeper_generate(client, RIG_ACTOR, key.object.row, &made, NULL), ERR_DENIED);
    struct rig_key node = rig_generate(&rig, KEEPER_NODE, 1);
    other = key.object;
    other.sealed = keeper_sealed_view(&node.made.sealed);
    assert_err(keeper_object_release(client, RIG_ACTOR, &other, &out, NULL), ERR_SEAL);
    assert_int_equal(out.len, 0);
    buf_done(&wrapped);
    buf_done(&out);
    thing_done(&key);
    assert_ok(rig_end(&rig));
}

static void a_key_works_as_what_it_is(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0);
    const struct keeper_object_spec hmac = {CRYPTO_SYMMETRIC, ALG_HMAC_SHA256, 256, 0, 0, 0};
    const struct keeper_object_spec secret = {CRYPTO_SECRET, 0, 256, 0, 0, 0};
    const struct keeper_object_spec *specs[] = {&hmac, &secret};
    for (unsigned i = 0; i < ARRAY_LEN(specs); i++) {
        struct thing key;
        assert_ok(thing_generate(&rig, &key, i + 1, specs[i]));
        struct buf out = {0};
        struct crypto_output output = {.data = &out};
        struct crypto_input input = {.op = CRYPTO_ENCRYPT,
                                     .params = {.mode = MODE_GCM, .random_iv = true},
                                     .data = bytes_str("data")};
        assert_true(keeper_object_use(client, RIG_ACTOR, &key.object, &input, &output, NULL) !=
                    ERR_OK);
        input.op = CRYPTO_SIGN;
        assert_true(keeper_object_use(client, RIG_ACTOR, &key.object, &input, &output, NULL) !=
                    ERR_OK);
        uint32_t stream = 0;
        input.op = CRYPTO_DECRYPT;
        input.data.len = 0;
        assert_true(keeper_stream_begin(client, RIG_ACTOR, &key.object, &input, &output, &stream,
                                        NULL) != ERR_OK);
        assert_int_equal(out.len, 0);
        buf_done(&out);
        thing_done(&key);
    }
    assert_ok(rig_end(&rig));
}

static void above_the_rate(void **state)
{
    (void)state;
    struct rig rig;
    struct keeper_policy policy = rig_open_policy();
    policy.rates[KEEPER_KMIP_RELEASE] = (struct keeper_rate){0, 0};
    policy.rates[KEEPER_KMIP_USE] = (struct keeper_rate){1, 3};
    rig_begin(&rig, &(struct rig_options){.policy = policy});
    struct keeper_client *client = rig_client(&rig, 0);
    struct thing key;
    assert_ok(thing_generate(&rig, &key, 1, &thing_aes256));
    struct buf out = {0};
    assert_err(thing_release(&rig, &key, &out), ERR_DENIED);
    unsigned given = 0;
    for (unsigned i = 0; i < 10; i++) {
        enum err err =
            keeper_object_digest(client, RIG_ACTOR, &key.object, HASH_SHA_256, &out, NULL);
        assert_true(err == ERR_OK || err == ERR_RATE);
        given += err == ERR_OK;
    }
    assert_true(given >= 3 && given < 6);
    buf_done(&out);
    thing_done(&key);
    assert_ok(rig_end(&rig));
}

/* One packet and what comes for it. */
static size_t exchange(int fd, const uint8_t *packet, size_t len, uint8_t *in)
{
    assert_int_equal(send(fd, packet, len, MSG_NOSIGNAL), len);
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 10000), 1);
    ssize_t got = recv(fd, in, KEEPER_MESSAGE_MAX, 0);
    assert_true(got >= KEEPER_HEAD_SIZE);
    return (size_t)got;
}

static void put_status(struct writer *w, uint64_t id)
{
    writer_u32(w, KEEPER_HEAD_SIZE);
    message_put_head(w, KEEPER_STATUS, 0, id);
}

static void bundles_that_are_none(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    int fd = rig.fds[2];
    uint8_t *out = calloc(1, KEEPER_MESSAGE_MAX), *in = calloc(1, KEEPER_MESSAGE_MAX);
    /* right: two answers in one packet, each with its id */
    struct writer w = writer_of(out, KEEPER_MESSAGE_MAX);
    message_put_head(&w, KEEPER_BUNDLE, 2, 5);
    put_status(&w, 77);
    put_status(&w, 78);
    size_t whole = w.len;
    size_t got = exchange(fd, out, whole, in);
    assert_true(bundle_is(bytes_of(in, got), KEEPER_BUNDLE | KEEPER_ANSWER));
    struct reader r = reader_of(bytes_of(in, got));
    assert_int_equal(message_get_head(&r).count, 2);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(be64_load(bundle_next(&r).data + 4), 77 + i);
    assert_ok(reader_end(&r));
    /* cut anywhere, or with something behind, it is one refusal */
    for (size_t len = KEEPER_HEAD_SIZE; len < whole; len++) {
        assert_true(exchange(fd, out, len, in) < 64);
        assert_int_equal(be16_load(in + 2), ERR_UNSUPPORTED);
    }
    out[whole] = 0;
    (void)exchange(fd, out, whole + 1, in);
    assert_int_equal(be16_load(in + 2), ERR_UNSUPPORTED);
    /* a bundle in a bundle, none in it, too many */
    out[KEEPER_HEAD_SIZE + BUNDLE_MESSAGE_HEAD + 1] = KEEPER_BUNDLE;
    (void)exchange(fd, out, whole, in);
    assert_int_equal(be16_load(in + 2), ERR_UNSUPPORTED);
    w.len = 0;
    message_put_head(&w, KEEPER_BUNDLE, 0, 5);
    (void)exchange(fd, out, w.len, in);
    assert_int_equal(be16_load(in + 2), ERR_UNSUPPORTED);
    w.len = 0;
    message_put_head(&w, KEEPER_BUNDLE, KEEPER_BUNDLE_MAX + 1, 5);
    for (unsigned i = 0; i <= KEEPER_BUNDLE_MAX; i++)
        put_status(&w, i);
    (void)exchange(fd, out, w.len, in);
    assert_int_equal(be16_load(in + 2), ERR_UNSUPPORTED);
    free(out);
    free(in);
    assert_ok(rig_end(&rig));
}

/* Small requests with large answers: each is answered, the later ones with ERR_BUSY. */
static void a_bundle_does_not_fill_the_memory(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    int fd = rig.fds[2];
    uint8_t *out = calloc(1, KEEPER_MESSAGE_MAX), *in = calloc(1, KEEPER_MESSAGE_MAX);
    struct writer w = writer_of(out, KEEPER_MESSAGE_MAX);
    message_put_head(&w, KEEPER_BUNDLE, KEEPER_BUNDLE_MAX, 5);
    const struct keeper_object object = {.row = {RIG_DOMAIN, KEEPER_OBJECT, 1, 1},
                                         .name = bytes_str("large")};
    const struct keeper_object_spec spec = {CRYPTO_SECRET, 0, 8 * KEEPER_OBJECT_MAX, 0, 0, 0};
    for (unsigned i = 0; i < KEEPER_BUNDLE_MAX; i++) {
        uint8_t room[256];
        struct writer one = writer_of(room, sizeof room);
        message_put_head(&one, KEEPER_OBJECT_GENERATE, 0, i + 1);
        message_put_actor(&one, bytes_str("evil"));
        message_put_object(&one, &object);
        message_put_spec(&one, &spec);
        writer_bytes32(&w, writer_view(&one));
    }
    assert_ok(writer_status(&w));
    assert_int_equal(send(fd, out, w.len, MSG_NOSIGNAL), w.len);
    unsigned answers = 0, busy = 0;
    while (answers < KEEPER_BUNDLE_MAX) {
        ssize_t got = recv(fd, in, KEEPER_MESSAGE_MAX, 0);
        assert_true(got > 0);
        struct reader r = reader_of(bytes_of(in, (size_t)got));
        unsigned count = message_get_head(&r).count;
        for (unsigned i = 0; i < count; i++)
            busy += be16_load(bundle_next(&r).data + 2) == ERR_BUSY;
        answers += count;
    }
    assert_int_equal(answers, KEEPER_BUNDLE_MAX);
    assert_true(busy > 150 && busy < KEEPER_BUNDLE_MAX);
    struct keeper_status status;
    assert_ok(keeper_status(rig_client(&rig, 0), &status, NULL));
    free(out);
    free(in);
    assert_ok(rig_end(&rig));
}

TEST_MAIN(cmocka_unit_test(what_was_made_to_stay_stays),
          cmocka_unit_test(parts_bear_the_flags_of_the_whole),
          cmocka_unit_test(records_open_in_their_place_only),
          cmocka_unit_test(a_key_works_as_what_it_is), cmocka_unit_test(above_the_rate),
          cmocka_unit_test(bundles_that_are_none),
          cmocka_unit_test(a_bundle_does_not_fill_the_memory))
