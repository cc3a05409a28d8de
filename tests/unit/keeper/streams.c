#include "crypto/hash.h"
#include "keeper/stream.h"
#include "thing.h"

/* Operations in pieces. */

static const struct crypto_input gcm = {.op = CRYPTO_ENCRYPT,
                                        .params = {.mode = MODE_GCM, .random_iv = true}};

static void pieces_make_the_whole(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0);
    struct thing key;
    assert_ok(thing_generate(&rig, &key, 1, &thing_aes256));
    static uint8_t data[100000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i % 253);
    struct buf cipher = {0}, plain = {0};
    struct crypto_output first = {.data = &cipher}, last = {.data = &cipher};
    uint32_t stream = 0;
    struct crypto_input begin = gcm;
    begin.aad = bytes_str("header");
    assert_ok(keeper_stream_begin(client, RIG_ACTOR, &key.object, &begin, &first, &stream, NULL));
    assert_int_equal(first.iv_len, 12);
    assert_ok(keeper_stream_update(client, stream, bytes_of(data, 10), &cipher, NULL));
    assert_ok(keeper_stream_update(client, stream, bytes_of(data + 10, 70000), &cipher, NULL));
    assert_ok(keeper_stream_end(client, stream, bytes_of(data + 70010, sizeof data - 70010),
                                bytes_of(NULL, 0), &last, NULL));
    assert_int_equal(cipher.len, sizeof data);
    assert_int_equal(last.tag_len, 16);
    assert_err(keeper_stream_update(client, stream, bytes_of(data, 10), &cipher, NULL),
               ERR_NOT_FOUND);
    /* what came of it opens in one go */
    struct crypto_input input = {.op = CRYPTO_DECRYPT,
                                 .params.mode = MODE_GCM,
                                 .iv = bytes_of(first.iv, first.iv_len),
                                 .aad = bytes_str("header"),
                                 .tag = bytes_of(last.tag, last.tag_len),
                                 .data = buf_view(&cipher)};
    struct crypto_output output = {.data = &plain};
    assert_ok(keeper_object_use(client, RIG_ACTOR, &key.object, &input, &output, NULL));
    assert_true(bytes_equal(buf_view(&plain), BYTES(data)));
    buf_done(&cipher);
    buf_done(&plain);

    struct audit_verify_result result;
    rig_chain(&rig, &result);
    struct audit_event event;
    /* the stream, and the one the client made of the long data */
    assert_int_equal(rig_records(&rig, AUDIT_OBJECT_USE, ERR_OK, &event), 4);
    assert_true(bytes_equal(event.text, bytes_str("object-1 end decrypt aes gcm")));
    assert_true(bytes_equal(event.actor, bytes_str(RIG_ACTOR)));
    thing_done(&key);
    assert_ok(rig_end(&rig));
}

static void signatures_and_macs_in_pieces(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0);
    static uint8_t data[130000];
    memset(data, 'x', sizeof data);
    const struct keeper_object_spec rsa = {CRYPTO_PRIVATE, ALG_RSA, 2048, 0, 0, 0};
    const struct keeper_object_spec hmac = {CRYPTO_SYMMETRIC, ALG_HMAC_SHA256, 256, 0, 0, 0};
    struct thing key, mac;
    assert_ok(thing_pair(&rig, &key, 1, &rsa));
    assert_ok(thing_generate(&rig, &mac, 2, &hmac));
    struct buf signature = {0}, tag = {0}, none = {0};
    struct crypto_output output = {.data = &signature};
    struct crypto_input input = {.op = CRYPTO_SIGN,
                                 .params.signature = SIG_SHA_256_WITH_RSA_ENCRYPTION,
                                 .data = BYTES(data)};
    assert_ok(keeper_object_use(client, RIG_ACTOR, &key.object, &input, &output, NULL));
    const struct crypto_key public = {CRYPTO_PUBLIC, ALG_RSA, buf_view(&key.spki)};
    input.op = CRYPTO_VERIFY;
    input.tag = buf_view(&signature);
    output.data = &none;
    assert_ok(crypto_use(&public, &input, &output, NULL));
    assert_true(output.valid);

    output.data = &tag;
    input = (struct crypto_input){.op = CRYPTO_MAC, .data = BYTES(data)};
    assert_ok(keeper_object_use(client, RIG_ACTOR, &mac.object, &input, &output, NULL));
    assert_int_equal(tag.len, 32);
    input.op = CRYPTO_MAC_VERIFY;
    input.tag = buf_view(&tag);
    output = (struct crypto_output){.data = &none};
    assert_ok(keeper_object_use(client, RIG_ACTOR, &mac.object, &input, &output, NULL));
    assert_true(output.valid);
    data[0] ^= 1;
    assert_ok(keeper_object_use(client, RIG_ACTOR, &mac.object, &input, &output, NULL));
    assert_false(output.valid);
    assert_int_equal(none.len, 0);
    buf_done(&signature);
    buf_done(&tag);
    buf_done(&none);
    thing_done(&key);
    thing_done(&mac);
    assert_ok(rig_end(&rig));
}

