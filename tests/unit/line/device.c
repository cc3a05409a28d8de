#include "line/device/device.h"

#include <stdio.h>
#include <string.h>

#include "crypto/check_value.h"
#include "crypto/cmac.h"
#include "crypto/hash.h"
#include "support/test.h"

/* The device's side in memory: a flash that may lose its power at any of its operations. */

#define FIRMWARE_MAX (2 * DEVICE_SECTOR)
#define FLASH_MAX    (2 * DEVICE_SECTOR + NODE_TARGETS * (2 * FIRMWARE_MAX + 2 * DEVICE_CONFIG_MAX))

struct bench {
    struct device device;
    struct device_ops ops;
    struct device_profile profile;
    uint8_t flash[FLASH_MAX];
    long power; /* flash operations left; -1: as many as wanted */
    unsigned operations;
    struct hash *hash;
    uint8_t answer[NODE_MESSAGE_MAX];
    size_t answer_len;
    unsigned answers, resets;
    uint8_t sequence;
    uint8_t everything[64 * 1024]; /* that was sent */
    size_t everything_len;
};

static bool powered(struct bench *bench)
{
    bench->operations++;
    if (bench->power > 0)
        bench->power--;
    else if (bench->power == 0)
        return false;
    return true;
}

static int flash_read(void *ctx, uint32_t at, void *to, uint32_t len)
{
    struct bench *bench = ctx;
    assert_true(at + len <= FLASH_MAX);
    memcpy(to, bench->flash + at, len);
    return 0;
}

static int flash_erase(void *ctx, uint32_t at)
{
    struct bench *bench = ctx;
    assert_true(at % DEVICE_SECTOR == 0 && at < FLASH_MAX);
    bool whole = powered(bench);
    memset(bench->flash + at, 0xff, whole ? DEVICE_SECTOR : DEVICE_SECTOR / 2);
    return whole ? 0 : -1;
}

static int flash_write(void *ctx, uint32_t at, const void *data, uint32_t len)
{
    struct bench *bench = ctx;
    const uint8_t *from = data;
    assert_true(at + len <= FLASH_MAX);
    bool whole = powered(bench);
    for (uint32_t i = 0; i < (whole ? len : len / 2); i++) {
        if (bench->power != 0 || whole)
            assert_int_equal(bench->flash[at + i], 0xff); /* erased before */
        bench->flash[at + i] = from[i];
    }
    return whole ? 0 : -1;
}

static int random_of(void *ctx, void *to, uint32_t len)
{
    (void)ctx;
    memset(to, 0x5a, len);
    return 0;
}

static int cmac_of(void *ctx, const uint8_t key[16], const uint8_t *data, uint32_t len,
                   uint8_t ret_mac[DEVICE_MAC])
{
    (void)ctx;
    AUTO(cmac_freep) struct cmac *cmac = NULL;
    struct bytes part = bytes_of(data, len);
    assert_ok(cmac_new(bytes_of(key, 16), &cmac));
    assert_ok(cmac_parts(cmac, &part, 1, ret_mac));
    return 0;
}

static int hash_begin_of(void *ctx)
{
    struct bench *bench = ctx;
    assert_ok(hash_begin(bench->hash));
    return 0;
}

static int hash_update_of(void *ctx, const uint8_t *data, uint32_t len)
{
    struct bench *bench = ctx;
    assert_ok(hash_update(bench->hash, bytes_of(data, len)));
    return 0;
}

static int hash_end_of(void *ctx, uint8_t ret_hash[DEVICE_HASH])
{
    struct bench *bench = ctx;
    assert_ok(hash_end(bench->hash, ret_hash));
    return 0;
}

static void on_send(void *ctx, const uint8_t *message, uint32_t len)
{
    struct bench *bench = ctx;
    memcpy(bench->answer, message, len);
    bench->answer_len = len;
    bench->answers++;
    if (bench->everything_len + len <= sizeof bench->everything) {
        memcpy(bench->everything + bench->everything_len, message, len);
        bench->everything_len += len;
    }
}

static uint32_t uptime_of(void *ctx)
{
    (void)ctx;
    return 42;
}

static int host_of(void *ctx, unsigned target, uint8_t *ret_link)
{
    (void)ctx;
    *ret_link = 0;
    return target == 1 ? NODE_DONE : NODE_HOST_SILENT;
}

static void on_reset(void *ctx)
{
    struct bench *bench = ctx;
    bench->resets++;
}

