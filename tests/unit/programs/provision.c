#include "programs/claviger-provision/provision.h"

#include <string.h>
#include <unistd.h>

#include "support/test.h"

static struct settings settings;
static struct line_fault fault;

/* `line` behind the options that every line has to have. */
static enum err read_line(const char *base, const char *line)
{
    static char words[1024]; /* the settings point into it */
    static char name[] = "claviger-provision";
    char *argv[64] = {name}, *rest = NULL;
    int argc = 1;
    struct options options;
    fault = (struct line_fault){0};
    (void)snprintf(words, sizeof words, "%s %s", base, line);
    for (char *word = strtok_r(words, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    spell(&program_row, argc, argv);
    options_parse(&program_row, argc, argv, &options);
    return settings_read(&options, &settings, &fault);
}

#define BASE "-d p0 -s 192.168.0.10 -B 1000 --config-id=0x12345678abc"

static void a_typical_line_is_read(void **state)
{
    (void)state;
    assert_ok(read_line(BASE, ""));
    assert_int_equal(settings.ports_len, 1);
    assert_string_equal(settings.ports[0], "p0");
    assert_string_equal(settings.host, "192.168.0.10");
    assert_int_equal(settings.port, 8085);
    assert_int_equal(settings.baud, 115200);
    assert_int_equal(settings.batch, 1000);
    assert_int_equal(settings.choice.id, 0x12345678abc);
    assert_null(settings.choice.alias);
    assert_int_equal(settings.operation, LINE_PROVISION);
    assert_int_equal(settings.join_timeout_s, 600);
    assert_int_equal(settings.gateway.port, 4021);
    assert_int_equal(settings.verbosity, 1);
    assert_false(settings.plain);
}

static void both_spellings_are_taken(void **state)
{
    (void)state;
    assert_ok(
        read_line("-d p0 --prov-srvr=h:99 --batch 7 -config-alias=kite_170",
                  "--skip-lock --factory_config --skip_keys --disable_ssl -wrapper=opt_psem "
                  "--path-trans-from=/workspace --path_trans-to=z: --partial-mcm-id 0012abCD"));
    assert_string_equal(settings.host, "h");
    assert_int_equal(settings.port, 99);
    assert_string_equal(settings.choice.alias, "kite_170");
    assert_true(settings.skip_lock && settings.factory_config && settings.skip_keys);
    assert_true(settings.plain);
    assert_string_equal(settings.wrapper, "opt_psem");
    assert_string_equal(settings.path_from, "/workspace");
    assert_string_equal(settings.path_to, "z:");
    assert_string_equal(settings.partial_host_id, "0012abCD");
    assert_ok(read_line(BASE, "POSTTEST --csys-1-x --control-port=5000 -g 10.0.0.1 -t 30"));
    assert_int_equal(settings.operation, LINE_POSTTEST);
    assert_true(settings.gateway.one_x);
    assert_int_equal(settings.gateway.port, 5000);
    assert_string_equal(settings.gateway.host, "10.0.0.1");
    assert_int_equal(settings.join_timeout_s, 30);
    assert_ok(read_line(BASE, "-d p1 -d p2 checkconfig --loop"));
    assert_int_equal(settings.ports_len, 3);
    assert_int_equal(settings.operation, LINE_CHECKCONFIG);
}

static void wrong_lines_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *base, *line;
    } cases[] = {
        {BASE, "--config-alias=kite"},
        {"-d p0 -s h -B 1", ""},
        {"-d p0 -s h -B 1", "-p 18446744073709551616"},
        {"-d p0 -s h -B 1", "-p -1"},
        {"-d p0 -s h -B 1", "-p 12x"},
        {"-d p0 -B 1 -p 1", ""},
        {BASE, "--prov_srvr other"},
        {BASE, "--disable-ssl --enable-ssl"},
        {BASE, "-d p0"},
        {BASE, "-b 5"},
        {BASE, "--verbosity=3"},
        {BASE, "--verbosity=+1"},
        {BASE, "--path_trans_from=/x"},
        {BASE, "--partial_mcm_id=123"},
        {BASE, "--partial_mcm_id=1234567g"},
        {BASE, "--control_port=0"},
        {BASE, "--timeout=0"},
        {BASE, "RETEST"},
        {BASE, "PRETEST --skip-keys"},
        {BASE, "POSTTEST --factory-config"},
        {"-d p0 -s h: -B 1 -p 1", ""},
        {"-d p0 -s h:99999 -B 1 -p 1", ""},
        {"-d p0 -s [::1 -B 1 -p 1", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (read_line(cases[i].base, cases[i].line) == ERR_OK)
            fail_msg("taken: %s %s", cases[i].base, cases[i].line);
        assert_int_equal(fault.code, LINE_ARGUMENTS);
        assert_true(fault.text[0] != '\0');
    }
}

static void batches_are_decimal_octal_or_hexadecimal(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t batch;
        const char *as;
    } good[] = {
        {"0", 0, ""},
        {"1000", 1000, ""},
        {"4294967295", UINT32_MAX, ""},
        {"05072011", 1340425, "octal"},
        {"0x1238ef", 0x1238ef, "hexadecimal"},
        {"0XFFFFFFFF", UINT32_MAX, "hexadecimal"},
    };
    static const char *const bad[] = {"",    "-1",  "+1",  " 1",   "1 ",         "05082011",   "0x",
                                      "1e3", "ten", "0xg", "0x 1", "4294967296", "0x100000000"};
    char note[128];
    uint32_t batch = 0;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        assert_ok(batch_read(good[i].text, &batch, note, &fault));
        assert_int_equal(batch, good[i].batch);
        assert_non_null(strstr(note, good[i].as));
        assert_int_equal(note[0] == '\0', good[i].as[0] == '\0');
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        if (batch_read(bad[i], &batch, note, &fault) == ERR_OK)
            fail_msg("taken: '%s'", bad[i]);
        assert_int_equal(fault.code, LINE_ARGUMENTS);
    }
}

