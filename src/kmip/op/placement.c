#include "kmip/op/placement.h"

#include "base/log.h"
#include "kmip/codec/table.h"
#include "kmip/server/config.h"
#include "vault/object_tx.h"

#define NOWHERE 99 /* a word that names no placement */

static const struct {
    const char *vendor, *name;
} names[] = {{"claviger", "placement"}, {"x", "claviger-placement"}};

bool kmip_is_placement(const struct kmip_attr_ref *ref)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (ref->tag == KMIP_ATTR_CUSTOM && bytes_equal(ref->vendor, bytes_str(names[i].vendor)) &&
            bytes_equal(ref->name, bytes_str(names[i].name)))
            return true;
    return false;
}

bool kmip_works_in_token(uint32_t operation)
{
    return operation != KMIP_OP_DERIVE_KEY && operation != KMIP_OP_CREATE_SPLIT_KEY &&
           operation != KMIP_OP_JOIN_SPLIT_KEY;
}

static uint32_t by_attribute(const struct kmip_attrs *attrs)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const struct kmip_attr_ref ref = {KMIP_ATTR_CUSTOM, bytes_str(names[i].vendor),
                                          bytes_str(names[i].name)};
        const struct kmip_attr *a = kmip_attr_find_ref(attrs, &ref);
        if (a == NULL)
            continue;
        if (a->value->type != KMIP_TEXT_STRING)
            return NOWHERE;
        if (bytes_equal(a->value->bytes, bytes_str("token")))
            return VAULT_IN_TOKEN;
        if (bytes_equal(a->value->bytes, bytes_str("vault")))
            return VAULT_IN_STORE;
        return NOWHERE;
    }
    return 0;
}

enum err kmip_place(struct kmip_call *call, struct kmip_new *new, const struct kmip_node *masks)
{
    const struct kmip_request *request = call->request;
    const bool token = request->env->config->token;
    uint32_t where = by_attribute(&new->attrs);
    if (where == NOWHERE)
        return kmip_fail(call, KMIP_REASON_INVALID_ATTRIBUTE_VALUE,
                         "the placement is neither vault nor token");
    if (where == 0 && masks != NULL) {
        /* KMIP 2.1, 6.1.8: several masks in the order of preference, one has to hold */
        for (const struct kmip_node *m = masks->first; m != NULL && where == 0; m = m->next) {
            if ((m->num & ~(KMIP_PROTECTION_STORAGE_MASK_HARDWARE |
                            KMIP_PROTECTION_STORAGE_MASK_SOFTWARE)) != 0)
                continue;
            if ((m->num & KMIP_PROTECTION_STORAGE_MASK_SOFTWARE) != 0)
                where = VAULT_IN_STORE;
            else if ((m->num & KMIP_PROTECTION_STORAGE_MASK_HARDWARE) != 0 && token)
                where = VAULT_IN_TOKEN;
        }
        if (where == 0 && masks->first != NULL)
            return kmip_fail(call, KMIP_REASON_PROTECTION_STORAGE_UNAVAILABLE,
                             "no storage here has that protection");
    }
    if (where == 0)
        where = request->client->placement != 0 ? request->client->placement : VAULT_IN_STORE;
    if (where == VAULT_IN_TOKEN && !token)
        return kmip_fail(call, KMIP_REASON_PROTECTION_STORAGE_UNAVAILABLE,
                         "keys are not kept in a token here");
    new->object.placement = where;
    return ERR_OK;
}

enum err kmip_made_error(struct kmip_call *call, enum err err)
{
    switch (err) {
    case ERR_UNSUPPORTED:
    case ERR_TOKEN_UNABLE:
        return kmip_fail(call, KMIP_REASON_FEATURE_NOT_SUPPORTED,
                         "keys of this algorithm and length are not served");
    case ERR_ARGUMENT:
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD,
                         "the algorithm, length or curve do not make a key");
    case ERR_KEY_FORM:
    case ERR_MISMATCH:
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "the key material is no such key");
    case ERR_LIMIT:
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "the key material is too long");
    default: return err;
    }
}

struct later {
    struct keeper_object object;
    bool when_undone; /* it goes if the batch is undone, else if it is not */
    struct later *next;
};

static enum err add(struct kmip_request *request, struct keeper_object object, bool when_undone)
{
    const char *sealed = arena_strndup(request->arena, object.sealed.data, object.sealed.len);
    const char *name = arena_strndup(request->arena, object.name.data, object.name.len);
    struct later *later = arena_take(request->arena, sizeof(*later));
    if (later == NULL || name == NULL || sealed == NULL)
        return ERR_NO_MEMORY;
    object.sealed.data = (const uint8_t *)sealed;
    object.name.data = (const uint8_t *)name;
    *later = (struct later){object, when_undone, request->later};
    request->later = later;
    return ERR_OK;
}

enum err kmip_destroy_later(struct kmip_call *call, const struct keeper_object *object)
{
    return add(call->request, *object, false);
}

enum err kmip_undo_later(struct kmip_call *call, const struct kmip_new *new)
{
    struct keeper_object object = kmip_new_object(new);
    object.sealed = buf_view(&new->sealed);
    return add(call->request, object, true);
}

/* Where the token does not answer, the row keeps what names the key and the server's timer tries
 * again: for clients it is gone. */
static void destroy_now(struct kmip_request *request, const struct keeper_object *object)
{
    struct err_detail detail = {0};
    const char *actor = request->client != NULL ? request->client->name : "nobody";
    const enum err err = vault_object_token_gone(request->env->objects, request->env->keeper, actor,
                                                 object, &detail);
    if (err != ERR_OK)
        log_failure(LOG_LEVEL_WARN, "kmip: a destroyed key is still in the token", err, &detail);
}

void kmip_batch_ended(struct kmip_request *request, bool undone)
{
    struct later *later = request->later;
    request->later = NULL;
    const char *actor = request->client != NULL ? request->client->name : "nobody";
    for (; later != NULL; later = later->next) {
        struct err_detail detail = {0};
        if (later->when_undone != undone)
            continue;
        if (!later->when_undone)
            destroy_now(request, &later->object);
        else if (keeper_object_destroy(request->env->keeper, actor, &later->object, &detail) !=
                 ERR_OK)
            continue; /* the keeper's record tells; it never was there for clients */
    }
}
