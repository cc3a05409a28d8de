#include <stdlib.h>

#include "kmipc/kmipc.h"

/* Whole objects out of a server and into another: Export and Import (KMIP 1.4, 4.38 and 4.39). */

#define KMIPC_1_4 KMIPC_V(1, 4)

static enum err export_object(struct ckmip *kmip, const char *uid, struct ckmip_data *ret_item)
{
    struct kmipc_call call;
    AUTO(buf_done) struct buf ttlv = {0};
    TRY(kmipc_begin(kmip, KMIP_OP_EXPORT, KMIPC_1_4, &call));
    kmipc_put_uid(&call, uid);
    TRY(kmipc_run(&call));
    if (call.out == NULL)
        return err_set(&kmip->detail, ERR_PEER, "the answer is empty");
    TRY(kmip_encode(KMIP_TTLV, call.out, &ttlv));
    ret_item->data = malloc(ttlv.len);
    if (ret_item->data == NULL)
        return ERR_NO_MEMORY;
    memcpy(ret_item->data, ttlv.data, ttlv.len);
    ret_item->len = ttlv.len;
    return ERR_OK;
}

int ckmip_export(struct ckmip *kmip, const char *uid, struct ckmip_data *ret_item,
                 struct ckmip_error *error)
{
    if (kmip == NULL || uid == NULL || ret_item == NULL)
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    *ret_item = (struct ckmip_data){0};
    return kmipc_end(kmip, export_object(kmip, uid, ret_item), error);
}

/* What the server alone decides: an import that names it is refused by some. */
static bool is_servers(uint32_t tag)
{
    static const uint32_t own[] = {
        KMIP_TAG_STATE,  KMIP_TAG_LAST_CHANGE_DATE,  KMIP_TAG_LEASE_TIME,
        KMIP_TAG_DIGEST, KMIP_TAG_UNIQUE_IDENTIFIER, KMIP_TAG_SHORT_UNIQUE_IDENTIFIER};
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        if (own[i] == tag)
            return true;
    }
    return false;
}

static uint32_t attribute_tag(const struct kmip_node *node)
{
    const struct kmip_tag_row *row = kmip_tag_titled(kmip_bytes(node, KMIP_TAG_ATTRIBUTE_NAME));
    return node->tag != KMIP_TAG_ATTRIBUTE ? node->tag : row != NULL ? row->tag : 0;
}

/* In 1.x attributes stand in the payload, in 2.x within Attributes; both come from a server of the
 * version that is spoken now, or the import is refused. */
static void put_attributes(struct kmipc_call *call, const struct kmip_node *item)
{
    struct kmip_build *b = &call->build;
    const struct kmip_node *from = item;
    struct kmip_node *to = call->in;
    if (kmipc_is_2(call)) {
        from = kmip_child(item, KMIP_TAG_ATTRIBUTES);
        to = kmip_put_struct(b, call->in, KMIP_TAG_ATTRIBUTES);
    }
    for (const struct kmip_node *node = from != NULL ? from->first : NULL; node != NULL;
         node = node->next) {
        if ((kmipc_is_2(call) || node->tag == KMIP_TAG_ATTRIBUTE) &&
            !is_servers(attribute_tag(node)))
            (void)kmip_put_copy(b, to, 0, node);
    }
}

static enum err import_object(struct ckmip *kmip, struct bytes ttlv, bool replace,
                              ckmip_uid ret_uid)
{
    struct kmipc_call call;
    struct kmip_node *item = NULL;
    TRY(kmipc_begin(kmip, KMIP_OP_IMPORT, KMIPC_1_4, &call));
    struct kmip_build *b = &call.build;
    if (kmip_decode(KMIP_TTLV, ttlv, NULL, kmip->arena, &item, &kmip->detail) != ERR_OK ||
        item->tag != KMIP_TAG_RESPONSE_PAYLOAD || item->last == NULL)
        return err_set(&kmip->detail, ERR_ARGUMENT, "not what an export has written");
    bool is_2 = kmip_child(item, KMIP_TAG_ATTRIBUTES) != NULL;
    if (is_2 != kmipc_is_2(&call))
        return err_set(&kmip->detail, ERR_ARGUMENT,
                       "it was exported with KMIP %c.x: speak that version here, too",
                       is_2 ? '2' : '1');
    struct bytes uid = kmip_bytes(item, KMIP_TAG_UNIQUE_IDENTIFIER);
    (void)kmip_put_bytes(b, call.in, KMIP_TAG_UNIQUE_IDENTIFIER, KMIP_TEXT_STRING, uid);
    (void)kmip_put_enum(b, call.in, KMIP_TAG_OBJECT_TYPE, kmip_enum(item, KMIP_TAG_OBJECT_TYPE, 0));
    if (replace)
        (void)kmip_put_bool(b, call.in, KMIP_TAG_REPLACE_EXISTING, true);
    put_attributes(&call, item);
    (void)kmip_put_copy(b, call.in, 0, item->last);
    TRY(kmipc_run(&call));
    return kmipc_take_uid(&call, KMIP_TAG_UNIQUE_IDENTIFIER, ret_uid);
}

int ckmip_import(struct ckmip *kmip, const void *item, size_t len, int replace, ckmip_uid ret_uid,
                 struct ckmip_error *error)
{
    if (kmip == NULL || item == NULL)
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    ret_uid[0] = '\0';
    return kmipc_end(kmip, import_object(kmip, bytes_of(item, len), replace != 0, ret_uid), error);
}
