#include "bench.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "crypto/hash.h"

static struct bench bench;
static char *first, *second;

static int begin(void **state)
{
    (void)state;
    bench_begin(&bench);
    bench_package(&bench, BENCH_CONFIG, 1);
    first = test_path(bench.dir, "first.xml");
    second = test_path(bench.dir, "second.xml");
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(first);
    free(second);
    bench_end(&bench);
    return 0;
}

static const struct factory_export_request everything = {.batches = "", .nodes = ""};

static enum err export_to(const struct factory_export_request *request, const char *path,
                          struct factory_export_result *ret_result)
{
    return factory_export(bench.factory, &bench.call, request, path, ret_result, NULL);
}

static struct buf content(const char *path)
{
    struct buf text = {0};
    assert_ok(file_read(path, 1 << 24, &text, NULL));
    assert_ok(buf_append(&text, bytes_of("", 1)));
    return text;
}

static void fill(unsigned count)
{
    for (unsigned i = 1; i <= count; i++)
        bench_provision(&bench, i, i, i <= count / 2 ? 1000 : 2000);
}

static uint64_t count(const struct factory_export_request *request)
{
    struct factory_export_request asked = *request;
    struct factory_export_result result = {0};
    asked.count_only = true;
    if (asked.batches == NULL)
        asked.batches = "";
    if (asked.nodes == NULL)
        asked.nodes = "";
    assert_ok(export_to(&asked, "", &result));
    assert_int_equal(result.export, 0);
    return result.devices;
}

static void selections_select(void **state)
{
    (void)state;
    uint64_t config = BENCH_CONFIG, other = 1;
    int64_t from = 1700000003, to = 1700000004;
    fill(10);
#define COUNT(...) count(&(struct factory_export_request){__VA_ARGS__})
    assert_int_equal(COUNT(.config_id = NULL), 10);
    assert_int_equal(COUNT(.config_id = &config), 10);
    assert_int_equal(COUNT(.config_id = &other), 0);
    assert_int_equal(COUNT(.batches = "2000"), 5);
    assert_int_equal(COUNT(.batches = "1-1000, 0x7d0"), 10);
    assert_int_equal(COUNT(.nodes = "2-4,0x3-0x5,9"), 5);
    assert_int_equal(COUNT(.nodes = "0xffffffffffffffff"), 0);
    assert_int_equal(COUNT(.from = &from), 8);
    assert_int_equal(COUNT(.from = &from, .to = &to), 2);
    assert_int_equal(COUNT(.only_new = true), 10);
    assert_int_equal(COUNT(.batches = "1000", .nodes = "1-2", .only_new = true), 2);
    const struct factory_export_request backwards = {
        .batches = "", .nodes = "", .from = &to, .to = &from};
    struct factory_export_result result;
    assert_err(export_to(&backwards, first, &result), ERR_ARGUMENT);
}

static void ranges_are_read_strictly(void **state)
{
    (void)state;
    struct factory_range ranges[FACTORY_RANGES_MAX];
    size_t len = 9;
    assert_ok(factory_ranges_of("nodes", "", 100, ranges, &len, NULL));
    assert_int_equal(len, 0);
    assert_ok(factory_ranges_of("nodes", "1-3,7", 100, ranges, &len, NULL));
    assert_int_equal(len, 2);
    assert_int_equal(ranges[0].last, 3);
    static const char *const bad[] = {"1-",  "-1", "3-1", "1,",  "1;2", "010",
                                      "101", "0x", "x",   "1 2", ",",   "99999999999999999999"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err_detail detail = {0};
        assert_err(factory_ranges_of("nodes", bad[i], 100, ranges, &len, &detail), ERR_ARGUMENT);
        assert_int_equal(strncmp(detail.text, "nodes: ", 7), 0);
    }
    char many[4 * FACTORY_RANGES_MAX] = "1";
    for (unsigned i = 0; i < FACTORY_RANGES_MAX; i++)
        strcat(many, ",1");
    assert_err(factory_ranges_of("nodes", many, 100, ranges, &len, NULL), ERR_ARGUMENT);
}

/* By the server's key, as `openssl dgst -verify` sees it. */
static void is_signed(const char *path)
{
    char beside[600];
    struct buf text = {0}, signature = {0};
    uint8_t digest[32];
    (void)snprintf(beside, sizeof beside, "%s.sig", path);
    assert_ok(file_read(path, 1 << 24, &text, NULL));
    assert_ok(file_read(beside, 1024, &signature, NULL));
    const struct bytes view = buf_view(&text);
    assert_ok(hash_sha256(&view, 1, digest));
    assert_ok(rsa_verify_sha256(rsa_private_public(bench.rig.token.server), digest,
                                buf_view(&signature), NULL));
    buf_done(&text);
    buf_done(&signature);
}

