#include "kmip/op/async.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "crypto/random.h"
#include "kmip/codec/codec.h"
#include "kmip/op/async_item.h"
#include "kmip/server/batch.h"
#include "kmip/op/table.h"
#include "kmip/server/config.h"
#include "kmip/server/process.h"
#include "kmip_enums.h"
#include "kmip_tags.h"
#include "vault/operations.h"

struct kmip_async {
    struct store *store;
    pthread_mutex_t lock;
    struct kmip_async_item *items;
    unsigned active;
};

/* ---- after a restart ---- */

struct pending {
    struct buf values; /* one length byte, then the value */
};

static enum err collect(void *ctx, const struct vault_operation *operation)
{
    struct pending *pending = ctx;
    uint8_t len = (uint8_t)operation->correlation.len;
    TRY(buf_append(&pending->values, bytes_of(&len, 1)));
    return buf_append(&pending->values, operation->correlation);
}

static enum err encode_result(uint32_t reason, const char *message, const struct kmip_node *payload,
                              struct buf *to)
{
    AUTO(arena_freep) struct arena *arena = NULL;
    TRY(arena_new((size_t)8 * 1024 * 1024, &arena));
    struct kmip_build b = {.arena = arena};
    struct kmip_node *item = kmip_put_struct(&b, NULL, KMIP_TAG_BATCH_ITEM);
    if (reason != 0) {
        (void)kmip_put_enum(&b, item, KMIP_TAG_RESULT_REASON, reason);
        (void)kmip_put_text(&b, item, KMIP_TAG_RESULT_MESSAGE, message);
    } else {
        (void)kmip_put_copy(&b, item, 0, payload);
    }
    TRY(b.err);
    return kmip_encode(KMIP_TTLV, item, to);
}

static enum err fail_cut_off(struct kmip_async *async, int64_t now, struct err_detail *detail)
{
    AUTO(buf_done) struct buf result = {0};
    struct pending pending = {0};
    enum err err = encode_result(KMIP_REASON_GENERAL_FAILURE,
                                 "the server was restarted before it was done", NULL, &result);
    if (err == ERR_OK)
        err = vault_operation_each_pending(async->store, collect, &pending, detail);
    struct reader r = reader_of(buf_view(&pending.values));
    while (err == ERR_OK && reader_left(&r) > 0) {
        uint8_t len = reader_u8(&r);
        err = vault_operation_finish(async->store, reader_bytes(&r, len), VAULT_OPERATION_FAILED,
                                     buf_view(&result), now, detail);
    }
    buf_done(&pending.values);
    if (err != ERR_OK)
        return err;
    size_t expired = 0;
    return vault_operation_expire(async->store, now - KMIP_ASYNC_KEEP_S, &expired, detail);
}

enum err kmip_async_new(struct store *store, int64_t now, struct kmip_async **ret_async,
                        struct err_detail *detail)
{
    struct kmip_async *async = calloc(1, sizeof(*async));
    if (async == NULL)
        return ERR_NO_MEMORY;
    async->store = store;
    pthread_mutex_init(&async->lock, NULL);
    enum err err = fail_cut_off(async, now, detail);
    if (err != ERR_OK) {
        kmip_async_free(async);
        return err;
    }
    *ret_async = async;
    return ERR_OK;
}

/* ---- the list ---- */

static void item_free(struct kmip_async_item *item)
{
    arena_free(item->arena);
    free(item);
}

/* Lock held. */
static void release(struct kmip_async_item *item)
{
    if (--item->uses == 0)
        item_free(item);
}

void kmip_async_free(struct kmip_async *async)
{
    if (async == NULL)
        return;
    while (async->items != NULL) {
        struct kmip_async_item *item = async->items;
        async->items = item->next;
        item_free(item);
    }
    pthread_mutex_destroy(&async->lock);
    free(async);
}

unsigned kmip_async_active(struct kmip_async *async)
{
    pthread_mutex_lock(&async->lock);
    unsigned active = async->active;
    pthread_mutex_unlock(&async->lock);
    return active;
}

