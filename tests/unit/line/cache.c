#include "line/cache.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "sample.h"
#include "support/test.h"

static char *dir, *folder;
static int fd;
static struct line_fault fault;
static struct line_file file;

static int setup(void **state)
{
    (void)state;
    dir = test_tempdir();
    folder = test_path(dir, "a/b");
    fd = -1;
    fault = (struct line_fault){0};
    sample_file(&file, "node.bin", "/x", bytes_str(sample_firmware));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    file_closep(&fd);
    free(folder);
    test_tempdir_remove(dir);
    return 0;
}

static bool get(void)
{
    struct buf to = {0};
    bool found = line_cache_get(fd, &file, &to);
    assert_true(!found || bytes_equal(buf_view(&to), bytes_str(sample_firmware)));
    assert_true(found || to.len == 0);
    buf_done(&to);
    return found;
}

static void what_was_put_is_got(void **state)
{
    (void)state;
    struct stat st;
    assert_ok(line_cache_open(folder, &fd, &fault));
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_false(get());
    assert_ok(line_cache_put(fd, &file, bytes_str(sample_firmware), &fault));
    assert_true(get());
    assert_ok(line_cache_put(fd, &file, bytes_str(sample_firmware), &fault));
    assert_true(get());
}

static void files_known_by_md5_alone_are_kept_too(void **state)
{
    (void)state;
    file.has_sha256 = false;
    assert_ok(line_cache_open(folder, &fd, &fault));
    assert_ok(line_cache_put(fd, &file, bytes_str(sample_firmware), &fault));
    assert_true(get());
}

static void a_file_that_was_changed_is_not_taken(void **state)
{
    (void)state;
    char name[LINE_CACHE_NAME];
    assert_ok(line_cache_open(folder, &fd, &fault));
    assert_ok(line_cache_put(fd, &file, bytes_str(sample_firmware), &fault));
    line_cache_name(&file, name);
    int open = openat(fd, name, O_WRONLY);
    assert_int_equal(pwrite(open, "F", 1, 0), 1);
    (void)close(open);
    assert_false(get());
    assert_int_equal(unlinkat(fd, name, 0), 0);
    assert_int_equal(symlinkat("/etc/passwd", fd, name), 0);
    assert_false(get());
}

static void a_folder_that_others_write_to_is_refused(void **state)
{
    (void)state;
    assert_ok(file_mkdirs(folder, 0700, NULL));
    assert_int_equal(chmod(folder, 0777), 0);
    assert_err(line_cache_open(folder, &fd, &fault), ERR_REFUSED);
    assert_int_equal(fault.code, LINE_SERVER_FILE);
}

static void a_full_disk_is_an_error_of_files(void **state)
{
    (void)state;
    fd = open("/dev/full", O_RDONLY);
    assert_true(line_cache_put(fd, &file, bytes_str(sample_firmware), &fault) != ERR_OK);
    assert_int_equal(fault.code, LINE_SERVER_FILE);
    assert_true(line_cache_open("/dev/full/x", &fd, &fault) != ERR_OK);
    assert_int_equal(fault.code, LINE_SERVER_FILE);
}

static void every_hash_is_checked(void **state)
{
    (void)state;
    assert_ok(line_file_check(&file, bytes_str(sample_firmware), &fault));
    assert_err(line_file_check(&file, bytes_str(""), &fault), ERR_REFUSED);
    assert_int_equal(fault.code, LINE_SERVER_ANSWER);
    file.md5[15] ^= 1;
    assert_err(line_file_check(&file, bytes_str(sample_firmware), &fault), ERR_REFUSED);
    file.md5[15] ^= 1;
    file.sha256[0] ^= 1;
    fault = (struct line_fault){0};
    assert_err(line_file_check(&file, bytes_str(sample_firmware), &fault), ERR_REFUSED);
    assert_int_equal(fault.code, LINE_SERVER_ANSWER);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
TEST_MAIN(CASE(what_was_put_is_got), CASE(files_known_by_md5_alone_are_kept_too),
          CASE(a_file_that_was_changed_is_not_taken),
          CASE(a_folder_that_others_write_to_is_refused), CASE(a_full_disk_is_an_error_of_files),
          CASE(every_hash_is_checked))
