#pragma once

#include "base/arena.h"
#include "store/store.h"

/* Asynchronous operations (KMIP 1.4, 4.27 Cancel and 4.28 Poll): each is a row from the moment
 * its correlation value is given out until its client has the result or it expires, so that a
 * restart loses none. The rows know nothing of the protocol: request and result are its bytes.
 * Whatever writes is durable on return, and pauses a fiber or blocks a thread. Any thread. */

#define VAULT_CORRELATION_MAX 32                    /* bytes of a correlation value */
#define VAULT_OPERATION_MAX   ((size_t)1024 * 1024) /* bytes of a request, and of a result */

enum vault_operation_status {
    VAULT_OPERATION_PENDING = 1,
    VAULT_OPERATION_DONE,
    VAULT_OPERATION_FAILED,
    VAULT_OPERATION_CANCELLED,
};

struct vault_operation {
    struct bytes correlation;
    uint64_t client; /* for anybody else it does not exist */
    uint32_t group;
    uint32_t operation; /* the protocol's number */
    enum vault_operation_status status;
    int64_t began, ended; /* seconds; ended is VAULT_NO_DATE while it is pending */
    struct bytes request; /* all that is needed to begin it anew */
    struct bytes result;
};

/* A new one, pending without a result. ERR_EXISTS for a correlation value, ERR_LIMIT for too long
 * ones. */
MUST_CHECK enum err vault_operation_put(struct store *store,
                                        const struct vault_operation *operation,
                                        struct err_detail *detail);
/* ERR_STATE where it is not pending any more (cancelled meanwhile), ERR_NOT_FOUND. */
MUST_CHECK enum err vault_operation_finish(struct store *store, struct bytes correlation,
                                           enum vault_operation_status status, struct bytes result,
                                           int64_t now, struct err_detail *detail);
/* Inside store_reader_begin/_end of the caller; copies into the arena. ERR_NOT_FOUND. */
MUST_CHECK enum err vault_operation_get(struct store_conn *conn, uint64_t client,
                                        struct bytes correlation, struct arena *arena,
                                        struct vault_operation *ret_operation,
                                        struct err_detail *detail);
/* Pending becomes cancelled. ERR_STATE where it ended before; ERR_NOT_FOUND. */
MUST_CHECK enum err vault_operation_cancel(struct store *store, uint64_t client,
                                           struct bytes correlation, int64_t now,
                                           struct err_detail *detail);
/* Its client has the result: the row goes. Harmless where it is gone. */
MUST_CHECK enum err vault_operation_forget(struct store *store, uint64_t client,
                                           struct bytes correlation, struct err_detail *detail);
/* Those a restart cut off, oldest first; what `each` gets is borrowed for the call, and it may not
 * call back. An error of it ends the walk and is returned. Blocks. */
typedef enum err vault_operation_fn(void *ctx, const struct vault_operation *operation);
MUST_CHECK enum err vault_operation_each_pending(struct store *store, vault_operation_fn *each,
                                                 void *ctx, struct err_detail *detail);
/* Forget those that ended before `before`. */
MUST_CHECK enum err vault_operation_expire(struct store *store, int64_t before, size_t *ret_count,
                                           struct err_detail *detail);