static void an_export_that_is_not_signed_is_none(void **state)
{
    (void)state;
    struct factory_export_result result;
    char beside[600];
    fill(4);
    bench.rig.token.fail = ERR_TOKEN;
    assert_err(export_to(&everything, first, &result), ERR_TOKEN);
    (void)snprintf(beside, sizeof beside, "%s.sig", first);
    assert_int_not_equal(access(first, F_OK), 0);
    assert_int_not_equal(access(beside, F_OK), 0);
    assert_int_equal(bench_ask(&bench, "SELECT count(*) FROM device_export"), 0);
    assert_int_equal(bench_ask(&bench, "SELECT count(*) FROM device WHERE exported = 0"), 4);
    bench.rig.token.fail = ERR_OK;
    for (unsigned i = 0; i < 20; i++) /* no session was left behind */
        assert_ok(factory_export(bench.factory, &bench.call, &everything,
                                 i == 0 ? first : (unlink(first), first), &result, NULL));
    is_signed(first);
}

static void an_export_can_be_repeated(void **state)
{
    (void)state;
    struct factory_export_result result, again;
    fill(10);
    assert_ok(export_to(&everything, first, &result));
    assert_int_equal(result.devices, 10);
    /* what happens later does not change it */
    bench_provision(&bench, 20, 3, 1000);
    bench_provision(&bench, 21, 30, 1000);
    assert_ok(
        factory_export_repeat(bench.factory, &bench.call, result.export, second, &again, NULL));
    assert_int_equal(again.devices, 10);
    struct buf a = content(first), b = content(second);
    assert_true(bytes_equal(buf_view(&a), buf_view(&b)));
    assert_int_equal(result.bytes, a.len - 1);
    assert_non_null(strstr((char *)a.data, "nodeId=\"0x00000003\""));
    buf_done(&a);
    buf_done(&b);
    is_signed(first);
    is_signed(second);
    assert_err(factory_export_repeat(bench.factory, &bench.call, 99, first, &again, NULL),
               ERR_NOT_FOUND);
}

static void what_was_exported_is_known(void **state)
{
    (void)state;
    struct factory_export_result result;
    struct factory_export_request fresh = everything;
    fresh.only_new = true;
    fill(10);
    const struct factory_export_request half = {.batches = "1000", .nodes = ""};
    assert_ok(export_to(&half, first, &result));
    assert_int_equal(result.devices, 5);
    assert_int_equal(count(&fresh), 5);
    assert_ok(unlink(first) == 0 ? ERR_OK : ERR_IO);
    /* a new key was never exported */
    bench_provision(&bench, 20, 3, 1000);
    assert_int_equal(count(&fresh), 6);
    assert_ok(export_to(&fresh, first, &result));
    assert_int_equal(result.devices, 6);
    assert_int_equal(count(&fresh), 0);
    assert_err(export_to(&fresh, second, &result), ERR_NOT_FOUND);
    assert_int_not_equal(access(second, F_OK), 0);
    struct factory_device_counts counts;
    assert_ok(factory_device_count(bench.factory, &counts, NULL));
    assert_int_equal(counts.of[FACTORY_DEVICE_PROVISIONED][1], 10);
    assert_int_equal(counts.of[FACTORY_DEVICE_PROVISIONED][0], 0);
    assert_int_equal(bench_ask(&bench, "SELECT count(*) FROM device_export"), 2);
}

/* A key that was reported and never came into the device: the one before counts again, and it was
 * exported already. */
static void a_key_that_counts_again_keeps_its_export(void **state)
{
    (void)state;
    struct factory_export_result result;
    bool is_new = false;
    uint64_t serial = 0, node = 7;
    bench_provision(&bench, 50, node, 1000);
    assert_ok(export_to(&everything, first, &result));
    const uint64_t before = (uint64_t)bench_ask(&bench, "SELECT exported FROM device");
    assert_int_not_equal(before, 0);
    struct factory_run_begin run = bench_run(51);
    const struct factory_keying theirs = bench_keying(50, node), lost = bench_keying(51, node);
    assert_ok(factory_run_begin(bench.factory, &run, &is_new, NULL));
    assert_ok(factory_device_key(bench.factory, &lost, &serial, NULL));
    assert_int_equal(bench_ask(&bench, "SELECT exported FROM device"), 0);
    run = bench_run(52);
    assert_ok(factory_run_begin(bench.factory, &run, &is_new, NULL));
    struct factory_run_end ended = bench_run_ended(52, 0, &node);
    ended.kcv = theirs.kcv;
    assert_ok(factory_run_end(bench.factory, &ended, &is_new, NULL));
    assert_int_equal(bench_ask(&bench, "SELECT exported FROM device"), before);
    struct factory_device_counts counts;
    assert_ok(factory_device_count(bench.factory, &counts, NULL));
    assert_int_equal(counts.of[FACTORY_DEVICE_PROVISIONED][1], 1);
    assert_int_equal(counts.of[FACTORY_DEVICE_PROVISIONED][0], 0);
    assert_int_equal(counts.of[FACTORY_DEVICE_KEYED][0], 0);
}

