#include "store/committer.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/fiber_wait.h"
#include "base/metrics.h"

#define RERUN_MAX      6
#define RERUN_PAUSE_NS 500000 /* doubles with each rerun */

struct job {
    store_fn *fn;
    void *ctx;
    store_done_fn *done;     /* NULL: a fiber waits, or a thread for `answered` */
    struct fiber_wait *wait; /* of a fiber */
    void *done_ctx;
    pthread_cond_t answer;
    bool alone;
    bool answered;
    enum err err;
    struct err_detail detail;
    struct job *next;
};

struct committer {
    struct store_conn *conn;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job *head;
    struct job **tail;
    unsigned submitted; /* in the queue, of those that nobody waits for */
    bool stopping;
    unsigned queue_max;
    unsigned batch_max;
    struct committer_counts counts; /* under the lock */
    struct job *batch[COMMITTER_BATCH_MAX];
};

static struct metric commits_metric = {
    .name = "claviger_store_commits_total",
    .help = "Durable commits of the store",
    .kind = METRIC_COUNTER,
};
static struct metric transactions_metric = {
    .name = "claviger_store_transactions_total",
    .help = "Transactions in the store's commits",
    .kind = METRIC_COUNTER,
};
static struct metric failed_metric = {
    .name = "claviger_store_failed_total",
    .help = "Transactions that were rolled back with an error",
    .kind = METRIC_COUNTER,
};
static struct metric reruns_metric = {
    .name = "claviger_store_reruns_total",
    .help = "Commits tried again after a conflict",
    .kind = METRIC_COUNTER,
};
static struct metric commit_metric = {
    .name = "claviger_store_commit_seconds",
    .help = "Time of one durable commit",
    .kind = METRIC_HISTOGRAM,
};

static void register_metrics(void)
{
    metric_register(&commits_metric);
    metric_register(&transactions_metric);
    metric_register(&failed_metric);
    metric_register(&reruns_metric);
    metric_register(&commit_metric);
}

static enum err run_sql(struct store_conn *conn, const char *sql, struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn, sql, &stmt, detail));
    return store_exec_stmt(stmt, detail);
}

static enum err run_fn(struct store_conn *conn, struct job *job)
{
    job->detail = (struct err_detail){0};
    enum err err = job->fn(conn, job->ctx, &job->detail);
    store_conn_settle(conn);
    /* whatever fn made of it: there is no transaction any more that could be committed */
    if (err == ERR_OK && conn->lost != ERR_OK)
        err = err_set(&job->detail, conn->lost, "the transaction was undone by a failure");
    return err;
}

static enum err run_in_savepoint(struct store_conn *conn, struct job *job)
{
    TRY(run_sql(conn, "SAVEPOINT job", &job->detail));
    enum err err = run_fn(conn, job);
    if (conn->lost != ERR_OK || err == ERR_CONFLICT)
        return err; /* the whole transaction goes */
    if (err != ERR_OK) {
        enum err undo = run_sql(conn, "ROLLBACK TO SAVEPOINT job", NULL);
        if (undo == ERR_OK)
            undo = run_sql(conn, "RELEASE SAVEPOINT job", NULL);
        if (undo != ERR_OK)
            conn->lost = undo; /* what it did can't be told from what the others did */
        return err;
    }
    err = run_sql(conn, "RELEASE SAVEPOINT job", &job->detail);
    if (err != ERR_OK)
        conn->lost = err;
    return err;
}

/* How the transactions of a commit are kept apart. A savepoint copies each page that is changed
 * within it, which for many small transactions is most of the work. So they run without, and only
 * where one fails after it wrote something are all run again, each in a savepoint. */
enum apart { APART_NOT, APART_SAVEPOINTS };

enum attempt { ATTEMPT_OVER, ATTEMPT_RERUN, ATTEMPT_APART, ATTEMPT_SPLIT };

static void fail_good(struct job **jobs, unsigned len, enum err err,
                      const struct err_detail *detail)
{
    for (unsigned i = 0; i < len; i++) {
        if (jobs[i]->err != ERR_OK)
            continue;
        jobs[i]->err = err;
        jobs[i]->detail = *detail;
    }
}

static void count_commit(struct committer *w, struct job **jobs, unsigned len)
{
    unsigned good = 0;
    for (unsigned i = 0; i < len; i++)
        good += jobs[i]->err == ERR_OK;
    if (good == 0)
        return;
    metric_add(&commits_metric, 1);
    metric_add(&transactions_metric, good);
    (void)pthread_mutex_lock(&w->lock);
    w->counts.commits++;
    w->counts.transactions += good;
    if (good > w->counts.batch_largest)
        w->counts.batch_largest = good;
    (void)pthread_mutex_unlock(&w->lock);
}

