#include "line/node.h"

#include "crypto/check_value.h"
#include "crypto/cmac.h"
#include "line/node_link.h"

#define RESET_TRY_MS 200

static enum err take_identity(struct line_node *node, const struct node_message *answer,
                              struct line_identity *ret_identity, struct line_fault *fault)
{
    struct line_identity identity = {0};
    uint16_t message_max = 0;
    uint8_t window = 0, hosts = 0, protocol = 0;
    bool spoken = node_field_u8(answer, NODE_T_PROTOCOL, &protocol);
    if (answer->result == NODE_BAD_VERSION)
        return line_fail(fault, LINE_NODE_VERSION, "the node speaks protocol %u, this is %u",
                         protocol, NODE_PROTOCOL);
    if (answer->result != NODE_DONE)
        return line_result_fault(0, answer->result, "identify", fault);
    if (!spoken || protocol != NODE_PROTOCOL ||
        !node_field_u64(answer, NODE_T_NODE_ID, &identity.node_id) || identity.node_id == 0 ||
        !node_field_text(answer, NODE_T_NAME, identity.type) ||
        !node_field_text(answer, NODE_T_VERSION, identity.version) ||
        !node_field_text(answer, NODE_T_HARDWARE, identity.hardware) ||
        !node_field_u16(answer, NODE_T_MESSAGE_MAX, &message_max) ||
        message_max < NODE_MESSAGE_LEAST || !node_field_u8(answer, NODE_T_WINDOW, &window) ||
        !node_field_u32(answer, NODE_T_FLAGS, &identity.flags) ||
        !node_field_u8(answer, NODE_T_HOSTS, &hosts) || hosts >= NODE_TARGETS)
        return line_answer_fault(0, "identify", fault);
    identity.protocol = protocol;
    identity.hosts = hosts;
    node->message_max =
        message_max < node->wrapper->message_max ? message_max : node->wrapper->message_max;
    node->window = window < node->wrapper->window ? window : node->wrapper->window;
    if (node->window == 0)
        node->window = 1;
    identity.message_max = node->message_max;
    identity.window = node->window;
    *ret_identity = identity;
    return ERR_OK;
}

static enum err identify(struct line_node *node, unsigned tries, struct line_identity *ret_identity,
                         struct line_fault *fault)
{
    struct line_request request;
    struct node_message answer;
    line_request_begin(node, &request, NODE_IDENTIFY, 0);
    request.tries = tries;
    node_write_u8(&request.w, NODE_T_PROTOCOL, NODE_PROTOCOL);
    TRY(line_request_ask(node, &request, &answer, fault));
    return take_identity(node, &answer, ret_identity, fault);
}

enum err line_node_identify(struct line_node *node, struct line_identity *ret_identity,
                            struct line_fault *fault)
{
    return identify(node, 0, ret_identity, fault);
}

enum err line_node_hardware(struct line_node *node, struct line_hardware *ret_hardware,
                            struct line_fault *fault)
{
    struct line_request request;
    struct node_message answer;
    struct line_hardware hardware = {0};
    line_request_begin(node, &request, NODE_HARDWARE, 0);
    TRY(line_request_do(node, &request, &answer, fault));
    if (!node_field_text(&answer, NODE_T_HARDWARE, hardware.type) ||
        !node_field_u16(&answer, NODE_T_REVISION, &hardware.revision) ||
        !node_field_u8(&answer, NODE_T_SELF_TEST, &hardware.self_test))
        return line_answer_fault(0, "hardware", fault);
    *ret_hardware = hardware;
    return ERR_OK;
}

enum err line_node_calibration(struct line_node *node, enum node_calibration *ret_calibration,
                               uint16_t *ret_revision, struct line_fault *fault)
{
    struct line_request request;
    struct node_message answer;
    uint8_t state = 0;
    uint16_t revision = 0;
    line_request_begin(node, &request, NODE_CALIBRATION, 0);
    TRY(line_request_do(node, &request, &answer, fault));
    if (!node_field_u8(&answer, NODE_T_CALIBRATION, &state) || state > NODE_BAD_CALIBRATION ||
        !node_field_u16(&answer, NODE_T_REVISION, &revision))
        return line_answer_fault(0, "calibration", fault);
    *ret_calibration = (enum node_calibration)state;
    *ret_revision = revision;
    return ERR_OK;
}

