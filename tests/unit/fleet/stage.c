#include "fleet/stage.h"

#include <dirent.h>
#include <stdlib.h>

#include "support/test.h"

static void add(struct stage *stage, uint64_t id, uint32_t line)
{
    struct stage_row row = {.id = id, .line = line};
    assert_ok(stage_add(stage, &row, NULL));
}

static unsigned files_in(const char *path)
{
    unsigned count = 0;
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void rising_ids_need_no_order(void **state)
{
    (void)state;
    char *dir = test_tempdir();
    struct stage stage;
    assert_ok(stage_open(&stage, dir, NULL));
    assert_int_equal(files_in(dir), 0);
    for (uint32_t i = 0; i < 20000; i++)
        add(&stage, (uint64_t)i * 3, i + 1);
    assert_ok(stage_close(&stage, NULL));
    assert_null(stage.order);
    for (uint32_t i = 0; i < 20000; i++) {
        assert_int_equal(stage_at(&stage, i)->id, (uint64_t)i * 3);
        assert_int_equal(stage_at(&stage, i)->line, i + 1);
    }
    stage_done(&stage);
    test_tempdir_remove(dir);
}

static void others_are_put_in_order(void **state)
{
    (void)state;
    char *dir = test_tempdir();
    struct stage stage;
    assert_ok(stage_open(&stage, dir, NULL));
    uint64_t x = 88172645463325252;
    for (uint32_t i = 0; i < 10000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        add(&stage, x % 5000, i + 1); /* with many twice */
    }
    assert_ok(stage_close(&stage, NULL));
    for (uint32_t i = 1; i < 10000; i++) {
        const struct stage_row *a = stage_at(&stage, i - 1), *b = stage_at(&stage, i);
        assert_true(a->id < b->id || (a->id == b->id && a->line < b->line));
    }
    stage_done(&stage);
    test_tempdir_remove(dir);
}

static void nothing_is_fine(void **state)
{
    (void)state;
    char *dir = test_tempdir();
    struct stage stage;
    assert_ok(stage_open(&stage, dir, NULL));
    assert_ok(stage_close(&stage, NULL));
    assert_int_equal(stage.count, 0);
    stage_done(&stage);
    test_tempdir_remove(dir);
}

TEST_MAIN(cmocka_unit_test(rising_ids_need_no_order), cmocka_unit_test(others_are_put_in_order),
          cmocka_unit_test(nothing_is_fine))
