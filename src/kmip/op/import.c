#include "kmip/codec/table.h"
#include "kmip/op/ops.h"
#include "kmip/op/placement.h"
#include "kmip/op/register.h"
#include "kmip/op/value.h"

/* Import and Export (KMIP 1.4, 4.42, 4.43; 2.1, 6.1.26, 6.1.18). */

/* 1.4 has the attributes in the payload itself, 2.0 has Attributes. */
static struct kmip_node *attributes_of(struct kmip_call *call)
{
    struct kmip_build *b = kmip_out(call);
    if (call->request->version >= KMIP_2_0)
        return kmip_child(call->in, KMIP_TAG_ATTRIBUTES);
    struct kmip_node *list = kmip_put_struct(b, NULL, KMIP_TAG_TEMPLATE_ATTRIBUTE);
    for (const struct kmip_node *n = kmip_child(call->in, KMIP_TAG_ATTRIBUTE); n != NULL;
         n = kmip_again(n))
        kmip_put_copy(b, list, 0, n);
    return list;
}

/* What is this server's to know, whatever the exporter's said. */
static void forget_foreign(struct kmip_attrs *attrs)
{
    static const uint32_t tags[] = {
        KMIP_TAG_UNIQUE_IDENTIFIER, KMIP_TAG_SHORT_UNIQUE_IDENTIFIER, KMIP_TAG_OBJECT_TYPE,
        KMIP_TAG_LEASE_TIME,        KMIP_TAG_PROTECTION_STORAGE_MASK, KMIP_TAG_DIGEST,
        KMIP_TAG_KEY_FORMAT_TYPE,   KMIP_TAG_KEY_VALUE_PRESENT,       KMIP_TAG_ARCHIVE_DATE,
        KMIP_TAG_CERTIFICATE_LENGTH};
    for (size_t i = 0; i < ARRAY_LEN(tags); i++)
        kmip_attr_remove_all(attrs, tags[i]);
}

/* The identifier the client brings: new, or one that it may replace. */
static enum err take_uid(struct kmip_call *call, struct kmip_new *new)
{
    struct vault_object old;
    const struct kmip_node *node = kmip_child(call->in, KMIP_TAG_UNIQUE_IDENTIFIER);
    if (node == NULL || node->type != KMIP_TEXT_STRING || node->bytes.len == 0 ||
        node->bytes.len > VAULT_UID_MAX || memchr(node->bytes.data, 0, node->bytes.len) != NULL)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "no Unique Identifier to import under");
    memset(new->object.uid, 0, sizeof(new->object.uid));
    memcpy(new->object.uid, node->bytes.data, node->bytes.len);
    const enum err err = kmip_get_object(call, node->bytes, &old);
    if (err != ERR_OK) {
        if (call->reason != KMIP_REASON_OBJECT_NOT_FOUND)
            return err;
        call->reason = 0;
        call->message = NULL;
        call->detail = (struct err_detail){0};
        return ERR_OK;
    }
    if (!kmip_bool(call->in, KMIP_TAG_REPLACE_EXISTING, false))
        return kmip_fail(call, KMIP_REASON_OBJECT_ALREADY_EXISTS,
                         "an object with this Unique Identifier is there");
    TRY(kmip_may(call, VAULT_MAY_DESTROY));
    new->object.id = old.id;
    new->object.version = old.version;
    new->object.owner = old.owner;
    new->object.group = old.group;
    new->replaces = true;
    return ERR_OK;
}

static enum err import(struct kmip_call *call, struct kmip_new *new)
{
    const struct kmip_node *const containers[] = {attributes_of(call)};
    TRY(kmip_out(call)->err);
    TRY(kmip_new_begin(call, kmip_enum(call->in, KMIP_TAG_OBJECT_TYPE, 0), containers, 1, new));
    TRY(take_uid(call, new));
    forget_foreign(&new->attrs);
    TRY(kmip_place(call, new, NULL));
    enum err err = kmip_register_value(call, new);
    if (err == ERR_OK)
        err = kmip_new_insert(call, new, 1, NULL, NULL);
    if (err != ERR_OK)
        kmip_new_abandon(call, new);
    return err;
}

enum err kmip_op_import(struct kmip_call *call)
{
    struct kmip_new new = {0};
    const enum err err = import(call, &new);
    if (err == ERR_OK)
        kmip_put_uid(call, new.object.uid);
    kmip_new_done(&new);
    return err;
}

enum err kmip_op_export(struct kmip_call *call)
{
    struct vault_object object;
    struct kmip_attrs attrs;
    const uint16_t version = call->request->version;
    const struct kmip_value_as as = {
        .format = kmip_enum(call->in, KMIP_TAG_KEY_FORMAT_TYPE, 0),
        .compression = kmip_enum(call->in, KMIP_TAG_KEY_COMPRESSION_TYPE, 0),
        .wrapping = kmip_child(call->in, KMIP_TAG_KEY_WRAPPING_SPECIFICATION),
    };
    TRY(kmip_may(call, VAULT_MAY_READ));
    TRY(kmip_find_object(call, &object));
    TRY(kmip_gettable(call, &object));
    TRY(kmip_object_attrs(call, &object, &attrs));
    kmip_put_enum(kmip_out(call), call->out, KMIP_TAG_OBJECT_TYPE, object.type);
    kmip_put_uid(call, object.uid);
    struct kmip_node *to = version >= KMIP_2_0
                               ? kmip_put_struct(kmip_out(call), call->out, KMIP_TAG_ATTRIBUTES)
                               : call->out;
    for (const struct kmip_attr *a = attrs.first; a != NULL; a = a->next)
        kmip_attr_put(kmip_out(call), to, version, a);
    TRY(kmip_value_put(call, &object, &attrs, &as));
    return kmip_served_now(call, &object, &attrs);
}
