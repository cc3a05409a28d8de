#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "fake_kms.h"
#include "kmc/claviger-kmc.h"
#include "support/test.h"

static char *dir, *conf;
static struct fake_kms *kms;
static struct fake_script *script;
static char last_report[600];
static unsigned reports;

static void on_report(void *ctx, const char *text)
{
    (void)ctx;
    reports++;
    (void)snprintf(last_report, sizeof last_report, "%s", text);
}

static int begin(void **state)
{
    (void)state;
    dir = test_tempdir();
    kms = fake_kms_start(0);
    script = fake_kms_script(kms);
    conf = fake_client_conf(dir, "client.conf", (uint16_t[]){fake_kms_port(kms), 0});
    reports = 0;
    last_report[0] = '\0';
    return 0;
}

static int end(void **state)
{
    (void)state;
    clock_fake_us(0);
    fake_kms_stop(kms);
    test_tempdir_remove(dir);
    free(conf);
    return 0;
}

static struct ckmc *open_at(const char *path)
{
    struct ckmc *kmc = NULL;
    struct ckmc_error error = {0};
    if (ckmc_open(path, &kmc, &error) != CKMC_OK)
        fail_msg("%s", error.text);
    ckmc_on_report(kmc, on_report, NULL);
    return kmc;
}

static int get(struct ckmc *kmc, uint64_t node, unsigned flags, struct ckmc_key *key)
{
    struct ckmc_error error = {0};
    int status = ckmc_get(kmc, CKMC_NODE, node, CKMC_NEWEST, flags, key, &error);
    assert_int_equal(status, error.status);
    if (status == CKMC_SERVER && script->result == 0 && script->key_len == 0)
        print_message("%s\n", error.text);
    if (status != CKMC_OK) {
        struct ckmc_key zeros = {0};
        assert_memory_equal(key->key, zeros.key, sizeof zeros.key);
        assert_int_not_equal(error.text[0], '\0');
    }
    return status;
}

static void assert_key(const struct ckmc_key *key, int kind, uint64_t node, unsigned version,
                       enum ckmc_source source)
{
    uint8_t want[24];
    unsigned len = kind == CKMC_GATEWAY ? 24 : 16;
    fake_key(kind, node, version, want, len);
    assert_int_equal(key->kind, kind);
    assert_int_equal(key->length, len);
    assert_int_equal(key->version, version);
    assert_int_equal(key->source, source);
    assert_memory_equal(key->key, want, len);
}

static void the_server_is_asked_once(void **state)
{
    (void)state;
    struct ckmc_key key;
    struct ckmc *kmc = open_at(conf);
    assert_int_equal(get(kmc, 0x10200, 0, &key), CKMC_OK);
    assert_key(&key, CKMC_NODE, 0x10200, 3, CKMC_FROM_SERVER);
    assert_string_equal(key.server, "kms1.metro-east.example");
    assert_int_equal(get(kmc, 0x10200, 0, &key), CKMC_OK);
    assert_key(&key, CKMC_NODE, 0x10200, 3, CKMC_FROM_CACHE);
    assert_int_equal(script->requests, 1);
    assert_int_equal(script->last_want, 32);
    ckmc_close(kmc);
    kmc = open_at(conf);
    assert_int_equal(get(kmc, 0x10200, CKMC_F_OFFLINE, &key), CKMC_OK);
    assert_key(&key, CKMC_NODE, 0x10200, 3, CKMC_FROM_CACHE);
    assert_int_equal(get(kmc, 0x10201, CKMC_F_OFFLINE, &key), CKMC_OFFLINE);
    assert_int_equal(script->requests, 1);
    ckmc_key_wipe(&key);
    ckmc_close(kmc);
    assert_int_equal(reports, 0);
}

