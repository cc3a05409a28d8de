#include "kmip/attr/rules.h"
#include "kmip/codec/table.h"
#include "kmip/op/flags.h"
#include "kmip/op/make.h"
#include "kmip/op/ops.h"
#include "kmip/op/placement.h"

/* Add, Modify, Delete, Set and Adjust Attribute (KMIP 1.4, 4.14
 * to 4.16; 2.1, 6.1.2, 6.1.31, 6.1.12, 6.1.51, 6.1.3). 1.x names an instance by Attribute
 * Index, 2.x by its present value. */

enum verb { ADD, MODIFY, DELETE, SET, ADJUST };

struct edit {
    enum verb verb;
    struct kmip_attrs given; /* the new value, one; of Delete in 2.x the present one */
    struct kmip_attr_ref ref;
    bool by_index;
    int64_t index;
    const struct kmip_node *current; /* 2.x: the value to be replaced or deleted; NULL */
    uint32_t type;                   /* Adjustment Type */
    const struct kmip_node *by;      /* Adjustment Value */
    struct kmip_attr *result;        /* what 1.x answers with */
};

static bool v2(const struct kmip_call *call)
{
    return call->request->version >= KMIP_2_0;
}

static enum err no_attribute(struct kmip_call *call)
{
    return kmip_fail(call, KMIP_REASON_INVALID_ATTRIBUTE, "no such attribute");
}

static enum err read_value(struct kmip_call *call, struct edit *e, const struct kmip_node *node)
{
    if (node == NULL)
        return kmip_fail(call, KMIP_REASON_INVALID_MESSAGE, "no attribute");
    e->given.arena = kmip_arena(call);
    switch (kmip_attr_read(&e->given, node)) {
    case ERR_OK: break;
    case ERR_NO_MEMORY: return ERR_NO_MEMORY;
    case ERR_SYNTAX:
        return kmip_fail(call, KMIP_REASON_INVALID_DATA_TYPE, "the attribute has a wrong type");
    case ERR_ARGUMENT:
        return kmip_fail(call, KMIP_REASON_INVALID_ATTRIBUTE_VALUE, "the value is not known");
    default: return no_attribute(call);
    }
    const struct kmip_attr *a = e->given.first;
    e->ref = (struct kmip_attr_ref){a->tag, a->vendor, a->name};
    return ERR_OK;
}

/* The attribute of an add, modify or set: Attribute (1.x) or the child of New Attribute. */
static enum err read_new(struct kmip_call *call, struct edit *e)
{
    const struct kmip_node *node = kmip_child(call->in, KMIP_TAG_ATTRIBUTE);
    if (v2(call)) {
        const struct kmip_node *new = kmip_child(call->in, KMIP_TAG_NEW_ATTRIBUTE);
        const struct kmip_node *current = kmip_child(call->in, KMIP_TAG_CURRENT_ATTRIBUTE);
        node = new != NULL ? new->first : NULL;
        e->current = current != NULL ? current->first : NULL;
    } else {
        const struct kmip_node *index = kmip_child(node, KMIP_TAG_ATTRIBUTE_INDEX);
        e->by_index = index != NULL;
        e->index = kmip_num(node, KMIP_TAG_ATTRIBUTE_INDEX, 0);
    }
    return read_value(call, e, node);
}

/* What a Delete names: Attribute Name and Index (1.x), Current Attribute or Attribute Reference. */
static enum err read_named(struct kmip_call *call, struct edit *e)
{
    const struct kmip_node *current = kmip_child(call->in, KMIP_TAG_CURRENT_ATTRIBUTE);
    const struct kmip_node *ref =
        kmip_child(call->in, v2(call) ? KMIP_TAG_ATTRIBUTE_REFERENCE : KMIP_TAG_ATTRIBUTE_NAME);
    if (v2(call) && current != NULL && current->first != NULL) {
        TRY(read_value(call, e, current->first));
        e->current = current->first;
        return ERR_OK;
    }
    if (ref == NULL)
        return kmip_fail(call, KMIP_REASON_INVALID_MESSAGE, "no attribute is named");
    e->ref = kmip_attr_ref_read(ref);
    e->by_index = !v2(call) && kmip_child(call->in, KMIP_TAG_ATTRIBUTE_INDEX) != NULL;
    e->index = kmip_num(call->in, KMIP_TAG_ATTRIBUTE_INDEX, 0);
    return e->ref.tag == 0 ? no_attribute(call) : ERR_OK;
}

/* KMIP 2.1 knows two reasons for it: 6.1.2, 6.1.3 and 6.1.51 name one, 6.1.13 and 6.1.34 the other.
 */
