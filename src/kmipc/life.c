#include <stdio.h>

#include "kmipc/kmipc.h"
#include "kmipc/object.h"

/* The life of an object, from Create to Destroy. */

enum { OWN_MAX = 4 };

static enum err create(struct ckmip *kmip, const char *type, const struct ckmip_attribute *own,
                       size_t own_len, const struct ckmip_attribute *attributes, size_t len,
                       ckmip_uid ret_uid)
{
    struct kmipc_call call;
    TRY(kmipc_begin(kmip, KMIP_OP_CREATE, KMIPC_1_0, &call));
    TRY(kmipc_put_name(&call, call.in, KMIP_TAG_OBJECT_TYPE, type));
    TRY(kmipc_put_attributes(&call, KMIP_TAG_TEMPLATE_ATTRIBUTE, KMIP_TAG_ATTRIBUTES, own,
                             own_len));
    for (size_t i = 0; i < len; i++)
        TRY(kmipc_put_attribute(&call, call.in->last, &attributes[i]));
    TRY(kmipc_run(&call));
    return kmipc_take_uid(&call, KMIP_TAG_UNIQUE_IDENTIFIER, ret_uid);
}

int ckmip_create(struct ckmip *kmip, const char *type, const struct ckmip_attribute *attributes,
                 size_t attributes_len, ckmip_uid ret_uid, struct ckmip_error *error)
{
    if (kmip == NULL || type == NULL)
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    ret_uid[0] = '\0';
    return kmipc_end(kmip, create(kmip, type, NULL, 0, attributes, attributes_len, ret_uid), error);
}

int ckmip_create_key(struct ckmip *kmip, const char *algorithm, uint32_t bits, const char *usage,
                     const struct ckmip_attribute *attributes, size_t attributes_len,
                     ckmip_uid ret_uid, struct ckmip_error *error)
{
    char length[16];
    if (kmip == NULL || algorithm == NULL || usage == NULL)
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    (void)snprintf(length, sizeof length, "%u", (unsigned)bits);
    const struct ckmip_attribute own[] = {{"Cryptographic Algorithm", algorithm},
                                          {"Cryptographic Length", length},
                                          {"Cryptographic Usage Mask", usage}};
    ret_uid[0] = '\0';
    return kmipc_end(
        kmip,
        create(kmip, "SymmetricKey", own, ARRAY_LEN(own), attributes, attributes_len, ret_uid),
        error);
}

/* The attributes of one half: usage and name. */
static enum err put_half(struct kmipc_call *call, uint32_t tag_1, uint32_t tag_2, const char *usage,
                         const char *name)
{
    struct ckmip_attribute own[2];
    size_t len = 0;
    if (usage != NULL)
        own[len++] = (struct ckmip_attribute){"Cryptographic Usage Mask", usage};
    if (name != NULL)
        own[len++] = (struct ckmip_attribute){"Name", name};
    return len != 0 ? kmipc_put_attributes(call, tag_1, tag_2, own, len) : ERR_OK;
}

static enum err create_pair(struct ckmip *kmip, const struct ckmip_pair *pair,
                            ckmip_uid ret_private, ckmip_uid ret_public)
{
    struct kmipc_call call;
    char length[16], curve[64];
    struct ckmip_attribute own[OWN_MAX];
    size_t len = 0;
    TRY(kmipc_begin(kmip, KMIP_OP_CREATE_KEY_PAIR, KMIPC_1_0, &call));
    own[len++] = (struct ckmip_attribute){"Cryptographic Algorithm", pair->algorithm};
    if (pair->bits != 0) {
        (void)snprintf(length, sizeof length, "%u", (unsigned)pair->bits);
        own[len++] = (struct ckmip_attribute){"Cryptographic Length", length};
    }
    if (pair->curve != NULL) {
        if (snprintf(curve, sizeof curve, "RecommendedCurve=%s", pair->curve) >= (int)sizeof curve)
            return err_set(&kmip->detail, ERR_ARGUMENT, "'%.64s' is no curve", pair->curve);
        own[len++] = (struct ckmip_attribute){"Cryptographic Domain Parameters", curve};
    }
    TRY(kmipc_put_attributes(&call, KMIP_TAG_COMMON_TEMPLATE_ATTRIBUTE, KMIP_TAG_COMMON_ATTRIBUTES,
                             own, len));
    struct kmip_node *common = call.in->last;
    for (size_t i = 0; i < pair->attributes_len; i++)
        TRY(kmipc_put_attribute(&call, common, &pair->attributes[i]));
    TRY(put_half(&call, KMIP_TAG_PRIVATE_KEY_TEMPLATE_ATTRIBUTE, KMIP_TAG_PRIVATE_KEY_ATTRIBUTES,
                 pair->private_usage, pair->private_name));
    TRY(put_half(&call, KMIP_TAG_PUBLIC_KEY_TEMPLATE_ATTRIBUTE, KMIP_TAG_PUBLIC_KEY_ATTRIBUTES,
                 pair->public_usage, pair->public_name));
    TRY(kmipc_run(&call));
    TRY(kmipc_take_uid(&call, KMIP_TAG_PRIVATE_KEY_UNIQUE_IDENTIFIER, ret_private));
    return kmipc_take_uid(&call, KMIP_TAG_PUBLIC_KEY_UNIQUE_IDENTIFIER, ret_public);
}