static void boot(struct bench *bench)
{
    assert_true(device_init(&bench->device, &bench->ops, &bench->profile));
    assert_true(device_start(&bench->device));
}

static struct bench *bench_new(void)
{
    struct bench *bench = calloc(1, sizeof *bench);
    assert_non_null(bench);
    memset(bench->flash, 0xff, sizeof bench->flash);
    assert_ok(hash_new(&bench->hash));
    bench->power = -1;
    bench->profile = (struct device_profile){.node_id = 0xa00001,
                                             .type = "unode",
                                             .version = "1.0.0.0",
                                             .hardware = "unode-1",
                                             .firmware_max = FIRMWARE_MAX,
                                             .message_max = NODE_MESSAGE_MAX,
                                             .window = 8,
                                             .hosts = 2,
                                             .host = {[1] = {.name = "emcm", .version = "5.6.7.8"},
                                                      [2] = {.name = "zigbee", .version = "1.2"}}};
    bench->ops = (struct device_ops){.ctx = bench,
                                     .flash_read = flash_read,
                                     .flash_erase = flash_erase,
                                     .flash_write = flash_write,
                                     .random = random_of,
                                     .cmac = cmac_of,
                                     .sha256_begin = hash_begin_of,
                                     .sha256_update = hash_update_of,
                                     .sha256_end = hash_end_of,
                                     .send = on_send,
                                     .uptime = uptime_of,
                                     .host = host_of,
                                     .reset = on_reset};
    return bench;
}

static void bench_free(struct bench *bench)
{
    hash_free(bench->hash);
    free(bench);
}

static uint8_t room[NODE_MESSAGE_MAX];

static void begin(struct bench *bench, struct node_writer *w, enum node_type type)
{
    node_write_begin(w, room, sizeof room, type, ++bench->sequence, 0);
}

/* Send what was written; gives the answer's result, 0xff without an answer. */
static unsigned ask(struct bench *bench, struct node_writer *w, struct node_message *ret_answer)
{
    static struct node_stream stream;
    struct node_message answer;
    size_t len = node_write_end(w);
    assert_true(len != 0);
    unsigned before = bench->answers;
    device_receive(&bench->device, room, len);
    if (bench->answers == before)
        return 0xff;
    memset(&stream, 0, sizeof stream);
    (void)node_stream_take(&stream, bench->answer, bench->answer_len);
    assert_true(node_stream_next(&stream, &answer));
    assert_int_equal(answer.type, room[2] | NODE_ANSWER);
    assert_int_equal(answer.sequence, room[3]);
    if (ret_answer != NULL)
        *ret_answer = answer;
    return answer.result;
}

static unsigned plain(struct bench *bench, enum node_type type, struct node_message *ret_answer)
{
    struct node_writer w;
    begin(bench, &w, type);
    return ask(bench, &w, ret_answer);
}

static unsigned write_key(struct bench *bench, enum node_key kind, unsigned target,
                          const uint8_t *key, size_t len)
{
    struct node_writer w;
    begin(bench, &w, NODE_KEY_WRITE);
    if (target != 0)
        node_write_u8(&w, NODE_T_TARGET, target);
    node_write_u8(&w, NODE_T_KIND, kind);
    node_write_bytes(&w, NODE_T_KEY, key, len);
    return ask(bench, &w, NULL);
}

static unsigned activate(struct bench *bench, const uint8_t root[16])
{
    struct node_writer w;
    uint8_t value[CHECK_VALUE_SIZE];
    assert_ok(check_value_of(bytes_of(root, 16), value));
    begin(bench, &w, NODE_KEY_ACTIVATE);
    node_write_bytes(&w, NODE_T_PENDING, value, sizeof value);
    return ask(bench, &w, NULL);
}

static bool has_key(struct bench *bench, enum node_key kind, enum node_tag which,
                    const uint8_t *key, size_t len)
{
    struct node_writer w;
    struct node_message answer;
    uint8_t want[CHECK_VALUE_SIZE], got[CHECK_VALUE_SIZE];
    begin(bench, &w, NODE_KEY_CHECK);
    node_write_u8(&w, NODE_T_KIND, kind);
    assert_int_equal(ask(bench, &w, &answer), NODE_DONE);
    assert_ok(check_value_of(bytes_of(key, len), want));
    return node_field_fixed(&answer, which, got, sizeof got) && memcmp(want, got, sizeof got) == 0;
}

