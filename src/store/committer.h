#pragma once

#include "store/conn.h"

/* The thread that owns a store's writing connection and commits what is queued together. */
struct committer;

#define COMMITTER_BATCH_MAX 512

struct committer_counts {
    uint64_t commits;
    uint64_t transactions;
    uint64_t failed;
    uint64_t reruns;
    unsigned batch_largest;
    unsigned queued;
    unsigned queue_max;
};

/* Owns `conn` from here, on failure too. `name` becomes the thread's. */
MUST_CHECK enum err committer_start(struct store_conn *conn, const char *name, unsigned queue_max,
                                    unsigned batch_max, struct committer **ret_committer,
                                    struct err_detail *detail);
/* Finishes what is queued. */
void committer_stop(struct committer *writer);
MUST_CHECK enum err committer_run(struct committer *writer, store_fn *fn, void *ctx, bool alone,
                                  struct err_detail *detail);
MUST_CHECK enum err committer_submit(struct committer *writer, store_fn *fn, void *ctx,
                                     store_done_fn *done, void *done_ctx);
void committer_counts(struct committer *writer, struct committer_counts *ret_counts);
