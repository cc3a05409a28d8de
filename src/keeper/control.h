#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* The link between the supervisor and each of its children: one message per datagram of a
 * SOCK_SEQPACKET pair, at most one descriptor with it. */

#define CONTROL_TEXT_MAX 200

enum control_type {
    /* supervisor to keeper */
    CONTROL_SEGMENT = 1,  /* fd: last segment with a header; value: its number. First of all */
    CONTROL_NO_SEGMENT,   /* there is none yet: begin a chain in the spare that follows */
    CONTROL_SPARE,        /* fd: an empty segment; value: its size */
    CONTROL_SPARE_FAILED, /* value: enum err; text: why. It is tried again by itself */
    /* supervisor to both */
    CONTROL_RELOAD, /* read the configuration anew (the keeper: what was read before it closed) */
    CONTROL_STOP,   /* finish in order, then exit 0 */
    /* child to supervisor */
    CONTROL_SPARE_WANTED, /* keeper: the spare was taken into use */
    CONTROL_READY,        /* serves now */
    CONTROL_RELOADED,     /* value: enum err; text: for the status line */
    CONTROL_STATUS,       /* text: for the status line */
    CONTROL_ALIVE,        /* at least every 10 s, from the main loop, once ready */
    /* supervisor to engine, which can't open what was replaced since it started */
    CONTROL_FILE,           /* fd: the file anew; value: its number in supervisor_config.files.
                               Before each RELOAD */
    CONTROL_RELOAD_REFUSED, /* value: enum err; text: why; no RELOAD follows */
    /* engine to supervisor */
    CONTROL_RELOAD_WANTED, /* as SIGHUP */
    CONTROL_TYPES
};

struct control_message {
    enum control_type type;
    uint64_t value;
    char text[CONTROL_TEXT_MAX + 1];
    int fd; /* -1: none */
};

/* Does not block: ERR_BUSY where the link is full, ERR_CLOSED where the other side is gone. `fd`
 * stays the caller's. */
MUST_CHECK enum err control_send(int link, const struct control_message *message);
/* `text` may be NULL. */
MUST_CHECK enum err control_tell(int link, enum control_type type, uint64_t value,
                                 const char *text);
/* ERR_BUSY where nothing is there; ERR_CLOSED; ERR_SYNTAX for what is no message (dropped). The
 * descriptor, close-on-exec, is the caller's to close. */
MUST_CHECK enum err control_receive(int link, struct control_message *ret_message);
/* The same, waiting up to `timeout_ms`; ERR_TIMEOUT. */
MUST_CHECK enum err control_wait(int link, int timeout_ms, struct control_message *ret_message);