static unsigned transfer_begin(struct bench *bench, unsigned target, enum node_kind kind,
                               struct bytes data, const char *text, uint32_t *ret_offset)
{
    struct node_writer w;
    struct node_message answer;
    uint8_t hash[32];
    assert_ok(hash_sha256(&data, 1, hash));
    begin(bench, &w, NODE_TRANSFER_BEGIN);
    if (target != 0)
        node_write_u8(&w, NODE_T_TARGET, target);
    node_write_u8(&w, NODE_T_KIND, kind);
    node_write_u32(&w, NODE_T_SIZE, (uint32_t)data.len);
    node_write_bytes(&w, NODE_T_HASH, hash, sizeof hash);
    node_write_text(&w, kind == NODE_FIRMWARE ? NODE_T_VERSION : NODE_T_LABEL, text);
    unsigned result = ask(bench, &w, &answer);
    if (result == NODE_DONE)
        assert_true(node_field_u32(&answer, NODE_T_OFFSET, ret_offset));
    return result;
}

static unsigned transfer_block(struct bench *bench, uint32_t offset, const uint8_t *data,
                               size_t len)
{
    struct node_writer w;
    begin(bench, &w, NODE_TRANSFER_BLOCK);
    node_write_u32(&w, NODE_T_OFFSET, offset);
    node_write_bytes(&w, NODE_T_DATA, data, len);
    return ask(bench, &w, NULL);
}

static unsigned transfer_end(struct bench *bench, unsigned target, enum node_kind kind,
                             struct bytes data)
{
    struct node_writer w;
    uint8_t hash[32];
    assert_ok(hash_sha256(&data, 1, hash));
    begin(bench, &w, NODE_TRANSFER_END);
    if (target != 0)
        node_write_u8(&w, NODE_T_TARGET, target);
    node_write_u8(&w, NODE_T_KIND, kind);
    node_write_bytes(&w, NODE_T_HASH, hash, sizeof hash);
    return ask(bench, &w, NULL);
}

/* The first result that is not NODE_DONE, or that. */
static unsigned transfer(struct bench *bench, unsigned target, enum node_kind kind,
                         struct bytes data, const char *text)
{
    uint32_t offset = 0;
    unsigned result = transfer_begin(bench, target, kind, data, text, &offset);
    while (result == NODE_DONE && offset < data.len) {
        size_t len = data.len - offset < 1000 ? data.len - offset : 1000;
        result = transfer_block(bench, offset, data.data + offset, len);
        offset += (uint32_t)len;
    }
    return result == NODE_DONE ? transfer_end(bench, target, kind, data) : result;
}

static void version_of(struct bench *bench, char version[NODE_TEXT_MAX + 1])
{
    struct node_message answer;
    assert_int_equal(plain(bench, NODE_TARGET, &answer), NODE_DONE);
    assert_true(node_field_text(&answer, NODE_T_VERSION, version));
}

static void fill(uint8_t *data, size_t len, unsigned with)
{
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(with + i * 31 + (i >> 8));
}

/* ---------------------------------------------------------------- tests */

static void a_device_says_what_it_is(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    struct node_writer w;
    struct node_message answer;
    uint64_t id = 0;
    uint8_t hosts = 0;
    boot(bench);
    begin(bench, &w, NODE_IDENTIFY);
    node_write_u8(&w, NODE_T_PROTOCOL, 3); /* a station that speaks more */
    assert_int_equal(ask(bench, &w, &answer), NODE_DONE);
    assert_true(node_field_u64(&answer, NODE_T_NODE_ID, &id) && id == 0xa00001);
    assert_true(node_field_u8(&answer, NODE_T_HOSTS, &hosts) && hosts == 2);
    begin(bench, &w, NODE_IDENTIFY);
    node_write_u8(&w, NODE_T_PROTOCOL, 0);
    assert_int_equal(ask(bench, &w, &answer), NODE_BAD_VERSION);
    assert_int_equal(plain(bench, NODE_IDENTIFY, NULL), NODE_BAD_MESSAGE);
    assert_int_equal(plain(bench, NODE_HARDWARE, NULL), NODE_DONE);
    assert_int_equal(plain(bench, NODE_CALIBRATION, NULL), NODE_DONE);
    assert_int_equal(plain(bench, (enum node_type)0x70, NULL), NODE_BAD_TYPE);
    assert_int_equal(plain(bench, (enum node_type)(NODE_STATUS | NODE_ANSWER), NULL), 0xff);
    for (unsigned target = 1; target <= 3; target++) {
        begin(bench, &w, NODE_TARGET);
        node_write_u8(&w, NODE_T_TARGET, target);
        assert_int_equal(ask(bench, &w, NULL), target == 1   ? NODE_DONE
                                               : target == 2 ? NODE_HOST_SILENT
                                                             : NODE_NO_TARGET);
    }
    bench_free(bench);
}

