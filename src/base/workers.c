#include "base/workers.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/fiber_wait.h"

struct item {
    workers_fn *fn;
    void *arg;
};

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
    struct item *queue; /* a ring */
    unsigned head;
    unsigned len;
    unsigned cap;
    unsigned running;
    unsigned threads_len;
    pthread_t threads[];
};

static void *work(void *arg)
{
    struct workers *w = arg;
    (void)pthread_mutex_lock(&w->lock);
    for (;;) {
        while (w->len == 0 && !w->stopping)
            (void)pthread_cond_wait(&w->wake, &w->lock);
        if (w->len == 0)
            break;
        struct item item = w->queue[w->head];
        w->head = (w->head + 1) % w->cap;
        w->len--;
        w->running++;
        (void)pthread_mutex_unlock(&w->lock);
        item.fn(item.arg);
        (void)pthread_mutex_lock(&w->lock);
        w->running--;
    }
    (void)pthread_mutex_unlock(&w->lock);
    return NULL;
}

enum err workers_new(unsigned threads, unsigned queue_max, struct workers **ret_workers)
{
    struct workers *w = calloc(1, sizeof *w + threads * sizeof w->threads[0]);
    struct item *queue = calloc(queue_max, sizeof *queue);
    if (w == NULL || queue == NULL) {
        free(w);
        free(queue);
        return ERR_NO_MEMORY;
    }
    w->queue = queue;
    w->cap = queue_max;
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->wake, NULL);
    /* signals are the main thread's */
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    while (w->threads_len < threads &&
           pthread_create(&w->threads[w->threads_len], NULL, work, w) == 0)
        w->threads_len++;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (w->threads_len < threads) {
        workers_free(w);
        return ERR_NO_MEMORY;
    }
    *ret_workers = w;
    return ERR_OK;
}

void workers_free(struct workers *w)
{
    if (w == NULL)
        return;
    (void)pthread_mutex_lock(&w->lock);
    w->stopping = true;
    (void)pthread_cond_broadcast(&w->wake);
    (void)pthread_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < w->threads_len; i++)
        (void)pthread_join(w->threads[i], NULL);
    (void)pthread_cond_destroy(&w->wake);
    (void)pthread_mutex_destroy(&w->lock);
    free(w->queue);
    free(w);
}

void workers_load(struct workers *w, struct workers_load *ret_load)
{
    (void)pthread_mutex_lock(&w->lock);
    *ret_load =
        (struct workers_load){.waiting = w->len, .running = w->running, .waiting_max = w->cap};
    (void)pthread_mutex_unlock(&w->lock);
}

enum err workers_submit(struct workers *w, workers_fn *fn, void *arg)
{
    enum err err = ERR_OK;
    (void)pthread_mutex_lock(&w->lock);
    if (w->len == w->cap || w->stopping) {
        err = ERR_BUSY;
    } else {
        w->queue[(w->head + w->len) % w->cap] = (struct item){fn, arg};
        w->len++;
        (void)pthread_cond_signal(&w->wake);
    }
    (void)pthread_mutex_unlock(&w->lock);
    return err;
}

struct paused {
    struct fiber_wait wait;
    workers_fn *fn;
    void *arg;
};

static void run_paused(void *arg)
{
    struct paused *paused = arg;
    paused->fn(paused->arg);
    fiber_wait_tell(&paused->wait);
}

enum err workers_run(struct workers *w, workers_fn *fn, void *arg)
{
    if (fiber_current() == NULL) {
        fn(arg);
        return ERR_OK;
    }
    struct paused paused = {.fn = fn, .arg = arg};
    fiber_wait_begin(&paused.wait);
    TRY(workers_submit(w, run_paused, &paused));
    fiber_wait_end(&paused.wait);
    return ERR_OK;
}
