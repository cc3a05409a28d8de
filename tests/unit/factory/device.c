#include "bench.h"

static struct bench bench;

static int begin(void **state)
{
    (void)state;
    bench_begin(&bench);
    bench_package(&bench, BENCH_CONFIG, 1);
    return 0;
}

static int end(void **state)
{
    (void)state;
    bench_end(&bench);
    return 0;
}

static enum err take(void *ctx, const struct factory_device *device)
{
    *(struct factory_device *)ctx = *device;
    return ERR_OK;
}

static struct factory_device get(uint64_t node_id)
{
    struct factory_device device = {0};
    assert_ok(factory_device_get(bench.factory, node_id, take, &device, NULL));
    return device;
}

static void run_begin(unsigned n, enum factory_operation operation)
{
    bool is_new = false;
    struct factory_run_begin run = bench_run(n);
    run.operation = operation;
    assert_ok(factory_run_begin(bench.factory, &run, &is_new, NULL));
    assert_true(is_new);
}

/* The run saw the key that run `of` gave the device. */
static void run_end_with(unsigned n, unsigned of, uint64_t node_id)
{
    bool is_new = false;
    const struct factory_keying keying = bench_keying(of, node_id);
    struct factory_run_end ended = bench_run_ended(n, 0, &node_id);
    ended.kcv = keying.kcv;
    assert_ok(factory_run_end(bench.factory, &ended, &is_new, NULL));
    assert_true(is_new);
}

static void run_end(unsigned n, int code, uint64_t node_id)
{
    bool is_new = false;
    const struct factory_run_end ended = bench_run_ended(n, code, &node_id);
    assert_ok(factory_run_end(bench.factory, &ended, &is_new, NULL));
    assert_true(is_new);
}

static void a_device_is_keyed_then_provisioned(void **state)
{
    (void)state;
    uint64_t node = 0x00010200, serial = 0;
    assert_err(factory_device_get(bench.factory, node, take, &(struct factory_device){0}, NULL),
               ERR_NOT_FOUND);
    run_begin(1, FACTORY_PROVISION);
    const struct factory_keying keying = bench_keying(1, node);
    assert_ok(factory_device_key(bench.factory, &keying, &serial, NULL));
    struct factory_device device = get(node);
    assert_int_equal(device.state, FACTORY_DEVICE_KEYED);
    assert_int_equal(device.keying, serial);
    assert_int_equal(device.return_code, -1);
    assert_memory_equal(device.kcv, keying.kcv, sizeof device.kcv);
    run_end(1, 0, node);
    device = get(node);
    assert_int_equal(device.state, FACTORY_DEVICE_PROVISIONED);
    assert_int_equal(device.return_code, 0);
    assert_int_equal(device.stage, FACTORY_PROVISION);
    assert_int_equal(device.exported, 0);
}

static void the_same_key_again_changes_nothing(void **state)
{
    (void)state;
    uint64_t serial = 0, again = 0;
    run_begin(1, FACTORY_PROVISION);
    const struct factory_keying keying = bench_keying(1, 7);
    assert_ok(factory_device_key(bench.factory, &keying, &serial, NULL));
    assert_ok(factory_device_key(bench.factory, &keying, &again, NULL));
    assert_int_equal(serial, again);
    run_end(1, 0, 7);
    /* an answer that was lost is asked for again after the run's end */
    assert_ok(factory_device_key(bench.factory, &keying, &again, NULL));
    assert_int_equal(serial, again);
    assert_int_equal(bench_ask(&bench, "SELECT count(*) FROM device_keying"), 1);
    assert_int_equal(get(7).state, FACTORY_DEVICE_PROVISIONED);
}

static void a_new_key_counts_and_the_old_stays(void **state)
{
    (void)state;
    bench_provision(&bench, 1, 7, 1000);
    uint64_t first = get(7).keying;
    run_begin(2, FACTORY_PROVISION);
    uint64_t serial = 0;
    const struct factory_keying keying = bench_keying(2, 7);
    assert_ok(factory_device_key(bench.factory, &keying, &serial, NULL));
    assert_true(serial > first);
    assert_int_equal(get(7).state, FACTORY_DEVICE_KEYED);
    run_end(2, 71, 7);
    assert_int_equal(get(7).state, FACTORY_DEVICE_KEYED);
    assert_int_equal(get(7).return_code, 71);
    /* a run that finds the key in the device finishes it */
    run_begin(3, FACTORY_PROVISION);
    run_end_with(3, 2, 7);
    assert_int_equal(get(7).state, FACTORY_DEVICE_PROVISIONED);
    assert_int_equal(get(7).keying, serial);
    assert_int_equal(bench_ask(&bench, "SELECT count(*) FROM device_keying"), 2);
}

