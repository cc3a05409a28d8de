#include "diameter/properties.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/file.h"
#include "diameter/message.h"

/* Where the reader stands: N of a table's entry, and what stood already. */
struct parse {
    const char *name;
    unsigned line;
    struct diameter_properties *props;
    struct err_detail *detail;
    bool seen[64];                         /* single properties, by row */
    uint32_t apps_seen[DIAMETER_APPS_MAX]; /* bits, one per row of the list */
    uint32_t inband_seen;                  /* bits, by N */
    struct diameter_app apps[DIAMETER_APPS_MAX];
    struct diameter_peer_entry *peers; /* by N */
    uint32_t *peers_seen;
    unsigned peers_len;
};

static void peers_freep(struct diameter_peer_entry **peers)
{
    free(*peers);
}
static void u32_freep(uint32_t **numbers)
{
    free(*numbers);
}

__attribute__((format(printf, 2, 3))) static enum err wrong(const struct parse *p,
                                                            const char *format, ...)
{
    char text[200];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return err_set(p->detail, ERR_CONFIG, "%s: line %u: %s", p->name, p->line, text);
}

static bool parse_u32(const char *text, uint32_t *ret_value)
{
    uint64_t value = 0;
    if (*text == '\0' || strlen(text) > 10)
        return false;
    for (const char *c = text; *c != '\0'; c++) {
        if (*c < '0' || *c > '9')
            return false;
        value = value * 10 + (uint64_t)(*c - '0');
    }
    if (value > UINT32_MAX)
        return false;
    *ret_value = (uint32_t)value;
    return true;
}

static bool starts(const char **at, const char *with)
{
    size_t len = strlen(with);
    if (strncmp(*at, with, len) != 0)
        return false;
    *at += len;
    return true;
}

enum err diameter_uri_parse(const char *text, struct diameter_uri *ret_uri)
{
    struct diameter_uri uri = {.port = DIAMETER_PORT};
    const char *at = text;
    if (starts(&at, "aaas://")) {
        uri.tls = true;
        uri.port = DIAMETER_PORT_TLS;
    } else if (!starts(&at, "aaa://")) {
        return ERR_SYNTAX;
    }
    bool bracket = *at == '[';
    const char *host = bracket ? at + 1 : at;
    size_t len = strcspn(host, bracket ? "]" : ":;");
    if (len >= sizeof uri.host || (bracket && host[len] != ']') ||
        !diameter_identity_valid(bytes_of(host, len)) || memchr(host, '[', len) != NULL ||
        memchr(host, ']', len) != NULL)
        return ERR_SYNTAX;
    memcpy(uri.host, host, len);
    at = host + len + (bracket ? 1 : 0);
    if (*at == ':') {
        char digits[8] = {0};
        size_t n = strcspn(++at, ";");
        uint32_t port = 0;
        if (n >= sizeof digits)
            return ERR_SYNTAX;
        memcpy(digits, at, n);
        if (!parse_u32(digits, &port) || port == 0 || port > UINT16_MAX)
            return ERR_SYNTAX;
        uri.port = (uint16_t)port;
        uri.port_given = true;
        at += n;
    }
    /* RFC 6733, 4.3.1 knows these; TCP is the only transport here. */
    (void)starts(&at, ";transport=tcp");
    (void)starts(&at, ";protocol=diameter");
    if (*at != '\0')
        return ERR_SYNTAX;
    *ret_uri = uri;
    return ERR_OK;
}

static enum err set_word(const struct parse *p, const char *value, const char *yes, const char *no,
                         bool *ret_yes)
{
    if (strcasecmp(value, yes) == 0)
        *ret_yes = true;
    else if (strcasecmp(value, no) == 0)
        *ret_yes = false;
    else
        return wrong(p, "'%.60s' is neither %s nor %s", value, yes, no);
    return ERR_OK;
}

