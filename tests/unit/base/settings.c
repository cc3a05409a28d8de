#include "base/settings.h"

#include "support/test.h"

static enum err parse(const char *text, struct settings *settings, struct err_detail *detail)
{
    return settings_parse("/etc/claviger/clavigerd.conf", text, strlen(text), settings, detail);
}

static void absent_keys_have_their_defaults(void **state)
{
    (void)state;
    struct settings s;
    assert_ok(parse("", &s, NULL));
    assert_string_equal(s.daemon.state_directory, "/var/lib/claviger");
    assert_int_equal(s.daemon.workers, 4);
    assert_int_equal(s.audit.segment_size, 64 << 20);
    assert_int_equal(s.audit.reads, SETTINGS_AUDIT_READS_DURABLE);
    assert_int_equal(s.keeper.module_paths.len, 0);
    assert_int_equal(s.keeper.diameter_rate, 5000);
    settings_done(&s);
}

static void values_are_typed_and_paths_absolute(void **state)
{
    (void)state;
    struct settings s;
    assert_ok(parse(
        "[daemon]\nstate_directory = state\nsocket=/s\n[audit]\nreads=buffered\n"
        "segment_size = 1m\n[keeper]\nmodule_paths = ./token  /etc/x\ndiameter_rate=unlimited\n"
        "[token]\npin = file:pin\nenvironment = SOFTHSM2_CONF=./softhsm2.conf A=b\nslot=-1\n",
        &s, NULL));
    assert_string_equal(s.daemon.state_directory, "/etc/claviger/state");
    assert_string_equal(s.daemon.socket, "/s");
    assert_int_equal(s.audit.reads, SETTINGS_AUDIT_READS_BUFFERED);
    assert_int_equal(s.audit.segment_size, 1 << 20);
    assert_int_equal(s.keeper.module_paths.len, 2);
    assert_string_equal(s.keeper.module_paths.items[0], "/etc/claviger/token");
    assert_string_equal(s.keeper.module_paths.items[1], "/etc/x");
    assert_true(s.keeper.diameter_rate == SETTINGS_UNLIMITED);
    assert_int_equal(s.token.environment.len, 2);
    assert_string_equal(s.token.environment.items[0], "SOFTHSM2_CONF=/etc/claviger/softhsm2.conf");
    assert_string_equal(s.token.environment.items[1], "A=b");
    assert_string_equal(s.token.pin, "file:/etc/claviger/pin");
    settings_done(&s);
}

static void every_problem_names_file_and_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"[deamon]\nuser = x\n", "line 2: unknown section [deamon]"},
        {"[daemon]\nusr = x\n", "line 2: unknown key 'usr' in [daemon]"},
        {"[daemon]\nworkers = many\n", "line 2: workers: 'many' is not a number"},
        {"[daemon]\nworkers = 4x\n", "line 2: workers: '4x' is not a number"},
        {"[daemon]\nworkers = 0\n", "line 2: workers: 0 is not between 1 and 64"},
        {"[audit]\n\nreads = never\n", "line 3: reads: 'never' is none of: durable buffered"},
        {"[audit]\nsegment_size = 99999999999999999999\n",
         "line 2: segment_size: '99999999999999999999' is not a number"},
        {"[audit]\nsegment_size = 2T\n", "line 2: segment_size: '2T' is not a number"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct settings s;
        struct err_detail detail = {0};
        assert_err(parse(cases[i].text, &s, &detail), ERR_CONFIG);
        assert_string_equal(detail.text + strlen("/etc/claviger/clavigerd.conf: "), cases[i].want);
    }
}

static void the_written_file_reads_back(void **state)
{
    (void)state;
    static const char *const set[] = {"token.label", "demo", "daemon.socket", "claviger.sock",
                                      NULL};
    AUTO(buf_done) struct buf text = {0};
    assert_ok(settings_format(set, &text));
    struct settings s;
    struct err_detail detail = {0};
    assert_ok(settings_parse("/d/c", (const char *)text.data, text.len, &s, &detail));
    assert_string_equal(s.token.label, "demo");
    assert_string_equal(s.daemon.socket, "/d/claviger.sock");
    assert_string_equal(s.metrics.listen, "127.0.0.1:9464");
    settings_done(&s);
}

TEST_MAIN(cmocka_unit_test(absent_keys_have_their_defaults),
          cmocka_unit_test(values_are_typed_and_paths_absolute),
          cmocka_unit_test(every_problem_names_file_and_line),
          cmocka_unit_test(the_written_file_reads_back))