int ckmip_create_key_pair(struct ckmip *kmip, const struct ckmip_pair *pair, ckmip_uid ret_private,
                          ckmip_uid ret_public, struct ckmip_error *error)
{
    if (kmip == NULL || pair == NULL || pair->algorithm == NULL)
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    ret_private[0] = ret_public[0] = '\0';
    return kmipc_end(kmip, create_pair(kmip, pair, ret_private, ret_public), error);
}

static enum err register_object(struct ckmip *kmip, const struct ckmip_object *object,
                                const struct ckmip_attribute *attributes, size_t len,
                                ckmip_uid ret_uid)
{
    struct kmipc_call call;
    TRY(kmipc_begin(kmip, KMIP_OP_REGISTER, KMIPC_1_0, &call));
    TRY(kmipc_put_name(&call, call.in, KMIP_TAG_OBJECT_TYPE, object->type));
    TRY(kmipc_put_attributes(&call, KMIP_TAG_TEMPLATE_ATTRIBUTE, KMIP_TAG_ATTRIBUTES, attributes,
                             len));
    TRY(kmipc_put_object(&call, object));
    TRY(kmipc_run(&call));
    return kmipc_take_uid(&call, KMIP_TAG_UNIQUE_IDENTIFIER, ret_uid);
}

int ckmip_register(struct ckmip *kmip, const struct ckmip_object *object,
                   const struct ckmip_attribute *attributes, size_t attributes_len,
                   ckmip_uid ret_uid, struct ckmip_error *error)
{
    if (kmip == NULL || object == NULL || object->type == NULL)
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    ret_uid[0] = '\0';
    return kmipc_end(kmip, register_object(kmip, object, attributes, attributes_len, ret_uid),
                     error);
}

static enum err get(struct ckmip *kmip, const char *uid, const struct ckmip_get_options *options,
                    struct ckmip_object *ret_object)
{
    struct kmipc_call call;
    TRY(kmipc_begin(kmip, KMIP_OP_GET, KMIPC_1_0, &call));
    struct kmip_build *b = &call.build;
    kmipc_put_uid(&call, uid);
    if (options != NULL)
        TRY(kmipc_put_name(&call, call.in, KMIP_TAG_KEY_FORMAT_TYPE, options->format));
    if (options != NULL && options->wrapping_key != NULL) { /* KMIP 1.4, 2.1.6 */
        struct kmip_node *spec = kmip_put_struct(b, call.in, KMIP_TAG_KEY_WRAPPING_SPECIFICATION);
        (void)kmip_put_enum(b, spec, KMIP_TAG_WRAPPING_METHOD, KMIP_WRAPPING_METHOD_ENCRYPT);
        struct kmip_node *key = kmip_put_struct(b, spec, KMIP_TAG_ENCRYPTION_KEY_INFORMATION);
        (void)kmip_put_text(b, key, KMIP_TAG_UNIQUE_IDENTIFIER, options->wrapping_key);
        struct kmip_node *params = kmip_put_struct(b, key, KMIP_TAG_CRYPTOGRAPHIC_PARAMETERS);
        TRY(kmipc_put_name(&call, params, KMIP_TAG_BLOCK_CIPHER_MODE, "NISTKeyWrap"));
        if (call.version >= KMIPC_1_1)
            (void)kmip_put_enum(b, spec, KMIP_TAG_ENCODING_OPTION,
                                KMIP_ENCODING_OPTION_NO_ENCODING);
    }
    TRY(kmipc_run(&call));
    return kmipc_take_object(&call, ret_object);
}

