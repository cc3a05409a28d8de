#include "kmip/codec/table.h"
#include "kmip/op/ops.h"
#include "kmip/server/config.h"

static const uint16_t versions[] = {KMIP_2_1, KMIP_2_0, KMIP_1_4, KMIP_1_3,
                                    KMIP_1_2, KMIP_1_1, KMIP_1_0};

static bool served(const struct kmip_config *config, uint16_t version)
{
    return version >= config->version_min && version <= config->version_max;
}

static void put(struct kmip_call *call, uint16_t version)
{
    struct kmip_node *node = kmip_put_struct(kmip_out(call), call->out, KMIP_TAG_PROTOCOL_VERSION);
    kmip_put_int(kmip_out(call), node, KMIP_TAG_PROTOCOL_VERSION_MAJOR, version >> 8);
    kmip_put_int(kmip_out(call), node, KMIP_TAG_PROTOCOL_VERSION_MINOR, version & 0xff);
}

/* KMIP 1.4, 4.26: of the versions that the client names those that are served, in the client's
 * order; all, the newest first, where it names none. */
enum err kmip_op_discover_versions(struct kmip_call *call)
{
    const struct kmip_config *config = call->request->env->config;
    const struct kmip_node *asked = kmip_child(call->in, KMIP_TAG_PROTOCOL_VERSION);
    for (size_t i = 0; asked == NULL && i < ARRAY_LEN(versions); i++)
        if (served(config, versions[i]))
            put(call, versions[i]);
    for (; asked != NULL; asked = kmip_again(asked)) {
        const int64_t major = kmip_num(asked, KMIP_TAG_PROTOCOL_VERSION_MAJOR, -1);
        const int64_t minor = kmip_num(asked, KMIP_TAG_PROTOCOL_VERSION_MINOR, -1);
        for (size_t i = 0; i < ARRAY_LEN(versions); i++)
            if (versions[i] >> 8 == major && (versions[i] & 0xff) == minor &&
                served(config, versions[i]))
                put(call, versions[i]);
    }
    return ERR_OK;
}