static enum err read_only(struct kmip_call *call)
{
    const bool other =
        call->operation == KMIP_OP_MODIFY_ATTRIBUTE || call->operation == KMIP_OP_DELETE_ATTRIBUTE;
    return kmip_fail(call,
                     other ? KMIP_REASON_ATTRIBUTE_READ_ONLY : KMIP_REASON_READ_ONLY_ATTRIBUTE,
                     "the attribute is read-only");
}

static enum err too_late(struct kmip_call *call)
{
    return kmip_fail(call, KMIP_REASON_WRONG_KEY_LIFECYCLE_STATE,
                     "the attribute can't be changed in this state");
}

/* KMIP 2.1, 4.40 and 4.41: a date that was reached stays. Usage Limits stay once units were given
 * out. */
static enum err may_change(struct kmip_call *call, const struct kmip_change *change,
                           const struct kmip_attr *old)
{
    const int64_t now = call->request->now;
    const uint32_t state = vault_object_state(change->object, now);
    if (!kmip_attr_modifiable(old->tag, state))
        return too_late(call);
    if ((old->tag == KMIP_TAG_PROCESS_START_DATE || old->tag == KMIP_TAG_PROTECT_STOP_DATE) &&
        old->value->num <= now)
        return too_late(call);
    if (old->tag == KMIP_TAG_USAGE_LIMITS &&
        change->object->usage_left != change->object->usage_total)
        return too_late(call);
    return ERR_OK;
}

/* The instance that is meant. */
static enum err find(struct kmip_call *call, const struct edit *e, const struct kmip_attrs *attrs,
                     struct kmip_attr **ret_attr)
{
    struct kmip_attr *a = kmip_attr_find_ref(attrs, &e->ref);
    if (a == NULL)
        return kmip_fail(call,
                         v2(call) || e->verb == DELETE ? KMIP_REASON_ATTRIBUTE_NOT_FOUND
                                                       : KMIP_REASON_INVALID_FIELD,
                         "the object has no such attribute");
    if (e->current != NULL) {
        struct kmip_attrs current = {.arena = kmip_arena(call)};
        if (kmip_attr_read(&current, e->current) != ERR_OK)
            return no_attribute(call);
        if (!kmip_attr_is(current.first, &e->ref))
            return kmip_fail(call, KMIP_REASON_INVALID_FIELD,
                             "Current and New Attribute are not of one kind");
        current.first->value->tag = a->value->tag;
        while (a != NULL && !kmip_equal(a->value, current.first->value))
            a = kmip_attr_again(a);
    } else if (e->by_index) {
        while (a != NULL && a->index != e->index)
            a = kmip_attr_again(a);
    } else if (v2(call) && kmip_attr_again(a) != NULL && e->verb != DELETE) {
        return kmip_fail(call, KMIP_REASON_MULTI_VALUED_ATTRIBUTE,
                         "the attribute has several instances: say which");
    }
    if (a == NULL)
        return kmip_fail(call, KMIP_REASON_ATTRIBUTE_INSTANCE_NOT_FOUND,
                         "the attribute has no such instance");
    *ret_attr = a;
    return ERR_OK;
}

/* New limits begin with all of their units. */
static enum err settle(struct kmip_call *call, struct kmip_node *value)
{
    return value->tag == KMIP_TAG_USAGE_LIMITS ? kmip_usage_limits_begin(call, value, false)
                                               : ERR_OK;
}

/* For the answer: what the object holds lives as long as the transaction only. */
static enum err remember(struct kmip_call *call, struct edit *e, const struct kmip_attr *attr)
{
    struct kmip_build build = {.arena = kmip_arena(call)};
    struct kmip_attr *copy = arena_take(build.arena, sizeof(*copy));
    if (copy == NULL)
        return ERR_NO_MEMORY;
    *copy = *attr;
    copy->next = NULL;
    copy->value = kmip_put_copy(&build, NULL, 0, attr->value);
    copy->vendor = bytes_str(kmip_text(call, attr->vendor));
    copy->name = bytes_str(kmip_text(call, attr->name));
    e->result = copy;
    return build.err;
}

