#include <stdlib.h>

#include "kmipc/kmipc.h"

#include <stdio.h>

static const char *const texts[] = {
    [CKMIP_OK] = "success",
    [CKMIP_ARGUMENT] = "argument out of range",
    [CKMIP_CONFIG] = "the profile is wrong",
    [CKMIP_RESOURCES] = "out of memory",
    [CKMIP_UNREACHABLE] = "the server can't be reached",
    [CKMIP_TLS] = "TLS failed",
    [CKMIP_VERSION] = "not in a version that both sides speak",
    [CKMIP_REFUSED] = "the server refuses",
    [CKMIP_PENDING] = "the server works on it",
    [CKMIP_SERVER] = "the server's answer makes no sense",
    [CKMIP_INTERNAL] = "internal error",
};

const char *ckmip_status_text(int status)
{
    if (status < 0 || (size_t)status >= ARRAY_LEN(texts))
        return "unknown status";
    return texts[status];
}

unsigned ckmip_api_version(void)
{
    return CKMIP_API_VERSION;
}

static enum ckmip_status status_of(enum err err)
{
    switch (err) {
    case ERR_OK: return CKMIP_OK;
    case ERR_ARGUMENT: return CKMIP_ARGUMENT;
    case ERR_CONFIG: return CKMIP_CONFIG;
    case ERR_NO_MEMORY: return CKMIP_RESOURCES;
    case ERR_UNREACHABLE:
    case ERR_TIMEOUT:
    case ERR_CLOSED:
    case ERR_NOT_FOUND:
    case ERR_IO: return CKMIP_UNREACHABLE;
    case ERR_TLS: return CKMIP_TLS;
    case ERR_UNSUPPORTED: return CKMIP_VERSION;
    case ERR_REFUSED: return CKMIP_REFUSED;
    case ERR_STATE: return CKMIP_PENDING;
    case ERR_PEER:
    case ERR_SYNTAX:
    case ERR_TRUNCATED:
    case ERR_LIMIT: return CKMIP_SERVER;
    default: return CKMIP_INTERNAL;
    }
}

int kmipc_fail(struct ckmip_error *error, enum err err, const struct err_detail *detail)
{
    int status = (int)status_of(err);
    if (error == NULL)
        return status;
    *error = (struct ckmip_error){.status = status};
    if (err != ERR_OK)
        (void)snprintf(error->text, sizeof error->text, "%s",
                       detail->text[0] != '\0' ? detail->text : err_text(err));
    if (err == ERR_CONFIG)
        (void)snprintf(error->hint, sizeof error->hint,
                       "the folder and its profile.conf are told in claviger-kmip-profile(5)");
    return status;
}

/* What a person can do about reasons that don't tell by themselves. */
static const char *reason_hint(uint32_t reason)
{
    switch (reason) {
    case KMIP_REASON_AUTHENTICATION_NOT_SUCCESSFUL:
        return "the server knows neither the certificate nor the password: `claviger client list` "
               "on the server shows whom it knows";
    case KMIP_REASON_PERMISSION_DENIED:
        return "`claviger client change --permissions` on the server says what this client may do";
    case KMIP_REASON_ITEM_NOT_FOUND:
    case KMIP_REASON_OBJECT_NOT_FOUND:
        return "objects of other groups don't exist for this client: look with locate";
    default: return "";
    }
}

int kmipc_end(struct ckmip *kmip, enum err err, struct ckmip_error *error)
{
    static const struct err_detail none = {.text = "no handle"};
    if (kmip == NULL)
        return kmipc_fail(error, err, &none);
    int status = kmipc_fail(error, err, &kmip->detail);
    if (error != NULL && err != ERR_OK) {
        error->reason = err == ERR_REFUSED ? kmip->reason : 0;
        const char *name =
            error->reason != 0 ? kmip_enum_name(KMIP_TAG_RESULT_REASON, error->reason) : NULL;
        (void)snprintf(error->reason_name, sizeof error->reason_name, "%s",
                       name != NULL ? name : "");
        const char *hint = kmip->hint[0] != '\0' ? kmip->hint : reason_hint(error->reason);
        if (*hint != '\0')
            (void)snprintf(error->hint, sizeof error->hint, "%s", hint);
    }
    arena_reset(kmip->arena);
    buf_done(&kmip->request);
    buf_done(&kmip->response);
    kmip->detail = (struct err_detail){0};
    kmip->hint[0] = '\0';
    return status;
}

void ckmip_data_free(struct ckmip_data *data)
{
    if (data->data != NULL)
        explicit_bzero(data->data, data->len);
    free(data->data);
    *data = (struct ckmip_data){0};
}

void ckmip_list_free(struct ckmip_list *list)
{
    for (size_t i = 0; i < list->len; i++) {
        free((void *)(uintptr_t)list->item[i].name);
        free((void *)(uintptr_t)list->item[i].value);
    }
    free(list->item);
    *list = (struct ckmip_list){0};
}

void ckmip_object_free(struct ckmip_object *object)
{
    ckmip_data_free(&object->value);
    *object = (struct ckmip_object){0}; /* the names are the table's */
}

enum err kmipc_list_add(struct ckmip_list *list, const char *name, struct bytes value)
{
    struct ckmip_attribute *item = reallocarray(list->item, list->len + 1, sizeof *item);
    if (item == NULL)
        return ERR_NO_MEMORY;
    list->item = item;
    char *name_copy = strdup(name);
    char *value_copy = strndup(value.len != 0 ? (const char *)value.data : "", value.len);
    if (name_copy == NULL || value_copy == NULL) {
        free(name_copy);
        free(value_copy);
        return ERR_NO_MEMORY;
    }
    list->item[list->len++] = (struct ckmip_attribute){name_copy, value_copy};
    return ERR_OK;
}
