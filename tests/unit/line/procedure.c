#include "line/procedure.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/hex.h"
#include "crypto/check_value.h"
#include "crypto/hash.h"
#include "fake/gateway_control.h"
#include "fake/line_server.h"
#include "fake/node.h"
#include "sample.h"
#include "support/test.h"

static struct fake_server server;
static struct line_job job;
static struct line_outcome outcome;
static struct line_ota *ota;
static char *json;
static char logged[65536];

static void on_log(void *ctx, enum log_level level, const char *text)
{
    size_t len = strlen(logged);
    (void)ctx;
    (void)level;
    (void)snprintf(logged + len, sizeof logged - len, "%s\n", text);
}

static void use_config(const char *edit, const char *with)
{
    free(json);
    json = sample_config("https", edit, with);
    server.config = json;
}

static void fresh(void)
{
    fake_node_reset();
    fake_gateway = (struct fake_gateway){.then = LINE_GATEWAY_JOINED};
    fake_server_init(&server, NULL, sample_key());
    server.files[0].name = "node.bin";
    server.files[0].content = sample_firmware;
    server.files[1].name = "field.cfg";
    server.files[1].content = sample_field;
    server.files[2].name = "factory.cfg";
    server.files[2].content = sample_factory;
    server.files[3].name = "meter.bin";
    server.files[3].content = "firmware of a meter";
    use_config(NULL, NULL);
    job = (struct line_job){.server = &server.base,
                            .port = "fake",
                            .choice = {.id = 0x45},
                            .batch = 1000,
                            .ota = ota,
                            .join_timeout_s = 5,
                            .join_poll_ms = 1,
                            .hooks = {.log = on_log}};
    logged[0] = '\0';
}

static int setup(void **state)
{
    struct line_fault fault = {0};
    (void)state;
    assert_ok(line_ota_new(&(struct line_ota_config){.one_x = true}, &ota, &fault));
    fresh();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    line_ota_freep(&ota);
    free(json);
    json = NULL;
    return 0;
}

static void run_is(enum line_code code)
{
    if (line_procedure_run(&job, &outcome) != code)
        fail_msg("%d wanted, got %d: %s\n%s", code, outcome.code, outcome.text, logged);
    assert_int_equal(outcome.code, code);
    if (server.ends != 0 && server.fail_call == NULL)
        assert_int_equal(server.code, code);
}

/* The one identity: what the device proves itself with is what the operator will get. */
static void one_identity(void)
{
    const struct fake_key *root = &fake_node.keys[NODE_ROOT_KEY];
    assert_int_equal(root->active_len, 16);
    assert_memory_equal(root->active, server.root, 16);
    assert_true(server.record.known);
    assert_memory_equal(fake_node.keys[NODE_GATEWAY_KEY].active, server.gateway, 24);
    assert_memory_equal(fake_node.keys[NODE_CDLD_KEY].active, server.cdld, 16);
    assert_int_equal(fake_node.keys[NODE_HOST_KEY].active_len, 16);
}

static void a_device_is_provisioned(void **state)
{
    (void)state;
    run_is(LINE_OK);
    one_identity();
    assert_string_equal(fake_node.targets[0].version, "2.1.0");
    assert_string_equal(fake_node.targets[0].label, "45/3 field");
    assert_string_equal(fake_node.targets[1].version, "5.6");
    assert_true(fake_node.locked && server.locked && outcome.locked && outcome.keyed);
    assert_true(server.record.provisioned);
    assert_int_equal(server.apps, 1);
    assert_int_equal(server.batch, 1000);
    assert_string_equal(server.before, "1.0");
    assert_string_equal(server.after, "2.1.0");
    assert_int_equal(outcome.node_id, 0x10200);
    assert_int_equal(strlen(outcome.run), 36);
}

static void a_locked_device_is_left_as_it_is(void **state)
{
    (void)state;
    run_is(LINE_OK);
    run_is(LINE_OK);
    assert_int_equal(server.reports, 1);
    assert_false(outcome.keyed);
    one_identity();
    use_config("\"version\":\"2.1.0\"", "\"version\":\"2.2.0\"");
    run_is(LINE_NODE_ERROR);
    assert_non_null(strstr(outcome.text, "locked"));
    one_identity();
}