int ckmip_get(struct ckmip *kmip, const char *uid, const struct ckmip_get_options *options,
              struct ckmip_object *ret_object, struct ckmip_error *error)
{
    if (kmip == NULL || uid == NULL || ret_object == NULL)
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    *ret_object = (struct ckmip_object){0};
    return kmipc_end(kmip, get(kmip, uid, options, ret_object), error);
}

static enum err locate(struct ckmip *kmip, const struct ckmip_locate *what,
                       struct ckmip_list *ret_uids, uint32_t *ret_total)
{
    struct kmipc_call call;
    TRY(kmipc_begin(kmip, KMIP_OP_LOCATE, KMIPC_1_0, &call));
    struct kmip_build *b = &call.build;
    if (what->maximum != 0)
        (void)kmip_put_int(b, call.in, KMIP_TAG_MAXIMUM_ITEMS, (int32_t)what->maximum);
    if (what->offset != 0) {
        if (call.version < KMIPC_V(1, 3))
            return err_set(&kmip->detail, ERR_UNSUPPORTED, "an offset comes with KMIP 1.3");
        (void)kmip_put_int(b, call.in, KMIP_TAG_OFFSET_ITEMS, (int32_t)what->offset);
    }
    if (what->archived != 0)
        (void)kmip_put_int(b, call.in, KMIP_TAG_STORAGE_STATUS_MASK,
                           KMIP_STORAGE_STATUS_MASK_ARCHIVAL_STORAGE);
    struct kmip_node *parent = call.in;
    if (kmipc_is_2(&call)) /* 1.x has the Attribute structures in the payload itself */
        parent = kmip_put_struct(b, call.in, KMIP_TAG_ATTRIBUTES);
    for (size_t i = 0; i < what->attributes_len; i++)
        TRY(kmipc_put_attribute(&call, parent, &what->attributes[i]));
    TRY(kmipc_run(&call));
    for (const struct kmip_node *node = kmip_child(call.out, KMIP_TAG_UNIQUE_IDENTIFIER);
         node != NULL; node = kmip_again(node)) {
        if (node->type == KMIP_TEXT_STRING)
            TRY(kmipc_list_add(ret_uids, "UniqueIdentifier", node->bytes));
    }
    int64_t total = kmip_num(call.out, KMIP_TAG_LOCATED_ITEMS, (int64_t)ret_uids->len);
    if (ret_total != NULL)
        *ret_total = total >= 0 && total <= UINT32_MAX ? (uint32_t)total : 0;
    return ERR_OK;
}

int ckmip_locate(struct ckmip *kmip, const struct ckmip_locate *what, struct ckmip_list *ret_uids,
                 uint32_t *ret_total, struct ckmip_error *error)
{
    if (kmip == NULL || what == NULL || ret_uids == NULL)
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    *ret_uids = (struct ckmip_list){0};
    enum err err = locate(kmip, what, ret_uids, ret_total);
    if (err != ERR_OK)
        ckmip_list_free(ret_uids);
    return kmipc_end(kmip, err, error);
}

/* Activate, Destroy: a Unique Identifier and nothing else. */
static enum err by_uid(struct ckmip *kmip, uint32_t operation, const char *uid)
{
    struct kmipc_call call;
    TRY(kmipc_begin(kmip, operation, KMIPC_1_0, &call));
    kmipc_put_uid(&call, uid);
    return kmipc_run(&call);
}

int ckmip_activate(struct ckmip *kmip, const char *uid, struct ckmip_error *error)
{
    if (kmip == NULL || uid == NULL)
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    return kmipc_end(kmip, by_uid(kmip, KMIP_OP_ACTIVATE, uid), error);
}

int ckmip_destroy(struct ckmip *kmip, const char *uid, struct ckmip_error *error)
{
    if (kmip == NULL || uid == NULL)
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    return kmipc_end(kmip, by_uid(kmip, KMIP_OP_DESTROY, uid), error);
}