static enum attempt commit_jobs(struct committer *w, struct job **jobs, unsigned len)
{
    struct err_detail detail = {0};
    uint64_t start = clock_mono_ns();
    enum err err = store_conn_commit(w->conn, &detail);
    if (err == ERR_OK) {
        metric_observe(&commit_metric, clock_mono_ns() - start);
        count_commit(w, jobs, len);
        return ATTEMPT_OVER;
    }
    fail_good(jobs, len, err, &detail);
    if (err == ERR_CONFLICT)
        return ATTEMPT_RERUN;
    /* a constraint that is checked at COMMIT is one transaction's fault */
    return err == ERR_STORE && len > 1 ? ATTEMPT_SPLIT : ATTEMPT_OVER;
}

/* One transaction of several. */
static enum attempt run_one(struct committer *w, struct job *job, enum apart apart)
{
    struct store_conn *conn = w->conn;
    bool savepoint = apart == APART_SAVEPOINTS;
    int64_t before = store_conn_writes(conn);
    job->err = savepoint ? run_in_savepoint(conn, job) : run_fn(conn, job);
    if (job->err == ERR_OK)
        return ATTEMPT_OVER;
    if (job->err == ERR_CONFLICT)
        return ATTEMPT_RERUN;
    if (conn->lost != ERR_OK)
        return ATTEMPT_SPLIT;
    return savepoint || store_conn_writes(conn) == before ? ATTEMPT_OVER : ATTEMPT_APART;
}

static enum attempt attempt(struct committer *w, struct job **jobs, unsigned len, enum apart apart)
{
    struct err_detail detail = {0};
    for (unsigned i = 0; i < len; i++)
        jobs[i]->err = ERR_OK;
    enum err err = store_conn_begin(w->conn, &detail);
    if (err != ERR_OK) {
        fail_good(jobs, len, err, &detail);
        return err == ERR_CONFLICT ? ATTEMPT_RERUN : ATTEMPT_OVER;
    }
    bool any_good = false;
    for (unsigned i = 0; i < len; i++) {
        enum attempt result = run_one(w, jobs[i], apart);
        any_good = any_good || jobs[i]->err == ERR_OK;
        if (result == ATTEMPT_OVER)
            continue;
        store_conn_rollback(w->conn);
        return len == 1 && result != ATTEMPT_RERUN ? ATTEMPT_OVER : result;
    }
    if (!any_good) {
        store_conn_rollback(w->conn);
        return ATTEMPT_OVER;
    }
    return commit_jobs(w, jobs, len);
}

static void pause_before_rerun(struct committer *w, unsigned tries)
{
    metric_add(&reruns_metric, 1);
    (void)pthread_mutex_lock(&w->lock);
    w->counts.reruns++;
    (void)pthread_mutex_unlock(&w->lock);
    struct timespec pause = {.tv_nsec = RERUN_PAUSE_NS << tries};
    (void)nanosleep(&pause, NULL);
}

static enum attempt run_bounded(struct committer *w, struct job **jobs, unsigned len)
{
    enum apart apart = APART_NOT;
    enum attempt result = attempt(w, jobs, len, apart);
    for (unsigned tries = 0; tries < RERUN_MAX; tries++) {
        if (result == ATTEMPT_APART)
            apart = APART_SAVEPOINTS;
        else if (result == ATTEMPT_RERUN)
            pause_before_rerun(w, tries);
        else
            break;
        result = attempt(w, jobs, len, apart);
    }
    return result;
}

static void run_batch(struct committer *w, struct job **jobs, unsigned len)
{
    if (run_bounded(w, jobs, len) == ATTEMPT_OVER || len == 1)
        return;
    /* one of them takes the others down with it: each for itself */
    for (unsigned i = 0; i < len; i++)
        (void)run_bounded(w, &jobs[i], 1);
}

static void answer_batch(struct committer *w, unsigned len)
{
    unsigned failed = 0;
    for (unsigned i = 0; i < len; i++)
        failed += w->batch[i]->err != ERR_OK;
    metric_add(&failed_metric, failed);
    (void)pthread_mutex_lock(&w->lock);
    w->counts.failed += failed;
    for (unsigned i = 0; i < len; i++) {
        struct job *job = w->batch[i];
        if (job->done != NULL || job->wait != NULL)
            continue;
        /* under the lock: the job is on the waiter's stack and gone once it sees the answer */
        job->answered = true;
        (void)pthread_cond_signal(&job->answer);
        w->batch[i] = NULL;
    }
    (void)pthread_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < len; i++) {
        struct job *job = w->batch[i];
        if (job == NULL)
            continue;
        if (job->wait != NULL) {
            fiber_wait_tell(job->wait); /* its stack: gone after this */
            continue;
        }
        job->done(job->done_ctx, job->err, &job->detail);
        free(job);
    }
}

static unsigned take_batch(struct committer *w)
{
    unsigned len = 0;
    while (w->head != NULL && len < w->batch_max && (len == 0 || !w->head->alone)) {
        struct job *job = w->head;
        w->head = job->next;
        if (w->head == NULL)
            w->tail = &w->head;
        if (job->done != NULL)
            w->submitted--;
        w->counts.queued--;
        w->batch[len++] = job;
        if (job->alone)
            break;
    }
    return len;
}

