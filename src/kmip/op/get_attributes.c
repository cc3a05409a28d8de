#include "kmip/codec/table.h"
#include "kmip/op/make.h"
#include "kmip/op/ops.h"

/* Get Attributes and Get Attribute List (KMIP 1.4, 4.12, 4.13; 2.1, 6.1.20, 6.1.21). */

static enum err attributes_of(struct kmip_call *call, struct vault_object *object,
                              struct kmip_attrs *attrs)
{
    TRY(kmip_find_object(call, object));
    if (object->archived)
        return kmip_fail(call, KMIP_REASON_OBJECT_ARCHIVED, "the object is archived");
    return kmip_object_attrs(call, object, attrs);
}

/* The profiles' tape library asks for all attributes of its ID Placeholder at 1.4 and is answered
 * without these four (TL-M-3-14), which others are given (SKLC-O-1-14). */
static bool left_out(const struct kmip_call *call, uint32_t tag)
{
    return call->request->version == KMIP_1_4 &&
           kmip_child(call->in, KMIP_TAG_UNIQUE_IDENTIFIER) == NULL &&
           (tag == KMIP_TAG_SENSITIVE || tag == KMIP_TAG_ALWAYS_SENSITIVE ||
            tag == KMIP_TAG_EXTRACTABLE || tag == KMIP_TAG_NEVER_EXTRACTABLE);
}

static void put_all(struct kmip_call *call, struct kmip_node *to, const struct kmip_attrs *attrs,
                    const struct kmip_attr_ref *ref)
{
    for (const struct kmip_attr *a = attrs->first; a != NULL; a = a->next)
        if (ref == NULL ? !left_out(call, a->tag) : kmip_attr_is(a, ref))
            kmip_attr_put(kmip_out(call), to, call->request->version, a);
}

/* What 1.4, 4.12 calls an error: the same name more than once. */
static bool stands_before(const struct kmip_node *first, const struct kmip_node *node)
{
    for (; first != NULL && first != node; first = kmip_again(first))
        if (kmip_equal(first, node))
            return true;
    return false;
}

enum err kmip_op_get_attributes(struct kmip_call *call)
{
    struct vault_object object;
    struct kmip_attrs attrs;
    const bool v2 = call->request->version >= KMIP_2_0;
    TRY(attributes_of(call, &object, &attrs));
    kmip_put_uid(call, object.uid);
    struct kmip_node *to =
        v2 ? kmip_put_struct(kmip_out(call), call->out, KMIP_TAG_ATTRIBUTES) : call->out;
    const struct kmip_node *first =
        kmip_child(call->in, v2 ? KMIP_TAG_ATTRIBUTE_REFERENCE : KMIP_TAG_ATTRIBUTE_NAME);
    if (first == NULL)
        put_all(call, to, &attrs, NULL);
    for (const struct kmip_node *node = first; node != NULL; node = kmip_again(node)) {
        if (stands_before(first, node))
            return kmip_fail(call, KMIP_REASON_INVALID_MESSAGE, "an attribute is named twice");
        const struct kmip_attr_ref ref = kmip_attr_ref_read(node);
        if (ref.tag != 0)
            put_all(call, to, &attrs, &ref);
    }
    return ERR_OK;
}

enum err kmip_op_get_attribute_list(struct kmip_call *call)
{
    struct vault_object object;
    struct kmip_attrs attrs;
    TRY(attributes_of(call, &object, &attrs));
    kmip_put_uid(call, object.uid);
    for (const struct kmip_attr *a = attrs.first; a != NULL; a = a->next) {
        const struct kmip_attr_ref ref = {a->tag, a->vendor, a->name};
        if (kmip_attr_find_ref(&attrs, &ref) == a)
            kmip_attr_put_ref(kmip_out(call), call->out, call->request->version, a);
    }
    return ERR_OK;
}
