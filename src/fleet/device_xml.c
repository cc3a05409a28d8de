#include "fleet/device_xml.h"

#include <errno.h>
#include <expat.h>
#include <malloc.h>
#include <stdlib.h>

#include "base/hex.h"
#include "fleet/name.h"

#define NAMESPACE     "urn:claviger:device-keys:1"
#define NAMESPACE_END ' '
#define BATCH_MAX     10 /* digits */

enum place { AT_START, IN_KEYS, IN_DEVICE, IN_KEY, IN_APPLICATION, AT_END };

struct device_xml {
    XML_Parser parser;
    fleet_device_fn *each;
    void *ctx;
    enum err err; /* the first; nothing is read behind it */
    struct err_detail detail;
    enum place place;
    unsigned depth; /* within <application> */
    size_t held;    /* bytes that the parser has */
    bool full;
    bool has_key;
    struct fleet_device device;
    size_t text_len, digits_len;
    char digits[2 * DEVICE_KEY_MAX];
    uint8_t key[DEVICE_KEY_MAX];
};

/* expat keeps every name it meets: a file of a million names must not become a million strings. Its
 * functions get no context, so the one that is being fed on this thread is noted here. */
static _Thread_local struct device_xml *fed;

static void counted_free(void *memory)
{
    if (memory == NULL)
        return;
    fed->held -= malloc_usable_size(memory);
    free(memory);
}

static void *counted_realloc(void *memory, size_t len)
{
    size_t old = memory != NULL ? malloc_usable_size(memory) : 0;
    if (len > DEVICE_XML_MEMORY || fed->held - old + len > DEVICE_XML_MEMORY) {
        fed->full = true;
        return NULL;
    }
    void *moved = realloc(memory, len);
    if (moved != NULL)
        fed->held += malloc_usable_size(moved) - old;
    return moved;
}

static void *counted_malloc(size_t len)
{
    return counted_realloc(NULL, len);
}

static void fail(struct device_xml *x, enum err err, const char *what)
{
    if (x->err == ERR_OK)
        x->err = err_set(&x->detail, err, "line %lu, column %lu: %s",
                         XML_GetCurrentLineNumber(x->parser), XML_GetCurrentColumnNumber(x->parser),
                         what);
    (void)XML_StopParser(x->parser, XML_FALSE);
}

/* The name behind our namespace; NULL for another's. */
static const char *ours(const char *name)
{
    const size_t len = sizeof NAMESPACE - 1;
    return strncmp(name, NAMESPACE, len) == 0 && name[len] == NAMESPACE_END ? name + len + 1 : NULL;
}

static bool read_hex(const char *text, uint8_t *to, size_t size)
{
    size_t len = 0;
    return strlen(text) == 2 * size && hex_decode(bytes_str(text), to, size, &len) == ERR_OK &&
           len == size;
}

static bool read_id(const char *text, uint64_t *ret_id)
{
    uint8_t bytes[8] = {0};
    if (strncmp(text, "0x", 2) != 0 ||
        !(read_hex(text + 2, bytes + 4, 4) || read_hex(text + 2, bytes, 8)))
        return false;
    *ret_id = be64_load(bytes);
    return *ret_id != 0;
}

static bool read_batch(const char *text, uint32_t *ret_batch)
{
    uint64_t value = 0;
    size_t len = strlen(text);
    if (len == 0 || len > BATCH_MAX)
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = 10 * value + (uint64_t)(*text - '0');
    }
    *ret_batch = (uint32_t)value;
    return value <= UINT32_MAX;
}

static const char *attribute(const char **pairs, const char *name)
{
    for (; pairs[0] != NULL; pairs += 2)
        if (strcmp(pairs[0], name) == 0)
            return pairs[1];
    return NULL;
}

static bool only(struct device_xml *x, const char **pairs, const char *const *names, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += attribute(pairs, names[i]) != NULL;
    size_t given = 0;
    while (pairs[2 * given] != NULL)
        given++;
    if (found == count && given == count)
        return true;
    fail(x, ERR_SYNTAX, found < count ? "an attribute is missing" : "an unknown attribute");
    return false;
}

