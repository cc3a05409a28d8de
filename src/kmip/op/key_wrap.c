#include "kmip/op/key_wrap.h"

#include "kmip/attr/rules.h"
#include "kmip/codec/codec.h"
#include "kmip/op/key_use.h"
#include "kmip/op/refuse.h"
#include "kmip_enums.h"
#include "kmip_tags.h"

/* One of the keys that wrap: Encryption Key Information or MAC/Signature Key Information. */
struct wrapper {
    const struct kmip_node *info; /* NULL: there is none */
    struct vault_object object;
    struct keeper_object keeper;
    struct kmip_params params;
    struct bytes spki; /* where it is a public key */
};

struct plan {
    uint32_t method, encoding;
    struct wrapper encrypt, mac;
};

/* Reasons of their own for a wrapping key that can't be had (KMIP 2.1, 6.1.19 and 6.1.21). */
static enum err find_wrapper(struct kmip_call *call, struct bytes uid, struct vault_object *object)
{
    enum err err = kmip_get_object(call, uid, object);
    if (call->reason == KMIP_REASON_ITEM_NOT_FOUND || call->reason == KMIP_REASON_OBJECT_NOT_FOUND)
        return kmip_fail(call, KMIP_REASON_WRAPPING_OBJECT_NOT_FOUND,
                         "there is no such wrapping key");
    TRY(err);
    if (object->archived)
        return kmip_fail(call, KMIP_REASON_WRAPPING_OBJECT_ARCHIVED,
                         "the wrapping key is archived");
    uint32_t state = vault_object_state(object, call->request->now);
    if (state == KMIP_STATE_DESTROYED || state == KMIP_STATE_DESTROYED_COMPROMISED)
        return kmip_fail(call, KMIP_REASON_WRAPPING_OBJECT_DESTROYED,
                         "the wrapping key is destroyed");
    return ERR_OK;
}

/* The other half of a pair, where `type` is what is wanted. */
static enum err other_half(struct kmip_call *call, uint32_t link, struct vault_object *object)
{
    struct kmip_attrs attrs = {0};
    TRY(kmip_object_attrs(call, object, &attrs));
    struct bytes uid = kmip_attr_link(&attrs, link);
    if (uid.len == 0)
        return kmip_wrong_type(call);
    return find_wrapper(call, uid, object);
}

static bool covers(const struct kmip_node *instance, const struct kmip_node *given)
{
    for (const struct kmip_node *field = given->first; field != NULL; field = field->next) {
        const struct kmip_node *have = kmip_child(instance, field->tag);
        if (have == NULL || !kmip_equal(have, field))
            return false;
    }
    return true;
}

/* KMIP 2.1, 7.18: parameters that are given must be among those of the key. A key that has none is
 * taken at the client's word, as clients don't register key-encrypting keys with parameters. */
static enum err check_given(struct kmip_call *call, const struct wrapper *wrapper)
{
    const struct kmip_node *given = kmip_child(wrapper->info, KMIP_TAG_CRYPTOGRAPHIC_PARAMETERS);
    if (given == NULL)
        return ERR_OK;
    struct kmip_attrs attrs = {0};
    TRY(kmip_object_attrs(call, &wrapper->object, &attrs));
    const struct kmip_attr *attr = kmip_attr_find(&attrs, KMIP_TAG_CRYPTOGRAPHIC_PARAMETERS);
    bool any = attr != NULL;
    for (; attr != NULL; attr = kmip_attr_again(attr))
        if (covers(attr->value, given))
            return ERR_OK;
    if (any)
        return kmip_fail(call, KMIP_REASON_BAD_CRYPTOGRAPHIC_PARAMETERS,
                         "the parameters are none of the wrapping key's");
    return ERR_OK;
}

