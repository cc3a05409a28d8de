#include "crypto/hash.h"
#include "line/node_link.h"

/* Firmware and configuration in blocks. Where the wrapper keeps order and loses nothing, several
 * blocks are under way, so that the line is never idle; else one, which is sent again where its
 * answer does not come. */

#define BLOCK_OVERHEAD (NODE_HEAD + NODE_TAIL + 3 + 4 + 3) /* an offset and the data's field */
#define RESTARTS_MAX   5                                   /* of a device, during one transfer */

struct transfer {
    struct line_node *node;
    const struct line_transfer_spec *spec;
    uint8_t hash[HASH_SHA256_SIZE];
    uint32_t size, block;
    uint32_t acked, sent;
    unsigned inflight;
    uint8_t first; /* sequence of the oldest that is under way */
    unsigned tries, restarts;
};

static enum err refused(const struct transfer *t, unsigned result, const char *what,
                        struct line_fault *fault)
{
    bool host = t->spec->target != 0, firmware = t->spec->kind == NODE_FIRMWARE;
    if (result != NODE_TOO_LARGE && result != NODE_WRONG_TYPE)
        return line_result_fault(t->spec->target, result, what, fault);
    return line_fail(fault,
                     host       ? firmware ? LINE_HOST_FIRMWARE_FILE : LINE_HOST_CONFIG_FILE
                     : firmware ? LINE_NODE_FIRMWARE_FILE
                                : LINE_NODE_CONFIG_FILE,
                     "the device does not take the %s: %s", firmware ? "firmware" : "configuration",
                     node_result_text(result));
}

static void progress(const struct transfer *t)
{
    const struct line_node_config *config = &t->node->config;
    if (config->on_progress != NULL)
        config->on_progress(config->ctx, t->acked, t->size);
}

static enum err begin(struct transfer *t, struct line_fault *fault)
{
    const struct line_transfer_spec *spec = t->spec;
    struct line_request request;
    struct node_message answer;
    uint32_t offset = 0;
    line_request_begin(t->node, &request, NODE_TRANSFER_BEGIN, spec->target);
    node_write_u8(&request.w, NODE_T_KIND, spec->kind);
    node_write_u32(&request.w, NODE_T_SIZE, t->size);
    node_write_bytes(&request.w, NODE_T_HASH, t->hash, sizeof t->hash);
    node_write_text(&request.w, spec->kind == NODE_FIRMWARE ? NODE_T_VERSION : NODE_T_LABEL,
                    spec->text);
    if (spec->type != NULL)
        node_write_text(&request.w, NODE_T_NAME, spec->type);
    TRY(line_request_ask(t->node, &request, &answer, fault));
    if (answer.result != NODE_DONE)
        return refused(t, answer.result, "begin of a transfer", fault);
    if (!node_field_u32(&answer, NODE_T_OFFSET, &offset) || offset > t->size)
        return line_answer_fault(spec->target, "begin of a transfer", fault);
    t->acked = t->sent = offset;
    t->inflight = 0;
    progress(t);
    return ERR_OK;
}

/* As many blocks as may be under way. ERR_BUSY: the wrapper has no room for the next. */
static enum err send_blocks(struct transfer *t)
{
    struct line_node *node = t->node;
    while (t->sent < t->size && t->inflight < node->window) {
        struct node_writer w;
        uint32_t len = t->size - t->sent < t->block ? t->size - t->sent : t->block;
        uint8_t sequence = (uint8_t)(node->sequence + 1);
        node_write_begin(&w, node->room, sizeof node->room, NODE_TRANSFER_BLOCK, sequence, 0);
        node_write_u32(&w, NODE_T_OFFSET, t->sent);
        node_write_bytes(&w, NODE_T_DATA, t->spec->data.data + t->sent, len);
        size_t total = node_write_end(&w);
        enum err err = line_link_send(node, bytes_of(node->room, total));
        if (err != ERR_OK)
            return err;
        node->sequence = sequence;
        node->counters.requests++;
        if (t->inflight++ == 0)
            t->first = sequence;
        t->sent += len;
    }
    return ERR_OK;
}