static void a_gateway_starts_with_one_request_or_none(void **state)
{
    (void)state;
    struct ckmc_key gateway, cdld;
    struct ckmc *kmc = open_at(conf);
    assert_int_equal(ckmc_prefetch(kmc, CKMC_F_OFFLINE, &gateway, &cdld, NULL), CKMC_OFFLINE);
    assert_int_equal(ckmc_prefetch(kmc, 0, &gateway, &cdld, NULL), CKMC_OK);
    assert_key(&gateway, CKMC_GATEWAY, 0, 3, CKMC_FROM_SERVER);
    assert_key(&cdld, CKMC_CDLD, 0, 3, CKMC_FROM_SERVER);
    assert_int_equal(script->requests, 1);
    assert_int_equal(script->last_want, 96);
    assert_int_equal(ckmc_prefetch(kmc, 0, &gateway, NULL, NULL), CKMC_OK);
    assert_key(&gateway, CKMC_GATEWAY, 0, 3, CKMC_FROM_CACHE);
    assert_int_equal(ckmc_get(kmc, CKMC_CDLD, 0, CKMC_NEWEST, 0, &cdld, NULL), CKMC_OK);
    assert_key(&cdld, CKMC_CDLD, 0, 3, CKMC_FROM_CACHE);
    assert_int_equal(script->requests, 1);
    /* Only what is missing is asked for. */
    assert_int_equal(ckmc_cache_clear(kmc, NULL), CKMC_OK);
    assert_int_equal(ckmc_get(kmc, CKMC_GATEWAY, 0, CKMC_NEWEST, 0, &gateway, NULL), CKMC_OK);
    assert_int_equal(ckmc_prefetch(kmc, 0, &gateway, &cdld, NULL), CKMC_OK);
    assert_int_equal(script->last_want, 64);
    assert_key(&gateway, CKMC_GATEWAY, 0, 3, CKMC_FROM_CACHE);
    assert_key(&cdld, CKMC_CDLD, 0, 3, CKMC_FROM_SERVER);
    ckmc_close(kmc);
}

static void the_next_server_is_asked_where_one_fails(void **state)
{
    (void)state;
    struct ckmc_key key;
    struct fake_kms *busy = fake_kms_start(0), *gone = fake_kms_start(0);
    uint16_t gone_port = fake_kms_port(gone);
    fake_kms_stop(gone);
    fake_kms_script(busy)->result = 3004;
    char *path = fake_client_conf(
        dir, "three.conf", (uint16_t[]){gone_port, fake_kms_port(busy), fake_kms_port(kms), 0});
    struct ckmc *kmc = open_at(path);
    assert_int_equal(get(kmc, 1, 0, &key), CKMC_OK);
    assert_key(&key, CKMC_NODE, 1, 3, CKMC_FROM_SERVER);
    assert_int_equal(fake_kms_script(busy)->requests, 1);
    assert_int_equal(script->requests, 1);
    /* The one that answers loses its connection in the middle: the others are tried. */
    fake_kms_script(busy)->result = 0;
    script->hang_up = true;
    assert_int_equal(get(kmc, 2, 0, &key), CKMC_OK);
    assert_int_equal(fake_kms_script(busy)->requests, 2);
    script->result = 3004;
    script->hang_up = false;
    fake_kms_script(busy)->result = 3004;
    assert_int_equal(get(kmc, 3, 0, &key), CKMC_BUSY);
    ckmc_close(kmc);
    fake_kms_stop(busy);
    free(path);
}

static void a_refusal_is_final_and_forgets_what_was_cached(void **state)
{
    (void)state;
    struct ckmc_key key;
    struct fake_kms *second = fake_kms_start(0);
    char *path = fake_client_conf(dir, "two.conf",
                                  (uint16_t[]){fake_kms_port(kms), fake_kms_port(second), 0});
    struct ckmc *kmc = open_at(path);
    assert_int_equal(get(kmc, FAKE_UNKNOWN, 0, &key), CKMC_REFUSED);
    assert_int_equal(fake_kms_script(second)->requests, 0);
    assert_int_equal(get(kmc, 0x10200, 0, &key), CKMC_OK);
    assert_int_equal(get(kmc, 0x10201, 0, &key), CKMC_OK);
    script->revoked = 0x10200;
    assert_int_equal(get(kmc, 0x10200, 0, &key), CKMC_OK); /* still cached */
    assert_int_equal(get(kmc, 0x10200, CKMC_F_REFRESH, &key), CKMC_REFUSED);
    assert_int_equal(get(kmc, 0x10200, CKMC_F_OFFLINE, &key), CKMC_OFFLINE);
    assert_int_equal(get(kmc, 0x10201, CKMC_F_OFFLINE, &key), CKMC_OK);
    /* Also for who else uses the cache file. */
    struct ckmc *other = open_at(path);
    assert_int_equal(get(other, 0x10200, CKMC_F_OFFLINE, &key), CKMC_OFFLINE);
    assert_int_equal(get(other, 0x10201, CKMC_F_OFFLINE, &key), CKMC_OK);
    ckmc_close(other);
    ckmc_close(kmc);
    fake_kms_stop(second);
    free(path);
}

