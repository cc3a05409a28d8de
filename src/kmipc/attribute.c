#include <stdio.h>
#include <strings.h>

#include "kmipc/kmipc.h"

/* Attributes in the two ways of the versions: Attribute structures with a name as text (KMIP 1.4,
 * 2.1.1), or items of their own tags (2.1, 4). */

/* "x-rack", "y-rack", and any name with a vendor before a dash that is no attribute's. */
static bool is_custom(const char *name)
{
    return (name[0] == 'x' || name[0] == 'y') && name[1] == '-' && name[2] != '\0';
}

static enum err find_tag(struct kmipc_call *call, const char *name, uint32_t *ret_tag)
{
    *ret_tag = is_custom(name) ? KMIP_TAG_ATTRIBUTE : kmipc_tag(name);
    return *ret_tag != 0 ? ERR_OK
                         : err_set(&call->kmip->detail, ERR_ARGUMENT,
                                   "'%.64s' is no attribute; a custom one is named x-...", name);
}

/* 2.x: what 1.x calls x-rack is the vendor x's attribute rack. */
static void put_vendor_name(struct kmipc_call *call, struct kmip_node *node, const char *name)
{
    struct kmip_build *b = &call->build;
    (void)kmip_put_bytes_copy(b, node, KMIP_TAG_VENDOR_IDENTIFICATION, KMIP_TEXT_STRING,
                              bytes_of(name, 1));
    (void)kmip_put_text(b, node, KMIP_TAG_ATTRIBUTE_NAME, name + 2);
}

enum err kmipc_put_attribute(struct kmipc_call *call, struct kmip_node *parent,
                             const struct ckmip_attribute *attribute)
{
    struct kmip_build *b = &call->build;
    uint32_t tag = 0;
    TRY(find_tag(call, attribute->name, &tag));
    bool custom = tag == KMIP_TAG_ATTRIBUTE;
    if (kmipc_is_2(call) && !custom)
        return kmipc_put_value(call, parent, tag, tag, attribute->value);
    struct kmip_node *node = kmip_put_struct(b, parent, KMIP_TAG_ATTRIBUTE);
    if (kmipc_is_2(call))
        put_vendor_name(call, node, attribute->name);
    else
        (void)kmip_put_text(b, node, KMIP_TAG_ATTRIBUTE_NAME,
                            custom ? attribute->name : kmip_tag_row(tag)->title);
    if (custom)
        return kmipc_put_custom(call, node, attribute->value);
    return kmipc_put_value(call, node, KMIP_TAG_ATTRIBUTE_VALUE, tag, attribute->value);
}

enum err kmipc_put_attributes(struct kmipc_call *call, uint32_t tag_1, uint32_t tag_2,
                              const struct ckmip_attribute *attributes, size_t len)
{
    struct kmip_node *node =
        kmip_put_struct(&call->build, call->in, kmipc_is_2(call) ? tag_2 : tag_1);
    for (size_t i = 0; i < len; i++)
        TRY(kmipc_put_attribute(call, node, &attributes[i]));
    return call->build.err;
}

enum err kmipc_put_attribute_name(struct kmipc_call *call, const char *name)
{
    struct kmip_build *b = &call->build;
    uint32_t tag = 0;
    TRY(find_tag(call, name, &tag));
    bool custom = tag == KMIP_TAG_ATTRIBUTE;
    if (!kmipc_is_2(call))
        (void)kmip_put_text(b, call->in, KMIP_TAG_ATTRIBUTE_NAME,
                            custom ? name : kmip_tag_row(tag)->title);
    else if (custom)
        put_vendor_name(call, kmip_put_struct(b, call->in, KMIP_TAG_ATTRIBUTE_REFERENCE), name);
    else /* 2.1, 4.3: an enumeration of tags stands for the structure */
        (void)kmip_put_enum(b, call->in, KMIP_TAG_ATTRIBUTE_REFERENCE, tag);
    return b->err;
}

static enum err add(struct ckmip_list *list, const char *name, const struct kmip_node *parent,
                    const struct kmip_node *value)
{
    AUTO(buf_done) struct buf text = {0};
    TRY(kmipc_format(parent, value, &text));
    return kmipc_list_add(list, name, buf_view(&text));
}

/* An Attribute structure, of 1.x or a vendor's of 2.x. */
static enum err take_named(const struct kmip_node *node, struct ckmip_list *list)
{
    char text[160];
    struct bytes name = kmip_bytes(node, KMIP_TAG_ATTRIBUTE_NAME);
    struct bytes vendor = kmip_bytes(node, KMIP_TAG_VENDOR_IDENTIFICATION);
    const struct kmip_node *value = kmip_child(node, KMIP_TAG_ATTRIBUTE_VALUE);
    if (name.len == 0 || value == NULL)
        return ERR_OK;
    (void)snprintf(text, sizeof text, "%.*s%s%.*s", (int)(vendor.len < 64 ? vendor.len : 64),
                   vendor.len != 0 ? (const char *)vendor.data : "", vendor.len != 0 ? "-" : "",
                   (int)(name.len < 80 ? name.len : 80), (const char *)name.data);
    return add(list, text, node, value);
}

enum err kmipc_take_attributes(const struct kmipc_call *call, struct ckmip_list *list)
{
    const struct kmip_node *in = call->out;
    char text[16];
    if (kmipc_is_2(call))
        in = kmip_child(in, KMIP_TAG_ATTRIBUTES);
    for (const struct kmip_node *node = in != NULL ? in->first : NULL; node != NULL;
         node = node->next) {
        if (node->tag == KMIP_TAG_ATTRIBUTE) {
            TRY(take_named(node, list));
        } else if (kmipc_is_2(call)) {
            const struct kmip_tag_row *row = kmip_tag_row(node->tag);
            TRY(add(list, row != NULL ? row->title : kmip_tag_name(node->tag, text), in, node));
        }
    }
    return ERR_OK;
}