/* Lock held. */
static struct kmip_async_item **find(struct kmip_async *async, uint64_t client, struct bytes value)
{
    struct kmip_async_item **at = &async->items;
    while (*at != NULL && ((*at)->client != client || !secret_equal(BYTES((*at)->value), value)))
        at = &(*at)->next;
    return at;
}

static void unlink_at(struct kmip_async_item **at)
{
    struct kmip_async_item *item = *at;
    assert(item != NULL);
    *at = item->next;
    release(item);
}

bool kmip_async_look(struct kmip_async *async, uint64_t client, struct bytes value,
                     struct kmip_async_seen *ret_seen)
{
    pthread_mutex_lock(&async->lock);
    const struct kmip_async_item *item = *find(async, client, value);
    if (item != NULL)
        *ret_seen = (struct kmip_async_seen){item->operation, item->stage, item->when_polled,
                                             item->submitted};
    pthread_mutex_unlock(&async->lock);
    return item != NULL;
}

/* Lock held. */
static bool claim(struct kmip_async_item *item)
{
    if (item == NULL || item->stage != KMIP_ASYNC_WAITING)
        return false;
    item->stage = KMIP_ASYNC_RUNNING;
    item->uses++;
    return true;
}

struct kmip_async_item *kmip_async_claim(struct kmip_async *async, uint64_t client,
                                         struct bytes value)
{
    pthread_mutex_lock(&async->lock);
    struct kmip_async_item *item = *find(async, client, value);
    if (!claim(item))
        item = NULL;
    pthread_mutex_unlock(&async->lock);
    return item;
}

void kmip_async_ended(struct kmip_async_item *item, bool keep)
{
    struct kmip_async *async = item->async;
    pthread_mutex_lock(&async->lock);
    item->stage = KMIP_ASYNC_ENDED;
    async->active--;
    arena_free(item->arena);
    item->arena = NULL;
    item->in = NULL;
    if (!keep)
        unlink_at(find(async, item->client, BYTES(item->value)));
    release(item);
    pthread_mutex_unlock(&async->lock);
}

void kmip_async_forget(struct kmip_async *async, uint64_t client, struct bytes value)
{
    pthread_mutex_lock(&async->lock);
    struct kmip_async_item **at = find(async, client, value);
    if (*at != NULL && (*at)->stage == KMIP_ASYNC_ENDED)
        unlink_at(at);
    pthread_mutex_unlock(&async->lock);
}

void kmip_async_each(struct kmip_async *async, uint64_t client, kmip_async_fn *each, void *ctx)
{
    pthread_mutex_lock(&async->lock);
    for (const struct kmip_async_item *item = async->items; item != NULL; item = item->next)
        if (item->client == client)
            each(ctx, item);
    pthread_mutex_unlock(&async->lock);
}

/* What nobody asked for in a day, or never will. Lock held. */
static void expire(struct kmip_async *async, int64_t now)
{
    struct kmip_async_item **at = &async->items;
    while (*at != NULL) {
        struct kmip_async_item *item = *at;
        bool old = item->submitted < now - KMIP_ASYNC_KEEP_S;
        if (!old || item->stage == KMIP_ASYNC_RUNNING) {
            at = &item->next;
            continue;
        }
        async->active -= item->stage == KMIP_ASYNC_WAITING;
        item->stage = KMIP_ASYNC_ENDED;
        unlink_at(at);
    }
}

/* ---- beginning ---- */

static bool may_wait(const struct kmip_call *call)
{
    const struct kmip_op_row *row = kmip_op_row(call->operation, call->request->version);
    if (row == NULL || row->run == NULL || (row->flags & (KMIP_OP_OPEN | KMIP_OP_TO_CLIENT)) != 0)
        return false;
    switch (call->operation) {
    case KMIP_OP_POLL:
    case KMIP_OP_CANCEL:
    case KMIP_OP_PROCESS:
    case KMIP_OP_QUERY_ASYNCHRONOUS_REQUESTS:
    case KMIP_OP_LOGIN:
    case KMIP_OP_DELEGATED_LOGIN:
    case KMIP_OP_LOGOUT:
    case KMIP_OP_PKCS_11:
    case KMIP_OP_SET_ENDPOINT_ROLE: return false;
    default: break;
    }
    /* A stream is its loop's, and its pieces come in order. */
    return kmip_child(call->in, KMIP_TAG_INIT_INDICATOR) == NULL &&
           kmip_child(call->in, KMIP_TAG_CORRELATION_VALUE) == NULL;
}

