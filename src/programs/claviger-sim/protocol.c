#include "programs/claviger-sim/protocol.h"

#include "crypto/cmac.h"
#include "crypto/random.h"

#define HEAD 4 /* length, version, type */

/* What each side proves differs in the label: an answer can't be sent back as a proof. */
static const char node_label[] = "claviger join 1 node";
static const char gateway_label[] = "claviger join 1 gateway";

static size_t payload_len(uint8_t type)
{
    switch (type) {
    case JOIN_JOIN: return 8 + JOIN_NONCE;
    case JOIN_CHALLENGE: return JOIN_NONCE;
    case JOIN_PROOF:
    case JOIN_ACCEPT: return JOIN_MAC;
    case JOIN_REFUSE: return 1;
    default: return 0;
    }
}

enum err join_frame_len(const uint8_t *data, size_t have, size_t *ret_need)
{
    if (have < 2) {
        *ret_need = 2;
        return ERR_OK;
    }
    size_t len = 2 + (size_t)be16_load(data);
    if (len <= HEAD || len > JOIN_FRAME_MAX)
        return ERR_SYNTAX;
    *ret_need = len;
    return ERR_OK;
}

enum err join_decode(struct bytes frame, struct join_message *ret_message)
{
    struct reader r = reader_of(frame);
    struct join_message message = {0};
    size_t len = reader_u16(&r);
    uint8_t version = reader_u8(&r);
    uint8_t type = reader_u8(&r);
    TRY(reader_status(&r));
    if (len + 2 != frame.len || version != JOIN_VERSION || payload_len(type) == 0 ||
        frame.len != HEAD + payload_len(type))
        return ERR_SYNTAX;
    message.type = (enum join_type)type;
    switch (message.type) {
    case JOIN_JOIN:
        message.node = reader_u64(&r);
        reader_copy(&r, message.nonce, sizeof message.nonce);
        if (message.node == 0)
            return ERR_SYNTAX;
        break;
    case JOIN_CHALLENGE: reader_copy(&r, message.nonce, sizeof message.nonce); break;
    case JOIN_PROOF:
    case JOIN_ACCEPT: reader_copy(&r, message.mac, sizeof message.mac); break;
    case JOIN_REFUSE:
        message.reason = (enum join_reason)reader_u8(&r);
        if (message.reason != JOIN_NOT_ADMITTED && message.reason != JOIN_UNAVAILABLE)
            return ERR_SYNTAX;
        break;
    }
    TRY(reader_end(&r));
    *ret_message = message;
    return ERR_OK;
}

void join_encode(const struct join_message *message, struct writer *w)
{
    writer_u16(w, (uint16_t)(HEAD - 2 + payload_len((uint8_t)message->type)));
    writer_u8(w, JOIN_VERSION);
    writer_u8(w, (uint8_t)message->type);
    switch (message->type) {
    case JOIN_JOIN:
        writer_u64(w, message->node);
        writer_bytes(w, BYTES(message->nonce));
        break;
    case JOIN_CHALLENGE: writer_bytes(w, BYTES(message->nonce)); break;
    case JOIN_PROOF:
    case JOIN_ACCEPT: writer_bytes(w, BYTES(message->mac)); break;
    case JOIN_REFUSE: writer_u8(w, (uint8_t)message->reason); break;
    }
}

static enum err mac_of(const uint8_t key[JOIN_KEY], const char *label, uint64_t node,
                       const uint8_t node_nonce[JOIN_NONCE],
                       const uint8_t gateway_nonce[JOIN_NONCE], uint8_t ret_mac[JOIN_MAC])
{
    AUTO(cmac_freep) struct cmac *cmac = NULL;
    uint8_t id[8];
    be64_store(id, node);
    /* The label's NUL ends it; all that follows has fixed lengths. */
    struct bytes parts[] = {bytes_of(label, strlen(label) + 1), BYTES(id),
                            bytes_of(node_nonce, JOIN_NONCE), bytes_of(gateway_nonce, JOIN_NONCE)};
    TRY(cmac_new(bytes_of(key, JOIN_KEY), &cmac));
    return cmac_parts(cmac, parts, ARRAY_LEN(parts), ret_mac);
}

static void refuse(struct writer *w, enum join_reason reason)
{
    struct join_message message = {.type = JOIN_REFUSE, .reason = reason};
    join_encode(&message, w);
}

