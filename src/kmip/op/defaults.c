#include "kmip/op/defaults.h"

#include "kmip/attr/index.h"
#include "kmip/attr/rules.h"
#include "kmip/codec/codec.h"
#include "kmip/codec/table.h"
#include "kmip/op/ops.h"
#include "vault/defaults.h"

/* The structure that was set for the client's group; NULL where there is none. */
static enum err load(struct kmip_call *call, enum vault_defaults_kind kind,
                     struct kmip_node **ret_root)
{
    struct kmip_request *request = call->request;
    struct store_conn *conn = NULL;
    struct bytes blob = {0};
    *ret_root = NULL;
    if (!vault_defaults_any(request->env->objects))
        return ERR_OK;
    TRY(request->env->read(request->env, &conn, &call->detail));
    const enum err err =
        vault_defaults_get(conn, request->client->eyes.groups[0], kind, VAULT_DEFAULTS_ANY,
                           request->arena, &blob, &call->detail);
    if (err == ERR_NOT_FOUND)
        return ERR_OK;
    TRY(err);
    return kmip_decode(KMIP_TTLV, blob, NULL, request->arena, ret_root, &call->detail);
}

/* A list of types or groups in `node` has this one; no list has all. */
static bool type_in(const struct kmip_node *node, uint32_t type)
{
    const struct kmip_node *one = kmip_child(node, KMIP_TAG_OBJECT_TYPE);
    const struct kmip_node *list = kmip_child(node, KMIP_TAG_OBJECT_TYPES);
    if (one == NULL && list == NULL)
        return true;
    for (; one != NULL; one = kmip_again(one))
        if (one->num == type)
            return true;
    for (one = kmip_child(list, KMIP_TAG_OBJECT_TYPE); one != NULL; one = kmip_again(one))
        if (one->num == type)
            return true;
    return false;
}

static bool group_in(const struct kmip_node *node, const struct kmip_attrs *attrs)
{
    const struct kmip_node *list = kmip_child(node, KMIP_TAG_OBJECT_GROUPS);
    if (list == NULL)
        return true;
    for (const struct kmip_node *g = kmip_child(list, KMIP_TAG_OBJECT_GROUP); g != NULL;
         g = kmip_again(g))
        for (const struct kmip_attr *a = kmip_attr_find(attrs, KMIP_TAG_OBJECT_GROUP); a != NULL;
             a = kmip_attr_again(a))
            if (g->type == KMIP_TEXT_STRING && bytes_equal(g->bytes, a->value->bytes))
                return true;
    return false;
}

static enum err read_attributes(struct kmip_call *call, const struct kmip_node *node,
                                struct kmip_attrs *attrs)
{
    const struct kmip_node *list = kmip_child(node, KMIP_TAG_ATTRIBUTES);
    for (const struct kmip_node *n = list != NULL ? list->first : NULL; n != NULL; n = n->next)
        if (kmip_attr_read(attrs, n) != ERR_OK)
            return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "one of the attributes is none");
    return ERR_OK;
}

enum err kmip_defaults_apply(struct kmip_call *call, uint32_t object_type, struct kmip_attrs *attrs)
{
    struct kmip_node *root = NULL;
    TRY(load(call, VAULT_DEFAULTS, &root));
    for (const struct kmip_node *d = kmip_child(root, KMIP_TAG_OBJECT_DEFAULTS); d != NULL;
         d = kmip_again(d)) {
        struct kmip_attrs from = {.arena = kmip_arena(call)};
        if (!type_in(d, object_type) || !group_in(d, attrs))
            continue;
        TRY(read_attributes(call, d, &from));
        TRY(kmip_attrs_fill(attrs, &from));
    }
    return ERR_OK;
}

/* An attribute that a constraint names has one of the values it names; of a usage mask no bit more
 * than one of them. */
static bool allowed(const struct kmip_attrs *limits, const struct kmip_attr *limit,
                    const struct kmip_attrs *attrs)
{
    const struct kmip_attr_ref ref = {limit->tag, limit->vendor, limit->name};
    for (const struct kmip_attr *l = kmip_attr_find_ref(limits, &ref); l != NULL;
         l = kmip_attr_again(l)) {
        if (l->tag == KMIP_TAG_CRYPTOGRAPHIC_USAGE_MASK) {
            if ((kmip_attr_num(attrs, l->tag, 0) & ~l->value->num) == 0)
                return true;
        } else if (kmip_attr_matches(attrs, l)) {
            return true;
        }
    }
    return false;
}

