#include "kmip/codec/table.h"
#include "kmip/op/ops.h"
#include "kmip/op/pair.h"
#include "kmip/op/placement.h"
#include "kmip/op/tell.h"
#include "kmip/server/notify.h"

/* Re-key and Re-key Key Pair (KMIP 1.4, 4.4, 4.5; 2.1, 6.1.46, 6.1.47). */

/* What the replacement does not take over from the key it replaces. */
static bool its_own(uint32_t tag)
{
    switch (tag) {
    case KMIP_TAG_UNIQUE_IDENTIFIER:
    case KMIP_TAG_SHORT_UNIQUE_IDENTIFIER:
    case KMIP_TAG_OBJECT_TYPE:
    case KMIP_TAG_INITIAL_DATE:
    case KMIP_TAG_DESTROY_DATE:
    case KMIP_TAG_COMPROMISE_DATE:
    case KMIP_TAG_COMPROMISE_OCCURRENCE_DATE:
    case KMIP_TAG_REVOCATION_REASON:
    case KMIP_TAG_ARCHIVE_DATE:
    case KMIP_TAG_LAST_CHANGE_DATE:
    case KMIP_TAG_ORIGINAL_CREATION_DATE:
    case KMIP_TAG_DIGEST:
    case KMIP_TAG_STATE:
    case KMIP_TAG_LINK:
    case KMIP_TAG_LEASE_TIME:
    case KMIP_TAG_PROTECTION_STORAGE_MASK:
    case KMIP_TAG_FRESH:
    case KMIP_TAG_ALWAYS_SENSITIVE:
    case KMIP_TAG_NEVER_EXTRACTABLE:
    case KMIP_TAG_KEY_FORMAT_TYPE:
    case KMIP_TAG_RANDOM_NUMBER_GENERATOR:
    case KMIP_TAG_KEY_VALUE_PRESENT:
    case KMIP_TAG_KEY_VALUE_LOCATION: return true;
    default: return false;
    }
}

struct source {
    struct vault_object object;
    struct kmip_attrs like; /* what the replacement takes over */
};

static bool is_date(uint32_t tag)
{
    return tag == KMIP_TAG_ACTIVATION_DATE || tag == KMIP_TAG_PROCESS_START_DATE ||
           tag == KMIP_TAG_PROTECT_STOP_DATE || tag == KMIP_TAG_DEACTIVATION_DATE;
}

static bool names_dates(const struct kmip_call *call)
{
    static const uint32_t containers[] = {KMIP_TAG_TEMPLATE_ATTRIBUTE,
                                          KMIP_TAG_ATTRIBUTES,
                                          KMIP_TAG_COMMON_ATTRIBUTES,
                                          KMIP_TAG_PRIVATE_KEY_ATTRIBUTES,
                                          KMIP_TAG_PUBLIC_KEY_ATTRIBUTES,
                                          KMIP_TAG_COMMON_TEMPLATE_ATTRIBUTE,
                                          KMIP_TAG_PRIVATE_KEY_TEMPLATE_ATTRIBUTE,
                                          KMIP_TAG_PUBLIC_KEY_TEMPLATE_ATTRIBUTE};
    for (size_t i = 0; i < ARRAY_LEN(containers); i++) {
        const struct kmip_node *c = kmip_child(call->in, containers[i]);
        for (const struct kmip_node *n = c != NULL ? c->first : NULL; n != NULL; n = n->next) {
            const struct kmip_node *name = kmip_child(n, KMIP_TAG_ATTRIBUTE_NAME);
            if (is_date(n->tag) || (n->tag == KMIP_TAG_ATTRIBUTE && name != NULL &&
                                    is_date(kmip_attr_ref_read(name).tag)))
                return true;
        }
    }
    return false;
}

/* KMIP 1.4, 4.4: with an Offset the activation is that long after now, and the other dates keep
 * their distance to it. */
static enum err shift_dates(struct kmip_call *call, struct source *s)
{
    const struct kmip_node *offset = kmip_child(call->in, KMIP_TAG_OFFSET);
    if (offset == NULL)
        return ERR_OK;
    if (names_dates(call))
        return kmip_fail(call, KMIP_REASON_INVALID_MESSAGE,
                         "an Offset, and dates among the attributes");
    const int64_t activation = call->request->now + offset->num;
    const int64_t before = s->object.activation;
    for (struct kmip_attr *a = s->like.first; a != NULL; a = a->next) {
        if (!is_date(a->tag) || a->tag == KMIP_TAG_ACTIVATION_DATE)
            continue;
        if (before == VAULT_NO_DATE)
            return kmip_fail(call, KMIP_REASON_ILLEGAL_OPERATION,
                             "the key has no Activation Date that others could be moved with");
        int64_t moved = 0;
        if (__builtin_sub_overflow(activation, before, &moved) ||
            __builtin_add_overflow(a->value->num, moved, &moved))
            return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "a date out of range");
        a->value->num = moved;
    }
    return kmip_attr_set_num(&s->like, KMIP_TAG_ACTIVATION_DATE, KMIP_DATE_TIME, activation);
}

