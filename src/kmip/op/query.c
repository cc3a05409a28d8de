#include "kmip/codec/table.h"
#include "kmip/op/defaults.h"
#include "kmip/op/make.h"
#include "kmip/op/ops.h"
#include "kmip/op/placement.h"
#include "kmip/op/table.h"
#include "kmip/server/config.h"

/* Query (KMIP 1.4, 4.25; 2.1, 6.1.40): what the configuration says, less what the client's version
 * does not know. */

static void put_operations(struct kmip_call *call)
{
    const struct kmip_config *config = call->request->env->config;
    const struct vault_client *client = call->request->client;
    /* what its keys can't do is not told, though one it asks to have in the store could */
    const bool token = client != NULL && client->placement == VAULT_IN_TOKEN;
    for (size_t i = 0; kmip_op_at(i) != NULL; i++) {
        const struct kmip_op_row *row = kmip_op_at(i);
        if (call->request->version >= row->since &&
            (config->hidden_operations >> row->operation & 1) == 0 &&
            (!token || kmip_works_in_token(row->operation)))
            kmip_put_enum(kmip_out(call), call->out, KMIP_TAG_OPERATION, row->operation);
    }
}

static void put_objects(struct kmip_call *call)
{
    const struct kmip_config *config = call->request->env->config;
    for (uint32_t type = KMIP_OBJECT_CERTIFICATE; type <= KMIP_OBJECT_CERTIFICATE_REQUEST; type++)
        if (kmip_enum_known(KMIP_TAG_OBJECT_TYPE, type, call->request->version) &&
            (config->hidden_objects >> type & 1) == 0)
            kmip_put_enum(kmip_out(call), call->out, KMIP_TAG_OBJECT_TYPE, type);
}

static void put_server(struct kmip_call *call)
{
    const struct kmip_config *config = call->request->env->config;
    const struct {
        uint32_t tag;
        const char *text;
    } fields[] = {
        {KMIP_TAG_SERVER_NAME, config->server_name},
        {KMIP_TAG_SERVER_SERIAL_NUMBER, config->server_serial},
        {KMIP_TAG_SERVER_VERSION, config->server_version},
        {KMIP_TAG_SERVER_LOAD, config->server_load},
        {KMIP_TAG_PRODUCT_NAME, config->product_name},
        {KMIP_TAG_BUILD_LEVEL, config->build_level},
        {KMIP_TAG_BUILD_DATE, config->build_date},
        {KMIP_TAG_CLUSTER_INFO, config->cluster_info},
    };
    if (config->vendor != NULL)
        kmip_put_text(kmip_out(call), call->out, KMIP_TAG_VENDOR_IDENTIFICATION, config->vendor);
    struct kmip_node *node =
        kmip_put_struct(kmip_out(call), call->out, KMIP_TAG_SERVER_INFORMATION);
    /* before 2.0 its fields have no names: it is the vendor's own, and empty here */
    for (size_t i = 0; i < ARRAY_LEN(fields) && call->request->version >= KMIP_2_0; i++)
        if (fields[i].text != NULL)
            kmip_put_text(kmip_out(call), node, fields[i].tag, fields[i].text);
}

static void put_namespaces(struct kmip_call *call)
{
    const struct kmip_config *config = call->request->env->config;
    for (size_t i = 0; i < config->namespace_count; i++)
        kmip_put_text(kmip_out(call), call->out, KMIP_TAG_APPLICATION_NAMESPACE,
                      config->namespaces[i]);
}

static void put_rngs(struct kmip_call *call)
{
    struct kmip_rng rng = call->request->env->config->rng;
    if (rng.algorithm == 0)
        rng = (struct kmip_rng){.algorithm = KMIP_RNG_ALGORITHM_UNSPECIFIED,
                                .prediction_resistance = -1};
    kmip_rng_put(kmip_out(call),
                 kmip_put_struct(kmip_out(call), call->out, KMIP_TAG_RNG_PARAMETERS), &rng);
}

static void put_profiles(struct kmip_call *call)
{
    const struct kmip_config *config = call->request->env->config;
    for (size_t i = 0; i < config->profile_count; i++) {
        const struct kmip_profile *profile = &config->profiles[i];
        if (!kmip_enum_known(KMIP_TAG_PROFILE_NAME, profile->name, call->request->version))
            continue;
        struct kmip_node *node =
            kmip_put_struct(kmip_out(call), call->out, KMIP_TAG_PROFILE_INFORMATION);
        kmip_put_enum(kmip_out(call), node, KMIP_TAG_PROFILE_NAME, profile->name);
        if (profile->uri != NULL)
            kmip_put_text(kmip_out(call), node, KMIP_TAG_SERVER_URI, profile->uri);
        if (profile->port != 0)
            kmip_put_int(kmip_out(call), node, KMIP_TAG_SERVER_PORT, profile->port);
    }
}

