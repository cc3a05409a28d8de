#include <inttypes.h>
#include <malloc.h>
#include <stdlib.h>
#include <threads.h>

#include <jansson.h>

#include "kmip/codec/value.h"

/* KMIP Additional Message Encodings 1.0, 4.1: each item is an object of tag, type (Structure where
 * it is missing), value and a name that says nothing. */

/* jansson descends by recursion and builds a tree of its own: nesting and the number of values are
 * counted before it sees the text. An item is an object, and its children stand in an array. */
#define NESTING(depth) (2 * (size_t)(depth) + 1)
#define VALUES(items)  (4 * (size_t)(items) + 4)

/* What a message holds may be a key: wiped before it goes back to the heap. The allocator stays the
 * C library's, so this may be set while others hold what they got. */
static void wipe_and_free(void *memory)
{
    if (memory == NULL)
        return;
    explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

static void set_allocator(void)
{
    json_set_alloc_funcs(malloc, wipe_and_free);
}

static void json_freep(json_t **json)
{
    json_decref(*json);
}

static enum err check_size(struct kmip_decoder *d, struct bytes input)
{
    size_t depth = 0;
    size_t values = 0;
    bool string = false;
    for (size_t i = 0; i < input.len; i++) {
        uint8_t c = input.data[i];
        if (string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                string = false;
            continue;
        }
        if (c == '"')
            string = true;
        else if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && depth > 0)
            depth--;
        if (c == '{' || c == '[' || c == ',')
            values++;
        if (depth > NESTING(d->limits->depth))
            return err_set(d->detail, ERR_LIMIT, "more than %u structures deep",
                           (unsigned)d->limits->depth);
        if (values > VALUES(d->limits->items))
            return err_set(d->detail, ERR_LIMIT, "more than %u items", (unsigned)d->limits->items);
    }
    return ERR_OK;
}

static struct bytes json_text(const json_t *json)
{
    return bytes_of(json_string_value(json), json_string_length(json));
}

static enum err read_value(struct kmip_decoder *d, const struct kmip_node *parent,
                           struct kmip_node *node, const json_t *value)
{
    char name[16];
    if (json_is_string(value))
        return kmip_value_parse(d, parent, node, json_text(value));
    if (json_is_integer(value))
        return kmip_value_number(d, node, json_integer_value(value));
    if (json_is_boolean(value) && node->type == KMIP_BOOLEAN) {
        node->num = json_is_true(value);
        return ERR_OK;
    }
    return err_set(d->detail, ERR_SYNTAX, "%s: value is missing or of the wrong kind",
                   kmip_tag_name(node->tag, name));
}

/* Only the four members, tag and type strings. */
static enum err read_members(struct kmip_decoder *d, const json_t *item, uint32_t *ret_tag,
                             uint8_t *ret_type)
{
    if (!json_is_object(item))
        return err_set(d->detail, ERR_SYNTAX, "an item is no object");
    static const char *const members[] = {"tag", "type", "name", "value"};
    const json_t *tag = json_object_get(item, "tag");
    const json_t *type = json_object_get(item, "type");
    size_t known = 0;
    for (size_t i = 0; i < ARRAY_LEN(members); i++)
        known += json_object_get(item, members[i]) != NULL;
    if (known != json_object_size(item))
        return err_set(d->detail, ERR_SYNTAX, "an item has more than tag, name, type and value");
    *ret_tag = json_is_string(tag) ? kmip_tag_parse(json_text(tag)) : 0;
    if (*ret_tag == 0)
        return err_set(d->detail, ERR_SYNTAX, "an item without a tag that is known");
    *ret_type = type == NULL           ? (uint8_t)KMIP_STRUCTURE
                : json_is_string(type) ? kmip_type_named(json_text(type))
                                       : (uint8_t)0;
    char name[16];
    if (*ret_type == 0)
        return err_set(d->detail, ERR_SYNTAX, "%s: unknown type", kmip_tag_name(*ret_tag, name));
    return ERR_OK;
}

struct level {
    struct kmip_node *node;
    const json_t *children; /* an array; NULL: none */
    size_t next;
};

