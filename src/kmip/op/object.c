#include "kmip/attr/index.h"
#include "kmip/attr/stored.h"
#include "kmip/codec/codec.h"
#include "kmip/codec/table.h"
#include "kmip/op/make.h"
#include "kmip/op/tell.h"
#include "kmip/server/config.h"
#include "vault/served.h"

/* Of an object's attributes, fields counted: many small ones fit a blob that could not be read
 * again.
 */
#define ITEMS_MAX 8192

enum err kmip_object_attrs_kept(struct kmip_call *call, const struct vault_object *object,
                                struct kmip_attrs *ret_attrs)
{
    struct kmip_attrs attrs = {.arena = kmip_arena(call)};
    TRY(kmip_attrs_decode(attrs.arena, object->attributes, &attrs, &call->detail));
    if (kmip_attr_num(&attrs, KMIP_TAG_FRESH, 0) != 0 &&
        vault_served_is(vault_objects_served(call->request->env->objects), object->id))
        TRY(kmip_attr_set_num(&attrs, KMIP_TAG_FRESH, KMIP_BOOLEAN, 0));
    *ret_attrs = attrs;
    return ERR_OK;
}

enum err kmip_object_attrs(struct kmip_call *call, const struct vault_object *object,
                           struct kmip_attrs *ret_attrs)
{
    struct kmip_attrs attrs;
    TRY(kmip_object_attrs_kept(call, object, &attrs));
    TRY(kmip_stored_add(&attrs, object, call->request->now, call->request->env->config->lease_s));
    *ret_attrs = attrs;
    return ERR_OK;
}

static size_t count_items(const struct kmip_node *node)
{
    size_t count = 1;
    if (node->type != KMIP_STRUCTURE)
        return count;
    for (const struct kmip_node *n = node->first; n != NULL; n = n->next)
        count += count_items(n);
    return count;
}

enum err kmip_object_pack(struct kmip_call *call, const struct kmip_attrs *attrs,
                          struct vault_object *object, struct vault_key **ret_keys,
                          size_t *ret_count)
{
    AUTO(buf_done) struct buf blob = {0};
    struct kmip_build build = {.arena = kmip_arena(call)};
    struct kmip_node *root = kmip_put_struct(&build, NULL, KMIP_TAG_ATTRIBUTES);
    kmip_stored_clear(object);
    for (const struct kmip_attr *a = attrs->first; a != NULL; a = a->next)
        if (!kmip_stored_column(object, a))
            kmip_stored_put(&build, root, a);
    TRY(build.err);
    if (count_items(root) > ITEMS_MAX)
        return kmip_fail(call, KMIP_REASON_INDEX_OUT_OF_BOUNDS, "too much in the attributes");
    object->state = vault_object_state(object, call->request->now);
    TRY(kmip_encode(KMIP_TTLV, root, &blob));
    if (blob.len > VAULT_OBJECT_BLOB_MAX)
        return ERR_LIMIT;
    const char *copy = arena_strndup(build.arena, blob.data, blob.len);
    if (copy == NULL)
        return ERR_NO_MEMORY;
    object->attributes = bytes_of(copy, blob.len);
    return kmip_attr_keys(attrs, ret_keys, ret_count);
}

static enum err change_told(struct kmip_call *call, struct vault_tx *tx, struct bytes uid,
                            kmip_change_fn *fn, void *ctx, struct kmip_told *told,
                            struct err_detail *detail)
{
    struct vault_object object;
    struct kmip_attrs attrs;
    struct vault_key *keys = NULL;
    size_t count = 0;
    const enum err err = vault_tx_get(tx, uid, &object, detail);
    if (err == ERR_NOT_FOUND)
        return kmip_fail(call, KMIP_REASON_OBJECT_NOT_FOUND, "no such object");
    TRY(err);
    TRY(kmip_object_attrs(call, &object, &attrs));
    *told = (struct kmip_told){0};
    TRY(kmip_tell_before(call, &object, told));
    struct kmip_change change = {.call = call, .object = &object, .attrs = &attrs};
    /* of an earlier run of the same transaction */
    call->reason = 0;
    call->message = NULL;
    TRY(fn(&change, ctx));
    if (change.nothing)
        return ERR_OK;
    if (!change.quiet)
        TRY(kmip_attr_set_num(&attrs, KMIP_TAG_LAST_CHANGE_DATE, KMIP_DATE_TIME,
                              call->request->now));
    TRY(kmip_object_pack(call, &attrs, &object, &keys, &count));
    if (told->taken)
        TRY(kmip_object_attrs(call, &object, &told->after));
    return vault_tx_update(tx, &object, keys, count, detail);
}

enum err kmip_object_change_in(struct kmip_call *call, struct vault_tx *tx, struct bytes uid,
                               kmip_change_fn *fn, void *ctx, struct kmip_told *told,
                               struct err_detail *detail)
{
    struct kmip_told untold;
    return change_told(call, tx, uid, fn, ctx, told != NULL ? told : &untold, detail);
}

struct change_ctx {
    struct kmip_call *call;
    struct bytes uid;
    kmip_change_fn *fn;
    void *ctx;
    struct kmip_told told;
};

static enum err change_in_tx(struct vault_tx *tx, void *ctx, struct err_detail *detail)
{
    struct change_ctx *c = ctx;
    return change_told(c->call, tx, c->uid, c->fn, c->ctx, &c->told, detail);
}

enum err kmip_object_change(struct kmip_call *call, struct bytes uid, kmip_change_fn *fn, void *ctx)
{
    struct kmip_request *request = call->request;
    struct change_ctx change = {.call = call, .uid = uid, .fn = fn, .ctx = ctx};
    if (uid.len == 0 || uid.len > VAULT_UID_MAX)
        return kmip_fail(call, KMIP_REASON_OBJECT_NOT_FOUND, "no such object");
    TRY(vault_objects_run(request->env->objects, request->deferred, &request->client->eyes,
                          change_in_tx, &change, &call->detail));
    kmip_tell_after(call, &change.told);
    return ERR_OK;
}
