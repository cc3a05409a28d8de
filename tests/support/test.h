#pragma once

/* What every unit test includes: cmocka, and a main that takes the name (or a pattern with *) of
 * one case. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/err.h"

/* A sanitizer stands between the program and the system: mlock does nothing there, and system calls
 * come that a sandbox doesn't know. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TEST_SANITIZED 1
#endif
#endif
#ifndef TEST_SANITIZED
#define TEST_SANITIZED 0
#endif

#define assert_ok(call)        test_assert_err((call), ERR_OK, #call, __FILE__, __LINE__)
#define assert_err(call, code) test_assert_err((call), (code), #call, __FILE__, __LINE__)

void test_assert_err(enum err got, enum err want, const char *call, const char *file, int line);

/* `TEST_MAIN(cmocka_unit_test(a), cmocka_unit_test(b))` */
#define TEST_MAIN(...)                                                                             \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        const struct CMUnitTest tests[] = {__VA_ARGS__};                                           \
        if (argc > 1)                                                                              \
            cmocka_set_test_filter(argv[1]);                                                       \
        return cmocka_run_group_tests(tests, NULL, NULL);                                          \
    }

/* A new folder under $TMPDIR or /tmp, mode 0700; the string is the caller's to free. Removed with
 * all in it by test_tempdir_remove, which frees it. */
char *test_tempdir(void);
void test_tempdir_remove(char *dir);
/* "dir/name" on the heap. */
char *test_path(const char *dir, const char *name);
/* Folder of the shared test vectors (../shared/vectors beside the project, or $CLAVIGER_VECTORS);
 * NULL where absent: call skip() then. */
const char *test_vectors(void);
