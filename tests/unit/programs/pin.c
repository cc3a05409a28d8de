#include "programs/clavigerd/pin.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "support/test.h"

static char *dir;

static int begin(void **state)
{
    (void)state;
    dir = test_tempdir();
    return 0;
}

static int end(void **state)
{
    (void)state;
    (void)unsetenv("CREDENTIALS_DIRECTORY");
    test_tempdir_remove(dir);
    return 0;
}

static void put(const char *name, const char *text, mode_t mode)
{
    char *path = test_path(dir, name);
    assert_ok(file_write(path, bytes_str(text), mode, NULL));
    assert_int_equal(chmod(path, mode), 0);
    free(path);
}

static enum err read_source(const char *source, const char *want)
{
    AUTO(secret_freep) struct secret *pin = NULL;
    struct err_detail detail = {0};
    enum err err = pin_read(source, &pin, &detail);
    if (err != ERR_OK) {
        assert_null(pin);
        assert_true(detail.text[0] != '\0');
        return err;
    }
    struct bytes view = secret_view(pin);
    assert_int_equal(view.len, strlen(want));
    assert_memory_equal(view.data, want, view.len);
    return ERR_OK;
}

static enum err read_file(const char *name, const char *want)
{
    char source[512];
    (void)snprintf(source, sizeof source, "file:%s/%s", dir, name);
    return read_source(source, want);
}

static void a_file_must_be_its_owners_alone(void **state)
{
    (void)state;
    put("pin", "123456\n", 0600);
    put("bare", "123456", 0400);
    put("group", "123456\n", 0640);
    put("world", "123456\n", 0604);
    put("empty", "\n", 0600);
    assert_ok(read_file("pin", "123456"));
    assert_ok(read_file("bare", "123456"));
    assert_err(read_file("group", ""), ERR_DENIED);
    assert_err(read_file("world", ""), ERR_DENIED);
    assert_err(read_file("empty", ""), ERR_CONFIG);
    assert_err(read_file("absent", ""), ERR_NOT_FOUND);
    char large[300];
    memset(large, '1', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    put("large", large, 0600);
    assert_err(read_file("large", ""), ERR_LIMIT);
}

static void the_environment_gives_it_once(void **state)
{
    (void)state;
    assert_int_equal(setenv("CLAVIGER_TEST_PIN", "123456", 1), 0);
    const char *value = getenv("CLAVIGER_TEST_PIN");
    assert_ok(read_source("env:CLAVIGER_TEST_PIN", "123456"));
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(value[i], 0); /* /proc/PID/environ shows that memory */
    assert_null(getenv("CLAVIGER_TEST_PIN"));
    assert_err(read_source("env:CLAVIGER_TEST_PIN", ""), ERR_CONFIG);
}

static void systemd_hands_it_over_as_a_credential(void **state)
{
    (void)state;
    (void)unsetenv("CREDENTIALS_DIRECTORY");
    assert_err(read_source("credential:pin", ""), ERR_CONFIG);
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", dir, 1), 0);
    assert_err(read_source("credential:pin", ""), ERR_NOT_FOUND);
    put("pin", "abc def", 0400);
    assert_ok(read_source("credential:pin", "abc def"));
}

static void other_sources_are_refused(void **state)
{
    (void)state;
    assert_err(read_source("123456", ""), ERR_CONFIG);
    assert_err(read_source("", ""), ERR_CONFIG);
    assert_true(pin_is_lasting("file:/x") && pin_is_lasting("credential:x"));
    assert_false(pin_is_lasting("env:X") || pin_is_lasting("prompt"));
    assert_string_equal(pin_path("file:/x"), "/x");
    assert_null(pin_path("env:X"));
}

static void a_held_pin_can_be_taken_again(void **state)
{
    (void)state;
    AUTO(secret_freep) struct secret *pin = NULL;
    struct pin_hold *hold = NULL;
    assert_ok(secret_dup(bytes_str("123456"), &pin));
    assert_ok(pin_hold_new(pin, &hold));
    for (unsigned i = 0; i < 2; i++) {
        AUTO(secret_freep) struct secret *taken = NULL;
        assert_ok(pin_hold_take(hold, &taken));
        assert_true(secret_equal(secret_view(taken), secret_view(pin)));
    }
    pin_hold_free(hold);
    pin_hold_free(NULL);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(a_file_must_be_its_owners_alone, begin, end),
          cmocka_unit_test_setup_teardown(the_environment_gives_it_once, begin, end),
          cmocka_unit_test_setup_teardown(systemd_hands_it_over_as_a_credential, begin, end),
          cmocka_unit_test(other_sources_are_refused),
          cmocka_unit_test(a_held_pin_can_be_taken_again))
