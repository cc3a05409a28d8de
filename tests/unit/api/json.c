#include "api/json.h"

#include <string.h>

#include "support/test.h"

static void text_is(json_t *json, const char *want)
{
    assert_string_equal(json_string_value(json), want);
    json_decref(json);
}

static void values_have_one_form(void **state)
{
    (void)state;
    text_is(json_of_id(0x10200, 32), "0x00010200");
    text_is(json_of_id(UINT64_MAX, 64), "0xffffffffffffffff");
    text_is(json_of_id(1, 64), "0x0000000000000001");
    text_is(json_of_time(1795228740), "2026-11-21T02:39:00Z");
    text_is(json_of_hex("\x00\xab", 2), "00ab");
    json_t *never = json_of_time(0);
    assert_true(json_is_null(never));
    json_decref(never);
}

static void errors_have_code_text_and_hint(void **state)
{
    (void)state;
    struct err_detail detail = {0};
    enum err err = err_set(&detail, ERR_NOT_FOUND, "network 'x'");
    AUTO(json_freep) json_t *json = json_of_error(err, &detail);
    assert_string_equal(json_string_value(json_object_get(json, "code")), "NOT_FOUND");
    assert_string_equal(json_string_value(json_object_get(json, "detail")), "network 'x'");
    AUTO(json_freep) json_t *bare = json_of_error(ERR_BUSY, NULL);
    assert_string_equal(json_string_value(json_object_get(bare, "detail")), "");
    assert_non_null(json_object_get(bare, "hint"));
}

/* Texts are cut at a number of bytes, and files have names of any bytes. */
static void an_error_is_told_whatever_its_text(void **state)
{
    (void)state;
    struct err_detail detail = {0};
    enum err err = err_set(&detail, ERR_IO, "na\xc3\xafve\xff.bin: \xe2\x82");
    AUTO(json_freep) json_t *json = json_of_error(err, &detail);
    assert_string_equal(json_string_value(json_object_get(json, "detail")), "na??ve?.bin: ??");
    assert_string_equal(json_string_value(json_object_get(json, "code")), "IO");
}

static void times_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t first, last; /* as the beginning and as the end of a span; -1: refused */
    } cases[] = {
        {"2026-11-21T14:20:00Z", 1795270800, 1795270800},
        {"2026-11-21T14:20:00", 1795270800, 1795270800},
        {"2026-11-21T14:20:00.123456Z", 1795270800, 1795270800},
        {"2026-11-21", 1795219200, 1795305599},
        {"2028-02-29", 1835395200, 1835481599},
        {"2026-02-29", -1, -1},
        {"2026-02-30T00:00:00Z", -1, -1},
        {"2026-13-01", -1, -1},
        {"2026-11-21T14:20:00+02:00", -1, -1},
        {"2026-11-21 14:20", -1, -1},
        {"1969-12-31", -1, -1},
        {"yesterday", -1, -1},
        {"", -1, -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err_detail detail = {0};
        int64_t first = -1, last = -1;
        bool good = cases[i].first >= 0;
        assert_int_equal(json_read_time("from", cases[i].text, false, &first, &detail),
                         good ? ERR_OK : ERR_ARGUMENT);
        assert_int_equal(json_read_time("from", cases[i].text, true, &last, NULL),
                         good ? ERR_OK : ERR_ARGUMENT);
        assert_int_equal(first, cases[i].first);
        assert_int_equal(last, cases[i].last);
        if (!good)
            assert_non_null(strstr(detail.text, "from: a time such as"));
    }
}

/* What jansson frees has been wiped: seen through a block that the allocator hands out again. */
static void freed_memory_is_wiped(void **state)
{
    (void)state;
    json_malloc_t take;
    json_free_t give;
    json_wipe_memory();
    json_get_alloc_funcs(&take, &give);
    assert_ptr_equal(take, malloc);
    assert_ptr_not_equal(give, free);
    give(NULL);
    AUTO(json_freep) json_t *json = json_pack("{s:s}", "passphrase", "correct horse battery");
    assert_non_null(json);
}

TEST_MAIN(cmocka_unit_test(values_have_one_form), cmocka_unit_test(times_are_read),
          cmocka_unit_test(errors_have_code_text_and_hint),
          cmocka_unit_test(an_error_is_told_whatever_its_text),
          cmocka_unit_test(freed_memory_is_wiped))
