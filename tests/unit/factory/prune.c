#include "factory/prune.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench.h"

#define DAY 86400

static struct bench bench;
static char *file;

static int begin(void **state)
{
    (void)state;
    bench_begin(&bench);
    bench_package(&bench, BENCH_CONFIG, 1);
    file = test_path(bench.dir, "keys.xml");
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(file);
    bench_end(&bench);
    return 0;
}

/* Everything that is there happened so long ago. */
static void age(int days)
{
    char sql[400];
    (void)snprintf(sql, sizeof sql,
                   "UPDATE factory_run SET begun = begun - %d, ended = ended - %d;", days * DAY,
                   days * DAY);
    assert_ok(bench_exec(&bench, sql));
    (void)snprintf(sql, sizeof sql, "UPDATE device_keying SET received = received - %d",
                   days * DAY);
    assert_ok(bench_exec(&bench, sql));
}

static struct factory_pruned prune(int days, bool dry_run)
{
    struct factory_pruned pruned = {9, 9};
    const struct factory_prune request = {.before = clock_now_s() - (int64_t)days * DAY,
                                          .dry_run = dry_run};
    assert_ok(factory_prune(bench.factory, &bench.call, &request, &pruned, NULL));
    return pruned;
}

static int64_t rows(const char *table)
{
    char sql[100];
    (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    return bench_ask(&bench, sql);
}

static void the_newest_of_each_device_stays(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 30; n++) /* three runs of each of ten devices */
        bench_provision(&bench, n, 1 + n % 10, 1000);
    age(100);
    for (unsigned n = 31; n <= 33; n++)
        bench_provision(&bench, n, n - 30, 1000);
    struct factory_pruned dry = prune(50, true);
    /* of devices 1 to 3 all old ones, of seven others two of three; with the keys of each */
    assert_int_equal(dry.runs, 3 * 3 + 7 * 2);
    assert_int_equal(dry.keyings, 3 * 3 + 7 * 2);
    assert_int_equal(rows("factory_run"), 33);
    struct factory_pruned done = prune(50, false);
    assert_int_equal(done.runs, dry.runs);
    assert_int_equal(done.keyings, dry.keyings);
    assert_int_equal(rows("factory_run"), 10);
    assert_int_equal(rows("device_keying"), 10);
    assert_int_equal(bench_ask(&bench, "SELECT count(*) FROM device d JOIN device_keying k ON "
                                       "k.id = d.keying"),
                     10);
    assert_int_equal(bench_ask(&bench, "SELECT count(DISTINCT node_id) FROM factory_run"), 10);
    done = prune(50, false);
    assert_int_equal(done.runs + done.keyings, 0);
    /* nor does it matter how old they are */
    done = prune(0, false);
    assert_int_equal(done.runs + done.keyings, 0);
    struct audit_verify_result chain;
    struct audit_event last;
    rig_chain(&bench.rig, &chain);
    assert_int_equal(rig_records(&bench.rig, AUDIT_FACTORY_PRUNED, ERR_OK, &last), 1);
    assert_memory_equal(last.actor.data, "daemon", 6);
}

static void an_export_can_be_repeated_afterwards(void **state)
{
    (void)state;
    struct factory_export_result result, again;
    const struct factory_export_request all = {.batches = "", .nodes = ""};
    for (unsigned n = 1; n <= 4; n++)
        bench_provision(&bench, n, n, 1000);
    assert_ok(factory_export(bench.factory, &bench.call, &all, file, &result, NULL));
    for (unsigned n = 5; n <= 12; n++) /* twice more: the key between is in no export */
        bench_provision(&bench, n, 1 + n % 4, 1000);
    age(100);
    struct factory_pruned pruned = prune(50, false);
    assert_int_equal(pruned.runs, 8);
    assert_int_equal(pruned.keyings, 4);
    assert_int_equal(unlink(file), 0);
    assert_ok(factory_export_repeat(bench.factory, &bench.call, result.export, file, &again, NULL));
    assert_int_equal(again.devices, 4);
    assert_int_equal(again.bytes, result.bytes);
    /* and what is new is all there to be exported */
    assert_int_equal(unlink(file), 0);
    const struct factory_export_request fresh = {.batches = "", .nodes = "", .only_new = true};
    assert_ok(factory_export(bench.factory, &bench.call, &fresh, file, &again, NULL));
    assert_int_equal(again.devices, 4);
}

static void what_may_still_be_needed_stays(void **state)
{
    (void)state;
    bool is_new = false;
    uint64_t serial = 0;
    /* keyed anew, and the run did not end: the device may have the key of before */
    bench_provision(&bench, 1, 7, 1000);
    const struct factory_run_begin run = bench_run(2);
    const struct factory_keying keying = bench_keying(2, 7);
    assert_ok(factory_run_begin(bench.factory, &run, &is_new, NULL));
    assert_ok(factory_device_key(bench.factory, &keying, &serial, NULL));
    /* an export is being made: what it has is not marked yet */
    bench_provision(&bench, 3, 8, 1000);
    bench_provision(&bench, 4, 8, 1000);
    assert_ok(bench_exec(&bench, "INSERT INTO device_export (made, made_by, batches, nodes, "
                                 "only_new) VALUES (1, 'x', '', '', 0)"));
    struct factory_pruned pruned = prune(0, true);
    assert_int_equal(pruned.keyings, 0);
    age(1);
    pruned = prune(0, false);
    assert_int_equal(pruned.keyings, 0);
    assert_int_equal(rows("device_keying"), 4);
    /* a run that never ended counts as under way for a day */
    assert_int_equal(bench_ask(&bench, "SELECT count(*) FROM factory_run WHERE ended IS NULL"), 1);
    assert_ok(bench_exec(&bench, "DELETE FROM device_export"));
    age(2);
    pruned = prune(0, false);
    assert_int_equal(pruned.keyings, 1);
    assert_int_equal(bench_ask(&bench, "SELECT count(*) FROM factory_run WHERE ended IS NULL"), 0);
}

static bool once(void *ctx, const char *stage, uint64_t done, uint64_t total)
{
    unsigned *left = ctx;
    (void)stage;
    (void)done;
    (void)total;
    return (*left)-- > 0;
}

/* In slices, with what was there when each began. */
static void a_walk_goes_on_where_it_was(void **state)
{
    (void)state;
    uint64_t cursor[2] = {0};
    unsigned left = 1, slices = 0;
    for (unsigned n = 1; n <= 40; n++)
        bench_provision(&bench, n, 1 + n % 2, 1000);
    age(10);
    struct factory_pruned pruned, all = {0};
    const struct factory_prune request = {.before = clock_now_s(), .cursor = cursor};
    bench.call.progress = once;
    bench.call.progress_ctx = &left;
    enum err err = ERR_CANCELLED;
    for (; err == ERR_CANCELLED && slices < 10; slices++) {
        left = 1;
        err = factory_prune(bench.factory, &bench.call, &request, &pruned, NULL);
        all.runs += pruned.runs;
        all.keyings += pruned.keyings;
    }
    assert_ok(err);
    assert_true(slices > 1);
    assert_int_equal(all.runs, 38);
    assert_int_equal(all.keyings, 38);
    assert_int_equal(cursor[0] + cursor[1], 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
TEST_MAIN(CASE(the_newest_of_each_device_stays), CASE(an_export_can_be_repeated_afterwards),
          CASE(what_may_still_be_needed_stays), CASE(a_walk_goes_on_where_it_was))
