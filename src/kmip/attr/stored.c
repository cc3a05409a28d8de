#include "kmip/attr/stored.h"

#include "kmip/codec/codec.h"
#include "kmip/codec/table.h"

/* The blob of an object: a structure Attributes whose children are the attributes under their own
 * tags; one with an index other than 0 and custom ones are Attribute structures around the value.
 */

void kmip_stored_put(struct kmip_build *build, struct kmip_node *root, const struct kmip_attr *attr)
{
    if (attr->tag != KMIP_ATTR_CUSTOM && attr->index == 0) {
        kmip_put_copy(build, root, attr->tag, attr->value);
        return;
    }
    struct kmip_node *node = kmip_put_struct(build, root, KMIP_TAG_ATTRIBUTE);
    if (attr->tag == KMIP_ATTR_CUSTOM) {
        kmip_put_bytes(build, node, KMIP_TAG_VENDOR_IDENTIFICATION, KMIP_TEXT_STRING, attr->vendor);
        kmip_put_bytes(build, node, KMIP_TAG_ATTRIBUTE_NAME, KMIP_TEXT_STRING, attr->name);
    }
    kmip_put_int(build, node, KMIP_TAG_ATTRIBUTE_INDEX, attr->index);
    kmip_put_copy(build, node, attr->tag == KMIP_ATTR_CUSTOM ? KMIP_TAG_ATTRIBUTE_VALUE : attr->tag,
                  attr->value);
}

static enum err add_stored(struct kmip_attrs *attrs, struct kmip_node *node)
{
    struct kmip_attr *a = arena_take(attrs->arena, sizeof(*a));
    if (a == NULL)
        return ERR_NO_MEMORY;
    *a = (struct kmip_attr){.tag = node->tag, .value = node};
    if (node->tag == KMIP_TAG_ATTRIBUTE) {
        a->index = (int32_t)kmip_num(node, KMIP_TAG_ATTRIBUTE_INDEX, 0);
        a->vendor = kmip_bytes(node, KMIP_TAG_VENDOR_IDENTIFICATION);
        a->name = kmip_bytes(node, KMIP_TAG_ATTRIBUTE_NAME);
        a->value = node->last;
        if (a->value == NULL)
            return ERR_CORRUPT;
        if (a->vendor.len == 0)
            a->tag = a->value->tag;
    }
    if (attrs->last != NULL)
        attrs->last->next = a;
    else
        attrs->first = a;
    attrs->last = a;
    attrs->count++;
    return ERR_OK;
}

enum err kmip_attrs_decode(struct arena *arena, struct bytes blob, struct kmip_attrs *attrs,
                           struct err_detail *detail)
{
    if (blob.len == 0)
        return ERR_OK;
    struct kmip_node *root = NULL;
    if (kmip_decode(KMIP_TTLV, blob, NULL, arena, &root, detail) != ERR_OK)
        return err_set(detail, ERR_CORRUPT, "attributes of an object can't be read");
    for (struct kmip_node *node = root->first; node != NULL;) {
        struct kmip_node *next = node->next;
        TRY(add_stored(attrs, node));
        node = next;
    }
    return ERR_OK;
}

/* Attributes that are columns, or that the server knows without storing them. */
static const struct {
    uint32_t tag;
    size_t at;
} dates[] = {
    {KMIP_TAG_INITIAL_DATE, offsetof(struct vault_object, initial)},
    {KMIP_TAG_ACTIVATION_DATE, offsetof(struct vault_object, activation)},
    {KMIP_TAG_PROCESS_START_DATE, offsetof(struct vault_object, process_start)},
    {KMIP_TAG_PROTECT_STOP_DATE, offsetof(struct vault_object, protect_stop)},
    {KMIP_TAG_DEACTIVATION_DATE, offsetof(struct vault_object, deactivation)},
    {KMIP_TAG_DESTROY_DATE, offsetof(struct vault_object, destroyed)},
    {KMIP_TAG_COMPROMISE_DATE, offsetof(struct vault_object, compromised)},
    {KMIP_TAG_COMPROMISE_OCCURRENCE_DATE, offsetof(struct vault_object, compromise_occurred)},
    {KMIP_TAG_ARCHIVE_DATE, offsetof(struct vault_object, archive_date)},
    {KMIP_TAG_LAST_CHANGE_DATE, offsetof(struct vault_object, last_change)},
    {KMIP_TAG_ORIGINAL_CREATION_DATE, offsetof(struct vault_object, original_created)},
};

static int64_t *date_of(struct vault_object *object, size_t at)
{
    return (int64_t *)(void *)((char *)object + at);
}

static enum err add_usage(struct kmip_attrs *attrs, const struct vault_object *object)
{
    if (object->usage_total < 0)
        return ERR_OK;
    struct kmip_build build = {.arena = attrs->arena};
    struct kmip_node *node = kmip_put_struct(&build, NULL, KMIP_TAG_USAGE_LIMITS);
    kmip_put_num(&build, node, KMIP_TAG_USAGE_LIMITS_TOTAL, KMIP_LONG_INTEGER, object->usage_total);
    kmip_put_num(&build, node, KMIP_TAG_USAGE_LIMITS_COUNT, KMIP_LONG_INTEGER, object->usage_left);
    kmip_put_enum(&build, node, KMIP_TAG_USAGE_LIMITS_UNIT, object->usage_unit);
    TRY(build.err);
    return kmip_attr_set(attrs, KMIP_TAG_USAGE_LIMITS, node);
}

