#pragma once

#include "base/buf.h"
#include "line/node.h"
#include "line/node_message.h"
#include "line/port.h"
#include "line/wrapper/wrapper.h"

/* Inside this folder only: messages to and from a node, through the wrapper and the port. */

struct line_node {
    struct line_node_config config;
    char port_name[128];
    struct line_port *port;
    const struct claviger_line_wrapper *wrapper;
    struct claviger_line_io io;
    void *state;
    size_t state_cap;
    struct buf out, in; /* wrapped, for the port; unwrapped, for the stream */
    enum err failed;    /* of a callback that could not say so */
    struct node_stream stream;
    uint8_t sequence;
    bool heard; /* something came since the request was sent, though no answer */
    unsigned message_max, window;
    struct line_node_counters counters;
    uint8_t room[NODE_MESSAGE_MAX]; /* of the request under way; wiped */
};

/* Begin the wrapper, and all that is under way, anew. */
void line_link_restart(struct line_node *node);
/* Give the wrapper a message and the port what comes of it. ERR_BUSY: the wrapper has no room. */
MUST_CHECK enum err line_link_send(struct line_node *node, struct bytes message);
/* The next message, of any kind; its body is valid until the next call. ERR_TIMEOUT, ERR_CLOSED. */
MUST_CHECK enum err line_link_receive(struct line_node *node, uint64_t until_ms,
                                      struct node_message *ret_message);
uint64_t line_link_now(void); /* milliseconds */
/* How long an answer to `len` bytes that were sent may take. */
unsigned line_link_patience(const struct line_node *node, size_t len);

/* A request in node->room; what it has to be answered with. */
struct line_request {
    struct node_writer w;
    unsigned target; /* whose errors these are */
    unsigned tries;  /* 0: as configured */
};
void line_request_begin(struct line_node *node, struct line_request *request, enum node_type type,
                        unsigned target);
/* Send, send again, and give the answer, whatever its result. `fault` where none came. */
MUST_CHECK enum err line_request_ask(struct line_node *node, struct line_request *request,
                                     struct node_message *ret_answer, struct line_fault *fault);
/* The same, and any result but NODE_DONE is a fault. */
MUST_CHECK enum err line_request_do(struct line_node *node, struct line_request *request,
                                    struct node_message *ret_answer, struct line_fault *fault);
/* The fault that a result is, with `what` in its text. */
enum err line_result_fault(unsigned target, unsigned result, const char *what,
                           struct line_fault *fault);
/* An answer that lacks what it has to have. */
enum err line_answer_fault(unsigned target, const char *what, struct line_fault *fault);
const char *line_request_text(unsigned type);