static enum err revoke(struct ckmip *kmip, const char *uid, const char *reason, const char *message,
                       int64_t compromised)
{
    struct kmipc_call call;
    TRY(kmipc_begin(kmip, KMIP_OP_REVOKE, KMIPC_1_0, &call));
    struct kmip_build *b = &call.build;
    kmipc_put_uid(&call, uid);
    struct kmip_node *node = kmip_put_struct(b, call.in, KMIP_TAG_REVOCATION_REASON);
    TRY(kmipc_put_name(&call, node, KMIP_TAG_REVOCATION_REASON_CODE, reason));
    if (message != NULL)
        (void)kmip_put_text(b, node, KMIP_TAG_REVOCATION_MESSAGE, message);
    if (compromised != 0)
        (void)kmip_put_date(b, call.in, KMIP_TAG_COMPROMISE_OCCURRENCE_DATE, compromised);
    return kmipc_run(&call);
}

int ckmip_revoke(struct ckmip *kmip, const char *uid, const char *reason, const char *message,
                 int64_t compromised, struct ckmip_error *error)
{
    if (kmip == NULL || uid == NULL || reason == NULL)
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    return kmipc_end(kmip, revoke(kmip, uid, reason, message, compromised), error);
}

static enum err rekey(struct ckmip *kmip, const char *uid, int64_t offset, ckmip_uid ret_uid)
{
    struct kmipc_call call;
    TRY(kmipc_begin(kmip, KMIP_OP_RE_KEY, KMIPC_1_0, &call));
    kmipc_put_uid(&call, uid);
    if (offset >= 0)
        (void)kmip_put_num(&call.build, call.in, KMIP_TAG_OFFSET, KMIP_INTERVAL, offset);
    TRY(kmipc_run(&call));
    return kmipc_take_uid(&call, KMIP_TAG_UNIQUE_IDENTIFIER, ret_uid);
}

int ckmip_rekey(struct ckmip *kmip, const char *uid, int64_t offset, ckmip_uid ret_uid,
                struct ckmip_error *error)
{
    if (kmip == NULL || uid == NULL || offset > UINT32_MAX)
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    ret_uid[0] = '\0';
    return kmipc_end(kmip, rekey(kmip, uid, offset, ret_uid), error);
}

static enum err certify(struct ckmip *kmip, const char *uid, struct bytes request,
                        const struct ckmip_attribute *attributes, size_t len, ckmip_uid ret_uid)
{
    static const char dashes[] = "-----BEGIN";
    struct kmipc_call call;
    TRY(kmipc_begin(kmip, KMIP_OP_CERTIFY, KMIPC_1_0, &call));
    struct kmip_build *b = &call.build;
    if (uid != NULL)
        kmipc_put_uid(&call, uid);
    if (request.len != 0) {
        const bool pem =
            request.len > sizeof dashes && memcmp(request.data, dashes, sizeof dashes - 1) == 0;
        (void)kmip_put_enum(b, call.in, KMIP_TAG_CERTIFICATE_REQUEST_TYPE,
                            pem ? KMIP_CERTIFICATE_REQUEST_TYPE_PEM
                                : KMIP_CERTIFICATE_REQUEST_TYPE_PKCS_10);
        (void)kmip_put_bytes_copy(b, call.in,
                                  kmip->version >= KMIPC_2_0 ? KMIP_TAG_CERTIFICATE_REQUEST_VALUE
                                                             : KMIP_TAG_CERTIFICATE_REQUEST,
                                  KMIP_BYTE_STRING, request);
    }
    if (len != 0)
        TRY(kmipc_put_attributes(&call, KMIP_TAG_TEMPLATE_ATTRIBUTE, KMIP_TAG_ATTRIBUTES,
                                 attributes, len));
    TRY(kmipc_run(&call));
    return kmipc_take_uid(&call, KMIP_TAG_UNIQUE_IDENTIFIER, ret_uid);
}

int ckmip_certify(struct ckmip *kmip, const char *uid, const void *request, size_t len,
                  const struct ckmip_attribute *attributes, size_t attributes_len,
                  ckmip_uid ret_uid, struct ckmip_error *error)
{
    if (kmip == NULL || (uid == NULL && request == NULL) || (request == NULL && len != 0))
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    ret_uid[0] = '\0';
    return kmipc_end(
        kmip, certify(kmip, uid, bytes_of(request, len), attributes, attributes_len, ret_uid),
        error);
}
