#include "vectors.h"

#include <glob.h>
#include <stdio.h>

#include <jansson.h>

#include "base/file.h"
#include "base/hex.h"

struct arena *arena_for_test(void)
{
    struct arena *arena = NULL;
    assert_ok(arena_new((size_t)64 << 20, &arena));
    return arena;
}

struct kmip_node *decode_ok(enum kmip_format format, struct bytes input, struct arena *arena,
                            const char *where)
{
    struct kmip_node *root = NULL;
    struct err_detail detail = {0};
    if (kmip_decode(format, input, NULL, arena, &root, &detail) != ERR_OK)
        fail_msg("%s: %s", where, detail.text);
    return root;
}

static const char *vectors(void)
{
    const char *dir = test_vectors();
    if (dir == NULL)
        skip();
    return dir;
}

static void hex_line(const char *name, unsigned number, char *line, vector_fn *fn)
{
    static uint8_t bytes[1 << 16];
    char where[128];
    size_t len = 0;
    json_t *row = json_loads(line, 0, NULL);
    const char *hex = json_string_value(json_object_get(row, "hex"));
    assert_non_null(hex);
    snprintf(where, sizeof where, "%s:%u", name, number);
    assert_ok(hex_decode(bytes_str(hex), bytes, sizeof bytes, &len));
    fn(where, bytes_of(bytes, len));
    json_decref(row);
}

size_t vectors_hex(const char *name, vector_fn *fn)
{
    char path[512];
    static char line[1 << 18];
    unsigned number = 0;
    snprintf(path, sizeof path, "%s/kmip/ttlv-hex/%s.jsonl", vectors(), name);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        skip();
    while (fgets(line, sizeof line, file) != NULL)
        hex_line(name, ++number, line, fn);
    fclose(file);
    return number;
}

/* `value="$NAME"` with a value that the type allows; text keeps its name. */
static void replace(struct buf *message, const char *at, const char *end)
{
    while (at < end) {
        const char *dollar = memchr(at, '$', (size_t)(end - at));
        if (dollar == NULL || dollar[-1] != '"') {
            assert_ok(buf_append(message, bytes_of(at, (size_t)(end - at))));
            return;
        }
        const char *element = dollar;
        while (*element != '<')
            element--;
        const char *type = strstr(element, "type=\"");
        const char *quote = strchr(dollar, '"');
        assert_true(type != NULL && type < dollar && quote != NULL);
        type += strlen("type=\"");
        assert_ok(buf_append(message, bytes_of(at, (size_t)(dollar - at))));
        if (strncmp(type, "DateTime", 8) == 0)
            assert_ok(buf_append(message, bytes_str("2017-11-22T10:20:30+00:00")));
        else if (strncmp(type, "ByteString", 10) == 0)
            assert_ok(buf_append(message, bytes_str("0123456789abcdef0011")));
        else
            assert_ok(buf_append(message, bytes_of(dollar + 1, (size_t)(quote - dollar - 1))));
        at = quote;
    }
}

static size_t xml_messages(const char *path, char *text, vector_fn *fn)
{
    static const char *const names[] = {"RequestMessage", "ResponseMessage"};
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char open[32], close[32];
        snprintf(open, sizeof open, "<%s>", names[i]);
        snprintf(close, sizeof close, "</%s>", names[i]);
        for (char *at = strstr(text, open); at != NULL; at = strstr(at, open), count++) {
            char *end = strstr(at, close) + strlen(close);
            struct buf message = {0};
            char where[300];
            snprintf(where, sizeof where, "%s: %s", path, names[i]);
            replace(&message, at, end);
            fn(where, buf_view(&message));
            buf_done(&message);
            at = end;
        }
    }
    return count;
}

static size_t each_file(const char *pattern,
                        size_t (*fn)(const char *path, char *text, vector_fn *), vector_fn *each)
{
    char path[512];
    glob_t found = {0};
    size_t count = 0;
    snprintf(path, sizeof path, "%s/kmip/%s", vectors(), pattern);
    if (glob(path, 0, NULL, &found) != 0)
        skip();
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct buf text = {0};
        assert_ok(file_read(found.gl_pathv[i], 1 << 22, &text, NULL));
        assert_ok(buf_append(&text, bytes_of("", 1)));
        count += fn(found.gl_pathv[i], (char *)text.data, each);
        buf_done(&text);
    }
    globfree(&found);
    return count;
}

size_t vectors_xml(const char *set, vector_fn *fn)
{
    char pattern[64];
    snprintf(pattern, sizeof pattern, "%s/*.xml", set);
    return each_file(pattern, xml_messages, fn);
}

/* Some name the root after the operation, which is no tag; their placeholders are text but for byte
 * strings. */
static size_t vendor_message(const char *path, char *text, vector_fn *fn)
{
    json_t *root = json_loads(text, 0, NULL);
    assert_non_null(root);
    struct buf filled = {0};
    assert_ok(json_object_set_new(root, "tag", json_string("RequestPayload")) == 0 ? ERR_OK
                                                                                   : ERR_INTERNAL);
    char *dump = json_dumps(root, 0);
    for (const char *at = dump; *at != 0; at++) {
        const char *end = strncmp(at, "\"{{", 3) == 0 ? strstr(at, "}}\"") : NULL;
        assert_ok(end == NULL ? buf_append(&filled, bytes_of(at, 1))
                              : buf_append(&filled, bytes_str("\"00\"")));
        if (end != NULL)
            at = end + 2;
    }
    fn(path, buf_view(&filled));
    buf_done(&filled);
    free(dump);
    json_decref(root);
    return 1;
}

size_t vectors_vendor(vector_fn *fn)
{
    return each_file("vendors/*/*.json", vendor_message, fn);
}
