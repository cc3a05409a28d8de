#include "kmip/attr/attr.h"

#include "kmip/attr/rules.h"
#include "kmip/codec/table.h"
#include "kmip/op/op.h"
#include "kmip/server/config.h"

bool kmip_attr_is(const struct kmip_attr *attr, const struct kmip_attr_ref *ref)
{
    if (attr->tag != ref->tag)
        return false;
    return attr->tag != KMIP_ATTR_CUSTOM ||
           (bytes_equal(attr->vendor, ref->vendor) && bytes_equal(attr->name, ref->name));
}

struct kmip_attr *kmip_attr_find(const struct kmip_attrs *attrs, uint32_t tag)
{
    for (struct kmip_attr *a = attrs->first; a != NULL; a = a->next)
        if (a->tag == tag)
            return a;
    return NULL;
}

struct kmip_attr *kmip_attr_find_ref(const struct kmip_attrs *attrs,
                                     const struct kmip_attr_ref *ref)
{
    for (struct kmip_attr *a = attrs->first; a != NULL; a = a->next)
        if (kmip_attr_is(a, ref))
            return a;
    return NULL;
}

struct kmip_attr *kmip_attr_again(const struct kmip_attr *attr)
{
    const struct kmip_attr_ref ref = {attr->tag, attr->vendor, attr->name};
    for (struct kmip_attr *a = attr->next; a != NULL; a = a->next)
        if (kmip_attr_is(a, &ref))
            return a;
    return NULL;
}

static bool has_bytes(const struct kmip_node *node)
{
    return node->type == KMIP_TEXT_STRING || node->type == KMIP_BYTE_STRING ||
           node->type == KMIP_BIG_INTEGER;
}

int64_t kmip_attr_num(const struct kmip_attrs *attrs, uint32_t tag, int64_t absent)
{
    const struct kmip_attr *a = kmip_attr_find(attrs, tag);
    return a != NULL && !has_bytes(a->value) && a->value->type != KMIP_STRUCTURE ? a->value->num
                                                                                 : absent;
}

struct bytes kmip_attr_bytes(const struct kmip_attrs *attrs, uint32_t tag)
{
    const struct kmip_attr *a = kmip_attr_find(attrs, tag);
    return a != NULL && has_bytes(a->value) ? a->value->bytes : (struct bytes){0};
}

/* Appends an instance as it is; indexes are the caller's. */
static enum err append(struct kmip_attrs *attrs, const struct kmip_attr_ref *ref, int32_t index,
                       struct kmip_node *value, size_t max)
{
    if (attrs->count >= max)
        return ERR_LIMIT;
    if (value == NULL)
        return ERR_NO_MEMORY;
    struct kmip_attr *a = arena_take(attrs->arena, sizeof(*a));
    if (a == NULL)
        return ERR_NO_MEMORY;
    value->tag = ref->tag == KMIP_ATTR_CUSTOM ? KMIP_TAG_ATTRIBUTE_VALUE : ref->tag;
    *a = (struct kmip_attr){
        .tag = ref->tag, .vendor = ref->vendor, .name = ref->name, .index = index, .value = value};
    if (attrs->last != NULL)
        attrs->last->next = a;
    else
        attrs->first = a;
    attrs->last = a;
    attrs->count++;
    return ERR_OK;
}

enum err kmip_attr_add(struct kmip_attrs *attrs, const struct kmip_attr_ref *ref,
                       struct kmip_node *value)
{
    int32_t index = 0;
    for (struct kmip_attr *a = attrs->first; a != NULL; a = a->next)
        if (kmip_attr_is(a, ref) && a->index >= index) {
            if (a->index == INT32_MAX)
                return ERR_LIMIT;
            index = a->index + 1;
        }
    return append(attrs, ref, index, value, KMIP_ATTRIBUTES_MAX);
}

/* One that the server makes, the first of its kind: however many the client brought, there is room
 * for it. */
static enum err add_own(struct kmip_attrs *attrs, uint32_t tag, struct kmip_node *value)
{
    return append(attrs, &(struct kmip_attr_ref){.tag = tag}, 0, value,
                  KMIP_ATTRIBUTES_MAX + KMIP_ATTRIBUTES_OWN);
}

enum err kmip_attr_add_num(struct kmip_attrs *attrs, uint32_t tag, enum kmip_type type,
                           int64_t value)
{
    struct kmip_build build = {.arena = attrs->arena};
    return add_own(attrs, tag, kmip_put_num(&build, NULL, tag, type, value));
}

enum err kmip_attr_set(struct kmip_attrs *attrs, uint32_t tag, struct kmip_node *value)
{
    struct kmip_attr *a = kmip_attr_find(attrs, tag);
    if (a == NULL || value == NULL)
        return add_own(attrs, tag, value);
    value->tag = tag;
    a->value = value;
    return ERR_OK;
}

