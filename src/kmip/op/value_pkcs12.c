#include "base/workers.h"
#include "crypto/pkcs12.h"
#include "kmip/codec/table.h"
#include "kmip/op/value.h"

/* A private key as PKCS#12 (KMIP 2.1, 6.1.19): with its certificate and those above it, under the
 * password that the key's PKCS#12 Password Link names. */

#define NAME_DEFAULT "alias" /* KMIP 2.1, 4.39 */

struct container {
    struct bytes pkcs8, password, cert, others[PKCS12_CERTS_MAX];
    size_t others_count;
    const char *name;
    struct buf der;
    enum err err;
    struct err_detail detail;
};

static enum err bad_password(struct kmip_call *call, const char *text)
{
    return kmip_fail(call,
                     call->request->version >= KMIP_2_0 ? KMIP_REASON_BAD_PASSWORD
                                                        : KMIP_REASON_INVALID_FIELD,
                     "%s", text);
}

static size_t count_links(const struct kmip_attrs *attrs, uint32_t type)
{
    size_t count = 0;
    for (const struct kmip_attr *a = kmip_attr_find(attrs, KMIP_TAG_LINK); a != NULL;
         a = kmip_attr_again(a))
        count += kmip_enum(a->value, KMIP_TAG_LINK_TYPE, 0) == type;
    return count;
}

/* KMIP 2.1, 11.1: one link, to Secret Data that is Active. */
static enum err read_password(struct kmip_call *call, const struct kmip_attrs *attrs,
                              struct buf *password)
{
    struct vault_object secret;
    if (count_links(attrs, KMIP_LINK_TYPE_PKCS_12_PASSWORD_LINK) != 1)
        return bad_password(call, "the key has no PKCS#12 Password Link, or several");
    const struct bytes uid = kmip_attr_link(attrs, KMIP_LINK_TYPE_PKCS_12_PASSWORD_LINK);
    if (kmip_get_object(call, uid, &secret) != ERR_OK || secret.type != KMIP_OBJECT_SECRET_DATA ||
        secret.archived || vault_object_state(&secret, call->request->now) != KMIP_STATE_ACTIVE)
        return bad_password(call, "the PKCS#12 Password Link names no active Secret Data");
    const struct keeper_object key = kmip_keeper_object(&secret);
    const enum err err = keeper_object_release(call->request->env->keeper, kmip_actor(call), &key,
                                               password, &call->detail);
    return err == ERR_DENIED ? bad_password(call, "the password may not leave") : err;
}

/* From an object to the one that its only link of this type names; `ret_found` false: it has none,
 * or the client does not see it. */
static enum err follow(struct kmip_call *call, const struct kmip_attrs *attrs, uint32_t link,
                       struct vault_object *ret_object, struct kmip_attrs *ret_attrs,
                       bool *ret_found)
{
    const struct bytes uid = kmip_attr_link(attrs, link);
    *ret_found = false;
    if (count_links(attrs, link) > 1)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "there are several certificate chains");
    if (uid.len == 0)
        return ERR_OK;
    const enum err err = kmip_get_object(call, uid, ret_object);
    if (err != ERR_OK && call->reason == KMIP_REASON_OBJECT_NOT_FOUND) {
        call->reason = 0;
        call->message = NULL;
        call->detail = (struct err_detail){0};
        return ERR_OK;
    }
    TRY(err);
    *ret_found = true;
    return kmip_object_attrs(call, ret_object, ret_attrs);
}

static enum err read_chain(struct kmip_call *call, const struct kmip_attrs *key,
                           struct container *c)
{
    struct vault_object public, cert;
    struct kmip_attrs attrs = {0}, at = {0};
    bool found = false;
    TRY(follow(call, key, KMIP_LINK_TYPE_PUBLIC_KEY_LINK, &public, &attrs, &found));
    const struct kmip_attrs *from = found ? &attrs : key;
    TRY(follow(call, from, KMIP_LINK_TYPE_PKCS_12_CERTIFICATE_LINK, &cert, &at, &found));
    if (!found)
        TRY(follow(call, from, KMIP_LINK_TYPE_CERTIFICATE_LINK, &cert, &at, &found));
    for (size_t depth = 0; found && cert.type == KMIP_OBJECT_CERTIFICATE; depth++) {
        if (depth > PKCS12_CERTS_MAX)
            return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "the certificate chain has no end");
        if (depth == 0)
            c->cert = cert.value;
        else
            c->others[c->others_count++] = cert.value;
        const struct kmip_attrs last = at;
        TRY(follow(call, &last, KMIP_LINK_TYPE_CERTIFICATE_LINK, &cert, &at, &found));
    }
    return ERR_OK;
}

/* The password's iterations take a while: not on the loop. */
static void make(void *arg)
{
    struct container *c = arg;
    c->err = pkcs12_make(c->pkcs8, c->cert, c->others, c->others_count, c->name, c->password,
                         &c->der, &c->detail);
}

enum err kmip_value_pkcs12(struct kmip_call *call, const struct vault_object *object,
                           const struct kmip_attrs *attrs, struct bytes pkcs8, struct kmip_node *to)
{
    struct container c = {.pkcs8 = pkcs8, .name = NAME_DEFAULT};
    AUTO(buf_done) struct buf password = {0};
    const struct kmip_attr *name = kmip_attr_find(attrs, KMIP_TAG_PKCS_12_FRIENDLY_NAME);
    if (object->type != KMIP_OBJECT_PRIVATE_KEY)
        return kmip_fail(call, KMIP_REASON_KEY_FORMAT_TYPE_NOT_SUPPORTED,
                         "a private key is given in this format");
    TRY(read_password(call, attrs, &password));
    TRY(read_chain(call, attrs, &c));
    c.password = buf_view(&password);
    if (name != NULL)
        c.name = kmip_text(call, name->value->bytes);
    if (c.name == NULL)
        return ERR_NO_MEMORY;
    TRY(workers_run(call->request->env->workers, make, &c));
    AUTO(buf_done) struct buf der = c.der;
    if (c.err != ERR_OK)
        return kmip_fail(call, KMIP_REASON_CRYPTOGRAPHIC_FAILURE,
                         "key and certificates do not make a PKCS#12 container");
    struct kmip_build *out = kmip_out(call);
    struct kmip_node *block = kmip_put_struct(out, to, KMIP_TAG_KEY_BLOCK);
    kmip_put_enum(out, block, KMIP_TAG_KEY_FORMAT_TYPE, FORMAT_PKCS12);
    struct kmip_node *value = kmip_put_struct(out, block, KMIP_TAG_KEY_VALUE);
    struct kmip_node *material =
        kmip_put_bytes_copy(out, value, KMIP_TAG_KEY_MATERIAL, KMIP_BYTE_STRING, buf_view(&der));
    if (material != NULL)
        material->secret = true;
    kmip_put_enum(out, block, KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, object->alg);
    kmip_put_int(out, block, KMIP_TAG_CRYPTOGRAPHIC_LENGTH, (int32_t)object->bits);
    return out->err;
}
