#include <stdarg.h>
#include <stdio.h>

#include "kmip/codec/table.h"
#include "kmip/op/op.h"

enum err(kmip_fail)(struct kmip_call *call, uint32_t reason, const char *format, ...)
{
    char text[200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    call->reason = reason;
    call->message = arena_strndup(kmip_arena(call), text, strlen(text));
    return err_set(&call->detail, ERR_ARGUMENT, "%s", text);
}

enum err kmip_may(struct kmip_call *call, enum vault_client_may may)
{
    const struct vault_client *client = call->request->client;
    if (client == NULL)
        return kmip_fail(call, KMIP_REASON_AUTHENTICATION_NOT_SUCCESSFUL, "not authenticated");
    if ((client->may & (uint32_t)may) != (uint32_t)may)
        return kmip_fail(call, KMIP_REASON_PERMISSION_DENIED, "this client may not do that");
    return ERR_OK;
}

enum err kmip_get_object(struct kmip_call *call, struct bytes uid, struct vault_object *ret_object)
{
    struct kmip_request *request = call->request;
    TRY(kmip_may(call, 0));
    if (uid.len == 0 || uid.len > VAULT_UID_MAX)
        return kmip_fail(call, KMIP_REASON_OBJECT_NOT_FOUND, "no such object");
    struct store_conn *conn = NULL;
    TRY(request->env->read(request->env, &conn, &call->detail));
    enum err err = request->deferred != NULL
                       ? vault_deferred_get(request->deferred, conn, &request->client->eyes, uid,
                                            request->arena, ret_object, &call->detail)
                       : vault_object_get(conn, &request->client->eyes, uid, request->arena,
                                          ret_object, &call->detail);
    if (err == ERR_NOT_FOUND)
        return kmip_fail(call, KMIP_REASON_OBJECT_NOT_FOUND, "no such object");
    return err;
}

enum err kmip_named_uid(struct kmip_call *call, uint32_t tag, struct bytes *ret_uid)
{
    const struct kmip_node *node = kmip_child(call->in, tag);
    if (node != NULL && node->type == KMIP_TEXT_STRING) {
        *ret_uid = node->bytes;
        return ERR_OK;
    }
    /* KMIP 2.1, 11.60: an enumeration names an earlier result of the batch, the last of which is
     * the ID Placeholder; an integer would name one of several */
    if (node != NULL && node->type != KMIP_ENUMERATION)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD, "Unique Identifier is of another type");
    if (node != NULL) {
        switch (node->num) {
        case KMIP_UNIQUE_IDENTIFIER_CREATE_KEY_PAIR_PUBLIC_KEY:
        case KMIP_UNIQUE_IDENTIFIER_RE_KEY_KEY_PAIR_PUBLIC_KEY:
            if (call->request->placeholder_public[0] != '\0') {
                *ret_uid = bytes_str(call->request->placeholder_public);
                return ERR_OK;
            }
            break;
        default: break;
        }
    }
    if (call->request->placeholder[0] == '\0')
        return kmip_fail(call, node == NULL ? KMIP_REASON_MISSING_DATA : KMIP_REASON_INVALID_FIELD,
                         "no Unique Identifier, and no ID Placeholder");
    *ret_uid = bytes_str(call->request->placeholder);
    return ERR_OK;
}

enum err kmip_find_object(struct kmip_call *call, struct vault_object *ret_object)
{
    struct bytes uid = {0};
    TRY(kmip_named_uid(call, KMIP_TAG_UNIQUE_IDENTIFIER, &uid));
    return kmip_get_object(call, uid, ret_object);
}

struct keeper_object kmip_keeper_object(const struct vault_object *object)
{
    return (struct keeper_object){
        .row = vault_object_row(object), .sealed = object->sealed, .name = bytes_str(object->uid)};
}

void kmip_set_placeholder(struct kmip_request *request, const char *uid)
{
    snprintf(request->placeholder, sizeof(request->placeholder), "%s", uid);
}

void kmip_put_uid(struct kmip_call *call, const char *uid)
{
    kmip_put_text(kmip_out(call), call->out, KMIP_TAG_UNIQUE_IDENTIFIER, uid);
    kmip_set_placeholder(call->request, uid);
}

const char *kmip_text(struct kmip_call *call, struct bytes text)
{
    const char *copy = arena_strndup(kmip_arena(call), text.data, text.len);
    return copy != NULL ? copy : "";
}
