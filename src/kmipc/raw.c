#include <stdlib.h>

#include "kmipc/kmipc.h"

/* Messages as they are, and their translation. */

static bool format_of(enum ckmip_encoding encoding, enum kmip_format *ret_format)
{
    switch (encoding) {
    case CKMIP_TTLV: *ret_format = KMIP_TTLV; return true;
    case CKMIP_JSON: *ret_format = KMIP_JSON; return true;
    case CKMIP_XML: *ret_format = KMIP_XML; return true;
    }
    return false;
}

static enum err give(const struct buf *from, struct ckmip_data *ret_data)
{
    ret_data->data = malloc(from->len + 1);
    if (ret_data->data == NULL)
        return ERR_NO_MEMORY;
    memcpy(ret_data->data, from->data, from->len);
    ret_data->data[from->len] = '\0'; /* not counted: JSON and XML are text */
    ret_data->len = from->len;
    return ERR_OK;
}

static enum err translate(enum kmip_format from, struct bytes message, enum kmip_format to,
                          struct arena *arena, struct buf *out, struct err_detail *detail)
{
    struct kmip_limits limits = kmip_limits_default;
    struct kmip_node *root = NULL;
    limits.message = limits.text = KMIP_MESSAGE_MAX;
    TRY(kmip_decode(from, message, &limits, arena, &root, detail));
    return kmip_encode(to, root, out);
}

static enum err raw(struct ckmip *kmip, enum kmip_format format, struct bytes request,
                    struct ckmip_data *ret_response)
{
    AUTO(buf_done) struct buf out = {0};
    if (format == KMIP_TTLV || kmipc_link_is_http(kmip->link)) {
        TRY(kmipc_link_exchange(kmip->link, format, request, &kmip->response, &kmip->detail,
                                kmip->hint));
        return give(&kmip->response, ret_response);
    }
    enum err err =
        translate(format, request, KMIP_TTLV, kmip->arena, &kmip->request, &kmip->detail);
    if (err == ERR_SYNTAX || err == ERR_TRUNCATED || err == ERR_LIMIT)
        return ERR_ARGUMENT;
    TRY(err);
    TRY(kmipc_link_exchange(kmip->link, KMIP_TTLV, buf_view(&kmip->request), &kmip->response,
                            &kmip->detail, kmip->hint));
    TRY(translate(KMIP_TTLV, buf_view(&kmip->response), format, kmip->arena, &out, &kmip->detail));
    return give(&out, ret_response);
}

int ckmip_raw(struct ckmip *kmip, enum ckmip_encoding encoding, const void *request, size_t len,
              struct ckmip_data *ret_response, struct ckmip_error *error)
{
    enum kmip_format format = KMIP_TTLV;
    if (kmip == NULL || request == NULL || ret_response == NULL || !format_of(encoding, &format))
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    *ret_response = (struct ckmip_data){0};
    arena_reset(kmip->arena);
    return kmipc_end(kmip, raw(kmip, format, bytes_of(request, len), ret_response), error);
}

int ckmip_translate(enum ckmip_encoding from, const void *message, size_t len,
                    enum ckmip_encoding to, struct ckmip_data *ret_message,
                    struct ckmip_error *error)
{
    enum kmip_format in = KMIP_TTLV, out = KMIP_TTLV;
    AUTO(buf_done) struct buf text = {0};
    AUTO(arena_freep) struct arena *arena = NULL;
    struct err_detail detail = {0};
    if (message == NULL || ret_message == NULL || !format_of(from, &in) || !format_of(to, &out))
        return kmipc_fail(error, ERR_ARGUMENT, &detail);
    *ret_message = (struct ckmip_data){0};
    enum err err = arena_new(KMIPC_MEMORY_MAX, &arena);
    if (err == ERR_OK)
        err = translate(in, bytes_of(message, len), out, arena, &text, &detail);
    if (err == ERR_SYNTAX || err == ERR_TRUNCATED || err == ERR_LIMIT)
        err = ERR_ARGUMENT;
    if (err == ERR_OK)
        err = give(&text, ret_message);
    return kmipc_fail(error, err, &detail);
}