static enum err set_number(const struct parse *p, const struct property_row *row, const char *value,
                           uint32_t *ret_value)
{
    uint32_t number = 0;
    if (!parse_u32(value, &number))
        return wrong(p, "%s: '%.60s' is no number", row->name, value);
    if (number < row->min || number > row->max)
        return wrong(p, "%s: %u is not within %u and %u", row->name, number, row->min, row->max);
    *ret_value = row->type == PROPERTY_SECONDS ? number * 1000 : number;
    return ERR_OK;
}

static enum err set_text(const struct parse *p, const struct property_row *row, const char *value,
                         char *to, size_t size)
{
    size_t len = strlen(value);
    if (len >= size)
        return wrong(p, "%s: longer than %zu bytes", row->name, size - 1);
    if (row->type == PROPERTY_IDENTITY && !diameter_identity_valid(bytes_of(value, len)))
        return wrong(p, "%s: '%.60s' is no Diameter identity", row->name, value);
    memcpy(to, value, len + 1);
    return ERR_OK;
}

static enum err set_inband(struct parse *p, const struct property_row *row, const char *value)
{
    bool tls = false;
    (void)row;
    TRY(set_word(p, value, "TLS", "NO_INBAND_SECURITY", &tls));
    if (tls)
        p->props->inband_tls = true;
    else
        p->props->inband_plain = true;
    return ERR_OK;
}

static enum err set_value(struct parse *p, const struct property_row *row, void *base,
                          const char *value)
{
    if (value[0] == '\0')
        return wrong(p, "%s has no value", row->name);
    void *field = (uint8_t *)base + row->offset;
    switch (row->type) {
    case PROPERTY_URI:
        if (diameter_uri_parse(value, field) != ERR_OK)
            return wrong(p, "%s: '%.60s' is no aaa://host[:port] or aaas://host[:port]", row->name,
                         value);
        return ERR_OK;
    case PROPERTY_IDENTITY:
    case PROPERTY_TEXT: return set_text(p, row, value, field, DIAMETER_NAME_MAX);
    case PROPERTY_PATH: return set_text(p, row, value, field, DIAMETER_PATH_MAX);
    case PROPERTY_NUMBER:
    case PROPERTY_SECONDS: return set_number(p, row, value, field);
    case PROPERTY_BOOL: return set_word(p, value, "true", "false", field);
    case PROPERTY_APPLICATION_TYPE: return set_word(p, value, "Acct", "Auth", field);
    case PROPERTY_STACK: return set_word(p, value, "SERVER", "CLIENT", field);
    case PROPERTY_SECURITY: return set_inband(p, row, value);
    }
    return ERR_INTERNAL;
}

/* "PeerTable.3.URI" against "PeerTable.N.URI". */
static bool name_matches(const char *name, const char *pattern, uint32_t *ret_n)
{
    const char *mark = strstr(pattern, ".N.");
    if (mark == NULL)
        return strcmp(name, pattern) == 0;
    size_t head = (size_t)(mark - pattern) + 1;
    if (strncmp(name, pattern, head) != 0)
        return false;
    char digits[11] = {0};
    size_t n = strspn(name + head, "0123456789");
    if (n >= sizeof digits)
        return false;
    memcpy(digits, name + head, n);
    return strcmp(name + head + n, mark + 2) == 0 && parse_u32(digits, ret_n);
}

static enum err peer_entry(struct parse *p, uint32_t n, struct diameter_peer_entry **ret_entry)
{
    if (n >= p->peers_len) {
        /* Tables are written from 0 upwards; room grows with the largest N, which is bounded. */
        unsigned len = n + 1 < 16 ? 16 : n + 1;
        struct diameter_peer_entry *peers = calloc(len, sizeof *peers);
        uint32_t *seen = calloc(len, sizeof *seen);
        if (peers == NULL || seen == NULL) {
            free(peers);
            free(seen);
            return ERR_NO_MEMORY;
        }
        if (p->peers_len != 0) {
            memcpy(peers, p->peers, p->peers_len * sizeof *peers);
            memcpy(seen, p->peers_seen, p->peers_len * sizeof *seen);
        }
        free(p->peers);
        free(p->peers_seen);
        p->peers = peers;
        p->peers_seen = seen;
        p->peers_len = len;
    }
    if (p->peers_seen[n] == 0)
        p->peers[n].line = p->line;
    *ret_entry = &p->peers[n];
    return ERR_OK;
}