enum err kmip_attr_set_num(struct kmip_attrs *attrs, uint32_t tag, enum kmip_type type,
                           int64_t value)
{
    struct kmip_build build = {.arena = attrs->arena};
    return kmip_attr_set(attrs, tag, kmip_put_num(&build, NULL, tag, type, value));
}

void kmip_attr_remove(struct kmip_attrs *attrs, struct kmip_attr *attr)
{
    struct kmip_attr *before = NULL;
    for (struct kmip_attr *a = attrs->first; a != NULL; before = a, a = a->next) {
        if (a != attr)
            continue;
        if (before != NULL)
            before->next = a->next;
        else
            attrs->first = a->next;
        if (attrs->last == a)
            attrs->last = before;
        attrs->count--;
        return;
    }
}

void kmip_attr_remove_all(struct kmip_attrs *attrs, uint32_t tag)
{
    for (struct kmip_attr *a = attrs->first; a != NULL;) {
        struct kmip_attr *next = a->next;
        if (a->tag == tag)
            kmip_attr_remove(attrs, a);
        a = next;
    }
}

enum err kmip_attr_add_link(struct kmip_attrs *attrs, uint32_t link_type, const char *uid)
{
    struct kmip_build build = {.arena = attrs->arena};
    struct kmip_node *link = kmip_put_struct(&build, NULL, KMIP_TAG_LINK);
    kmip_put_enum(&build, link, KMIP_TAG_LINK_TYPE, link_type);
    kmip_put_text(&build, link, KMIP_TAG_LINKED_OBJECT_IDENTIFIER, uid);
    TRY(build.err);
    return kmip_attr_add(attrs, &(struct kmip_attr_ref){.tag = KMIP_TAG_LINK}, link);
}

struct bytes kmip_attr_link(const struct kmip_attrs *attrs, uint32_t link_type)
{
    for (struct kmip_attr *a = kmip_attr_find(attrs, KMIP_TAG_LINK); a != NULL;
         a = kmip_attr_again(a))
        if (kmip_enum(a->value, KMIP_TAG_LINK_TYPE, 0) == link_type)
            return kmip_bytes(a->value, KMIP_TAG_LINKED_OBJECT_IDENTIFIER);
    return (struct bytes){0};
}

/* A 1.x name: "x-..." is the client's, "y-..." the server's own (KMIP 1.4, 3.39). */
static struct kmip_attr_ref named(struct bytes name)
{
    if (name.len > 2 && (name.data[0] == 'x' || name.data[0] == 'y') && name.data[1] == '-')
        return (struct kmip_attr_ref){.tag = KMIP_ATTR_CUSTOM,
                                      .vendor = {name.data, 1},
                                      .name = {name.data + 2, name.len - 2}};
    const struct kmip_tag_row *row = kmip_tag_titled(name);
    if (row == NULL || !kmip_attr_exists(row->tag) || row->tag == KMIP_ATTR_CUSTOM)
        return (struct kmip_attr_ref){0};
    return (struct kmip_attr_ref){.tag = row->tag};
}

struct kmip_attr_ref kmip_attr_ref_read(const struct kmip_node *node)
{
    switch (node->type) {
    case KMIP_TEXT_STRING: return named(node->bytes);
    case KMIP_ENUMERATION:
        if (!kmip_attr_exists((uint32_t)node->num) || node->num == KMIP_ATTR_CUSTOM)
            return (struct kmip_attr_ref){0};
        return (struct kmip_attr_ref){.tag = (uint32_t)node->num};
    case KMIP_STRUCTURE: {
        const struct bytes vendor = kmip_bytes(node, KMIP_TAG_VENDOR_IDENTIFICATION);
        const struct bytes name = kmip_bytes(node, KMIP_TAG_ATTRIBUTE_NAME);
        if (vendor.len == 0 || name.len == 0)
            return (struct kmip_attr_ref){0};
        return (struct kmip_attr_ref){.tag = KMIP_ATTR_CUSTOM, .vendor = vendor, .name = name};
    }
    default: return (struct kmip_attr_ref){0};
    }
}

/* A value is of the type the table names for its tag, and an enumeration that is known. */
static enum err check_value(uint32_t tag, const struct kmip_node *value)
{
    if (tag == KMIP_ATTR_CUSTOM)
        return ERR_OK;
    const struct kmip_tag_row *row = kmip_tag_row(tag);
    const unsigned types = row != NULL ? row->types[0] | (unsigned)row->types[1] : 0;
    if (types != 0 && (types >> value->type & 1) == 0)
        return ERR_SYNTAX;
    if (value->type == KMIP_ENUMERATION && row != NULL && row->values != NULL &&
        value->num < 0x80000000 && kmip_enum_row(row->values, (uint32_t)value->num) == NULL)
        return ERR_ARGUMENT;
    return ERR_OK;
}

