#include "crypto/certs_name.h"

#include <arpa/inet.h>

#include "crypto/x509_form.h"

#define TELETEX_STRING   0x14
#define VISIBLE_STRING   0x1a
#define UNIVERSAL_STRING 0x1c
#define BMP_STRING       0x1e
#define RDNS_MAX         64
#define TEXT_MAX         1024

#define X520(number) {0x55, 4, number}, 3
#define UCL(number)  {0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, number}, 10

/* RFC 4519, RFC 2985; the short names are those of RFC 4514 and of habit. */
static const struct {
    enum certs_rdn kind;
    uint8_t oid[10];
    uint8_t oid_len;
    const char *name;
} kinds[] = {
    {CERTS_CN, X520(3), "CN"},
    {CERTS_O, X520(10), "O"},
    {CERTS_OU, X520(11), "OU"},
    {CERTS_EMAIL, {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1}, 9, "emailAddress"},
    {CERTS_C, X520(6), "C"},
    {CERTS_ST, X520(8), "ST"},
    {CERTS_L, X520(7), "L"},
    {CERTS_UID, UCL(1), "UID"},
    {CERTS_SERIAL_NUMBER, X520(5), "serialNumber"},
    {CERTS_TITLE, X520(12), "title"},
    {CERTS_DC, UCL(25), "DC"},
    {CERTS_DN_QUALIFIER, X520(46), "dnQualifier"},
};

struct pair {
    struct bytes oid, value, whole; /* whole: the value with its tag */
    uint8_t tag;
};

static bool is_readable(const struct pair *pair)
{
    bool text = pair->tag == DER_UTF8_STRING || pair->tag == DER_PRINTABLE_STRING ||
                pair->tag == DER_IA5_STRING || pair->tag == VISIBLE_STRING ||
                pair->tag == TELETEX_STRING;
    return text && x509_is_text(pair->value);
}

static enum err next_pair(struct der *set, struct pair *ret_pair)
{
    struct der one;
    TRY(der_enter(set, DER_SEQUENCE, &one));
    TRY(der_take(&one, DER_OID, &ret_pair->oid));
    TRY(der_any(&one, &ret_pair->tag, &ret_pair->value, &ret_pair->whole));
    return der_finish(&one);
}

static void keep(const struct pair *pair, struct certs_name *name)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (!bytes_equal(pair->oid, bytes_of(kinds[i].oid, kinds[i].oid_len)))
            continue;
        uint8_t *count = &name->counts[kinds[i].kind];
        if (is_readable(pair) && *count < CERTS_RDN_MAX)
            name->values[kinds[i].kind][(*count)++] = pair->value;
    }
}

enum err certs_read_name(struct der *r, struct certs_name *ret_name)
{
    struct der at = *r;
    struct der rdns;
    struct certs_name name = {0};
    TRY(der_any(r, NULL, NULL, &name.der));
    TRY(der_enter(&at, DER_SEQUENCE, &rdns));
    for (size_t count = 0; der_left(&rdns); count++) {
        struct der set;
        if (count == RDNS_MAX)
            return ERR_LIMIT;
        TRY(der_enter(&rdns, DER_SET, &set));
        while (der_left(&set)) {
            struct pair pair;
            TRY(next_pair(&set, &pair));
            keep(&pair, &name);
        }
    }
    *ret_name = name;
    return ERR_OK;
}

static enum err put_oid(struct bytes oid, struct buf *to)
{
    uint64_t arc = 0;
    bool first = true;
    for (size_t i = 0; i < oid.len; i++) {
        if (arc >> 56 != 0)
            return ERR_LIMIT;
        arc = arc << 7 | (oid.data[i] & 0x7f);
        if ((oid.data[i] & 0x80) != 0)
            continue;
        if (first) {
            uint64_t top = arc < 80 ? arc / 40 : 2;
            TRY(buf_printf(to, "%llu.%llu", (unsigned long long)top,
                           (unsigned long long)(arc - 40 * top)));
        } else {
            TRY(buf_printf(to, ".%llu", (unsigned long long)arc));
        }
        first = false;
        arc = 0;
    }
    return ERR_OK;
}

/* RFC 4514, 2.4. */
static enum err put_value(const struct pair *pair, struct buf *to)
{
    struct bytes v = pair->value;
    if (!is_readable(pair)) {
        TRY(buf_append(to, bytes_str("#")));
        for (size_t i = 0; i < pair->whole.len && i < TEXT_MAX; i++)
            TRY(buf_printf(to, "%02x", pair->whole.data[i]));
        return ERR_OK;
    }
    for (size_t i = 0; i < v.len; i++) {
        uint8_t c = v.data[i];
        bool edge = (i == 0 && (c == ' ' || c == '#')) || (i + 1 == v.len && c == ' ');
        if (edge || (c < 0x80 && strchr(",+\"\\<>;", c) != NULL))
            TRY(buf_append(to, bytes_str("\\")));
        TRY(buf_append(to, bytes_of(&v.data[i], 1)));
    }
    return ERR_OK;
}

