#include "kmip/server/batch.h"

#include "kmip/codec/check.h"
#include "kmip/codec/codec.h"
#include "kmip/codec/filter.h"
#include "kmip/codec/table.h"
#include "kmip/op/async.h"
#include "kmip/op/placement.h"
#include "kmip/op/table.h"
#include "kmip/op/tell.h"
#include "kmip/op/tickets.h"
#include "kmip/server/config.h"

#define CHANGE_ROOM 256 /* bytes; more than the payload of any answer to a change */

uint32_t kmip_reason_of(enum err err, uint16_t version)
{
    /* 2.x tells an object that is not there from other things */
    if (err == ERR_NOT_FOUND)
        return kmip_reason_for(KMIP_REASON_OBJECT_NOT_FOUND, version);
    return kmip_reason_titled(err_row(err)->kmip, version);
}

enum err kmip_run_item(struct kmip_call *call)
{
    const struct kmip_request *request = call->request;
    const struct kmip_op_row *row = kmip_op_row(call->operation, request->version);
    if (row == NULL || row->run == NULL || (row->flags & KMIP_OP_TO_CLIENT) != 0 ||
        (request->env->config->hidden_operations >> call->operation & 1) != 0)
        return kmip_fail(call, KMIP_REASON_OPERATION_NOT_SUPPORTED, "this operation is not served");
    if (request->client == NULL && (row->flags & KMIP_OP_OPEN) == 0)
        return kmip_fail(call, KMIP_REASON_AUTHENTICATION_NOT_SUCCESSFUL, "not authenticated");
    if (row->may != 0)
        TRY(kmip_may(call, (enum vault_client_may)row->may));
    TRY(row->run(call));
    return request->build.err;
}

static enum err run_one(struct kmip_call *call, const struct kmip_node *item)
{
    struct kmip_fault fault = {0};
    if (!kmip_check_item(item, call->request->version, &fault))
        return kmip_fail(call, fault.reason, "%s", fault.message);
    call->in = kmip_child(item, KMIP_TAG_REQUEST_PAYLOAD);
    TRY(kmip_ticket_allows(call));
    bool later = false;
    TRY(kmip_async_wanted(call, &later));
    if (later)
        return kmip_async_begin(call);
    TRY(kmip_run_item(call));
    /* KMIP 2.1, 8.3: the client wants the effect, not the data */
    struct kmip_node *data = kmip_child(call->out, KMIP_TAG_DATA);
    if (data != NULL && kmip_bool(item, KMIP_TAG_EPHEMERAL, false))
        kmip_remove(call->out, data);
    return ERR_OK;
}

struct item {
    const struct kmip_node *in;
    struct kmip_node *out; /* the Batch Item of the response */
    struct kmip_node *status;
};

static void put_failure(struct kmip_batch *batch, struct kmip_call *call, struct item *item,
                        enum err err)
{
    struct kmip_build *b = &batch->request->build;
    const uint16_t version = batch->request->version;
    const uint32_t reason =
        call->reason != 0 ? kmip_reason_for(call->reason, version) : kmip_reason_of(err, version);
    item->status->num = KMIP_STATUS_OPERATION_FAILED;
    kmip_put_enum(b, item->out, KMIP_TAG_RESULT_REASON, reason);
    kmip_put_text(b, item->out, KMIP_TAG_RESULT_MESSAGE,
                  call->message != NULL ? call->message : err_text(err));
    if (batch->processed->failed++ == 0) {
        batch->processed->reason = reason;
        batch->processed->detail = call->detail;
        if (call->detail.code == ERR_OK)
            err_set(&batch->processed->detail, err, "%s", err_text(err));
    }
}

static struct item begin_item(struct kmip_batch *batch, const struct kmip_node *in)
{
    struct kmip_build *b = &batch->request->build;
    struct item item = {.in = in};
    item.out = kmip_put_struct(b, batch->response, KMIP_TAG_BATCH_ITEM);
    const struct kmip_node *operation = kmip_child(in, KMIP_TAG_OPERATION);
    const struct kmip_node *id = kmip_child(in, KMIP_TAG_UNIQUE_BATCH_ITEM_ID);
    /* of the wrong type they are refused, and not repeated */
    if (operation != NULL && operation->type == KMIP_ENUMERATION)
        kmip_put_copy(b, item.out, 0, operation);
    if (id != NULL && id->type == KMIP_BYTE_STRING)
        kmip_put_copy(b, item.out, 0, id);
    item.status = kmip_put_enum(b, item.out, KMIP_TAG_RESULT_STATUS, KMIP_STATUS_SUCCESS);
    return item;
}

/* What changes something is not begun where its answer may not fit: nobody would learn of it. */
static bool fits(const struct kmip_batch *batch, const struct kmip_call *call)
{
    const struct kmip_op_row *row = kmip_op_row(call->operation, call->request->version);
    const unsigned changing =
        VAULT_MAY_CREATE | VAULT_MAY_MANAGE | VAULT_MAY_DESTROY | VAULT_MAY_CERTIFY;
    return row == NULL || (row->may & changing) == 0 ||
           kmip_ttlv_len(batch->response) + CHANGE_ROOM <= batch->max;
}

