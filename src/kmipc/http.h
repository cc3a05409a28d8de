#pragma once

#include "base/buf.h"
#include "kmip/codec/codec.h"

/* The client's side of KMIP over HTTPS: one POST, one answer with a Content-Length or in chunks. */

/* For net_conn_ops: an HTTP response as one frame. */
MUST_CHECK enum err kmipc_http_len(const uint8_t *data, size_t have, size_t *ret_need);
/* Its body (chunks are joined in place: `frame` is what net_conn handed over); ERR_PEER with the
 * status where that is not 200. `ret_keep`: whether the connection lives on. */
MUST_CHECK enum err kmipc_http_body(struct bytes frame, struct bytes *ret_body, bool *ret_keep,
                                    struct err_detail *detail);
/* Append the head of a request. */
MUST_CHECK enum err kmipc_http_head(const char *path, const char *host, uint16_t port,
                                    enum kmip_format format, size_t len, struct buf *to);