static void an_open_device_is_keyed_anew(void **state)
{
    (void)state;
    job.skip_lock = true;
    run_is(LINE_OK);
    uint8_t first[16];
    memcpy(first, server.root, sizeof first);
    unsigned transfers = fake_node.transfers;
    run_is(LINE_OK);
    one_identity();
    assert_int_equal(server.reports, 2);
    assert_true(memcmp(first, server.root, sizeof first) != 0);
    assert_int_equal(fake_node.transfers, transfers);
    assert_false(fake_node.locked);
}

static void keys_may_be_left_out(void **state)
{
    (void)state;
    job.skip_keys = true;
    run_is(LINE_OK);
    assert_false(server.told_kcv);
    assert_int_equal(server.reports, 0);
    assert_int_equal(fake_node.keys[NODE_ROOT_KEY].active_len, 0);
    assert_false(fake_node.locked);
    assert_string_equal(fake_node.targets[0].version, "2.1.0");
}

static void the_factory_configuration_may_be_applied(void **state)
{
    (void)state;
    job.factory_config = true;
    run_is(LINE_OK);
    assert_string_equal(fake_node.targets[0].label, "45/3 factory");
}

/* ---- cut at any point ---- */

static void the_cable_is_pulled_at_every_call(void **state)
{
    (void)state;
    run_is(LINE_OK);
    unsigned calls = fake_node.calls;
    assert_true(calls > 20);
    for (unsigned n = 1; n <= 2 * calls; n++) {
        fresh();
        fake_node.pull_at = (n + 1) / 2;
        fake_node.pulled_after = n % 2 == 0;
        run_is(LINE_NO_DEVICE);
        assert_int_equal(server.ends, 1);
        uint8_t before[16];
        const struct fake_key *root = &fake_node.keys[NODE_ROOT_KEY];
        bool keyed = root->active_len != 0;
        memcpy(before, root->active, sizeof before);
        unsigned reports = server.reports;
        fake_node.pull_at = 0;
        run_is(LINE_OK);
        one_identity();
        assert_true(fake_node.locked && server.record.provisioned);
        if (keyed) { /* what the server has and the device uses is not made anew */
            assert_memory_equal(before, server.root, sizeof before);
            assert_int_equal(server.reports, reports);
        }
    }
}

static void the_server_goes_at_every_call(void **state)
{
    (void)state;
    static const char *const calls[] = {"config",       "begin",  "device", "file",
                                        "gateway keys", "report", "end"};
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        for (int after = 0; after < 2; after++) {
            fresh();
            server.fail_call = calls[i];
            server.fail_code = LINE_SERVER_UNREACHABLE;
            server.fail_after = after != 0;
            bool lost = !server.fail_after || strcmp(calls[i], "begin") == 0 ||
                        strcmp(calls[i], "report") == 0 || strcmp(calls[i], "end") == 0;
            run_is(lost ? LINE_SERVER_UNREACHABLE : LINE_OK);
            server.fail_call = NULL;
            run_is(LINE_OK);
            one_identity();
            assert_true(server.record.provisioned);
        }
    }
}

static void nothing_is_activated_that_was_not_reported(void **state)
{
    (void)state;
    server.fail_call = "report";
    server.fail_code = LINE_SERVER_ERROR;
    run_is(LINE_SERVER_ERROR);
    assert_int_equal(fake_node.keys[NODE_ROOT_KEY].active_len, 0);
    assert_int_equal(server.ends, 1);
    assert_false(fake_node.locked);
}

/* A key that was reported and never activated: a run that does not look at keys does not make the
 * server believe that the device has it. */
static void a_run_without_keys_provisions_nobody(void **state)
{
    (void)state;
    fake_node.fail_call = "activate";
    fake_node.fail_code = LINE_NO_DEVICE;
    run_is(LINE_NO_DEVICE);
    assert_true(server.record.known && !server.record.provisioned);
    fake_node.fail_call = NULL;
    job.skip_keys = true;
    run_is(LINE_OK);
    assert_false(server.told_kcv);
    assert_false(server.record.provisioned);
    job.skip_keys = false;
    run_is(LINE_OK);
    assert_true(server.told_kcv);
    one_identity();
}

