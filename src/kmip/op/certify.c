#include <stdio.h>

#include "kmip/attr/rules.h"
#include "kmip/op/crypto_ops.h"
#include "kmip/op/issue.h"
#include "kmip/op/ca.h"
#include "kmip/op/key_use.h"
#include "kmip/op/links.h"
#include "kmip/op/refuse.h"
#include "kmip/op/tell.h"
#include "kmip/server/config.h"
#include "kmip_enums.h"
#include "kmip_tags.h"

/* Certify and Re-certify (KMIP 1.4, 4.7 and 4.8; 2.1, 6.1.6 and 6.1.45). */

#define DAY INT64_C(86400)

static enum err check_served(struct kmip_call *call)
{
    TRY(kmip_may(call, VAULT_MAY_CERTIFY));
    if (call->request->env->config->ca == NULL)
        return kmip_fail(call, KMIP_REASON_OPERATION_NOT_SUPPORTED,
                         "there is no certification authority here");
    return ERR_OK;
}

static enum err begin(struct kmip_call *call, struct kmip_new *new)
{
    const struct kmip_node *containers[] = {kmip_child(call->in, KMIP_TAG_TEMPLATE_ATTRIBUTE),
                                            kmip_child(call->in, KMIP_TAG_ATTRIBUTES)};
    return kmip_new_begin(call, KMIP_OBJECT_CERTIFICATE, containers, ARRAY_LEN(containers), new);
}

/* Validity by the dates that are asked for. */
static void times_of(const struct kmip_new *new, int64_t now, struct kmip_issue *issue)
{
    issue->not_before = kmip_attr_num(&new->attrs, KMIP_TAG_ACTIVATION_DATE, now);
    int64_t from = issue->not_before > now ? issue->not_before : now;
    int64_t until = INT64_MAX;
    if (from < INT64_MAX - KMIP_CERTIFY_DAYS * DAY)
        until = from + KMIP_CERTIFY_DAYS * DAY;
    issue->not_after = kmip_attr_num(&new->attrs, KMIP_TAG_DEACTIVATION_DATE, until);
}

/* ---- Certify ---- */

static enum err check_key(struct kmip_issue *issue, const struct vault_object *object)
{
    struct kmip_call *call = issue->call;
    if (object->archived)
        return kmip_fail(call, KMIP_REASON_OBJECT_ARCHIVED, "the object is archived");
    uint32_t state = vault_object_state(object, call->request->now);
    if (object->type == KMIP_OBJECT_PUBLIC_KEY && state != KMIP_STATE_ACTIVE &&
        state != KMIP_STATE_PRE_ACTIVE)
        return kmip_fail(call, KMIP_REASON_WRONG_KEY_LIFECYCLE_STATE,
                         "the public key is no longer in use");
    if (object->value.len == 0)
        return kmip_fail(call, KMIP_REASON_KEY_VALUE_NOT_PRESENT, "the key is not on the server");
    return ERR_OK;
}

/* The Public Key or Certificate Request that is named; the ID Placeholder where nothing is. */
static enum err find_subject(struct kmip_issue *issue)
{
    struct kmip_call *call = issue->call;
    struct vault_object object;
    bool named = kmip_child(call->in, KMIP_TAG_UNIQUE_IDENTIFIER) != NULL;
    if (!named && issue->info != NULL)
        return ERR_OK;
    TRY(kmip_find_object(call, &object));
    TRY(check_key(issue, &object));
    if (object.type == KMIP_OBJECT_CERTIFICATE_REQUEST && issue->info == NULL)
        return kmip_issue_request(issue, object.value, KMIP_CERTIFICATE_REQUEST_TYPE_PKCS_10);
    if (object.type != KMIP_OBJECT_PUBLIC_KEY)
        return kmip_wrong_type(call);
    if (issue->info != NULL && !bytes_equal(issue->spki, object.value))
        return kmip_fail(call, KMIP_REASON_INVALID_CSR,
                         "the certificate request is of another key");
    issue->key = object;
    issue->spki = object.value;
    return ERR_OK;
}

/* Without a request the subject is the key's first Name, or its identifier. */
static enum err name_subject(struct kmip_issue *issue)
{
    struct kmip_call *call = issue->call;
    struct kmip_attrs attrs = {0};
    if (issue->info != NULL)
        return ERR_OK;
    TRY(kmip_object_attrs(call, &issue->key, &attrs));
    const struct kmip_attr *attr = kmip_attr_find(&attrs, KMIP_TAG_NAME);
    struct bytes name =
        attr != NULL ? kmip_bytes(attr->value, KMIP_TAG_NAME_VALUE) : bytes_str(issue->key.uid);
    if (name.len > X509_CN_MAX)
        name.len = X509_CN_MAX;
    issue->name = kmip_text(call, name);
    return ERR_OK;
}

