#include "line/gateway.h"

#include <stdio.h>

#include "base/file.h"
#include "fake/gateway_control.h"
#include "support/test.h"

static struct line_fault fault;

static void our_own_messages_are_the_usual(void **state)
{
    (void)state;
    AUTO(line_ota_freep) struct line_ota *ota = NULL;
    enum line_gateway_join join = LINE_GATEWAY_UNKNOWN;
    fake_gateway = (struct fake_gateway){.then = LINE_GATEWAY_JOINED};
    assert_ok(line_ota_new(&(struct line_ota_config){0}, &ota, &fault));
    assert_ok(line_ota_status(ota, 7, &join, &fault));
    assert_int_equal(join, LINE_GATEWAY_JOINED);
    assert_ok(line_ota_clear(ota, 7, &fault));
    fake_gateway.err = ERR_TIMEOUT;
    assert_err(line_ota_clear(ota, 7, &fault), ERR_TIMEOUT);
    assert_int_equal(fault.code, LINE_GATEWAY_UNREACHABLE);
    fake_gateway.err = ERR_PEER;
    assert_err(line_ota_status(ota, 7, &join, &fault), ERR_PEER);
    assert_int_equal(fault.code, LINE_GATEWAY_ERROR);
}

/* tests/fake/gateway_library.c: port 1 joined, 2 away, 3 nonsense, 4 a join that is none. */
static void a_library_is_asked_instead(void **state)
{
    (void)state;
    for (uint16_t port = 1; port <= 4; port++) {
        AUTO(line_ota_freep) struct line_ota *ota = NULL;
        enum line_gateway_join join = LINE_GATEWAY_UNKNOWN;
        const struct line_ota_config config = {.library = GATEWAY_LIBRARY, .port = port};
        assert_ok(line_ota_new(&config, &ota, &fault));
        enum err err = line_ota_status(ota, 7, &join, &fault);
        assert_int_equal(err == ERR_OK, port == 1);
        if (port == 1)
            assert_int_equal(join, LINE_GATEWAY_JOINED);
        else
            assert_int_equal(fault.code, port == 2 ? LINE_GATEWAY_UNREACHABLE : LINE_GATEWAY_ERROR);
        assert_int_equal(line_ota_clear(ota, 7, &fault) == ERR_OK, port == 1 || port == 4);
    }
}

static void what_is_no_library_has_its_code(void **state)
{
    (void)state;
    static const char *const paths[] = {"/nonexistent.so", "/etc/passwd", "libc.so.6"};
    struct line_ota *ota = NULL;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        fault = (struct line_fault){0};
        assert_true(line_ota_new(&(struct line_ota_config){.library = paths[i]}, &ota, &fault) !=
                    ERR_OK);
        assert_int_equal(fault.code, LINE_GATEWAY_LIBRARY);
    }
    assert_null(ota);
}

static void certificates_that_are_missing_have_theirs(void **state)
{
    (void)state;
    static const char *const names[] = {"cert.pem", "key.pem", "ca.pem"};
    char *dir = test_tempdir();
    struct line_ota *ota = NULL;
    const struct line_ota_config config = {.library = GATEWAY_LIBRARY, .certs = dir};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        fault = (struct line_fault){0};
        assert_err(line_ota_new(&config, &ota, &fault), ERR_REFUSED);
        assert_int_equal(fault.code, LINE_GATEWAY_CERTIFICATES);
        char *path = test_path(dir, names[i]);
        assert_ok(file_write(path, bytes_str("x"), 0600, NULL));
        free(path);
    }
    assert_ok(line_ota_new(&config, &ota, &fault));
    line_ota_free(ota);
    test_tempdir_remove(dir);
}

TEST_MAIN(cmocka_unit_test(our_own_messages_are_the_usual),
          cmocka_unit_test(a_library_is_asked_instead),
          cmocka_unit_test(what_is_no_library_has_its_code),
          cmocka_unit_test(certificates_that_are_missing_have_theirs))