static void keys_are_pending_then_active_and_never_sent(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    uint8_t root[16], gateway[24], host[16], other[16];
    fill(root, sizeof root, 1);
    fill(gateway, sizeof gateway, 50);
    fill(host, sizeof host, 90);
    fill(other, sizeof other, 120);
    boot(bench);
    assert_int_equal(write_key(bench, NODE_ROOT_KEY, 0, root, 15), NODE_BAD_MESSAGE);
    assert_int_equal(write_key(bench, NODE_GATEWAY_KEY, 0, root, 16), NODE_BAD_MESSAGE);
    assert_int_equal(write_key(bench, NODE_HOST_KEY, 0, host, 16), NODE_BAD_MESSAGE);
    assert_int_equal(write_key(bench, NODE_HOST_KEY, 3, host, 16), NODE_NO_TARGET);
    assert_int_equal(activate(bench, root), NODE_NO_KEY);
    assert_int_equal(write_key(bench, NODE_ROOT_KEY, 0, root, 16), NODE_DONE);
    assert_int_equal(write_key(bench, NODE_GATEWAY_KEY, 0, gateway, 24), NODE_DONE);
    assert_int_equal(write_key(bench, NODE_HOST_KEY, 1, host, 16), NODE_DONE);
    assert_true(has_key(bench, NODE_ROOT_KEY, NODE_T_PENDING, root, 16));
    assert_false(has_key(bench, NODE_ROOT_KEY, NODE_T_ACTIVE, root, 16));
    boot(bench); /* power was gone: they are pending still */
    assert_int_equal(activate(bench, other), NODE_NO_KEY);
    assert_int_equal(activate(bench, root), NODE_DONE);
    assert_true(has_key(bench, NODE_ROOT_KEY, NODE_T_ACTIVE, root, 16));
    assert_true(has_key(bench, NODE_GATEWAY_KEY, NODE_T_ACTIVE, gateway, 24));
    assert_false(has_key(bench, NODE_ROOT_KEY, NODE_T_PENDING, root, 16));
    assert_int_equal(activate(bench, root), NODE_DONE); /* again: it is done */
    assert_int_equal(activate(bench, other), NODE_NO_KEY);
    assert_null(memmem(bench->everything, bench->everything_len, root, 8));
    assert_null(memmem(bench->everything, bench->everything_len, gateway, 8));
    assert_null(memmem(bench->everything, bench->everything_len, host, 8));
    /* A key of a host that an earlier run wrote is not activated with another root key. */
    assert_int_equal(write_key(bench, NODE_HOST_KEY, 1, other, 16), NODE_DONE);
    assert_int_equal(write_key(bench, NODE_ROOT_KEY, 0, root, 16), NODE_DONE);
    assert_int_equal(activate(bench, root), NODE_DONE);
    assert_null(memmem(bench->flash, sizeof bench->flash, other, 8));
    /* Of a key that was replaced nothing is left in flash. */
    assert_int_equal(write_key(bench, NODE_ROOT_KEY, 0, other, 16), NODE_DONE);
    assert_int_equal(activate(bench, other), NODE_DONE);
    assert_null(memmem(bench->flash, sizeof bench->flash, root, 8));
    assert_non_null(memmem(bench->flash, sizeof bench->flash, other, 8));
    bench_free(bench);
}