enum err kmip_attr_read(struct kmip_attrs *attrs, const struct kmip_node *node)
{
    struct kmip_build build = {.arena = attrs->arena};
    struct kmip_attr_ref ref = {.tag = node->tag};
    const struct kmip_node *value = node;
    int64_t index = -1;
    if (node->tag == KMIP_TAG_ATTRIBUTE) {
        if (node->type != KMIP_STRUCTURE)
            return ERR_SYNTAX;
        value = kmip_child(node, KMIP_TAG_ATTRIBUTE_VALUE);
        if (kmip_child(node, KMIP_TAG_VENDOR_IDENTIFICATION) != NULL)
            ref = kmip_attr_ref_read(node);
        else
            ref = named(kmip_bytes(node, KMIP_TAG_ATTRIBUTE_NAME));
        index = kmip_num(node, KMIP_TAG_ATTRIBUTE_INDEX, -1);
        if (index < 0 && kmip_child(node, KMIP_TAG_ATTRIBUTE_INDEX) != NULL)
            return ERR_SYNTAX;
    }
    if (ref.tag == 0 || !kmip_attr_exists(ref.tag))
        return ERR_NOT_FOUND;
    if (value == NULL)
        return ERR_SYNTAX;
    TRY(check_value(ref.tag, value));
    struct kmip_node *copy = kmip_put_copy(&build, NULL, 0, value);
    TRY(build.err);
    if (index < 0 || index > INT32_MAX)
        return kmip_attr_add(attrs, &ref, copy);
    for (const struct kmip_attr *a = attrs->first; a != NULL; a = a->next)
        if (kmip_attr_is(a, &ref) && a->index == index)
            return ERR_EXISTS;
    return append(attrs, &ref, (int32_t)index, copy, KMIP_ATTRIBUTES_MAX);
}

bool kmip_attr_known(uint16_t version, const struct kmip_attr *attr)
{
    /* 1.x has names for two vendors only */
    if (attr->tag == KMIP_ATTR_CUSTOM)
        return version >= KMIP_2_0 || (attr->vendor.len == 1 && (attr->vendor.data[0] == 'x' ||
                                                                 attr->vendor.data[0] == 'y'));
    return kmip_attribute_in(kmip_attribute_row(attr->tag), version);
}

static void put_name(struct kmip_build *build, struct kmip_node *parent,
                     const struct kmip_attr *attr)
{
    if (attr->tag != KMIP_ATTR_CUSTOM) {
        kmip_put_text(build, parent, KMIP_TAG_ATTRIBUTE_NAME, kmip_tag_row(attr->tag)->title);
        return;
    }
    char *name = arena_take(build->arena, attr->name.len + 3);
    if (name == NULL) {
        build->err = ERR_NO_MEMORY;
        return;
    }
    name[0] = (char)attr->vendor.data[0];
    name[1] = '-';
    memcpy(name + 2, attr->name.data, attr->name.len);
    kmip_put_bytes(build, parent, KMIP_TAG_ATTRIBUTE_NAME, KMIP_TEXT_STRING,
                   bytes_of(name, attr->name.len + 2));
}

void kmip_attr_put(struct kmip_build *build, struct kmip_node *parent, uint16_t version,
                   const struct kmip_attr *attr)
{
    if (!kmip_attr_known(version, attr))
        return;
    if (version >= KMIP_2_0 && attr->tag != KMIP_ATTR_CUSTOM) {
        kmip_put_copy(build, parent, attr->tag, attr->value);
        return;
    }
    struct kmip_node *node = kmip_put_struct(build, parent, KMIP_TAG_ATTRIBUTE);
    if (version >= KMIP_2_0) {
        kmip_put_bytes(build, node, KMIP_TAG_VENDOR_IDENTIFICATION, KMIP_TEXT_STRING, attr->vendor);
        kmip_put_bytes(build, node, KMIP_TAG_ATTRIBUTE_NAME, KMIP_TEXT_STRING, attr->name);
    } else {
        put_name(build, node, attr);
        /* KMIP 1.4, 2.1.1: the index is left out where it is 0 */
        if (attr->index != 0)
            kmip_put_int(build, node, KMIP_TAG_ATTRIBUTE_INDEX, attr->index);
    }
    kmip_put_copy(build, node, KMIP_TAG_ATTRIBUTE_VALUE, attr->value);
}

void kmip_attr_put_ref(struct kmip_build *build, struct kmip_node *parent, uint16_t version,
                       const struct kmip_attr *attr)
{
    if (!kmip_attr_known(version, attr))
        return;
    if (version < KMIP_2_0) {
        put_name(build, parent, attr);
    } else if (attr->tag != KMIP_ATTR_CUSTOM) {
        kmip_put_enum(build, parent, KMIP_TAG_ATTRIBUTE_REFERENCE, attr->tag);
    } else {
        struct kmip_node *node = kmip_put_struct(build, parent, KMIP_TAG_ATTRIBUTE_REFERENCE);
        kmip_put_bytes(build, node, KMIP_TAG_VENDOR_IDENTIFICATION, KMIP_TEXT_STRING, attr->vendor);
        kmip_put_bytes(build, node, KMIP_TAG_ATTRIBUTE_NAME, KMIP_TEXT_STRING, attr->name);
    }
}