static enum err read_source(struct kmip_call *call, struct bytes uid, uint32_t type,
                            struct source *s)
{
    struct kmip_attrs attrs;
    TRY(kmip_get_object(call, uid, &s->object));
    if (s->object.type != type)
        return kmip_fail(call, KMIP_REASON_INVALID_OBJECT_TYPE, "the object is no such key");
    if (s->object.archived)
        return kmip_fail(call, KMIP_REASON_OBJECT_ARCHIVED, "the object is archived");
    TRY(kmip_object_attrs(call, &s->object, &attrs));
    if (kmip_attr_num(&attrs, KMIP_TAG_KEY_VALUE_PRESENT, 1) == 0)
        return kmip_fail(call, KMIP_REASON_KEY_VALUE_NOT_PRESENT, "the key is kept elsewhere");
    if (s->object.state == KMIP_STATE_DESTROYED ||
        s->object.state == KMIP_STATE_DESTROYED_COMPROMISED ||
        (type != KMIP_OBJECT_PUBLIC_KEY && s->object.sealed.len == 0))
        return kmip_fail(call, KMIP_REASON_PERMISSION_DENIED, "the key is destroyed");
    s->like.arena = kmip_arena(call);
    for (const struct kmip_attr *a = attrs.first; a != NULL; a = a->next) {
        const struct kmip_attr_ref ref = {a->tag, a->vendor, a->name};
        struct kmip_build build = {.arena = kmip_arena(call)};
        if (its_own(a->tag) ||
            (!is_date(a->tag) && kmip_attribute_row(a->tag) == NULL && a->tag != KMIP_ATTR_CUSTOM))
            continue;
        struct kmip_node *copy = kmip_put_copy(&build, NULL, 0, a->value);
        TRY(build.err);
        if (a->tag == KMIP_TAG_USAGE_LIMITS) {
            struct kmip_node *count = kmip_child(copy, KMIP_TAG_USAGE_LIMITS_COUNT);
            if (count != NULL)
                count->num = kmip_num(copy, KMIP_TAG_USAGE_LIMITS_TOTAL, 0);
        }
        TRY(kmip_attr_add(&s->like, &ref, copy));
    }
    return shift_dates(call, s);
}

/* The key that is replaced: its names moved on, a link tells where to. */
struct replaced {
    struct kmip_call *call;
    struct {
        const char *old, *new;
        struct kmip_told told;
    } pairs[2];
    size_t count;
};

static enum err replaced_by(struct kmip_change *change, void *ctx)
{
    const char *new = ctx;
    kmip_attr_remove_all(change->attrs, KMIP_TAG_NAME);
    for (struct kmip_attr *a = kmip_attr_find(change->attrs, KMIP_TAG_LINK); a != NULL;) {
        struct kmip_attr *next = kmip_attr_again(a);
        if (kmip_enum(a->value, KMIP_TAG_LINK_TYPE, 0) == KMIP_LINK_TYPE_REPLACEMENT_OBJECT_LINK)
            kmip_attr_remove(change->attrs, a);
        a = next;
    }
    return kmip_attr_add_link(change->attrs, KMIP_LINK_TYPE_REPLACEMENT_OBJECT_LINK, new);
}

static enum err mark_replaced(struct vault_tx *tx, void *ctx, struct err_detail *detail)
{
    struct replaced *r = ctx;
    for (size_t i = 0; i < r->count; i++) {
        char new[VAULT_UID_MAX + 1];
        memcpy(new, r->pairs[i].new, sizeof(new));
        TRY(kmip_object_change_in(r->call, tx, bytes_str(r->pairs[i].old), replaced_by, new,
                                  &r->pairs[i].told, detail));
    }
    return ERR_OK;
}

static void tell_replaced(const struct replaced *r, const struct vault_object *old, size_t i)
{
    /* A Put says all that a Notify would. */
    if (kmip_notify_wants_put(r->call->request->env->notify, old->owner))
        kmip_tell_replaced(r->call, old, r->pairs[i].new);
    else
        kmip_tell_after(r->call, &r->pairs[i].told);
}

static enum err re_key(struct kmip_call *call, struct kmip_new *new)
{
    const struct kmip_node *const containers[] = {
        kmip_child(call->in, KMIP_TAG_TEMPLATE_ATTRIBUTE),
        kmip_child(call->in, KMIP_TAG_ATTRIBUTES),
    };
    struct source source = {0};
    struct keeper_object_spec spec;
    struct bytes uid = {0};
    TRY(kmip_named_uid(call, KMIP_TAG_UNIQUE_IDENTIFIER, &uid));
    TRY(read_source(call, uid, KMIP_OBJECT_SYMMETRIC_KEY, &source));
    new->like = &source.like; // cppcheck-suppress autoVariables
    const enum err begun =
        kmip_new_begin(call, KMIP_OBJECT_SYMMETRIC_KEY, containers, ARRAY_LEN(containers), new);
    new->like = NULL;
    TRY(begun);
    TRY(kmip_place(call, new, kmip_child(call->in, KMIP_TAG_PROTECTION_STORAGE_MASKS)));
    TRY(kmip_new_spec(call, new, &spec));
    new->format = FORMAT_RAW;
    TRY(kmip_new_promise(call, new, &spec));
    const struct keeper_object object = kmip_new_object(new);
    struct keeper_object_made made = {.sealed = &new->sealed};
    const enum err err = keeper_object_generate(call->request->env->keeper, kmip_actor(call),
                                                &object, &spec, &made, &call->detail);
    if (err != ERR_OK)
        return kmip_made_error(call, err);
    TRY(kmip_new_made(call, new, &made));
    TRY(kmip_new_generated(call, new));
    TRY(kmip_attr_add_link(&new->attrs, KMIP_LINK_TYPE_REPLACED_OBJECT_LINK, source.object.uid));
    struct replaced replaced = {
        .call = call, .pairs = {{source.object.uid, new->object.uid}}, .count = 1};
    TRY(kmip_new_insert(call, new, 1, mark_replaced, &replaced));
    tell_replaced(&replaced, &source.object, 0);
    return ERR_OK;
}

