#include "line/node_link.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "crypto/random.h"

#define TIMEOUT_MS  1000
#define TRIES       5
#define WRITE_MS    5000
#define OPEN_MS     5000
#define INBOX_MAX   ((size_t)64 * 1024) /* unwrapped bytes that nobody read yet */
#define READ_MAX    4096
#define SILENCE_MS  100 /* within a message that a wrapper gives in pieces */
#define BITS        10  /* on the line for one byte */
#define LEFT_OF_ALL 4   /* of one request's time for a wrapper that still repeats */

uint64_t line_link_now(void)
{
    return clock_mono_ns() / 1000000;
}

unsigned line_link_patience(const struct line_node *node, size_t len)
{
    uint32_t baud = line_port_baud(node->port);
    uint64_t ms = node->config.timeout_ms + node->wrapper->round_trip;
    if (baud != 0)
        ms += (len + NODE_MESSAGE_LEAST) * BITS * 1000 * 5 / 4 / baud;
    return (unsigned)ms;
}

/* ---------------------------------------------------------------- the wrapper's callbacks */

static void on_write(void *ctx, const uint8_t *data, size_t len)
{
    struct line_node *node = ctx;
    if (node->failed == ERR_OK)
        node->failed = buf_append(&node->out, bytes_of(data, len));
}

static void on_read(void *ctx, const uint8_t *data, size_t len)
{
    struct line_node *node = ctx;
    if (node->in.len + len > INBOX_MAX)
        buf_consume(&node->in, node->in.len); /* a device that sends without end */
    if (node->failed == ERR_OK)
        node->failed = buf_append(&node->in, bytes_of(data, len));
}

static void on_host(void *ctx, const uint8_t *data, size_t len)
{
    struct line_node *node = ctx;
    if (node->config.on_host_bytes != NULL)
        node->config.on_host_bytes(node->config.ctx, bytes_of(data, len));
}

void line_link_restart(struct line_node *node)
{
    struct claviger_line_config config = {.role = CLAVIGER_LINE_STATION,
                                          .baud = line_port_baud(node->port)};
    if (random_bytes(&config.seed, sizeof config.seed) != ERR_OK)
        config.seed = (uint32_t)clock_mono_ns();
    explicit_bzero(node->state, node->state_cap);
    explicit_bzero(&node->stream, sizeof node->stream);
    buf_consume(&node->in, node->in.len);
    buf_consume(&node->out, node->out.len);
    line_port_flush(node->port);
    node->wrapper->init(node->state, &config, &node->io, line_link_now());
}

/* ---------------------------------------------------------------- bytes */

static enum err flush(struct line_node *node)
{
    TRY(node->failed);
    if (node->out.len == 0)
        return ERR_OK;
    enum err err = line_port_write(node->port, buf_view(&node->out), WRITE_MS);
    node->counters.sent += node->out.len;
    explicit_bzero(node->out.data, node->out.len); /* keys may have been in it */
    node->out.len = 0;
    return err;
}

static enum err turn(struct line_node *node, uint64_t *ret_due)
{
    *ret_due = node->wrapper->poll(node->state, line_link_now());
    return flush(node);
}

enum err line_link_send(struct line_node *node, struct bytes message)
{
    uint64_t due;
    int status = node->wrapper->egress(node->state, message.data, message.len, line_link_now());
    if (status == CLAVIGER_LINE_BUSY)
        return ERR_BUSY;
    if (status == CLAVIGER_LINE_SIZE)
        return ERR_LIMIT;
    return turn(node, &due);
}

static bool next_message(struct line_node *node, struct node_message *ret_message)
{
    for (;;) {
        uint32_t before = node->stream.skipped;
        bool found = node_stream_next(&node->stream, ret_message);
        node->counters.noise += node->stream.skipped - before;
        if (found)
            return true;
        if (node->in.len == 0)
            return false;
        size_t taken = node_stream_take(&node->stream, node->in.data, node->in.len);
        buf_consume(&node->in, taken);
    }
}

/* The rest of what has begun does not come: something else may stand behind its first byte. */
static bool unstall(struct line_node *node, struct node_message *ret_message)
{
    while (node->stream.len != node->stream.given) {
        node_stream_stalled(&node->stream);
        node->counters.noise++;
        if (next_message(node, ret_message))
            return true;
    }
    return false;
}

static enum err receive_some(struct line_node *node, uint64_t until, uint64_t due)
{
    uint8_t room[READ_MAX];
    size_t got = 0;
    uint64_t now = line_link_now();
    uint64_t stop = until < due ? until : due;
    unsigned wait = stop <= now ? 0 : stop - now > 1000 ? 1000 : (unsigned)(stop - now);
    enum err err = line_port_read(node->port, room, sizeof room, wait, &got);
    if (err == ERR_OK) {
        node->counters.received += got;
        node->heard = true;
        node->wrapper->ingress(node->state, room, got, line_link_now());
        err = node->failed;
    }
    return err;
}

