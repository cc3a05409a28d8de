#include "kmip/op/links.h"

#include "kmip_tags.h"

enum err kmip_links_add(struct kmip_links *links, const char *uid, uint32_t type,
                        const char *target, bool replace)
{
    if (links->count == KMIP_LINKS_SET_MAX)
        return ERR_LIMIT;
    struct kmip_told *told = arena_take(kmip_arena(links->call), sizeof(*told));
    if (told == NULL)
        return ERR_NO_MEMORY;
    links->links[links->count++] = (struct kmip_link){
        .uid = uid, .type = type, .target = target, .replace = replace, .told = told};
    return ERR_OK;
}

static struct kmip_attr *find_link(const struct kmip_attrs *attrs, uint32_t type)
{
    struct kmip_attr *attr = kmip_attr_find(attrs, KMIP_TAG_LINK);
    while (attr != NULL && kmip_enum(attr->value, KMIP_TAG_LINK_TYPE, 0) != type)
        attr = kmip_attr_again(attr);
    return attr;
}

static enum err set_one(struct vault_tx *tx, const struct kmip_links *links,
                        const struct kmip_link *link, struct err_detail *detail)
{
    struct kmip_call *call = links->call;
    struct vault_object object;
    struct kmip_attrs attrs = {0};
    *link->told = (struct kmip_told){0};
    TRY(vault_tx_get(tx, bytes_str(link->uid), &object, detail));
    TRY(kmip_tell_before(call, &object, link->told));
    TRY(kmip_object_attrs(call, &object, &attrs));
    struct kmip_attr *old = link->replace ? find_link(&attrs, link->type) : NULL;
    if (old != NULL)
        kmip_attr_remove(&attrs, old);
    if (links->unnamed != NULL && strcmp(links->unnamed, link->uid) == 0)
        kmip_attr_remove_all(&attrs, KMIP_TAG_NAME);
    enum err err = kmip_attr_add_link(&attrs, link->type, link->target);
    if (err == ERR_LIMIT) {
        link->told->taken = false;
        return ERR_OK;
    }
    TRY(err);
    TRY(kmip_attr_set_num(&attrs, KMIP_TAG_LAST_CHANGE_DATE, KMIP_DATE_TIME, call->request->now));
    struct vault_key *keys = NULL;
    size_t count = 0;
    TRY(kmip_object_pack(call, &attrs, &object, &keys, &count));
    if (link->told->taken)
        TRY(kmip_object_attrs(call, &object, &link->told->after));
    return vault_tx_update(tx, &object, keys, count, detail);
}

enum err kmip_links_set(struct vault_tx *tx, void *ctx, struct err_detail *detail)
{
    const struct kmip_links *links = ctx;
    for (size_t i = 0; i < links->count; i++)
        TRY(set_one(tx, links, &links->links[i], detail));
    return ERR_OK;
}

void kmip_links_tell(const struct kmip_links *links)
{
    for (size_t i = 0; i < links->count; i++)
        kmip_tell_after(links->call, links->links[i].told);
}