static enum err read_wrapper(struct kmip_call *call, const struct kmip_node *info,
                             enum crypto_op op, struct wrapper *wrapper)
{
    wrapper->info = info;
    struct bytes uid = kmip_bytes(info, KMIP_TAG_UNIQUE_IDENTIFIER);
    if (uid.len == 0)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "no wrapping key is named");
    TRY(find_wrapper(call, uid, &wrapper->object));
    struct vault_object *object = &wrapper->object;
    /* A client names either half of a pair (KMIP 2.1, 3.3). */
    if (op == CRYPTO_DECRYPT && object->type == KMIP_OBJECT_PUBLIC_KEY)
        TRY(other_half(call, KMIP_LINK_TYPE_PRIVATE_KEY_LINK, object));
    if (op == CRYPTO_MAC && object->type == KMIP_OBJECT_PUBLIC_KEY)
        TRY(other_half(call, KMIP_LINK_TYPE_PRIVATE_KEY_LINK, object));
    if (op == CRYPTO_MAC_VERIFY && object->type == KMIP_OBJECT_PRIVATE_KEY)
        TRY(other_half(call, KMIP_LINK_TYPE_PUBLIC_KEY_LINK, object));
    bool secret =
        object->type == KMIP_OBJECT_SYMMETRIC_KEY || object->type == KMIP_OBJECT_PRIVATE_KEY;
    if (!secret)
        TRY(kmip_object_spki(call, object, &wrapper->spki));
    wrapper->keeper = kmip_keeper_object(object);
    bool signs = op >= CRYPTO_MAC && object->type != KMIP_OBJECT_SYMMETRIC_KEY;
    return kmip_use_params(call, object, kmip_child(info, KMIP_TAG_CRYPTOGRAPHIC_PARAMETERS),
                           signs ? CRYPTO_SIGN : op, &wrapper->params);
}

static enum err check_encrypter(struct kmip_call *call, const struct wrapper *w, bool wrapping)
{
    bool symmetric = w->object.type == KMIP_OBJECT_SYMMETRIC_KEY;
    bool pair = wrapping ? w->spki.data != NULL : w->object.type == KMIP_OBJECT_PRIVATE_KEY;
    if (!symmetric && !pair)
        return kmip_wrong_type(call);
    return kmip_may_use(call, &w->object, wrapping ? KMIP_MASK_WRAP_KEY : KMIP_MASK_UNWRAP_KEY,
                        wrapping);
}

static enum err check_mac(struct kmip_call *call, const struct wrapper *w, bool wrapping)
{
    uint32_t mask = 0;
    if (w->object.type == KMIP_OBJECT_SYMMETRIC_KEY)
        mask = wrapping ? KMIP_MASK_MAC_GENERATE : KMIP_MASK_MAC_VERIFY;
    else if (wrapping && w->object.type == KMIP_OBJECT_PRIVATE_KEY)
        mask = KMIP_MASK_SIGN;
    else if (!wrapping && w->spki.data != NULL)
        mask = KMIP_MASK_VERIFY;
    if (mask == 0)
        return kmip_wrong_type(call);
    return kmip_may_use(call, &w->object, mask, wrapping);
}

