#include "base/log.h"

#include <string.h>
#include <unistd.h>

#include "support/test.h"

/* What one call writes to standard error. */
static void capture(char *to, size_t cap, void (*call)(void))
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int before = dup(STDERR_FILENO);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    call();
    assert_true(dup2(before, STDERR_FILENO) >= 0);
    (void)close(before);
    (void)close(ends[1]);
    ssize_t len = read(ends[0], to, cap - 1);
    (void)close(ends[0]);
    to[len > 0 ? len : 0] = '\0';
}

static void hostile(void)
{
    log_info("peer %s connected", "evil\n<0>forged\x1b[2J");
}

static void quiet(void)
{
    log_debug("not at this level");
}

static void failure(void)
{
    struct err_detail detail = {.ckr = 0xa0, .text = "slot 3"};
    log_failure(LOG_LEVEL_ERROR, "can't log in", ERR_PIN_REFUSED, &detail);
}

static void a_record_is_one_line(void **state)
{
    (void)state;
    char line[2048];
    log_init("engine", LOG_LEVEL_INFO);
    capture(line, sizeof line, hostile);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_null(strchr(line, 0x1b));
    assert_non_null(strstr(line, "engine: peer evil?<0>forged?[2J connected"));
    capture(line, sizeof line, quiet);
    assert_string_equal(line, "");
}

static void failures_carry_detail_and_hint(void **state)
{
    (void)state;
    char line[2048];
    capture(line, sizeof line, failure);
    assert_non_null(strstr(line, "can't log in: token refused the PIN: slot 3 (CKR 0xa0); hint: "));
    enum log_level level;
    assert_ok(log_level_parse("debug", &level));
    assert_int_equal(level, LOG_LEVEL_DEBUG);
    assert_err(log_level_parse("loud", &level), ERR_ARGUMENT);
}

TEST_MAIN(cmocka_unit_test(a_record_is_one_line), cmocka_unit_test(failures_carry_detail_and_hint))
