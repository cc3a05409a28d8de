/* What only the engine with a file can be asked: lock, damage, full disk, copies. */

#include "bed.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/metrics.h"

static int setup(void **state)
{
    static struct bed bed;
    (void)unsetenv("CLAVIGER_STORE_URL");
    bed_setup(&bed);
    *state = &bed;
    return 0;
}

static int teardown(void **state)
{
    bed_teardown(*state);
    return 0;
}

static void overwrite(const char *path, off_t at, const void *data, size_t len)
{
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, len, at), len);
    (void)close(fd);
}

static mode_t mode_of(const char *path, const char *suffix)
{
    char name[512];
    struct stat st;
    (void)snprintf(name, sizeof name, "%s%s", path, suffix);
    assert_int_equal(stat(name, &st), 0);
    return st.st_mode & 0777;
}

static void files_are_private(void **state)
{
    struct bed *bed = *state;
    assert_int_equal(mode_of(bed->path, ""), 0600);
    assert_int_equal(mode_of(bed->path, "-wal"), 0600);
    assert_int_equal(mode_of(bed->path, "-shm"), 0600);
    assert_int_equal(mode_of(bed->path, ".lock"), 0600);
}

static void second_opener_is_refused(void **state)
{
    struct bed *bed = *state;
    struct err_detail detail = {0};
    char pid[32];
    (void)snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_err(bed_try_open(bed, &detail), ERR_LOCKED);
    assert_non_null(strstr(detail.text, pid));
    pid_t child = fork();
    if (child == 0)
        _exit(bed_try_open(bed, NULL) == ERR_LOCKED ? 0 : 1);
    int status = 1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    bed_close(bed);
    assert_ok(bed_try_open(bed, &detail));
    bed_open(bed);
}

static void absent_and_odd_places_are_refused(void **state)
{
    struct bed *bed = *state;
    struct err_detail detail = {0};
    struct store *store = NULL;
    char *gone = test_path(bed->dir, "gone.db");
    char url[512];
    (void)snprintf(url, sizeof url, "sqlite:%s", gone);
    struct store_config config = {.url = url};
    assert_err(store_open(&config, &store, &detail), ERR_NOT_FOUND);
    assert_int_not_equal(access(gone, F_OK), 0);
    config.url = "mongo:there";
    assert_err(store_open(&config, &store, &detail), ERR_CONFIG);
    config.url = "sqlite:";
    assert_err(store_open(&config, &store, &detail), ERR_CONFIG);
    config.url = "sqlite::memory:";
    assert_err(store_open(&config, &store, &detail), ERR_CONFIG);
    config.url = NULL;
    assert_err(store_open(&config, &store, &detail), ERR_CONFIG);
    (void)snprintf(url, sizeof url, "sqlite:%s", bed->dir);
    config = (struct store_config){.url = url, .create = true};
    assert_err(store_open(&config, &store, &detail), ERR_CONFIG);
    (void)snprintf(url, sizeof url, "sqlite:%s", gone);
    config.schema = "nothing";
    assert_err(store_open(&config, &store, &detail), ERR_CONFIG);
    assert_null(store);
    free(gone);
}

static void damaged_files_are_refused(void **state)
{
    struct bed *bed = *state;
    struct err_detail detail = {0};
    struct stat st;
    uint8_t first = 'S';
    bed_close(bed);
    overwrite(bed->path, 0, "X", 1);
    assert_err(bed_try_open(bed, &detail), ERR_CORRUPT);
    assert_non_null(strstr(detail.text, bed->path));
    overwrite(bed->path, 0, &first, 1);
    assert_ok(bed_try_open(bed, &detail));

    /* cut off by a page, to half a header, to nothing */
    assert_int_equal(stat(bed->path, &st), 0);
    assert_int_equal(truncate(bed->path, st.st_size - 4096), 0);
    assert_err(bed_try_open(bed, &detail), ERR_CORRUPT);
    assert_int_equal(truncate(bed->path, 50), 0);
    assert_err(bed_try_open(bed, &detail), ERR_CORRUPT);
    assert_int_equal(truncate(bed->path, 0), 0);
    assert_err(bed_try_open(bed, &detail), ERR_CORRUPT);
    bed_open(bed); /* an empty file is no store; making one takes `create` */
}

static void a_damaged_schema_is_refused(void **state)
{
    struct bed *bed = *state;
    struct err_detail detail = {0};
    uint8_t rubbish[3000];
    memset(rubbish, 0xa5, sizeof rubbish);
    bed_close(bed);
    overwrite(bed->path, 100, rubbish, sizeof rubbish);
    assert_err(bed_try_open(bed, &detail), ERR_CORRUPT);
}