static enum err read_plan(struct kmip_call *call, const struct kmip_node *node, bool wrapping,
                          struct plan *plan)
{
    plan->method = kmip_enum(node, KMIP_TAG_WRAPPING_METHOD, 0);
    plan->encoding = kmip_enum(node, KMIP_TAG_ENCODING_OPTION, KMIP_ENCODING_OPTION_TTLV_ENCODING);
    if (plan->encoding != KMIP_ENCODING_OPTION_TTLV_ENCODING &&
        plan->encoding != KMIP_ENCODING_OPTION_NO_ENCODING)
        return kmip_fail(call, KMIP_REASON_ENCODING_OPTION_ERROR, "no such Encoding Option");
    if (plan->method < KMIP_WRAPPING_METHOD_ENCRYPT ||
        plan->method > KMIP_WRAPPING_METHOD_MAC_SIGN_THEN_ENCRYPT)
        return kmip_fail(call, KMIP_REASON_FEATURE_NOT_SUPPORTED,
                         "this Wrapping Method is not served");
    bool encrypts = plan->method != KMIP_WRAPPING_METHOD_MAC_SIGN;
    bool macs = plan->method != KMIP_WRAPPING_METHOD_ENCRYPT;
    const struct kmip_node *encrypt = kmip_child(node, KMIP_TAG_ENCRYPTION_KEY_INFORMATION);
    const struct kmip_node *mac = kmip_child(node, KMIP_TAG_MAC_SIGNATURE_KEY_INFORMATION);
    if (encrypts != (encrypt != NULL) || macs != (mac != NULL))
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD,
                         "the key information does not go with the Wrapping Method");
    if (encrypts) {
        TRY(read_wrapper(call, encrypt, wrapping ? CRYPTO_ENCRYPT : CRYPTO_DECRYPT,
                         &plan->encrypt));
        TRY(check_encrypter(call, &plan->encrypt, wrapping));
    }
    if (macs) {
        TRY(read_wrapper(call, mac, wrapping ? CRYPTO_MAC : CRYPTO_MAC_VERIFY, &plan->mac));
        TRY(check_mac(call, &plan->mac, wrapping));
    }
    return ERR_OK;
}

static struct keeper_wrap keeper_plan(const struct plan *plan)
{
    struct keeper_wrap wrap = {
        .encrypt_params = plan->encrypt.params.crypto,
        .mac_params = plan->mac.params.crypto,
        .mac_then_encrypt = plan->method == KMIP_WRAPPING_METHOD_MAC_SIGN_THEN_ENCRYPT,
        .ttlv = plan->encoding == KMIP_ENCODING_OPTION_TTLV_ENCODING,
    };
    if (plan->encrypt.info != NULL) {
        wrap.encrypt = plan->encrypt.spki.data == NULL ? &plan->encrypt.keeper : NULL;
        wrap.encrypt_spki = plan->encrypt.spki;
    }
    if (plan->mac.info != NULL) {
        wrap.mac = plan->mac.spki.data == NULL ? &plan->mac.keeper : NULL;
        wrap.mac_spki = plan->mac.spki;
    }
    return wrap;
}

/* ---- wrapping ---- */

/* The attributes the specification names, as they stand behind the Key Material. */
static enum err encode_attributes(struct kmip_call *call, const struct kmip_attrs *attrs,
                                  const struct kmip_node *specification, struct buf *ret_bytes)
{
    struct kmip_request *request = call->request;
    struct kmip_node *root = kmip_put_struct(kmip_out(call), NULL, KMIP_TAG_KEY_VALUE);
    bool v2 = request->version >= KMIP_2_0;
    struct kmip_node *to = v2 ? kmip_put_struct(kmip_out(call), root, KMIP_TAG_ATTRIBUTES) : root;
    for (const struct kmip_node *name = specification->first; name != NULL; name = name->next) {
        if (name->tag != KMIP_TAG_ATTRIBUTE_NAME && name->tag != KMIP_TAG_ATTRIBUTE_REFERENCE)
            continue;
        struct kmip_attr_ref ref = kmip_attr_ref_read(name);
        for (const struct kmip_attr *attr = kmip_attr_find_ref(attrs, &ref); attr != NULL;
             attr = kmip_attr_again(attr))
            kmip_attr_put(kmip_out(call), to, request->version, attr);
    }
    TRY(kmip_out(call)->err);
    for (const struct kmip_node *child = root->first; child != NULL; child = child->next)
        TRY(kmip_encode(KMIP_TTLV, child, ret_bytes));
    return ERR_OK;
}

