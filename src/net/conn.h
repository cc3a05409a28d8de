#pragma once

#include "base/bytes.h"
#include "net/loop.h"
#include "net/tls.h"

/* A framed connection over TCP, a Unix socket or TLS, driven by one loop. All functions: the loop's
 * thread. An idle connection holds no buffer. */
struct net_conn;

enum net_close {
    NET_CLOSE_LOCAL,   /* net_conn_close, net_conn_abort, or the loop was freed */
    NET_CLOSE_PEER,    /* the peer ended the connection, between two frames */
    NET_CLOSE_CUT,     /* it ended within a frame, or without TLS close_notify while sending one */
    NET_CLOSE_FRAME,   /* what came can't be framed, or is longer than frame_max */
    NET_CLOSE_CONNECT, /* an outgoing connection did not come about */
    NET_CLOSE_TLS,     /* handshake or record layer */
    NET_CLOSE_TIMEOUT, /* connecting, handshake, or the peer takes nothing of what we write */
    NET_CLOSE_IDLE,    /* no frame for idle_ms */
    NET_CLOSE_IO,      /* error of the socket, or out of memory */
};
const char *net_close_text(enum net_close reason);

/* A set of callbacks, usually static; on the loop's thread, never from inside a function below.
 * Those marked (opt) may be NULL. */
struct net_conn_ops {
    /* How many bytes the frame at `data` has; where the `have` (>= 1) bytes don't tell yet, how
     * many are wanted to tell (more than `have`). An error: can't be framed, the connection closes.
     */
    enum err (*frame_len)(const uint8_t *data, size_t have, size_t *ret_need);
    /* One whole frame, borrowed for the call and wiped after it. */
    void (*on_frame)(struct net_conn *conn, void *ctx, struct bytes frame);
    /* (opt) Ready for frames: after accept or connect, with TLS after the handshake. The place for
     * net_conn_set_ctx. */
    void (*on_open)(struct net_conn *conn, void *ctx);
    /* (opt) The handshake that net_conn_starttls began is done. */
    void (*on_secured)(struct net_conn *conn, void *ctx);
    /* (opt) The end; called once: after on_open, or, unless a listener accepted it, without it.
     * `detail` says more and is never NULL. Requests that are held may still be answered: into the
     * void. */
    void (*on_close)(struct net_conn *conn, void *ctx, enum net_close reason,
                     const struct err_detail *detail);
    /* (opt) After on_close and the last net_conn_release: nothing refers to the connection any
     * more, ctx may be freed. Called exactly as often as on_close. */
    void (*on_free)(void *ctx);
    /* (opt) All that was written has left; called only when the buffer had to wait for the peer. */
    void (*on_drained)(struct net_conn *conn, void *ctx);
};

/* A zero takes the default in brackets. */
struct net_conn_limits {
    size_t frame_max;         /* bytes of a frame (1 MiB) */
    unsigned handshake_ms;    /* connect and TLS handshake, each (10,000) */
    unsigned idle_ms;         /* without a frame while nothing is outstanding (0: no limit) */
    unsigned write_ms;        /* without the peer taking a byte of what waits (30,000) */
    size_t write_buffer_max;  /* above it nothing is read until half of it has left (1 MiB) */
    unsigned outstanding_max; /* requests held; at it nothing is read (16,000) */
};

struct net_conn_setup {
    const struct net_conn_ops *ops; /* borrowed, lives as long as the connection */
    void *ctx;
    struct net_conn_limits limits;
    struct net_tls *tls; /* NULL: plain; a reference is taken */
};

/* An open socket becomes a connection; `fd` is taken over on success. With TLS it waits for the
 * handshake as server or client, as `tls` is (a client verifies the chain, but no name). on_open
 * comes in the next iteration at the earliest.
 */
MUST_CHECK enum err net_conn_adopt(struct net_loop *loop, int fd,
                                   const struct net_conn_setup *setup, struct net_conn **ret_conn);

struct net_target {
    const char *host; /* name or numeric address, or an absolute path of a Unix socket */
    uint16_t port;
    const char *tls_name; /* what the certificate must say; NULL: `host` */
    /* Or NULL: SHA-256 of the DER of the one certificate that is taken, if it verifies, whatever
     * names and uses it is for. */
    const uint8_t *tls_pin;
};
/* Connect without blocking (a name is resolved on a thread of its own, its addresses are tried in
 * turn); ends in on_open or on_close. `target` is copied. */
MUST_CHECK enum err net_connect(struct net_loop *loop, const struct net_target *target,
                                const struct net_conn_setup *setup, struct net_conn **ret_conn);

/* Append to what is sent at the end of this iteration. ERR_CLOSED after close or abort began,
 * ERR_STATE from net_conn_starttls to on_secured; ERR_NO_MEMORY also aborts the connection. */
MUST_CHECK enum err net_conn_write(struct net_conn *conn, struct bytes data);
/* The same without a copy: room for `len` bytes, of which net_conn_commit sends the first `used`.
 * No other net_conn_* call between the two. */
MUST_CHECK enum err net_conn_reserve(struct net_conn *conn, size_t len, uint8_t **ret_room);
void net_conn_commit(struct net_conn *conn, size_t used);
size_t net_conn_unsent(const struct net_conn *conn);

/* One more (one less) request of this connection is under way. The connection is freed after it
 * closed and the last was released. */
void net_conn_hold(struct net_conn *conn);
void net_conn_release(struct net_conn *conn);
unsigned net_conn_outstanding(const struct net_conn *conn);

/* Stop and go on reading; a flag, not a count. */
void net_conn_pause(struct net_conn *conn);
void net_conn_resume(struct net_conn *conn);

/* Send what was written, then end TLS and the connection; nothing is read or accepted for writing
 * from here. on_close comes later. Harmless where it is closed. */
void net_conn_close(struct net_conn *conn);
/* End at once and forget what was written. on_close comes at the end of the iteration. */
void net_conn_abort(struct net_conn *conn);
bool net_conn_is_open(const struct net_conn *conn); /* between on_open and close or abort */

/* From here on TLS (RFC 6733, 13.1 and RFC 3588, 13.2: after the CEA): what is written before
 * leaves in clear, then the handshake runs, then on_secured. Call it from on_frame or before the
 * peer can have sent more: bytes that arrived in clear behind the current frame close the
 * connection. ERR_STATE where it is TLS already, ERR_CLOSED. `tls_name` as in net_target,
 * for clients. */
MUST_CHECK enum err net_conn_starttls(struct net_conn *conn, struct net_tls *tls,
                                      const char *tls_name);

struct net_loop *net_conn_loop(const struct net_conn *conn);
void net_conn_set_ctx(struct net_conn *conn, void *ctx);
/* "192.0.2.1:3868", "[2001:db8::1]:3868", "unix"; lives as long as the connection. */
const char *net_conn_peer(const struct net_conn *conn);
bool net_conn_is_tls(const struct net_conn *conn); /* handshake done */
/* NULL where there is none; lives as long as the connection. */
const struct net_peer_cert *net_conn_peer_cert(struct net_conn *conn);
