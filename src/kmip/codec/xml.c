#include <expat.h>
#include <malloc.h>
#include <stdlib.h>

#include "kmip/codec/value.h"

/* KMIP Additional Message Encodings 1.0, 6.1.6: an element is an item, named as its tag or TTLV
 * with the attribute tag; attributes type (Structure where it is missing), value and a name that
 * says nothing. */

#define NAMESPACE "urn:oasis:tc:kmip:xmlns"

/* Behind the namespace in a name, and no character of one. */
#define NAMESPACE_END ' '

struct xml {
    struct kmip_decoder *d;
    XML_Parser parser;
    enum err err; /* the first; nothing is read behind it */
    uint32_t depth;
    bool leaf; /* within an item that is no structure: no child may follow */
    struct kmip_node *levels[KMIP_DEPTH_MAX];
};

static void parser_freep(XML_Parser *parser)
{
    XML_ParserFree(*parser);
}

/* What a message holds may be a key: wiped before it goes back to the heap. */
static void wipe_and_free(void *memory)
{
    if (memory == NULL)
        return;
    explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

static void *move(void *memory, size_t len)
{
    void *moved = malloc(len);
    if (moved == NULL || memory == NULL)
        return moved;
    size_t old = malloc_usable_size(memory);
    memcpy(moved, memory, old < len ? old : len);
    wipe_and_free(memory);
    return moved;
}

static void stop(struct xml *x, enum err err)
{
    if (x->err == ERR_OK)
        x->err = err;
    XML_StopParser(x->parser, XML_FALSE);
}

static void fail(struct xml *x, const char *what)
{
    if (x->err == ERR_OK)
        x->err = err_set(x->d->detail, ERR_SYNTAX, "line %lu, column %lu: %s",
                         XML_GetCurrentLineNumber(x->parser), XML_GetCurrentColumnNumber(x->parser),
                         what);
    stop(x, x->err);
}

struct attributes {
    const char *tag, *type, *value;
};

/* Attributes of other namespaces are not ours. */
static bool read_attributes(struct xml *x, const char **pairs, struct attributes *ret_attributes)
{
    struct attributes a = {0};
    for (; pairs[0] != NULL; pairs += 2) {
        if (strcmp(pairs[0], "tag") == 0) {
            a.tag = pairs[1];
        } else if (strcmp(pairs[0], "type") == 0) {
            a.type = pairs[1];
        } else if (strcmp(pairs[0], "value") == 0) {
            a.value = pairs[1];
        } else if (strcmp(pairs[0], "name") != 0 && strchr(pairs[0], NAMESPACE_END) == NULL) {
            fail(x, "an attribute other than tag, name, type and value");
            return false;
        }
    }
    *ret_attributes = a;
    return true;
}

/* The tag of an element; 0 after a failure. */
static uint32_t element_tag(struct xml *x, const char *name, const struct attributes *a)
{
    const char *end = strchr(name, NAMESPACE_END);
    if (end != NULL) {
        if (strncmp(name, NAMESPACE, (size_t)(end - name)) != 0 ||
            (size_t)(end - name) != strlen(NAMESPACE)) {
            fail(x, "an element of another namespace");
            return 0;
        }
        name = end + 1;
    }
    bool generic = strcmp(name, "TTLV") == 0;
    if (generic != (a->tag != NULL)) {
        fail(x, "TTLV, and only TTLV, has the attribute tag");
        return 0;
    }
    uint32_t tag = kmip_tag_parse(bytes_str(generic ? a->tag : name));
    if (tag == 0)
        fail(x, "an element whose tag is unknown");
    return tag;
}

static void XMLCALL on_start(void *user, const char *name, const char **pairs)
{
    struct xml *x = user;
    struct attributes a = {0};
    if (x->err != ERR_OK || !read_attributes(x, pairs, &a))
        return;
    uint32_t tag = element_tag(x, name, &a);
    if (tag == 0)
        return;
    uint8_t type = a.type == NULL ? KMIP_STRUCTURE : kmip_type_named(bytes_str(a.type));
    if (type == 0 || x->leaf || (type == KMIP_STRUCTURE) != (a.value == NULL)) {
        fail(x, type == 0 ? "unknown type"
                : x->leaf ? "an element within a value"
                          : "a structure with a value, or a value without");
        return;
    }
    struct kmip_node *parent = x->depth == 0 ? NULL : x->levels[x->depth - 1];
    struct kmip_node *node = NULL;
    enum err err = kmip_decoder_add(x->d, parent, x->depth, tag, type, &node);
    if (err == ERR_OK && type != KMIP_STRUCTURE)
        err = kmip_value_parse(x->d, parent, node, bytes_str(a.value));
    if (err != ERR_OK) {
        stop(x, err);
        return;
    }
    if (type == KMIP_STRUCTURE)
        x->levels[x->depth++] = node;
    else
        x->leaf = true;
}

static void XMLCALL on_end(void *user, const char *name)
{
    struct xml *x = user;
    (void)name;
    if (x->leaf)
        x->leaf = false;
    else if (x->depth > 0)
        x->depth--;
}

static void XMLCALL on_text(void *user, const char *text, int len)
{
    struct xml *x = user;
    for (int i = 0; i < len && x->err == ERR_OK; i++)
        if (strchr(" \t\r\n", text[i]) == NULL || text[i] == 0)
            fail(x, "text between elements");
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

enum err kmip_xml_decode(struct kmip_decoder *d, struct bytes input)
{
    const XML_Memory_Handling_Suite memory = {malloc, move, wipe_and_free};
    const char separator[] = {NAMESPACE_END, 0};
    if (d->limits->depth > KMIP_DEPTH_MAX || input.len > KMIP_MESSAGE_MAX)
        return ERR_ARGUMENT;
    AUTO(parser_freep) XML_Parser parser = XML_ParserCreate_MM("UTF-8", &memory, separator);
    if (parser == NULL)
        return err_set(d->detail, ERR_NO_MEMORY, "message takes too much memory");
    struct xml x = {.d = d, .parser = parser};
    XML_SetUserData(parser, &x);
    XML_SetElementHandler(parser, on_start, on_end);
    XML_SetCharacterDataHandler(parser, on_text);
    XML_SetStartDoctypeDeclHandler(parser, on_doctype);
    XML_SetProcessingInstructionHandler(parser, on_instruction);
    XML_SetParamEntityParsing(parser, XML_PARAM_ENTITY_PARSING_NEVER);
    enum XML_Status status = XML_Parse(parser, (const char *)input.data, (int)input.len, XML_TRUE);
    if (x.err != ERR_OK)
        return x.err;
    if (status != XML_STATUS_OK)
        return err_set(d->detail, ERR_SYNTAX, "line %lu, column %lu: %s",
                       XML_GetCurrentLineNumber(parser), XML_GetCurrentColumnNumber(parser),
                       XML_ErrorString(XML_GetErrorCode(parser)));
    return ERR_OK;
}

/* What XML 1.0 can't hold, even as a reference (2.2), becomes U+FFFD. */
static enum err write_text(struct bytes text, struct buf *out)
{
    size_t from = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        size_t len = 1;
        char part[8];
        if (c == '&' || c == '<' || c == '>' || c == '"' || c == '\t' || c == '\n' || c == '\r') {
            snprintf(part, sizeof part, "&#%u;", c);
        } else if (c < 0x20) {
            snprintf(part, sizeof part, "\xef\xbf\xbd");
        } else if (c == 0xef && text.len - i >= 3 && text.data[i + 1] == 0xbf &&
                   text.data[i + 2] >= 0xbe) { /* U+FFFE, U+FFFF */
            snprintf(part, sizeof part, "\xef\xbf\xbd");
            len = 3;
        } else {
            continue;
        }
        TRY(buf_append(out, bytes_of(text.data + from, i - from)));
        TRY(buf_append(out, bytes_str(part)));
        i += len - 1;
        from = i + 1;
    }
    return buf_append(out, bytes_of(text.data + from, text.len - from));
}

static enum err put(struct buf *out, const char *text)
{
    return buf_append(out, bytes_str(text));
}

static enum err indent(unsigned depth, struct buf *out)
{
    static const char blanks[2 * KMIP_DEPTH_MAX + 1] =
        "                                                                ";
    unsigned shown = depth < KMIP_DEPTH_MAX ? depth : KMIP_DEPTH_MAX;
    return buf_append(out, bytes_of(blanks, (size_t)2 * shown));
}

static enum err write_item(const struct kmip_node *parent, const struct kmip_node *node,
                           unsigned depth, struct buf *out)
{
    char number[16];
    const char *name = kmip_tag_name(node->tag, number);
    bool generic = name == number;
    TRY(indent(depth, out));
    TRY(put(out, generic ? "<TTLV tag=\"" : "<"));
    TRY(put(out, name));
    TRY(put(out, generic ? "\"" : ""));
    if (node->type != KMIP_STRUCTURE) {
        TRY(put(out, " type=\""));
        TRY(put(out, kmip_type_name(node->type)));
        TRY(put(out, "\" value=\""));
        if (node->type == KMIP_TEXT_STRING)
            TRY(write_text(node->bytes, out));
        else
            TRY(kmip_value_format(parent, node, ' ', out));
        return put(out, "\"/>\n");
    }
    if (node->first == NULL)
        return put(out, "/>\n");
    TRY(put(out, ">\n"));
    for (const struct kmip_node *child = node->first; child != NULL; child = child->next)
        TRY(write_item(node, child, depth + 1, out));
    TRY(indent(depth, out));
    TRY(put(out, "</"));
    TRY(put(out, generic ? "TTLV" : name));
    return put(out, ">\n");
}

enum err kmip_xml_encode(const struct kmip_node *root, struct buf *out)
{
    return write_item(NULL, root, 0, out);
}
