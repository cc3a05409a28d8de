#include "world.h"

#include <stdarg.h>
#include <stdio.h>

static enum err world_read(struct kmip_env *env, struct store_conn **ret_conn,
                           struct err_detail *detail)
{
    struct world *w = env->loop;
    if (w->reading)
        store_reader_end(w->site.reader);
    TRY(store_reader_begin(w->site.reader, detail));
    w->reading = true;
    *ret_conn = store_reader_conn(w->site.reader);
    return ERR_OK;
}

static void make_client(struct world *w, unsigned number, const char *name)
{
    struct err_detail detail = {0};
    const struct vault_client_new spec = {
        .name = name, .kind = VAULT_CLIENT_KMIP, .may = VAULT_MAY_ALL, .placement = VAULT_IN_STORE};
    if (vault_client_create(w->site.clients, &spec, &w->clients[number], &detail) != ERR_OK)
        fail_msg("client: %s", detail.text);
}

void world_begin(struct world *w)
{
    *w = (struct world){.version = KMIP_2_1};
    site_begin(&w->site);
    kmip_config_default(&w->config);
    assert_ok(arena_new(w->config.arena_max, &w->arena));
    assert_ok(arena_new((size_t)64 * 1024 * 1024, &w->kept));
    w->env = (struct kmip_env){.config = &w->config,
                               .objects = w->site.objects,
                               .clients = w->site.clients,
                               .store = w->site.store,
                               .keeper = w->site.keeper,
                               .read = world_read,
                               .loop = w};
    make_client(w, 0, "alice");
    make_client(w, 1, "bob");
}

void world_end(struct world *w)
{
    arena_free(w->arena);
    arena_free(w->kept);
    site_end(&w->site);
}

const char *world_text(const char *format, ...)
{
    static char texts[32][4096];
    static unsigned next;
    char *text = texts[next++ % 32];
    va_list args;
    va_start(args, format);
    assert_in_range(vsnprintf(text, sizeof(texts[0]), format, args), 0, sizeof(texts[0]) - 1);
    va_end(args);
    return text;
}

enum err world_raw(struct world *w, enum kmip_format format, struct bytes in, struct buf *out)
{
    const struct vault_client *client = w->who < 2 ? &w->clients[w->who] : NULL;
    arena_reset(w->arena);
    const enum err err =
        kmip_process(&w->env, NULL, client, format, w->arena, in, out, &w->processed);
    if (w->reading)
        store_reader_end(w->site.reader);
    w->reading = false;
    return err;
}

void world_batch(struct world *w, unsigned count, const char *items)
{
    AUTO(buf_done) struct buf xml = {0};
    AUTO(buf_done) struct buf in = {0};
    AUTO(buf_done) struct buf out = {0};
    struct err_detail detail = {0};
    struct kmip_node *root = NULL;
    assert_ok(buf_printf(
        &xml,
        "<RequestMessage><RequestHeader><ProtocolVersion><ProtocolVersionMajor type=\"Integer\" "
        "value=\"%d\"/><ProtocolVersionMinor type=\"Integer\" value=\"%d\"/></ProtocolVersion>%s"
        "<BatchCount type=\"Integer\" value=\"%u\"/></RequestHeader>%s</RequestMessage>",
        w->version >> 8, w->version & 0xff, w->header != NULL ? w->header : "", count, items));
    if (kmip_decode(KMIP_XML, buf_view(&xml), NULL, w->kept, &root, &detail) != ERR_OK)
        fail_msg("request: %s in %.*s", detail.text, (int)xml.len, (const char *)xml.data);
    assert_ok(kmip_encode(KMIP_TTLV, root, &in));
    assert_ok(world_raw(w, KMIP_TTLV, buf_view(&in), &out));
    char *copy = arena_strndup(w->kept, out.data, out.len);
    assert_non_null(copy);
    assert_ok(kmip_decode(KMIP_TTLV, bytes_of(copy, out.len), NULL, w->kept, &w->response, NULL));
    w->item = w->response->last;
}

