#pragma once

#include "base/err.h"

/* A pool of threads for what may block: writes, password hashes, jobs. */
struct workers;

typedef void workers_fn(void *arg);

MUST_CHECK enum err workers_new(unsigned threads, unsigned queue_max, struct workers **ret_workers);
/* Finishes what is queued, then joins the threads. */
void workers_free(struct workers *workers);
struct workers_load {
    unsigned waiting, running, waiting_max;
};
void workers_load(struct workers *workers, struct workers_load *ret_load); /* any thread */
/* Runs fn(arg) on one of the threads; ERR_BUSY when the queue is full. Any thread. */
MUST_CHECK enum err workers_submit(struct workers *workers, workers_fn *fn, void *arg);
/* Runs fn(arg) and returns after it: on one of the threads while the calling fiber is paused, or at
 * once where the caller is a plain thread. ERR_BUSY when the queue is full; fn was not called. */
MUST_CHECK enum err workers_run(struct workers *workers, workers_fn *fn, void *arg);
