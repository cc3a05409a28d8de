#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/test.h"

static void writes_replace_whole_files(void **state)
{
    (void)state;
    char *dir = test_tempdir(), *path = test_path(dir, "a/b/c");
    char *parent = test_path(dir, "a/b");
    assert_ok(file_mkdirs(parent, 0700, NULL));
    assert_ok(file_write(path, bytes_str("one"), 0600, NULL));
    assert_ok(file_write(path, bytes_str("second"), 0600, NULL));
    AUTO(buf_done) struct buf back = {0};
    assert_ok(file_read(path, 6, &back, NULL));
    assert_true(bytes_equal(buf_view(&back), bytes_str("second")));
    struct err_detail detail = {0};
    assert_err(file_read(path, 5, &back, &detail), ERR_LIMIT);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_err(file_write("/nonexistent/x", bytes_str(""), 0600, &detail), ERR_NOT_FOUND);
    free(path);
    free(parent);
    test_tempdir_remove(dir);
}

static void secrets_must_be_private(void **state)
{
    (void)state;
    char *dir = test_tempdir(), *path = test_path(dir, "pin");
    AUTO(secret_freep) struct secret *pin = NULL;
    struct err_detail detail = {0};
    assert_ok(file_write(path, bytes_str("1234\r\n"), 0640, NULL));
    assert_err(file_read_secret(path, 64, &pin, &detail), ERR_DENIED);
    assert_int_equal(chmod(path, 0600), 0);
    assert_ok(file_read_secret(path, 64, &pin, &detail));
    assert_true(bytes_equal(secret_view(pin), bytes_str("1234")));
    struct secret *other = NULL;
    assert_err(file_read_secret(path, 3, &other, &detail), ERR_LIMIT);
    assert_null(other);
    free(path);
    test_tempdir_remove(dir);
}

static void a_full_disk_is_named(void **state)
{
    (void)state;
    AUTO(file_closep) int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        skip();
    assert_err(file_write_all(fd, bytes_str("x"), NULL), ERR_DISK_FULL);
}

TEST_MAIN(cmocka_unit_test(writes_replace_whole_files), cmocka_unit_test(secrets_must_be_private),
          cmocka_unit_test(a_full_disk_is_named))