static enum err add(struct kmip_change *change, struct edit *e)
{
    struct kmip_call *call = change->call;
    const unsigned flags = kmip_attr_flags(e->ref.tag);
    struct kmip_attrs *attrs = change->attrs;
    if ((flags & (KMIP_ATTR_ADD | KMIP_ATTR_MODIFY)) == 0)
        return read_only(call);
    if (e->by_index)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "a new attribute has no index yet");
    if ((flags & KMIP_ATTR_MULTI) == 0 && kmip_attr_find_ref(attrs, &e->ref) != NULL)
        return kmip_fail(
            call, v2(call) ? KMIP_REASON_ATTRIBUTE_SINGLE_VALUED : KMIP_REASON_ILLEGAL_OPERATION,
            "the object has the attribute already");
    if (!kmip_attr_modifiable(e->ref.tag, vault_object_state(change->object, call->request->now)))
        return too_late(call);
    TRY(settle(call, e->given.first->value));
    for (const struct kmip_attr *a = kmip_attr_find_ref(attrs, &e->ref); a != NULL;
         a = kmip_attr_again(a)) {
        if (a->value->type == e->given.first->value->type &&
            (e->given.first->value->tag = a->value->tag,
             kmip_equal(a->value, e->given.first->value)))
            return kmip_fail(call,
                             v2(call) && e->ref.tag == KMIP_TAG_NAME
                                 ? KMIP_REASON_NON_UNIQUE_NAME_ATTRIBUTE
                                 : KMIP_REASON_ILLEGAL_OPERATION,
                             "the object has this value");
    }
    const enum err err = kmip_attr_add(attrs, &e->ref, e->given.first->value);
    if (err == ERR_LIMIT)
        return kmip_fail(call, KMIP_REASON_INDEX_OUT_OF_BOUNDS, "too many attributes");
    TRY(err);
    return remember(call, e, attrs->last);
}

static enum err modify(struct kmip_change *change, struct edit *e)
{
    struct kmip_call *call = change->call;
    struct kmip_attr *old = NULL;
    if ((kmip_attr_flags(e->ref.tag) & KMIP_ATTR_MODIFY) == 0)
        return read_only(call);
    TRY(find(call, e, change->attrs, &old));
    TRY(may_change(call, change, old));
    TRY(settle(call, e->given.first->value));
    e->given.first->value->tag = old->value->tag;
    old->value = e->given.first->value;
    return remember(call, e, old);
}

static enum err set(struct kmip_change *change, struct edit *e)
{
    if ((kmip_attr_flags(e->ref.tag) & KMIP_ATTR_MULTI) != 0 && e->ref.tag != KMIP_ATTR_CUSTOM)
        return kmip_fail(change->call, KMIP_REASON_MULTI_VALUED_ATTRIBUTE,
                         "an attribute of several instances can't be set");
    if (kmip_attr_find_ref(change->attrs, &e->ref) == NULL)
        return add(change, e);
    return modify(change, e);
}

static enum err drop(struct kmip_change *change, struct edit *e)
{
    struct kmip_call *call = change->call;
    struct kmip_attr *old = NULL;
    if ((kmip_attr_flags(e->ref.tag) & KMIP_ATTR_DELETE) == 0)
        return read_only(call);
    TRY(find(call, e, change->attrs, &old));
    TRY(may_change(call, change, old));
    /* 2.1, 6.1.13: a reference without a value means all instances */
    const bool all = v2(call) && e->current == NULL;
    TRY(remember(call, e, old));
    while (old != NULL) {
        struct kmip_attr *next = all ? kmip_attr_again(old) : NULL;
        kmip_attr_remove(change->attrs, old);
        old = next;
    }
    return ERR_OK;
}

static bool limits_of(enum kmip_type type, int64_t *ret_min, int64_t *ret_max)
{
    switch (type) {
    case KMIP_INTEGER:
        *ret_min = INT32_MIN;
        *ret_max = INT32_MAX;
        return true;
    case KMIP_INTERVAL:
        *ret_min = 0;
        *ret_max = UINT32_MAX;
        return true;
    case KMIP_LONG_INTEGER:
    case KMIP_DATE_TIME:
    case KMIP_DATE_TIME_EXTENDED:
        *ret_min = INT64_MIN + 1;
        *ret_max = INT64_MAX;
        return true;
    case KMIP_BOOLEAN:
        *ret_min = 0;
        *ret_max = 1;
        return true;
    default: return false;
    }
}

static enum err adjusted(struct kmip_call *call, const struct edit *e, const struct kmip_node *old,
                         int64_t *ret_value)
{
    int64_t min = 0, max = 0, value = old->num;
    const int64_t by = e->by != NULL ? e->by->num : 1;
    if (!limits_of((enum kmip_type)old->type, &min, &max) ||
        (e->by != NULL && e->by->type != old->type))
        return kmip_fail(call, KMIP_REASON_INVALID_DATA_TYPE, "the attribute can't be adjusted so");
    bool over = false;
    if (old->type == KMIP_BOOLEAN && e->type != KMIP_ADJUSTMENT_TYPE_NEGATE)
        return kmip_fail(call, KMIP_REASON_INVALID_DATA_TYPE, "a Boolean can only be negated");
    switch (e->type) {
    case KMIP_ADJUSTMENT_TYPE_INCREMENT: over = __builtin_add_overflow(value, by, &value); break;
    case KMIP_ADJUSTMENT_TYPE_DECREMENT: over = __builtin_sub_overflow(value, by, &value); break;
    case KMIP_ADJUSTMENT_TYPE_NEGATE:
        if (old->type == KMIP_BOOLEAN)
            value = value == 0;
        else
            over = __builtin_sub_overflow((int64_t)0, value, &value);
        break;
    default: return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "unknown Adjustment Type");
    }
    if (over || value < min || value > max)
        return kmip_fail(call, KMIP_REASON_NUMERIC_RANGE, "the adjusted value is out of range");
    *ret_value = value;
    return ERR_OK;
}