static bool stop(void *ctx, const char *stage, uint64_t done, uint64_t total)
{
    (void)stage;
    (void)total;
    return done < *(uint64_t *)ctx;
}

static void an_export_that_stops_leaves_nothing(void **state)
{
    (void)state;
    struct factory_export_result result;
    uint64_t limit = 0;
    fill(4);
    bench.call.progress = stop;
    bench.call.progress_ctx = &limit;
    assert_err(export_to(&everything, first, &result), ERR_CANCELLED);
    assert_int_not_equal(access(first, F_OK), 0);
    assert_int_equal(bench_ask(&bench, "SELECT count(*) FROM device_export"), 0);
    bench.call.progress = NULL;
    assert_ok(export_to(&everything, first, &result));
    /* a file that is there is not touched, and the export undone */
    assert_err(export_to(&everything, first, &result), ERR_EXISTS);
    assert_int_equal(bench_ask(&bench, "SELECT count(*) FROM device_export"), 1);
    assert_int_equal(bench_ask(&bench, "SELECT count(*) FROM device WHERE exported = 1"), 4);
}

static void an_export_that_crashed_is_undone(void **state)
{
    (void)state;
    struct factory_export_result result;
    const struct factory_export_request half = {.batches = "1000", .nodes = ""};
    fill(4);
    assert_ok(export_to(&half, first, &result));
    assert_ok(export_to(&everything, second, &result));
    /* as it was before its last transaction */
    assert_ok(bench_exec(&bench, "UPDATE device_export SET devices = NULL WHERE id = 2"));
    bench_close(&bench);
    bench_open(&bench);
    assert_int_equal(bench_ask(&bench, "SELECT count(*) FROM device_export"), 1);
    assert_int_equal(bench_ask(&bench, "SELECT count(*) FROM device_exported"), 2);
    assert_int_equal(bench_ask(&bench, "SELECT count(*) FROM device WHERE exported = 1"), 2);
    assert_int_equal(bench_ask(&bench, "SELECT count(*) FROM device WHERE exported = 0"), 2);
    struct factory_device_counts counts;
    assert_ok(factory_device_count(bench.factory, &counts, NULL));
    assert_int_equal(counts.of[FACTORY_DEVICE_PROVISIONED][0], 2);
    assert_int_equal(counts.of[FACTORY_DEVICE_PROVISIONED][1], 2);
}

/* The form is docs/device-keys.xsd's, whatever stations send. */
static void the_file_is_as_its_schema_says(void **state)
{
    (void)state;
    bool is_new = false;
    uint64_t serial = 0, node = UINT64_C(0x1122334455667788);
    const struct factory_run_begin run = bench_run(99);
    const struct factory_run_end ended = bench_run_ended(99, 0, &node);
    struct factory_keying keying = bench_keying(99, node);
    const struct factory_device_application applications[] = {
        {"<\"&'>\n\t", "\xef\xbf\xbe", bytes_str("key"), bytes_str("more")}, {"b", "", {0}, {0}}};
    keying.applications = applications;
    keying.applications_len = ARRAY_LEN(applications);
    fill(3);
    assert_ok(factory_run_begin(bench.factory, &run, &is_new, NULL));
    assert_ok(factory_device_key(bench.factory, &keying, &serial, NULL));
    assert_ok(factory_run_end(bench.factory, &ended, &is_new, NULL));
    struct factory_export_result result;
    assert_ok(export_to(&everything, first, &result));
    const char *root = getenv("CLAVIGER_SOURCE_ROOT");
    if (root == NULL || system("command -v xmllint >/dev/null") != 0)
        skip();
    char command[2048];
    (void)snprintf(command, sizeof command,
                   "xmllint --noout --nonet --schema '%s/docs/device-keys.xsd' '%s' 2>&1", root,
                   first);
    assert_int_equal(system(command), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
TEST_MAIN(CASE(selections_select), CASE(ranges_are_read_strictly), CASE(an_export_can_be_repeated),
          CASE(an_export_that_is_not_signed_is_none), CASE(what_was_exported_is_known),
          CASE(an_export_that_stops_leaves_nothing), CASE(an_export_that_crashed_is_undone),
          CASE(the_file_is_as_its_schema_says), CASE(a_key_that_counts_again_keeps_its_export))
