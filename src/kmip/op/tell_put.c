#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "kmip/codec/codec.h"
#include "kmip/op/tell.h"
#include "kmip/op/value.h"
#include "kmip/server/notify.h"
#include "kmip_enums.h"
#include "kmip_tags.h"

/* Put: the key is released in a fiber of its own, so that who re-keyed does not wait for it, and in
 * the name of the client that gets it: what that one may not Get is not put to it either. */

#define PUT_ARENA_MAX ((size_t)4 * 1024 * 1024)

struct put_job {
    struct kmip_env *env;
    struct kmip_put what;
};

struct wanted {
    uint64_t id;
    struct vault_client *client;
    bool found;
};

static void take_client(void *ctx, const struct vault_client *client)
{
    struct wanted *wanted = ctx;
    if (client->id != wanted->id || client->disabled != VAULT_NO_DATE || !client->put)
        return;
    *wanted->client = *client;
    wanted->found = true;
}

static void put_attributes(struct kmip_call *call, const struct kmip_attrs *attrs,
                           struct kmip_node *payload)
{
    const uint16_t version = call->request->version;
    struct kmip_build *b = kmip_out(call);
    struct kmip_node *to =
        version >= KMIP_2_0 ? kmip_put_struct(b, payload, KMIP_TAG_ATTRIBUTES) : payload;
    for (const struct kmip_attr *a = attrs->first; a != NULL; a = a->next)
        kmip_attr_put(b, to, version, a);
}

static enum err put_object(struct kmip_call *call, const struct kmip_put *what)
{
    struct kmip_request *request = call->request;
    struct vault_object object;
    struct kmip_attrs attrs;
    const struct kmip_value_as as = {0};
    TRY(kmip_may(call, VAULT_MAY_READ));
    TRY(kmip_get_object(call, bytes_str(what->uid), &object));
    TRY(kmip_gettable(call, &object));
    TRY(kmip_object_attrs(call, &object, &attrs));
    struct kmip_build *b = kmip_out(call);
    struct kmip_node *root = kmip_tell_message(b, request->version, KMIP_OP_PUT, &call->out);
    (void)kmip_put_text(b, call->out, KMIP_TAG_UNIQUE_IDENTIFIER, what->uid);
    const bool new = what->replaced[0] == '\0';
    (void)kmip_put_enum(b, call->out, KMIP_TAG_PUT_FUNCTION,
                        new ? KMIP_PUT_FUNCTION_NEW : KMIP_PUT_FUNCTION_REPLACE);
    if (!new)
        (void)kmip_put_text(b, call->out, KMIP_TAG_REPLACED_UNIQUE_IDENTIFIER, what->replaced);
    TRY(b->err);
    TRY(kmip_value_put(call, &object, &attrs, &as));
    put_attributes(call, &attrs, call->out);
    TRY(b->err);
    AUTO(buf_done) struct buf out = {0};
    TRY(kmip_encode(KMIP_TTLV, root, &out));
    TRY(kmip_served_now(call, &object, &attrs));
    kmip_notify_send(request->env->notify, what->owner, buf_view(&out));
    return ERR_OK;
}

static void run_put(void *arg)
{
    struct put_job *job = arg;
    struct vault_client client = {0};
    struct wanted wanted = {.id = job->what.owner, .client = &client};
    struct kmip_request request = {
        .env = job->env, .client = &client, .version = job->what.version, .now = clock_now_s()};
    struct kmip_call call = {.request = &request, .operation = KMIP_OP_PUT};
    vault_client_each(job->env->clients, take_client, &wanted);
    enum err err = wanted.found ? arena_new(PUT_ARENA_MAX, &request.arena) : ERR_OK;
    if (wanted.found && err == ERR_OK) {
        request.build.arena = request.arena;
        err = put_object(&call, &job->what);
    }
    if (err != ERR_OK)
        log_warn("kmip: %s is not put to client %s: %s", job->what.uid, client.name,
                 call.message != NULL ? call.message : err_text(err));
    arena_free(request.arena);
    free(job);
}

void kmip_put_start(struct kmip_env *env, const struct kmip_put *put)
{
    struct put_job *job = env->spawn != NULL ? calloc(1, sizeof(*job)) : NULL;
    if (job != NULL) {
        *job = (struct put_job){env, *put};
        if (env->spawn(env, 0, run_put, job) == ERR_OK)
            return;
    }
    free(job);
    log_warn("kmip: %s is not put to its owner: no memory", put->uid);
}