static enum err add_identity(struct kmip_attrs *attrs, const struct vault_object *object)
{
    struct kmip_build build = {.arena = attrs->arena};
    uint8_t id[8];
    be64_store(id, object->id);
    TRY(kmip_attr_set(attrs, KMIP_TAG_UNIQUE_IDENTIFIER,
                      kmip_put_text(&build, NULL, KMIP_TAG_UNIQUE_IDENTIFIER, object->uid)));
    TRY(kmip_attr_set(attrs, KMIP_TAG_SHORT_UNIQUE_IDENTIFIER,
                      kmip_put_bytes_copy(&build, NULL, KMIP_TAG_SHORT_UNIQUE_IDENTIFIER,
                                          KMIP_BYTE_STRING, BYTES(id))));
    return kmip_attr_add_num(attrs, KMIP_TAG_OBJECT_TYPE, KMIP_ENUMERATION, object->type);
}

static enum err add_columns(struct kmip_attrs *attrs, const struct vault_object *object,
                            int64_t now, uint32_t lease_s)
{
    if (object->alg != 0)
        TRY(kmip_attr_add_num(attrs, KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, KMIP_ENUMERATION,
                              object->alg));
    if (object->bits != 0)
        TRY(kmip_attr_add_num(attrs, KMIP_TAG_CRYPTOGRAPHIC_LENGTH, KMIP_INTEGER, object->bits));
    if (object->mask != 0)
        TRY(kmip_attr_add_num(attrs, KMIP_TAG_CRYPTOGRAPHIC_USAGE_MASK, KMIP_INTEGER,
                              (int32_t)object->mask));
    for (size_t i = 0; i < ARRAY_LEN(dates); i++) {
        const int64_t date = *date_of((struct vault_object *)(uintptr_t)object, dates[i].at);
        if (date != VAULT_NO_DATE)
            TRY(kmip_attr_add_num(attrs, dates[i].tag, KMIP_DATE_TIME, date));
    }
    if (object->type == KMIP_OBJECT_TEMPLATE)
        return ERR_OK;
    TRY(kmip_attr_add_num(attrs, KMIP_TAG_STATE, KMIP_ENUMERATION,
                          vault_object_state(object, now)));
    if (lease_s != 0)
        TRY(kmip_attr_add_num(attrs, KMIP_TAG_LEASE_TIME, KMIP_INTERVAL, lease_s));
    TRY(kmip_attr_add_num(attrs, KMIP_TAG_PROTECTION_STORAGE_MASK, KMIP_INTEGER,
                          object->placement == VAULT_IN_TOKEN
                              ? KMIP_PROTECTION_STORAGE_MASK_HARDWARE
                              : KMIP_PROTECTION_STORAGE_MASK_SOFTWARE));
    return add_usage(attrs, object);
}

enum err kmip_stored_add(struct kmip_attrs *attrs, const struct vault_object *object, int64_t now,
                         uint32_t lease_s)
{
    TRY(add_identity(attrs, object));
    return add_columns(attrs, object, now, lease_s);
}

void kmip_stored_clear(struct vault_object *object)
{
    object->alg = object->bits = object->mask = 0;
    object->usage_total = object->usage_left = -1;
    object->usage_unit = 0;
    for (size_t i = 0; i < ARRAY_LEN(dates); i++)
        *date_of(object, dates[i].at) = VAULT_NO_DATE;
}

bool kmip_stored_column(struct vault_object *object, const struct kmip_attr *a)
{
    const int64_t num = a->value->num;
    for (size_t i = 0; i < ARRAY_LEN(dates); i++)
        if (dates[i].tag == a->tag) {
            *date_of(object, dates[i].at) = num;
            return true;
        }
    switch (a->tag) {
    case KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM: object->alg = (uint32_t)num; return true;
    case KMIP_TAG_CRYPTOGRAPHIC_LENGTH: object->bits = (uint32_t)num; return true;
    case KMIP_TAG_CRYPTOGRAPHIC_USAGE_MASK: object->mask = (uint32_t)num; return true;
    case KMIP_TAG_STATE: object->state = (uint32_t)num; return true;
    case KMIP_TAG_USAGE_LIMITS:
        object->usage_total = kmip_num(a->value, KMIP_TAG_USAGE_LIMITS_TOTAL, -1);
        object->usage_left = kmip_num(a->value, KMIP_TAG_USAGE_LIMITS_COUNT, object->usage_total);
        object->usage_unit = kmip_enum(a->value, KMIP_TAG_USAGE_LIMITS_UNIT, 0);
        return true;
    case KMIP_TAG_UNIQUE_IDENTIFIER:
    case KMIP_TAG_SHORT_UNIQUE_IDENTIFIER:
    case KMIP_TAG_OBJECT_TYPE:
    case KMIP_TAG_LEASE_TIME:
    case KMIP_TAG_PROTECTION_STORAGE_MASK: return true;
    default: return false;
    }
}
