#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/fiber.h"
#include "crypto/use.h"
#include "keeper/client_objects.h"
#include "rig.h"

/* Many fibers of one thread in calls of one client: what they ask travels in bundles. The loop here
 * is the smallest that does what a network loop does. */

#define FIBERS_MAX 600

struct loop {
    struct rig *rig;
    struct keeper_client *client;
    struct fiber_pool *pool;
    pthread_mutex_t lock;
    struct fiber *woken[FIBERS_MAX];
    unsigned woken_count;
    unsigned iterations;
    const struct keeper_object *shared;
};

static void wake(void *ctx, struct fiber *fiber)
{
    struct loop *loop = ctx;
    (void)pthread_mutex_lock(&loop->lock);
    assert_true(loop->woken_count < FIBERS_MAX);
    loop->woken[loop->woken_count++] = fiber;
    (void)pthread_mutex_unlock(&loop->lock);
}

static void loop_begin(struct loop *loop, struct rig *rig)
{
    *loop = (struct loop){.rig = rig, .client = rig_client(rig, 1)};
    (void)pthread_mutex_init(&loop->lock, NULL);
    assert_ok(fiber_pool_new((struct fiber_owner){wake, loop}, FIBERS_MAX, 8, &loop->pool));
}

static void loop_end(struct loop *loop)
{
    assert_int_equal(fiber_pool_active(loop->pool), 0);
    fiber_pool_free(loop->pool);
    (void)pthread_mutex_destroy(&loop->lock);
}

static void run_woken(struct loop *loop)
{
    struct fiber *woken[FIBERS_MAX];
    unsigned count = loop->woken_count;
    memcpy(woken, loop->woken, count * sizeof *woken);
    loop->woken_count = 0;
    for (unsigned i = 0; i < count; i++)
        fiber_resume(woken[i]);
}

/* Until every fiber has ended. */
static void loop_run(struct loop *loop)
{
    bool gone = false;
    while (fiber_pool_active(loop->pool) != 0) {
        loop->iterations++;
        keeper_client_flush(loop->client);
        struct pollfd fd = {.fd = keeper_client_fd(loop->client), .events = POLLIN};
        if (keeper_client_wants_write(loop->client))
            fd.events |= POLLOUT;
        if (!gone && loop->woken_count == 0)
            assert_int_equal(poll(&fd, 1, 20000), 1);
        enum err err = keeper_client_receive(loop->client);
        gone = err == ERR_KEEPER_GONE;
        assert_true(gone || err == ERR_OK);
        run_woken(loop);
    }
}

struct work {
    struct loop *loop;
    unsigned number;
    enum err err;
    uint64_t value; /* what it is to do, or got */
    bool done;
};

static struct work *works_start(struct loop *loop, unsigned count, void (*fn)(void *arg))
{
    struct work *works = calloc(count, sizeof *works);
    for (unsigned i = 0; i < count; i++) {
        works[i] = (struct work){.loop = loop, .number = i, .err = ERR_INTERNAL};
        assert_ok(fiber_start(loop->pool, fn, &works[i]));
    }
    return works;
}

static void works_check(struct work *works, unsigned count, enum err want)
{
    for (unsigned i = 0; i < count; i++) {
        assert_true(works[i].done);
        assert_err(works[i].err, want);
    }
    free(works);
}

static struct keeper_object named(const struct work *work, char name[32])
{
    int len = snprintf(name, 32, "fiber-%u", work->number);
    return (struct keeper_object){.row = {RIG_DOMAIN, KEEPER_OBJECT, work->number + 1, 1},
                                  .name = bytes_of(name, (size_t)len)};
}

static enum err make(const struct work *work, struct keeper_object *object, struct buf *sealed)
{
    static const struct keeper_object_spec spec = {CRYPTO_SYMMETRIC, ALG_AES, 256, 0, 0, 0};
    struct keeper_object_made made = {.sealed = sealed};
    TRY(keeper_object_generate(work->loop->client, "fiber", object, &spec, &made, NULL));
    object->sealed = buf_view(sealed);
    return ERR_OK;
}

static enum err round_trip(const struct work *work, const struct keeper_object *object, size_t size)
{
    AUTO(buf_done) struct buf data = {0};
    AUTO(buf_done) struct buf cipher = {0};
    AUTO(buf_done) struct buf plain = {0};
    TRY(buf_reserve(&data, size));
    memset(data.data, (int)work->number, size);
    data.len = size;
    struct crypto_input input = {.op = CRYPTO_ENCRYPT,
                                 .params = {.mode = MODE_GCM, .random_iv = true},
                                 .data = buf_view(&data)};
    struct crypto_output output = {.data = &cipher};
    TRY(keeper_object_use(work->loop->client, "fiber", object, &input, &output, NULL));
    struct crypto_output back = {.data = &plain};
    input = (struct crypto_input){.op = CRYPTO_DECRYPT,
                                  .params.mode = MODE_GCM,
                                  .data = buf_view(&cipher),
                                  .iv = bytes_of(output.iv, output.iv_len),
                                  .tag = bytes_of(output.tag, output.tag_len)};
    TRY(keeper_object_use(work->loop->client, "fiber", object, &input, &back, NULL));
    return bytes_equal(buf_view(&plain), buf_view(&data)) ? ERR_OK : ERR_MISMATCH;
}

