#include "api/spool.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "support/test.h"

#define HOUR ((uint64_t)SPOOL_KEEP_S * 1000000000)

static char *dir;
static struct spool *spool;

static int begin(void **state)
{
    (void)state;
    dir = test_tempdir();
    assert_ok(spool_new(dir, &spool, NULL));
    return 0;
}

static int end(void **state)
{
    (void)state;
    spool_free(spool);
    test_tempdir_remove(dir);
    return 0;
}

static bool there(uint64_t id, const char *part)
{
    char path[600];
    (void)snprintf(path, sizeof path, "%s/file-%llu%s", dir, (unsigned long long)id, part);
    return access(path, F_OK) == 0;
}

static void put(const char *path, const char *part)
{
    char beside[600];
    (void)snprintf(beside, sizeof beside, "%s%s", path, part);
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_int_equal(write(fd, "text", 4), 4);
    (void)close(fd);
}

static void an_upload_grows_in_order(void **state)
{
    (void)state;
    uint64_t id = 0;
    char path[SPOOL_PATH_MAX];
    struct stat st;
    assert_ok(spool_add(spool, &id, NULL));
    assert_ok(spool_write(spool, id, 0, bytes_str("abc"), NULL));
    assert_err(spool_write(spool, id, 0, bytes_str("abc"), NULL), ERR_MISMATCH);
    assert_err(spool_write(spool, id, 4, bytes_str("d"), NULL), ERR_MISMATCH);
    assert_ok(spool_write(spool, id, 3, bytes_str("de"), NULL));
    assert_ok(spool_write(spool, id, 5, bytes_str(""), NULL));
    assert_err(spool_write(spool, id + 1, 0, bytes_str("x"), NULL), ERR_NOT_FOUND);
    assert_ok(spool_hold(spool, id, path));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 5);
    assert_int_equal(st.st_mode & 07777, 0600);
    spool_release(spool, id);
}

static void a_held_file_stays_under_its_user(void **state)
{
    (void)state;
    uint64_t id = 0;
    char path[SPOOL_PATH_MAX];
    assert_ok(spool_add(spool, &id, NULL));
    assert_ok(spool_hold(spool, id, path));
    assert_err(spool_write(spool, id, 0, bytes_str("x"), NULL), ERR_BUSY);
    spool_tidy(spool, clock_mono_ns() + 2 * HOUR);
    assert_true(there(id, ""));
    assert_ok(spool_remove(spool, id));
    assert_true(there(id, "")); /* goes with its user */
    assert_err(spool_hold(spool, id, path), ERR_NOT_FOUND);
    assert_err(spool_remove(spool, id), ERR_NOT_FOUND);
    spool_release(spool, id);
    assert_false(there(id, ""));
    assert_err(spool_remove(spool, id), ERR_NOT_FOUND);
}

static void uploads_and_downloads_are_kept_apart(void **state)
{
    (void)state;
    uint64_t up = 0, down = 0;
    int fd = -1;
    char path[SPOOL_PATH_MAX], text[8];
    assert_ok(spool_add(spool, &up, NULL));
    assert_ok(spool_reserve(spool, &down, path, NULL));
    put(path, "");
    put(path, ".sig");
    assert_err(spool_open(spool, up, "", &fd, NULL), ERR_NOT_FOUND);
    assert_err(spool_open(spool, down, "", &fd, NULL), ERR_NOT_FOUND); /* not whole yet */
    spool_publish(spool, down);
    assert_ok(spool_open(spool, down, ".sig", &fd, NULL));
    assert_int_equal(read(fd, text, sizeof text), 4);
    (void)close(fd);
    assert_err(spool_open(spool, down, ".manifest", &fd, NULL), ERR_NOT_FOUND);
    assert_err(spool_open(spool, down, "/../x", &fd, NULL), ERR_NOT_FOUND);
    assert_err(spool_write(spool, down, 4, bytes_str("more"), NULL), ERR_NOT_FOUND);
    assert_err(spool_hold(spool, down, path), ERR_NOT_FOUND);
}

static void what_nobody_asks_for_goes_with_all_its_parts(void **state)
{
    (void)state;
    uint64_t up = 0, down = 0;
    char path[SPOOL_PATH_MAX];
    assert_ok(spool_add(spool, &up, NULL));
    assert_ok(spool_reserve(spool, &down, path, NULL));
    put(path, "");
    put(path, ".sig");
    put(path, ".manifest");
    spool_publish(spool, down);
    spool_tidy(spool, clock_mono_ns() + HOUR / 2);
    assert_true(there(up, "") && there(down, ""));
    spool_tidy(spool, clock_mono_ns() + HOUR + 1000000000);
    assert_false(there(up, "") || there(down, "") || there(down, ".sig") ||
                 there(down, ".manifest"));
}

static void it_is_bounded_and_swept_at_start(void **state)
{
    (void)state;
    uint64_t id = 0, first = 0;
    assert_ok(spool_add(spool, &first, NULL));
    for (unsigned i = 1; i < SPOOL_FILES_MAX; i++)
        assert_ok(spool_add(spool, &id, NULL));
    assert_err(spool_add(spool, &id, NULL), ERR_BUSY);
    assert_ok(spool_remove(spool, first));
    assert_ok(spool_add(spool, &id, NULL));
    struct spool *next = NULL;
    assert_ok(spool_new(dir, &next, NULL));
    assert_false(there(id, ""));
    spool_free(next);
    char *absent = test_path(dir, "absent");
    assert_err(spool_new(absent, &next, NULL), ERR_NOT_FOUND);
    free(absent);
}

#define PIECES 200

static _Atomic unsigned written;

static void *append(void *arg)
{
    uint64_t id = *(uint64_t *)arg;
    for (unsigned at = 0; at < PIECES;) {
        enum err err = spool_write(spool, id, (uint64_t)at * 8, bytes_str("12345678"), NULL);
        if (err == ERR_OK)
            written++;
        if (err != ERR_BUSY)
            at++; /* the other thread's piece or this one's */
    }
    return NULL;
}

static void two_writers_never_write_a_piece_twice(void **state)
{
    (void)state;
    uint64_t id = 0;
    char path[SPOOL_PATH_MAX];
    struct stat st;
    pthread_t threads[2];
    assert_ok(spool_add(spool, &id, NULL));
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, append, &id), 0);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_ok(spool_hold(spool, id, path));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, written * 8);
    assert_true(written <= PIECES);
    spool_release(spool, id);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(an_upload_grows_in_order, begin, end),
          cmocka_unit_test_setup_teardown(a_held_file_stays_under_its_user, begin, end),
          cmocka_unit_test_setup_teardown(uploads_and_downloads_are_kept_apart, begin, end),
          cmocka_unit_test_setup_teardown(what_nobody_asks_for_goes_with_all_its_parts, begin, end),
          cmocka_unit_test_setup_teardown(it_is_bounded_and_swept_at_start, begin, end),
          cmocka_unit_test_setup_teardown(two_writers_never_write_a_piece_twice, begin, end))
