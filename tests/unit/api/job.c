#include "api/job.h"

#include <pthread.h>
#include <string.h>

#include "api/json.h"
#include "base/clock.h"
#include "support/test.h"

static struct jobs *jobs;

static int begin(void **state)
{
    (void)state;
    assert_ok(jobs_new(&jobs));
    return 0;
}

static int end(void **state)
{
    (void)state;
    jobs_free(jobs);
    return 0;
}

static struct job *add(void)
{
    struct job *job = NULL;
    assert_ok(jobs_add(jobs, "test", "uid:0", &job));
    return job;
}

static enum err good(struct job *job, struct api *api, const struct fleet_call *call, json_t *spec,
                     json_t **ret_result, struct err_detail *detail)
{
    (void)api;
    (void)detail;
    for (unsigned i = 0; i < 3; i++)
        job_line(job, json_pack("{s:i}", "line", (int)i));
    assert_true(call->progress(call->progress_ctx, "merge", 1, 2));
    *ret_result = json_incref(spec);
    return ERR_OK;
}

static enum err bad(struct job *job, struct api *api, const struct fleet_call *call, json_t *spec,
                    json_t **ret_result, struct err_detail *detail)
{
    (void)job;
    (void)api;
    (void)call;
    (void)spec;
    *ret_result = json_pack("{s:i}", "lines", 7);
    return err_set(detail, ERR_SIGNATURE, "line 7");
}

static void run(struct job *job, job_fn *fn)
{
    struct fleet_call call = {0};
    AUTO(json_freep) json_t *spec = json_pack("{s:s}", "file", "a");
    job_run(job, fn, NULL, &call, spec);
}

static json_t *show(uint64_t id, uint64_t from)
{
    json_t *json = NULL;
    assert_ok(jobs_show(jobs, id, from, &json));
    return json;
}

static const char *text(const json_t *json, const char *name)
{
    return json_string_value(json_object_get(json, name));
}

static void it_tells_what_it_does_and_did(void **state)
{
    (void)state;
    struct job *job = add();
    uint64_t id = job_id(job);
    AUTO(json_freep) json_t *queued = show(id, 0);
    assert_string_equal(text(queued, "state"), "queued");
    run(job, good);
    AUTO(json_freep) json_t *done = show(id, 1);
    assert_string_equal(text(done, "state"), "done");
    assert_string_equal(text(done, "stage"), "merge");
    assert_string_equal(text(done, "owner"), "uid:0");
    assert_int_equal(json_array_size(json_object_get(done, "lines")), 2);
    assert_int_equal(json_integer_value(json_object_get(done, "next")), 3);
    assert_string_equal(text(json_object_get(done, "result"), "file"), "a");
    assert_null(json_object_get(done, "error"));
    AUTO(json_freep) json_t *later = show(id, 99);
    assert_int_equal(json_array_size(json_object_get(later, "lines")), 0);
    json_t *none = NULL;
    assert_err(jobs_show(jobs, id + 1, 0, &none), ERR_NOT_FOUND);
    assert_err(jobs_show(jobs, 0, 0, &none), ERR_NOT_FOUND);
}

static void failure_has_its_error_and_what_was_found(void **state)
{
    (void)state;
    struct job *job = add();
    run(job, bad);
    AUTO(json_freep) json_t *failed = show(job_id(job), 0);
    assert_string_equal(text(failed, "state"), "failed");
    assert_string_equal(text(json_object_get(failed, "error"), "code"), "SIGNATURE");
    assert_string_equal(text(json_object_get(failed, "error"), "detail"), "line 7");
    assert_non_null(json_object_get(failed, "result"));
}