/* Wrapped keys are bytes: a transparent form becomes the one that says the same. */
static enum err wrapped_format(struct kmip_call *call, const struct vault_object *object,
                               const struct kmip_attrs *attrs, uint32_t asked, uint32_t *ret_format)
{
    uint32_t format = asked;
    if (format == 0)
        format = (uint32_t)kmip_attr_num(attrs, KMIP_TAG_KEY_FORMAT_TYPE, 0);
    bool private = object->type == KMIP_OBJECT_PRIVATE_KEY;
    switch (format) {
    case FORMAT_PKCS1:
    case FORMAT_PKCS8:
    case FORMAT_ECPRIVATEKEY:
        if (!private)
            break;
        *ret_format = format;
        return ERR_OK;
    case FORMAT_RAW:
    case FORMAT_OPAQUE: *ret_format = format; return ERR_OK;
    default:
        if (asked != 0)
            break;
        *ret_format = private ? FORMAT_PKCS8 : FORMAT_RAW;
        return ERR_OK;
    }
    return kmip_fail(call, KMIP_REASON_KEY_FORMAT_TYPE_NOT_SUPPORTED,
                     "not a Key Format Type for a wrapped key");
}

static void put_info(struct kmip_build *b, struct kmip_node *to, uint32_t tag,
                     const struct wrapper *wrapper)
{
    if (wrapper->info == NULL)
        return;
    struct kmip_node *node = kmip_put_struct(b, to, tag);
    (void)kmip_put_bytes_copy(b, node, KMIP_TAG_UNIQUE_IDENTIFIER, KMIP_TEXT_STRING,
                              kmip_bytes(wrapper->info, KMIP_TAG_UNIQUE_IDENTIFIER));
    const struct kmip_node *given = kmip_child(wrapper->info, KMIP_TAG_CRYPTOGRAPHIC_PARAMETERS);
    if (given != NULL)
        (void)kmip_put_copy(b, node, 0, given);
}

struct wrapped {
    struct buf bytes, mac, after;
    uint8_t iv[CRYPTO_IV_MAX];
    size_t iv_len;
};

static void put_block(struct kmip_call *call, const struct vault_object *object,
                      const struct plan *plan, const struct kmip_node *specification,
                      uint32_t format, const struct wrapped *wrapped, struct kmip_node *to)
{
    struct kmip_build *b = kmip_out(call);
    struct kmip_node *block = kmip_put_struct(b, to, KMIP_TAG_KEY_BLOCK);
    (void)kmip_put_enum(b, block, KMIP_TAG_KEY_FORMAT_TYPE, format);
    struct kmip_node *value = kmip_put_bytes_copy(b, block, KMIP_TAG_KEY_VALUE, KMIP_BYTE_STRING,
                                                  buf_view(&wrapped->bytes));
    if (value != NULL)
        value->secret = true;
    if (object->alg != 0)
        (void)kmip_put_enum(b, block, KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, object->alg);
    if (object->alg != 0 && object->bits != 0)
        (void)kmip_put_int(b, block, KMIP_TAG_CRYPTOGRAPHIC_LENGTH, (int32_t)object->bits);
    struct kmip_node *data = kmip_put_struct(b, block, KMIP_TAG_KEY_WRAPPING_DATA);
    (void)kmip_put_enum(b, data, KMIP_TAG_WRAPPING_METHOD, plan->method);
    put_info(b, data, KMIP_TAG_ENCRYPTION_KEY_INFORMATION, &plan->encrypt);
    put_info(b, data, KMIP_TAG_MAC_SIGNATURE_KEY_INFORMATION, &plan->mac);
    if (wrapped->mac.len > 0)
        (void)kmip_put_bytes_copy(b, data, KMIP_TAG_MAC_SIGNATURE, KMIP_BYTE_STRING,
                                  buf_view(&wrapped->mac));
    if (wrapped->iv_len > 0)
        (void)kmip_put_bytes_copy(b, data, KMIP_TAG_IV_COUNTER_NONCE, KMIP_BYTE_STRING,
                                  bytes_of(wrapped->iv, wrapped->iv_len));
    if (kmip_child(specification, KMIP_TAG_ENCODING_OPTION) != NULL)
        (void)kmip_put_enum(b, data, KMIP_TAG_ENCODING_OPTION, plan->encoding);
}