static void streams_are_their_connections(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct keeper_client *client = rig_client(&rig, 0), *other = rig_client(&rig, 1);
    struct thing key;
    assert_ok(thing_generate(&rig, &key, 1, &thing_aes256));
    struct buf out = {0};
    struct crypto_output output = {.data = &out};
    uint32_t streams[KEEPER_STREAMS_MAX], more = 0;
    for (unsigned i = 0; i < KEEPER_STREAMS_MAX; i++)
        assert_ok(
            keeper_stream_begin(client, RIG_ACTOR, &key.object, &gcm, &output, &streams[i], NULL));
    assert_err(keeper_stream_begin(client, RIG_ACTOR, &key.object, &gcm, &output, &more, NULL),
               ERR_BUSY);
    assert_err(keeper_stream_update(other, streams[3], bytes_str("mine"), &out, NULL),
               ERR_NOT_FOUND);
    assert_err(
        keeper_stream_end(other, streams[3], bytes_str("mine"), bytes_of(NULL, 0), &output, NULL),
        ERR_NOT_FOUND);
    keeper_stream_drop(other, streams[3]);
    assert_ok(keeper_stream_update(client, streams[3], bytes_str("mine"), &out, NULL));
    keeper_stream_drop(client, streams[3]);
    assert_err(keeper_stream_update(client, streams[3], bytes_str("mine"), &out, NULL),
               ERR_NOT_FOUND);
    assert_ok(keeper_stream_begin(client, RIG_ACTOR, &key.object, &gcm, &output, &more, NULL));
    assert_true(more != streams[3]);
    assert_err(keeper_stream_update(client, 0, bytes_str("none"), &out, NULL), ERR_NOT_FOUND);
    buf_done(&out);
    thing_done(&key);
    assert_ok(rig_end(&rig));
}

static void idle_ones_end(void **state)
{
    (void)state;
    const struct keeper_token none = {.ops = NULL};
    struct stream_table *table = NULL;
    assert_ok(streams_new(2, &none, &table));
    const uint64_t second = 1000000000;
    struct stream *old = NULL, *young = NULL, *busy = NULL, *found = NULL;
    assert_ok(stream_open(table, 1, second, &old));
    assert_ok(stream_open(table, 1, second * 200, &young));
    assert_ok(stream_open(table, 1, second, &busy));
    uint32_t id = old->id, young_id = young->id, busy_id = busy->id;
    busy->busy = true;
    streams_expire(table, second * (KEEPER_SESSION_IDLE_S + 2));
    assert_err(stream_find(table, 1, id, second, &found), ERR_NOT_FOUND);
    assert_ok(stream_find(table, 1, young_id, second, &found));
    assert_err(stream_find(table, 0, young_id, second, &found), ERR_NOT_FOUND);
    assert_err(stream_find(table, 7, young_id, second, &found), ERR_NOT_FOUND);
    assert_err(stream_find(table, 1, busy_id, second, &found), ERR_BUSY);
    streams_close(table, 1);
    assert_err(stream_find(table, 1, young_id, second, &found), ERR_NOT_FOUND);
    assert_true(busy->doomed);
    stream_close(table, busy);
    streams_free(table);
}

TEST_MAIN(cmocka_unit_test(pieces_make_the_whole), cmocka_unit_test(signatures_and_macs_in_pieces),
          cmocka_unit_test(streams_are_their_connections), cmocka_unit_test(idle_ones_end))
