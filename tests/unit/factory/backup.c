#include "factory/backup.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "bench.h"

static struct bench bench;
static char *archive;

static int begin(void **state)
{
    (void)state;
    bench_begin(&bench);
    archive = test_path(bench.dir, "packages.tar");
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(archive);
    bench_end(&bench);
    return 0;
}

static char *path_of(const char *folder, const char *name)
{
    char *path = NULL;
    assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
    return path;
}

static void make_file(const char *name, size_t size)
{
    struct buf content = {0};
    char *path = path_of(bench.packages, name);
    for (size_t i = 0; i < size; i++)
        assert_ok(buf_append(&content, bytes_of(&(uint8_t){(uint8_t)(i * 7)}, 1)));
    assert_ok(file_mkdirs_of(path, 0700, NULL));
    assert_ok(file_write(path, buf_view(&content), 0600, NULL));
    buf_done(&content);
    free(path);
}

static int shell(const char *format, const char *a, const char *b)
{
    char command[2048];
    (void)snprintf(command, sizeof command, format, a, b);
    return system(command);
}

static bool stop(void *ctx, const char *stage, uint64_t done, uint64_t total)
{
    (void)ctx;
    (void)stage;
    (void)done;
    (void)total;
    return false;
}

static void all_revisions_come_back(void **state)
{
    (void)state;
    struct factory_backup backup;
    struct stat st;
    char longest[256], *to = test_path(bench.dir, "restored");
    bench_package(&bench, BENCH_CONFIG, 1);
    bench_package(&bench, BENCH_CONFIG, 2);
    bench_package(&bench, UINT64_MAX, 1);
    make_file("0x0000012345678abc/1/node.bin", 300000);
    make_file("0x0000012345678abc/1/empty", 0);
    make_file("0x0000012345678abc/2/node.bin", 512);
    (void)snprintf(longest, sizeof longest, "0xffffffffffffffff/1/%0100d", 7);
    make_file(longest, 1);
    assert_ok(factory_backup(bench.factory, &bench.call, archive, &backup, NULL));
    assert_int_equal(backup.revisions, 3);
    assert_int_equal(backup.files, 4);
    assert_int_equal(backup.missing, 0);
    assert_int_equal(stat(archive, &st), 0);
    assert_int_equal(st.st_size, backup.bytes);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(mkdir(to, 0700), 0);
    assert_int_equal(shell("tar -xf '%s' -C '%s'", archive, to), 0);
    assert_int_equal(shell("diff -r '%s' '%s'", bench.packages, to), 0);
    /* a file that is there is not touched */
    assert_err(factory_backup(bench.factory, &bench.call, archive, &backup, NULL), ERR_EXISTS);
    assert_int_equal(stat(archive, &st), 0);
    free(to);
}

static void what_is_not_there_is_told(void **state)
{
    (void)state;
    struct factory_backup backup;
    assert_ok(factory_backup(bench.factory, &bench.call, archive, &backup, NULL));
    assert_int_equal(backup.revisions, 0);
    assert_int_not_equal(access(archive, F_OK), 0);
    bench_package(&bench, BENCH_CONFIG, 1);
    bench_package(&bench, BENCH_CONFIG, 2);
    make_file("0x0000012345678abc/2/node.bin", 100);
    char *link = path_of(bench.packages, "0x0000012345678abc/2/link");
    assert_int_equal(mkfifo(link, 0600), 0); /* no file of ours, and it does not make us wait */
    free(link);
    assert_ok(factory_backup(bench.factory, &bench.call, archive, &backup, NULL));
    assert_int_equal(backup.revisions, 2);
    assert_int_equal(backup.missing, 1);
    assert_int_equal(backup.files, 1);
    assert_int_equal(unlink(archive), 0);
    bench.call.progress = stop;
    assert_err(factory_backup(bench.factory, &bench.call, archive, &backup, NULL), ERR_CANCELLED);
    assert_int_not_equal(access(archive, F_OK), 0);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(all_revisions_come_back, begin, end),
          cmocka_unit_test_setup_teardown(what_is_not_there_is_told, begin, end))