static void without_a_server_the_cache_serves_until_it_expires(void **state)
{
    (void)state;
    struct ckmc_key key;
    int64_t now = clock_now_s();
    struct ckmc *kmc = open_at(conf);
    clock_fake_us((uint64_t)now * 1000000u);
    script->lifetime = 100;
    assert_int_equal(get(kmc, 1, 0, &key), CKMC_OK);
    assert_int_equal(key.expires, now + 100);
    fake_kms_stop(kms);
    kms = NULL;
    assert_int_equal(get(kmc, 1, CKMC_F_REFRESH, &key), CKMC_OK);
    assert_key(&key, CKMC_NODE, 1, 3, CKMC_FROM_CACHE);
    assert_int_equal(reports, 1);
    assert_non_null(strstr(last_report, "the cache did"));
    assert_int_equal(get(kmc, 2, 0, &key), CKMC_UNREACHABLE);
    clock_fake_us((uint64_t)(now + 100) * 1000000u);
    assert_int_equal(get(kmc, 1, CKMC_F_REFRESH, &key), CKMC_UNREACHABLE);
    assert_int_equal(get(kmc, 1, 0, &key), CKMC_UNREACHABLE);
    assert_int_equal(get(kmc, 1, CKMC_F_OFFLINE, &key), CKMC_OFFLINE);
    ckmc_close(kmc);
}

static void lifetimes_are_capped_and_zero_is_not_cached(void **state)
{
    (void)state;
    struct ckmc_key key;
    int64_t now = clock_now_s();
    struct ckmc *kmc = open_at(conf);
    clock_fake_us((uint64_t)now * 1000000u);
    script->lifetime = 4000000000u;
    assert_int_equal(get(kmc, 1, 0, &key), CKMC_OK);
    assert_int_equal(key.expires, now + 86400);
    script->lifetime = 0;
    assert_int_equal(get(kmc, 2, 0, &key), CKMC_OK);
    assert_int_equal(key.expires, 0);
    assert_int_equal(get(kmc, 2, CKMC_F_OFFLINE, &key), CKMC_OFFLINE);
    ckmc_close(kmc);
}

static void one_version_can_be_asked_for(void **state)
{
    (void)state;
    struct ckmc_key key;
    struct ckmc *kmc = open_at(conf);
    assert_int_equal(ckmc_get(kmc, CKMC_GATEWAY, 0, 2, 0, &key, NULL), CKMC_OK);
    assert_key(&key, CKMC_GATEWAY, 0, 2, CKMC_FROM_SERVER);
    assert_int_equal(script->last_spi, 258);
    assert_int_equal(ckmc_get(kmc, CKMC_GATEWAY, 0, CKMC_NEWEST, 0, &key, NULL), CKMC_OK);
    assert_key(&key, CKMC_GATEWAY, 0, 3, CKMC_FROM_SERVER);
    assert_int_equal(ckmc_get(kmc, CKMC_GATEWAY, 0, 2, 0, &key, NULL), CKMC_OK);
    assert_key(&key, CKMC_GATEWAY, 0, 2, CKMC_FROM_CACHE);
    assert_int_equal(ckmc_get(kmc, CKMC_GATEWAY, 0, 3, 0, &key, NULL), CKMC_OK);
    assert_int_equal(key.source, CKMC_FROM_CACHE);
    /* That version was destroyed: it goes, the newest stays. */
    script->result = 4007;
    assert_int_equal(ckmc_get(kmc, CKMC_GATEWAY, 0, 2, CKMC_F_REFRESH, &key, NULL), CKMC_NO_KEY);
    assert_int_equal(ckmc_get(kmc, CKMC_GATEWAY, 0, 2, CKMC_F_OFFLINE, &key, NULL), CKMC_OFFLINE);
    assert_int_equal(ckmc_get(kmc, CKMC_GATEWAY, 0, CKMC_NEWEST, CKMC_F_OFFLINE, &key, NULL),
                     CKMC_OK);
    ckmc_close(kmc);
}

static void every_refusal_has_its_status(void **state)
{
    (void)state;
    static const struct {
        unsigned result;
        int status;
    } cases[] = {{5003, CKMC_REFUSED}, {4007, CKMC_NO_KEY},          {5025, CKMC_UNPROTECTED},
                 {3004, CKMC_BUSY},    {4001, CKMC_UNAUTHENTICATED}, {5004, CKMC_SERVER},
                 {5012, CKMC_SERVER}};
    struct ckmc_key key;
    struct ckmc *kmc = open_at(conf);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        script->result = cases[i].result;
        assert_int_equal(get(kmc, 1, 0, &key), cases[i].status);
    }
    script->result = 0;
    static const unsigned lengths[] = {1, 15, 17, 24, 64};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        script->key_len = lengths[i];
        assert_int_equal(get(kmc, 1, 0, &key), CKMC_SERVER);
    }
    script->key_len = 0;
    script->silent = true;
    ckmc_set_timeout(kmc, 200);
    uint64_t began = clock_mono_ns();
    assert_int_equal(get(kmc, 1, 0, &key), CKMC_UNREACHABLE);
    assert_true(clock_mono_ns() - began < 900000000u);
    assert_int_equal(get(kmc, 1, CKMC_F_OFFLINE, &key), CKMC_OFFLINE);
    script->silent = false;
    assert_int_equal(get(kmc, 1, 0, &key), CKMC_OK);
    ckmc_close(kmc);
}