static void cancelled_before_it_runs_it_does_nothing(void **state)
{
    (void)state;
    struct job *job = add();
    assert_ok(jobs_cancel(jobs, job_id(job)));
    assert_err(jobs_cancel(jobs, 99), ERR_NOT_FOUND);
    run(job, good);
    AUTO(json_freep) json_t *json = show(job_id(job), 0);
    assert_string_equal(text(json_object_get(json, "error"), "code"), "CANCELLED");
    struct job *next = add();
    assert_true(job_progress(next, "read", 0, 0)); /* not cancelled by what was before */
    jobs_cancel_all(jobs);
    assert_false(job_progress(next, "read", 1, 0));
    job_fail(next, ERR_BUSY);
}

static void the_oldest_that_ended_makes_room(void **state)
{
    (void)state;
    struct job *all[JOBS_MAX], *more = NULL;
    for (unsigned i = 0; i < JOBS_MAX; i++)
        all[i] = add();
    assert_err(jobs_add(jobs, "test", "uid:0", &more), ERR_BUSY);
    uint64_t first = job_id(all[5]), second = job_id(all[3]);
    run(all[5], good);
    run(all[3], good);
    (void)add();
    json_t *json = NULL;
    assert_err(jobs_show(jobs, first, 0, &json), ERR_NOT_FOUND);
    AUTO(json_freep) json_t *kept = show(second, 0);
    assert_non_null(kept);
    jobs_tidy(jobs, clock_mono_ns() + (uint64_t)JOB_KEEP_S * 1000000000 / 2);
    AUTO(json_freep) json_t *still = show(second, 0);
    assert_non_null(still);
    jobs_tidy(jobs, clock_mono_ns() + (uint64_t)(JOB_KEEP_S + 1) * 1000000000);
    assert_err(jobs_show(jobs, second, 0, &json), ERR_NOT_FOUND);
    AUTO(json_freep) json_t *waiting = show(job_id(all[0]), 0); /* whatever its age */
    assert_non_null(waiting);
}

static void lines_are_bounded(void **state)
{
    (void)state;
    struct job *job = add();
    for (unsigned i = 0; i < JOB_LINES_MAX + 5; i++)
        job_line(job, json_integer(i));
    AUTO(json_freep) json_t *json = show(job_id(job), 0);
    assert_int_equal(json_array_size(json_object_get(json, "lines")), JOB_LINES_MAX);
    assert_int_equal(json_integer_value(json_object_get(json, "lines_total")), JOB_LINES_MAX + 5);
}

static _Atomic bool over;
static _Atomic unsigned wrong;

static void *watch(void *arg)
{
    uint64_t id = *(uint64_t *)arg, next = 0, seen = 0;
    while (!over) {
        json_t *json = NULL;
        if (jobs_show(jobs, id, next, &json) != ERR_OK) {
            wrong++;
            return NULL;
        }
        char *dump = json_dumps(json, 0);
        wrong += dump == NULL;
        free(dump);
        seen += json_array_size(json_object_get(json, "lines"));
        next = (uint64_t)json_integer_value(json_object_get(json, "next"));
        json_decref(json);
    }
    wrong += seen > 1003; /* none twice */
    return NULL;
}

static void it_is_watched_while_it_works(void **state)
{
    (void)state;
    struct job *job = add();
    uint64_t id = job_id(job);
    pthread_t threads[2];
    over = false;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, watch, &id), 0);
    for (unsigned i = 0; i < 1000; i++) {
        job_line(job, json_pack("{s:i s:s}", "line", (int)i, "text", "duplicate"));
        (void)job_progress(job, "read", i, 1000);
    }
    run(job, good);
    over = true;
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(wrong, 0);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(it_tells_what_it_does_and_did, begin, end),
          cmocka_unit_test_setup_teardown(failure_has_its_error_and_what_was_found, begin, end),
          cmocka_unit_test_setup_teardown(cancelled_before_it_runs_it_does_nothing, begin, end),
          cmocka_unit_test_setup_teardown(the_oldest_that_ended_makes_room, begin, end),
          cmocka_unit_test_setup_teardown(lines_are_bounded, begin, end),
          cmocka_unit_test_setup_teardown(it_is_watched_while_it_works, begin, end))