/* Another client wrote a host's key between: the next run sees it and gives both a fresh one. */
static void a_host_with_another_key_is_keyed_anew(void **state)
{
    (void)state;
    fake_node.fail_call = "lock";
    fake_node.fail_code = LINE_NO_DEVICE;
    run_is(LINE_NO_DEVICE);
    fake_node.fail_call = NULL;
    fake_node.keys[NODE_HOST_KEY].active[0] ^= 1;
    run_is(LINE_OK);
    assert_int_equal(server.reports, 2);
    assert_true(outcome.keyed);
    one_identity();
    uint8_t value[CHECK_VALUE_SIZE];
    const struct fake_key *host = &fake_node.keys[NODE_HOST_KEY];
    assert_ok(check_value_of(bytes_of(host->active, host->active_len), value));
    assert_memory_equal(value, server.record.apps[0].kcv, sizeof value);
}

/* ---- every failure its code ---- */

static void each_call_of_the_device_has_its_code(void **state)
{
    (void)state;
    static const struct {
        const char *call;
        enum line_code code;
    } cases[] = {
        {"identify", LINE_NODE_MESSAGE},
        {"hardware", LINE_NODE_ERROR},
        {"target", LINE_NO_HOST},
        {"target", LINE_HOST_ERROR},
        {"target", LINE_HOST_HARDWARE},
        {"target", LINE_APPLICATION},
        {"firmware", LINE_NODE_FIRMWARE_FILE},
        {"configuration", LINE_NODE_CONFIG_FILE},
        {"key write", LINE_NODE_VERIFY},
        {"activate", LINE_NODE_VERIFY},
        {"lock", LINE_NODE_ERROR},
        {"reset", LINE_NO_DEVICE},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fresh();
        fake_node.fail_call = cases[i].call;
        fake_node.fail_code = cases[i].code;
        run_is(cases[i].code);
        assert_non_null(strstr(outcome.text, cases[i].call));
    }
}

static void devices_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    (void)snprintf(fake_node.type, sizeof fake_node.type, "DNODE");
    run_is(LINE_NODE_FIRMWARE_FILE);
    fresh();
    (void)snprintf(fake_node.hardware, sizeof fake_node.hardware, "8");
    run_is(LINE_NODE_HARDWARE);
    fresh();
    fake_node.self_test = 3;
    run_is(LINE_NODE_HARDWARE);
    fresh();
    fake_node.calibration = NODE_BAD_CALIBRATION;
    run_is(LINE_NODE_CALIBRATION);
    fresh();
    fake_node.calibration = NODE_UNCALIBRATED;
    run_is(LINE_NODE_CALIBRATION);
    fresh();
    fake_node.hosts = 0;
    run_is(LINE_NO_HOST);
    fresh();
    fake_node.absent = true;
    run_is(LINE_NO_DEVICE);
    assert_int_equal(server.ends, 1);
    fresh();
    fake_node.stale = true;
    run_is(LINE_NODE_VERIFY);
    assert_int_equal(server.reports, 0);
}

static void packages_that_lack_something_are_refused(void **state)
{
    (void)state;
    use_config("\"firmware\":{\"name\":\"node.bin\"", "\"x\":{\"name\":\"node.bin\"");
    run_is(LINE_NODE_FIRMWARE_FILE);
    fresh();
    use_config("\"field_configuration\":{", "\"y\":{");
    run_is(LINE_NODE_CONFIG_FILE);
    fresh();
    use_config("\"firmware\":{\"name\":\"meter.bin\"", "\"x\":{\"name\":\"meter.bin\"");
    run_is(LINE_HOST_FIRMWARE_FILE);
    fresh();
    use_config(",\"field_configuration\":null",
               ",\"factory_configuration\":{\"name\":\"m.cfg\",\"size\":1,\"path\":\"/x\","
               "\"md5\":\"00112233445566778899aabbccddeeff\"}");
    run_is(LINE_HOST_CONFIG_FILE);
    assert_int_equal(fake_node.transfers, 0);
    fresh();
    server.files[0].name = NULL;
    run_is(LINE_SERVER_FILE);
    fresh();
    server.config = "{}";
    run_is(LINE_SERVER_ANSWER);
    assert_int_equal(server.begins, 0);
}

static void a_host_is_known_by_the_end_of_its_id(void **state)
{
    (void)state;
    job.partial_host_id = "ABCD1234";
    run_is(LINE_OK);
    fresh();
    job.partial_host_id = "abcd1235";
    run_is(LINE_HOST_VERIFY);
    assert_int_equal(server.reports, 0);
    fresh();
    job.partial_host_id = "00abcd1234";
    run_is(LINE_HOST_VERIFY);
}