enum err line_link_receive(struct line_node *node, uint64_t until_ms,
                           struct node_message *ret_message)
{
    uint64_t due, silent_since = line_link_now();
    for (;;) {
        if (next_message(node, ret_message))
            return ERR_OK;
        TRY(turn(node, &due));
        enum err err = receive_some(node, until_ms, due);
        uint64_t now = line_link_now();
        if (err == ERR_OK) {
            silent_since = now;
            TRY(turn(node, &due));
            continue;
        }
        if (err != ERR_TIMEOUT)
            return err;
        if (now - silent_since >= SILENCE_MS && unstall(node, ret_message))
            return ERR_OK;
        if (now >= until_ms)
            return ERR_TIMEOUT;
    }
}

/* ---------------------------------------------------------------- open and close */

enum err line_node_open(const struct line_node_config *config, struct line_node **ret_node,
                        struct line_fault *fault)
{
    struct err_detail detail = {0};
    AUTO(line_node_closep) struct line_node *node = calloc(1, sizeof *node);
    if (node == NULL)
        return line_fail_err(fault, LINE_UNKNOWN, "", ERR_NO_MEMORY, NULL);
    node->config = *config;
    (void)snprintf(node->port_name, sizeof node->port_name, "%s", config->port);
    if (node->config.baud == 0)
        node->config.baud = LINE_BAUD_DEFAULT;
    if (node->config.timeout_ms == 0)
        node->config.timeout_ms = TIMEOUT_MS;
    if (node->config.tries == 0)
        node->config.tries = TRIES;
    enum err err = line_wrapper_choose(config->wrapper, &node->wrapper, &detail);
    if (err != ERR_OK)
        return line_fail_err(fault, LINE_ARGUMENTS, "", err, &detail);
    err = line_port_open(config->port, node->config.baud, OPEN_MS, &node->port, &detail);
    if (err != ERR_OK)
        return line_fail_err(fault, err == ERR_ARGUMENT ? LINE_ARGUMENTS : LINE_NO_DEVICE, "", err,
                             &detail);
    node->state_cap = node->wrapper->state_size;
    node->state = calloc(1, node->state_cap);
    if (node->state == NULL || random_bytes(&node->sequence, sizeof node->sequence) != ERR_OK)
        return line_fail_err(fault, LINE_UNKNOWN, "", ERR_NO_MEMORY, NULL);
    node->io =
        (struct claviger_line_io){.ctx = node, .write = on_write, .read = on_read, .host = on_host};
    node->message_max = NODE_MESSAGE_LEAST;
    node->window = 1;
    line_link_restart(node);
    *ret_node = TAKE(node);
    return ERR_OK;
}

void line_node_close(struct line_node *node)
{
    if (node == NULL)
        return;
    if (node->state != NULL)
        explicit_bzero(node->state, node->state_cap);
    free(node->state);
    line_port_close(node->port);
    buf_done(&node->in);
    buf_done(&node->out);
    explicit_bzero(node, sizeof *node);
    free(node);
}

void line_node_closep(struct line_node **node)
{
    line_node_close(*node);
    *node = NULL;
}

void line_node_counters(const struct line_node *node, struct line_node_counters *ret_counters)
{
    *ret_counters = node->counters;
}

/* ---------------------------------------------------------------- requests */

const char *line_request_text(unsigned type)
{
    static const char *const texts[NODE_TYPES] = {
        [NODE_IDENTIFY] = "identify",
        [NODE_HARDWARE] = "hardware",
        [NODE_CALIBRATION] = "calibration",
        [NODE_TARGET] = "target",
        [NODE_TRANSFER_BEGIN] = "begin of a transfer",
        [NODE_TRANSFER_BLOCK] = "block of a transfer",
        [NODE_TRANSFER_END] = "end of a transfer",
        [NODE_KEY_WRITE] = "write key",
        [NODE_KEY_ACTIVATE] = "activate keys",
        [NODE_KEY_CHECK] = "check key",
        [NODE_STATUS] = "status",
        [NODE_STATUS_CLEAR] = "clear status",
        [NODE_LOCK] = "lock",
        [NODE_UNLOCK_CHALLENGE] = "unlock",
        [NODE_UNLOCK] = "unlock",
        [NODE_RESET] = "reset",
    };
    return type < NODE_TYPES && texts[type] != NULL ? texts[type] : "request";
}

