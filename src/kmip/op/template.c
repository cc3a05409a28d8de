#include "kmip/op/template.h"

#include "kmip/attr/index.h"
#include "kmip/codec/table.h"

static enum err find(struct kmip_call *call, struct bytes name, struct vault_object *ret_object)
{
    struct kmip_build build = {.arena = kmip_arena(call)};
    struct kmip_node *value = kmip_put_struct(&build, NULL, KMIP_TAG_NAME);
    kmip_put_bytes(&build, value, KMIP_TAG_NAME_VALUE, KMIP_TEXT_STRING, name);
    TRY(build.err);
    struct vault_term terms[KMIP_TERMS_MAX + 1];
    size_t count = 0;
    kmip_attr_terms(&(struct kmip_attr){.tag = KMIP_TAG_NAME, .value = value}, terms, &count);
    terms[count++] = (struct vault_term){
        .compare = VAULT_EQUAL,
        .key = vault_key_number(KMIP_TAG_OBJECT_TYPE, KMIP_OBJECT_TEMPLATE),
    };
    const struct vault_query query = {
        .terms = terms, .count = count, .online = true, .archived = true, .max = 1};
    struct store_conn *conn = NULL;
    struct vault_located *found = NULL;
    size_t found_count = 0, total = 0;
    TRY(call->request->env->read(call->request->env, &conn, &call->detail));
    TRY(vault_object_locate(conn, &call->request->client->eyes, &query, kmip_arena(call), &found,
                            &found_count, &total, &call->detail));
    if (found_count == 0)
        return kmip_fail(call, KMIP_REASON_ITEM_NOT_FOUND, "no template of this name");
    return kmip_get_object(call, bytes_str(found[0].uid), ret_object);
}

enum err kmip_template_apply(struct kmip_call *call, struct bytes name, struct kmip_attrs *attrs)
{
    struct vault_object object;
    struct kmip_attrs from = {.arena = kmip_arena(call)};
    if (name.len == 0)
        return kmip_fail(call, KMIP_REASON_INVALID_MESSAGE, "a template's Name without a value");
    TRY(find(call, name, &object));
    if (object.archived)
        return kmip_fail(call, KMIP_REASON_OBJECT_ARCHIVED, "the template is archived");
    TRY(kmip_attrs_decode(from.arena, object.value, &from, &call->detail));
    return kmip_attrs_fill(attrs, &from);
}
