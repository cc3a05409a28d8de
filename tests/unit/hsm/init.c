#include "hsm/init.h"

#include <string.h>

#include "support/test.h"
#include "support/token.h"

static struct test_token token; /* its label is taken */

static enum err open_as(const char *label, const char *serial, long slot, const char *pin_text,
                        struct err_detail *detail, struct hsm **ret_hsm)
{
    struct hsm_config config = token.config;
    struct secret *pin = NULL;
    config.token_label = label;
    config.token_serial = serial;
    config.slot = slot;
    config.brief = true;
    TRY(secret_dup(bytes_str(pin_text), &pin));
    return hsm_open(&config, pin, ret_hsm, detail);
}

static enum err init_as(const char *label)
{
    return hsm_init_token(&token.config, label, bytes_str("so-pin-1"), bytes_str("user-pin-1"),
                          NULL);
}

static void a_new_token_opens_with_its_pin(void **state)
{
    (void)state;
    AUTO(hsm_closep) struct hsm *hsm = NULL;
    struct hsm_token_info info;
    assert_ok(init_as("second"));
    assert_ok(open_as("second", NULL, -1, "user-pin-1", NULL, &hsm));
    hsm_token_info(hsm, &info);
    assert_string_equal(info.label, "second");
    hsm_closep(&hsm);
    assert_ok(open_as(NULL, info.serial, -1, "user-pin-1", NULL, &hsm));
    hsm_closep(&hsm);
    assert_ok(open_as(NULL, NULL, (long)info.slot, "user-pin-1", NULL, &hsm));
    hsm_closep(&hsm);
    assert_err(open_as("second", "no such serial", -1, "user-pin-1", NULL, &hsm), ERR_TOKEN_GONE);
    assert_err(open_as("second", NULL, -1, "so-pin-1", NULL, &hsm), ERR_PIN_REFUSED);
}

static void a_label_is_used_once(void **state)
{
    (void)state;
    assert_err(init_as(token.config.token_label), ERR_EXISTS);
    assert_err(init_as(""), ERR_ARGUMENT);
    assert_err(init_as("a label of more than thirty-two bytes"), ERR_ARGUMENT);
}

static void a_choice_must_be_unambiguous(void **state)
{
    (void)state;
    struct hsm *hsm = NULL;
    struct err_detail detail = {0};
    assert_ok(init_as("third"));
    assert_err(open_as(NULL, NULL, -1, "user-pin-1", &detail, &hsm), ERR_CONFIG);
}

static void a_bad_user_pin_is_an_error(void **state)
{
    (void)state;
    assert_err(hsm_init_token(&token.config, "fourth", bytes_str("so-pin-1"), bytes_str("1"), NULL),
               ERR_PIN_REFUSED);
}

static void not_while_the_module_is_in_use(void **state)
{
    (void)state;
    AUTO(hsm_closep) struct hsm *hsm = NULL;
    assert_ok(open_as(token.config.token_label, NULL, -1, token.pin, NULL, &hsm));
    assert_err(init_as("fifth"), ERR_BUSY);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_token_opens_with_its_pin),
        cmocka_unit_test(a_label_is_used_once),
        cmocka_unit_test(a_choice_must_be_unambiguous),
        cmocka_unit_test(a_bad_user_pin_is_an_error),
        cmocka_unit_test(not_while_the_module_is_in_use),
    };
    const char *reason = NULL;
    if (!test_token_up("softhsm", &token, &reason)) {
        print_message("skipped: %s\n", reason);
        return 77;
    }
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    test_token_down(&token);
    hsm_leave(failed == 0 ? 0 : 1);
}