static enum err put_pair(const struct pair *pair, struct buf *to)
{
    const char *name = NULL;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (bytes_equal(pair->oid, bytes_of(kinds[i].oid, kinds[i].oid_len)))
            name = kinds[i].name;
    if (name != NULL)
        TRY(buf_append(to, bytes_str(name)));
    else
        TRY(put_oid(pair->oid, to));
    TRY(buf_append(to, bytes_str("=")));
    return put_value(pair, to);
}

static enum err put_rdn(struct bytes rdn, struct buf *to)
{
    struct der outer = der_of(rdn);
    struct der set;
    TRY(der_enter(&outer, DER_SET, &set));
    for (bool first = true; der_left(&set); first = false) {
        struct pair pair;
        TRY(next_pair(&set, &pair));
        if (!first)
            TRY(buf_append(to, bytes_str("+")));
        TRY(put_pair(&pair, to));
    }
    return ERR_OK;
}

enum err certs_name_text(struct bytes name, struct buf *to, struct err_detail *detail)
{
    struct der outer = der_of(name);
    struct der rdns;
    struct bytes all[RDNS_MAX];
    size_t count = 0;
    size_t before = to->len;
    enum err err = der_enter(&outer, DER_SEQUENCE, &rdns);
    while (err == ERR_OK && der_left(&rdns) && count < RDNS_MAX)
        err = der_any(&rdns, NULL, NULL, &all[count++]);
    if (err == ERR_OK && der_left(&rdns))
        err = ERR_LIMIT;
    for (size_t i = count; i-- > 0 && err == ERR_OK;) {
        err = put_rdn(all[i], to);
        if (err == ERR_OK && i != 0)
            err = buf_append(to, bytes_str(","));
    }
    if (err == ERR_OK)
        err = buf_reserve(to, 1);
    if (err != ERR_OK) {
        to->len = before;
        return err_set(detail, err == ERR_LIMIT ? err : ERR_KEY_FORM, "name: %s", err_text(err));
    }
    to->data[to->len] = '\0';
    return ERR_OK;
}

/* GeneralName (RFC 5280, 4.2.1.6) as text; empty for the kinds that have none. */
static enum err alt_name_text(uint8_t tag, struct bytes name, struct buf *to)
{
    char address[INET6_ADDRSTRLEN];
    const char *label = tag == DER_CONTEXT(1)   ? "EMAIL:"
                        : tag == DER_CONTEXT(2) ? "DNS:"
                        : tag == DER_CONTEXT(6) ? "URI:"
                                                : NULL;
    if (label != NULL) {
        if (name.len > TEXT_MAX || !x509_is_text(name))
            return ERR_OK;
        TRY(buf_append(to, bytes_str(label)));
        return buf_append(to, name);
    }
    if (tag == DER_CONTEXT(7) && (name.len == 4 || name.len == 16)) {
        if (inet_ntop(name.len == 4 ? AF_INET : AF_INET6, name.data, address, sizeof address) ==
            NULL)
            return ERR_OK;
        return buf_printf(to, "IP:%s", address);
    }
    if (tag == DER_CONTEXT_OPEN(4)) {
        TRY(buf_append(to, bytes_str("DIRNAME:")));
        return certs_name_text(name, to, NULL);
    }
    if (tag == DER_CONTEXT(8)) {
        TRY(buf_append(to, bytes_str("RID:")));
        return put_oid(name, to);
    }
    return ERR_OK;
}

enum err certs_alt_names(struct bytes alt_names, enum err (*each)(void *arg, struct bytes text),
                         void *arg)
{
    if (alt_names.len == 0)
        return ERR_OK;
    struct der outer = der_of(alt_names);
    struct der names;
    TRY(der_enter(&outer, DER_SEQUENCE, &names));
    AUTO(buf_done) struct buf text = {0};
    while (der_left(&names)) {
        uint8_t tag = 0;
        struct bytes name;
        TRY(der_any(&names, &tag, &name, NULL));
        text.len = 0;
        TRY(alt_name_text(tag, name, &text));
        if (text.len != 0)
            TRY(each(arg, buf_view(&text)));
    }
    return ERR_OK;
}
