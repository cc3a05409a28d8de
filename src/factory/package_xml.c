#include "factory/package_xml.h"

#include <assert.h>
#include <expat.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/hex.h"

/* Behind the namespace in a name, and no character of one. */
#define NAMESPACE_END ' '
#define ATTRIBUTES    9

enum element { ROOT, COMMENT, PACKAGER, KEYS, NODE, APPLICATION, ALIAS, FILE_, ELEMENTS };

/* Elements in their order, how often each may be there, and their attributes: those that must be
 * there first. */
static const struct {
    const char *name;
    size_t min, max;
    size_t wanted; /* attributes */
    const char *attributes[ATTRIBUTES];
} elements[ELEMENTS] = {
    [ROOT] = {"package", 1, 1, 4, {"configId", "version", "created", "label"}},
    [COMMENT] = {"comment", 0, 1, 0, {NULL}},
    [PACKAGER] = {"packager", 1, 1, 2, {"name", "key"}},
    [KEYS] = {"keys", 1, 1, 3, {"kms", "gateway", "signature"}},
    [NODE] = {"node",
              1,
              1,
              4,
              {"type", "version", "firmware", "fieldConfiguration", "factoryConfiguration",
               "hardware"}},
    [APPLICATION] = {"application",
                     0,
                     PACKAGE_APPLICATIONS_MAX,
                     2,
                     {"name", "version", "firmware", "fieldConfiguration", "factoryConfiguration",
                      "publicKey"}},
    [ALIAS] = {"alias", 0, PACKAGE_ALIASES_MAX, 1, {"name"}},
    [FILE_] = {"file", 1, PACKAGE_FILES_MAX, 5, {"name", "role", "size", "sha256", "md5"}},
};

struct xml {
    XML_Parser parser;
    struct arena *arena;
    struct err_detail *detail;
    enum err err; /* the first; nothing is read behind it */
    unsigned depth;
    enum element at; /* of the children: the last; comes back never */
    size_t counts[ELEMENTS];
    struct package package;
    struct package_application applications[PACKAGE_APPLICATIONS_MAX];
    const char *aliases[PACKAGE_ALIASES_MAX];
    struct package_file files[PACKAGE_FILES_MAX];
    char comment[PACKAGE_COMMENT_MAX + 1];
    size_t comment_len;
};

static void parser_freep(XML_Parser *parser)
{
    XML_ParserFree(*parser);
}

static void xml_freep(struct xml **x)
{
    free(*x);
}

static void stop(struct xml *x, enum err err)
{
    if (x->err == ERR_OK)
        x->err = err;
    XML_StopParser(x->parser, XML_FALSE);
}

static void fail_with(struct xml *x, enum err err, const char *what)
{
    if (x->err == ERR_OK)
        x->err = err_set(x->detail, err, PACKAGE_XML_NAME ": line %lu, column %lu: %s",
                         XML_GetCurrentLineNumber(x->parser), XML_GetCurrentColumnNumber(x->parser),
                         what);
    stop(x, x->err);
}

static void fail(struct xml *x, const char *what)
{
    fail_with(x, ERR_SYNTAX, what);
}

static const char *keep(struct xml *x, const char *text)
{
    if (text == NULL || x->err != ERR_OK)
        return text == NULL ? NULL : "";
    const char *kept = arena_strndup(x->arena, text, strlen(text));
    if (kept == NULL)
        fail_with(x, ERR_NO_MEMORY, "the description takes too much memory");
    return kept != NULL ? kept : "";
}

static const char *keep_or_empty(struct xml *x, const char *text)
{
    return text == NULL ? "" : keep(x, text);
}