static void a_locked_device_takes_nothing_until_it_is_unlocked(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    struct node_writer w;
    struct node_message answer;
    uint8_t root[16], mac[16], text[18 + 8 + 16] = "claviger unlock 1";
    static const uint8_t data[] = "firmware";
    fill(root, sizeof root, 1);
    boot(bench);
    assert_int_equal(plain(bench, NODE_UNLOCK_CHALLENGE, NULL), NODE_NO_KEY);
    assert_int_equal(write_key(bench, NODE_ROOT_KEY, 0, root, 16), NODE_DONE);
    assert_int_equal(activate(bench, root), NODE_DONE);
    assert_int_equal(plain(bench, NODE_LOCK, NULL), NODE_DONE);
    assert_int_equal(plain(bench, NODE_LOCK, NULL), NODE_DONE);
    boot(bench); /* it stays */
    assert_int_equal(write_key(bench, NODE_CDLD_KEY, 0, root, 16), NODE_LOCKED);
    assert_int_equal(transfer(bench, 0, NODE_FIRMWARE, BYTES(data), "2"), NODE_LOCKED);
    assert_int_equal(transfer(bench, 1, NODE_CONFIG, BYTES(data), "c"), NODE_LOCKED);
    assert_int_equal(activate(bench, root), NODE_DONE); /* changes nothing */
    assert_int_equal(plain(bench, NODE_STATUS, NULL), NODE_DONE);
    for (unsigned i = 0; i < 3; i++) { /* wrong, right, again without a challenge */
        if (i < 2) {
            assert_int_equal(plain(bench, NODE_UNLOCK_CHALLENGE, &answer), NODE_DONE);
            be64_store(text + 18, bench->profile.node_id);
            assert_true(node_field_fixed(&answer, NODE_T_NONCE, text + 26, 16));
            (void)cmac_of(bench, root, text, sizeof text, mac);
        }
        mac[0] ^= i == 0;
        begin(bench, &w, NODE_UNLOCK);
        node_write_bytes(&w, NODE_T_MAC, mac, sizeof mac);
        assert_int_equal(ask(bench, &w, NULL), i == 1 ? NODE_DONE : NODE_DENIED);
    }
    assert_int_equal(write_key(bench, NODE_CDLD_KEY, 0, root, 16), NODE_DONE);
    bench_free(bench);
}

static void firmware_runs_after_a_reset_and_only_whole(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    uint8_t image[FIRMWARE_MAX + 1];
    uint32_t offset = 0;
    char version[NODE_TEXT_MAX + 1];
    fill(image, sizeof image, 3);
    boot(bench);
    struct bytes whole = bytes_of(image, 5000);
    assert_int_equal(transfer(bench, 0, NODE_FIRMWARE, bytes_of(image, sizeof image), "2.0"),
                     NODE_TOO_LARGE);
    assert_int_equal(transfer_begin(bench, 0, NODE_FIRMWARE, whole, "2.0", &offset), NODE_DONE);
    assert_int_equal(transfer_block(bench, 0, image, 1000), NODE_DONE);
    assert_int_equal(transfer_block(bench, 0, image, 1000), NODE_DONE); /* came twice */
    assert_int_equal(transfer_block(bench, 2000, image, 1000), NODE_BAD_OFFSET);
    assert_int_equal(transfer_end(bench, 0, NODE_FIRMWARE, whole), NODE_BAD_OFFSET);
    assert_int_equal(transfer_begin(bench, 0, NODE_FIRMWARE, whole, "2.0", &offset), NODE_DONE);
    assert_int_equal(offset, 1000); /* goes on */
    assert_int_equal(transfer(bench, 0, NODE_FIRMWARE, whole, "2.0"), NODE_DONE);
    assert_int_equal(transfer_end(bench, 0, NODE_FIRMWARE, whole), NODE_DONE); /* answer was lost */
    version_of(bench, version);
    assert_string_equal(version, "1.0.0.0");
    assert_int_equal(plain(bench, NODE_RESET, NULL), NODE_DONE);
    assert_int_equal(bench->resets, 1);
    boot(bench);
    version_of(bench, version);
    assert_string_equal(version, "2.0");
    /* A bit that changes on the way is found. */
    fill(image, sizeof image, 9);
    struct bytes other = bytes_of(image, 3000);
    assert_int_equal(transfer_begin(bench, 0, NODE_FIRMWARE, other, "3.0", &offset), NODE_DONE);
    image[0] ^= 1;
    assert_int_equal(transfer_block(bench, 0, image, 1024), NODE_DONE);
    assert_int_equal(transfer_block(bench, 1024, image + 1024, 1024), NODE_DONE);
    assert_int_equal(transfer_block(bench, 2048, image + 2048, 952), NODE_DONE);
    image[0] ^= 1;
    assert_int_equal(transfer_end(bench, 0, NODE_FIRMWARE, other), NODE_BAD_HASH);
    boot(bench);
    version_of(bench, version);
    assert_string_equal(version, "2.0");
    bench_free(bench);
}

static void a_request_is_done_once_however_often_it_comes(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    struct node_writer w;
    uint8_t key[16];
    fill(key, sizeof key, 1);
    boot(bench);
    begin(bench, &w, NODE_KEY_WRITE);
    node_write_u8(&w, NODE_T_KIND, NODE_ROOT_KEY);
    node_write_bytes(&w, NODE_T_KEY, key, sizeof key);
    size_t len = node_write_end(&w);
    device_receive(&bench->device, room, len);
    unsigned operations = bench->operations;
    device_receive(&bench->device, room, len);
    assert_int_equal(bench->answers, 2);
    assert_int_equal(bench->operations, operations);
    bench_free(bench);
}

