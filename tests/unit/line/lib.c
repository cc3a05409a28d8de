#include "line/lib.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/hex.h"
#include "fake/http_script.h"
#include "fake/node.h"
#include "sample.h"
#include "support/test.h"

#define CONFIG "/v1/line/config?id=0x0000000000000045"
#define DEVICE "/v1/line/devices/0x00010200"
#define FILES  "/v1/factory/packages/0x45/files/"

static char *dir, *cache, *json;
static struct http_script *script;
static struct cline_server *server;
static struct cline_error error;

static int setup(void **state)
{
    (void)state;
    dir = test_tempdir();
    cache = test_path(dir, "cache");
    json = sample_config("http", NULL, NULL);
    fake_node_reset();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cline_server_close(server);
    server = NULL;
    http_script_free(script);
    script = NULL;
    free(cache);
    free(json);
    test_tempdir_remove(dir);
    return 0;
}

static void serve(const struct http_line *lines)
{
    script = http_script_new(lines);
    const struct cline_server_config config = {.size = sizeof config,
                                               .host = "127.0.0.1",
                                               .port = http_script_port(script),
                                               .plain = 1,
                                               .cache = cache};
    assert_int_equal(cline_server_open(&config, &server, &error), CLINE_OK);
    assert_int_equal(error.code, 0);
}

static void wrong_arguments_are_refused(void **state)
{
    (void)state;
    struct cline_server_config config = {.size = sizeof config, .host = "h", .cache = cache};
    struct cline_outcome outcome;
    const struct cline_config *found = NULL;
    assert_int_equal(cline_server_open(NULL, &server, &error), CLINE_ARGUMENTS);
    assert_int_equal(cline_server_open(&config, NULL, NULL), CLINE_ARGUMENTS);
    assert_int_equal(cline_server_open(&config, &server, &error), CLINE_ARGUMENTS);
    assert_non_null(strstr(error.text, "profile"));
    config.profile = dir;
    assert_int_equal(cline_server_open(&config, &server, &error), CLINE_SERVER_UNREACHABLE);
    config.size = 4;
    assert_int_equal(cline_server_open(&config, &server, &error), CLINE_ARGUMENTS);
    assert_null(server);
    assert_int_equal(cline_provision(NULL, NULL, &outcome), CLINE_ARGUMENTS);
    assert_int_equal(outcome.code, CLINE_ARGUMENTS);
    assert_int_equal(cline_config_get(NULL, 1, NULL, 0, &found, &error), CLINE_ARGUMENTS);
    assert_int_equal(cline_set_dut_params(NULL, 0, 1, 1, 1, NULL, 0, &error), CLINE_ARGUMENTS);
    assert_int_equal(cline_api_version(), CLINE_API_VERSION);
    assert_string_equal(cline_code_text(0), "done");
    assert_null(cline_code_action(0, 0));
    assert_non_null(cline_code_action(4, 0));
    assert_null(cline_code_action(4, 1));
    assert_null(cline_code_action(4, 1000));
}

static void a_configuration_comes_with_its_files(void **state)
{
    (void)state;
    const struct http_line lines[] = {
        {.method = "GET", .path = CONFIG, .status = 200, .body = json},
        {.method = "GET", .path = FILES "node.bin", .status = 200, .body = sample_firmware},
        {.method = "GET", .path = FILES "field.cfg", .status = 200, .body = sample_field},
        {.method = "GET", .path = FILES "factory.cfg", .status = 200, .body = sample_factory},
        {.method = "GET", .path = FILES "meter.bin", .status = 200, .body = "firmware of a meter"},
        {0}};
    const struct cline_config *config = NULL;
    struct stat st;
    serve(lines);
    assert_int_equal(cline_config_get(server, 0x45, NULL, 1, &config, &error), CLINE_OK);
    assert_int_equal(config->revision, 3);
    assert_string_equal(config->node.name, "UNODE");
    assert_int_equal(stat(config->node.firmware_path, &st), 0);
    assert_int_equal(st.st_size, strlen(sample_firmware));
    assert_int_equal(config->apps_len, 1);
    assert_string_equal(config->apps[0].name, "meter");
    assert_int_equal(stat(config->apps[0].firmware_path, &st), 0);
    assert_null(config->apps[0].field_config_path);
    assert_memory_equal(config->apps[0].public_key, "-----BEGIN PUBLIC KEY-----", 26);
    cline_config_free(config);
    assert_int_equal(cline_config_get(server, 0x45, NULL, 0, &config, &error), CLINE_OK);
    assert_null(config->node.firmware_path);
    cline_config_free(config);
    assert_int_equal(cline_config_get(server, 0x46, NULL, 0, &config, &error), 101);
    assert_null(config);
}

