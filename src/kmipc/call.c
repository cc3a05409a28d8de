#include <stdio.h>
#include <stdlib.h>

#include "kmipc/kmipc.h"

/* One request message of one batch item, and its answer. */

static void put_version(struct kmip_build *b, struct kmip_node *parent, uint16_t version)
{
    struct kmip_node *node = kmip_put_struct(b, parent, KMIP_TAG_PROTOCOL_VERSION);
    (void)kmip_put_int(b, node, KMIP_TAG_PROTOCOL_VERSION_MAJOR, version >> 8);
    (void)kmip_put_int(b, node, KMIP_TAG_PROTOCOL_VERSION_MINOR, version & 0xff);
}

/* KMIP 1.4, 6.6 and 2.1.2. */
static void put_credential(struct kmipc_call *call, struct kmip_node *header)
{
    struct kmip_build *b = &call->build;
    const struct ckmip *kmip = call->kmip;
    if (kmip->username == NULL)
        return;
    struct kmip_node *node = kmip_put_struct(b, header, KMIP_TAG_AUTHENTICATION);
    node = kmip_put_struct(b, node, KMIP_TAG_CREDENTIAL);
    (void)kmip_put_enum(b, node, KMIP_TAG_CREDENTIAL_TYPE,
                        KMIP_CREDENTIAL_TYPE_USERNAME_AND_PASSWORD);
    node = kmip_put_struct(b, node, KMIP_TAG_CREDENTIAL_VALUE);
    (void)kmip_put_text(b, node, KMIP_TAG_USERNAME, kmip->username);
    if (kmip->password != NULL)
        (void)kmip_put_bytes(b, node, KMIP_TAG_PASSWORD, KMIP_TEXT_STRING,
                             secret_view(kmip->password));
}

static enum err begin(struct ckmip *kmip, uint32_t operation, uint16_t version,
                      struct kmipc_call *call)
{
    arena_reset(kmip->arena);
    *call = (struct kmipc_call){
        .kmip = kmip, .operation = operation, .version = version, .build = {.arena = kmip->arena}};
    struct kmip_build *b = &call->build;
    call->message = kmip_put_struct(b, NULL, KMIP_TAG_REQUEST_MESSAGE);
    struct kmip_node *header = kmip_put_struct(b, call->message, KMIP_TAG_REQUEST_HEADER);
    put_version(b, header, version);
    put_credential(call, header);
    (void)kmip_put_int(b, header, KMIP_TAG_BATCH_COUNT, 1);
    struct kmip_node *item = kmip_put_struct(b, call->message, KMIP_TAG_BATCH_ITEM);
    (void)kmip_put_enum(b, item, KMIP_TAG_OPERATION, operation);
    call->in = kmip_put_struct(b, item, KMIP_TAG_REQUEST_PAYLOAD);
    return b->err;
}

static enum err nonsense(struct ckmip *kmip, const char *what)
{
    return err_set(&kmip->detail, ERR_PEER, "the answer %s", what);
}

/* KMIP 1.4, 7.2: Result Reason and Result Message where the status is not Success. */
static enum err failed(struct ckmip *kmip, const struct kmip_node *item, uint32_t status)
{
    struct bytes message = kmip_bytes(item, KMIP_TAG_RESULT_MESSAGE);
    kmip->reason = kmip_enum(item, KMIP_TAG_RESULT_REASON, 0);
    const char *reason = kmip_enum_name(KMIP_TAG_RESULT_REASON, kmip->reason);
    if (message.len == 0)
        message = bytes_str(reason != NULL ? reason : "no reason given");
    if (status == KMIP_STATUS_OPERATION_UNDONE)
        return err_set(&kmip->detail, ERR_REFUSED, "undone: %.*s",
                       (int)(message.len < 200 ? message.len : 200), (const char *)message.data);
    return err_set(&kmip->detail, ERR_REFUSED, "%.*s", (int)(message.len < 220 ? message.len : 220),
                   (const char *)message.data);
}