/* An answer to a block. Those to blocks that were given up are passed over. */
static enum err take_answer(struct transfer *t, const struct node_message *answer,
                            struct line_fault *fault)
{
    uint32_t offset = 0;
    uint8_t place = (uint8_t)(answer->sequence - t->first);
    if (answer->type != (NODE_TRANSFER_BLOCK | NODE_ANSWER) || place >= t->inflight)
        return ERR_OK;
    bool has_offset = node_field_u32(answer, NODE_T_OFFSET, &offset);
    if (answer->result == NODE_BAD_OFFSET && has_offset && offset <= t->size) {
        t->acked = t->sent = offset;
        t->inflight = 0;
        return ERR_OK;
    }
    if (answer->result == NODE_BAD_OFFSET && t->restarts++ < RESTARTS_MAX)
        return begin(t, fault);
    if (answer->result != NODE_DONE)
        return refused(t, answer->result, "block of a transfer", fault);
    if (!has_offset || offset > t->sent)
        return line_answer_fault(t->spec->target, "block of a transfer", fault);
    t->inflight -= place + 1u;
    t->first = (uint8_t)(answer->sequence + 1);
    if (offset > t->acked) {
        t->acked = offset;
        t->tries = 0;
        progress(t);
    }
    return ERR_OK;
}

/* Nothing was answered in time: what is under way is given up, and the device asked where it
 * stands. */
static enum err go_back(struct transfer *t, struct line_fault *fault)
{
    if (++t->tries >= t->node->config.tries)
        return line_fail(fault, t->node->heard ? LINE_NODE_MESSAGE : LINE_NO_DEVICE,
                         "%s: no answer within a transfer", t->node->port_name);
    t->node->counters.repeated++;
    return begin(t, fault);
}

static enum err send_all(struct transfer *t, struct line_fault *fault)
{
    struct line_node *node = t->node;
    while (t->acked < t->size) {
        struct node_message answer;
        enum err err = send_blocks(t);
        if (err == ERR_OK || err == ERR_BUSY) {
            unsigned patience =
                line_link_patience(node, (size_t)(t->inflight + 1) * (t->block + BLOCK_OVERHEAD));
            /* A full wrapper frees itself by what comes. */
            node->heard = false;
            err = line_link_receive(node, line_link_now() + patience, &answer);
        }
        if (err == ERR_OK)
            TRY(take_answer(t, &answer, fault));
        else if (err == ERR_TIMEOUT)
            TRY(go_back(t, fault));
        else if (err == ERR_CLOSED)
            return line_fail(fault, LINE_NO_DEVICE, "%s: the port was closed or unplugged",
                             node->port_name);
        else
            return line_fail_err(fault, LINE_UNKNOWN, node->port_name, err, NULL);
    }
    return ERR_OK;
}

static enum err end(struct transfer *t, struct line_fault *fault)
{
    struct line_request request;
    struct node_message answer;
    line_request_begin(t->node, &request, NODE_TRANSFER_END, t->spec->target);
    node_write_u8(&request.w, NODE_T_KIND, t->spec->kind);
    node_write_bytes(&request.w, NODE_T_HASH, t->hash, sizeof t->hash);
    TRY(line_request_ask(t->node, &request, &answer, fault));
    if (answer.result != NODE_DONE)
        return refused(t, answer.result, "end of a transfer", fault);
    return ERR_OK;
}

enum err line_node_transfer(struct line_node *node, const struct line_transfer_spec *spec,
                            struct line_fault *fault)
{
    struct transfer t = {.node = node, .spec = spec};
    if (spec->data.len == 0 || spec->data.len > UINT32_MAX || strlen(spec->text) > NODE_TEXT_MAX)
        return refused(&t, NODE_TOO_LARGE, "begin of a transfer", fault);
    t.size = (uint32_t)spec->data.len;
    t.block = node->message_max - BLOCK_OVERHEAD;
    if (t.block > NODE_BLOCK_MAX)
        t.block = NODE_BLOCK_MAX;
    enum err err = hash_sha256(&spec->data, 1, t.hash);
    if (err != ERR_OK)
        return line_fail_err(fault, LINE_UNKNOWN, "SHA-256", err, NULL);
    TRY(begin(&t, fault));
    TRY(send_all(&t, fault));
    return end(&t, fault);
}