/* ---- stages ---- */

static void stages_lead_to_the_same(void **state)
{
    (void)state;
    job.operation = LINE_PRETEST;
    run_is(LINE_OK);
    assert_int_equal(fake_node.cleared, 1);
    assert_int_equal(fake_gateway.cleared, 1);
    assert_string_equal(fake_node.targets[0].label, "45/3 factory");
    assert_int_equal(server.reports, 0);
    assert_false(fake_node.locked);
    job.operation = LINE_CHECKCONFIG;
    unsigned transfers = fake_node.transfers;
    run_is(LINE_OK);
    assert_int_equal(fake_node.transfers, transfers);
    job.operation = LINE_POSTTEST;
    fake_gateway.polls = 3;
    fake_gateway.lost = 5;
    run_is(LINE_OK);
    assert_int_equal(fake_gateway.asked, 4);
    assert_int_equal(fake_gateway.lost, 0);
    assert_true(fake_gateway.one_x);
    one_identity();
    assert_string_equal(fake_node.targets[0].label, "45/3 field");
    assert_true(fake_node.locked);
}

/* A board is pretested before it is put into its meter. */
static void only_a_finished_device_needs_its_meter(void **state)
{
    (void)state;
    fake_node.targets[1].link_down = true;
    run_is(LINE_APPLICATION);
    assert_int_equal(fake_node.transfers, 0);
    job.operation = LINE_PRETEST;
    run_is(LINE_OK);
    job.operation = LINE_CHECKCONFIG;
    run_is(LINE_OK);
    job.operation = LINE_POSTTEST;
    run_is(LINE_APPLICATION);
    assert_int_equal(server.reports, 0);
    fake_node.targets[1].link_down = false;
    run_is(LINE_OK);
    one_identity();
}

static void stages_out_of_order_are_refused(void **state)
{
    (void)state;
    job.operation = LINE_CHECKCONFIG;
    run_is(LINE_NODE_VERSION);
    fresh();
    job.operation = LINE_POSTTEST;
    run_is(LINE_NODE_VERSION);
    assert_int_equal(server.reports, 0);
    fresh();
    job.skip_keys = true;
    run_is(LINE_OK); /* its configuration is that for the field */
    job.operation = LINE_CHECKCONFIG;
    run_is(LINE_NODE_CONFIG);
}

/* Without factory configurations there is no PRETEST, and nothing that comes after one. */
static void stages_want_factory_configurations(void **state)
{
    static const enum line_operation stages[] = {LINE_PRETEST, LINE_CHECKCONFIG, LINE_POSTTEST};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
        fresh();
        use_config("\"factory_configuration\":{", "\"y\":{");
        job.operation = stages[i];
        (void)snprintf(fake_node.targets[0].version, sizeof fake_node.targets[0].version, "%s",
                       stages[i] == LINE_PRETEST ? "1.0" : "2.1.0");
        (void)snprintf(fake_node.targets[1].version, sizeof fake_node.targets[1].version, "5.6");
        run_is(LINE_NODE_CONFIG_FILE);
        assert_int_equal(fake_node.transfers, 0);
        assert_int_equal(server.reports, 0);
    }
}

static void the_test_over_the_air_can_fail(void **state)
{
    (void)state;
    job.operation = LINE_PRETEST;
    fake_gateway.err = ERR_UNREACHABLE;
    run_is(LINE_GATEWAY_UNREACHABLE);
    fake_gateway.err = ERR_PEER;
    run_is(LINE_GATEWAY_ERROR);
    fake_gateway.err = ERR_OK;
    run_is(LINE_OK);
    job.operation = LINE_POSTTEST;
    fake_gateway.then = LINE_GATEWAY_REFUSED;
    run_is(LINE_NOT_JOINED);
    fake_gateway.then = LINE_GATEWAY_UNKNOWN;
    job.join_timeout_s = 1;
    run_is(LINE_NOT_JOINED);
    /* a gateway that answered before may restart meanwhile */
    fake_gateway.lost = UINT32_MAX;
    run_is(LINE_GATEWAY_UNREACHABLE);
    fake_gateway.lost = 0;
    atomic_bool cancel = true;
    job.join_timeout_s = 600;
    job.cancel = &cancel;
    run_is(LINE_NOT_JOINED);
    job.cancel = NULL;
    assert_int_equal(server.reports, 0);
    assert_int_equal(fake_node.keys[NODE_ROOT_KEY].active_len, 0);
}