static enum err take_answer(struct kmipc_call *call, const struct kmip_node *answer)
{
    struct ckmip *kmip = call->kmip;
    const struct kmip_node *item = kmip_child(answer, KMIP_TAG_BATCH_ITEM);
    if (answer->tag != KMIP_TAG_RESPONSE_MESSAGE ||
        kmip_child(answer, KMIP_TAG_RESPONSE_HEADER) == NULL || item == NULL)
        return nonsense(kmip, "is no Response Message with a Batch Item");
    uint32_t status = kmip_enum(item, KMIP_TAG_RESULT_STATUS, UINT32_MAX);
    call->out = kmip_child(item, KMIP_TAG_RESPONSE_PAYLOAD);
    switch (status) {
    case KMIP_STATUS_SUCCESS: break;
    case KMIP_STATUS_OPERATION_PENDING:
        return err_set(&kmip->detail, ERR_STATE, "the operation goes on asynchronously");
    case KMIP_STATUS_OPERATION_FAILED:
    case KMIP_STATUS_OPERATION_UNDONE: return failed(kmip, item, status);
    default: return nonsense(kmip, "has no Result Status");
    }
    if (kmip_enum(item, KMIP_TAG_OPERATION, call->operation) != call->operation)
        return nonsense(kmip, "is to another operation");
    return ERR_OK;
}

enum err kmipc_run(struct kmipc_call *call)
{
    struct ckmip *kmip = call->kmip;
    struct kmip_node *answer = NULL;
    if (call->build.err != ERR_OK)
        return err_set(&kmip->detail, call->build.err, "the request is too large");
    TRY(kmip_encode(KMIP_TTLV, call->message, &kmip->request));
    TRY(kmipc_link_exchange(kmip->link, KMIP_TTLV, buf_view(&kmip->request), &kmip->response,
                            &kmip->detail, kmip->hint));
    static const struct kmip_limits limits = {.message = KMIP_MESSAGE_MAX,
                                              .depth = KMIP_DEPTH_MAX,
                                              .items = KMIP_ITEMS_MAX,
                                              .batch = KMIP_BATCH_MAX,
                                              .text = KMIP_MESSAGE_MAX,
                                              .big_integer = KMIP_BIG_INTEGER_MAX};
    TRY(kmip_decode(KMIP_TTLV, buf_view(&kmip->response), &limits, kmip->arena, &answer,
                    &kmip->detail));
    return take_answer(call, answer);
}

/* ---- which version ---- */

static const uint16_t versions[] = {KMIPC_V(2, 1), KMIPC_V(2, 0), KMIPC_V(1, 4), KMIPC_V(1, 3),
                                    KMIPC_V(1, 2), KMIPC_V(1, 1), KMIPC_V(1, 0)};

static bool allowed(const struct ckmip *kmip, uint16_t version)
{
    return version >= kmip->version_min && version <= kmip->version_max;
}

static bool known(uint16_t version)
{
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        if (versions[i] == version)
            return true;
    }
    return false;
}

static uint16_t version_of(const struct kmip_node *node)
{
    int64_t major = kmip_num(node, KMIP_TAG_PROTOCOL_VERSION_MAJOR, 0);
    int64_t minor = kmip_num(node, KMIP_TAG_PROTOCOL_VERSION_MINOR, 0);
    return major > 0 && major < 256 && minor >= 0 && minor < 256
               ? KMIPC_V((unsigned)major, (unsigned)minor)
               : 0;
}

/* The server's best that is allowed here; 0: none. */
static uint16_t best_of(const struct ckmip *kmip, const struct kmip_node *payload)
{
    uint16_t best = 0;
    for (const struct kmip_node *node = kmip_child(payload, KMIP_TAG_PROTOCOL_VERSION);
         node != NULL; node = kmip_again(node)) {
        uint16_t version = version_of(node);
        if (version > best && known(version) && allowed(kmip, version))
            best = version;
    }
    return best;
}

/* Discover Versions (KMIP 1.4, 4.26) in the highest version allowed, and where the server does not
 * take that, in lower ones, one of each kind. ERR_REFUSED where the server took none. */
static enum err discover(struct ckmip *kmip, uint16_t in_version)
{
    struct kmipc_call call;
    TRY(begin(kmip, KMIP_OP_DISCOVER_VERSIONS, in_version, &call));
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        if (allowed(kmip, versions[i]))
            put_version(&call.build, call.in, versions[i]);
    }
    TRY(kmipc_run(&call));
    kmip->version = best_of(kmip, call.out);
    if (kmip->version == 0)
        return err_set(&kmip->detail, ERR_UNSUPPORTED,
                       "the server speaks no version from %u.%u to %u.%u", kmip->version_min >> 8,
                       kmip->version_min & 0xff, kmip->version_max >> 8, kmip->version_max & 0xff);
    return ERR_OK;
}