static void a_run_that_did_not_look_at_the_key_provisions_nobody(void **state)
{
    (void)state;
    uint64_t serial = 0;
    run_begin(1, FACTORY_PROVISION);
    const struct factory_keying keying = bench_keying(1, 7);
    assert_ok(factory_device_key(bench.factory, &keying, &serial, NULL));
    run_end(1, 4, 7);
    run_begin(2, FACTORY_PROVISION); /* --skip-keys */
    run_end(2, 0, 7);
    assert_int_equal(get(7).state, FACTORY_DEVICE_KEYED);
    /* nor does one that saw a key that nobody reported */
    run_begin(3, FACTORY_PROVISION);
    bool is_new = false;
    uint64_t node = 7;
    struct factory_run_end ended = bench_run_ended(3, 0, &node);
    ended.kcv = (const uint8_t[FACTORY_KCV]){9};
    assert_err(factory_run_end(bench.factory, &ended, &is_new, NULL), ERR_MISMATCH);
    assert_int_equal(get(7).state, FACTORY_DEVICE_KEYED);
    assert_int_equal(bench_ask(&bench, "SELECT count(*) FROM factory_run WHERE ended IS NULL"), 1);
}

/* The device went from one station to another while the first one's report was on its way. */
static void a_report_that_comes_late_hides_no_key(void **state)
{
    (void)state;
    uint64_t first = 0, second = 0;
    run_begin(1, FACTORY_PROVISION);
    run_begin(2, FACTORY_PROVISION);
    const struct factory_keying theirs = bench_keying(2, 7), late = bench_keying(1, 7);
    assert_ok(factory_device_key(bench.factory, &theirs, &second, NULL));
    run_end(2, 0, 7);
    assert_err(factory_device_key(bench.factory, &late, &first, NULL), ERR_STATE);
    assert_int_equal(get(7).keying, second);
    assert_int_equal(get(7).state, FACTORY_DEVICE_PROVISIONED);
}

/* Two clients have keyed it at the same time: what counts is the key that was seen in it. */
static void the_key_in_the_device_counts(void **state)
{
    (void)state;
    uint64_t first = 0, second = 0;
    run_begin(1, FACTORY_PROVISION);
    run_begin(2, FACTORY_PROVISION);
    const struct factory_keying ours = bench_keying(1, 7), theirs = bench_keying(2, 7);
    assert_ok(factory_device_key(bench.factory, &ours, &first, NULL));
    assert_ok(factory_device_key(bench.factory, &theirs, &second, NULL));
    assert_int_equal(get(7).keying, second);
    run_end_with(1, 1, 7);
    assert_int_equal(get(7).keying, first);
    assert_memory_equal(get(7).kcv, ours.kcv, sizeof ours.kcv);
    assert_int_equal(get(7).state, FACTORY_DEVICE_PROVISIONED);
    run_end(2, 38, 7);
    assert_int_equal(get(7).keying, first);
    assert_int_equal(get(7).state, FACTORY_DEVICE_PROVISIONED);
    struct factory_device_counts counts;
    assert_ok(factory_device_count(bench.factory, &counts, NULL));
    assert_int_equal(counts.of[FACTORY_DEVICE_PROVISIONED][0], 1);
    assert_int_equal(counts.of[FACTORY_DEVICE_KEYED][0], 0);
}

static enum err take_had(void *ctx, const struct factory_device_had *had)
{
    struct factory_device_had *to = ctx;
    *to = *had;
    to->device = NULL;
    return ERR_OK;
}

static struct factory_device_had had(uint64_t node_id, const uint8_t *kcv, struct arena *arena)
{
    struct factory_device_had had = {0};
    assert_ok(factory_device_had(bench.factory, node_id, kcv, arena, take_had, &had, NULL));
    return had;
}