static void strangers_are_refused(void **state)
{
    struct bed *bed = *state;
    struct err_detail detail = {0};
    sqlite3 *db = NULL;
    bed_close(bed);
    assert_int_equal(sqlite3_open(bed->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 9999", NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
    assert_err(bed_try_open(bed, &detail), ERR_UNSUPPORTED);
    assert_non_null(strstr(detail.text, "9999"));
    assert_int_equal(sqlite3_open(bed->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 1; UPDATE meta SET value = 'other'",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    (void)sqlite3_close(db);
    assert_err(bed_try_open(bed, &detail), ERR_MISMATCH);
    assert_non_null(strstr(detail.text, "other"));
    assert_int_equal(sqlite3_open(bed->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA application_id = 1", NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(db);
    assert_err(bed_try_open(bed, &detail), ERR_MISMATCH);
}

static void damage_inside_is_found(void **state)
{
    struct bed *bed = *state;
    struct err_detail detail = {0};
    struct stat st;
    uint8_t rubbish[4096];
    bed_close(bed);
    assert_int_equal(stat(bed->path, &st), 0);
    off_t rows = st.st_size; /* what is before is the schema, without which nothing opens */
    bed_open(bed);
    for (int64_t id = 0; id < 200; id++)
        assert_ok(store_run(bed->store, bed_insert_fn, &id, NULL));
    assert_ok(store_check(bed->store, &detail));
    bed_close(bed);
    memset(rubbish, 0xff, sizeof rubbish);
    assert_int_equal(stat(bed->path, &st), 0);
    for (off_t at = rows; at < st.st_size; at += 4096)
        overwrite(bed->path, at, rubbish, sizeof rubbish);
    bed_open(bed);
    assert_err(store_check(bed->store, &detail), ERR_CORRUPT);
    int64_t id = 77;
    assert_err(store_run(bed->store, bed_insert_fn, &id, &detail), ERR_CORRUPT);
    assert_true(strlen(detail.text) > 0);
}

static enum err insert_many(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    int64_t first = *(int64_t *)ctx;
    for (int64_t i = 0; i < 20000; i++)
        TRY(bed_insert(conn, first + i, detail));
    return ERR_OK;
}

struct answer {
    _Atomic int err;
};

static void keep_answer(void *ctx, enum err err, const struct err_detail *detail)
{
    struct answer *answer = ctx;
    (void)detail;
    atomic_store(&answer->err, (int)err);
}

static void a_full_disk_leaves_the_old_state(void **state)
{
    struct bed *bed = *state;
    struct err_detail detail = {0};
    int64_t id = 1;
    int64_t many = 1000;
    assert_ok(store_run(bed->store, bed_insert_fn, &id, NULL));
    bed_close(bed);
    struct store_config config = {.url = bed->url, .max_bytes = 200 * 1024};
    assert_ok(store_open(&config, &bed->store, NULL));
    assert_err(store_run_alone(bed->store, insert_many, &many, &detail), ERR_DISK_FULL);
    assert_true(strlen(detail.text) > 0);
    assert_err(store_run(bed->store, insert_many, &many, &detail), ERR_DISK_FULL);
    assert_int_equal(bed_ask(bed, "SELECT count(*) FROM item"), 1);

    /* what shares the commit with it goes through */
    struct gate gate;
    struct answer answers[3] = {{-1}, {-1}, {-1}};
    int64_t ids[] = {2, 3};
    gate_close(bed, &gate);
    assert_ok(store_submit(bed->store, bed_insert_fn, &ids[0], keep_answer, &answers[0]));
    assert_ok(store_submit(bed->store, insert_many, &many, keep_answer, &answers[1]));
    assert_ok(store_submit(bed->store, bed_insert_fn, &ids[1], keep_answer, &answers[2]));
    gate_open(&gate);
    bed_close(bed);
    assert_int_equal(atomic_load(&answers[0].err), ERR_OK);
    assert_int_equal(atomic_load(&answers[1].err), ERR_DISK_FULL);
    assert_int_equal(atomic_load(&answers[2].err), ERR_OK);
    bed_open(bed);
    assert_int_equal(bed_ask(bed, "SELECT sum(id) FROM item"), 1 + 2 + 3);
    assert_ok(store_run_alone(bed->store, insert_many, &many, &detail));
    assert_ok(store_check(bed->store, &detail));
}

/* The kernel refuses to let files grow: SQLite sees a failing write. */
static int write_against_limit(const struct bed *bed)
{
    struct store *store = NULL;
    struct store_config config = {.url = bed->url};
    if (store_open(&config, &store, NULL) != ERR_OK)
        return 1;
    struct rlimit before, limit;
    (void)signal(SIGXFSZ, SIG_IGN);
    (void)getrlimit(RLIMIT_FSIZE, &before);
    limit = before;
    limit.rlim_cur = (rlim_t)64 * 1024;
    (void)setrlimit(RLIMIT_FSIZE, &limit);
    int64_t many = 1000;
    enum err err = store_run_alone(store, insert_many, &many, NULL);
    if (err != ERR_IO && err != ERR_DISK_FULL)
        return 2;
    int64_t id = 0;
    for (id = 2; id < 2000; id++)
        if (store_run(store, bed_insert_fn, &id, NULL) != ERR_OK)
            break;
    if (id < 3 || id == 2000)
        return 3;
    /* and goes on where it could write again, without what failed */
    (void)setrlimit(RLIMIT_FSIZE, &before);
    if (store_run(store, bed_insert_fn, &id, NULL) != ERR_OK)
        return 4;
    store_close(store);
    return 0;
}

static void a_failing_disk_leaves_the_old_state(void **state)
{
    struct bed *bed = *state;
    int64_t id = 1;
    assert_ok(store_run(bed->store, bed_insert_fn, &id, NULL));
    bed_close(bed);
    pid_t child = fork();
    if (child == 0)
        _exit(write_against_limit(bed));
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 0);
    bed_open(bed);
    assert_ok(store_check(bed->store, NULL));
    assert_int_equal(bed_ask(bed, "SELECT max(id) - count(*) FROM item"), 0);
}

static void copies_are_whole(void **state)
{
    struct bed *bed = *state;
    struct err_detail detail = {0};
    int64_t many = 1000;
    assert_ok(store_run_alone(bed->store, insert_many, &many, NULL));
    char *copy = test_path(bed->dir, "copy.db");
    assert_ok(store_backup(bed->store, copy, &detail));
    assert_err(store_backup(bed->store, copy, &detail), ERR_EXISTS);
    assert_int_equal(mode_of(copy, ""), 0600);
    char *nowhere = test_path(bed->dir, "no/such/folder");
    assert_err(store_backup(bed->store, nowhere, &detail), ERR_NOT_FOUND);
    free(nowhere);
    int64_t id = 1;
    assert_ok(store_run(bed->store, bed_insert_fn, &id, NULL));

    struct bed other = {0};
    assert_true(asprintf(&other.url, "sqlite:%s", copy) > 0);
    bed_open(&other);
    assert_int_equal(bed_ask(&other, "SELECT count(*) FROM item"), 20000);
    assert_ok(store_check(other.store, &detail));
    /* two stores in one process, each with its own writer */
    assert_ok(store_run(other.store, bed_insert_fn, &id, NULL));
    bed_close(&other);
    free(other.url);
    free(copy);
}

static void memory_stays_within_the_cache(void **state)
{
    struct bed *bed = *state;
    bed_close(bed);
    struct store_config config = {.url = bed->url, .cache_kib = 512};
    assert_ok(store_open(&config, &bed->store, NULL));
    struct rusage before, after;
    (void)getrusage(RUSAGE_SELF, &before);
    for (int64_t first = 0; first < 5; first++) {
        int64_t many = first * 20000;
        assert_ok(store_run_alone(bed->store, insert_many, &many, NULL));
    }
    (void)getrusage(RUSAGE_SELF, &after);
    struct store_stats stats;
    store_stats(bed->store, &stats);
    print_message("%llu KiB of file, %llu KiB of log, %ld KiB more resident\n",
                  (unsigned long long)stats.file_bytes / 1024,
                  (unsigned long long)stats.log_bytes / 1024, after.ru_maxrss - before.ru_maxrss);
    assert_true(stats.file_bytes + stats.log_bytes > 8 * 1024 * 1024);
    assert_true(stats.log_bytes > 0);
}

static void metrics_are_counted(void **state)
{
    struct bed *bed = *state;
    int64_t id = 1;
    assert_ok(store_run(bed->store, bed_insert_fn, &id, NULL));
    struct buf text = {0};
    assert_ok(metrics_format(&text));
    assert_ok(buf_append(&text, bytes_of("", 1)));
    assert_non_null(strstr((char *)text.data, "claviger_store_commits_total"));
    assert_non_null(strstr((char *)text.data, "claviger_store_commit_seconds_count"));
    buf_done(&text);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

TEST_MAIN(CASE(files_are_private), CASE(second_opener_is_refused),
          CASE(absent_and_odd_places_are_refused), CASE(damaged_files_are_refused),
          CASE(a_damaged_schema_is_refused), CASE(strangers_are_refused),
          CASE(damage_inside_is_found), CASE(a_full_disk_leaves_the_old_state),
          CASE(a_failing_disk_leaves_the_old_state), CASE(copies_are_whole),
          CASE(memory_stays_within_the_cache), CASE(metrics_are_counted))