static void live(void *arg)
{
    struct work *work = arg;
    char name[32];
    struct keeper_object object = named(work, name);
    AUTO(buf_done) struct buf sealed = {0};
    AUTO(buf_done) struct buf material = {0};
    enum err err = make(work, &object, &sealed);
    if (err == ERR_OK)
        err = keeper_object_release(work->loop->client, "fiber", &object, &material, NULL);
    if (err == ERR_OK && material.len != 32)
        err = ERR_INTERNAL;
    if (err == ERR_OK)
        err = round_trip(work, &object, work->number % 16 == 7 ? 150000 : 1024);
    work->err = err;
    work->done = true;
}

static void many_share_a_bundle(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct loop loop;
    loop_begin(&loop, &rig);
    struct keeper_status before, after;
    assert_ok(keeper_status(rig_client(&rig, 0), &before, NULL));
    struct work *works = works_start(&loop, 30, live);
    assert_int_equal(keeper_client_outstanding(loop.client), 30);
    loop_run(&loop);
    works_check(works, 30, ERR_OK);
    assert_ok(keeper_status(rig_client(&rig, 0), &after, NULL));
    /* four rounds for most, and the pieces of the long ones: not one for each of 150 requests */
    assert_true(after.records - before.records > 120);
    assert_true(after.syncs - before.syncs < 40);
    loop_end(&loop);
    assert_ok(rig_end(&rig));
}

static void more_than_may_be_under_way(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct loop loop;
    loop_begin(&loop, &rig);
    struct work *works = works_start(&loop, FIBERS_MAX, live);
    assert_int_equal(keeper_client_outstanding(loop.client), KEEPER_CALLS_MAX);
    loop_run(&loop);
    works_check(works, FIBERS_MAX, ERR_OK);
    loop_end(&loop);
    assert_ok(rig_end(&rig));
}

static void pair(void *arg)
{
    struct work *work = arg;
    char name[32];
    struct keeper_object object = named(work, name);
    AUTO(buf_done) struct buf sealed = {0};
    AUTO(buf_done) struct buf spki = {0};
    AUTO(buf_done) struct buf signature = {0};
    static const struct keeper_object_spec spec = {CRYPTO_PRIVATE, ALG_EC, 0, CURVE_P_256, 0, 0};
    struct keeper_object_made made = {.sealed = &sealed, .spki = &spki};
    work->err =
        keeper_object_generate_pair(work->loop->client, "fiber", &object, &spec, &made, NULL);
    if (work->err == ERR_OK) {
        object.sealed = buf_view(&sealed);
        struct crypto_input input = {.op = CRYPTO_SIGN,
                                     .params.signature = SIG_ECDSA_WITH_SHA256,
                                     .data = bytes_str("data")};
        struct crypto_output output = {.data = &signature};
        work->err = keeper_object_use(work->loop->client, "fiber", &object, &input, &output, NULL);
        work->value = signature.len;
    }
    work->done = true;
}

static void slow_ones_let_others_by(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct loop loop;
    loop_begin(&loop, &rig);
    struct work *pairs = works_start(&loop, 60, pair);
    assert_true(keeper_client_outstanding(loop.client) < 20);
    struct work *works = works_start(&loop, 60, live);
    loop_run(&loop);
    for (unsigned i = 0; i < 60; i++)
        assert_true(pairs[i].value > 60);
    works_check(pairs, 60, ERR_OK);
    works_check(works, 60, ERR_OK);
    loop_end(&loop);
    assert_ok(rig_end(&rig));
}

static void refusals_find_their_fiber(void *arg)
{
    struct work *work = arg;
    char name[32];
    struct keeper_object object = named(work, name);
    AUTO(buf_done) struct buf sealed = {0};
    AUTO(buf_done) struct buf material = {0};
    work->err = make(work, &object, &sealed);
    if (work->err == ERR_OK) {
        object.row.epoch += work->number % 2;
        struct err_detail detail = {.code = ERR_OK};
        enum err err =
            keeper_object_release(work->loop->client, "fiber", &object, &material, &detail);
        work->err = err == (work->number % 2 != 0 ? ERR_SEAL : ERR_OK) ? ERR_OK : ERR_MISMATCH;
    }
    work->done = true;
}

static void each_has_its_own_answer(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct loop loop;
    loop_begin(&loop, &rig);
    struct work *works = works_start(&loop, 100, refusals_find_their_fiber);
    loop_run(&loop);
    works_check(works, 100, ERR_OK);
    /* a plain thread may use the same client between the iterations */
    assert_ok(keeper_note(loop.client, RIG_ACTOR, "between", NULL));
    loop_end(&loop);
    assert_ok(rig_end(&rig));
}