enum err kmip_async_wanted(struct kmip_call *call, bool *ret_wanted)
{
    struct kmip_request *request = call->request;
    const struct kmip_node *node = kmip_child(request->header, KMIP_TAG_ASYNCHRONOUS_INDICATOR);
    bool asked = node != NULL && node->num == 1; /* true, or Mandatory */
    bool served = request->env->async != NULL && request->env->config->asynchronous;
    bool may = served && request->client != NULL && request->deferred == NULL && may_wait(call);
    if (asked && !may && request->version >= KMIP_2_0)
        return kmip_fail(call, KMIP_REASON_FEATURE_NOT_SUPPORTED,
                         "this can't be done asynchronously");
    *ret_wanted = asked && may;
    return ERR_OK;
}

/* Does the request hold what must not be written down, or its answer? */
static bool is_secret(const struct kmip_call *call)
{
    const struct kmip_op_row *row = kmip_op_row(call->operation, call->request->version);
    return (row->flags & KMIP_OP_MAKES_SECRET) != 0;
}

static unsigned of_client(const struct kmip_async *async, uint64_t client)
{
    unsigned count = 0;
    for (const struct kmip_async_item *item = async->items; item != NULL; item = item->next)
        count += item->client == client;
    return count;
}

static unsigned of_all(const struct kmip_async *async)
{
    unsigned count = 0;
    for (const struct kmip_async_item *item = async->items; item != NULL; item = item->next)
        count++;
    return count;
}

static enum err item_new(struct kmip_call *call, struct kmip_async_item **ret_item)
{
    struct kmip_request *request = call->request;
    struct kmip_async_item *item = calloc(1, sizeof(*item));
    if (item == NULL)
        return ERR_NO_MEMORY;
    *item = (struct kmip_async_item){.client = request->client->id,
                                     .operation = call->operation,
                                     .version = request->version,
                                     .submitted = request->now,
                                     .when_polled = is_secret(call) || request->env->spawn == NULL,
                                     .stage = KMIP_ASYNC_WAITING,
                                     .async = request->env->async,
                                     .env = request->env,
                                     .uses = 1};
    memcpy(item->name, request->client->name, sizeof(item->name));
    memcpy(item->placeholder, request->placeholder, sizeof(item->placeholder));
    enum err err = random_bytes(item->value, sizeof(item->value));
    if (err == ERR_OK)
        err = arena_new(request->env->config->arena_max, &item->arena);
    if (err == ERR_OK && call->in != NULL) {
        struct kmip_build b = {.arena = item->arena};
        item->in = kmip_put_copy(&b, NULL, 0, call->in);
        err = b.err;
    }
    if (err != ERR_OK) {
        item_free(item);
        return err;
    }
    *ret_item = item;
    return ERR_OK;
}

static enum err list(struct kmip_call *call, struct kmip_async_item *item)
{
    struct kmip_async *async = item->async;
    pthread_mutex_lock(&async->lock);
    expire(async, call->request->now);
    bool full =
        of_all(async) >= KMIP_ASYNC_MAX || of_client(async, item->client) >= KMIP_ASYNC_OF_CLIENT;
    if (!full) {
        item->next = async->items;
        async->items = item;
        async->active++;
    }
    pthread_mutex_unlock(&async->lock);
    if (full)
        return kmip_fail(call, KMIP_REASON_SERVER_LIMIT_EXCEEDED,
                         "too many asynchronous operations");
    return ERR_OK;
}

static void run_later(void *arg)
{
    struct kmip_async_item *item = arg;
    struct kmip_async *async = item->async;
    struct kmip_env *env = item->env;
    pthread_mutex_lock(&async->lock);
    bool mine = claim(item);
    release(item); /* the fiber's use; the claim has one of its own */
    pthread_mutex_unlock(&async->lock);
    if (mine)
        kmip_async_run(item, env); // NOLINT(clang-analyzer-unix.Malloc): the claim keeps it
}

