#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/log.h"
#include "kmip/server/job.h"

#define TICK_MS         1000u
#define LOG_LINES_PER_S 20u
#define SETTLE_MS       5000u
#define FIBERS_SPARE    64

bool kmip_loop_may_log(struct kmip_loop *loop)
{
    uint64_t second = net_loop_now_ns(loop->net) / 1000000000u;
    if (loop->log_second != second) {
        loop->log_second = second;
        loop->logged = 0;
    }
    return loop->logged++ < LOG_LINES_PER_S;
}

struct kmip_loop *kmip_loop_of(struct kmip_server *server, const struct net_loop *net)
{
    for (unsigned i = 0; i < server->loops_len; i++) {
        if (server->loop[i].net == net)
            return &server->loop[i];
    }
    return NULL;
}

/* ---- what operations stand on ---- */

static void stop_reading(struct kmip_loop *loop)
{
    if (loop->reading)
        store_reader_end(loop->reader);
    loop->reading = false;
}

/* One snapshot serves the requests of an iteration. A fiber that went on after a pause may have
 * written, and must see it: then a new one is begun. Nobody holds a row of the old one, since
 * nothing is held across a pause. */
static enum err op_read(struct kmip_env *env, struct store_conn **ret_conn,
                        struct err_detail *detail)
{
    struct kmip_loop *loop = env->loop;
    uint64_t resumed = net_fibers_resumed(loop->fibers);
    if (loop->reading && loop->read_resumed != resumed)
        stop_reading(loop);
    if (!loop->reading) {
        TRY(store_reader_begin(loop->reader, detail));
        loop->reading = true;
        loop->read_resumed = resumed;
    }
    *ret_conn = store_reader_conn(loop->reader);
    return ERR_OK;
}

struct spawned {
    struct net_post post;
    struct kmip_loop *loop;
    unsigned delay_ms;
    void (*run)(void *arg);
    void *arg;
};

static void nap_and_run(void *arg)
{
    struct spawned *spawned = arg;
    if (spawned->delay_ms > 0)
        kmip_loop_nap(spawned->loop, spawned->delay_ms);
    spawned->run(spawned->arg);
    free(spawned);
}

/* It was promised: where all fibers are in use it is tried again when the loop has been to sleep,
 * not in the next turn of a loop that would never sleep. */
static void run_spawned(void *arg)
{
    struct spawned *spawned = arg;
    struct kmip_loop *loop = spawned->loop;
    if (loop->spawned_first == NULL &&
        net_fibers_start(loop->fibers, nap_and_run, spawned) == ERR_OK)
        return;
    spawned->post.next = NULL;
    *(loop->spawned_first == NULL ? &loop->spawned_first : &loop->spawned_last->next) =
        &spawned->post;
    loop->spawned_last = &spawned->post;
}

/* In the order they were asked for. */
static void start_spawned(struct kmip_loop *loop)
{
    while (loop->spawned_first != NULL) {
        struct net_post *post = loop->spawned_first;
        struct net_post *next = post->next;
        if (net_fibers_start(loop->fibers, nap_and_run, post->arg) != ERR_OK)
            return;
        loop->spawned_first = next;
    }
}

static enum err op_spawn(struct kmip_env *env, unsigned delay_ms, void (*run)(void *arg), void *arg)
{
    struct spawned *spawned = calloc(1, sizeof *spawned);
    if (spawned == NULL)
        return ERR_NO_MEMORY;
    *spawned = (struct spawned){{NULL, run_spawned, spawned}, env->loop, delay_ms, run, arg};
    net_loop_post_item(((struct kmip_loop *)env->loop)->net, &spawned->post);
    return ERR_OK;
}

/* ---- keeper ---- */

static void watch_keeper(struct kmip_loop *loop)
{
    unsigned want = NET_READABLE;
    if (keeper_client_wants_write(loop->env.keeper))
        want |= NET_WRITABLE;
    if (loop->watching == 0 || loop->watching == want)
        return;
    loop->watching = want;
    net_watch_want(loop->watch, want);
}

static void on_keeper(void *ctx, unsigned ready)
{
    struct kmip_loop *loop = ctx;
    if ((ready & NET_WRITABLE) != 0)
        keeper_client_flush(loop->env.keeper);
    if (keeper_client_receive(loop->env.keeper) == ERR_OK)
        return;
    /* Every later call is refused at once; the supervisor starts both anew. */
    log_error("kmip: the keeper is gone");
    loop->watching = 0;
    net_watch_want(loop->watch, 0);
}

static void on_iteration(void *ctx)
{
    struct kmip_loop *loop = ctx;
    start_spawned(loop);
    kmip_jobs_go_on(loop);
    stop_reading(loop);
    if (loop->watching != 0) {
        keeper_client_flush(loop->env.keeper);
        watch_keeper(loop);
    }
}