static void until_gone(void *arg)
{
    struct work *work = arg;
    char name[32];
    struct keeper_object object = named(work, name);
    AUTO(buf_done) struct buf sealed = {0};
    work->err = make(work, &object, &sealed);
    while (work->err == ERR_OK) {
        AUTO(buf_done) struct buf material = {0};
        work->err = keeper_object_release(work->loop->client, "fiber", &object, &material, NULL);
        if (++work->value == 3 && work->number == 0)
            keeper_server_stop(work->loop->rig->server);
    }
    work->done = true;
}

static void a_lost_keeper_ends_all(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct loop loop;
    loop_begin(&loop, &rig);
    struct work *works = works_start(&loop, 300, until_gone);
    assert_int_equal(keeper_client_outstanding(loop.client), KEEPER_CALLS_MAX);
    while (!works[0].done) {
        keeper_client_flush(loop.client);
        struct pollfd fd = {.fd = keeper_client_fd(loop.client), .events = POLLIN};
        int ready = poll(&fd, 1, 200);
        if (ready == 0 && !rig.joined) { /* it stopped: now it goes */
            assert_int_equal(pthread_join(rig.thread, NULL), 0);
            rig.joined = true;
            keeper_server_free(rig.server);
            rig.server = NULL;
        }
        enum err got = keeper_client_receive(loop.client);
        assert_true(got == ERR_OK || got == ERR_KEEPER_GONE);
        run_woken(&loop);
    }
    loop_run(&loop);
    works_check(works, 300, ERR_KEEPER_GONE);
    loop_end(&loop);
    struct audit_verify_options options = {.whole = true};
    struct audit_verify_result result;
    assert_ok(audit_verify(rig.dir, &options, &result, NULL));
    assert_ok(rig_end(&rig));
}

static void buffered_reads_answer_ahead(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, &(struct rig_options){.policy = rig_open_policy(), .buffered = true});
    struct loop loop;
    loop_begin(&loop, &rig);
    struct work *works = works_start(&loop, 16, live);
    loop_run(&loop);
    works_check(works, 16, ERR_OK);
    struct keeper_client *client = rig_client(&rig, 0);
    struct work one = {.loop = &loop, .number = 77};
    loop.client = client;
    char name[32];
    struct keeper_object object = named(&one, name);
    AUTO(buf_done) struct buf sealed = {0};
    AUTO(buf_done) struct buf material = {0};
    assert_ok(make(&one, &object, &sealed));
    struct keeper_status before, after;
    assert_ok(keeper_status(client, &before, NULL));
    for (unsigned i = 0; i < 100; i++)
        assert_ok(keeper_object_release(client, RIG_ACTOR, &object, &material, NULL));
    assert_ok(keeper_status(client, &after, NULL));
    assert_true(after.records - before.records >= 100);
    assert_true(after.syncs - before.syncs < 20);
    loop_end(&loop);
    assert_ok(rig_end(&rig));
}

static void give(void *arg)
{
    struct work *work = arg;
    const struct keeper_object *object = work->loop->shared;
    AUTO(buf_done) struct buf material = {0};
    work->err = keeper_object_release(work->loop->client, "fiber", object, &material, NULL);
    work->value = material.len;
    work->done = true;
}

/* The disk takes no more: every answer of the bundle becomes the error. */
static void what_is_not_recorded_is_not_given(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct loop loop;
    loop_begin(&loop, &rig);
    struct work one = {.loop = &loop};
    char name[32];
    struct keeper_object object = named(&one, name);
    AUTO(buf_done) struct buf sealed = {0};
    assert_ok(make(&one, &object, &sealed));
    loop.shared = &object;
    struct rlimit usual, none;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &usual), 0);
    none = usual;
    none.rlim_cur = 1;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    struct work *works = works_start(&loop, 20, give);
    loop_run(&loop);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &usual), 0);
    for (unsigned i = 0; i < 20; i++) {
        assert_true(works[i].done && works[i].value == 0);
        assert_true(works[i].err != ERR_OK && works[i].err != ERR_KEEPER_GONE);
        assert_int_equal(works[i].err, works[0].err);
    }
    enum err err = works[0].err;
    free(works);
    loop_end(&loop);
    assert_err(rig_end(&rig), err);
}

TEST_MAIN(cmocka_unit_test(many_share_a_bundle),
          cmocka_unit_test(what_is_not_recorded_is_not_given),
          cmocka_unit_test(more_than_may_be_under_way), cmocka_unit_test(slow_ones_let_others_by),
          cmocka_unit_test(each_has_its_own_answer), cmocka_unit_test(a_lost_keeper_ends_all),
          cmocka_unit_test(buffered_reads_answer_ahead))
