#include "base/ini.h"

#include <stdio.h>
#include <string.h>

#include "support/test.h"

static char got[1024];

static enum err collect(void *ctx, const char *section, const char *key, const char *value,
                        unsigned line, struct err_detail *detail)
{
    (void)ctx;
    if (strcmp(key, "bad") == 0)
        return err_set(detail, ERR_CONFIG, "unknown key '%s'", key);
    size_t used = strlen(got);
    (void)snprintf(got + used, sizeof got - used, "%s.%s=<%s>@%u ", section, key, value, line);
    return ERR_OK;
}

static enum err parse(const char *text, struct err_detail *detail)
{
    got[0] = '\0';
    return ini_parse("t.conf", text, strlen(text), collect, NULL, detail);
}

static void settings_come_with_their_lines(void **state)
{
    (void)state;
    assert_ok(parse("# c\n[a]\r\n x = 1 \r\n\ny=\" two \"\n[b c]\nz==\n;\nlast=", NULL));
    assert_string_equal(got, "a.x=<1>@3 a.y=< two >@5 b c.z=<=>@7 b c.last=<>@9 ");
}

static void every_problem_names_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"x = 1\n", "t.conf: line 1: setting before the first [section]"},
        {"[a\n", "t.conf: line 1: section without closing ]"},
        {"[]\n", "t.conf: line 1: section name empty or too long"},
        {"[a]\nfoo\n", "t.conf: line 2: neither [section] nor key = value"},
        {"[a]\n=1\n", "t.conf: line 2: key is empty"},
        {"[a]\nx=1\nx=2\n", "t.conf: line 3: this key stands twice"},
        {"[a]\nx=1\n[a]\n", "t.conf: line 3: this section stands twice"},
        {"[a]\nbad=1\n", "t.conf: line 2: unknown key 'bad'"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err_detail detail = {0};
        assert_err(parse(cases[i].text, &detail), ERR_CONFIG);
        assert_string_equal(detail.text, cases[i].want);
    }
}

static void long_lines_and_nul_bytes_are_refused(void **state)
{
    (void)state;
    static char text[INI_LINE_MAX + 32] = "[a]\nkey=";
    memset(text + 8, 'v', INI_LINE_MAX);
    struct err_detail detail = {0};
    assert_err(parse(text, &detail), ERR_LIMIT);
    assert_string_equal(detail.text, "t.conf: line 2: line too long");
    assert_err(ini_parse("t.conf", "[a]\nx=\0y\n", 9, collect, NULL, &detail), ERR_CONFIG);
    assert_err(ini_read("/nonexistent/t.conf", collect, NULL, &detail), ERR_NOT_FOUND);
}

TEST_MAIN(cmocka_unit_test(settings_come_with_their_lines),
          cmocka_unit_test(every_problem_names_its_line),
          cmocka_unit_test(long_lines_and_nul_bytes_are_refused))
