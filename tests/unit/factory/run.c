#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

static struct bench bench;

static int begin(void **state)
{
    (void)state;
    bench_begin(&bench);
    bench_package(&bench, BENCH_CONFIG, 1);
    return 0;
}

static int end(void **state)
{
    (void)state;
    clock_fake_us(0);
    bench_end(&bench);
    return 0;
}

static enum err run_begin(const struct factory_run_begin *run, bool *ret_new)
{
    return factory_run_begin(bench.factory, run, ret_new, NULL);
}

static void a_run_begins_once(void **state)
{
    (void)state;
    bool is_new = false;
    struct factory_run_begin run = bench_run(1);
    assert_ok(run_begin(&run, &is_new));
    assert_true(is_new);
    assert_ok(run_begin(&run, &is_new));
    assert_false(is_new);
    run.batch++;
    assert_err(run_begin(&run, &is_new), ERR_EXISTS);
    run = bench_run(1);
    run.station = "line-2";
    assert_err(run_begin(&run, &is_new), ERR_EXISTS);
    run = bench_run(2);
    run.revision = 9;
    assert_err(run_begin(&run, &is_new), ERR_NOT_FOUND);
    run = bench_run(2);
    run.config_id++;
    assert_err(run_begin(&run, &is_new), ERR_NOT_FOUND);
    run = bench_run(2);
    run.operator= "a\x1b[2J";
    assert_err(run_begin(&run, &is_new), ERR_ARGUMENT);
    assert_int_equal(bench_ask(&bench, "SELECT count(*) FROM factory_run"), 1);
}

static enum err check_run(void *ctx, const struct factory_run *run)
{
    assert_true(run->has_ended);
    assert_int_equal(run->return_code, 17);
    assert_true(run->has_node);
    assert_int_equal(run->node_id, 7);
    assert_string_equal(run->operator, "mira");
    assert_string_equal(run->versions_after, "{\"node\":\"1.7.0\"}");
    assert_int_equal(run->milliseconds, 2500);
    *(bool *)ctx = true;
    return ERR_OK;
}

static void a_run_ends_once(void **state)
{
    (void)state;
    bool is_new = false, checked = false;
    uint64_t node = 7;
    const struct factory_run_begin run = bench_run(1);
    struct factory_run_end ended = bench_run_ended(1, 17, &node);
    assert_err(factory_run_end(bench.factory, &ended, &is_new, NULL), ERR_NOT_FOUND);
    assert_ok(run_begin(&run, &is_new));
    ended.station = "line-2";
    assert_err(factory_run_end(bench.factory, &ended, &is_new, NULL), ERR_NOT_FOUND);
    ended.station = "line-1";
    assert_ok(factory_run_end(bench.factory, &ended, &is_new, NULL));
    assert_true(is_new);
    ended.return_code = 0; /* the first answer counts */
    assert_ok(factory_run_end(bench.factory, &ended, &is_new, NULL));
    assert_false(is_new);
    assert_ok(factory_run_get(bench.factory, run.run, check_run, &checked, NULL));
    assert_true(checked);
}

struct found {
    uint64_t ids[32];
    size_t len;
};

static enum err add(void *ctx, const struct factory_run *run)
{
    struct found *found = ctx;
    found->ids[found->len++] = run->id;
    return ERR_OK;
}

static struct found list(const struct factory_run_filter *filter, uint64_t *ret_next)
{
    struct found found = {0};
    *ret_next = 0;
    assert_ok(factory_run_list(bench.factory, filter, add, &found, ret_next, NULL));
    return found;
}

static void runs_are_listed_newest_first(void **state)
{
    (void)state;
    uint64_t next = 0, node = 5;
    uint32_t batch = 1001;
    int code = 3, zero = 0;
    bool is_new = false;
    for (unsigned i = 1; i <= 10; i++) {
        struct factory_run_begin run = bench_run(i);
        run.batch = i <= 5 ? 1000 : 1001;
        assert_ok(run_begin(&run, &is_new));
        uint64_t id = i;
        const struct factory_run_end ended = bench_run_ended(i, i % 5 == 0 ? 3 : 0, &id);
        assert_ok(factory_run_end(bench.factory, &ended, &is_new, NULL));
    }
    struct found found = list(&(struct factory_run_filter){.limit = 4}, &next);
    assert_int_equal(found.len, 4);
    assert_true(found.ids[0] > found.ids[3]);
    assert_int_equal(next, found.ids[3]);
    found = list(&(struct factory_run_filter){.before = next, .limit = 32}, &next);
    assert_int_equal(found.len, 6);
    assert_int_equal(next, 0);
#define COUNT(...) list(&(struct factory_run_filter){.limit = 32, __VA_ARGS__}, &next).len
    assert_int_equal(COUNT(.batch = &batch), 5);
    assert_int_equal(COUNT(.return_code = &code), 2);
    assert_int_equal(COUNT(.return_code = &zero), 8);
    assert_int_equal(COUNT(.return_code = &code, .batch = &batch), 1);
    assert_int_equal(COUNT(.station = "line-1"), 10);
    assert_int_equal(COUNT(.station = "line-2"), 0);
    assert_int_equal(COUNT(.node_id = &node), 1);
    assert_int_equal(COUNT(.node_id = &node, .batch = &batch, .station = "line-1"), 0);
}