static enum err adjust(struct kmip_change *change, struct edit *e)
{
    struct kmip_call *call = change->call;
    struct kmip_build build = {.arena = kmip_arena(call)};
    int64_t value = 0;
    if ((kmip_attr_flags(e->ref.tag) & (KMIP_ATTR_MODIFY | KMIP_ATTR_ADD)) == 0)
        return read_only(call);
    struct kmip_attr *old = kmip_attr_find_ref(change->attrs, &e->ref);
    if (old != NULL && kmip_attr_again(old) != NULL)
        return kmip_fail(call, KMIP_REASON_MULTI_VALUED_ATTRIBUTE,
                         "the attribute has several instances");
    if (old == NULL) {
        const struct kmip_tag_row *row = kmip_tag_row(e->ref.tag);
        const uint8_t type = e->by != NULL                                   ? e->by->type
                             : e->ref.tag != KMIP_ATTR_CUSTOM && row != NULL ? row->type
                                                                             : KMIP_INTEGER;
        struct kmip_node *zero = kmip_put_num(&build, NULL, e->ref.tag, (enum kmip_type)type, 0);
        TRY(build.err);
        TRY(adjusted(call, e, zero, &value));
        zero->num = value;
        const enum err err = kmip_attr_add(change->attrs, &e->ref, zero);
        return err == ERR_LIMIT
                   ? kmip_fail(call, KMIP_REASON_INDEX_OUT_OF_BOUNDS, "too many attributes")
                   : err;
    }
    TRY(may_change(call, change, old));
    TRY(adjusted(call, e, old->value, &value));
    struct kmip_node *copy = kmip_put_copy(&build, NULL, 0, old->value);
    TRY(build.err);
    copy->num = value;
    old->value = copy;
    return ERR_OK;
}

static enum err edit_object(struct kmip_change *change, void *ctx)
{
    struct edit *e = ctx;
    if (change->object->archived)
        return kmip_fail(change->call, KMIP_REASON_OBJECT_ARCHIVED, "the object is archived");
    if (kmip_is_placement(&e->ref))
        return read_only(change->call);
    switch (e->verb) {
    case ADD: TRY(add(change, e)); break;
    case MODIFY: TRY(modify(change, e)); break;
    case SET: TRY(set(change, e)); break;
    case DELETE: return drop(change, e);
    case ADJUST: TRY(adjust(change, e)); break;
    }
    return kmip_flags_changed(change);
}

static enum err run(struct kmip_call *call, struct edit *e)
{
    struct vault_object object;
    TRY(kmip_may(call, VAULT_MAY_MANAGE));
    TRY(kmip_find_object(call, &object));
    TRY(kmip_flags_change(call, &object, edit_object, e));
    kmip_put_uid(call, object.uid);
    if (!v2(call) && e->result != NULL)
        kmip_attr_put(kmip_out(call), call->out, call->request->version, e->result);
    return ERR_OK;
}

enum err kmip_op_add_attribute(struct kmip_call *call)
{
    struct edit e = {.verb = ADD};
    TRY(read_new(call, &e));
    return run(call, &e);
}

enum err kmip_op_modify_attribute(struct kmip_call *call)
{
    struct edit e = {.verb = MODIFY};
    TRY(read_new(call, &e));
    return run(call, &e);
}

enum err kmip_op_set_attribute(struct kmip_call *call)
{
    struct edit e = {.verb = SET};
    TRY(read_new(call, &e));
    e.current = NULL;
    return run(call, &e);
}

enum err kmip_op_delete_attribute(struct kmip_call *call)
{
    struct edit e = {.verb = DELETE};
    TRY(read_named(call, &e));
    return run(call, &e);
}

enum err kmip_op_adjust_attribute(struct kmip_call *call)
{
    struct edit e = {.verb = ADJUST};
    TRY(read_named(call, &e));
    e.type = kmip_enum(call->in, KMIP_TAG_ADJUSTMENT_TYPE, 0);
    e.by = kmip_child(call->in, KMIP_TAG_ADJUSTMENT_VALUE);
    return run(call, &e);
}