static void a_posttest_that_was_cut_is_finished(void **state)
{
    (void)state;
    job.operation = LINE_PRETEST;
    run_is(LINE_OK);
    job.operation = LINE_POSTTEST;
    struct fake_node tested = fake_node;
    unsigned before = fake_node.calls;
    run_is(LINE_OK);
    unsigned calls = fake_node.calls - before;
    for (unsigned n = 1; n <= 2 * calls; n++) {
        fresh();
        job.operation = LINE_POSTTEST;
        fake_node = tested;
        fake_node.pull_at = before + (n + 1) / 2;
        fake_node.pulled_after = n % 2 == 0;
        run_is(LINE_NO_DEVICE);
        fake_node.pull_at = 0;
        run_is(LINE_OK);
        one_identity();
        assert_true(fake_node.locked);
    }
}

/* A key from another run is no proof that the device ever joined. */
static void the_test_over_the_air_is_not_passed_by_an_older_key(void **state)
{
    (void)state;
    fake_node.fail_call = "lock"; /* a single stage, cut at its end */
    fake_node.fail_code = LINE_NO_DEVICE;
    run_is(LINE_NO_DEVICE);
    fake_node.fail_call = NULL;
    fake_gateway.then = LINE_GATEWAY_UNKNOWN;
    job.join_timeout_s = 1;
    job.operation = LINE_POSTTEST;
    run_is(LINE_NOT_JOINED);
    assert_false(server.record.provisioned);
    /* and one that was cut in a POSTTEST is tested again after another PRETEST */
    fresh();
    job.operation = LINE_PRETEST;
    run_is(LINE_OK);
    job.operation = LINE_POSTTEST;
    fake_node.fail_call = "lock";
    fake_node.fail_code = LINE_NO_DEVICE;
    run_is(LINE_NO_DEVICE);
    assert_true(server.record.tested);
    fake_node.fail_call = NULL;
    job.operation = LINE_PRETEST;
    run_is(LINE_OK);
    fake_gateway.then = LINE_GATEWAY_UNKNOWN;
    job.join_timeout_s = 1;
    job.operation = LINE_POSTTEST;
    run_is(LINE_NOT_JOINED);
    fake_gateway.then = LINE_GATEWAY_JOINED;
    run_is(LINE_OK);
    one_identity();
}

static void no_key_is_ever_logged(void **state)
{
    (void)state;
    char hex[49];
    for (int i = 0; i < 2; i++) {
        if (i == 1) {
            fresh();
            fake_node.fail_call = "activate";
            fake_node.fail_code = LINE_NODE_VERIFY;
        }
        run_is(i == 0 ? LINE_OK : LINE_NODE_VERIFY);
        hex_encode(BYTES(server.root), hex);
        assert_null(strcasestr(logged, hex));
        hex[16] = '\0';
        assert_null(strcasestr(logged, hex));
        hex_encode(BYTES(server.gateway), hex);
        assert_null(strcasestr(logged, hex));
        assert_true(strlen(logged) > 100);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
TEST_MAIN(CASE(a_device_is_provisioned), CASE(a_locked_device_is_left_as_it_is),
          CASE(an_open_device_is_keyed_anew), CASE(keys_may_be_left_out),
          CASE(the_factory_configuration_may_be_applied), CASE(the_cable_is_pulled_at_every_call),
          CASE(the_server_goes_at_every_call), CASE(nothing_is_activated_that_was_not_reported),
          CASE(each_call_of_the_device_has_its_code), CASE(devices_that_do_not_fit_are_refused),
          CASE(packages_that_lack_something_are_refused),
          CASE(a_host_is_known_by_the_end_of_its_id), CASE(stages_lead_to_the_same),
          CASE(only_a_finished_device_needs_its_meter), CASE(stages_out_of_order_are_refused),
          CASE(stages_want_factory_configurations), CASE(the_test_over_the_air_can_fail),
          CASE(a_posttest_that_was_cut_is_finished), CASE(a_run_without_keys_provisions_nobody),
          CASE(a_host_with_another_key_is_keyed_anew),
          CASE(the_test_over_the_air_is_not_passed_by_an_older_key), CASE(no_key_is_ever_logged))