enum err kmip_op_re_key(struct kmip_call *call)
{
    struct kmip_new new = {0};
    TRY(kmip_may(call, VAULT_MAY_CREATE | VAULT_MAY_MANAGE));
    const enum err err = re_key(call, &new);
    if (err == ERR_OK)
        kmip_put_uid(call, new.object.uid);
    else
        kmip_new_abandon(call, &new);
    kmip_new_done(&new);
    return err;
}

static enum err begin(struct kmip_call *call, struct kmip_new *new, uint32_t type,
                      const uint32_t tags[4], const struct source *source)
{
    const struct kmip_node *containers[4];
    for (size_t i = 0; i < 4; i++)
        containers[i] = kmip_child(call->in, tags[i]);
    new->like = &source->like;
    const enum err err = kmip_new_begin(call, type, containers, 4, new);
    new->like = NULL;
    return err;
}

static enum err re_key_pair(struct kmip_call *call, struct kmip_pair *pair)
{
    static const uint32_t private_tags[] = {
        KMIP_TAG_PRIVATE_KEY_TEMPLATE_ATTRIBUTE, KMIP_TAG_PRIVATE_KEY_ATTRIBUTES,
        KMIP_TAG_COMMON_TEMPLATE_ATTRIBUTE, KMIP_TAG_COMMON_ATTRIBUTES};
    static const uint32_t public_tags[] = {
        KMIP_TAG_PUBLIC_KEY_TEMPLATE_ATTRIBUTE, KMIP_TAG_PUBLIC_KEY_ATTRIBUTES,
        KMIP_TAG_COMMON_TEMPLATE_ATTRIBUTE, KMIP_TAG_COMMON_ATTRIBUTES};
    struct source sources[2] = {0};
    struct kmip_attrs attrs;
    struct bytes uid = {0};
    TRY(kmip_named_uid(call, KMIP_TAG_PRIVATE_KEY_UNIQUE_IDENTIFIER, &uid));
    TRY(read_source(call, uid, KMIP_OBJECT_PRIVATE_KEY, &sources[0]));
    TRY(kmip_object_attrs(call, &sources[0].object, &attrs));
    const struct bytes public = kmip_attr_link(&attrs, KMIP_LINK_TYPE_PUBLIC_KEY_LINK);
    if (public.len == 0)
        return kmip_fail(call, KMIP_REASON_PERMISSION_DENIED, "the key has no public half here");
    TRY(read_source(call, public, KMIP_OBJECT_PUBLIC_KEY, &sources[1]));
    TRY(begin(call, &pair->keys[0], KMIP_OBJECT_PRIVATE_KEY, private_tags, &sources[0]));
    TRY(begin(call, &pair->keys[1], KMIP_OBJECT_PUBLIC_KEY, public_tags, &sources[1]));
    TRY(kmip_place(call, &pair->keys[0],
                   kmip_child(call->in, KMIP_TAG_PRIVATE_PROTECTION_STORAGE_MASKS)));
    TRY(kmip_pair_make(call, pair));
    struct replaced replaced = {.call = call, .count = 2};
    for (size_t i = 0; i < 2; i++) {
        TRY(kmip_attr_add_link(&pair->keys[i].attrs, KMIP_LINK_TYPE_REPLACED_OBJECT_LINK,
                               sources[i].object.uid));
        replaced.pairs[i].old = sources[i].object.uid;
        replaced.pairs[i].new = pair->keys[i].object.uid;
    }
    TRY(kmip_new_insert(call, pair->keys, 2, mark_replaced, &replaced));
    for (size_t i = 0; i < 2; i++)
        tell_replaced(&replaced, &sources[i].object, i);
    return ERR_OK;
}

enum err kmip_op_re_key_key_pair(struct kmip_call *call)
{
    struct kmip_pair pair = {0};
    TRY(kmip_may(call, VAULT_MAY_CREATE | VAULT_MAY_MANAGE));
    const enum err err = re_key_pair(call, &pair);
    if (err == ERR_OK)
        kmip_pair_put(call, &pair);
    else
        kmip_new_abandon(call, &pair.keys[0]);
    kmip_pair_done(&pair);
    return err;
}
