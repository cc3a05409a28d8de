#include "kmip/op/ticket_rights.h"

#include <stdlib.h>

#include "kmip/op/make.h"
#include "kmip_enums.h"
#include "kmip_tags.h"

struct right {
    struct kmip_limit limit;
    bool some_operations; /* only those of the set */
    uint64_t operations;  /* by number */
    char *objects[KMIP_RIGHT_OBJECTS_MAX];
    size_t objects_len; /* 0: any */
    char *groups[KMIP_RIGHT_OBJECTS_MAX];
    size_t groups_len;
};

struct kmip_rights {
    size_t count;
    struct right rights[KMIP_RIGHTS_MAX];
};

/* ---- limits ---- */

struct kmip_limit kmip_limit_read(const struct kmip_node *usage_limits)
{
    if (usage_limits == NULL)
        return (struct kmip_limit){0};
    int64_t total = kmip_num(usage_limits, KMIP_TAG_USAGE_LIMITS_TOTAL, 0);
    return (struct kmip_limit){
        .set = true,
        .left = total > 0 ? total : 0,
        .unit = kmip_enum(usage_limits, KMIP_TAG_USAGE_LIMITS_UNIT, KMIP_USAGE_LIMITS_UNIT_OBJECT)};
}

void kmip_limit_inherit(struct kmip_limit *limit, const struct kmip_limit *from)
{
    if (from->set && (!limit->set || limit->unit != from->unit || limit->left > from->left))
        *limit = *from;
}

static int64_t units(const struct kmip_limit *limit, const struct kmip_wish *wish)
{
    return limit->unit == KMIP_USAGE_LIMITS_UNIT_BYTE ? wish->bytes : 1;
}

bool kmip_limit_has(const struct kmip_limit *limit, const struct kmip_wish *wish)
{
    return !limit->set || limit->left >= units(limit, wish);
}

void kmip_limit_take(struct kmip_limit *limit, const struct kmip_wish *wish)
{
    if (limit->set)
        limit->left -= units(limit, wish);
}

/* ---- rights ---- */

void kmip_rights_free(struct kmip_rights *rights)
{
    if (rights == NULL)
        return;
    for (size_t i = 0; i < rights->count; i++) {
        struct right *right = &rights->rights[i];
        for (size_t j = 0; j < right->objects_len; j++)
            free(right->objects[j]);
        for (size_t j = 0; j < right->groups_len; j++)
            free(right->groups[j]);
    }
    free(rights);
}

static enum err copy_names(struct kmip_call *call, const struct kmip_node *list, uint32_t tag,
                           char **names, size_t *len)
{
    for (const struct kmip_node *n = kmip_child(list, tag); n != NULL; n = kmip_again(n)) {
        if (n->type != KMIP_TEXT_STRING || *len == KMIP_RIGHT_OBJECTS_MAX)
            return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "a right names at most %d objects",
                             KMIP_RIGHT_OBJECTS_MAX);
        names[*len] = strndup((const char *)n->bytes.data, n->bytes.len);
        if (names[*len] == NULL)
            return ERR_NO_MEMORY;
        (*len)++;
    }
    return ERR_OK;
}

static enum err read_right(struct kmip_call *call, const struct kmip_node *node,
                           struct right *right)
{
    const struct kmip_node *operations = kmip_child(node, KMIP_TAG_OPERATIONS);
    const struct kmip_node *objects = kmip_child(node, KMIP_TAG_OBJECTS);
    const struct kmip_node *groups = kmip_child(node, KMIP_TAG_OBJECT_GROUPS);
    right->limit = kmip_limit_read(kmip_child(node, KMIP_TAG_USAGE_LIMITS));
    right->some_operations = operations != NULL;
    for (const struct kmip_node *n = kmip_child(operations, KMIP_TAG_OPERATION); n != NULL;
         n = kmip_again(n))
        if (n->num >= 0 && n->num < 64)
            right->operations |= (uint64_t)1 << n->num;
    TRY(copy_names(call, objects, KMIP_TAG_UNIQUE_IDENTIFIER, right->objects, &right->objects_len));
    TRY(copy_names(call, groups, KMIP_TAG_OBJECT_GROUP, right->groups, &right->groups_len));
    /* An empty list is not "any". */
    if ((objects != NULL && right->objects_len == 0) || (groups != NULL && right->groups_len == 0))
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "a right names no object");
    return ERR_OK;
}

enum err kmip_rights_read(struct kmip_call *call, const struct kmip_node *node,
                          struct kmip_rights **ret_rights)
{
    const struct kmip_node *first = kmip_child(node, KMIP_TAG_RIGHT);
    if (first == NULL)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "no Rights are given");
    struct kmip_rights *rights = calloc(1, sizeof(*rights));
    if (rights == NULL)
        return ERR_NO_MEMORY;
    enum err err = ERR_OK;
    for (const struct kmip_node *n = first; n != NULL && err == ERR_OK; n = kmip_again(n)) {
        if (rights->count == KMIP_RIGHTS_MAX)
            err =
                kmip_fail(call, KMIP_REASON_INVALID_FIELD, "more than %d rights", KMIP_RIGHTS_MAX);
        else
            err = read_right(call, n, &rights->rights[rights->count++]);
    }
    if (err != ERR_OK) {
        kmip_rights_free(rights);
        return err;
    }
    *ret_rights = rights;
    return ERR_OK;
}

