#include "net/http_head.h"

#include <strings.h>

size_t net_http_head_len(struct bytes data)
{
    const uint8_t *end = data.len >= 4 ? memmem(data.data, data.len, "\r\n\r\n", 4) : NULL;
    return end != NULL ? (size_t)(end - data.data) + 4 : 0;
}

/* RFC 9110, 5.6.2 */
static bool is_token(struct bytes v)
{
    for (size_t i = 0; i < v.len; i++) {
        uint8_t c = v.data[i];
        bool alnum = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
        if (!alnum && (c == 0 || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return false;
    }
    return v.len > 0;
}

static bool is_text(struct bytes v)
{
    for (size_t i = 0; i < v.len; i++) {
        if ((v.data[i] < ' ' && v.data[i] != '\t') || v.data[i] == 0x7f)
            return false;
    }
    return true;
}

static bool is_word(struct bytes v, const char *word)
{
    return v.len == strlen(word) && strncasecmp((const char *)v.data, word, v.len) == 0;
}

static enum net_http_method find_method(struct bytes name)
{
    for (unsigned i = 0; i < NET_HTTP_METHODS; i++) {
        enum net_http_method method = (enum net_http_method)(1U << i);
        if (bytes_equal(name, bytes_str(net_http_method_name(method))))
            return method;
    }
    return 0;
}

static enum err parse_request_line(struct bytes line, struct net_http_head *head)
{
    const uint8_t *first = memchr(line.data, ' ', line.len);
    const uint8_t *last = memrchr(line.data, ' ', line.len);
    if (first == NULL || first == last)
        return ERR_SYNTAX;
    struct bytes method = bytes_of(line.data, (size_t)(first - line.data));
    head->target = bytes_of(first + 1, (size_t)(last - first - 1));
    struct bytes version = bytes_of(last + 1, line.len - (size_t)(last + 1 - line.data));
    if (!is_token(method) || head->target.len == 0 ||
        memchr(head->target.data, ' ', head->target.len) != NULL || !is_text(head->target) ||
        version.len != 8 || memcmp(version.data, "HTTP/", 5) != 0)
        return ERR_SYNTAX;
    if (version.data[5] != '1' || version.data[6] != '.' ||
        (version.data[7] != '0' && version.data[7] != '1'))
        return ERR_UNSUPPORTED;
    head->minor = version.data[7] - (unsigned)'0';
    head->method = find_method(method);
    return ERR_OK;
}

static enum err parse_length(struct bytes v, uint64_t *ret_length)
{
    uint64_t length = 0;
    if (v.len == 0 || v.len > 15)
        return ERR_SYNTAX;
    for (size_t i = 0; i < v.len; i++) {
        if (v.data[i] < '0' || v.data[i] > '9')
            return ERR_SYNTAX;
        length = length * 10 + (uint64_t)(v.data[i] - '0');
    }
    *ret_length = length;
    return ERR_OK;
}

static enum err parse_field(struct bytes line, struct net_http_head *head)
{
    if (head->fields_len == NET_HTTP_FIELDS_MAX)
        return ERR_HEADERS;
    const uint8_t *colon = memchr(line.data, ':', line.len);
    if (colon == NULL)
        return ERR_SYNTAX;
    struct bytes name = bytes_of(line.data, (size_t)(colon - line.data));
    struct bytes value = bytes_of(colon + 1, line.len - name.len - 1);
    while (value.len > 0 && (value.data[0] == ' ' || value.data[0] == '\t'))
        value = bytes_of(value.data + 1, value.len - 1);
    while (value.len > 0 && (value.data[value.len - 1] == ' ' || value.data[value.len - 1] == '\t'))
        value.len--;
    if (!is_token(name) || !is_text(value))
        return ERR_SYNTAX;
    head->fields[head->fields_len++] = (struct net_http_field){name, value};
    return ERR_OK;
}

/* What decides where the request ends must be said once and plainly, or two readers of one stream
 * see different requests in it (RFC 9112, 11.2). */
static enum err read_fields(struct net_http_head *head)
{
    unsigned hosts = 0, lengths = 0;
    head->close = head->minor == 0;
    for (unsigned i = 0; i < head->fields_len; i++) {
        const struct net_http_field *field = &head->fields[i];
        if (is_word(field->name, "host")) {
            hosts++;
        } else if (is_word(field->name, "transfer-encoding")) {
            return ERR_UNSUPPORTED;
        } else if (is_word(field->name, "content-length")) {
            lengths++;
            TRY(parse_length(field->value, &head->content_length));
        } else if (is_word(field->name, "connection")) {
            head->close |= is_word(field->value, "close");
        }
    }
    return lengths > 1 || hosts > 1 || (hosts == 0 && head->minor == 1) ? ERR_SYNTAX : ERR_OK;
}

enum err net_http_head_parse(struct bytes head, struct net_http_head *ret_head)
{
    struct net_http_head h = {0};
    bool first = true;
    const uint8_t *at = head.data, *end = head.data + head.len;
    for (;;) {
        const uint8_t *cr = memmem(at, (size_t)(end - at), "\r\n", 2);
        if (cr == NULL)
            return ERR_SYNTAX;
        if (cr == at && !first)
            break;
        struct bytes line = bytes_of(at, (size_t)(cr - at));
        TRY(first ? parse_request_line(line, &h) : parse_field(line, &h));
        first = false;
        at = cr + 2;
    }
    TRY(read_fields(&h));
    *ret_head = h;
    return ERR_OK;
}