static enum err store_certified(struct kmip_issue *issue, struct kmip_new *new)
{
    struct kmip_links links = {.call = issue->call};
    if (issue->key.uid[0] != '\0')
        TRY(kmip_links_add(&links, issue->key.uid, KMIP_LINK_TYPE_CERTIFICATE_LINK, new->object.uid,
                           true));
    TRY(kmip_new_insert(issue->call, new, 1, kmip_links_set, &links));
    kmip_links_tell(&links);
    if (issue->key.uid[0] != '\0')
        kmip_tell_new(issue->call, &issue->key, new->object.uid);
    kmip_put_uid(issue->call, new->object.uid);
    return kmip_out(issue->call)->err;
}

enum err kmip_op_certify(struct kmip_call *call)
{
    TRY(check_served(call));
    struct kmip_issue issue = {.call = call};
    TRY(kmip_issue_read(&issue));
    TRY(find_subject(&issue));
    TRY(name_subject(&issue));
    struct kmip_new new = {0};
    enum err err = begin(call, &new);
    if (err == ERR_OK) {
        times_of(&new, call->request->now, &issue);
        err = kmip_issue_sign(&issue, &new);
    }
    if (err == ERR_OK)
        err = store_certified(&issue, &new);
    kmip_new_done(&new);
    return err;
}

/* ---- Re-certify ---- */

/* The same key and the same subject, unless a request says otherwise of the subject. */
static enum err renew(struct kmip_issue *issue, const struct vault_object *old)
{
    struct kmip_call *call = issue->call;
    struct certs_info *have = arena_take(kmip_arena(call), sizeof(*have));
    if (have == NULL)
        return ERR_NO_MEMORY;
    if (old->type != KMIP_OBJECT_CERTIFICATE ||
        certs_parse(old->value, have, &call->detail) != ERR_OK)
        return kmip_wrong_type(call);
    if (issue->info != NULL && !bytes_equal(issue->spki, have->spki))
        return kmip_fail(call, KMIP_REASON_INVALID_CSR,
                         "the certificate request is of another key");
    if (issue->info == NULL) {
        issue->spki = have->spki;
        issue->subject = have->subject.der;
        issue->alt_names = have->alt_names;
    }
    return ERR_OK;
}

static enum err read_named_request(struct kmip_issue *issue)
{
    struct bytes uid = kmip_bytes(issue->call->in, KMIP_TAG_CERTIFICATE_REQUEST_UNIQUE_IDENTIFIER);
    struct vault_object object;
    if (uid.data == NULL)
        return ERR_OK;
    if (issue->info != NULL)
        return kmip_fail(issue->call, KMIP_REASON_INVALID_FIELD,
                         "a certificate request is given and named at once");
    TRY(kmip_get_object(issue->call, uid, &object));
    if (object.type != KMIP_OBJECT_CERTIFICATE_REQUEST)
        return kmip_wrong_type(issue->call);
    TRY(check_key(issue, &object));
    return kmip_issue_request(issue, object.value, KMIP_CERTIFICATE_REQUEST_TYPE_PKCS_10);
}

/* What the new one takes over: all that a client could have set, but its dates. */
static bool is_inherited(const struct kmip_attrs *to, const struct kmip_attr *attr)
{
    struct kmip_attr_ref ref = {.tag = attr->tag, .vendor = attr->vendor, .name = attr->name};
    switch (attr->tag) {
    case KMIP_TAG_ACTIVATION_DATE:
    case KMIP_TAG_DEACTIVATION_DATE:
    case KMIP_TAG_PROCESS_START_DATE:
    case KMIP_TAG_PROTECT_STOP_DATE:
    case KMIP_TAG_LINK:
    case KMIP_TAG_REVOCATION_REASON: return false;
    default: break;
    }
    bool clients =
        attr->tag == KMIP_ATTR_CUSTOM || (kmip_attr_flags(attr->tag) & KMIP_ATTR_SET) != 0;
    return clients && kmip_attr_find_ref(to, &ref) == NULL;
}

static enum err inherit(struct kmip_attrs *to, const struct kmip_attrs *from)
{
    struct kmip_attrs taken = {.arena = to->arena};
    for (const struct kmip_attr *a = from->first; a != NULL; a = a->next) {
        struct kmip_attr_ref ref = {.tag = a->tag, .vendor = a->vendor, .name = a->name};
        if (is_inherited(to, a))
            TRY(kmip_attr_add(&taken, &ref, a->value));
    }
    for (const struct kmip_attr *a = taken.first; a != NULL; a = a->next) {
        struct kmip_attr_ref ref = {.tag = a->tag, .vendor = a->vendor, .name = a->name};
        TRY(kmip_attr_add(to, &ref, a->value));
    }
    return ERR_OK;
}