/* One item; where it is a structure it becomes the next level. */
static enum err read_item(struct kmip_decoder *d, const json_t *item, struct level *levels,
                          uint32_t *depth)
{
    uint32_t tag = 0;
    uint8_t type = 0;
    char name[16];
    struct kmip_node *parent = *depth == 0 ? NULL : levels[*depth - 1].node;
    struct kmip_node *node = NULL;
    TRY(read_members(d, item, &tag, &type));
    TRY(kmip_decoder_add(d, parent, *depth, tag, type, &node));
    const json_t *value = json_object_get(item, "value");
    if (type != KMIP_STRUCTURE)
        return read_value(d, parent, node, value);
    if (value != NULL && !json_is_null(value) && !json_is_array(value))
        return err_set(d->detail, ERR_SYNTAX, "%s: value of a structure is no array",
                       kmip_tag_name(tag, name));
    levels[(*depth)++] =
        (struct level){.node = node, .children = json_is_array(value) ? value : NULL};
    return ERR_OK;
}

enum err kmip_json_decode(struct kmip_decoder *d, struct bytes input)
{
    static once_flag once = ONCE_FLAG_INIT;
    call_once(&once, set_allocator);
    struct level levels[KMIP_DEPTH_MAX];
    uint32_t depth = 0;
    if (d->limits->depth > KMIP_DEPTH_MAX)
        return ERR_ARGUMENT;
    TRY(check_size(d, input));
    json_error_t error;
    AUTO(json_freep)
    json_t *root = json_loadb((const char *)input.data, input.len, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) /* jansson's text quotes the input, which may be a key */
        return err_set(d->detail, ERR_SYNTAX, "line %d, column %d: not JSON, or a name twice",
                       error.line, error.column);
    TRY(read_item(d, root, levels, &depth));
    while (depth > 0) {
        struct level *level = &levels[depth - 1];
        if (level->next < json_array_size(level->children))
            TRY(read_item(d, json_array_get(level->children, level->next++), levels, &depth));
        else
            depth--;
    }
    return ERR_OK;
}

static enum err put(struct buf *out, const char *text)
{
    return buf_append(out, bytes_str(text));
}

static enum err write_text(struct bytes text, struct buf *out)
{
    TRY(put(out, "\""));
    size_t from = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
            continue;
        TRY(buf_append(out, bytes_of(text.data + from, i - from)));
        if (c == '"' || c == '\\')
            TRY(buf_printf(out, "\\%c", c));
        else
            TRY(buf_printf(out, "\\u%04x", c));
        from = i + 1;
    }
    TRY(buf_append(out, bytes_of(text.data + from, text.len - from)));
    return put(out, "\"");
}

/* Numbers and truth values stand without quotes; long integers may be more than a JSON number holds
 * (4.1.6.5), big integers always. */
static enum err write_value(const struct kmip_node *parent, const struct kmip_node *node,
                            struct buf *out)
{
    if (node->type == KMIP_TEXT_STRING)
        return write_text(node->bytes, out);
    if (node->type == KMIP_LONG_INTEGER)
        return buf_printf(out, "\"0x%016" PRIx64 "\"", (uint64_t)node->num);
    const struct kmip_enum *values =
        node->type == KMIP_INTEGER && node->num != 0 ? kmip_values_of(parent, node->tag) : NULL;
    bool bare = node->type == KMIP_BOOLEAN || node->type == KMIP_INTERVAL ||
                (node->type == KMIP_INTEGER && (values == NULL || !values->mask));
    if (bare)
        return kmip_value_format(parent, node, '|', out);
    TRY(put(out, node->type == KMIP_BIG_INTEGER ? "\"0x" : "\""));
    TRY(kmip_value_format(parent, node, '|', out));
    return put(out, "\"");
}

static enum err write_item(const struct kmip_node *parent, const struct kmip_node *node,
                           struct buf *out)
{
    char name[16];
    TRY(put(out, "{\"tag\":\""));
    TRY(put(out, kmip_tag_name(node->tag, name)));
    if (node->type != KMIP_STRUCTURE) {
        TRY(put(out, "\", \"type\":\""));
        TRY(put(out, kmip_type_name(node->type)));
        TRY(put(out, "\", \"value\":"));
        TRY(write_value(parent, node, out));
        return put(out, "}");
    }
    TRY(put(out, "\", \"value\":["));
    for (const struct kmip_node *child = node->first; child != NULL; child = child->next) {
        TRY(write_item(node, child, out));
        if (child->next != NULL)
            TRY(put(out, ", "));
    }
    return put(out, "]}");
}

enum err kmip_json_encode(const struct kmip_node *root, struct buf *out)
{
    return write_item(NULL, root, out);
}