/* Decimal without sign or leading zeros. */
static uint64_t number(struct xml *x, const char *text, uint64_t max)
{
    uint64_t value = 0;
    assert(text != NULL); /* read_attributes */
    bool ok = text[0] != 0 && strlen(text) <= 19 && strspn(text, "0123456789") == strlen(text) &&
              (text[0] != '0' || text[1] == 0);
    for (const char *at = text; ok && *at != 0; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    if (!ok || value > max)
        fail(x, "a number that is none, or too large");
    return value;
}

static int64_t when(struct xml *x, const char *text)
{
    struct tm tm = {0};
    char again[32] = "";
    assert(text != NULL);
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    int64_t seconds = end != NULL && *end == 0 ? timegm(&tm) : -1;
    if (seconds >= 0)
        clock_format(seconds, again);
    if (strcmp(again, text) != 0)
        fail(x, "a time as 2026-11-21T02:39:00Z is wanted");
    return seconds;
}

static void digest(struct xml *x, const char *text, uint8_t *to, size_t len)
{
    size_t got = 0;
    assert(text != NULL);
    if (strlen(text) != 2 * len || hex_decode(bytes_str(text), to, len, &got) != ERR_OK)
        fail(x, "a hash has as many hexadecimal digits as it has");
}

static void read_root(struct xml *x, const char **v)
{
    struct package *p = &x->package;
    assert(v[0] != NULL);
    if (strlen(v[0]) != 18 || strncmp(v[0], "0x", 2) != 0 || !package_id_parse(v[0], &p->config_id))
        fail(x, "configId has 0x and 16 digits");
    p->version = (uint32_t)number(x, v[1], UINT32_MAX);
    p->created = when(x, v[2]);
    p->label = keep(x, v[3]);
}

static void read_packager(struct xml *x, const char **v)
{
    uint8_t key[PACKAGE_SPKI_MAX];
    size_t len = 0;
    x->package.packager = keep(x, v[0]);
    if (hex_decode(bytes_str(v[1]), key, sizeof key, &len) != ERR_OK || len == 0) {
        fail(x, "the packager's key is not hexadecimal, or too long");
        return;
    }
    const void *kept = arena_strndup(x->arena, key, len);
    if (kept == NULL)
        fail_with(x, ERR_NO_MEMORY, "the description takes too much memory");
    else
        x->package.packager_key = bytes_of(kept, len);
}

static struct package_set read_set(struct xml *x, const char **v)
{
    return (struct package_set){.firmware = keep(x, v[0]),
                                .field_configuration = keep(x, v[1]),
                                .factory_configuration = keep(x, v[2])};
}

static void read_file(struct xml *x, const char **v)
{
    struct package_file *file = &x->files[x->counts[FILE_] - 1];
    file->name = keep(x, v[0]);
    if (!package_role_parse(v[1], &file->role))
        fail(x, "a role that is none");
    file->size = number(x, v[2], INT64_MAX);
    digest(x, v[3], file->sha256, sizeof file->sha256);
    digest(x, v[4], file->md5, sizeof file->md5);
}

static void read_element(struct xml *x, enum element element, const char **v)
{
    struct package *p = &x->package;
    switch (element) {
    case ROOT: read_root(x, v); return;
    case PACKAGER: read_packager(x, v); return;
    case KEYS:
        p->kms_key = keep(x, v[0]);
        p->gateway_keys = keep(x, v[1]);
        p->gateway_keys_signature = keep(x, v[2]);
        return;
    case NODE:
        p->node = (struct package_node){.type = keep(x, v[0]),
                                        .version = keep(x, v[1]),
                                        .files = read_set(x, v + 2),
                                        .hardware = keep_or_empty(x, v[5])};
        return;
    case APPLICATION:
        x->applications[x->counts[APPLICATION] - 1] =
            (struct package_application){.name = keep(x, v[0]),
                                         .version = keep(x, v[1]),
                                         .files = read_set(x, v + 2),
                                         .public_key = keep(x, v[5])};
        return;
    case ALIAS: x->aliases[x->counts[ALIAS] - 1] = keep(x, v[0]); return;
    case FILE_: read_file(x, v); return;
    default: return;
    }
}

/* Its number; ELEMENTS after a failure. */
static enum element element_of(struct xml *x, const char *name)
{
    const char *end = strchr(name, NAMESPACE_END);
    if (end == NULL || (size_t)(end - name) != strlen(PACKAGE_NAMESPACE) ||
        strncmp(name, PACKAGE_NAMESPACE, strlen(PACKAGE_NAMESPACE)) != 0) {
        fail(x, "an element that is not of " PACKAGE_NAMESPACE);
        return ELEMENTS;
    }
    for (unsigned i = 0; i < ELEMENTS; i++) {
        if (strcmp(elements[i].name, end + 1) == 0 && (i == ROOT) == (x->depth == 0) &&
            x->depth <= 1)
            return (enum element)i;
    }
    fail(x, "an element that does not belong here");
    return ELEMENTS;
}

static bool read_attributes(struct xml *x, enum element element, const char **pairs,
                            const char *values[ATTRIBUTES])
{
    for (; pairs[0] != NULL; pairs += 2) {
        size_t i = 0;
        while (i < ATTRIBUTES && elements[element].attributes[i] != NULL &&
               strcmp(elements[element].attributes[i], pairs[0]) != 0)
            i++;
        if (i == ATTRIBUTES || elements[element].attributes[i] == NULL) {
            fail(x, "an unknown attribute");
            return false;
        }
        values[i] = pairs[1];
    }
    for (size_t i = 0; i < elements[element].wanted; i++) {
        if (values[i] == NULL) {
            fail(x, "an attribute is missing");
            return false;
        }
    }
    return true;
}

static void XMLCALL on_start(void *user, const char *name, const char **pairs)
{
    struct xml *x = user;
    const char *values[ATTRIBUTES] = {NULL};
    if (x->err != ERR_OK)
        return;
    enum element element = element_of(x, name);
    if (element == ELEMENTS)
        return;
    if (element < x->at) {
        fail(x, "elements are not in their order");
        return;
    }
    x->at = element;
    if (x->counts[element] == elements[element].max) {
        fail_with(x, ERR_LIMIT, "one element of this kind too many");
        return;
    }
    x->counts[element]++;
    x->depth++;
    if (read_attributes(x, element, pairs, values))
        read_element(x, element, values);
}

static void XMLCALL on_end(void *user, const char *name)
{
    struct xml *x = user;
    (void)name;
    if (x->depth > 0)
        x->depth--;
}

static void XMLCALL on_text(void *user, const char *text, int len)
{
    struct xml *x = user;
    if (x->err != ERR_OK)
        return;
    if (x->depth == 2 && x->at == COMMENT) {
        if ((size_t)len > PACKAGE_COMMENT_MAX - x->comment_len) {
            fail_with(x, ERR_LIMIT, "the comment is too long");
            return;
        }
        memcpy(x->comment + x->comment_len, text, (size_t)len);
        x->comment_len += (size_t)len;
        return;
    }
    for (int i = 0; i < len && x->err == ERR_OK; i++) {
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r' && text[i] != '\n')
            fail(x, "text between elements");
    }
}

static void XMLCALL on_doctype(void *user, const char *name, const char *system,
                               const char *public_id, int internal)
{
    (void)name, (void)system, (void)public_id, (void)internal;
    fail(user, "a document type");
}

static void XMLCALL on_instruction(void *user, const char *target, const char *data)
{
    (void)target, (void)data;
    fail(user, "a processing instruction");
}

static enum err parse(struct xml *x, struct bytes xml)
{
    XML_SetUserData(x->parser, x);
    XML_SetElementHandler(x->parser, on_start, on_end);
    XML_SetCharacterDataHandler(x->parser, on_text);
    XML_SetStartDoctypeDeclHandler(x->parser, on_doctype);
    XML_SetProcessingInstructionHandler(x->parser, on_instruction);
    XML_SetParamEntityParsing(x->parser, XML_PARAM_ENTITY_PARSING_NEVER);
    enum XML_Status status = XML_Parse(x->parser, (const char *)xml.data, (int)xml.len, XML_TRUE);
    if (x->err == ERR_OK && status != XML_STATUS_OK)
        fail(x, XML_ErrorString(XML_GetErrorCode(x->parser)));
    return x->err;
}

static const void *array(struct arena *arena, const void *from, size_t count, size_t each)
{
    void *kept = arena_take(arena, count == 0 ? 1 : count * each);
    if (kept != NULL && count > 0)
        memcpy(kept, from, count * each);
    return kept;
}

static enum err finish(struct xml *x, struct package *ret_package)
{
    struct package *p = &x->package;
    for (unsigned i = 0; i < ELEMENTS; i++) {
        if (x->counts[i] < elements[i].min)
            return err_set(x->detail, ERR_SYNTAX, PACKAGE_XML_NAME ": no element %s",
                           elements[i].name);
    }
    p->comment = arena_strndup(x->arena, x->comment, x->comment_len);
    p->applications_len = x->counts[APPLICATION];
    p->applications =
        array(x->arena, x->applications, p->applications_len, sizeof x->applications[0]);
    p->aliases_len = x->counts[ALIAS];
    p->aliases = array(x->arena, x->aliases, p->aliases_len, sizeof x->aliases[0]);
    p->files_len = x->counts[FILE_];
    p->files = array(x->arena, x->files, p->files_len, sizeof x->files[0]);
    if (p->comment == NULL || p->applications == NULL || p->aliases == NULL || p->files == NULL)
        return ERR_NO_MEMORY;
    TRY(package_check(p, x->detail));
    *ret_package = *p;
    return ERR_OK;
}

enum err package_xml_read(struct bytes xml, struct arena *arena, struct package *ret_package,
                          struct err_detail *detail)
{
    const char separator[] = {NAMESPACE_END, 0};
    if (xml.len > PACKAGE_XML_MAX)
        return err_set(detail, ERR_LIMIT, PACKAGE_XML_NAME ": more than %zu bytes",
                       PACKAGE_XML_MAX);
    AUTO(xml_freep) struct xml *x = calloc(1, sizeof *x);
    AUTO(parser_freep) XML_Parser parser = XML_ParserCreateNS("UTF-8", separator[0]);
    if (x == NULL || parser == NULL)
        return ERR_NO_MEMORY;
    x->parser = parser;
    x->arena = arena;
    x->detail = detail;
    TRY(parse(x, xml));
    return finish(x, ret_package);
}

static enum err put(struct buf *to, const char *text)
{
    return buf_append(to, bytes_str(text));
}

/* Control characters other than a line end never come here: package_check. */
static enum err escape(struct buf *to, const char *text, bool attribute)
{
    for (; *text != 0; text++) {
        bool special = strchr("&<>\"", *text) != NULL || (attribute && *text == '\n');
        if (special)
            TRY(buf_printf(to, "&#%u;", (unsigned)(unsigned char)*text));
        else
            TRY(buf_append(to, bytes_of(text, 1)));
    }
    return ERR_OK;
}

/* Nothing where `value` is NULL. */
static enum err attribute(struct buf *to, const char *name, const char *value)
{
    if (value == NULL)
        return ERR_OK;
    TRY(buf_printf(to, " %s=\"", name));
    TRY(escape(to, value, true));
    return put(to, "\"");
}

static enum err write_set(const struct package_set *set, struct buf *to)
{
    TRY(attribute(to, "firmware", set->firmware));
    TRY(attribute(to, "fieldConfiguration", set->field_configuration));
    return attribute(to, "factoryConfiguration", set->factory_configuration);
}

static enum err write_root(const struct package *p, struct buf *to)
{
    char created[32], key[2 * PACKAGE_SPKI_MAX + 1];
    clock_format(p->created, created);
    hex_encode(p->packager_key, key);
    TRY(put(to, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<package xmlns=\"" PACKAGE_NAMESPACE
                "\""));
    TRY(buf_printf(to, " configId=\"0x%016" PRIx64 "\" version=\"%" PRIu32 "\" created=\"%s\"",
                   p->config_id, p->version, created));
    TRY(attribute(to, "label", p->label));
    TRY(put(to, ">\n"));
    if (p->comment[0] != 0) {
        TRY(put(to, "  <comment>"));
        TRY(escape(to, p->comment, false));
        TRY(put(to, "</comment>\n"));
    }
    TRY(put(to, "  <packager"));
    TRY(attribute(to, "name", p->packager));
    TRY(attribute(to, "key", key));
    TRY(put(to, "/>\n  <keys"));
    TRY(attribute(to, "kms", p->kms_key));
    TRY(attribute(to, "gateway", p->gateway_keys));
    TRY(attribute(to, "signature", p->gateway_keys_signature));
    return put(to, "/>\n");
}

static enum err write_node(const struct package *p, struct buf *to)
{
    TRY(put(to, "  <node"));
    TRY(attribute(to, "type", p->node.type));
    TRY(attribute(to, "version", p->node.version));
    TRY(attribute(to, "hardware", p->node.hardware[0] != 0 ? p->node.hardware : NULL));
    TRY(write_set(&p->node.files, to));
    TRY(put(to, "/>\n"));
    for (size_t i = 0; i < p->applications_len; i++) {
        TRY(put(to, "  <application"));
        TRY(attribute(to, "name", p->applications[i].name));
        TRY(attribute(to, "version", p->applications[i].version));
        TRY(write_set(&p->applications[i].files, to));
        TRY(attribute(to, "publicKey", p->applications[i].public_key));
        TRY(put(to, "/>\n"));
    }
    for (size_t i = 0; i < p->aliases_len; i++)
        TRY(buf_printf(to, "  <alias name=\"%s\"/>\n", p->aliases[i]));
    return ERR_OK;
}

enum err package_xml_write(const struct package *package, struct buf *to, struct err_detail *detail)
{
    size_t begin = to->len;
    TRY(package_check(package, detail));
    TRY(write_root(package, to));
    TRY(write_node(package, to));
    for (size_t i = 0; i < package->files_len; i++) {
        const struct package_file *file = &package->files[i];
        char sha256[65], md5[33];
        hex_encode(BYTES(file->sha256), sha256);
        hex_encode(BYTES(file->md5), md5);
        TRY(buf_printf(
            to, "  <file name=\"%s\" role=\"%s\" size=\"%" PRIu64 "\" sha256=\"%s\" md5=\"%s\"/>\n",
            file->name, package_role_name(file->role), file->size, sha256, md5));
    }
    TRY(put(to, "</package>\n"));
    if (to->len - begin > PACKAGE_XML_MAX)
        return err_set(detail, ERR_LIMIT, PACKAGE_XML_NAME ": more than %zu bytes",
                       PACKAGE_XML_MAX);
    return ERR_OK;
}