static enum err set_property(struct parse *p, size_t index, uint32_t n, const char *value)
{
    const struct property_row *row = &property_rows[index];
    uint32_t bit = 1u << (index % 32);
    uint32_t limit = row->list == PROPERTY_PEERS    ? DIAMETER_PEERS_MAX
                     : row->list == PROPERTY_SINGLE ? 1
                                                    : DIAMETER_APPS_MAX;
    if (n >= limit)
        return wrong(p, "%s: N is at most %u", row->name, limit - 1);
    void *base = p->props;
    bool twice = false;
    uint32_t *seen = NULL;
    switch (row->list) {
    case PROPERTY_SINGLE:
        twice = p->seen[index];
        p->seen[index] = true;
        break;
    case PROPERTY_APPS:
        base = &p->apps[n];
        seen = &p->apps_seen[n];
        break;
    case PROPERTY_INBAND:
        seen = &p->inband_seen;
        bit = 1u << n;
        break;
    case PROPERTY_PEERS: {
        struct diameter_peer_entry *entry = NULL;
        TRY(peer_entry(p, n, &entry));
        base = entry;
        seen = &p->peers_seen[n];
        break;
    }
    }
    if (seen != NULL) {
        twice = (*seen & bit) != 0;
        *seen |= bit;
    }
    if (twice)
        return wrong(p, "%s stands twice", row->name);
    return set_value(p, row, base, value);
}

static char *trim(char *text, size_t len)
{
    while (len != 0 && (text[len - 1] == ' ' || text[len - 1] == '\t' || text[len - 1] == '\r'))
        len--;
    text[len] = '\0';
    return text + strspn(text, " \t");
}

static enum err parse_line(struct parse *p, char *text, size_t len)
{
    char *line = trim(text, len);
    if (*line == '\0' || *line == '#' || *line == '!')
        return ERR_OK;
    char *equals = strchr(line, '=');
    if (equals == NULL)
        return wrong(p, "not of the form propertyName=propertyValue");
    char *name = line;
    char *value = equals + 1 + strspn(equals + 1, " \t");
    name = trim(name, (size_t)(equals - name));
    for (size_t i = 0; i < property_rows_len; i++) {
        uint32_t n = 0;
        if (name_matches(name, property_rows[i].name, &n))
            return set_property(p, i, n, value);
    }
    return wrong(p, "unknown property '%.80s'", name);
}

static enum err finish_apps(struct parse *p)
{
    bool mip4 = false;
    for (unsigned n = 0; n < DIAMETER_APPS_MAX; n++) {
        if (p->apps_seen[n] == 0)
            continue;
        bool has_id = false;
        for (size_t i = 0; i < property_rows_len; i++) {
            if (property_rows[i].list == PROPERTY_APPS && property_rows[i].required)
                has_id = (p->apps_seen[n] & 1u << (i % 32)) != 0;
        }
        if (!has_id)
            return err_set(p->detail, ERR_CONFIG,
                           "%s: SupportedApplicationIds.%u has no ApplicationId", p->name, n);
        mip4 = mip4 || (!p->apps[n].acct && p->apps[n].id == DIAMETER_APP_MIP4);
        p->props->apps[p->props->apps_len++] = p->apps[n];
    }
    if (p->props->apps_len != 0 && !mip4)
        return err_set(p->detail, ERR_CONFIG,
                       "%s: application 2 (Auth) is not among the SupportedApplicationIds",
                       p->name);
    return ERR_OK;
}

