#pragma once

#include "base/buf.h"
#include "kmip/codec/codec.h"
#include "kmip/op/op.h"

/* One request message to one response message: decoding, the header's rules, the batch, encoding.
 * Bytes in, bytes out; the server, the unit tests and the fuzzer drive this same function. Runs in
 * a fiber of a loop, or on a plain thread. */

/* What the request was and came to, for metrics and the message log. */
struct kmip_processed {
    uint16_t version;         /* 0: not understood */
    uint32_t operation;       /* of the first batch item; 0: none */
    uint32_t items;           /* batch items answered */
    uint32_t failed;          /* of them with an error */
    uint32_t reason;          /* Result Reason of the first that failed; 0 */
    struct err_detail detail; /* of the same, for the operator */
    int64_t pause_ms;         /* > 0: hold the answer back that long (a login that failed) */
};

/* `client`: who the connection's certificate says it is; NULL: nobody yet (a login in the message
 * may make it somebody). The answer is appended to `out`, which may hold key material: the caller
 * wipes it. `ret_processed` (nullable) is written in every case.
 *
 * ERR_OK: there is an answer, whatever it says. Anything else: no answer can be made (not framed,
 * not a request, no memory) and the connection is to be closed. `arena` is the caller's, empty; the
 * caller resets it afterwards. */
MUST_CHECK enum err kmip_process(struct kmip_env *env, struct kmip_session *session,
                                 const struct vault_client *client, enum kmip_format format,
                                 struct arena *arena, struct bytes in, struct buf *out,
                                 struct kmip_processed *ret_processed);

/* The same without a session of its own, for an operation that runs later (asynchronous) or inside
 * another: one batch item of `request`, from the table, with all its checks. */
MUST_CHECK enum err kmip_run_item(struct kmip_call *call);
