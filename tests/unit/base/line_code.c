#include "base/line_code.h"

#include <string.h>

#include "support/test.h"

/* The numbers are an interface. */
static void the_codes_are_those_of_the_guide(void **state)
{
    (void)state;
    static const int numbers[] = {0,   2,   3,   4,   14,  36,  37,  38,  39,  40,
                                  41,  42,  43,  44,  68,  69,  70,  72,  75,  76,
                                  100, 101, 102, 108, 132, 133, 134, 140, 141, 164};
    assert_int_equal(LINE_CODE_ROWS, sizeof numbers / sizeof numbers[0]);
    for (size_t i = 0; i < LINE_CODE_ROWS; i++) {
        assert_int_equal(line_code_rows[i].number, numbers[i]);
        assert_non_null(line_code_row(numbers[i]));
        assert_true(strlen(line_code_rows[i].text) > 3);
    }
    assert_int_equal(LINE_ACTIONS, 11);
    for (size_t i = 1; i <= LINE_ACTIONS; i++)
        assert_true(strlen(line_actions[i]) > 10);
}

static void a_number_that_is_no_code_is_unknown(void **state)
{
    (void)state;
    assert_null(line_code_row(1));
    assert_null(line_code_row(-1));
    assert_string_equal(line_code_text(99), line_code_text(LINE_UNKNOWN));
}

static void actions_are_joined_and_cut(void **state)
{
    (void)state;
    char text[1024], small[16];
    assert_string_equal(line_code_action(LINE_OK, text, sizeof text), "");
    assert_string_equal(line_code_action(LINE_NO_DEVICE, text, sizeof text), line_actions[2]);
    line_code_action(LINE_HOST_FIRMWARE_FILE, text, sizeof text);
    assert_non_null(strstr(text, line_actions[3]));
    assert_non_null(strstr(text, line_actions[5]));
    assert_non_null(strstr(text, line_actions[10]));
    line_code_action(LINE_HOST_FIRMWARE_FILE, small, sizeof small);
    assert_int_equal(strlen(small), sizeof small - 1);
    assert_memory_equal(small, line_actions[3], sizeof small - 1);
}

TEST_MAIN(cmocka_unit_test(the_codes_are_those_of_the_guide),
          cmocka_unit_test(a_number_that_is_no_code_is_unknown),
          cmocka_unit_test(actions_are_joined_and_cut))
