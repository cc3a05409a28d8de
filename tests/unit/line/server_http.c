#include "line/server.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "fake/http_script.h"
#include "line/cache.h"
#include "sample.h"
#include "support/test.h"

#define CONFIG "/v1/line/config?id=0x0000000000000045"
#define DEVICE "/v1/line/devices/0x00010200"
#define RUN    "0b5e1d4c-7a1e-4a41-9d33-3a52a1b7c001"

static struct http_script *script;
static struct line_server *server;
static struct line_http_config config;
static struct line_fault fault;
static char *dir, *cache, *json;
static const struct line_choice choice = {.id = 0x45};

static int setup(void **state)
{
    (void)state;
    dir = test_tempdir();
    cache = test_path(dir, "cache");
    json = sample_config("http", NULL, NULL);
    config = (struct line_http_config){.host = "127.0.0.1",
                                       .plain = true,
                                       .cache = cache,
                                       .timeout_ms = 1000,
                                       .retries = 2,
                                       .pause_ms = 1};
    fault = (struct line_fault){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    line_server_freep(&server);
    http_script_free(script);
    script = NULL;
    free(cache);
    free(json);
    test_tempdir_remove(dir);
    return 0;
}

static void serve(const struct http_line *lines)
{
    line_server_freep(&server);
    http_script_free(script);
    script = http_script_new(lines);
    config.port = http_script_port(script);
    assert_ok(line_http_server_new(&config, &server, &fault));
}

static void assert_fault(enum err err, enum line_code code)
{
    if (err == ERR_OK || fault.code != code)
        fail_msg("%d wanted, got %d: %s", code, fault.code, fault.text);
    assert_true(fault.text[0] != '\0');
    fault = (struct line_fault){0};
}

static void a_configuration_is_asked_for_by_id_or_alias(void **state)
{
    (void)state;
    struct line_package package = {0};
    const struct http_line lines[] = {
        {.method = "GET", .path = CONFIG, .status = 200, .body = json},
        {.method = "GET", .path = "/v1/line/config?alias=kite%20170", .status = 200, .body = json},
        {0}};
    serve(lines);
    assert_ok(server->ops->config(server, &choice, &package, &fault));
    assert_int_equal(package.config_id, 0x45);
    line_package_done(&package);
    const struct line_choice alias = {.alias = "kite 170"};
    assert_ok(server->ops->config(server, &alias, &package, &fault));
    line_package_done(&package);
    const struct line_choice unknown = {.alias = "kate"};
    assert_fault(server->ops->config(server, &unknown, &package, &fault), LINE_SERVER_ERROR);
}

static void a_server_that_is_away_is_asked_again(void **state)
{
    (void)state;
    struct line_package package = {0};
    const struct http_line lines[] = {
        {.method = "GET", .path = CONFIG, .status = 503, .body = "", .only_first = 1},
        {.method = "GET", .path = CONFIG, .status = 200, .body = json, .cut = 40, .only_first = 2},
        {.method = "GET", .path = CONFIG, .status = 200, .body = json},
        {0}};
    serve(lines);
    assert_ok(server->ops->config(server, &choice, &package, &fault));
    line_package_done(&package);
    assert_int_equal(http_script_count(script, "GET", CONFIG), 3);
}

static void each_failure_has_its_code(void **state)
{
    (void)state;
    struct line_package package = {0};
    const struct http_line slow[] = {
        {.method = "GET", .path = CONFIG, .status = 200, .body = json, .delay_ms = 3000}, {0}};
    config.retries = 0;
    serve(slow);
    assert_fault(server->ops->config(server, &choice, &package, &fault), LINE_SERVER_UNREACHABLE);
    const struct http_line garbage[] = {
        {.method = "GET", .path = CONFIG, .status = 200, .body = "<html>"}, {0}};
    serve(garbage);
    assert_fault(server->ops->config(server, &choice, &package, &fault), LINE_SERVER_ANSWER);
    const struct http_line refusal[] = {
        {.method = "GET",
         .path = CONFIG,
         .status = 403,
         .body = "{\"error\":{\"code\":\"DENIED\",\"text\":\"not permitted\",\"detail\":\"\"}}"},
        {0}};
    serve(refusal);
    assert_true(server->ops->config(server, &choice, &package, &fault) != ERR_OK);
    assert_non_null(strstr(fault.text, "not permitted"));
    assert_int_equal(fault.code, LINE_SERVER_ERROR);
    http_script_free(script);
    script = NULL;
    assert_fault(server->ops->config(server, &choice, &package, &fault), LINE_SERVER_UNREACHABLE);
}

static void addresses_and_profiles_are_checked(void **state)
{
    (void)state;
    static const char *const hosts[] = {"",    "a b", "a/b", "user@host", "a?b",
                                        "a#b", ":80", "a:",  "a:b",       "a:1x"};
    struct line_server *none = NULL;
    config.port = 8085;
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        config.host = hosts[i];
        assert_fault(line_http_server_new(&config, &none, &fault), LINE_ARGUMENTS);
    }
    config.host = "::1";
    config.plain = false;
    config.profile = dir;
    assert_fault(line_http_server_new(&config, &none, &fault), LINE_SERVER_UNREACHABLE);
    assert_null(none);
}