/* Is the proof made with this key? And what is to be answered then. */
static enum err check_proof(const struct join_gateway *side, const struct join_message *proof,
                            const uint8_t key[JOIN_KEY], struct join_message *accept,
                            bool *ret_right)
{
    uint8_t want[JOIN_MAC];
    TRY(mac_of(key, node_label, side->node, side->node_nonce, side->nonce, want));
    TRY(mac_of(key, gateway_label, side->node, side->node_nonce, side->nonce, accept->mac));
    *ret_right = secret_equal(BYTES(want), BYTES(proof->mac));
    explicit_bzero(want, sizeof want);
    return ERR_OK;
}

static enum err judge_proof(struct join_gateway *side, const struct join_message *proof,
                            join_key_fn *key_of, void *ctx, struct writer *w,
                            enum join_outcome *ret_outcome)
{
    AUTO(secret_block32_wipe) struct secret_block32 key;
    struct join_message accept = {.type = JOIN_ACCEPT};
    bool right = false;
    enum err err = key_of(ctx, side->node, false, key.data);
    if (err != ERR_OK && err != ERR_DENIED) {
        refuse(w, JOIN_UNAVAILABLE);
        *ret_outcome = JOIN_NO_KEYS;
        return ERR_OK;
    }
    bool known = err == ERR_OK;
    if (!known)
        TRY(random_bytes(key.data, JOIN_KEY));
    TRY(check_proof(side, proof, key.data, &accept, &right));
    if (known && !right && key_of(ctx, side->node, true, key.data) == ERR_OK)
        TRY(check_proof(side, proof, key.data, &accept, &right));
    if (known && right)
        join_encode(&accept, w);
    else
        refuse(w, JOIN_NOT_ADMITTED);
    *ret_outcome = !known ? JOIN_UNKNOWN_NODE : right ? JOIN_JOINED : JOIN_WRONG_PROOF;
    return ERR_OK;
}

enum err join_gateway_frame(struct join_gateway *side, struct bytes frame, join_key_fn *key_of,
                            void *ctx, struct writer *w, enum join_outcome *ret_outcome)
{
    struct join_message message;
    enum join_type turn = side->challenged ? JOIN_PROOF : JOIN_JOIN;
    if (join_decode(frame, &message) != ERR_OK || message.type != turn) {
        *ret_outcome = JOIN_VIOLATION;
        return ERR_OK;
    }
    if (turn == JOIN_JOIN) {
        struct join_message challenge = {.type = JOIN_CHALLENGE};
        TRY(random_bytes(challenge.nonce, sizeof challenge.nonce));
        side->challenged = true;
        side->node = message.node;
        memcpy(side->node_nonce, message.nonce, sizeof side->node_nonce);
        memcpy(side->nonce, challenge.nonce, sizeof side->nonce);
        join_encode(&challenge, w);
        *ret_outcome = JOIN_GOES_ON;
        return ERR_OK;
    }
    /* One proof per challenge, right or wrong. */
    side->challenged = false;
    return judge_proof(side, &message, key_of, ctx, w, ret_outcome);
}

enum err join_node_begin(struct join_node *side, uint64_t node, struct writer *w)
{
    struct join_message join = {.type = JOIN_JOIN, .node = node};
    TRY(random_bytes(join.nonce, sizeof join.nonce));
    *side = (struct join_node){.node = node};
    memcpy(side->nonce, join.nonce, sizeof side->nonce);
    join_encode(&join, w);
    return ERR_OK;
}

enum err join_node_frame(struct join_node *side, const uint8_t key[JOIN_KEY], struct bytes frame,
                         struct writer *w, enum join_outcome *ret_outcome)
{
    struct join_message message;
    *ret_outcome = JOIN_VIOLATION;
    if (join_decode(frame, &message) != ERR_OK)
        return ERR_OK;
    if (message.type == JOIN_REFUSE) {
        *ret_outcome = message.reason == JOIN_UNAVAILABLE ? JOIN_RETRY_LATER : JOIN_REFUSED;
    } else if (message.type == JOIN_CHALLENGE && !side->proved) {
        struct join_message proof = {.type = JOIN_PROOF};
        memcpy(side->gateway_nonce, message.nonce, sizeof side->gateway_nonce);
        TRY(mac_of(key, node_label, side->node, side->nonce, side->gateway_nonce, proof.mac));
        side->proved = true;
        join_encode(&proof, w);
        *ret_outcome = JOIN_GOES_ON;
    } else if (message.type == JOIN_ACCEPT && side->proved) {
        uint8_t want[JOIN_MAC];
        TRY(mac_of(key, gateway_label, side->node, side->nonce, side->gateway_nonce, want));
        *ret_outcome =
            secret_equal(BYTES(want), BYTES(message.mac)) ? JOIN_JOINED : JOIN_FALSE_PEER;
    }
    return ERR_OK;
}
