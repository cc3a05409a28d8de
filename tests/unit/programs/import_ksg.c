#include "programs/clavigerd/import_ksg.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/secret.h"
#include "base/settings.h"
#include "support/test.h"

static char *dir;
static struct arena *arena;
static struct ksg_import import;
static struct err_detail detail;

static int set_up(void **state)
{
    (void)state;
    dir = test_tempdir();
    import = (struct ksg_import){0};
    detail = (struct err_detail){0};
    if (arena_new((size_t)1024 * 1024, &arena) != ERR_OK)
        return -1;
    import.arena = arena;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ksg_import_done(&import);
    arena_freep(&arena);
    test_tempdir_remove(dir);
    return 0;
}

static void write_file(const char *name, const char *text)
{
    char *path = test_path(dir, name);
    assert_ok(file_mkdirs_of(path, 0700, NULL));
    assert_ok(file_write(path, bytes_str(text), 0600, NULL));
    free(path);
}

static const char *setting(const char *name)
{
    for (size_t i = 0; i < import.set_len; i += 2) {
        if (strcmp(import.set[i], name) == 0)
            return import.set[i + 1];
    }
    return NULL;
}

static bool reported(const char *text)
{
    return memmem(import.report.data, import.report.len, text, strlen(text)) != NULL;
}

static const char gateway[] = "[p6ksg-gen]\n"
                              "baseKeyPath=\"ksgbaseKey.txt\"\n"
                              "serverLogFlags=1036\n"
                              "HSM_pin=\"12345678\"\n"
                              "HSM_slotid=3\n"
                              "HSM_name=\"AWSCloudHSM\"\n"
                              "HSM_addr=123.10.3.45\n"
                              "HSMType=1\n"
                              "gateFlags=5\n"
                              "AWSCloudHSM_KEKHandle=262155\n"
                              "KEKKeyPath=\"aes256.key\"\n";
static const char server[] = "[p6kmip-gen]\n"
                             "logDir = \"/var/log/kmip\"\n"
                             "errorStream = \"errors.txt\"\n"
                             "[p6kmip-server-gen]\n"
                             "listenPort = 65524\n"
                             "maxBufSize = 20000\n"
                             "initialBufCount = 10\n"
                             "growBufBy = 5\n"
                             "threadCount = 15\n"
                             "listenIPAddr = 192.0.2.7\n"
                             "receiveTimeout=500\n"
                             "sendTimeout=400\n"
                             "acceptTimeout=10\n";
static const char auxiliary[] = "[p6kmip-server-auxiliary]\n"
                                "vendorId = \"www.example.com; KSG 2018.1\"\n"
                                "operations = 1,2,3,4,8,37,38\n"
                                "objects = 1,2,3,4,7\n"
                                "profiles =\n"
                                "shreddingAlgorithm = 1\n"
                                "destroyAction = 3\n"
                                "unrapMode = 2\n"
                                "RNGMode = 3\n"
                                "streamingEnabled = false\n";

