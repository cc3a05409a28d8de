#include "crypto/pem.h"

#include <stdio.h>

#include "crypto/evp.h"
#include "crypto/pem_secret.h"

#define LINE      64
#define BLOCK_MAX ((size_t)128 * 1024) /* base64 characters */

/* `to` has room for encoded_len bytes. */
static size_t encode(const char *label, struct bytes der, uint8_t *to, size_t cap)
{
    size_t at = (size_t)snprintf((char *)to, cap, "-----BEGIN %s-----\n", label);
    while (der.len != 0) {
        size_t now = der.len < LINE / 4 * 3 ? der.len : LINE / 4 * 3;
        at += (size_t)EVP_EncodeBlock(to + at, der.data, (int)now);
        to[at++] = '\n';
        der = bytes_of(der.data + now, der.len - now);
    }
    return at + (size_t)snprintf((char *)to + at, cap - at, "-----END %s-----\n", label);
}

static size_t encoded_max(const char *label, struct bytes der)
{
    size_t lines = der.len / (LINE / 4 * 3) + 1;
    return lines * (LINE + 1) + 2 * strlen(label) + 64;
}

enum err pem_encode(const char *label, struct bytes der, struct buf *to)
{
    size_t max = encoded_max(label, der);
    TRY(buf_reserve(to, max));
    to->len += encode(label, der, to->data + to->len, max);
    return ERR_OK;
}

enum err pem_encode_secret(const char *label, struct bytes der, struct secret **ret_pem)
{
    size_t max = encoded_max(label, der);
    AUTO(secret_freep) struct secret *pem = NULL;
    TRY(secret_new(max, &pem));
    secret_shrink(pem, encode(label, der, secret_data(pem), max));
    *ret_pem = TAKE(pem);
    return ERR_OK;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Base64 without its blanks, decoded in place; RFC 4648, 4. */
static enum err decode(struct buf *text, struct buf *to, struct err_detail *detail)
{
    if (text->len == 0 || text->len % 4 != 0)
        return err_set(detail, ERR_SYNTAX, "PEM: base64 of a wrong length");
    size_t padding = 0;
    while (padding < 2 && text->data[text->len - 1 - padding] == '=')
        padding++;
    for (size_t i = 0; i < text->len - padding; i++) {
        uint8_t c = text->data[i];
        bool good = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                    c == '+' || c == '/';
        if (!good)
            return err_set(detail, ERR_SYNTAX, "PEM: a character that is not base64");
    }
    TRY(buf_reserve(to, text->len / 4 * 3));
    int got = EVP_DecodeBlock(to->data + to->len, text->data, (int)text->len);
    if (got < 0)
        return evp_fail(detail, ERR_SYNTAX, "PEM");
    to->len += (size_t)got - padding;
    return ERR_OK;
}

enum err pem_decode(const char *label, struct bytes *text, struct buf *to,
                    struct err_detail *detail)
{
    char begin[PEM_LABEL_MAX + 32];
    char end[PEM_LABEL_MAX + 32];
    if (strlen(label) > PEM_LABEL_MAX)
        return ERR_ARGUMENT;
    size_t begin_len = (size_t)snprintf(begin, sizeof begin, "-----BEGIN %s-----", label);
    size_t end_len = (size_t)snprintf(end, sizeof end, "-----END %s-----", label);
    if (text->len == 0)
        return err_set(detail, ERR_NOT_FOUND, "no PEM block \"%s\"", label);
    const uint8_t *stop = text->data + text->len;
    const uint8_t *start = memmem(text->data, text->len, begin, begin_len);
    while (start != NULL && start != text->data && start[-1] != '\n')
        start = memmem(start + 1, (size_t)(stop - start) - 1, begin, begin_len);
    if (start == NULL)
        return err_set(detail, ERR_NOT_FOUND, "no PEM block \"%s\"", label);
    start += begin_len;
    const uint8_t *close = memmem(start, (size_t)(stop - start), end, end_len);
    if (close == NULL)
        return err_set(detail, ERR_TRUNCATED, "PEM block \"%s\" without its end line", label);
    if ((size_t)(close - start) > BLOCK_MAX)
        return err_set(detail, ERR_LIMIT, "PEM block \"%s\" is larger than %zu bytes", label,
                       BLOCK_MAX);
    AUTO(buf_done) struct buf packed = {0};
    TRY(buf_reserve(&packed, (size_t)(close - start) + 1));
    for (const uint8_t *at = start; at < close; at++)
        if (!is_space(*at))
            packed.data[packed.len++] = *at;
    TRY(decode(&packed, to, detail));
    *text = bytes_of(close + end_len, (size_t)(stop - close) - end_len);
    return ERR_OK;
}