static void a_station_hears_of_the_key_that_it_asks_for(void **state)
{
    (void)state;
    static const uint8_t strange[FACTORY_KCV] = {9};
    struct arena *arena = NULL;
    assert_ok(arena_new((size_t)1024 * 1024, &arena));
    assert_err(factory_device_had(bench.factory, 7, NULL, arena, take_had, NULL, NULL),
               ERR_NOT_FOUND);
    bench_provision(&bench, 1, 7, 1000);
    bench_provision(&bench, 2, 7, 1000);
    const struct factory_keying first = bench_keying(1, 7), second = bench_keying(2, 7);
    struct factory_device_had answer = had(7, NULL, arena);
    assert_true(answer.newest && !answer.tested);
    assert_memory_equal(answer.kcv, second.kcv, sizeof second.kcv);
    answer = had(7, first.kcv, arena);
    assert_false(answer.newest);
    assert_memory_equal(answer.kcv, first.kcv, sizeof first.kcv);
    assert_int_equal(answer.config_id, BENCH_CONFIG);
    answer = had(7, strange, arena);
    assert_memory_equal(answer.kcv, second.kcv, sizeof second.kcv);
    run_begin(3, FACTORY_PRETEST);
    run_end(3, 0, 7);
    run_begin(4, FACTORY_POSTTEST);
    uint64_t serial = 0;
    const struct factory_keying keying = bench_keying(4, 7);
    assert_ok(factory_device_key(bench.factory, &keying, &serial, NULL));
    assert_true(had(7, keying.kcv, arena).tested);
    run_begin(5, FACTORY_PRETEST);
    run_end(5, 39, 7);
    assert_true(had(7, keying.kcv, arena).tested);
    run_begin(6, FACTORY_PRETEST);
    run_end(6, 0, 7);
    assert_false(had(7, keying.kcv, arena).tested);
    /* one that was only pretested has none */
    run_begin(7, FACTORY_PRETEST);
    run_end(7, 0, 8);
    assert_err(factory_device_had(bench.factory, 8, NULL, arena, take_had, NULL, NULL),
               ERR_NOT_FOUND);
    arena_free(arena);
}

static enum err take_newest(void *ctx, uint64_t serial, int64_t received,
                            const struct factory_keying *keying)
{
    struct factory_keying *newest = ctx;
    (void)serial;
    (void)received;
    if (newest->node_id == 0)
        *newest = *keying;
    return ERR_OK;
}

static void a_host_is_added_to_a_device_that_has_its_key(void **state)
{
    (void)state;
    static const uint8_t sealed[] = {1, 2, 3};
    uint64_t serial = 0, again = 0;
    struct factory_device_application meter = {
        .name = "zz-meter", .id = "ab", .key = BYTES(sealed)};
    struct factory_keying hosts = bench_keying(2, 7);
    hosts.encrypted = (struct bytes){0};
    hosts.applications = &meter;
    hosts.applications_len = 1;
    run_begin(2, FACTORY_CHECKCONFIG);
    assert_err(factory_device_key(bench.factory, &hosts, &serial, NULL), ERR_NOT_FOUND);
    run_end(2, 0, 7);
    bench_provision(&bench, 1, 7, 1000);
    const struct factory_keying keyed = bench_keying(1, 7);
    const size_t before = keyed.applications_len;
    memcpy(hosts.run, bench_run(3).run, sizeof hosts.run);
    run_begin(3, FACTORY_CHECKCONFIG);
    assert_ok(factory_device_key(bench.factory, &hosts, &serial, NULL));
    assert_ok(factory_device_key(bench.factory, &hosts, &again, NULL));
    assert_int_equal(serial, again);
    run_end(3, 0, 7);
    assert_int_equal(get(7).state, FACTORY_DEVICE_PROVISIONED);
    assert_int_equal(get(7).keying, serial);
    assert_int_equal(get(7).exported, 0);
    struct arena *arena = NULL;
    struct factory_keying newest = {0};
    assert_ok(arena_new((size_t)1024 * 1024, &arena));
    assert_ok(factory_keying_list(bench.factory, 7, arena, take_newest, &newest, NULL));
    assert_int_equal(newest.applications_len, before + 1);
    assert_string_equal(newest.applications[before].name, "zz-meter");
    assert_memory_equal(newest.kcv, keyed.kcv, sizeof newest.kcv);
    arena_free(arena);
}