/* HOST:PORT, as tools give it: the port in the host counts. */
static void a_port_may_stand_in_the_host(void **state)
{
    (void)state;
    struct line_package package;
    char host[32];
    serve((const struct http_line[]){{.method = "GET", .path = CONFIG, .status = 200, .body = json},
                                     {0}});
    line_server_freep(&server);
    (void)snprintf(host, sizeof host, "127.0.0.1:%u", http_script_port(script));
    config.host = host;
    config.port = 1;
    assert_ok(line_http_server_new(&config, &server, &fault));
    assert_ok(server->ops->config(server, &choice, &package, &fault));
    line_package_done(&package);
}

#define FILE_PATH "/v1/factory/packages/0x45/files/node.bin"

static void files_are_fetched_once_and_checked(void **state)
{
    (void)state;
    struct line_package package = {.transfer = LINE_HTTP};
    struct line_file file;
    struct buf content = {0};
    char path[PATH_MAX];
    struct stat st;
    sample_file(&file, "node.bin", FILE_PATH, bytes_str(sample_firmware));
    const struct http_line lines[] = {
        {.method = "GET", .path = FILE_PATH, .status = 200, .body = sample_firmware}, {0}};
    serve(lines);
    for (int i = 0; i < 2; i++) {
        content.len = 0;
        assert_ok(server->ops->file(server, &package, &file, &content, path, &fault));
        assert_true(bytes_equal(buf_view(&content), bytes_str(sample_firmware)));
    }
    assert_int_equal(http_script_count(script, "GET", FILE_PATH), 1);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(cache, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    file.sha256[0] ^= 1;
    assert_fault(server->ops->file(server, &package, &file, &content, NULL, &fault),
                 LINE_SERVER_ANSWER);
    buf_done(&content);
}

static void a_file_that_does_not_come_has_a_code(void **state)
{
    (void)state;
    struct line_package package = {.transfer = LINE_HTTP};
    struct line_file file;
    struct buf content = {0};
    sample_file(&file, "node.bin", FILE_PATH, bytes_str(sample_firmware));
    const struct http_line cut[] = {
        {.method = "GET", .path = FILE_PATH, .status = 200, .body = sample_firmware, .cut = 9},
        {0}};
    serve(cut);
    assert_fault(server->ops->file(server, &package, &file, &content, NULL, &fault),
                 LINE_SERVER_UNREACHABLE);
    assert_int_equal(http_script_count(script, "GET", FILE_PATH), 3);
    const struct http_line none[] = {{0}};
    serve(none);
    assert_fault(server->ops->file(server, &package, &file, &content, NULL, &fault),
                 LINE_SERVER_FILE);
    (void)snprintf(file.path, sizeof file.path, "https://elsewhere/x");
    assert_fault(server->ops->file(server, &package, &file, &content, NULL, &fault),
                 LINE_SERVER_ANSWER);
    assert_int_equal(content.len, 0);
    buf_done(&content);
}

static void shared_files_are_read_where_the_client_sees_them(void **state)
{
    (void)state;
    struct line_package package = {.transfer = LINE_SHARED};
    struct line_file file;
    struct buf content = {0};
    char path[PATH_MAX], *real = test_path(dir, "node.bin");
    static const struct http_line none[] = {{0}};
    sample_file(&file, "node.bin", "/workspace/node.bin", bytes_str(sample_firmware));
    assert_ok(file_write(real, bytes_str(sample_firmware), 0644, NULL));
    serve(none);
    assert_fault(server->ops->file(server, &package, &file, &content, NULL, &fault),
                 LINE_SERVER_FILE);
    config.path_from = "/workspace";
    config.path_to = dir;
    serve(none);
    assert_ok(server->ops->file(server, &package, &file, &content, path, &fault));
    assert_string_equal(path, real);
    assert_ok(file_write(real, bytes_str("firmware 2.1.0 of a UNODf"), 0644, NULL));
    assert_fault(server->ops->file(server, &package, &file, &content, NULL, &fault),
                 LINE_SERVER_ANSWER);
    free(real);
    buf_done(&content);
}

static void devices_are_reported_and_asked_for(void **state)
{
    (void)state;
    const struct http_line lines[] = {
        {.method = "PUT", .path = DEVICE, .status = 500, .body = "", .only_first = 1},
        {.method = "PUT", .path = DEVICE, .status = 200, .body = "{\"serial\":7}"},
        {.method = "GET",
         .path = DEVICE,
         .status = 200,
         .body = "{\"kcv\":\"0001020304050607\",\"state\":\"keyed\",\"config_id\":"
                 "\"0x0000000000000045\",\"revision\":3,\"stage\":\"POSTTEST\",\"tested\":true,"
                 "\"applications\":[{\"name\":\"meter\",\"kcv\":\"aabb030405060708\"},{},7,"
                 "{\"name\":\"x\",\"kcv\":\"00\"}]}"},
        {.method = "GET",
         .path = DEVICE "?kcv=aa00000000000000",
         .status = 200,
         .body = "{\"kcv\":\"aa00000000000000\",\"state\":\"provisioned\",\"config_id\":"
                 "\"0x0000000000000045\",\"revision\":3,\"stage\":null}"},
        {0}};
    serve(lines);
    uint8_t key[3] = {1, 2, 0xff};
    const struct line_report_app apps[] = {{.name = "meter", .id = BYTES(key)}};
    const struct line_report report = {.run = RUN,
                                       .node_id = 0x10200,
                                       .config_id = 0x45,
                                       .revision = 3,
                                       .batch = 1000,
                                       .time = 1700000000,
                                       .key = BYTES(key),
                                       .kcv = {0xaa},
                                       .apps = apps,
                                       .apps_len = 1};
    assert_fault(server->ops->report(server, &report, &fault), LINE_SERVER_ERROR);
    assert_ok(server->ops->report(server, &report, &fault));
    assert_string_equal(
        http_script_body(script, "PUT", DEVICE),
        "{\"run\":\"" RUN "\",\"config_id\":\"0x0000000000000045\",\"revision\":3,\"batch\":1000,"
        "\"time\":\"2023-11-14T22:13:20Z\",\"key\":\"0102ff\",\"kcv\":\"aa00000000000000\","
        "\"applications\":[{\"name\":\"meter\",\"id\":\"0102ff\",\"key\":\"\",\"extra\":\"\"}]}");
    struct line_record record = {0};
    assert_ok(server->ops->device(server, 0x10200, NULL, &record, &fault));
    assert_true(record.known && !record.provisioned && record.tested);
    assert_int_equal(record.apps_len, 1);
    assert_string_equal(record.apps[0].name, "meter");
    assert_int_equal(record.apps[0].kcv[1], 0xbb);
    assert_int_equal(record.kcv[7], 7);
    assert_int_equal(record.config_id, 0x45);
    assert_ok(server->ops->device(server, 0x10200, report.kcv, &record, &fault));
    assert_true(record.provisioned && !record.tested && record.kcv[0] == 0xaa);
    assert_ok(server->ops->device(server, 0x10201, NULL, &record, &fault));
    assert_false(record.known);
}

static void records_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "[]",
        "{}",
        "{\"kcv\":\"00\",\"state\":\"keyed\",\"config_id\":\"0x1\"}",
        "{\"kcv\":\"0001020304050607\",\"state\":\"lost\",\"config_id\":\"0x1\"}",
        "{\"kcv\":\"0001020304050607\",\"state\":\"keyed\",\"config_id\":\"kite\"}",
        "{\"kcv\":\"0001020304050607\",\"state\":\"keyed\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        struct line_record record = {0};
        const struct http_line lines[] = {
            {.method = "GET", .path = DEVICE, .status = 200, .body = bodies[i]}, {0}};
        serve(lines);
        assert_fault(server->ops->device(server, 0x10200, NULL, &record, &fault),
                     LINE_SERVER_ANSWER);
    }
}