static void begin_device(struct device_xml *x, const char **pairs)
{
    static const char *const names[] = {"nodeId", "configId", "revision", "batch", "time", "kcv"};
    if (!only(x, pairs, names, ARRAY_LEN(names)))
        return;
    x->device = (struct fleet_device){.line = XML_GetCurrentLineNumber(x->parser)};
    x->has_key = false;
    x->place = IN_DEVICE;
    if (!read_id(attribute(pairs, "nodeId"), &x->device.id))
        fail(x, ERR_SYNTAX, "nodeId is 0x and 8 or 16 digits, and not 0");
    else if (!read_batch(attribute(pairs, "batch"), &x->device.batch))
        fail(x, ERR_SYNTAX, "batch is a number of 32 bits");
    else if (!read_hex(attribute(pairs, "kcv"), x->device.kcv, sizeof x->device.kcv))
        fail(x, ERR_SYNTAX, "kcv has 16 digits");
}

static void begin_key(struct device_xml *x, const char **pairs)
{
    static const char *const names[] = {"recipient", "algorithm"};
    uint8_t fingerprint[DEVICE_FINGERPRINT / 2];
    if (x->has_key) {
        fail(x, ERR_SYNTAX, "a second key");
        return;
    }
    if (!only(x, pairs, names, ARRAY_LEN(names)))
        return;
    if (strcmp(attribute(pairs, "algorithm"), "RSA-OAEP-SHA1") != 0) {
        fail(x, ERR_UNSUPPORTED, "the algorithm is not RSA-OAEP-SHA1");
    } else if (!read_hex(attribute(pairs, "recipient"), fingerprint, sizeof fingerprint)) {
        fail(x, ERR_SYNTAX, "recipient has 64 digits");
    } else {
        hex_encode(BYTES(fingerprint), x->device.recipient);
        x->place = IN_KEY;
        x->text_len = x->digits_len = 0;
    }
}

static void begin_keys(struct device_xml *x, const char **pairs)
{
    static const char *const names[] = {"export", "created"};
    if (only(x, pairs, names, ARRAY_LEN(names)))
        x->place = IN_KEYS;
}

static void XMLCALL on_start(void *user, const char *name, const char **pairs)
{
    struct device_xml *x = user;
    if (x->err != ERR_OK)
        return;
    if (x->place == IN_APPLICATION) {
        if (++x->depth > DEVICE_XML_DEPTH_MAX)
            fail(x, ERR_LIMIT, "application data too deep");
        return;
    }
    const char *own = ours(name);
    if (own == NULL) {
        fail(x, ERR_SYNTAX, "an element that is not of " NAMESPACE);
    } else if (x->place == AT_START && strcmp(own, "deviceKeys") == 0) {
        begin_keys(x, pairs);
    } else if (x->place == IN_KEYS && strcmp(own, "device") == 0) {
        begin_device(x, pairs);
    } else if (x->place == IN_DEVICE && strcmp(own, "key") == 0) {
        begin_key(x, pairs);
    } else if (x->place == IN_DEVICE && strcmp(own, "application") == 0) {
        x->place = IN_APPLICATION;
        x->depth = 0;
    } else {
        fail(x, ERR_SYNTAX, "an element that has no place here");
    }
}

static void end_key(struct device_xml *x)
{
    size_t len = 0;
    x->place = IN_DEVICE;
    if (x->digits_len == 0 ||
        hex_decode(bytes_of(x->digits, x->digits_len), x->key, sizeof x->key, &len) != ERR_OK) {
        fail(x, ERR_SYNTAX, "a key is pairs of hexadecimal digits");
        return;
    }
    x->device.key = bytes_of(x->key, len);
    x->has_key = true;
}

static void end_device(struct device_xml *x)
{
    x->place = IN_KEYS;
    if (!x->has_key) {
        fail(x, ERR_SYNTAX, "a device without a key");
        return;
    }
    enum err err = x->each(x->ctx, &x->device, &x->detail);
    if (err != ERR_OK) {
        x->err = err;
        (void)XML_StopParser(x->parser, XML_FALSE);
    }
}

static void XMLCALL on_end(void *user, const char *name)
{
    struct device_xml *x = user;
    (void)name;
    if (x->err != ERR_OK)
        return;
    switch (x->place) {
    case IN_APPLICATION:
        if (x->depth == 0)
            x->place = IN_DEVICE;
        else
            x->depth--;
        break;
    case IN_KEY: end_key(x); break;
    case IN_DEVICE: end_device(x); break;
    default: x->place = AT_END; break;
    }
}

