#include "kmipc/http.h"

#include <stdio.h>
#include <strings.h>

#define HEAD_MAX ((size_t)16 * 1024)

/* Behind the empty line that ends the head; 0: not yet there. */
static size_t head_len(struct bytes data)
{
    const uint8_t *end = memmem(data.data, data.len, "\r\n\r\n", 4);
    return end != NULL ? (size_t)(end - data.data) + 4 : 0;
}

/* The value of a header, blanks in front dropped; NULL where there is none. */
static const char *header(struct bytes head, const char *name, size_t *ret_len)
{
    size_t name_len = strlen(name);
    const char *at = (const char *)head.data, *end = at + head.len;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (line_end == NULL)
            return NULL;
        size_t len = (size_t)(line_end - at);
        if (len > name_len && at[name_len] == ':' && strncasecmp(at, name, name_len) == 0) {
            const char *value = at + name_len + 1;
            while (value < line_end && (*value == ' ' || *value == '\t'))
                value++;
            *ret_len = (size_t)(line_end - value);
            while (*ret_len > 0 && (value[*ret_len - 1] == '\r' || value[*ret_len - 1] == ' '))
                (*ret_len)--;
            return value;
        }
        at = line_end + 1;
    }
    return NULL;
}

static bool header_is(struct bytes head, const char *name, const char *value)
{
    size_t len = 0;
    const char *text = header(head, name, &len);
    return text != NULL && len == strlen(value) && strncasecmp(text, value, len) == 0;
}

/* Decimal digits only, or hexadecimal ones. */
static bool number(const char *text, size_t len, unsigned base, size_t *ret_number)
{
    size_t value = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned c = (unsigned char)text[i], digit = 99;
        if (c >= '0' && c <= '9')
            digit = c - '0';
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            digit = (c | 32) - 'a' + 10;
        if (digit >= base || value > KMIP_MESSAGE_MAX)
            return false;
        value = value * base + digit;
    }
    *ret_number = value;
    return len != 0;
}

/* RFC 9112, 7.1. The whole body, or how many bytes are wanted to see further. */
static enum err chunks_len(struct bytes body, size_t *ret_len, bool *ret_whole)
{
    size_t at = 0;
    *ret_whole = false;
    for (;;) {
        const uint8_t *end = memmem(body.data + at, body.len - at, "\r\n", 2);
        size_t size = 0;
        if (end == NULL) {
            *ret_len = body.len + 1;
            return body.len - at > 64 ? ERR_PEER : ERR_OK;
        }
        const char *line = (const char *)body.data + at;
        size_t line_len = (size_t)(end - (body.data + at)), digits = 0;
        while (digits < line_len && line[digits] != ';' && line[digits] != ' ')
            digits++;
        if (!number(line, digits, 16, &size) || size > KMIP_MESSAGE_MAX)
            return ERR_PEER;
        at += line_len + 2 + size + 2;
        if (at > body.len) {
            *ret_len = at;
            return ERR_OK;
        }
        if (size == 0) {
            *ret_len = at;
            *ret_whole = true;
            return body.data[at - 2] == '\r' && body.data[at - 1] == '\n' ? ERR_OK : ERR_PEER;
        }
    }
}

enum err kmipc_http_len(const uint8_t *data, size_t have, size_t *ret_need)
{
    struct bytes all = bytes_of(data, have);
    size_t head = head_len(all), len = 0, body = 0;
    if (head == 0) {
        *ret_need = have + 1;
        return have > HEAD_MAX ? ERR_PEER : ERR_OK;
    }
    struct bytes top = bytes_of(data, head);
    if (header_is(top, "Transfer-Encoding", "chunked")) {
        bool whole = false;
        TRY(chunks_len(bytes_of(data + head, have - head), &body, &whole));
        *ret_need = head + body;
        return ERR_OK;
    }
    const char *text = header(top, "Content-Length", &len);
    if (text == NULL || !number(text, len, 10, &body) || body > KMIP_MESSAGE_MAX)
        return ERR_PEER;
    *ret_need = head + body;
    return ERR_OK;
}

/* In place: what comes out is shorter. The buffer is net_conn's own and ours for the call. */
static struct bytes join_chunks(struct bytes body)
{
    uint8_t *to = (uint8_t *)(uintptr_t)body.data;
    const uint8_t *at = body.data, *end = body.data + body.len;
    size_t total = 0;
    while (at < end) {
        const uint8_t *line_end = memmem(at, (size_t)(end - at), "\r\n", 2);
        size_t digits = 0, size = 0;
        if (line_end == NULL)
            break;
        while (at + digits < line_end && at[digits] != ';' && at[digits] != ' ')
            digits++;
        if (!number((const char *)at, digits, 16, &size) || size == 0 ||
            size > (size_t)(end - line_end) - 2)
            break;
        memmove(to + total, line_end + 2, size);
        total += size;
        at = line_end + 2 + size + 2;
    }
    return bytes_of(body.data, total);
}

enum err kmipc_http_body(struct bytes frame, struct bytes *ret_body, bool *ret_keep,
                         struct err_detail *detail)
{
    size_t head = head_len(frame), status = 0;
    struct bytes top = bytes_of(frame.data, head);
    if (head < 16 || memcmp(frame.data, "HTTP/1.", 7) != 0 ||
        !number((const char *)frame.data + 9, 3, 10, &status))
        return err_set(detail, ERR_PEER, "the answer is not HTTP");
    *ret_keep = frame.data[7] == '1' && !header_is(top, "Connection", "close");
    if (status != 200) {
        const uint8_t *line_end = memchr(frame.data, '\r', head);
        return err_set(detail, ERR_PEER, "HTTP status %.*s",
                       (int)(line_end - frame.data - 9) < 80 ? (int)(line_end - frame.data - 9)
                                                             : 80,
                       (const char *)frame.data + 9);
    }
    struct bytes body = bytes_of(frame.data + head, frame.len - head);
    *ret_body = header_is(top, "Transfer-Encoding", "chunked") ? join_chunks(body) : body;
    return ERR_OK;
}

enum err kmipc_http_head(const char *path, const char *host, uint16_t port, enum kmip_format format,
                         size_t len, struct buf *to)
{
    static const char *const types[] = {[KMIP_TTLV] = "application/octet-stream",
                                        [KMIP_JSON] = "application/json",
                                        [KMIP_XML] = "text/xml"};
    bool v6 = strchr(host, ':') != NULL;
    return buf_printf(to,
                      "POST %s HTTP/1.1\r\nHost: %s%s%s:%u\r\nContent-Type: %s\r\n"
                      "Content-Length: %zu\r\nCache-Control: no-cache\r\n\r\n",
                      path, v6 ? "[" : "", host, v6 ? "]" : "", port, types[format], len);
}