static enum err wrap(struct kmip_call *call, const struct vault_object *object,
                     const struct kmip_attrs *attrs, const struct kmip_node *specification,
                     uint32_t asked, struct wrapped *wrapped, struct kmip_node *to)
{
    struct kmip_request *request = call->request;
    struct plan plan = {0};
    TRY(read_plan(call, specification, true, &plan));
    if (plan.encrypt.info != NULL)
        TRY(check_given(call, &plan.encrypt));
    if (plan.mac.info != NULL)
        TRY(check_given(call, &plan.mac));
    bool named = kmip_child(specification, KMIP_TAG_ATTRIBUTE_NAME) != NULL ||
                 kmip_child(specification, KMIP_TAG_ATTRIBUTE_REFERENCE) != NULL;
    if (named && plan.encoding == KMIP_ENCODING_OPTION_NO_ENCODING)
        return kmip_fail(call, KMIP_REASON_ENCODING_OPTION_ERROR,
                         "attributes can't be wrapped without encoding");
    uint32_t format = 0;
    TRY(wrapped_format(call, object, attrs, asked, &format));
    if (named)
        TRY(encode_attributes(call, attrs, specification, &wrapped->after));
    if (plan.encrypt.info != NULL)
        TRY(kmip_take_usage(call, &plan.encrypt.object, object->bits / 8));
    struct keeper_wrap how = keeper_plan(&plan);
    how.after = buf_view(&wrapped->after);
    how.format = object->type == KMIP_OBJECT_PRIVATE_KEY ? format : 0;
    struct keeper_object keeper = kmip_keeper_object(object);
    enum err err = keeper_object_wrap(request->env->keeper, request->client->name, &keeper, &how,
                                      &wrapped->bytes, wrapped->iv, &wrapped->iv_len, &wrapped->mac,
                                      &call->detail);
    if (err == ERR_DENIED)
        return kmip_fail(call, KMIP_REASON_NOT_EXTRACTABLE, "the key never leaves the server");
    if (err != ERR_OK)
        return kmip_crypto_failed(call, err);
    put_block(call, object, &plan, specification, format, wrapped, to);
    return kmip_out(call)->err;
}

enum err kmip_key_wrap(struct kmip_call *call, const struct vault_object *object,
                       const struct kmip_attrs *attrs, const struct kmip_node *specification,
                       uint32_t format, struct kmip_node *to)
{
    bool secret = object->type == KMIP_OBJECT_SYMMETRIC_KEY ||
                  object->type == KMIP_OBJECT_PRIVATE_KEY ||
                  object->type == KMIP_OBJECT_SECRET_DATA || object->type == KMIP_OBJECT_SPLIT_KEY;
    if (!secret || object->sealed.len == 0)
        return kmip_wrong_type(call);
    struct wrapped wrapped = {0};
    enum err err = wrap(call, object, attrs, specification, format, &wrapped, to);
    buf_done(&wrapped.bytes);
    buf_done(&wrapped.mac);
    buf_done(&wrapped.after);
    return err;
}

/* ---- unwrapping ---- */

bool kmip_key_is_wrapped(const struct kmip_node *block)
{
    return kmip_child(block, KMIP_TAG_KEY_WRAPPING_DATA) != NULL;
}

/* Which of them are a client's to set; others were the wrapping server's own. */
static enum err add_settable(struct kmip_call *call, struct kmip_new *new,
                             const struct kmip_attrs *from)
{
    struct kmip_attrs settable = {.arena = from->arena};
    for (const struct kmip_attr *attr = from->first; attr != NULL; attr = attr->next) {
        struct kmip_attr_ref ref = {.tag = attr->tag, .vendor = attr->vendor, .name = attr->name};
        if ((kmip_attr_flags(attr->tag) & KMIP_ATTR_SET) != 0)
            TRY(kmip_attr_add(&settable, &ref, attr->value));
    }
    return kmip_new_more(call, new, &settable);
}