static void wrong_arguments_and_files_are_named(void **state)
{
    (void)state;
    struct ckmc *kmc = (struct ckmc *)dir;
    struct ckmc_error error = {0};
    struct ckmc_key key;
    uint64_t node = 0;
    assert_int_equal(ckmc_open("/nowhere/client.conf", &kmc, &error), CKMC_CONFIG);
    assert_null(kmc);
    assert_non_null(strstr(error.text, "/nowhere/client.conf"));
    assert_int_equal(ckmc_open(NULL, &kmc, NULL), CKMC_ARGUMENT);
    struct ckmc_server server = {.uri = "aaa://127.0.0.1:1"};
    struct ckmc_config config = {.size = sizeof config,
                                 .uri = "aaa://gw1.example",
                                 .realm = "example",
                                 .servers = &server,
                                 .servers_len = 1};
    assert_int_equal(ckmc_open_config(&config, &kmc, &error), CKMC_OK);
    assert_int_equal(ckmc_get(kmc, CKMC_NODE, 0, CKMC_NEWEST, 0, &key, &error), CKMC_ARGUMENT);
    assert_int_equal(ckmc_get(kmc, CKMC_GATEWAY, 1, CKMC_NEWEST, 0, &key, &error), CKMC_ARGUMENT);
    assert_int_equal(ckmc_get(kmc, CKMC_GATEWAY, 0, CKMC_NEWEST - 1, 0, &key, &error),
                     CKMC_ARGUMENT);
    assert_int_equal(ckmc_get(kmc, CKMC_GATEWAY, 0, CKMC_NEWEST, 3, &key, &error), CKMC_ARGUMENT);
    assert_int_equal(ckmc_set_realm(kmc, "no realm", &error), CKMC_ARGUMENT);
    assert_int_equal(ckmc_set_realm(kmc, "other.example", &error), CKMC_OK);
    ckmc_close(kmc);
    config.realm = "a\nStackType=SERVER";
    assert_int_equal(ckmc_open_config(&config, &kmc, &error), CKMC_CONFIG);
    config.realm = NULL;
    assert_int_equal(ckmc_open_config(&config, &kmc, &error), CKMC_CONFIG);
    config.size = 0;
    assert_int_equal(ckmc_open_config(&config, &kmc, &error), CKMC_ARGUMENT);
    assert_int_equal(ckmc_parse_node("0X00010200", &node, &error), CKMC_OK);
    assert_int_equal(node, 0x10200);
    assert_int_equal(ckmc_parse_node("ffffffffffffffff", &node, &error), CKMC_OK);
    static const char *const bad[] = {"", "0x", "0", "0x0", "g", "1 ", "10000000000000000"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(ckmc_parse_node(bad[i], &node, &error), CKMC_ARGUMENT);
    char *key_file = test_path(dir, "kmc.key");
    ckmc_close(open_at(conf));
    assert_int_equal(chmod(key_file, 0644), 0);
    assert_int_equal(ckmc_open(conf, &kmc, &error), CKMC_CACHE);
    free(key_file);
}

static void tls_that_fails_is_named(void **state)
{
    (void)state;
    char uri[64], line[600];
    char *ca = test_path(dir, "ca.pem");
    struct ckmc_key key;
    struct ckmc_error error = {0};
    struct ckmc *kmc = NULL;
    struct ckmc_server server = {.uri = uri};
    struct ckmc_config config = {.size = sizeof config,
                                 .uri = "aaa://gw1.example",
                                 .realm = "example",
                                 .servers = &server,
                                 .servers_len = 1};
    (void)snprintf(uri, sizeof uri, "aaas://127.0.0.1:%u", fake_kms_port(kms));
    assert_int_equal(ckmc_open_config(&config, &kmc, NULL), CKMC_OK);
    assert_int_equal(ckmc_get(kmc, CKMC_CDLD, 0, CKMC_NEWEST, 0, &key, &error), CKMC_CONFIG);
    assert_non_null(strstr(error.text, "TLS.CaFile"));
    ckmc_close(kmc);
    config.tls_ca_file = "/nowhere/ca.pem";
    assert_int_equal(ckmc_open_config(&config, &kmc, NULL), CKMC_OK);
    assert_int_equal(ckmc_get(kmc, CKMC_CDLD, 0, CKMC_NEWEST, 0, &key, &error), CKMC_CONFIG);
    assert_non_null(strstr(error.text, "/nowhere/ca.pem"));
    ckmc_close(kmc);
    (void)snprintf(line, sizeof line,
                   "openssl req -x509 -newkey ed25519 -nodes -subj /CN=ca -keyout %s.key -out %s "
                   "2>/dev/null",
                   ca, ca);
    assert_int_equal(system(line), 0);
    config.tls_ca_file = ca;
    assert_int_equal(ckmc_open_config(&config, &kmc, NULL), CKMC_OK);
    ckmc_set_timeout(kmc, 1500);
    int status = ckmc_get(kmc, CKMC_CDLD, 0, CKMC_NEWEST, 0, &key, &error);
    assert_true(status == CKMC_TLS || status == CKMC_UNREACHABLE); /* it speaks no TLS */
    assert_int_equal(script->requests, 0);
    ckmc_close(kmc);
    free(ca);
}

static void realms_do_not_mix(void **state)
{
    (void)state;
    struct ckmc_key key;
    struct ckmc *kmc = open_at(conf);
    assert_int_equal(get(kmc, 1, 0, &key), CKMC_OK);
    assert_int_equal(ckmc_set_realm(kmc, "metro-west.example", NULL), CKMC_OK);
    assert_int_equal(get(kmc, 1, CKMC_F_OFFLINE, &key), CKMC_OFFLINE);
    assert_int_equal(get(kmc, 1, 0, &key), CKMC_OK);
    assert_int_equal(script->requests, 2);
    ckmc_close(kmc);
}

static void count_entry(void *ctx, const struct ckmc_entry *entry)
{
    unsigned *count = ctx;
    assert_int_equal(entry->kind, CKMC_NODE);
    assert_int_equal(entry->expired, 0);
    ++*count;
}

static void writes_can_wait(void **state)
{
    (void)state;
    struct ckmc_key key;
    struct ckmc *kmc = open_at(conf), *other = open_at(conf);
    ckmc_set_write_delay(kmc, 60000);
    for (uint64_t node = 1; node <= 50; node++)
        assert_int_equal(get(kmc, node, 0, &key), CKMC_OK);
    unsigned count = 0;
    assert_int_equal(ckmc_cache_list(other, count_entry, &count, NULL), CKMC_OK);
    assert_int_equal(count, 0);
    assert_int_equal(ckmc_flush(kmc, NULL), CKMC_OK);
    assert_int_equal(ckmc_cache_list(other, count_entry, &count, NULL), CKMC_OK);
    assert_int_equal(count, 50);
    ckmc_close(other);
    ckmc_close(kmc);
}

static void *ask_many(void *arg)
{
    struct ckmc *kmc = arg;
    for (unsigned i = 0; i < 200; i++) {
        struct ckmc_key key;
        uint8_t want[16];
        uint64_t node = 1 + i % 20;
        fake_key(CKMC_NODE, node, 3, want, sizeof want);
        if (ckmc_get(kmc, CKMC_NODE, node, CKMC_NEWEST, 0, &key, NULL) != CKMC_OK ||
            memcmp(key.key, want, sizeof want) != 0)
            return kmc;
    }
    return NULL;
}

static void threads_share_a_handle(void **state)
{
    (void)state;
    pthread_t threads[4];
    struct ckmc *kmc = open_at(conf);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_many, kmc), 0);
    for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(script->requests, 20);
    ckmc_close(kmc);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
TEST_MAIN(CASE(the_server_is_asked_once), CASE(a_gateway_starts_with_one_request_or_none),
          CASE(the_next_server_is_asked_where_one_fails),
          CASE(a_refusal_is_final_and_forgets_what_was_cached),
          CASE(without_a_server_the_cache_serves_until_it_expires),
          CASE(lifetimes_are_capped_and_zero_is_not_cached), CASE(one_version_can_be_asked_for),
          CASE(every_refusal_has_its_status), CASE(wrong_arguments_and_files_are_named),
          CASE(tls_that_fails_is_named), CASE(realms_do_not_mix), CASE(writes_can_wait),
          CASE(threads_share_a_handle))
