#include "net/http_route.h"

#include <arpa/inet.h>
#include <strings.h>

#include "base/buf.h"

#define SEGMENTS_MAX 16

const char *net_http_method_name(enum net_http_method method)
{
    switch (method) {
    case NET_HTTP_GET: return "GET";
    case NET_HTTP_POST: return "POST";
    case NET_HTTP_PUT: return "PUT";
    case NET_HTTP_DELETE: return "DELETE";
    case NET_HTTP_PATCH: return "PATCH";
    }
    return "?";
}

/* Bytes of the UTF-8 character at `p` (RFC 3629: no overlong forms, no surrogates); 0 if it is
 * none. */
static size_t utf8_len(const uint8_t *p, size_t have)
{
    uint8_t c = p[0];
    if (c < 0x80)
        return 1;
    size_t len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c < 0xc2 || c > 0xf4 || have < len)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((c == 0xe0 && p[1] < 0xa0) || (c == 0xed && p[1] > 0x9f) || (c == 0xf0 && p[1] < 0x90) ||
        (c == 0xf4 && p[1] > 0x8f))
        return 0;
    return len;
}

static bool is_plain_utf8(const uint8_t *p, size_t len)
{
    for (size_t n; len > 0; p += n, len -= n) {
        n = utf8_len(p, len);
        if (n == 0 || *p < ' ' || *p == 0x7f)
            return false;
    }
    return true;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decode into t->text, with a NUL behind it. */
static enum err decode(struct net_http_target *t, struct bytes from, bool plus,
                       const char **ret_text)
{
    if (sizeof t->text - t->used < from.len + 1)
        return ERR_LIMIT;
    uint8_t *to = (uint8_t *)t->text + t->used;
    size_t len = 0;
    for (size_t i = 0; i < from.len; i++) {
        uint8_t c = from.data[i];
        if (c == '%') {
            if (from.len - i < 3)
                return ERR_SYNTAX;
            int high = hex_digit(from.data[i + 1]), low = hex_digit(from.data[i + 2]);
            if (high < 0 || low < 0)
                return ERR_SYNTAX;
            c = (uint8_t)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        to[len++] = c;
    }
    if (!is_plain_utf8(to, len))
        return ERR_SYNTAX;
    to[len] = '\0';
    *ret_text = (const char *)to;
    t->used += len + 1;
    return ERR_OK;
}

/* Cut `from` at the first `at`; gives what is in front. */
static struct bytes cut(struct bytes *from, uint8_t at)
{
    const uint8_t *found = from->len > 0 ? memchr(from->data, at, from->len) : NULL;
    size_t len = found != NULL ? (size_t)(found - from->data) : from->len;
    struct bytes front = bytes_of(from->data, len);
    *from = found != NULL ? bytes_of(found + 1, from->len - len - 1) : (struct bytes){0};
    return front;
}

static enum err parse_query(struct net_http_target *t, struct bytes query)
{
    while (query.len > 0) {
        struct bytes value = cut(&query, '&');
        if (value.len == 0)
            continue;
        if (t->query_len == NET_HTTP_QUERY_MAX)
            return ERR_LIMIT;
        struct bytes name = cut(&value, '=');
        struct net_http_pair pair;
        TRY(decode(t, name, true, &pair.name));
        TRY(decode(t, value, true, &pair.value));
        for (unsigned i = 0; i < t->query_len; i++) {
            if (strcmp(t->query[i].name, pair.name) == 0)
                return ERR_SYNTAX;
        }
        t->query[t->query_len++] = pair;
    }
    return ERR_OK;
}

struct segments {
    const char *text[SEGMENTS_MAX];
    unsigned len;
};

/* Escaped slashes stay within their segment, so a name can't change which route is taken. */
static enum err parse_path(struct net_http_target *t, struct bytes path, struct segments *s)
{
    TRY(decode(t, path, false, &t->path));
    struct bytes rest = bytes_of(path.data + 1, path.len - 1);
    s->len = 0;
    for (bool more = true; more;) {
        if (s->len == SEGMENTS_MAX)
            return ERR_NOT_FOUND;
        more = rest.len > 0 && memchr(rest.data, '/', rest.len) != NULL;
        struct bytes segment = cut(&rest, '/');
        TRY(decode(t, segment, false, &s->text[s->len]));
        if (strcmp(s->text[s->len], ".") == 0 || strcmp(s->text[s->len], "..") == 0)
            return ERR_SYNTAX;
        s->len++;
    }
    return ERR_OK;
}

static bool segment_matches(const char *pattern, size_t len, const char *segment)
{
    if (len >= 2 && pattern[0] == '{')
        return *segment != '\0';
    return strlen(segment) == len && memcmp(pattern, segment, len) == 0;
}

static bool pattern_matches(const char *pattern, const struct segments *s)
{
    unsigned i = 0;
    for (const char *at = pattern; *at == '/'; i++) {
        size_t len = strcspn(at + 1, "/");
        if (i == s->len || !segment_matches(at + 1, len, s->text[i]))
            return false;
        at += 1 + len;
    }
    return i == s->len;
}

static enum err take_params(struct net_http_target *t, const struct segments *s)
{
    unsigned i = 0;
    for (const char *at = t->route->pattern; *at == '/'; i++) {
        size_t len = strcspn(at + 1, "/");
        if (len >= 2 && at[1] == '{') {
            if (t->params_len == NET_HTTP_PARAMS_MAX || sizeof t->text - t->used < len)
                return ERR_LIMIT;
            char *name = t->text + t->used;
            memcpy(name, at + 2, len - 2);
            name[len - 2] = '\0';
            t->used += len - 1;
            t->params[t->params_len++] = (struct net_http_pair){name, s->text[i]};
        }
        at += 1 + len;
    }
    return ERR_OK;
}

enum err net_http_match(const struct net_http_route *routes, unsigned routes_len,
                        enum net_http_method method, struct bytes target, struct net_http_target *t)
{
    t->route = NULL;
    t->allowed = 0;
    t->path = "";
    t->params_len = t->query_len = 0;
    t->used = 0;
    if (target.len > NET_HTTP_TARGET_MAX)
        return ERR_LIMIT;
    if (target.len == 0 || target.data[0] != '/' || memchr(target.data, '#', target.len) != NULL)
        return ERR_SYNTAX;
    struct bytes query = target;
    struct bytes path = cut(&query, '?');
    struct segments segments;
    TRY(parse_path(t, path, &segments));
    TRY(parse_query(t, query));
    for (unsigned i = 0; i < routes_len && t->route == NULL; i++) {
        if (!pattern_matches(routes[i].pattern, &segments))
            continue;
        t->allowed |= routes[i].method;
        if (routes[i].method == method)
            t->route = &routes[i];
    }
    if (t->route == NULL)
        return t->allowed != 0 ? ERR_METHOD : ERR_NOT_FOUND;
    return take_params(t, &segments);
}

bool net_http_host_is_local(const char *host)
{
    char name[64];
    const char *end = *host == '[' ? strchr(host, ']') : strchr(host, ':');
    if (*host == '[' && end == NULL)
        return false;
    const char *port = *host == '[' ? end + 1 : end;
    size_t len = end != NULL ? (size_t)(end - host) : strlen(host);
    if (port != NULL && *port != '\0' &&
        (*port != ':' || strspn(port + 1, "0123456789") != strlen(port + 1)))
        return false;
    if (len >= sizeof name)
        return false;
    memcpy(name, host, len);
    name[len] = '\0';
    if (*host == '[') {
        struct in6_addr in6;
        return inet_pton(AF_INET6, name + 1, &in6) == 1 && IN6_IS_ADDR_LOOPBACK(&in6);
    }
    struct in_addr in;
    if (inet_pton(AF_INET, name, &in) == 1)
        return ntohl(in.s_addr) >> 24 == 127;
    return strcasecmp(name, "localhost") == 0;
}

enum err net_json_string(struct buf *to, const char *text)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t left = strlen(text);
    TRY(buf_append(to, bytes_str("\"")));
    for (size_t n; left > 0; p += n, left -= n) {
        n = utf8_len(p, left);
        if (n == 0) {
            n = 1;
            TRY(buf_append(to, bytes_str("\\ufffd")));
        } else if (*p == '"' || *p == '\\') {
            TRY(buf_printf(to, "\\%c", *p));
        } else if (*p < ' ' || *p == 0x7f) {
            TRY(buf_printf(to, "\\u%04x", *p));
        } else {
            TRY(buf_append(to, bytes_of(p, n)));
        }
    }
    return buf_append(to, bytes_str("\""));
}