static void *write_loop(void *arg)
{
    struct committer *w = arg;
    for (;;) {
        (void)pthread_mutex_lock(&w->lock);
        while (w->head == NULL && !w->stopping)
            (void)pthread_cond_wait(&w->wake, &w->lock);
        unsigned len = take_batch(w);
        (void)pthread_mutex_unlock(&w->lock);
        if (len == 0)
            return NULL;
        run_batch(w, w->batch, len);
        answer_batch(w, len);
    }
}

enum err committer_start(struct store_conn *conn, const char *name, unsigned queue_max,
                         unsigned batch_max, struct committer **ret_committer,
                         struct err_detail *detail)
{
    register_metrics();
    struct committer *w = calloc(1, sizeof *w);
    if (w == NULL) {
        store_conn_free(conn);
        return err_set(detail, ERR_NO_MEMORY, "writer of the store");
    }
    w->conn = conn;
    w->tail = &w->head;
    w->queue_max = queue_max;
    w->counts.queue_max = queue_max;
    w->batch_max = batch_max < COMMITTER_BATCH_MAX ? batch_max : COMMITTER_BATCH_MAX;
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->wake, NULL);
    /* signals are the main thread's */
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&w->thread, NULL, write_loop, w);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0) {
        store_conn_free(conn);
        free(w);
        return err_set(detail, ERR_NO_MEMORY, "thread of the store: %s", strerror(failed));
    }
    char thread_name[16];
    (void)snprintf(thread_name, sizeof thread_name, "store-%.9s", name);
    (void)pthread_setname_np(w->thread, thread_name);
    *ret_committer = w;
    return ERR_OK;
}

void committer_stop(struct committer *w)
{
    if (w == NULL)
        return;
    (void)pthread_mutex_lock(&w->lock);
    w->stopping = true;
    (void)pthread_cond_signal(&w->wake);
    (void)pthread_mutex_unlock(&w->lock);
    (void)pthread_join(w->thread, NULL);
    store_conn_free(w->conn);
    (void)pthread_cond_destroy(&w->wake);
    (void)pthread_mutex_destroy(&w->lock);
    free(w);
}

static void enqueue(struct committer *w, struct job *job)
{
    *w->tail = job;
    w->tail = &job->next;
    w->counts.queued++;
    (void)pthread_cond_signal(&w->wake);
}

static void wait_as_thread(struct committer *w, struct job *job)
{
    (void)pthread_cond_init(&job->answer, NULL);
    (void)pthread_mutex_lock(&w->lock);
    if (w->stopping) {
        job->err = err_set(&job->detail, ERR_CLOSED, "the store is being closed");
    } else {
        enqueue(w, job);
        while (!job->answered)
            (void)pthread_cond_wait(&job->answer, &w->lock);
    }
    (void)pthread_mutex_unlock(&w->lock);
    (void)pthread_cond_destroy(&job->answer);
}

/* The loop goes on meanwhile; how many fibers may wait is bounded by their pool. */
static void wait_as_fiber(struct committer *w, struct job *job)
{
    struct fiber_wait wait;
    fiber_wait_begin(&wait);
    job->wait = &wait; // cppcheck-suppress autoVariables ; the job ends first
    (void)pthread_mutex_lock(&w->lock);
    bool closed = w->stopping;
    if (!closed)
        enqueue(w, job);
    (void)pthread_mutex_unlock(&w->lock);
    if (closed)
        job->err = err_set(&job->detail, ERR_CLOSED, "the store is being closed");
    else
        fiber_wait_end(&wait);
}

enum err committer_run(struct committer *w, store_fn *fn, void *ctx, bool alone,
                       struct err_detail *detail)
{
    if (pthread_equal(pthread_self(), w->thread))
        return err_set(detail, ERR_STATE, "a transaction can't wait for another of its own store");
    struct job job = {.fn = fn, .ctx = ctx, .alone = alone};
    if (fiber_current() != NULL)
        wait_as_fiber(w, &job);
    else
        wait_as_thread(w, &job);
    if (job.err != ERR_OK && detail != NULL)
        *detail = job.detail;
    return job.err;
}

enum err committer_submit(struct committer *w, store_fn *fn, void *ctx, store_done_fn *done,
                          void *done_ctx)
{
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return ERR_NO_MEMORY;
    job->fn = fn;
    job->ctx = ctx;
    job->done = done;
    job->done_ctx = done_ctx;
    enum err err = ERR_OK;
    (void)pthread_mutex_lock(&w->lock);
    if (w->stopping && !pthread_equal(pthread_self(), w->thread)) {
        err = ERR_CLOSED;
    } else if (w->submitted >= w->queue_max) {
        err = ERR_BUSY;
    } else {
        w->submitted++;
        enqueue(w, job);
    }
    (void)pthread_mutex_unlock(&w->lock);
    if (err != ERR_OK)
        free(job);
    return err;
}

void committer_counts(struct committer *w, struct committer_counts *ret_counts)
{
    (void)pthread_mutex_lock(&w->lock);
    *ret_counts = w->counts;
    (void)pthread_mutex_unlock(&w->lock);
}