/* All that a station does to a device; stops where the device can't. True: all was done. */
static bool provision(struct bench *bench, const uint8_t root[16])
{
    static uint8_t image[5000], config[700];
    fill(image, sizeof image, 7);
    fill(config, sizeof config, 8);
    return transfer(bench, 0, NODE_FIRMWARE, BYTES(image), "2.0") == NODE_DONE &&
           device_init(&bench->device, &bench->ops, &bench->profile) &&
           device_start(&bench->device) &&
           transfer(bench, 0, NODE_CONFIG, BYTES(config), "field") == NODE_DONE &&
           transfer(bench, 1, NODE_FIRMWARE, BYTES(image), "6.0") == NODE_DONE &&
           write_key(bench, NODE_ROOT_KEY, 0, root, 16) == NODE_DONE &&
           write_key(bench, NODE_CDLD_KEY, 0, root, 16) == NODE_DONE &&
           activate(bench, root) == NODE_DONE && plain(bench, NODE_LOCK, NULL) == NODE_DONE;
}

/* Cut at each write and erase in turn: after the next start the device is as it was before or after
 * a step, never between, and the whole can be done. */
static void power_may_go_at_any_write(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    uint8_t first[16], second[16];
    fill(first, sizeof first, 1);
    fill(second, sizeof second, 77);
    boot(bench);
    assert_int_equal(write_key(bench, NODE_ROOT_KEY, 0, first, 16), NODE_DONE);
    assert_int_equal(activate(bench, first), NODE_DONE);
    uint8_t *before = malloc(sizeof bench->flash);
    assert_non_null(before);
    memcpy(before, bench->flash, sizeof bench->flash);
    bool done = false;
    unsigned cuts = 0;
    for (long at = 0; !done; at++) {
        memcpy(bench->flash, before, sizeof bench->flash);
        bench->power = -1;
        boot(bench);
        bench->power = at;
        done = provision(bench, second);
        cuts += !done;
        bench->power = -1;
        boot(bench);
        char version[NODE_TEXT_MAX + 1];
        version_of(bench, version);
        assert_true(strcmp(version, "1.0.0.0") == 0 || strcmp(version, "2.0") == 0);
        bool old = has_key(bench, NODE_ROOT_KEY, NODE_T_ACTIVE, first, 16);
        bool new = has_key(bench, NODE_ROOT_KEY, NODE_T_ACTIVE, second, 16);
        assert_true(old != new);
        if (bench->device.settings.locked) {
            assert_true(new);
            continue;
        }
        assert_true(provision(bench, second));
        assert_true(has_key(bench, NODE_ROOT_KEY, NODE_T_ACTIVE, second, 16));
    }
    assert_true(cuts > 30);
    free(before);
    bench_free(bench);
}

static void status_begins_anew_when_it_is_cleared(void **state)
{
    (void)state;
    struct bench *bench = bench_new();
    struct node_message answer;
    uint32_t starts = 0;
    uint8_t join = 0;
    boot(bench);
    boot(bench);
    device_set_join(&bench->device, NODE_JOINED);
    assert_int_equal(plain(bench, NODE_STATUS, &answer), NODE_DONE);
    assert_true(node_field_u32(&answer, NODE_T_COUNT, &starts) && starts == 2);
    assert_true(node_field_u8(&answer, NODE_T_JOIN, &join) && join == NODE_JOINED);
    assert_int_equal(plain(bench, NODE_STATUS_CLEAR, NULL), NODE_DONE);
    assert_int_equal(plain(bench, NODE_STATUS, &answer), NODE_DONE);
    assert_true(node_field_u32(&answer, NODE_T_COUNT, &starts) && starts == 0);
    assert_true(node_field_u8(&answer, NODE_T_JOIN, &join) && join == NODE_NOT_JOINED);
    bench_free(bench);
}

TEST_MAIN(cmocka_unit_test(a_device_says_what_it_is),
          cmocka_unit_test(keys_are_pending_then_active_and_never_sent),
          cmocka_unit_test(a_locked_device_takes_nothing_until_it_is_unlocked),
          cmocka_unit_test(firmware_runs_after_a_reset_and_only_whole),
          cmocka_unit_test(a_request_is_done_once_however_often_it_comes),
          cmocka_unit_test(power_may_go_at_any_write),
          cmocka_unit_test(status_begins_anew_when_it_is_cleared))
