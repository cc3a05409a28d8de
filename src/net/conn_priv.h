#pragma once

/* Inside of a connection; for conn*.c, connect.c and listener.c only. */

#include <netdb.h>

#include "net/openssl_priv.h"
#include "net/loop_priv.h"

enum conn_state {
    CONN_RESOLVING,
    CONN_CONNECTING,
    CONN_OPENING,   /* plain, on_open is due */
    CONN_HANDSHAKE, /* TLS, before on_open or (starttls) before on_secured */
    CONN_OPEN,
    CONN_FLUSHING,  /* net_conn_close: what is written leaves */
    CONN_LINGERING, /* our side is shut down; waiting for the peer's end */
    CONN_CLOSING,   /* on_close is due */
    CONN_DEAD,
};

#define LINGER_MS 2000
/* A rest of a frame up to this size is moved to the front of the loop's scratch for the next read.
 */
#define CONN_SMALL_REST 8192
#define CONN_READ_STEP  ((size_t)32 * 1024)
#define TLS_RECORD      ((size_t)16 * 1024)

struct net_listener;

struct net_conn {
    struct net_loop *loop;
    const struct net_conn_ops *ops;
    void *ctx;
    struct net_conn_limits limits;
    int fd;
    enum conn_state state;
    SSL *ssl;
    struct net_tls *tls; /* until the handshake began, or for starttls */
    char *tls_name;
    bool pinned;
    uint8_t pin[32]; /* net_target.tls_pin */
    struct net_peer_cert *cert;
    struct buf in;  /* the rest of what was read */
    struct buf out; /* from out_at on it is unsent */
    size_t out_at;
    size_t need; /* bytes the frame at the front of `in` wants */
    unsigned outstanding;
    unsigned refs; /* a resolver thread */
    bool paused;
    bool crowded; /* write_buffer_max was passed */
    bool blocked; /* the socket takes no more; a write event is set */
    bool stalled; /* what is in `out` had to wait */
    bool recheck; /* `in` may hold whole frames */
    bool eof;
    bool drained;   /* TLS: the socket has no more until an event says so */
    bool opened;    /* on_open was called */
    bool owed;      /* on_close and on_free are due at the end */
    bool upgrading; /* starttls: the handshake begins when `out` is empty */
    bool is_dirty, is_again;
    bool reading, writing; /* events that are set */
    bool read_wants_write;
    bool shaking;         /* counted as a handshake by the listener */
    uint64_t frame_ns;    /* of the last frame or answer */
    uint64_t progress_ns; /* the peer last took something while we waited */
    uint64_t since_ns;    /* of the state */
    uint64_t timer_ns;    /* when the timer fires; 0: not set */
    struct event read_event, write_event, timer_event;
    struct conn_link all;
    struct net_conn *next_dirty, *next_again, *next_closing; /* next_closing is next_dead, too */
    enum net_close reason;
    struct err_detail detail;
    char peer[64];
    struct net_listener *listener; /* counts it; NULL for others */
    uint8_t address[16];           /* what the listener counts it under */
    struct addrinfo *addrs, *addr; /* outgoing: all, the one being tried */
};

enum conn_io { CONN_IO_OK, CONN_IO_AGAIN, CONN_IO_EOF, CONN_IO_FAILED };

/* conn.c */
MUST_CHECK enum err conn_new(struct net_loop *loop, const struct net_conn_setup *setup,
                             struct net_conn **ret_conn);
/* Non-blocking socket `fd` belongs to the connection from here. */
void conn_attach(struct net_conn *conn, int fd);
/* The socket is up: on to TLS or open. */
void conn_connected(struct net_conn *conn);
void conn_enter(struct net_conn *conn, enum conn_state state);
/* Recompute what events and what time-out the state asks for. */
void conn_rearm(struct net_conn *conn);
void conn_later(struct net_conn *conn); /* conns_again comes by */
void conn_ready_to_frame(struct net_conn *conn);
/* End it with a reason; the first one stays. */
__attribute__((format(printf, 4, 5))) void conn_fail(struct net_conn *conn, enum net_close reason,
                                                     enum err err, const char *format, ...);
void conn_free_now(struct net_conn *conn);
void conn_handshake_over(struct net_conn *conn);

/* conn_io.c */
void conn_input(struct net_conn *conn);
void conn_flush(struct net_conn *conn);
void conn_linger(struct net_conn *conn, enum net_close reason);
void conn_discard(struct net_conn *conn);
bool conn_may_read(const struct net_conn *conn);
/* Close where the peer is done and so are we. */
void conn_check_end(struct net_conn *conn);

/* conn_tls.c */
MUST_CHECK enum err conn_tls_begin(struct net_conn *conn);
void conn_tls_handshake(struct net_conn *conn);
enum conn_io conn_tls_read(struct net_conn *conn, uint8_t *to, size_t cap, size_t *ret_len);
enum conn_io conn_tls_write(struct net_conn *conn, const uint8_t *from, size_t len,
                            size_t *ret_len);
void conn_tls_end(struct net_conn *conn);

/* connect.c: a try failed or a socket became writable. */
void conn_connect_next(struct net_conn *conn);
void conn_connect_done(struct net_conn *conn);

/* listener.c: bookkeeping, from the connection's loop. */
void listener_handshake_over(struct net_listener *listener);
void listener_conn_gone(struct net_listener *listener, const uint8_t address[16]);

/* tls.c */
/* `any`: `tls_name` is not looked for in the certificate, nor what it may be used for. */
MUST_CHECK enum err tls_ssl_new(struct net_tls *tls, const char *tls_name, bool any, SSL **ret_ssl);
enum err tls_failure(struct err_detail *detail, const char *what);
