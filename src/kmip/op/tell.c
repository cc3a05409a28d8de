#include "kmip/op/tell.h"

#include "base/log.h"
#include "kmip/codec/codec.h"
#include "kmip/server/notify.h"
#include "kmip_enums.h"
#include "kmip_tags.h"

enum err kmip_tell_before(struct kmip_call *call, const struct vault_object *object,
                          struct kmip_told *told)
{
    told->taken = kmip_notify_wants(call->request->env->notify, object->owner, object->group);
    if (!told->taken)
        return ERR_OK;
    told->owner = object->owner;
    memcpy(told->uid, object->uid, sizeof(told->uid));
    /* The transaction's bytes end with it. */
    struct vault_object kept = *object;
    const char *copy =
        arena_strndup(kmip_arena(call), object->attributes.data, object->attributes.len);
    if (copy == NULL)
        return ERR_NO_MEMORY;
    kept.attributes = bytes_of(copy, object->attributes.len);
    return kmip_object_attrs(call, &kept, &told->before);
}

static const struct kmip_attr *same_instance(const struct kmip_attrs *attrs,
                                             const struct kmip_attr *attr)
{
    struct kmip_attr_ref ref = {.tag = attr->tag, .vendor = attr->vendor, .name = attr->name};
    const struct kmip_attr *a = kmip_attr_find_ref(attrs, &ref);
    while (a != NULL && a->index != attr->index)
        a = kmip_attr_again(a);
    return a;
}

struct kmip_node *kmip_tell_message(struct kmip_build *b, uint16_t version, uint32_t operation,
                                    struct kmip_node **ret_payload)
{
    struct kmip_node *root = kmip_put_struct(b, NULL, KMIP_TAG_REQUEST_MESSAGE);
    struct kmip_node *header = kmip_put_struct(b, root, KMIP_TAG_REQUEST_HEADER);
    struct kmip_node *number = kmip_put_struct(b, header, KMIP_TAG_PROTOCOL_VERSION);
    (void)kmip_put_int(b, number, KMIP_TAG_PROTOCOL_VERSION_MAJOR, version >> 8);
    (void)kmip_put_int(b, number, KMIP_TAG_PROTOCOL_VERSION_MINOR, version & 0xff);
    (void)kmip_put_int(b, header, KMIP_TAG_BATCH_COUNT, 1);
    struct kmip_node *item = kmip_put_struct(b, root, KMIP_TAG_BATCH_ITEM);
    (void)kmip_put_enum(b, item, KMIP_TAG_OPERATION, operation);
    *ret_payload = kmip_put_struct(b, item, KMIP_TAG_REQUEST_PAYLOAD);
    return root;
}

static struct kmip_node *put_message(struct kmip_build *b, uint16_t version,
                                     const struct kmip_told *told)
{
    struct kmip_node *payload = NULL;
    struct kmip_node *root = kmip_tell_message(b, version, KMIP_OP_NOTIFY, &payload);
    (void)kmip_put_text(b, payload, KMIP_TAG_UNIQUE_IDENTIFIER, told->uid);
    bool v2 = version >= KMIP_2_0;
    struct kmip_node *to = v2 ? kmip_put_struct(b, payload, KMIP_TAG_ATTRIBUTES) : payload;
    for (const struct kmip_attr *a = told->after.first; a != NULL; a = a->next) {
        const struct kmip_attr *old = same_instance(&told->before, a);
        if (old == NULL || !kmip_equal(old->value, a->value))
            kmip_attr_put(b, to, version, a);
    }
    /* An attribute that is gone has a name and no value (KMIP 1.4, 5.1). */
    for (const struct kmip_attr *a = told->before.first; a != NULL; a = a->next) {
        if (same_instance(&told->after, a) != NULL)
            continue;
        struct kmip_node *gone = v2 ? payload : kmip_put_struct(b, payload, KMIP_TAG_ATTRIBUTE);
        kmip_attr_put_ref(b, gone, version, a);
    }
    return root;
}

static void tell_now(struct kmip_request *request, const struct kmip_told *told)
{
    /* Not the answer's build: a message too many must not cost the answer. */
    struct kmip_build b = {.arena = request->arena};
    struct buf out = {0};
    const struct kmip_node *root = put_message(&b, request->version, told);
    if (b.err == ERR_OK && kmip_encode(KMIP_TTLV, root, &out) == ERR_OK)
        kmip_notify_send(request->env->notify, told->owner, buf_view(&out));
    else
        log_warn("kmip: a client can't be told of a change: no memory");
    buf_done(&out);
}

/* Behind what is there already: told in the order it happened. */
static void tell_later(struct kmip_request *request, const struct kmip_untold *what)
{
    struct kmip_untold *copy = arena_take(request->arena, sizeof(*copy));
    struct kmip_untold **end = &request->untold;
    if (copy == NULL) {
        log_warn("kmip: a client can't be told of a change: no memory");
        return;
    }
    *copy = *what;
    while (*end != NULL)
        end = &(*end)->next;
    *end = copy;
}

void kmip_tell_after(struct kmip_call *call, const struct kmip_told *told)
{
    struct kmip_request *request = call->request;
    if (!told->taken || told->after.first == NULL)
        return;
    if (request->deferred != NULL)
        tell_later(request, &(struct kmip_untold){.told = *told});
    else
        tell_now(request, told);
}

static void put(struct kmip_call *call, uint64_t owner, const char *uid, const char *replaced)
{
    struct kmip_request *request = call->request;
    struct kmip_untold what = {.put = {.owner = owner, .version = request->version}};
    if (!kmip_notify_wants_put(request->env->notify, owner))
        return;
    memcpy(what.put.replaced, replaced, strlen(replaced) + 1);
    memcpy(what.put.uid, uid, strlen(uid) + 1);
    if (request->deferred != NULL)
        tell_later(request, &what);
    else
        kmip_put_start(request->env, &what.put);
}

void kmip_tell_replaced(struct kmip_call *call, const struct vault_object *old, const char *uid)
{
    put(call, old->owner, uid, old->uid);
}

void kmip_tell_new(struct kmip_call *call, const struct vault_object *source, const char *uid)
{
    put(call, source->owner, uid, "");
}

void kmip_tell_committed(struct kmip_request *request)
{
    for (const struct kmip_untold *u = request->untold; u != NULL; u = u->next) {
        if (u->put.uid[0] != '\0')
            kmip_put_start(request->env, &u->put);
        else
            tell_now(request, &u->told);
    }
    request->untold = NULL;
}
