#include "line/gateway_keys.h"

#include "base/hex.h"
#include "crypto/cms.h"
#include "crypto/pem.h"

#define GATEWAY_SIZE 24
#define CDLD_SIZE    16
#define TEXT_MAX     512 /* two lines */
#define CMS_MAX      ((size_t)16 * 1024)

void line_gateway_keys_done(struct line_gateway_keys *keys)
{
    secret_freep(&keys->gateway);
    secret_freep(&keys->cdld);
    *keys = (struct line_gateway_keys){0};
}

static enum err no_sense(struct line_fault *fault)
{
    return line_fail(fault, LINE_SERVER_ANSWER, "gateway keys: not what was asked for");
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct bytes trim(struct bytes v)
{
    while (v.len > 0 && is_blank(v.data[0]))
        v = bytes_of(v.data + 1, v.len - 1);
    while (v.len > 0 && is_blank(v.data[v.len - 1]))
        v.len--;
    return v;
}

static enum err take_key(struct bytes digits, size_t size, struct secret **key,
                         struct line_fault *fault)
{
    size_t len = 0;
    AUTO(secret_freep) struct secret *made = NULL;
    if (*key != NULL || digits.len != 2 + 2 * size || memcmp(digits.data, "0x", 2) != 0)
        return no_sense(fault);
    TRY(line_fail_err(fault, LINE_UNKNOWN, "gateway keys", secret_new(size, &made), NULL));
    if (hex_decode(bytes_of(digits.data + 2, digits.len - 2), secret_data(made), size, &len) !=
            ERR_OK ||
        len != size)
        return no_sense(fault);
    *key = TAKE(made);
    return ERR_OK;
}

static enum err take_line(struct bytes line, struct line_gateway_keys *keys,
                          struct line_fault *fault)
{
    const uint8_t *comma = line.len > 0 ? memchr(line.data, ',', line.len) : NULL;
    if (comma == NULL)
        return line.len == 0 ? ERR_OK : no_sense(fault);
    size_t at = (size_t)(comma - line.data);
    struct bytes name = trim(bytes_of(line.data, at));
    struct bytes value = trim(bytes_of(comma + 1, line.len - at - 1));
    if (bytes_equal(name, bytes_str("gateway")))
        return take_key(value, GATEWAY_SIZE, &keys->gateway, fault);
    if (bytes_equal(name, bytes_str("gateway_cdld")))
        return take_key(value, CDLD_SIZE, &keys->cdld, fault);
    return no_sense(fault);
}

static enum err check_value(const struct secret *key, const uint8_t *expected,
                            struct line_fault *fault)
{
    uint8_t value[CHECK_VALUE_SIZE];
    TRY(line_fail_err(fault, LINE_UNKNOWN, "gateway keys", check_value_of(secret_view(key), value),
                      NULL));
    if (!secret_equal(BYTES(value), bytes_of(expected, sizeof value)))
        return line_fail(fault, LINE_SERVER_ANSWER, "gateway keys: another check value");
    return ERR_OK;
}

static enum err read_lines(struct bytes text, struct line_gateway_keys *keys,
                           struct line_fault *fault)
{
    while (text.len > 0) {
        const uint8_t *lf = memchr(text.data, '\n', text.len);
        size_t len = lf != NULL ? (size_t)(lf - text.data) : text.len;
        TRY(take_line(trim(bytes_of(text.data, len)), keys, fault));
        len += lf != NULL;
        text = bytes_of(text.data + len, text.len - len);
    }
    if (keys->gateway == NULL || keys->cdld == NULL)
        return no_sense(fault);
    TRY(check_value(keys->gateway, keys->gateway_kcv, fault));
    return check_value(keys->cdld, keys->cdld_kcv, fault);
}

enum err line_gateway_keys_read(struct bytes text, const struct line_gateway_keys *expected,
                                struct line_gateway_keys *ret_keys, struct line_fault *fault)
{
    struct line_gateway_keys keys = *expected;
    keys.gateway = keys.cdld = NULL;
    enum err err = read_lines(text, &keys, fault);
    if (err != ERR_OK)
        line_gateway_keys_done(&keys);
    else
        *ret_keys = keys;
    return err;
}

/* ---- CMS ---- */

struct opening {
    struct bytes in;
    struct secret *text;
    size_t len;
};

static enum err source(void *arg, uint8_t *to, size_t cap, size_t *ret_len,
                       struct err_detail *detail)
{
    struct opening *o = arg;
    size_t len = o->in.len < cap ? o->in.len : cap;
    (void)detail;
    memcpy(to, o->in.data, len);
    o->in = bytes_of(o->in.data + len, o->in.len - len);
    *ret_len = len;
    return ERR_OK;
}

static enum err sink(void *arg, struct bytes data, struct err_detail *detail)
{
    struct opening *o = arg;
    if (data.len > TEXT_MAX - o->len)
        return err_set(detail, ERR_LIMIT, "more than %d bytes", TEXT_MAX);
    if (data.len != 0)
        memcpy(secret_data(o->text) + o->len, data.data, data.len);
    o->len += data.len;
    return ERR_OK;
}

static enum err open_cms(struct bytes der, const struct rsa_private *with, struct secret **ret_text,
                         struct err_detail *detail)
{
    AUTO(secret_freep) struct secret *text = NULL;
    TRY(secret_new(TEXT_MAX, &text));
    struct opening o = {.in = der, .text = text};
    struct cms_io io = {.arg = &o, .source = source, .sink = sink};
    TRY(cms_decrypt(with, &io, detail));
    secret_shrink(text, o.len);
    *ret_text = TAKE(text);
    return ERR_OK;
}

enum err line_gateway_keys_open(const char *cms_base64, const struct rsa_private *with,
                                const struct line_gateway_keys *expected,
                                struct line_gateway_keys *ret_keys, struct line_fault *fault)
{
    struct buf pem = {0}, der = {0};
    struct err_detail detail = {0};
    AUTO(secret_freep) struct secret *text = NULL;
    if (strlen(cms_base64) > CMS_MAX)
        return no_sense(fault);
    enum err err = buf_printf(&pem, "-----BEGIN CMS-----\n%s\n-----END CMS-----\n", cms_base64);
    struct bytes left = buf_view(&pem);
    if (err == ERR_OK)
        err = pem_decode("CMS", &left, &der, &detail);
    if (err == ERR_OK)
        err = open_cms(buf_view(&der), with, &text, &detail);
    buf_done(&pem);
    buf_done(&der);
    TRY(line_fail_err(fault, LINE_SERVER_ANSWER, "gateway keys", err, &detail));
    return line_gateway_keys_read(secret_view(text), expected, ret_keys, fault);
}