static void the_line_is_summed_up(void **state)
{
    (void)state;
    const int64_t now = 1700000000 - 1700000000 % 60 + 30;
    bool is_new = false;
    for (unsigned i = 1; i <= 6; i++) {
        clock_fake_us((uint64_t)(now - (int64_t)i * 60) * 1000000);
        struct factory_run_begin run = bench_run(i);
        run.station = i == 6 ? "line-2" : "line-1";
        assert_ok(run_begin(&run, &is_new));
        if (i == 6)
            continue; /* still at it */
        const struct factory_run_end ended = bench_run_ended(i, i == 3 ? 12 : 0, NULL);
        assert_ok(factory_run_end(bench.factory, &ended, &is_new, NULL));
    }
    struct factory_line *line = calloc(1, sizeof *line);
    assert_non_null(line);
    assert_ok(factory_line_summary(bench.factory, 60, now, line, NULL));
    assert_int_equal(line->stations_len, 2);
    assert_string_equal(line->stations[0].name, "line-1");
    assert_string_equal(line->stations[0].operator, "mira");
    assert_int_equal(line->stations[0].passed, 4);
    assert_int_equal(line->stations[0].failed, 1);
    assert_int_equal(line->stations[0].busy, 0);
    assert_int_equal(line->stations[1].busy, 1);
    assert_int_equal(line->batches_len, 1);
    assert_int_equal(line->codes_len, 2);
    assert_int_equal(line->chart_len, 5);
    assert_int_equal(line->chart[2].failed, 1);
    memset(line, 0, sizeof *line);
    assert_ok(factory_line_summary(bench.factory, 3, now, line, NULL));
    assert_int_equal(line->stations[0].passed, 2);
    assert_err(factory_line_summary(bench.factory, 0, now, line, NULL), ERR_ARGUMENT);
    assert_err(factory_line_summary(bench.factory, 1441, now, line, NULL), ERR_ARGUMENT);
    free(line);
}

static void of_many_batches_the_newest_are_shown(void **state)
{
    (void)state;
    const int64_t now = 1700000000 - 1700000000 % 60 + 30;
    const unsigned all = FACTORY_SUMMARY_ROWS + 44;
    bool is_new = false;
    for (unsigned i = 1; i <= all; i++) {
        clock_fake_us((uint64_t)(now - (int64_t)(all - i) * 10) * 1000000);
        struct factory_run_begin run = bench_run(i);
        run.batch = i;
        assert_ok(run_begin(&run, &is_new));
        const struct factory_run_end ended = bench_run_ended(i, i % 3 == 0 ? 12 : 0, NULL);
        assert_ok(factory_run_end(bench.factory, &ended, &is_new, NULL));
        assert_ok(factory_run_end(bench.factory, &ended, &is_new, NULL)); /* counts once */
    }
    struct factory_line *line = calloc(1, sizeof *line);
    assert_non_null(line);
    assert_ok(factory_line_summary(bench.factory, 60, now, line, NULL));
    assert_int_equal(line->batches_len, FACTORY_SUMMARY_ROWS);
    bool newest = false;
    for (size_t i = 0; i < line->batches_len; i++) {
        assert_in_range(line->batches[i].number, all - FACTORY_SUMMARY_ROWS - 5, all);
        newest = newest || line->batches[i].number == all;
    }
    assert_true(newest);
    uint64_t passed = 0, failed = 0;
    for (size_t i = 0; i < line->chart_len; i++) {
        passed += line->chart[i].passed;
        failed += line->chart[i].failed;
        assert_true(i == 0 || line->chart[i].last > line->chart[i - 1].last);
    }
    assert_int_equal(passed, 200);
    assert_int_equal(failed, 100);
    assert_int_equal(line->codes[0].number, 0);
    assert_int_equal(line->codes[0].failed, 200);
    assert_int_equal(line->codes[1].number, 12);
    assert_int_equal(line->codes[1].failed, 100);
    free(line);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
TEST_MAIN(CASE(a_run_begins_once), CASE(a_run_ends_once), CASE(runs_are_listed_newest_first),
          CASE(the_line_is_summed_up), CASE(of_many_batches_the_newest_are_shown))