uint32_t world_status(const struct world *w)
{
    return kmip_enum(w->item, KMIP_TAG_RESULT_STATUS, 99);
}

uint32_t world_reason(const struct world *w)
{
    return kmip_enum(w->item, KMIP_TAG_RESULT_REASON, 0);
}

struct kmip_node *world_ask(struct world *w, const char *operation, const char *payload)
{
    world_batch(w, 1,
                world_text("<BatchItem><Operation type=\"Enumeration\" value=\"%s\"/>"
                           "<RequestPayload>%s</RequestPayload></BatchItem>",
                           operation, payload));
    if (world_status(w) != KMIP_STATUS_SUCCESS)
        return NULL;
    struct kmip_node *out = kmip_child(w->item, KMIP_TAG_RESPONSE_PAYLOAD);
    assert_non_null(out);
    return out;
}

struct kmip_node *world_must(struct world *w, const char *operation, const char *payload)
{
    struct kmip_node *out = world_ask(w, operation, payload);
    if (out == NULL) {
        const struct bytes message = kmip_bytes(w->item, KMIP_TAG_RESULT_MESSAGE);
        fail_msg("%s: reason %#x: %.*s (%s)", operation, world_reason(w), (int)message.len,
                 (const char *)message.data, w->processed.detail.text);
    }
    return out;
}

const char *world_uid(struct world *w, const struct kmip_node *payload)
{
    const struct bytes uid = kmip_bytes(payload, KMIP_TAG_UNIQUE_IDENTIFIER);
    assert_non_null(uid.data);
    return arena_strndup(w->kept, uid.data, uid.len);
}

static const char *one(const struct world *w, const char *name, const char *title, const char *type,
                       const char *value)
{
    if (w->version >= KMIP_2_0)
        return world_text("<%s type=\"%s\" value=\"%s\"/>", name, type, value);
    return world_text("<Attribute><AttributeName type=\"TextString\" value=\"%s\"/>"
                      "<AttributeValue type=\"%s\" value=\"%s\"/></Attribute>",
                      title, type, value);
}

const char *world_aes(struct world *w, const char *name, const char *more)
{
    const bool v2 = w->version >= KMIP_2_0;
    const char *list = v2 ? "Attributes" : "TemplateAttribute";
    const char *inner = world_text("<NameValue type=\"TextString\" value=\"%s\"/><NameType "
                                   "type=\"Enumeration\" value=\"UninterpretedTextString\"/>",
                                   name);
    const char *named =
        v2 ? world_text("<Name>%s</Name>", inner)
           : world_text("<Attribute><AttributeName type=\"TextString\" value=\"Name\"/>"
                        "<AttributeValue>%s</AttributeValue></Attribute>",
                        inner);
    return world_uid(
        w,
        world_must(
            w, "Create",
            world_text(
                "<ObjectType type=\"Enumeration\" value=\"SymmetricKey\"/><%s>%s%s%s%s%s</%s>",
                list,
                one(w, "CryptographicAlgorithm", "Cryptographic Algorithm", "Enumeration", "AES"),
                one(w, "CryptographicLength", "Cryptographic Length", "Integer", "256"),
                one(w, "CryptographicUsageMask", "Cryptographic Usage Mask", "Integer",
                    "Encrypt Decrypt"),
                named, more, list)));
}

struct kmip_node *world_attribute(struct world *w, const char *uid, const char *name, uint32_t tag)
{
    const uint16_t version = w->version;
    w->version = KMIP_2_1;
    struct kmip_node *out = world_must(
        w, "GetAttributes",
        world_text("%s<AttributeReference type=\"Enumeration\" value=\"%s\"/>", UID(uid), name));
    w->version = version;
    return kmip_child(kmip_child(out, KMIP_TAG_ATTRIBUTES), tag);
}

uint32_t world_state(struct world *w, const char *uid)
{
    const struct kmip_node *state = world_attribute(w, uid, "State", KMIP_TAG_STATE);
    assert_non_null(state);
    return (uint32_t)state->num;
}