static void every_parameter_finds_its_place_or_a_reason(void **state)
{
    (void)state;
    static const char *const wanted[][2] = {
        {"token.pin", "file:token-pin"},
        {"token.slot", "3"},
        {"token.label", ""},
        {"token.module", "/opt/cloudhsm/lib/libcloudhsm_pkcs11.so"},
        {"keeper.module_sockets", "inet"},
        {"kmip.server_name", "AWSCloudHSM"},
        {"kmip.kek_handle", "262155"},
        {"kmip.kek_label", ""},
        {"kmip.token_digest", "no"},
        {"kmip.log", "messages"},
        {"kmip.log_format", "xml"},
        {"kmip.log_directory", "/var/log/kmip"},
        {"kmip.listen", "192.0.2.7:65524"},
        {"kmip.message_max", "20000"},
        {"kmip.idle_timeout", "500"},
        {"kmip.write_timeout", "400"},
        {"kmip.handshake_timeout", "10"},
        {"kmip.vendor", "www.example.com; KSG 2018.1"},
        {"kmip.operations", "1 2 3 4 8 37 38"},
        {"kmip.objects", "1 2 3 4 7"},
        {"kmip.profiles", "none"},
        {"kmip.shredding", "unspecified"},
        {"kmip.destroy_action", "key-material-shredded"},
        {"kmip.unwrap_mode", "processed"},
        {"kmip.rng_mode", "non-shared"},
        {"kmip.streaming", "no"},
    };
    static const char *const reasons[] = {
        "baseKeyPath: has no equivalent",     "errorStream: has no equivalent",
        "initialBufCount: has no equivalent", "growBufBy: has no equivalent",
        "threadCount: has no equivalent",     "recover signature): has no equivalent"};
    write_file("ksg.conf", gateway);
    write_file("p6kmipserver.conf", server);
    write_file("p6kmip_auxiliary_ksg.conf", auxiliary);
    assert_ok(ksg_import_read(&import, dir, &detail));
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        const char *got = setting(wanted[i][0]);
        assert_non_null(got);
        assert_string_equal(got, wanted[i][1]);
    }
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        assert_true(reported(reasons[i]));
    assert_int_equal(import.left_out, ARRAY_LEN(reasons));
    assert_true(strstr(setting("kmip.kek_file"), "/data/aes256.key") != NULL);
    assert_int_equal(secret_len(import.pin), 8);
    assert_false(reported("12345678")); /* the PIN is in its file and nowhere else */
}

static void what_is_written_is_a_configuration(void **state)
{
    (void)state;
    write_file("confs/ksg.conf", gateway);
    write_file("confs/p6kmipserver.conf", server);
    assert_ok(ksg_import_read(&import, dir, &detail));
    AUTO(buf_done) struct buf text = {0};
    struct settings settings;
    assert_ok(settings_format(import.set, &text));
    assert_ok(settings_parse("/x/y.conf", (const char *)text.data, text.len, &settings, &detail));
    assert_int_equal(settings.token.slot, 3);
    assert_int_equal(settings.kmip.message_max, 20000);
    assert_int_equal(settings.kmip.log, SETTINGS_KMIP_LOG_MESSAGES);
    assert_true(reported("p6kmip_auxiliary_ksg.conf: is not there"));
    settings_done(&settings);
}

static void the_software_token_has_no_slot(void **state)
{
    (void)state;
    write_file("ksg.conf", "[p6ksg-gen]\nHSM_slotid=0\ngateFlags=2\nserverLogFlags=0x2828\n");
    assert_ok(ksg_import_read(&import, dir, &detail));
    assert_null(setting("token.slot"));
    assert_non_null(strstr(setting("token.module"), "softhsm"));
    assert_string_equal(setting("kmip.log_format"), "json");
    assert_string_equal(setting("kmip.log_headers"), "yes");
    assert_string_equal(setting("kmip.listen"), "0.0.0.0:5696");
}

static void what_nobody_knows_is_named(void **state)
{
    (void)state;
    write_file("ksg.conf", "[p6ksg-gen]\nfancyMode=1\n");
    assert_ok(ksg_import_read(&import, dir, &detail));
    assert_true(reported("fancyMode: has no equivalent: it is not among those"));
}

static void wrong_values_are_named(void **state)
{
    (void)state;
    assert_err(ksg_import_read(&import, dir, &detail), ERR_NOT_FOUND);
    write_file("ksg.conf", "[p6ksg-gen]\n\ngateFlags=much\n");
    assert_err(ksg_import_read(&import, dir, &detail), ERR_CONFIG);
    assert_non_null(strstr(detail.text, "line 3"));
    assert_non_null(strstr(detail.text, "gateFlags"));
    write_file("ksg.conf", "");
    write_file("p6kmip_auxiliary_ksg.conf", "[p6kmip-server-auxiliary]\ndestroyAction = 8\n");
    assert_err(ksg_import_read(&import, dir, &detail), ERR_CONFIG);
    assert_non_null(strstr(detail.text, "destroyAction"));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
TEST_MAIN(CASE(every_parameter_finds_its_place_or_a_reason),
          CASE(what_is_written_is_a_configuration), CASE(the_software_token_has_no_slot),
          CASE(what_nobody_knows_is_named), CASE(wrong_values_are_named))