enum err line_node_target(struct line_node *node, unsigned target, struct line_target *ret_target,
                          struct line_fault *fault)
{
    struct line_request request;
    struct node_message answer;
    struct line_target found = {0};
    uint8_t link = 0;
    const uint8_t *data = NULL;
    size_t len = 0;
    line_request_begin(node, &request, NODE_TARGET, target);
    TRY(line_request_do(node, &request, &answer, fault));
    if (!node_field_text(&answer, NODE_T_NAME, found.name) ||
        !node_field_text(&answer, NODE_T_VERSION, found.version))
        return line_answer_fault(target, "target", fault);
    found.link_down = node_field_u8(&answer, NODE_T_LINK, &link) && link != 0;
    found.has_firmware_hash =
        node_field_fixed(&answer, NODE_T_HASH, found.firmware_hash, sizeof found.firmware_hash);
    found.has_config = node_field_fixed(&answer, NODE_T_CONFIG_HASH, found.config_hash,
                                        sizeof found.config_hash) &&
                       node_field_text(&answer, NODE_T_LABEL, found.label);
    if (node_field(&answer, NODE_T_IDENTIFIER, &data, &len) && len != 0 &&
        len <= sizeof found.identifier) {
        memcpy(found.identifier, data, len);
        found.identifier_len = len;
    }
    *ret_target = found;
    return ERR_OK;
}

/* ---------------------------------------------------------------- keys */

enum err line_node_key_write(struct line_node *node, enum node_key kind, unsigned target,
                             const struct secret *key, struct line_fault *fault)
{
    struct line_request request;
    struct node_message answer;
    uint8_t want[CHECK_VALUE_SIZE], got[NODE_CHECK];
    struct bytes view = secret_view(key);
    enum err err = check_value_of(view, want);
    if (err != ERR_OK)
        return line_fail_err(fault, LINE_UNKNOWN, "check value", err, NULL);
    line_request_begin(node, &request, NODE_KEY_WRITE, target);
    node_write_u8(&request.w, NODE_T_KIND, kind);
    node_write_bytes(&request.w, NODE_T_KEY, view.data, view.len);
    TRY(line_request_do(node, &request, &answer, fault));
    if (!node_field_fixed(&answer, NODE_T_PENDING, got, sizeof got))
        return line_answer_fault(target, "write key", fault);
    if (!secret_equal(BYTES(want), BYTES(got)))
        return line_fail(fault, target == 0 ? LINE_NODE_VERIFY : LINE_HOST_VERIFY,
                         "the check value of a key that was written is another");
    return ERR_OK;
}

enum err line_node_key_activate(struct line_node *node, const uint8_t root[NODE_CHECK],
                                struct line_fault *fault)
{
    struct line_request request;
    struct node_message answer;
    uint8_t got[NODE_CHECK];
    line_request_begin(node, &request, NODE_KEY_ACTIVATE, 0);
    node_write_bytes(&request.w, NODE_T_PENDING, root, NODE_CHECK);
    TRY(line_request_ask(node, &request, &answer, fault));
    if (answer.result == NODE_NO_KEY)
        return line_fail(fault, LINE_NODE_VERIFY, "the node's pending root key is another one");
    if (answer.result != NODE_DONE)
        return line_result_fault(0, answer.result, "activate keys", fault);
    if (!node_field_fixed(&answer, NODE_T_ACTIVE, got, sizeof got))
        return line_answer_fault(0, "activate keys", fault);
    if (!secret_equal(bytes_of(root, NODE_CHECK), BYTES(got)))
        return line_fail(fault, LINE_NODE_VERIFY, "the node's active root key is another one");
    return ERR_OK;
}

enum err line_node_key_check(struct line_node *node, enum node_key kind, unsigned target,
                             struct line_key_state *ret_state, struct line_fault *fault)
{
    struct line_request request;
    struct node_message answer;
    struct line_key_state state = {0};
    line_request_begin(node, &request, NODE_KEY_CHECK, target);
    node_write_u8(&request.w, NODE_T_KIND, kind);
    TRY(line_request_do(node, &request, &answer, fault));
    state.has_active = node_field_fixed(&answer, NODE_T_ACTIVE, state.active, NODE_CHECK);
    state.has_pending = node_field_fixed(&answer, NODE_T_PENDING, state.pending, NODE_CHECK);
    *ret_state = state;
    return ERR_OK;
}