static enum err too_large(struct kmip_call *call)
{
    return kmip_fail(call, KMIP_REASON_RESPONSE_TOO_LARGE,
                     "the answer is longer than the Maximum Response Size");
}

/* A failed operation leaves what it built behind: nothing of it is sent. */
static enum err answer(struct kmip_batch *batch, const struct kmip_node *in, bool *ret_failed)
{
    struct kmip_request *request = batch->request;
    struct kmip_build *b = &request->build;
    struct item item = begin_item(batch, in);
    struct kmip_call call = {.request = request, .operation = kmip_enum(in, KMIP_TAG_OPERATION, 0)};
    call.out = kmip_put_struct(b, NULL, KMIP_TAG_RESPONSE_PAYLOAD);
    TRY(b->err);
    enum err err = fits(batch, &call) ? run_one(&call, in) : too_large(&call);
    if (b->err != ERR_OK)
        return b->err;
    if (err == ERR_OK && !call.pending)
        kmip_filter_payload(call.out, call.operation, request->version);
    if (err == ERR_OK && kmip_ttlv_len(batch->response) + kmip_ttlv_len(call.out) > batch->max)
        err = too_large(&call);
    batch->processed->items++;
    if (batch->processed->operation == 0)
        batch->processed->operation = call.operation;
    /* Poll answers as the operation it asks for */
    struct kmip_node *operation = kmip_child(item.out, KMIP_TAG_OPERATION);
    if (operation != NULL)
        operation->num = call.operation;
    *ret_failed = err != ERR_OK;
    if (err != ERR_OK) {
        put_failure(batch, &call, &item, err);
    } else if (call.pending) {
        item.status->num = KMIP_STATUS_OPERATION_PENDING;
        kmip_put_bytes(b, item.out, KMIP_TAG_ASYNCHRONOUS_CORRELATION_VALUE, KMIP_BYTE_STRING,
                       call.correlation);
    } else {
        kmip_append(item.out, call.out);
    }
    return b->err;
}

/* The items that succeeded are Operation Undone (KMIP 1.4, 6.13). */
static void mark_undone(const struct kmip_batch *batch)
{
    for (struct kmip_node *n = batch->response->first; n != NULL; n = n->next) {
        if (n->tag != KMIP_TAG_BATCH_ITEM)
            continue;
        struct kmip_node *status = kmip_child(n, KMIP_TAG_RESULT_STATUS);
        if (status->num == KMIP_STATUS_SUCCESS)
            status->num = KMIP_STATUS_OPERATION_UNDONE;
    }
}

/* What was collected could not become durable: the last item failed by it, the others are undone.
 */
static enum err commit_failed(struct kmip_batch *batch, enum err err, struct err_detail *detail)
{
    struct kmip_build *b = &batch->request->build;
    struct kmip_node *last = batch->response->last;
    struct kmip_node *payload = kmip_child(last, KMIP_TAG_RESPONSE_PAYLOAD);
    struct item item = {.out = last, .status = kmip_child(last, KMIP_TAG_RESULT_STATUS)};
    struct kmip_call call = {.request = batch->request, .detail = *detail};
    if (payload != NULL)
        kmip_remove(last, payload);
    put_failure(batch, &call, &item, err);
    mark_undone(batch);
    return b->err;
}

enum err kmip_batch_run(struct kmip_batch *batch)
{
    struct kmip_request *request = batch->request;
    const uint32_t option = kmip_enum(request->header, KMIP_TAG_BATCH_ERROR_CONTINUATION_OPTION,
                                      KMIP_BATCH_ERROR_CONTINUATION_OPTION_STOP);
    const bool undo = option == KMIP_BATCH_ERROR_CONTINUATION_OPTION_UNDO && batch->root->count > 2;
    if (undo)
        TRY(vault_deferred_new(request->env->objects, request->arena, &request->deferred));
    bool failed = false;
    enum err err = ERR_OK;
    for (const struct kmip_node *n = kmip_child(batch->root, KMIP_TAG_BATCH_ITEM);
         n != NULL && err == ERR_OK; n = kmip_again(n)) {
        err = answer(batch, n, &failed);
        if (failed && option != KMIP_BATCH_ERROR_CONTINUATION_OPTION_CONTINUE)
            break;
    }
    if (!undo)
        return err;
    struct vault_deferred *deferred = request->deferred;
    request->deferred = NULL;
    if (err == ERR_OK && !failed) {
        struct err_detail detail = {0};
        const enum err committed = vault_deferred_commit(deferred, &detail);
        if (committed != ERR_OK)
            err = commit_failed(batch, committed, &detail);
        else
            kmip_tell_committed(request);
        kmip_batch_ended(request, committed != ERR_OK);
        return err;
    }
    vault_deferred_drop(deferred);
    kmip_batch_ended(request, true);
    mark_undone(batch);
    return err;
}
