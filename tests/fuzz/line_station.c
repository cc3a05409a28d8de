#include <stdlib.h>

#include "fuzz/target.h"
#include "line/node_link.h"

/* The bytes are messages that a hostile device answers with, whatever is asked: they stand in for
 * the link, so that nothing waits. */

static struct node_stream stream;
static const uint8_t *rest;
static size_t rest_len;
static uint64_t now;

uint64_t line_link_now(void)
{
    return now += 500;
}

unsigned line_link_patience(const struct line_node *node, size_t len)
{
    (void)node, (void)len;
    return 100;
}

void line_link_restart(struct line_node *node)
{
    (void)node;
}

enum err line_link_send(struct line_node *node, struct bytes message)
{
    (void)node;
    return message.len != 0 && message.len <= NODE_MESSAGE_MAX ? ERR_OK : ERR_LIMIT;
}

enum err line_link_receive(struct line_node *node, uint64_t until_ms,
                           struct node_message *ret_message)
{
    (void)node, (void)until_ms;
    while (!node_stream_next(&stream, ret_message)) {
        if (rest_len == 0)
            return ERR_TIMEOUT;
        size_t taken = node_stream_take(&stream, rest, rest_len);
        rest += taken;
        rest_len -= taken;
        if (taken == 0)
            return ERR_TIMEOUT;
    }
    return ERR_OK;
}

const char *line_request_text(unsigned type)
{
    (void)type;
    return "request";
}

enum err line_result_fault(unsigned target, unsigned result, const char *what,
                           struct line_fault *fault)
{
    (void)target;
    return line_fail(fault, LINE_NODE_ERROR, "%s: %s", what, node_result_text(result));
}

enum err line_answer_fault(unsigned target, const char *what, struct line_fault *fault)
{
    (void)target;
    return line_fail(fault, LINE_NODE_MESSAGE, "%s", what);
}

void line_request_begin(struct line_node *node, struct line_request *request, enum node_type type,
                        unsigned target)
{
    *request = (struct line_request){.target = target};
    node_write_begin(&request->w, node->room, sizeof node->room, type, ++node->sequence, 0);
}

enum err line_request_ask(struct line_node *node, struct line_request *request,
                          struct node_message *ret_answer, struct line_fault *fault)
{
    if (node_write_end(&request->w) == 0)
        abort();
    enum err err = line_link_receive(node, 0, ret_answer);
    return err == ERR_OK ? ERR_OK : line_fail(fault, LINE_NO_DEVICE, "no answer");
}

enum err line_request_do(struct line_node *node, struct line_request *request,
                         struct node_message *ret_answer, struct line_fault *fault)
{
    TRY(line_request_ask(node, request, ret_answer, fault));
    return ret_answer->result == NODE_DONE ? ERR_OK
                                           : line_result_fault(0, ret_answer->result, "", fault);
}

/* Each call may fail, and goes on with the next. */
static void use(enum err err)
{
    (void)err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t image[3000];
    static struct line_node node;
    struct line_fault fault = {0};
    struct line_identity identity;
    struct line_hardware hardware;
    struct line_target target;
    struct line_key_state keys;
    struct line_node_status status;
    enum node_calibration calibration;
    uint16_t revision;
    uint8_t check[NODE_CHECK] = {0};
    struct line_transfer_spec spec = {.kind = NODE_FIRMWARE, .text = "1", .data = BYTES(image)};
    node = (struct line_node){.wrapper = &line_wrapper_rht_v2,
                              .config = {.tries = 3, .timeout_ms = 100},
                              .message_max = NODE_MESSAGE_LEAST,
                              .window = 1};
    stream = (struct node_stream){0};
    rest = data;
    rest_len = size;
    use(line_node_identify(&node, &identity, &fault));
    use(line_node_hardware(&node, &hardware, &fault));
    use(line_node_calibration(&node, &calibration, &revision, &fault));
    use(line_node_target(&node, 1, &target, &fault));
    use(line_node_key_check(&node, NODE_ROOT_KEY, 0, &keys, &fault));
    use(line_node_key_activate(&node, check, &fault));
    use(line_node_status(&node, &status, &fault));
    use(line_node_transfer(&node, &spec, &fault));
    use(line_node_reset(&node, 2000, &identity, &fault));
    return 0;
}
