#include "kmip/codec/codec.h"
#include "kmip/op/async_item.h"
#include "kmip/op/crypto_ops.h"
#include "kmip/server/process.h"
#include "kmip_enums.h"
#include "kmip_tags.h"
#include "vault/operations.h"

/* Poll, Cancel (KMIP 1.4, 4.28 and 4.27; 2.1, 6.1.38 and 6.1.5), Process and Query Asynchronous
 * Requests (2.1, 6.1.39 and 6.1.41). */

static enum err unknown(struct kmip_call *call)
{
    return kmip_fail(call, KMIP_REASON_INVALID_ASYNCHRONOUS_CORRELATION_VALUE,
                     "no such asynchronous correlation value");
}

static enum err value_of(struct kmip_call *call, struct bytes *ret_value)
{
    struct bytes value = kmip_bytes(call->in, KMIP_TAG_ASYNCHRONOUS_CORRELATION_VALUE);
    if (call->request->env->async == NULL || value.len == 0 || value.len > VAULT_CORRELATION_MAX)
        return unknown(call);
    *ret_value = value;
    return ERR_OK;
}

static enum err read_row(struct kmip_call *call, struct bytes value, struct vault_operation *row)
{
    struct kmip_request *request = call->request;
    struct store_conn *conn = NULL;
    TRY(request->env->read(request->env, &conn, &call->detail));
    enum err err =
        vault_operation_get(conn, request->client->id, value, request->arena, row, &call->detail);
    return err == ERR_NOT_FOUND ? unknown(call) : err;
}

/* Its client has the result. A row that stays is forgotten when it expires. */
static enum err forget(struct kmip_call *call, struct bytes value)
{
    struct kmip_request *request = call->request;
    kmip_async_forget(request->env->async, request->client->id, value);
    return vault_operation_forget(request->env->store, request->client->id, value, &call->detail);
}

/* KMIP 1.4, 4.28: the answer is what it would have been at once, so it is the operation's. */
static enum err give_result(struct kmip_call *call, const struct vault_operation *row)
{
    struct kmip_node *item = NULL;
    call->operation = row->operation;
    if (row->status == VAULT_OPERATION_CANCELLED)
        return kmip_fail(call, KMIP_REASON_OPERATION_CANCELED_BY_REQUESTER, "it was cancelled");
    TRY(kmip_decode(KMIP_TTLV, row->result, NULL, kmip_arena(call), &item, &call->detail));
    uint32_t reason = kmip_enum(item, KMIP_TAG_RESULT_REASON, 0);
    if (reason != 0)
        return kmip_fail(call, reason, "%s",
                         kmip_text(call, kmip_bytes(item, KMIP_TAG_RESULT_MESSAGE)));
    const struct kmip_node *payload = kmip_child(item, KMIP_TAG_RESPONSE_PAYLOAD);
    for (const struct kmip_node *n = payload != NULL ? payload->first : NULL; n != NULL;
         n = n->next)
        (void)kmip_put_copy(kmip_out(call), call->out, 0, n);
    return kmip_out(call)->err;
}

/* Run it in this request, whose answer is its answer: nothing of it is written down. */
static enum err run_here(struct kmip_call *call, struct kmip_async_item *item, struct bytes value)
{
    struct kmip_request *request = call->request;
    const struct kmip_request before = *request;
    const struct kmip_node *in = call->in;
    request->version = item->version;
    request->deferred = NULL;
    memcpy(request->placeholder, item->placeholder, sizeof(request->placeholder));
    call->operation = item->operation;
    call->in = item->in;
    enum err err = kmip_run_item(call);
    call->in = in;
    request->version = before.version;
    request->deferred = before.deferred;
    memcpy(request->placeholder, before.placeholder, sizeof(request->placeholder));
    /* The answer may borrow from the item. */
    struct kmip_build *b = kmip_out(call);
    struct kmip_node *copy = kmip_put_copy(b, NULL, 0, call->out);
    if (copy != NULL)
        call->out = copy;
    kmip_async_ended(item, false);
    struct err_detail detail = call->detail;
    if (forget(call, value) != ERR_OK)
        call->detail = detail;
    return err;
}

static enum err still_pending(struct kmip_call *call, struct bytes value)
{
    call->pending = true;
    call->correlation = value;
    return ERR_OK;
}

enum err kmip_op_poll(struct kmip_call *call)
{
    struct kmip_request *request = call->request;
    struct bytes value = {0};
    TRY(value_of(call, &value));
    struct kmip_async_item *item =
        kmip_async_claim(request->env->async, request->client->id, value);
    if (item != NULL)
        return run_here(call, item, value);
    struct kmip_async_seen seen = {0};
    if (kmip_async_look(request->env->async, request->client->id, value, &seen) &&
        seen.stage == KMIP_ASYNC_RUNNING)
        return still_pending(call, value);
    struct vault_operation row = {0};
    TRY(read_row(call, value, &row));
    if (row.status == VAULT_OPERATION_PENDING)
        return still_pending(call, value);
    TRY(forget(call, value));
    return give_result(call, &row);
}

static uint32_t result_of(const struct vault_operation *row)
{
    switch (row->status) {
    case VAULT_OPERATION_DONE: return KMIP_CANCELLATION_RESULT_COMPLETED;
    case VAULT_OPERATION_FAILED: return KMIP_CANCELLATION_RESULT_FAILED;
    case VAULT_OPERATION_CANCELLED: return KMIP_CANCELLATION_RESULT_CANCELED;
    case VAULT_OPERATION_PENDING: break;
    }
    return KMIP_CANCELLATION_RESULT_UNABLE_TO_CANCEL;
}