static enum err negotiate(struct ckmip *kmip)
{
    static const uint16_t tries[] = {KMIPC_V(1, 2), KMIPC_V(2, 1), KMIPC_V(1, 1)};
    if (kmip->version != 0)
        return ERR_OK;
    if (kmip->version_min == kmip->version_max) {
        kmip->version = kmip->version_min;
        return ERR_OK;
    }
    enum err err = ERR_REFUSED;
    for (size_t i = 0; i < ARRAY_LEN(tries) && err == ERR_REFUSED; i++) {
        err = discover(kmip, tries[i]);
        if (kmip->reason == KMIP_REASON_AUTHENTICATION_NOT_SUCCESSFUL && err == ERR_REFUSED)
            return err;
        buf_done(&kmip->request);
        buf_done(&kmip->response);
    }
    /* a server of 1.0 does not know the operation */
    if (err == ERR_REFUSED && allowed(kmip, KMIPC_1_0)) {
        kmip->version = KMIPC_1_0;
        return ERR_OK;
    }
    return err;
}

uint16_t ckmip_version(struct ckmip *kmip, struct ckmip_error *error)
{
    if (kmip == NULL)
        return (void)kmipc_end(NULL, ERR_ARGUMENT, error), (uint16_t)0;
    enum err err = negotiate(kmip);
    return kmipc_end(kmip, err, error) == CKMIP_OK ? kmip->version : 0;
}

enum err kmipc_begin(struct ckmip *kmip, uint32_t operation, uint16_t since,
                     struct kmipc_call *ret_call)
{
    TRY(negotiate(kmip));
    if (kmip->version < since)
        return err_set(&kmip->detail, ERR_UNSUPPORTED,
                       "%s comes with KMIP %u.%u, the server was asked in %u.%u",
                       kmip_enum_name(KMIP_TAG_OPERATION, operation), since >> 8, since & 0xff,
                       kmip->version >> 8, kmip->version & 0xff);
    return begin(kmip, operation, kmip->version, ret_call);
}

int ckmip_discover_versions(struct ckmip *kmip, uint16_t *ret_versions, size_t cap, size_t *ret_len,
                            struct ckmip_error *error)
{
    struct kmipc_call call;
    if (kmip == NULL || ret_len == NULL || (ret_versions == NULL && cap != 0))
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    *ret_len = 0;
    enum err err = kmipc_begin(kmip, KMIP_OP_DISCOVER_VERSIONS, KMIPC_1_1, &call);
    if (err == ERR_OK)
        err = kmipc_run(&call);
    if (err == ERR_OK) {
        for (const struct kmip_node *node = kmip_child(call.out, KMIP_TAG_PROTOCOL_VERSION);
             node != NULL && *ret_len < cap; node = kmip_again(node))
            ret_versions[(*ret_len)++] = version_of(node);
    }
    return kmipc_end(kmip, err, error);
}

/* ---- what most payloads have ---- */

void kmipc_put_uid(struct kmipc_call *call, const char *uid)
{
    if (uid != NULL && *uid != '\0')
        (void)kmip_put_text(&call->build, call->in, KMIP_TAG_UNIQUE_IDENTIFIER, uid);
}

enum err kmipc_take_uid(const struct kmipc_call *call, uint32_t tag, ckmip_uid ret_uid)
{
    const struct kmip_node *node = kmip_child(call->out, tag);
    if (node == NULL || node->type != KMIP_TEXT_STRING || node->bytes.len == 0 ||
        node->bytes.len > CKMIP_UID_MAX)
        return nonsense(call->kmip, "has no unique identifier");
    memcpy(ret_uid, node->bytes.data, node->bytes.len);
    ret_uid[node->bytes.len] = '\0';
    return ERR_OK;
}

enum err kmipc_take_data(const struct kmip_node *node, uint32_t tag, struct ckmip_data *ret_data)
{
    struct bytes bytes = kmip_bytes(node, tag);
    *ret_data = (struct ckmip_data){0};
    if (bytes.len == 0)
        return ERR_OK;
    ret_data->data = malloc(bytes.len);
    if (ret_data->data == NULL)
        return ERR_NO_MEMORY;
    memcpy(ret_data->data, bytes.data, bytes.len);
    ret_data->len = bytes.len;
    return ERR_OK;
}