/* KMIP 2.1, 6.1.45: with Offset the dates move, without they stay. */
static enum err renew_dates(struct kmip_call *call, const struct vault_object *old,
                            struct kmip_new *new, struct kmip_issue *issue)
{
    const struct kmip_node *offset = kmip_child(call->in, KMIP_TAG_OFFSET);
    int64_t now = call->request->now;
    bool asked = kmip_attr_find(&new->attrs, KMIP_TAG_ACTIVATION_DATE) != NULL ||
                 kmip_attr_find(&new->attrs, KMIP_TAG_DEACTIVATION_DATE) != NULL;
    if (offset != NULL && asked)
        return kmip_fail(call, KMIP_REASON_INVALID_MESSAGE, "Offset and dates exclude each other");
    int64_t activation = old->activation, deactivation = old->deactivation;
    if (offset != NULL) {
        activation = now + offset->num;
        int64_t moved = 0;
        if (deactivation != VAULT_NO_DATE && old->activation != VAULT_NO_DATE &&
            (__builtin_sub_overflow(activation, old->activation, &moved) ||
             __builtin_add_overflow(deactivation, moved, &deactivation)))
            return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "a date out of range");
    }
    if (!asked && activation != VAULT_NO_DATE)
        TRY(kmip_attr_set_num(&new->attrs, KMIP_TAG_ACTIVATION_DATE, KMIP_DATE_TIME, activation));
    if (!asked && deactivation != VAULT_NO_DATE)
        TRY(kmip_attr_set_num(&new->attrs, KMIP_TAG_DEACTIVATION_DATE, KMIP_DATE_TIME,
                              deactivation));
    if (!asked && activation != VAULT_NO_DATE && activation <= now)
        new->object.state = KMIP_STATE_ACTIVE;
    times_of(new, now, issue);
    return ERR_OK;
}

static enum err store_renewed(struct kmip_issue *issue, const struct vault_object *old,
                              const struct kmip_attrs *old_attrs, struct kmip_new *new)
{
    struct kmip_links links = {.call = issue->call, .unnamed = old->uid};
    struct bytes key = kmip_attr_link(old_attrs, KMIP_LINK_TYPE_PUBLIC_KEY_LINK);
    TRY(kmip_attr_add_link(&new->attrs, KMIP_LINK_TYPE_REPLACED_OBJECT_LINK, old->uid));
    TRY(kmip_links_add(&links, old->uid, KMIP_LINK_TYPE_REPLACEMENT_OBJECT_LINK, new->object.uid,
                       true));
    if (key.len > 0) {
        const char *uid = kmip_text(issue->call, key);
        TRY(kmip_attr_add_link(&new->attrs, KMIP_LINK_TYPE_PUBLIC_KEY_LINK, uid));
        TRY(kmip_links_add(&links, uid, KMIP_LINK_TYPE_CERTIFICATE_LINK, new->object.uid, true));
    }
    TRY(kmip_new_insert(issue->call, new, 1, kmip_links_set, &links));
    kmip_links_tell(&links);
    kmip_tell_replaced(issue->call, old, new->object.uid);
    kmip_put_uid(issue->call, new->object.uid);
    return kmip_out(issue->call)->err;
}

static enum err recertify(struct kmip_issue *issue, const struct vault_object *old,
                          struct kmip_new *new)
{
    struct kmip_attrs attrs = {0};
    TRY(begin(issue->call, new));
    TRY(kmip_object_attrs(issue->call, old, &attrs));
    TRY(renew_dates(issue->call, old, new, issue));
    TRY(inherit(&new->attrs, &attrs));
    TRY(kmip_issue_sign(issue, new));
    return store_renewed(issue, old, &attrs, new);
}

enum err kmip_op_re_certify(struct kmip_call *call)
{
    TRY(check_served(call));
    struct kmip_issue issue = {.call = call};
    struct vault_object old;
    TRY(kmip_find_object(call, &old));
    if (old.archived)
        return kmip_fail(call, KMIP_REASON_OBJECT_ARCHIVED, "the object is archived");
    TRY(kmip_issue_read(&issue));
    TRY(read_named_request(&issue));
    TRY(renew(&issue, &old));
    struct kmip_new new = {0};
    enum err err = recertify(&issue, &old, &new);
    kmip_new_done(&new);
    return err;
}