bool kmip_rights_by_group(const struct kmip_rights *rights)
{
    for (size_t i = 0; rights != NULL && i < rights->count; i++)
        if (rights->rights[i].groups_len > 0)
            return true;
    return false;
}

static bool names(char *const *list, size_t len, struct bytes name)
{
    for (size_t i = 0; i < len; i++)
        if (bytes_equal(bytes_str(list[i]), name))
            return true;
    return false;
}

static bool in_group(const struct right *right, const struct kmip_wish *wish, size_t object)
{
    for (size_t i = 0; i < wish->groups_len; i++)
        if (wish->groups[i].object == object &&
            names(right->groups, right->groups_len, wish->groups[i].name))
            return true;
    return false;
}

static bool covers(const struct right *right, const struct kmip_wish *wish)
{
    if (right->some_operations &&
        (wish->operation >= 64 || (right->operations >> wish->operation & 1) == 0))
        return false;
    if (right->objects_len == 0 && right->groups_len == 0)
        return true;
    for (size_t i = 0; i < wish->objects_len; i++) {
        if (right->objects_len > 0 && !names(right->objects, right->objects_len, wish->objects[i]))
            return false;
        if (right->groups_len > 0 && !in_group(right, wish, i))
            return false;
    }
    return wish->objects_len > 0;
}

bool kmip_rights_take(struct kmip_rights *rights, const struct kmip_wish *wish)
{
    for (size_t i = 0; i < rights->count; i++) {
        struct right *right = &rights->rights[i];
        if (covers(right, wish) && kmip_limit_has(&right->limit, wish)) {
            kmip_limit_take(&right->limit, wish);
            return true;
        }
    }
    return false;
}

/* ---- wishes ---- */

/* The codec bounds the depth (KMIP_DEPTH_MAX). */
static enum err collect(struct kmip_call *call, const struct kmip_node *node,
                        struct kmip_wish *wish)
{
    for (const struct kmip_node *n = node->first; n != NULL; n = n->next) {
        bool uid = n->tag == KMIP_TAG_UNIQUE_IDENTIFIER ||
                   n->tag == KMIP_TAG_PRIVATE_KEY_UNIQUE_IDENTIFIER ||
                   n->tag == KMIP_TAG_PUBLIC_KEY_UNIQUE_IDENTIFIER;
        if (uid && n->type == KMIP_TEXT_STRING) {
            if (wish->objects_len == KMIP_WISH_OBJECTS_MAX)
                return kmip_fail(call, KMIP_REASON_PERMISSION_DENIED,
                                 "too many objects for a ticket");
            wish->objects[wish->objects_len++] = n->bytes;
        } else if (n->type == KMIP_STRUCTURE) {
            TRY(collect(call, n, wish));
        }
    }
    return ERR_OK;
}

enum err kmip_wish_objects(struct kmip_call *call, struct kmip_wish *wish)
{
    if (call->in != NULL)
        TRY(collect(call, call->in, wish));
    const struct kmip_node *named = kmip_child(call->in, KMIP_TAG_UNIQUE_IDENTIFIER);
    const char *placeholder = call->request->placeholder;
    if ((named == NULL || named->type != KMIP_TEXT_STRING) && placeholder[0] != '\0' &&
        wish->objects_len < KMIP_WISH_OBJECTS_MAX)
        wish->objects[wish->objects_len++] = bytes_str(placeholder);
    const char *public = call->request->placeholder_public;
    if (named != NULL && named->type == KMIP_ENUMERATION && public[0] != '\0' &&
        wish->objects_len < KMIP_WISH_OBJECTS_MAX)
        wish->objects[wish->objects_len++] = bytes_str(public);
    return ERR_OK;
}

enum err kmip_wish_groups(struct kmip_call *call, struct kmip_wish *wish)
{
    for (size_t i = 0; i < wish->objects_len; i++) {
        struct vault_object object;
        struct kmip_attrs attrs = {0};
        TRY(kmip_get_object(call, wish->objects[i], &object));
        TRY(kmip_object_attrs(call, &object, &attrs));
        for (const struct kmip_attr *a = kmip_attr_find(&attrs, KMIP_TAG_OBJECT_GROUP);
             a != NULL && wish->groups_len < KMIP_WISH_OBJECTS_MAX; a = kmip_attr_again(a)) {
            wish->groups[wish->groups_len].name = a->value->bytes;
            wish->groups[wish->groups_len++].object = i;
        }
    }
    return ERR_OK;
}