static void put_capabilities(struct kmip_call *call)
{
    const struct kmip_config *config = call->request->env->config;
    const uint16_t version = call->request->version;
    struct kmip_build *out = kmip_out(call);
    struct kmip_node *node = kmip_put_struct(out, call->out, KMIP_TAG_CAPABILITY_INFORMATION);
    kmip_put_bool(out, node, KMIP_TAG_STREAMING_CAPABILITY, config->streaming);
    kmip_put_bool(out, node, KMIP_TAG_ASYNCHRONOUS_CAPABILITY, config->asynchronous);
    kmip_put_bool(out, node, KMIP_TAG_ATTESTATION_CAPABILITY, config->attestation);
    if (version >= KMIP_1_4) {
        kmip_put_bool(out, node, KMIP_TAG_BATCH_UNDO_CAPABILITY, config->batch_undo);
        kmip_put_bool(out, node, KMIP_TAG_BATCH_CONTINUE_CAPABILITY, config->batch_continue);
    }
    const struct {
        uint32_t tag, value;
    } enums[] = {{KMIP_TAG_UNWRAP_MODE, config->unwrap_mode},
                 {KMIP_TAG_DESTROY_ACTION, config->destroy_action},
                 {KMIP_TAG_SHREDDING_ALGORITHM, config->shredding},
                 {KMIP_TAG_RNG_MODE, config->rng_mode}};
    for (size_t i = 0; i < ARRAY_LEN(enums); i++)
        if (enums[i].value != 0)
            kmip_put_enum(out, node, enums[i].tag, enums[i].value);
    if (version >= KMIP_2_1 && config->quantum_safe)
        kmip_put_bool(out, node, KMIP_TAG_QUANTUM_SAFE_CAPABILITY, true);
}

static void put_storage_masks(struct kmip_call *call)
{
    const struct kmip_config *config = call->request->env->config;
    struct kmip_node *node =
        kmip_put_struct(kmip_out(call), call->out, KMIP_TAG_PROTECTION_STORAGE_MASKS);
    kmip_put_int(kmip_out(call), node, KMIP_TAG_PROTECTION_STORAGE_MASK,
                 KMIP_PROTECTION_STORAGE_MASK_SOFTWARE);
    if (config->token)
        kmip_put_int(kmip_out(call), node, KMIP_TAG_PROTECTION_STORAGE_MASK,
                     KMIP_PROTECTION_STORAGE_MASK_HARDWARE);
}

enum err kmip_op_query(struct kmip_call *call)
{
    /* the order is the payload's, whatever the order of the questions */
    static const struct {
        uint32_t function;
        void (*put)(struct kmip_call *call);
    } answers[] = {
        {KMIP_QUERY_FUNCTION_QUERY_OPERATIONS, put_operations},
        {KMIP_QUERY_FUNCTION_QUERY_OBJECTS, put_objects},
        {KMIP_QUERY_FUNCTION_QUERY_SERVER_INFORMATION, put_server},
        {KMIP_QUERY_FUNCTION_QUERY_APPLICATION_NAMESPACES, put_namespaces},
        {KMIP_QUERY_FUNCTION_QUERY_RNGS, put_rngs},
        {KMIP_QUERY_FUNCTION_QUERY_PROFILES, put_profiles},
        {KMIP_QUERY_FUNCTION_QUERY_CAPABILITIES, put_capabilities},
        {KMIP_QUERY_FUNCTION_QUERY_STORAGE_PROTECTION_MASKS, put_storage_masks},
    };
    uint64_t asked = 0;
    const struct kmip_node *first = kmip_child(call->in, KMIP_TAG_QUERY_FUNCTION);
    if (first == NULL)
        return kmip_fail(call, KMIP_REASON_INVALID_MESSAGE, "no Query Function");
    for (const struct kmip_node *n = first; n != NULL; n = kmip_again(n))
        if (n->num > 0 && n->num < 64 &&
            kmip_enum_known(KMIP_TAG_QUERY_FUNCTION, (uint32_t)n->num, call->request->version))
            asked |= (uint64_t)1 << n->num;
    for (size_t i = 0; i < ARRAY_LEN(answers); i++)
        if ((asked >> answers[i].function & 1) != 0)
            answers[i].put(call);
    if ((asked >> KMIP_QUERY_FUNCTION_QUERY_DEFAULTS_INFORMATION & 1) != 0)
        return kmip_defaults_put(call);
    return ERR_OK;
}