static enum err finish_peers(struct parse *p)
{
    unsigned len = 0;
    for (unsigned n = 0; n < p->peers_len; n++) {
        struct diameter_peer_entry *entry = &p->peers[n];
        if (p->peers_seen[n] == 0)
            continue;
        p->line = entry->line;
        if (entry->uri.host[0] == '\0')
            return wrong(p, "PeerTable.%u has no URI", n);
        if (entry->realm[0] == '\0')
            memcpy(entry->realm, p->props->realm, sizeof entry->realm);
        for (unsigned k = 0; k < len; k++) {
            if (strcasecmp(p->peers[k].uri.host, entry->uri.host) == 0 &&
                p->peers[k].uri.port == entry->uri.port)
                return wrong(p, "PeerTable.%u: this peer stands twice", n);
        }
        p->peers[len++] = *entry;
    }
    p->props->peers = TAKE(p->peers);
    p->props->peers_len = len;
    return ERR_OK;
}

static enum err finish(struct parse *p)
{
    struct diameter_properties *props = p->props;
    for (size_t i = 0; i < property_rows_len; i++) {
        const struct property_row *row = &property_rows[i];
        if (row->list == PROPERTY_SINGLE && row->required && !p->seen[i])
            return err_set(p->detail, ERR_CONFIG, "%s: %s is missing", p->name, row->name);
    }
    if (p->inband_seen == 0)
        props->inband_plain = true;
    if (props->product_name[0] == '\0')
        memcpy(props->product_name, "Claviger", sizeof "Claviger");
    if ((props->tls_cert_file[0] == '\0') != (props->tls_key_file[0] == '\0'))
        return err_set(p->detail, ERR_CONFIG,
                       "%s: TLS.CertificateFile and TLS.PrivateKeyFile go together", p->name);
    TRY(finish_apps(p));
    return finish_peers(p);
}

static void set_defaults(struct diameter_properties *props)
{
    for (size_t i = 0; i < property_rows_len; i++) {
        const struct property_row *row = &property_rows[i];
        uint32_t standard = row->type == PROPERTY_SECONDS ? row->standard * 1000 : row->standard;
        if (row->list == PROPERTY_SINGLE &&
            (row->type == PROPERTY_NUMBER || row->type == PROPERTY_SECONDS))
            memcpy((uint8_t *)props + row->offset, &standard, sizeof standard);
    }
}

static enum err parse_all(struct parse *p, struct bytes text)
{
    char line[DIAMETER_PROPERTY_LINE_MAX + 1];
    const uint8_t *at = text.data;
    size_t left = text.len;
    while (left != 0) {
        p->line++;
        const uint8_t *end = memchr(at, '\n', left);
        size_t len = end != NULL ? (size_t)(end - at) : left;
        if (len > DIAMETER_PROPERTY_LINE_MAX)
            return wrong(p, "longer than %d bytes", DIAMETER_PROPERTY_LINE_MAX);
        if (memchr(at, '\0', len) != NULL)
            return wrong(p, "a NUL byte");
        memcpy(line, at, len);
        TRY(parse_line(p, line, len));
        size_t step = end != NULL ? len + 1 : len;
        at += step;
        left -= step;
    }
    return finish(p);
}

enum err diameter_properties_parse(const char *name, struct bytes text,
                                   struct diameter_properties *props, struct err_detail *detail)
{
    struct diameter_properties made = {0};
    set_defaults(&made);
    struct parse p = {.name = name, .props = &made, .detail = detail};
    enum err err = parse_all(&p, text);
    peers_freep(&p.peers);
    u32_freep(&p.peers_seen);
    if (err == ERR_OK)
        *props = made;
    else
        diameter_properties_done(&made);
    return err;
}

enum err diameter_properties_read(const char *path, struct diameter_properties *props,
                                  struct err_detail *detail)
{
    struct buf text = {0};
    enum err err = file_read(path, DIAMETER_PROPERTY_FILE_MAX, &text, detail);
    if (err == ERR_OK)
        err = diameter_properties_parse(path, buf_view(&text), props, detail);
    buf_done(&text);
    return err;
}

void diameter_properties_done(struct diameter_properties *props)
{
    free(props->peers);
    props->peers = NULL;
    props->peers_len = 0;
}