enum err line_result_fault(unsigned target, unsigned result, const char *what,
                           struct line_fault *fault)
{
    enum line_code code = target == 0 ? LINE_NODE_ERROR : LINE_HOST_ERROR;
    if (result == NODE_HOST_SILENT)
        code = LINE_NO_HOST;
    else if (result == NODE_HOST_FAILING)
        code = LINE_HOST_HARDWARE;
    if (target == 0)
        return line_fail(fault, code, "the node's answer to '%s': %s", what,
                         node_result_text(result));
    return line_fail(fault, code, "the answer for host %u to '%s': %s", target, what,
                     node_result_text(result));
}

enum err line_answer_fault(unsigned target, const char *what, struct line_fault *fault)
{
    return line_fail(fault, target == 0 ? LINE_NODE_MESSAGE : LINE_HOST_ERROR,
                     "the answer to '%s' lacks a field", what);
}

void line_request_begin(struct line_node *node, struct line_request *request, enum node_type type,
                        unsigned target)
{
    *request = (struct line_request){.target = target};
    node_write_begin(&request->w, node->room, sizeof node->room, type, ++node->sequence, NODE_DONE);
    if (target != 0)
        node_write_u8(&request->w, NODE_T_TARGET, target);
}

/* Put a message on its way, waiting for the wrapper to have room. */
static enum err send_waiting(struct line_node *node, struct bytes message, uint64_t until)
{
    enum err err;
    struct node_message ignored;
    while ((err = line_link_send(node, message)) == ERR_BUSY) {
        uint64_t now = line_link_now();
        if (now >= until)
            return ERR_TIMEOUT;
        /* Answers to what was given up may come meanwhile. */
        err = line_link_receive(node, now + 20 < until ? now + 20 : until, &ignored);
        if (err != ERR_OK && err != ERR_TIMEOUT)
            return err;
    }
    return err;
}

static enum err one_try(struct line_node *node, struct bytes message,
                        struct node_message *ret_answer)
{
    unsigned patience = line_link_patience(node, message.len);
    uint64_t until = line_link_now() + patience;
    uint64_t last = until + (uint64_t)LEFT_OF_ALL * patience;
    TRY(send_waiting(node, message, last));
    for (;;) {
        enum err err = line_link_receive(node, until, ret_answer);
        if (err == ERR_OK && ret_answer->type == (message.data[2] | NODE_ANSWER) &&
            ret_answer->sequence == message.data[3])
            return ERR_OK;
        if (err == ERR_OK)
            continue; /* the answer to another one */
        if (err != ERR_TIMEOUT)
            return err;
        /* A wrapper that repeats by itself is left to it. */
        if (node->wrapper->status(node->state) != CLAVIGER_LINE_BUSY || until >= last)
            return ERR_TIMEOUT;
        until += patience;
    }
}

static enum err no_answer(struct line_node *node, enum err err, const char *what,
                          struct line_fault *fault)
{
    if (err == ERR_CLOSED)
        return line_fail(fault, LINE_NO_DEVICE, "%s: the port was closed or unplugged",
                         node->port_name);
    if (err != ERR_TIMEOUT)
        return line_fail_err(fault, LINE_UNKNOWN, node->port_name, err, NULL);
    if (node->heard)
        return line_fail(fault, LINE_NODE_MESSAGE,
                         "%s: what comes is no answer to '%s' (wrapper %s)", node->port_name, what,
                         node->wrapper->name);
    return line_fail(fault, LINE_NO_DEVICE, "%s: no answer to '%s' (wrapper %s)", node->port_name,
                     what, node->wrapper->name);
}

enum err line_request_ask(struct line_node *node, struct line_request *request,
                          struct node_message *ret_answer, struct line_fault *fault)
{
    size_t len = node_write_end(&request->w);
    unsigned type = node->room[2];
    enum err err = ERR_TIMEOUT;
    if (len == 0 || len > node->message_max)
        return line_fail(fault, LINE_NODE_MESSAGE, "'%s' is longer than the node takes",
                         line_request_text(type));
    node->heard = false;
    node->counters.requests++;
    unsigned tries = request->tries != 0 ? request->tries : node->config.tries;
    for (unsigned i = 0; i < tries && err == ERR_TIMEOUT; i++) {
        node->counters.repeated += i != 0;
        err = one_try(node, bytes_of(node->room, len), ret_answer);
    }
    explicit_bzero(node->room, len);
    return err == ERR_OK ? ERR_OK : no_answer(node, err, line_request_text(type), fault);
}

enum err line_request_do(struct line_node *node, struct line_request *request,
                         struct node_message *ret_answer, struct line_fault *fault)
{
    unsigned type = node->room[2];
    TRY(line_request_ask(node, request, ret_answer, fault));
    if (ret_answer->result != NODE_DONE)
        return line_result_fault(request->target, ret_answer->result, line_request_text(type),
                                 fault);
    return ERR_OK;
}