/* Attributes that were wrapped with the key: Attribute structures, or Attributes in 2.x. */
static enum err take_attributes(struct kmip_call *call, const struct buf *rest,
                                struct kmip_new *new)
{
    if (rest->len == 0)
        return ERR_OK;
    struct arena *arena = kmip_arena(call);
    if (rest->len > UINT32_MAX - 8)
        return ERR_LIMIT;
    uint8_t *copy = arena_take(arena, rest->len + 8);
    if (copy == NULL)
        return ERR_NO_MEMORY;
    struct writer w = writer_of(copy, rest->len + 8);
    writer_u32(&w, (uint32_t)KMIP_TAG_KEY_VALUE << 8 | KMIP_STRUCTURE);
    writer_u32(&w, (uint32_t)rest->len);
    writer_bytes(&w, buf_view(rest));
    struct kmip_node *root = NULL;
    if (kmip_decode(KMIP_TTLV, writer_view(&w), NULL, arena, &root, &call->detail) != ERR_OK)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "the wrapped attributes are malformed");
    struct kmip_attrs read = {.arena = arena};
    for (struct kmip_node *node = root->first; node != NULL; node = node->next) {
        if (node->tag == KMIP_TAG_ATTRIBUTE)
            TRY(kmip_attr_read(&read, node));
        else if (node->tag == KMIP_TAG_ATTRIBUTES)
            for (struct kmip_node *child = node->first; child != NULL; child = child->next)
                TRY(kmip_attr_read(&read, child));
    }
    return add_settable(call, new, &read);
}

static enum err unwrap(struct kmip_call *call, const struct kmip_node *block, struct kmip_new *new,
                       const struct keeper_object_spec *spec, struct keeper_object_made *made,
                       struct buf *rest)
{
    struct kmip_request *request = call->request;
    const struct kmip_node *data = kmip_child(block, KMIP_TAG_KEY_WRAPPING_DATA);
    const struct kmip_node *value = kmip_child(block, KMIP_TAG_KEY_VALUE);
    if (value == NULL || value->type != KMIP_BYTE_STRING || value->bytes.len == 0)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "a wrapped Key Value is a byte string");
    struct plan plan = {0};
    TRY(read_plan(call, data, false, &plan));
    struct keeper_wrap how = keeper_plan(&plan);
    how.iv = kmip_bytes(data, KMIP_TAG_IV_COUNTER_NONCE);
    how.mac_value = kmip_bytes(data, KMIP_TAG_MAC_SIGNATURE);
    if (plan.mac.info != NULL && how.mac_value.len == 0)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "no MAC/Signature");
    how.rest = rest;
    if (spec->class == CRYPTO_PRIVATE)
        how.format = kmip_enum(block, KMIP_TAG_KEY_FORMAT_TYPE, 0);
    struct keeper_object keeper = kmip_new_object(new);
    enum err err = keeper_object_unwrap(request->env->keeper, request->client->name, &how,
                                        value->bytes, &keeper, spec, made, &call->detail);
    if (err != ERR_OK)
        return kmip_crypto_failed(call, err);
    TRY(take_attributes(call, rest, new));
    /* KMIP 2.1, 6.1.43; the link type is not known before 2.0. */
    if (plan.encrypt.info != NULL && request->version >= KMIP_2_0)
        TRY(kmip_attr_add_link(&new->attrs, KMIP_LINK_TYPE_WRAPPING_KEY_LINK,
                               plan.encrypt.object.uid));
    return ERR_OK;
}

enum err kmip_key_unwrap(struct kmip_call *call, const struct kmip_node *block,
                         struct kmip_new *new, const struct keeper_object_spec *spec,
                         struct keeper_object_made *made)
{
    struct buf rest = {0};
    enum err err = unwrap(call, block, new, spec, made, &rest);
    buf_done(&rest);
    return err;
}