static void servers_have_a_port_or_the_usual_one(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host;
        uint16_t port;
    } good[] = {
        {"factory", "factory", 8085}, {"factory:99", "factory", 99}, {"::1", "::1", 8085},
        {"[::1]", "::1", 8085},       {"[::1]:99", "::1", 99},       {"10.0.0.1", "10.0.0.1", 8085},
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        char host[256];
        uint16_t port = 0;
        assert_ok(server_read(good[i].text, host, &port, &fault));
        assert_string_equal(host, good[i].host);
        assert_int_equal(port, good[i].port);
    }
}

static void the_profile_is_searched_for(void **state)
{
    (void)state;
    char *dir = test_tempdir();
    assert_int_equal(setenv("HOME", dir, 1), 0);
    (void)unsetenv("CLAVIGER_PROFILE");
    (void)unsetenv("XDG_CACHE_HOME");
    assert_ok(read_line(BASE, ""));
    assert_string_equal(settings.profile, "/etc/claviger/station");
    assert_memory_equal(settings.cache, dir, strlen(dir));
    assert_int_equal(setenv("CLAVIGER_PROFILE", "/x", 1), 0);
    assert_int_equal(setenv("XDG_CACHE_HOME", "/y", 1), 0);
    assert_ok(read_line(BASE, ""));
    assert_string_equal(settings.profile, "/x");
    assert_string_equal(settings.cache, "/y/claviger/line");
    assert_ok(read_line(BASE, "--profile=/z --cache=/c"));
    assert_string_equal(settings.profile, "/z");
    assert_string_equal(settings.cache, "/c");
    test_tempdir_remove(dir);
}

static void a_log_that_cannot_be_written_is_code_2(void **state)
{
    (void)state;
    struct output *output = NULL;
    assert_ok(read_line(BASE, "--logfile=/nonexistent/log"));
    assert_true(output_new(&settings, &output, &fault) != ERR_OK);
    assert_int_equal(fault.code, LINE_INTERNAL);
    assert_ok(read_line(BASE, "--logfile=/dev/full"));
    assert_ok(output_new(&settings, &output, &fault)); /* a full disk does not stop the line */
    output_log(output, 0, LOG_LEVEL_INFO, "x");
    output_free(output);
}

TEST_MAIN(cmocka_unit_test(a_typical_line_is_read), cmocka_unit_test(both_spellings_are_taken),
          cmocka_unit_test(wrong_lines_are_refused),
          cmocka_unit_test(batches_are_decimal_octal_or_hexadecimal),
          cmocka_unit_test(servers_have_a_port_or_the_usual_one),
          cmocka_unit_test(the_profile_is_searched_for),
          cmocka_unit_test(a_log_that_cannot_be_written_is_code_2))
