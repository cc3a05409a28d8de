#pragma once

#include "store/sql.h"

/* One database: one writer thread that commits many transactions together, and as many readers as
 * there are threads that read. What is written often lives in a store of its own (another file,
 * another writer), because a commit makes the readers of its file forget their caches. Two stores
 * have no common commit. */
struct store;

#define STORE_SCHEMA_MAIN "main"

struct store_config {
    const char *url;    /* "sqlite:/var/lib/claviger/store.db" */
    const char *schema; /* which migrations (their README.md); NULL is STORE_SCHEMA_MAIN */
    bool create;        /* make the file (mode 0600, its folder must be there) where it is absent */
    /* 0 takes the default */
    unsigned queue_max;  /* store_submit beyond it: ERR_BUSY; 4,096 */
    unsigned batch_max;  /* transactions in one commit; 512, which is the most */
    unsigned cache_kib;  /* page cache of each connection; 8,192 */
    uint64_t mmap_bytes; /* of the file mapped by each reader that asks for it; 1 GiB */
    uint64_t max_bytes;  /* the file grows to this size at most, then ERR_DISK_FULL; no limit */
};

/* Takes the lock that keeps a second daemon away, checks that the file is ours and whole as far as
 * its header and schema tell, applies migrations, starts the writer. Strings are copied. Not across
 * fork: open in the process that uses it. Errors: ERR_LOCKED (the detail names the holder's pid),
 * ERR_NOT_FOUND (absent and not `create`), ERR_CORRUPT, ERR_MISMATCH (another program's file, or
 * another schema), ERR_UNSUPPORTED (written by a newer version), ERR_CONFIG (url), ERR_IO,
 * ERR_DISK_FULL. */
MUST_CHECK enum err store_open(const struct store_config *config, struct store **ret_store,
                               struct err_detail *detail);
/* Finishes what is queued. Readers must be closed before; nobody may submit any more. */
void store_close(struct store *store); /* NULL is allowed */
void store_closep(struct store **store);

/* What happens inside a transaction. Runs on the writer thread; may be run several times
 * (ERR_CONFLICT, or a neighbour's failure), so it has no effect outside `conn` but results in ctx
 * that a rerun writes anew. An error rolls back what it did and is handed to the caller with its
 * detail. It must not call store_run on the same store (ERR_STATE). */
typedef enum err store_fn(struct store_conn *conn, void *ctx, struct err_detail *detail);
/* Tells the end of a submitted transaction: ERR_OK once it is durable. On the writer thread; short,
 * may submit again. `detail` is borrowed. */
typedef void store_done_fn(void *done_ctx, enum err err, const struct err_detail *detail);

/* Run fn in a transaction and return after its durable commit, or with the error that undid it.
 * Transactions queued meanwhile are committed together, each undone by itself where it fails. Any
 * thread but the writer's: it blocks a thread, and pauses a fiber (base/fiber.h), so that a network
 * loop may be in many. */
MUST_CHECK enum err store_run(struct store *store, store_fn *fn, void *ctx,
                              struct err_detail *detail);
/* The same in a commit of its own without a savepoint: for long work such as an import of a million
 * rows. Others wait meanwhile. Memory stays within cache_kib. */
MUST_CHECK enum err store_run_alone(struct store *store, store_fn *fn, void *ctx,
                                    struct err_detail *detail);
/* The same as store_run without waiting; any thread. On ERR_OK `done` is called exactly once, on
 * ERR_BUSY (queue full), ERR_NO_MEMORY and ERR_CLOSED never. ctx lives until done. */
MUST_CHECK enum err store_submit(struct store *store, store_fn *fn, void *ctx, store_done_fn *done,
                                 void *done_ctx);

/* A read-only connection for one thread. */
struct store_reader;

enum store_reader_kind {
    STORE_READER_LOOKUP, /* many point reads, long life: the file is mapped */
    STORE_READER_SCAN,   /* lists and exports: nothing mapped, memory within cache_kib */
};

MUST_CHECK enum err store_reader_open(struct store *store, enum store_reader_kind kind,
                                      struct store_reader **ret_reader, struct err_detail *detail);
void store_reader_close(struct store_reader *reader); /* NULL is allowed */
void store_reader_closep(struct store_reader **reader);
/* Everything read between begin and end is one state of the store: the last commit before begin.
 * Keep it short on a loop (one per iteration): an open snapshot keeps the write-ahead log from
 * shrinking. Rows must not be read after end. */
MUST_CHECK enum err store_reader_begin(struct store_reader *reader, struct err_detail *detail);
void store_reader_end(struct store_reader *reader);
struct store_conn *store_reader_conn(struct store_reader *reader);

/* A consistent copy at `path` (absent before: ERR_EXISTS; mode 0600; appears whole or not at all),
 * taken while others read and write. Any thread; blocks. */
MUST_CHECK enum err store_backup(struct store *store, const char *path, struct err_detail *detail);
/* Read the whole store and check its structure: ERR_CORRUPT with the first finding. Any thread;
 * takes seconds per gigabyte. */
MUST_CHECK enum err store_check(struct store *store, struct err_detail *detail);

struct store_stats {
    uint64_t file_bytes;
    uint64_t log_bytes;    /* write-ahead log */
    uint64_t commits;      /* durable commits */
    uint64_t transactions; /* transactions in them */
    uint64_t failed;       /* transactions answered with an error */
    uint64_t reruns;       /* commits tried again after a conflict */
    unsigned batch_largest;
    unsigned queued;
    unsigned queue_max;
    unsigned readers;
    unsigned schema_version;
};

/* Any thread. The process's sum over all stores is in base/metrics as claviger_store_*. */
void store_stats(struct store *store, struct store_stats *ret_stats);
