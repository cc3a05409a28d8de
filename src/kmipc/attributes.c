#include "kmipc/kmipc.h"

/* Reading and changing the attributes of an object. */

static enum err get_attributes(struct ckmip *kmip, const char *uid, const char *const *names,
                               size_t names_len, struct ckmip_list *list)
{
    struct kmipc_call call;
    TRY(kmipc_begin(kmip, KMIP_OP_GET_ATTRIBUTES, KMIPC_1_0, &call));
    kmipc_put_uid(&call, uid);
    for (size_t i = 0; i < names_len; i++)
        TRY(kmipc_put_attribute_name(&call, names[i]));
    TRY(kmipc_run(&call));
    return kmipc_take_attributes(&call, list);
}

int ckmip_get_attributes(struct ckmip *kmip, const char *uid, const char *const *names,
                         size_t names_len, struct ckmip_list *ret_attributes,
                         struct ckmip_error *error)
{
    if (kmip == NULL || uid == NULL || ret_attributes == NULL || (names == NULL && names_len != 0))
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    *ret_attributes = (struct ckmip_list){0};
    enum err err = get_attributes(kmip, uid, names, names_len, ret_attributes);
    if (err != ERR_OK)
        ckmip_list_free(ret_attributes);
    return kmipc_end(kmip, err, error);
}

/* 2.x has the attribute in a New Attribute, 1.x as it is. */
static enum err change(struct ckmip *kmip, uint32_t operation, const char *uid,
                       const struct ckmip_attribute *attribute)
{
    struct kmipc_call call;
    TRY(kmipc_begin(kmip, operation, KMIPC_1_0, &call));
    kmipc_put_uid(&call, uid);
    struct kmip_node *parent = call.in;
    if (kmipc_is_2(&call))
        parent = kmip_put_struct(&call.build, call.in, KMIP_TAG_NEW_ATTRIBUTE);
    TRY(kmipc_put_attribute(&call, parent, attribute));
    return kmipc_run(&call);
}

static bool is_attribute(const struct ckmip_attribute *attribute)
{
    return attribute != NULL && attribute->name != NULL && attribute->value != NULL;
}

int ckmip_add_attribute(struct ckmip *kmip, const char *uid,
                        const struct ckmip_attribute *attribute, struct ckmip_error *error)
{
    if (kmip == NULL || uid == NULL || !is_attribute(attribute))
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    return kmipc_end(kmip, change(kmip, KMIP_OP_ADD_ATTRIBUTE, uid, attribute), error);
}

int ckmip_modify_attribute(struct ckmip *kmip, const char *uid,
                           const struct ckmip_attribute *attribute, struct ckmip_error *error)
{
    if (kmip == NULL || uid == NULL || !is_attribute(attribute))
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    return kmipc_end(kmip, change(kmip, KMIP_OP_MODIFY_ATTRIBUTE, uid, attribute), error);
}

static enum err delete_attribute(struct ckmip *kmip, const char *uid, const char *name,
                                 const char *value)
{
    struct kmipc_call call;
    TRY(kmipc_begin(kmip, KMIP_OP_DELETE_ATTRIBUTE, KMIPC_1_0, &call));
    kmipc_put_uid(&call, uid);
    if (value == NULL) {
        TRY(kmipc_put_attribute_name(&call, name));
        return kmipc_run(&call);
    }
    if (!kmipc_is_2(&call))
        return err_set(&kmip->detail, ERR_UNSUPPORTED,
                       "deleting the instance that has a value comes with KMIP 2.0");
    struct kmip_node *parent = kmip_put_struct(&call.build, call.in, KMIP_TAG_CURRENT_ATTRIBUTE);
    TRY(kmipc_put_attribute(&call, parent, &(struct ckmip_attribute){name, value}));
    return kmipc_run(&call);
}

int ckmip_delete_attribute(struct ckmip *kmip, const char *uid, const char *name, const char *value,
                           struct ckmip_error *error)
{
    if (kmip == NULL || uid == NULL || name == NULL)
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    return kmipc_end(kmip, delete_attribute(kmip, uid, name, value), error);
}
