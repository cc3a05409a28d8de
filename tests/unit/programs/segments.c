#include "programs/clavigerd/segments.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "keeper/segment.h"
#include "support/test.h"

#define SIZE 8192

static unsigned count_files(const char *dir, const char *ending)
{
    unsigned count = 0;
    DIR *list = opendir(dir);
    for (struct dirent *entry; (entry = readdir(list)) != NULL;) {
        size_t len = strlen(entry->d_name), want = strlen(ending);
        count += len >= want && strcmp(entry->d_name + len - want, ending) == 0;
    }
    (void)closedir(list);
    return count;
}

static void give_header(int fd, uint64_t number)
{
    struct segment_header header = {.number = number, .first_seq = number, .size = SIZE};
    uint8_t raw[SEGMENT_HEADER_SIZE];
    assert_ok(segment_header_encode(&header, raw));
    assert_int_equal(pwrite(fd, raw, sizeof raw, 0), (ssize_t)sizeof raw);
}

static void found_as_they_were_made(void **state)
{
    (void)state;
    char *dir = test_tempdir();
    struct segments segments, second;
    struct err_detail detail = {0};
    assert_err(segments_open(dir, 100, (gid_t)-1, &segments, &detail), ERR_CONFIG);
    assert_ok(segments_open(dir, SIZE, (gid_t)-1, &segments, &detail));
    assert_err(segments_open(dir, SIZE, (gid_t)-1, &second, &detail), ERR_LOCKED);
    int last, spare, made = -1;
    assert_ok(segments_find(&segments, &last, &spare, &detail));
    assert_int_equal(last, -1);
    assert_int_equal(spare, -1);
    assert_ok(segments_make(&segments, &made, &detail));
    struct stat st;
    assert_int_equal(fstat(made, &st), 0);
    assert_int_equal(st.st_size, SIZE);
    assert_true(st.st_blocks * 512 >= SIZE); /* written, not a hole */
    assert_ok(segments_find(&segments, &last, &spare, &detail));
    assert_int_equal(last, -1);
    assert_true(spare >= 0);
    file_closep(&spare);
    give_header(made, 1);
    file_closep(&made);
    assert_ok(segments_find(&segments, &last, &spare, &detail));
    assert_true(last >= 0);
    assert_int_equal(spare, -1);
    assert_int_equal(segments.last, 1);
    file_closep(&last);
    segments_done(&segments);
    test_tempdir_remove(dir);
}

static void what_is_no_clean_spare_is_kept(void **state)
{
    (void)state;
    char *dir = test_tempdir();
    struct segments segments;
    struct err_detail detail = {0};
    assert_ok(segments_open(dir, SIZE, (gid_t)-1, &segments, &detail));
    int last, spare, fd = -1;
    assert_ok(segments_find(&segments, &last, &spare, &detail));
    for (uint64_t n = 1; n <= 4; n++) {
        assert_ok(segments_make(&segments, &fd, &detail));
        if (n == 1)
            give_header(fd, 1);
        if (n == 2) /* a batch whose first sector never reached the disk */
            assert_int_equal(pwrite(fd, "junk", 4, 4096), 4);
        file_closep(&fd);
    }
    assert_ok(segments_find(&segments, &last, &spare, &detail));
    assert_true(last >= 0);
    assert_int_equal(spare, -1);
    assert_int_equal(count_files(dir, ".set-aside"), 3);
    assert_int_equal(count_files(dir, ".audit"), 1);
    file_closep(&last);
    assert_ok(segments_make(&segments, &fd, &detail));
    assert_int_equal(segments.made, 2);
    file_closep(&fd);
    segments_done(&segments);
    test_tempdir_remove(dir);
}

static void a_gap_is_refused(void **state)
{
    (void)state;
    char *dir = test_tempdir();
    struct segments segments;
    struct err_detail detail = {0};
    assert_ok(segments_open(dir, SIZE, (gid_t)-1, &segments, &detail));
    int last, spare, fd = -1;
    assert_ok(segments_find(&segments, &last, &spare, &detail));
    for (uint64_t n = 1; n <= 3; n++) {
        assert_ok(segments_make(&segments, &fd, &detail));
        give_header(fd, n);
        file_closep(&fd);
    }
    char *path = test_path(dir, "0000000002.audit");
    assert_int_equal(unlink(path), 0);
    assert_err(segments_find(&segments, &last, &spare, &detail), ERR_AUDIT);
    assert_string_equal(detail.text, "audit segment 2 is missing");
    free(path);
    segments_done(&segments);
    test_tempdir_remove(dir);
}

static void a_full_disk_leaves_nothing(void **state)
{
    (void)state;
    char *dir = test_tempdir();
    struct segments segments;
    struct err_detail detail = {0};
    assert_ok(segments_open(dir, SIZE, (gid_t)-1, &segments, &detail));
    int last, spare, fd = -1;
    assert_ok(segments_find(&segments, &last, &spare, &detail));
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){4096, old.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum err err = segments_make(&segments, &fd, &detail);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_err(err, ERR_DISK_FULL);
    assert_int_equal(count_files(dir, ".audit") + count_files(dir, ".new"), 0);
    assert_ok(segments_make(&segments, &fd, &detail));
    file_closep(&fd);
    segments_done(&segments);
    test_tempdir_remove(dir);
}

TEST_MAIN(cmocka_unit_test(found_as_they_were_made),
          cmocka_unit_test(what_is_no_clean_spare_is_kept), cmocka_unit_test(a_gap_is_refused),
          cmocka_unit_test(a_full_disk_leaves_nothing))