static enum err cancel(struct kmip_call *call, struct bytes value, uint32_t *ret_result)
{
    struct kmip_request *request = call->request;
    struct kmip_async_item *item =
        kmip_async_claim(request->env->async, request->client->id, value);
    if (item != NULL) {
        kmip_async_ended(item, false);
        TRY(vault_operation_cancel(request->env->store, request->client->id, value, request->now,
                                   &call->detail));
        *ret_result = KMIP_CANCELLATION_RESULT_CANCELED;
        return ERR_OK;
    }
    struct vault_operation row = {0};
    enum err err = read_row(call, value, &row);
    if (call->reason == KMIP_REASON_INVALID_ASYNCHRONOUS_CORRELATION_VALUE) {
        /* The answer has a word of its own for it (KMIP 1.4, 4.27). */
        call->reason = 0;
        call->message = NULL;
        *ret_result = KMIP_CANCELLATION_RESULT_UNAVAILABLE;
        return ERR_OK;
    }
    TRY(err);
    *ret_result = result_of(&row);
    return ERR_OK;
}

enum err kmip_op_cancel(struct kmip_call *call)
{
    struct bytes value = {0};
    uint32_t result = 0;
    TRY(value_of(call, &value));
    TRY(cancel(call, value, &result));
    struct kmip_build *b = kmip_out(call);
    (void)kmip_put_bytes(b, call->out, KMIP_TAG_ASYNCHRONOUS_CORRELATION_VALUE, KMIP_BYTE_STRING,
                         value);
    (void)kmip_put_enum(b, call->out, KMIP_TAG_CANCELLATION_RESULT, result);
    return b->err;
}

enum err kmip_op_process(struct kmip_call *call)
{
    struct kmip_request *request = call->request;
    struct bytes value = {0};
    struct kmip_async_seen seen = {0};
    struct vault_operation row = {0};
    TRY(value_of(call, &value));
    if (!kmip_async_look(request->env->async, request->client->id, value, &seen) ||
        seen.stage == KMIP_ASYNC_ENDED) {
        TRY(read_row(call, value, &row));
        return kmip_fail(call, KMIP_REASON_DUPLICATE_PROCESS_REQUEST, "it was processed already");
    }
    /* One that waits for its client to poll is never pending when it does. */
    if (seen.when_polled || seen.stage == KMIP_ASYNC_RUNNING)
        return ERR_OK;
    struct kmip_async_item *item =
        kmip_async_claim(request->env->async, request->client->id, value);
    if (item != NULL)
        kmip_async_run(item, request->env);
    return ERR_OK;
}

/* Among those the payload asks for? */
static bool asked_for(const struct kmip_call *call, const struct kmip_async_item *item)
{
    const struct kmip_node *values = kmip_child(call->in, KMIP_TAG_ASYNCHRONOUS_CORRELATION_VALUES);
    const struct kmip_node *operations = kmip_child(call->in, KMIP_TAG_OPERATIONS);
    bool by_value = values == NULL || values->first == NULL;
    for (const struct kmip_node *n = kmip_child(values, KMIP_TAG_ASYNCHRONOUS_CORRELATION_VALUE);
         n != NULL && !by_value; n = kmip_again(n))
        by_value = bytes_equal(n->bytes, BYTES(item->value));
    bool by_operation = operations == NULL || operations->first == NULL;
    for (const struct kmip_node *n = kmip_child(operations, KMIP_TAG_OPERATION);
         n != NULL && !by_operation; n = kmip_again(n))
        by_operation = n->num == item->operation;
    return by_value && by_operation;
}

static void put_item(void *ctx, const struct kmip_async_item *item)
{
    struct kmip_call *call = ctx;
    struct kmip_build *b = kmip_out(call);
    if (!asked_for(call, item))
        return;
    struct kmip_node *node = kmip_put_struct(b, call->out, KMIP_TAG_ASYNCHRONOUS_REQUEST);
    (void)kmip_put_bytes_copy(b, node, KMIP_TAG_ASYNCHRONOUS_CORRELATION_VALUE, KMIP_BYTE_STRING,
                              BYTES(item->value));
    (void)kmip_put_enum(b, node, KMIP_TAG_OPERATION, item->operation);
    (void)kmip_put_num(b, node, KMIP_TAG_SUBMISSION_DATE, KMIP_DATE_TIME_EXTENDED,
                       item->submitted * 1000000);
    uint32_t stage = item->stage == KMIP_ASYNC_WAITING   ? KMIP_PROCESSING_STAGE_SUBMITTED
                     : item->stage == KMIP_ASYNC_RUNNING ? KMIP_PROCESSING_STAGE_IN_PROCESS
                                                         : KMIP_PROCESSING_STAGE_COMPLETED;
    (void)kmip_put_enum(b, node, KMIP_TAG_PROCESSING_STAGE, stage);
}

enum err kmip_op_query_asynchronous_requests(struct kmip_call *call)
{
    struct kmip_request *request = call->request;
    if (request->env->async != NULL)
        kmip_async_each(request->env->async, request->client->id, put_item, call);
    return kmip_out(call)->err;
}