static void runs_begin_and_end(void **state)
{
    (void)state;
    static const struct http_line lines[] = {
        {.method = "POST", .path = "/v1/line/runs", .status = 201},
        {.method = "POST", .path = "/v1/line/runs/" RUN "/end", .status = 200},
        {0}};
    serve(lines);
    const struct line_begin begin = {.run = RUN,
                                     .operation = LINE_POSTTEST,
                                     .config_id = 0x45,
                                     .revision = 3,
                                     .batch = 7,
                                     .operator= "kim",
                                     .port = "/dev/ttyUSB0"};
    assert_ok(server->ops->begin(server, &begin, &fault));
    assert_string_equal(http_script_body(script, "POST", "/v1/line/runs"),
                        "{\"run\":\"" RUN "\",\"operation\":\"POSTTEST\",\"config_id\":"
                        "\"0x0000000000000045\",\"revision\":3,\"batch\":7,\"operator\":\"kim\","
                        "\"port\":\"/dev/ttyUSB0\"}");
    const struct line_version before[] = {{"node", "1.0"}, {"meter", NULL}};
    const struct line_version after[] = {{"node", "2.1.0"}, {"meter", "5.6"}};
    const struct line_end end = {.run = RUN,
                                 .code = LINE_HOST_VERIFY,
                                 .node_id = 0x10200,
                                 .node_type = "UNODE",
                                 .before = before,
                                 .after = after,
                                 .versions_len = 2,
                                 .kcv = (const uint8_t[CHECK_VALUE_SIZE]){0xab},
                                 .seconds = 1.5,
                                 .text = "meter: no"};
    assert_ok(server->ops->end(server, &end, &fault));
    assert_string_equal(http_script_body(script, "POST", "/v1/line/runs/" RUN "/end"),
                        "{\"return_code\":70,\"node_id\":\"0x00010200\",\"node_type\":\"UNODE\","
                        "\"versions_before\":{\"node\":\"1.0\"},\"versions_after\":{\"node\":"
                        "\"2.1.0\",\"meter\":\"5.6\"},\"locked\":false,\"kcv\":"
                        "\"ab00000000000000\",\"seconds\":1.5,\"text\":"
                        "\"meter: no\"}");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
TEST_MAIN(CASE(a_configuration_is_asked_for_by_id_or_alias),
          CASE(a_server_that_is_away_is_asked_again), CASE(each_failure_has_its_code),
          CASE(addresses_and_profiles_are_checked), CASE(a_port_may_stand_in_the_host),
          CASE(files_are_fetched_once_and_checked), CASE(a_file_that_does_not_come_has_a_code),
          CASE(shared_files_are_read_where_the_client_sees_them),
          CASE(devices_are_reported_and_asked_for), CASE(records_that_make_no_sense_are_refused),
          CASE(runs_begin_and_end))