enum err kmip_constraints_check(struct kmip_call *call, uint32_t object_type,
                                const struct kmip_attrs *attrs)
{
    struct kmip_node *root = NULL;
    TRY(load(call, VAULT_CONSTRAINTS, &root));
    for (const struct kmip_node *c = kmip_child(root, KMIP_TAG_CONSTRAINT); c != NULL;
         c = kmip_again(c)) {
        struct kmip_attrs limits = {.arena = kmip_arena(call)};
        if (!type_in(c, object_type) || !group_in(c, attrs))
            continue;
        TRY(read_attributes(call, c, &limits));
        for (const struct kmip_attr *l = limits.first; l != NULL; l = l->next)
            if (!allowed(&limits, l, attrs))
                return kmip_fail(call, KMIP_REASON_CONSTRAINT_VIOLATION,
                                 "%s is not what a constraint allows",
                                 l->tag == KMIP_ATTR_CUSTOM ? "a custom attribute"
                                                            : kmip_tag_row(l->tag)->title);
    }
    return ERR_OK;
}

enum err kmip_defaults_put(struct kmip_call *call)
{
    struct kmip_node *root = NULL;
    if (call->request->client == NULL)
        return ERR_OK;
    TRY(load(call, VAULT_DEFAULTS, &root));
    if (root != NULL)
        kmip_put_copy(kmip_out(call), call->out, KMIP_TAG_DEFAULTS_INFORMATION, root);
    return ERR_OK;
}

static enum err replace(struct kmip_call *call, enum vault_defaults_kind kind,
                        const struct kmip_node *root)
{
    const struct kmip_request *request = call->request;
    AUTO(buf_done) struct buf blob = {0};
    struct vault_defaults row = {
        .group = request->client->eyes.groups[0], .type = VAULT_DEFAULTS_ANY, .kind = kind};
    if (root != NULL)
        TRY(kmip_encode(KMIP_TTLV, root, &blob));
    if (blob.len > VAULT_DEFAULTS_MAX)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "too much to keep");
    row.content = buf_view(&blob);
    return vault_defaults_replace(request->env->objects, row.group, kind, &row,
                                  root != NULL ? 1 : 0, &call->detail);
}

static enum err set(struct kmip_call *call, enum vault_defaults_kind kind, uint32_t tag,
                    uint32_t each)
{
    const struct kmip_node *root = kmip_child(call->in, tag);
    TRY(kmip_may(call, VAULT_MAY_MANAGE));
    if (root == NULL && kind == VAULT_CONSTRAINTS)
        return kmip_fail(call, KMIP_REASON_INVALID_MESSAGE, "no Constraints");
    for (const struct kmip_node *n = kmip_child(root, each); n != NULL; n = kmip_again(n)) {
        struct kmip_attrs attrs = {.arena = kmip_arena(call)};
        TRY(read_attributes(call, n, &attrs));
        for (const struct kmip_attr *a = attrs.first; a != NULL && kind == VAULT_DEFAULTS;
             a = a->next)
            if ((kmip_attr_flags(a->tag) & KMIP_ATTR_SET) == 0)
                return kmip_fail(call, KMIP_REASON_READ_ONLY_ATTRIBUTE,
                                 "%s is not a client's to set", kmip_tag_row(a->tag)->title);
    }
    return replace(call, kind, root);
}

enum err kmip_op_set_defaults(struct kmip_call *call)
{
    return set(call, VAULT_DEFAULTS, KMIP_TAG_DEFAULTS_INFORMATION, KMIP_TAG_OBJECT_DEFAULTS);
}

enum err kmip_op_set_constraints(struct kmip_call *call)
{
    return set(call, VAULT_CONSTRAINTS, KMIP_TAG_CONSTRAINTS, KMIP_TAG_CONSTRAINT);
}

enum err kmip_op_get_constraints(struct kmip_call *call)
{
    struct kmip_node *root = NULL;
    TRY(kmip_may(call, 0));
    TRY(load(call, VAULT_CONSTRAINTS, &root));
    if (root != NULL)
        kmip_put_copy(kmip_out(call), call->out, KMIP_TAG_CONSTRAINTS, root);
    else
        kmip_put_struct(kmip_out(call), call->out, KMIP_TAG_CONSTRAINTS);
    return ERR_OK;
}
