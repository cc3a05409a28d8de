#include "kmipc/kmipc.h"

/* What the server says of itself: Query (KMIP 1.4, 4.25). */

static const struct {
    uint32_t function;
    uint16_t since;
} functions[] = {
    {KMIP_QUERY_FUNCTION_QUERY_OPERATIONS, KMIPC_1_0},
    {KMIP_QUERY_FUNCTION_QUERY_OBJECTS, KMIPC_1_0},
    {KMIP_QUERY_FUNCTION_QUERY_SERVER_INFORMATION, KMIPC_1_0},
    {KMIP_QUERY_FUNCTION_QUERY_APPLICATION_NAMESPACES, KMIPC_1_0},
    {KMIP_QUERY_FUNCTION_QUERY_EXTENSION_MAP, KMIPC_1_1},
    {KMIP_QUERY_FUNCTION_QUERY_ATTESTATION_TYPES, KMIPC_V(1, 2)},
    {KMIP_QUERY_FUNCTION_QUERY_RNGS, KMIPC_V(1, 3)},
    {KMIP_QUERY_FUNCTION_QUERY_VALIDATIONS, KMIPC_V(1, 3)},
    {KMIP_QUERY_FUNCTION_QUERY_PROFILES, KMIPC_V(1, 3)},
    {KMIP_QUERY_FUNCTION_QUERY_CAPABILITIES, KMIPC_V(1, 3)},
    {KMIP_QUERY_FUNCTION_QUERY_CLIENT_REGISTRATION_METHODS, KMIPC_V(1, 3)},
    {KMIP_QUERY_FUNCTION_QUERY_DEFAULTS_INFORMATION, KMIPC_2_0},
    {KMIP_QUERY_FUNCTION_QUERY_STORAGE_PROTECTION_MASKS, KMIPC_2_0},
};

static enum err query(struct ckmip *kmip, struct ckmip_list *answers)
{
    struct kmipc_call call;
    char number[16];
    TRY(kmipc_begin(kmip, KMIP_OP_QUERY, KMIPC_1_0, &call));
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        if (functions[i].since <= call.version)
            (void)kmip_put_enum(&call.build, call.in, KMIP_TAG_QUERY_FUNCTION,
                                functions[i].function);
    }
    TRY(kmipc_run(&call));
    for (const struct kmip_node *node = call.out != NULL ? call.out->first : NULL; node != NULL;
         node = node->next) {
        AUTO(buf_done) struct buf text = {0};
        TRY(kmipc_format(call.out, node, &text));
        TRY(kmipc_list_add(answers, kmip_tag_name(node->tag, number), buf_view(&text)));
    }
    return ERR_OK;
}

int ckmip_query(struct ckmip *kmip, struct ckmip_list *ret_answers, struct ckmip_error *error)
{
    if (kmip == NULL || ret_answers == NULL)
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    *ret_answers = (struct ckmip_list){0};
    enum err err = query(kmip, ret_answers);
    if (err != ERR_OK)
        ckmip_list_free(ret_answers);
    return kmipc_end(kmip, err, error);
}