static void a_host_is_told_of(void **state)
{
    (void)state;
    const struct http_line lines[] = {
        {.method = "GET", .path = CONFIG, .status = 200, .body = json},
        {.method = "POST", .path = "/v1/line/runs*", .status = 200},
        {.method = "PUT", .path = DEVICE, .status = 200},
        {0}};
    const struct cline_app_data good[] = {{"meter", "ab12", "00ff", NULL}};
    const struct cline_app_data bad[] = {{"meter", "ab1", NULL, NULL}};
    const struct cline_app_data unnamed[] = {{NULL, "ab12", NULL, NULL}};
    serve(lines);
    assert_int_equal(cline_set_dut_params(server, 1700000000, 0x45, 7, 0x10200, good, 1, &error),
                     CLINE_OK);
    const char *body = http_script_body(script, "PUT", DEVICE);
    assert_non_null(strstr(body, "\"applications\":[{\"name\":\"meter\",\"id\":\"ab12\",\"key\":"
                                 "\"00ff\",\"extra\":\"\"}]"));
    assert_null(strstr(body, "kcv"));
    assert_non_null(
        strstr(http_script_body(script, "POST", "/v1/line/runs*"), "\"return_code\":0"));
    assert_int_equal(cline_set_dut_params(server, 0, 0x45, 7, 0x10200, bad, 1, &error),
                     CLINE_ARGUMENTS);
    assert_int_equal(cline_set_dut_params(server, 0, 0x45, 7, 0x10200, unnamed, 1, &error),
                     CLINE_ARGUMENTS);
    assert_int_equal(cline_set_dut_params(server, 0, 0x45, 7, 0x10200, good, 17, &error),
                     CLINE_ARGUMENTS);
    assert_int_equal(cline_set_dut_params(server, 0, 0x45, 7, 0, good, 1, &error), CLINE_ARGUMENTS);
    /* another device: the server does not know it */
    assert_int_equal(cline_set_dut_params(server, 0, 0x45, 7, 0x10201, good, 1, &error), 101);
    assert_non_null(
        strstr(http_script_body(script, "POST", "/v1/line/runs*"), "\"return_code\":101"));
}

static void keys_are_encrypted_for_backends(void **state)
{
    (void)state;
    struct buf pem = {0};
    char hex[1024];
    uint8_t sealed[512];
    size_t len = 0;
    struct secret *plain = NULL;
    assert_ok(rsa_public_to_pem(rsa_private_public(sample_key()), &pem));
    assert_ok(buf_append(&pem, bytes_of("", 1)));
    const char *text = (const char *)pem.data;
    assert_int_equal(cline_encrypt_key(text, "0123456789abcdef", 16, hex, sizeof hex, &error), 0);
    assert_ok(hex_decode(bytes_str(hex), sealed, sizeof sealed, &len));
    assert_ok(rsa_oaep_decrypt(sample_key(), OAEP_SHA1, bytes_of(sealed, len), &plain));
    assert_memory_equal(secret_data(plain), "0123456789abcdef", 16);
    secret_free(plain);
    assert_int_equal(cline_encrypt_key(text, "0", 1, hex, 512, &error), CLINE_ARGUMENTS);
    assert_int_equal(cline_encrypt_key("no key", "0", 1, hex, sizeof hex, &error), CLINE_ARGUMENTS);
    assert_int_equal(cline_encrypt_key(text, hex, 1000, hex, sizeof hex, &error), CLINE_ARGUMENTS);
    buf_done(&pem);
}

static unsigned stages, lines_logged;

static void on_progress(void *context, const char *stage, uint32_t done, uint32_t total)
{
    (void)done;
    (void)total;
    assert_ptr_equal(context, &stages);
    assert_true(stage[0] != '\0');
    stages++;
}

static void on_log(void *context, int level, const char *text)
{
    (void)level;
    assert_ptr_equal(context, &stages);
    assert_true(text[0] != '\0');
    lines_logged++;
}

static void a_device_is_worked_on(void **state)
{
    (void)state;
    const struct http_line lines[] = {
        {.method = "GET", .path = CONFIG, .status = 200, .body = json},
        {.method = "POST", .path = "/v1/line/runs*", .status = 200},
        {.method = "GET", .path = FILES "node.bin", .status = 200, .body = sample_firmware},
        {.method = "GET", .path = FILES "field.cfg", .status = 200, .body = sample_field},
        {.method = "GET", .path = FILES "meter.bin", .status = 200, .body = "firmware of a meter"},
        {0}};
    struct cline_outcome outcome;
    serve(lines);
    struct cline_job job = {.size = sizeof job,
                            .device = "fake",
                            .config_id = 0x45,
                            .batch = 7,
                            .skip_keys = 1,
                            .context = &stages,
                            .progress = on_progress,
                            .log = on_log};
    assert_int_equal(cline_provision(server, &job, &outcome), CLINE_OK);
    assert_int_equal(outcome.node_id, 0x10200);
    assert_int_equal(strlen(outcome.run), 36);
    assert_true(stages > 3 && lines_logged > 3);
    assert_string_equal(fake_node.targets[0].version, "2.1.0");
    job.partial_mcm_id = "00000000";
    assert_int_equal(cline_provision(server, &job, &outcome), 70);
    assert_non_null(strstr(outcome.text, "00000000"));
    job.operation = 9;
    assert_int_equal(cline_provision(server, &job, &outcome), CLINE_ARGUMENTS);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
TEST_MAIN(CASE(wrong_arguments_are_refused), CASE(a_configuration_comes_with_its_files),
          CASE(a_host_is_told_of), CASE(keys_are_encrypted_for_backends),
          CASE(a_device_is_worked_on))