static void XMLCALL on_text(void *user, const char *text, int len)
{
    struct device_xml *x = user;
    for (int i = 0; i < len && x->err == ERR_OK; i++) {
        bool blank = text[i] == ' ' || text[i] == '\t' || text[i] == '\n' || text[i] == '\r';
        if (x->place == IN_APPLICATION)
            return;
        if (x->place == IN_KEY && ++x->text_len > DEVICE_XML_TEXT_MAX)
            fail(x, ERR_LIMIT, "a key is too long");
        else if (blank)
            continue;
        else if (x->place != IN_KEY)
            fail(x, ERR_SYNTAX, "text outside of a key");
        else if (x->digits_len == sizeof x->digits)
            fail(x, ERR_LIMIT, "a key is too long");
        else
            x->digits[x->digits_len++] = text[i];
    }
}

static void XMLCALL on_doctype(void *user, const char *name, const char *system, const char *public,
                               int internal)
{
    (void)name;
    (void)system;
    (void)public;
    (void)internal;
    fail(user, ERR_SYNTAX, "a DOCTYPE, which is not allowed");
}

static void XMLCALL on_entity(void *user, const char *name, int parameter)
{
    (void)name;
    (void)parameter;
    fail(user, ERR_SYNTAX, "an entity, which is not allowed");
}

enum err device_xml_new(fleet_device_fn *each, void *ctx, struct device_xml **ret_xml)
{
    static const XML_Memory_Handling_Suite memory = {counted_malloc, counted_realloc, counted_free};
    AUTO(device_xml_freep) struct device_xml *x = calloc(1, sizeof *x);
    if (x == NULL)
        return ERR_NO_MEMORY;
    x->each = each;
    x->ctx = ctx;
    fed = x;
    x->parser = XML_ParserCreate_MM("UTF-8", &memory, (const XML_Char[]){NAMESPACE_END, 0});
    if (x->parser == NULL)
        return ERR_NO_MEMORY;
    XML_SetUserData(x->parser, x);
    XML_SetElementHandler(x->parser, on_start, on_end);
    XML_SetCharacterDataHandler(x->parser, on_text);
    XML_SetStartDoctypeDeclHandler(x->parser, on_doctype);
    XML_SetSkippedEntityHandler(x->parser, on_entity);
    *ret_xml = TAKE(x);
    return ERR_OK;
}

void device_xml_free(struct device_xml *x)
{
    if (x == NULL)
        return;
    fed = x;
    XML_ParserFree(x->parser);
    fed = NULL;
    free(x);
}

void device_xml_freep(struct device_xml **x)
{
    device_xml_free(*x);
    *x = NULL;
}

/* What expat itself found wrong. */
static enum err parser_error(struct device_xml *x)
{
    enum XML_Error error = XML_GetErrorCode(x->parser);
    if (x->full)
        return err_set(&x->detail, ERR_LIMIT, "line %lu: names or a tag too large",
                       XML_GetCurrentLineNumber(x->parser));
    if (error == XML_ERROR_NO_MEMORY)
        return ERR_NO_MEMORY;
    bool early = error == XML_ERROR_NO_ELEMENTS || error == XML_ERROR_UNCLOSED_TOKEN ||
                 error == XML_ERROR_UNCLOSED_CDATA_SECTION || error == XML_ERROR_PARTIAL_CHAR;
    return err_set(&x->detail, early ? ERR_TRUNCATED : ERR_SYNTAX, "line %lu, column %lu: %s",
                   XML_GetCurrentLineNumber(x->parser), XML_GetCurrentColumnNumber(x->parser),
                   XML_ErrorString(error));
}

enum err device_xml_feed(struct device_xml *x, struct bytes piece, bool last,
                         struct err_detail *detail)
{
    if (piece.len > DEVICE_XML_PIECE)
        return ERR_ARGUMENT;
    if (x->err == ERR_OK) {
        fed = x;
        enum XML_Status status =
            XML_Parse(x->parser, (const char *)piece.data, (int)piece.len, last);
        fed = NULL;
        if (status != XML_STATUS_OK && x->err == ERR_OK)
            x->err = parser_error(x);
    }
    if (x->err != ERR_OK && detail != NULL)
        *detail = x->detail;
    return x->err;
}