static void start(struct kmip_async_item *item)
{
    struct kmip_async *async = item->async;
    struct kmip_env *env = item->env;
    pthread_mutex_lock(&async->lock);
    item->uses++;
    pthread_mutex_unlock(&async->lock);
    if (env->spawn(env, KMIP_ASYNC_DELAY_MS, run_later, item) == ERR_OK)
        return;
    pthread_mutex_lock(&async->lock);
    item->when_polled = true;
    release(item);
    pthread_mutex_unlock(&async->lock);
}

enum err kmip_async_begin(struct kmip_call *call)
{
    struct kmip_request *request = call->request;
    struct kmip_async_item *item = NULL;
    uint8_t *value = arena_take(request->arena, KMIP_ASYNC_VALUE_LEN);
    if (value == NULL)
        return ERR_NO_MEMORY;
    TRY(item_new(call, &item));
    memcpy(value, item->value, sizeof(item->value));
    const struct vault_operation row = {.correlation = bytes_of(value, KMIP_ASYNC_VALUE_LEN),
                                        .client = item->client,
                                        .group = request->client->eyes.groups[0],
                                        .operation = item->operation,
                                        .status = VAULT_OPERATION_PENDING,
                                        .began = request->now,
                                        .ended = VAULT_NO_DATE};
    enum err err = vault_operation_put(request->env->store, &row, &call->detail);
    if (err == ERR_OK) {
        err = list(call, item);
        if (err != ERR_OK && vault_operation_forget(request->env->store, row.client,
                                                    row.correlation, NULL) != ERR_OK)
            log_warn("kmip: a row of an asynchronous operation stays until it expires");
    }
    if (err != ERR_OK) {
        item_free(item);
        return err;
    }
    if (!item->when_polled)
        start(item);
    call->pending = true;
    call->correlation = row.correlation;
    return ERR_OK;
}

/* ---- running ---- */

static enum err run_call(struct kmip_async_item *item, struct kmip_env *env,
                         struct kmip_call *ret_call, struct kmip_request *request,
                         struct vault_client *client)
{
    *request = (struct kmip_request){.env = env,
                                     .client = client,
                                     .arena = item->arena,
                                     .build = {.arena = item->arena},
                                     .version = item->version,
                                     .now = clock_now_s()};
    memcpy(request->placeholder, item->placeholder, sizeof(request->placeholder));
    *ret_call =
        (struct kmip_call){.request = request, .operation = item->operation, .in = item->in};
    ret_call->out = kmip_put_struct(&request->build, NULL, KMIP_TAG_RESPONSE_PAYLOAD);
    TRY(request->build.err);
    /* It may have been disabled meanwhile, or another may have got its name. */
    if (vault_client_by_name(env->clients, bytes_str(item->name), client) != ERR_OK ||
        client->id != item->client)
        return kmip_fail(ret_call, KMIP_REASON_PERMISSION_DENIED, "the client is not admitted");
    return kmip_run_item(ret_call);
}

void kmip_async_run(struct kmip_async_item *item, struct kmip_env *env)
{
    struct kmip_request request;
    struct kmip_call call;
    struct vault_client client;
    struct buf result = {0};
    enum err err = run_call(item, env, &call, &request, &client);
    uint32_t reason = 0;
    if (err != ERR_OK)
        reason = call.reason != 0 ? call.reason : kmip_reason_of(err, item->version);
    enum err kept = encode_result(reason, call.message != NULL ? call.message : err_text(err),
                                  call.out, &result);
    if (kept == ERR_OK && result.len > VAULT_OPERATION_MAX) {
        buf_done(&result);
        reason = KMIP_REASON_RESPONSE_TOO_LARGE;
        kept = encode_result(reason, "the answer is too long to be kept", NULL, &result);
    }
    struct err_detail detail = {0};
    if (kept == ERR_OK)
        kept = vault_operation_finish(env->store, BYTES(item->value),
                                      reason == 0 ? VAULT_OPERATION_DONE : VAULT_OPERATION_FAILED,
                                      buf_view(&result), request.now, &detail);
    if (kept != ERR_OK)
        log_error("kmip: the result of an asynchronous operation is lost: %s", err_text(kept));
    buf_done(&result);
    kmip_async_ended(item, kept == ERR_OK);
}
