#include "kmip/codec/node.h"

#include "kmip/codec/table.h"

struct kmip_node *kmip_child(const struct kmip_node *node, uint32_t tag)
{
    if (node == NULL)
        return NULL;
    struct kmip_node *child = node->first;
    while (child != NULL && child->tag != tag)
        child = child->next;
    return child;
}

struct kmip_node *kmip_again(const struct kmip_node *node)
{
    if (node == NULL)
        return NULL;
    struct kmip_node *next = node->next;
    while (next != NULL && next->tag != node->tag)
        next = next->next;
    return next;
}

static bool has_bytes(const struct kmip_node *node)
{
    return node->type == KMIP_TEXT_STRING || node->type == KMIP_BYTE_STRING ||
           node->type == KMIP_BIG_INTEGER;
}

int64_t kmip_num(const struct kmip_node *node, uint32_t tag, int64_t absent)
{
    const struct kmip_node *child = kmip_child(node, tag);
    return child == NULL || child->type == KMIP_STRUCTURE || has_bytes(child) ? absent : child->num;
}

uint32_t kmip_enum(const struct kmip_node *node, uint32_t tag, uint32_t absent)
{
    const struct kmip_node *child = kmip_child(node, tag);
    return child == NULL || child->type != KMIP_ENUMERATION ? absent : (uint32_t)child->num;
}

bool kmip_bool(const struct kmip_node *node, uint32_t tag, bool absent)
{
    const struct kmip_node *child = kmip_child(node, tag);
    return child == NULL || child->type != KMIP_BOOLEAN ? absent : child->num != 0;
}

struct bytes kmip_bytes(const struct kmip_node *node, uint32_t tag)
{
    const struct kmip_node *child = kmip_child(node, tag);
    if (child == NULL || !has_bytes(child))
        return (struct bytes){0};
    return child->bytes;
}

static bool same_value(const struct kmip_node *a, const struct kmip_node *b)
{
    if (a->tag != b->tag || a->type != b->type)
        return false;
    if (a->type == KMIP_STRUCTURE)
        return a->count == b->count;
    return has_bytes(a) ? bytes_equal(a->bytes, b->bytes) : a->num == b->num;
}

bool kmip_equal(const struct kmip_node *a, const struct kmip_node *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    if (!same_value(a, b))
        return false;
    if (a->type != KMIP_STRUCTURE)
        return true;
    /* As deep as the limit of depth lets a message be. */
    const struct kmip_node *y = b->first;
    for (const struct kmip_node *x = a->first; x != NULL; x = x->next, y = y->next)
        if (!kmip_equal(x, y))
            return false;
    return true;
}

void kmip_append(struct kmip_node *parent, struct kmip_node *child)
{
    child->next = NULL;
    if (parent->last == NULL)
        parent->first = child;
    else
        parent->last->next = child;
    parent->last = child;
    parent->count++;
}

void kmip_remove(struct kmip_node *parent, struct kmip_node *child)
{
    struct kmip_node *before = NULL;
    struct kmip_node *at = parent->first;
    while (at != NULL && at != child) {
        before = at;
        at = at->next;
    }
    if (at == NULL)
        return;
    if (before == NULL)
        parent->first = child->next;
    else
        before->next = child->next;
    if (parent->last == child)
        parent->last = before;
    child->next = NULL;
    parent->count--;
}

/* A root is told from a child of a parent that could not be made by `b->err`: after a failure
 * nothing is built any more. */
static struct kmip_node *put(struct kmip_build *b, struct kmip_node *parent, uint32_t tag,
                             enum kmip_type type)
{
    if (b->err != ERR_OK)
        return NULL;
    struct kmip_node *node = arena_take(b->arena, sizeof *node);
    if (node == NULL) {
        b->err = ERR_NO_MEMORY;
        return NULL;
    }
    node->tag = tag;
    node->type = (uint8_t)type;
    node->secret = (parent != NULL && parent->secret) || kmip_tag_secret(tag, node->type);
    if (parent != NULL)
        kmip_append(parent, node);
    return node;
}

struct kmip_node *kmip_put_struct(struct kmip_build *b, struct kmip_node *parent, uint32_t tag)
{
    return put(b, parent, tag, KMIP_STRUCTURE);
}

struct kmip_node *kmip_put_num(struct kmip_build *b, struct kmip_node *parent, uint32_t tag,
                               enum kmip_type type, int64_t value)
{
    struct kmip_node *node = put(b, parent, tag, type);
    if (node != NULL)
        node->num = value;
    return node;
}

struct kmip_node *kmip_put_bytes(struct kmip_build *b, struct kmip_node *parent, uint32_t tag,
                                 enum kmip_type type, struct bytes value)
{
    struct kmip_node *node = put(b, parent, tag, type);
    if (node != NULL)
        node->bytes = bytes_of(value.data == NULL ? (const uint8_t *)"" : value.data, value.len);
    return node;
}

struct kmip_node *kmip_put_bytes_copy(struct kmip_build *b, struct kmip_node *parent, uint32_t tag,
                                      enum kmip_type type, struct bytes value)
{
    if (b->err != ERR_OK)
        return NULL;
    const char *copy = arena_strndup(b->arena, value.data, value.len);
    if (copy == NULL) {
        b->err = ERR_NO_MEMORY;
        return NULL;
    }
    return kmip_put_bytes(b, parent, tag, type, bytes_of(copy, value.len));
}

struct kmip_node *kmip_put_text(struct kmip_build *b, struct kmip_node *parent, uint32_t tag,
                                const char *text)
{
    return kmip_put_bytes_copy(b, parent, tag, KMIP_TEXT_STRING, bytes_str(text));
}

struct kmip_node *kmip_put_copy(struct kmip_build *b, struct kmip_node *parent, uint32_t tag,
                                const struct kmip_node *from)
{
    uint32_t as = tag == 0 ? from->tag : tag;
    if (from->type != KMIP_STRUCTURE)
        return has_bytes(from) ? kmip_put_bytes_copy(b, parent, as, from->type, from->bytes)
                               : kmip_put_num(b, parent, as, from->type, from->num);
    struct kmip_node *node = kmip_put_struct(b, parent, as);
    for (const struct kmip_node *child = from->first; child != NULL && node != NULL;
         child = child->next)
        kmip_put_copy(b, node, 0, child);
    return node;
}
