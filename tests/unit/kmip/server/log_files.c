#include "kmip/server/log_files.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/test.h"

static char *dir;

static int set_up(void **state)
{
    (void)state;
    dir = test_tempdir();
    return dir != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    test_tempdir_remove(dir);
    return 0;
}

static long size_of(const char *name)
{
    char *path = test_path(dir, name);
    struct stat st;
    long size = stat(path, &st) == 0 ? (long)st.st_size : -1;
    free(path);
    return size;
}

static void a_connection_has_a_file(void **state)
{
    (void)state;
    struct log_files files;
    assert_ok(log_files_open(&files, dir, 1 << 20, NULL));
    assert_ok(log_files_append(&files, "192.0.2.1:40112", 17, 3, "xml", bytes_str("one\n"), NULL));
    assert_ok(log_files_append(&files, "192.0.2.1:40112", 17, 3, "xml", bytes_str("two\n"), NULL));
    assert_ok(log_files_append(&files, "[2001:db8::1]:5", 18, 4, "json", bytes_str("x"), NULL));
    assert_int_equal(size_of("192.0.2.1/server/kmip-17-3.xml"), 8);
    assert_int_equal(size_of("2001:db8::1/server/kmip-18-4.json"), 1);
    /* found again by the next life */
    struct log_files again;
    assert_ok(log_files_open(&again, dir, 1 << 20, NULL));
    assert_int_equal(again.used, 9);
}

static void an_address_names_no_other_place(void **state)
{
    (void)state;
    struct log_files files;
    assert_ok(log_files_open(&files, dir, 1 << 20, NULL));
    assert_ok(log_files_append(&files, "../../etc/x:1", 1, 1, "log", bytes_str("x"), NULL));
    assert_ok(log_files_append(&files, "", 1, 1, "log", bytes_str("x"), NULL));
    assert_int_equal(size_of("_./server/kmip-1-1.log"), -1);
    assert_int_equal(size_of("_/server/kmip-1-1.log"), 1);
    assert_int_equal(files.used, 2);
}

static void the_oldest_go_first(void **state)
{
    (void)state;
    static char text[1000];
    struct log_files files;
    memset(text, 'x', sizeof text);
    assert_ok(log_files_open(&files, dir, 10000, NULL));
    for (uint64_t i = 1; i <= 12; i++) {
        assert_ok(log_files_append(&files, "a:1", i, i, "log", BYTES(text), NULL));
        (void)usleep(15000); /* file systems tell times apart by some milliseconds only */
    }
    assert_int_equal(size_of("a/server/kmip-1-1.log"), -1);
    assert_int_equal(size_of("a/server/kmip-2-2.log"), -1);
    assert_int_equal(size_of("a/server/kmip-12-12.log"), 1000);
    assert_true(files.used <= 10000);
    /* one file alone is bounded, too */
    for (int i = 0; i < 30; i++)
        assert_ok(log_files_append(&files, "a:1", 99, 99, "log", BYTES(text), NULL));
    assert_true(files.used <= 10000);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
TEST_MAIN(CASE(a_connection_has_a_file), CASE(an_address_names_no_other_place),
          CASE(the_oldest_go_first))