static void on_tick(void *ctx)
{
    struct kmip_loop *loop = ctx;
    kmip_streams_expire(loop->env.streams, clock_now_s());
}

/* ---- naps ---- */

static void nap_over(void *arg)
{
    struct kmip_nap *nap = arg;
    nap->over = true;
    fiber_wake(nap->fiber);
}

void kmip_loop_nap(struct kmip_loop *loop, uint64_t ms)
{
    struct net_timer *timer = NULL;
    struct kmip_nap nap = {.fiber = fiber_current(), .next = loop->naps};
    if (loop->stopping || nap.fiber == NULL ||
        net_timer_new(loop->net, nap_over, &nap, &timer) != ERR_OK)
        return;
    if (nap.next != NULL)
        nap.next->prev = &nap;
    loop->naps = &nap; // cppcheck-suppress autoVariables ; out again before the end
    net_timer_set(timer, ms);
    while (!nap.over)
        fiber_pause();
    net_timer_free(timer);
    if (nap.prev != NULL)
        nap.prev->next = nap.next;
    else
        loop->naps = nap.next;
    if (nap.next != NULL)
        nap.next->prev = nap.prev;
}

static void end_naps(struct kmip_loop *loop)
{
    for (struct kmip_nap *nap = loop->naps; nap != NULL; nap = nap->next)
        nap_over(nap);
}

/* ---- life ---- */

void kmip_loop_configure(struct kmip_loop *loop, struct kmip_setup *setup)
{
    struct kmip_setup *before = loop->setup;
    loop->setup = setup;
    loop->env.config = &setup->config;
    kmip_setup_unref(before);
}

enum err kmip_loop_init(struct kmip_loop *loop, struct kmip_server *server, struct net_loop *net,
                        int keeper_fd, const struct kmip_server_config *config, unsigned fibers,
                        struct err_detail *detail)
{
    loop->server = server;
    loop->net = net;
    loop->waiting_tail = &loop->waiting;
    loop->env = (struct kmip_env){.objects = config->objects,
                                  .clients = config->clients,
                                  .store = config->store,
                                  .workers = server->workers,
                                  .tickets = server->tickets,
                                  .async = server->async,
                                  .notify = server->notify,
                                  .spawn = op_spawn,
                                  .read = op_read,
                                  .loop = loop};
    TRY(net_fibers_new(net, fibers, FIBERS_SPARE, &loop->fibers));
    TRY(store_reader_open(config->store, STORE_READER_LOOKUP, &loop->reader, detail));
    TRY(net_timer_new(net, on_tick, loop, &loop->timer));
    TRY(net_watch_new(net, keeper_fd, on_keeper, loop, &loop->watch));
    TRY(net_loop_on_iteration(net, on_iteration, loop));
    TRY(keeper_client_new(keeper_fd, &loop->env.keeper));
    TRY(kmip_streams_new(loop->env.keeper, &loop->streams));
    loop->env.streams = loop->streams;
    loop->watching = NET_READABLE;
    net_watch_want(loop->watch, loop->watching);
    net_timer_every(loop->timer, TICK_MS);
    return ERR_OK;
}

/* Whoever waits is told that it is over, so that its stack unwinds: the keeper's calls are
 * cancelled, the store's and the workers' end by themselves. */
static void settle(struct kmip_loop *loop)
{
    loop->stopping = true;
    end_naps(loop);
    /* everything outstanding is answered with ERR_KEEPER_GONE */
    (void)shutdown(keeper_client_fd(loop->env.keeper), SHUT_RDWR);
    if (keeper_client_receive(loop->env.keeper) == ERR_OK)
        log_debug("kmip: the keeper had still to say something");
    if (loop->fibers == NULL)
        return;
    bool settled = net_fibers_settle(loop->fibers, SETTLE_MS);
    while (settled && loop->spawned_first != NULL) {
        start_spawned(loop);
        settled = net_fibers_settle(loop->fibers, SETTLE_MS);
    }
    if (!settled)
        log_error("kmip: %u requests did not end", net_fibers_active(loop->fibers));
}

void kmip_loop_done(struct kmip_loop *loop)
{
    if (loop->env.keeper != NULL)
        settle(loop);
    for (unsigned i = 0; i < ARRAY_LEN(loop->https); i++)
        net_http_free(loop->https[i]);
    while (loop->conns != NULL)
        kmip_conn_detach(loop->conns);
    kmip_jobs_done(loop);
    kmip_streams_free(loop->streams);
    net_watch_free(loop->watch);
    net_timer_free(loop->timer);
    keeper_client_freep(&loop->env.keeper);
    stop_reading(loop);
    store_reader_closep(&loop->reader);
    if (loop->fibers != NULL && net_fibers_active(loop->fibers) == 0)
        net_fibers_free(loop->fibers);
    kmip_setup_unref(loop->setup);
}