/* ---------------------------------------------------------------- status, lock, reset */

static enum err plain(struct line_node *node, enum node_type type, struct node_message *ret_answer,
                      struct line_fault *fault)
{
    struct line_request request;
    line_request_begin(node, &request, type, 0);
    return line_request_do(node, &request, ret_answer, fault);
}

enum err line_node_status(struct line_node *node, struct line_node_status *ret_status,
                          struct line_fault *fault)
{
    struct node_message answer;
    struct line_node_status status = {0};
    uint8_t join = 0;
    TRY(plain(node, NODE_STATUS, &answer, fault));
    if (!node_field_u32(&answer, NODE_T_UPTIME, &status.uptime) ||
        !node_field_u32(&answer, NODE_T_COUNT, &status.starts) ||
        !node_field_u32(&answer, NODE_T_FLAGS, &status.flags) ||
        !node_field_u8(&answer, NODE_T_JOIN, &join) || join > NODE_JOIN_REFUSED)
        return line_answer_fault(0, "status", fault);
    status.join = (enum node_join)join;
    *ret_status = status;
    return ERR_OK;
}

enum err line_node_status_clear(struct line_node *node, struct line_fault *fault)
{
    struct node_message answer;
    return plain(node, NODE_STATUS_CLEAR, &answer, fault);
}

enum err line_node_lock(struct line_node *node, struct line_fault *fault)
{
    struct node_message answer;
    return plain(node, NODE_LOCK, &answer, fault);
}

enum err line_node_unlock(struct line_node *node, const struct secret *root,
                          struct line_fault *fault)
{
    static const char label[] = "claviger unlock 1"; /* its NUL ends it */
    AUTO(cmac_freep) struct cmac *cmac = NULL;
    struct line_request request;
    struct node_message answer;
    struct line_identity identity = {0};
    uint8_t nonce[16], id[8], mac[CMAC_SIZE];
    TRY(identify(node, 0, &identity, fault));
    TRY(plain(node, NODE_UNLOCK_CHALLENGE, &answer, fault));
    if (!node_field_fixed(&answer, NODE_T_NONCE, nonce, sizeof nonce))
        return line_answer_fault(0, "unlock", fault);
    be64_store(id, identity.node_id);
    struct bytes parts[] = {BYTES(label), BYTES(id), BYTES(nonce)};
    enum err err = cmac_new(secret_view(root), &cmac);
    if (err == ERR_OK)
        err = cmac_parts(cmac, parts, ARRAY_LEN(parts), mac);
    if (err != ERR_OK)
        return line_fail_err(fault, LINE_UNKNOWN, "unlock", err, NULL);
    line_request_begin(node, &request, NODE_UNLOCK, 0);
    node_write_bytes(&request.w, NODE_T_MAC, mac, sizeof mac);
    return line_request_do(node, &request, &answer, fault);
}

enum err line_node_reset(struct line_node *node, unsigned wait_ms,
                         struct line_identity *ret_identity, struct line_fault *fault)
{
    struct line_request request;
    struct node_message answer;
    struct line_fault none = {0};
    line_request_begin(node, &request, NODE_RESET, 0);
    request.tries = 2;
    enum err err = line_request_ask(node, &request, &answer, &none);
    /* No answer is no fault: it may have gone down before it was out. */
    if (err == ERR_OK && answer.result != NODE_DONE)
        return line_result_fault(0, answer.result, "reset", fault);
    uint64_t until = line_link_now() + wait_ms;
    unsigned timeout_ms = node->config.timeout_ms;
    node->message_max = NODE_MESSAGE_LEAST;
    do {
        line_link_restart(node);
        node->config.timeout_ms = timeout_ms < RESET_TRY_MS ? timeout_ms : RESET_TRY_MS;
        err = identify(node, 1, ret_identity, fault);
        node->config.timeout_ms = timeout_ms;
    } while (err != ERR_OK && fault->code != LINE_NODE_VERSION && line_link_now() < until);
    if (err == ERR_OK)
        *fault = (struct line_fault){0};
    return err;
}