static void what_does_not_belong_together_is_refused(void **state)
{
    (void)state;
    uint64_t serial = 77;
    struct factory_keying keying = bench_keying(1, 7);
    assert_err(factory_device_key(bench.factory, &keying, &serial, NULL), ERR_NOT_FOUND);
    run_begin(1, FACTORY_PROVISION);
    keying.station = "line-2";
    assert_err(factory_device_key(bench.factory, &keying, &serial, NULL), ERR_NOT_FOUND);
    keying = bench_keying(1, 7);
    keying.batch++;
    assert_err(factory_device_key(bench.factory, &keying, &serial, NULL), ERR_MISMATCH);
    keying = bench_keying(1, 7);
    keying.encrypted.len--;
    assert_err(factory_device_key(bench.factory, &keying, &serial, NULL), ERR_ARGUMENT);
    keying = bench_keying(1, 7);
    struct factory_device_application application = {.name = "", .id = ""};
    keying.applications = &application;
    keying.applications_len = 1;
    assert_err(factory_device_key(bench.factory, &keying, &serial, NULL), ERR_ARGUMENT);
    keying.applications_len = FACTORY_DEVICE_APPLICATIONS_MAX + 1;
    assert_err(factory_device_key(bench.factory, &keying, &serial, NULL), ERR_ARGUMENT);
    run_end(1, 5, 7);
    keying = bench_keying(1, 7);
    assert_err(factory_device_key(bench.factory, &keying, &serial, NULL), ERR_STATE);
    assert_int_equal(serial, 77);
    assert_int_equal(bench_ask(&bench, "SELECT count(*) FROM device"), 0);
}

static void stages_are_remembered(void **state)
{
    (void)state;
    run_begin(1, FACTORY_PRETEST);
    run_end(1, 0, 9);
    struct factory_device device = get(9);
    assert_int_equal(device.state, FACTORY_DEVICE_PRETESTED);
    assert_int_equal(device.stage, FACTORY_PRETEST);
    assert_int_equal(device.keying, 0);
    run_begin(2, FACTORY_CHECKCONFIG);
    run_end(2, 0, 9);
    run_begin(3, FACTORY_POSTTEST);
    uint64_t serial = 0;
    const struct factory_keying keying = bench_keying(3, 9);
    assert_ok(factory_device_key(bench.factory, &keying, &serial, NULL));
    run_end(3, 0, 9);
    device = get(9);
    assert_int_equal(device.state, FACTORY_DEVICE_PROVISIONED);
    assert_int_equal(device.stage, FACTORY_POSTTEST);
    /* a PRETEST that failed leaves nothing of a device nobody knows */
    run_begin(4, FACTORY_PRETEST);
    run_end(4, 12, 10);
    assert_err(factory_device_get(bench.factory, 10, take, &device, NULL), ERR_NOT_FOUND);
}

/* ---- lists ---- */

struct found {
    uint64_t ids[64];
    size_t len;
};

static enum err add(void *ctx, const struct factory_device *device)
{
    struct found *found = ctx;
    found->ids[found->len++] = device->node_id;
    return ERR_OK;
}

static struct found list(const struct factory_device_filter *filter, bool *ret_more,
                         uint64_t *ret_next)
{
    struct found found = {0};
    assert_ok(factory_device_list(bench.factory, filter, add, &found, ret_more, ret_next, NULL));
    return found;
}

static void lists_come_in_pages(void **state)
{
    (void)state;
    bool more = false;
    uint64_t next = 0;
    /* ids beyond 2^63 come last */
    const uint64_t ids[] = {1, 2, 3, UINT64_C(0x8000000000000000), UINT64_MAX};
    for (unsigned i = 0; i < ARRAY_LEN(ids); i++)
        bench_provision(&bench, i + 1, ids[ARRAY_LEN(ids) - 1 - i], 1000);
    struct found found = list(&(struct factory_device_filter){.limit = 2}, &more, &next);
    assert_int_equal(found.len, 2);
    assert_true(more);
    assert_int_equal(next, 3);
    found = list(&(struct factory_device_filter){.from = next, .limit = 10}, &more, &next);
    assert_int_equal(found.len, 3);
    assert_false(more);
    assert_true(found.ids[2] == UINT64_MAX);
    found = list(&(struct factory_device_filter){.from = 2, .to = 3, .limit = 10}, &more, &next);
    assert_int_equal(found.len, 2);
}

static void lists_are_filtered(void **state)
{
    (void)state;
    bool more = false, no = false, yes = true;
    uint64_t next = 0, config = BENCH_CONFIG, other = 5;
    uint32_t batch = 2000;
    int code = 71, zero = 0;
    enum factory_device_state keyed = FACTORY_DEVICE_KEYED;
    for (unsigned i = 1; i <= 10; i++)
        bench_provision(&bench, i, i, i % 2 == 0 ? 2000 : 1000);
    run_begin(20, FACTORY_PROVISION);
    uint64_t serial = 0;
    const struct factory_keying keying = bench_keying(20, 3);
    assert_ok(factory_device_key(bench.factory, &keying, &serial, NULL));
    run_end(20, 71, 3);
#define COUNT(...) list(&(struct factory_device_filter){.limit = 50, __VA_ARGS__}, &more, &next).len
    assert_int_equal(COUNT(.batch = &batch), 5);
    assert_int_equal(COUNT(.batch = &batch, .config_id = &config, .exported = &no), 5);
    assert_int_equal(COUNT(.config_id = &config), 10);
    assert_int_equal(COUNT(.config_id = &other), 0);
    assert_int_equal(COUNT(.state = &keyed), 1);
    assert_int_equal(COUNT(.state = &keyed, .batch = &batch), 0);
    assert_int_equal(COUNT(.return_code = &code), 1);
    assert_int_equal(COUNT(.return_code = &zero), 9);
    assert_int_equal(COUNT(.exported = &no), 10);
    assert_int_equal(COUNT(.exported = &yes), 0);
    assert_int_equal(COUNT(.exported = &no, .return_code = &code), 1);
    struct factory_device_counts counts;
    assert_ok(factory_device_count(bench.factory, &counts, NULL));
    assert_int_equal(counts.of[FACTORY_DEVICE_PROVISIONED][0], 9);
    assert_int_equal(counts.of[FACTORY_DEVICE_KEYED][0], 1);
    assert_int_equal(counts.of[FACTORY_DEVICE_PROVISIONED][1], 0);
}

static enum err last_keying(void *ctx, uint64_t serial, int64_t received,
                            const struct factory_keying *keying)
{
    (void)serial;
    assert_true(received > 0);
    assert_int_equal(keying->applications_len, 2);
    assert_string_equal(keying->applications[1].name, "meter");
    assert_true(bytes_equal(keying->applications[1].extra, bytes_str("\x01\x02")));
    (*(unsigned *)ctx)++;
    return ERR_OK;
}

static void applications_come_back_as_they_were(void **state)
{
    (void)state;
    run_begin(1, FACTORY_PROVISION);
    const struct factory_device_application applications[] = {
        {"emcm", "0001f3a2", bytes_str("key"), {NULL, 0}},
        {"meter", "", {NULL, 0}, bytes_str("\x01\x02")}};
    struct factory_keying keying = bench_keying(1, 7);
    keying.applications = applications;
    keying.applications_len = ARRAY_LEN(applications);
    uint64_t serial = 0;
    unsigned found = 0;
    struct arena *arena = NULL;
    assert_ok(factory_device_key(bench.factory, &keying, &serial, NULL));
    assert_ok(arena_new(1 << 20, &arena));
    assert_ok(factory_keying_list(bench.factory, 7, arena, last_keying, &found, NULL));
    assert_int_equal(found, 1);
    arena_free(arena);
}

static void a_blob_that_is_no_list_is_refused(void **state)
{
    (void)state;
    struct application_view views[FACTORY_DEVICE_APPLICATIONS_MAX];
    size_t len = 0;
    assert_ok(applications_decode(bytes_of("\0", 1), views, &len));
    assert_err(applications_decode(bytes_of("", 0), views, &len), ERR_CORRUPT);
    assert_err(applications_decode(bytes_of("\xff", 1), views, &len), ERR_CORRUPT);
    assert_err(applications_decode(bytes_of("\1\0\5abc", 6), views, &len), ERR_CORRUPT);
    assert_err(applications_decode(bytes_of("\0\0", 2), views, &len), ERR_CORRUPT);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
TEST_MAIN(CASE(a_device_is_keyed_then_provisioned), CASE(the_same_key_again_changes_nothing),
          CASE(a_new_key_counts_and_the_old_stays),
          CASE(a_run_that_did_not_look_at_the_key_provisions_nobody),
          CASE(a_report_that_comes_late_hides_no_key), CASE(the_key_in_the_device_counts),
          CASE(a_station_hears_of_the_key_that_it_asks_for),
          CASE(a_host_is_added_to_a_device_that_has_its_key),
          CASE(what_does_not_belong_together_is_refused), CASE(stages_are_remembered),
          CASE(lists_come_in_pages), CASE(lists_are_filtered),
          CASE(applications_come_back_as_they_were), CASE(a_blob_that_is_no_list_is_refused))
