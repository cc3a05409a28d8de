#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "net/conn_priv.h"
#include "net/metrics.h"

bool conn_may_read(const struct net_conn *conn)
{
    return conn->state == CONN_OPEN && !conn->paused && !conn->crowded && !conn->upgrading &&
           !conn->eof && conn->outstanding < conn->limits.outstanding_max;
}

/* The same for frames that were read already: they count, though the peer has ended since. */
static bool may_frame(const struct net_conn *conn)
{
    return conn->state == CONN_OPEN && !conn->paused && !conn->crowded && !conn->upgrading &&
           conn->outstanding < conn->limits.outstanding_max;
}

static enum conn_io read_some(struct net_conn *conn, uint8_t *to, size_t cap, size_t *ret_len)
{
    if (conn->ssl != NULL)
        return conn_tls_read(conn, to, cap, ret_len);
    ssize_t n = recv(conn->fd, to, cap, 0);
    if (n > 0) {
        *ret_len = (size_t)n;
        return CONN_IO_OK;
    }
    if (n == 0)
        return CONN_IO_EOF;
    if (errno == EAGAIN || errno == EINTR)
        return CONN_IO_AGAIN;
    (void)err_errno(&conn->detail, "receive");
    return CONN_IO_FAILED;
}

/* Hand out whole frames; gives the number of bytes that are done with. */
static size_t take_frames(struct net_conn *conn, const uint8_t *data, size_t len)
{
    size_t at = 0;
    conn->need = 0;
    while (at < len && may_frame(conn)) {
        size_t need = 0;
        enum err err = conn->ops->frame_len(data + at, len - at, &need);
        if (err != ERR_OK || need == 0 || need > conn->limits.frame_max) {
            if (err != ERR_OK)
                conn_fail(conn, NET_CLOSE_FRAME, err, "message header is malformed");
            else
                conn_fail(conn, NET_CLOSE_FRAME, ERR_LIMIT,
                          "message of %zu bytes, at most %zu are taken", need,
                          conn->limits.frame_max);
            return len;
        }
        if (need > len - at) {
            conn->need = need;
            break;
        }
        conn->frame_ns = net_loop_now_ns(conn->loop);
        conn->ops->on_frame(conn, conn->ctx, bytes_of(data + at, need));
        at += need;
    }
    /* Bytes in clear behind the message that asked for TLS would be taken for part of the protected
     * stream (the STARTTLS injection): nothing honest sends them. */
    if (conn->upgrading && at < len) {
        conn_fail(conn, NET_CLOSE_FRAME, ERR_SYNTAX, "data in clear behind the start of TLS");
        return len;
    }
    if (conn->state != CONN_OPEN)
        return len;
    conn->recheck = at < len && conn->need == 0;
    return at;
}

static void keep_rest(struct net_conn *conn, const uint8_t *data, size_t len)
{
    if (len == 0)
        return;
    enum err err = buf_append(&conn->in, bytes_of(data, len));
    if (err != ERR_OK)
        conn_fail(conn, NET_CLOSE_IO, err, "no memory for what was received");
}

/* Frames from `in` itself; it goes back when it is empty. */
static void take_kept(struct net_conn *conn)
{
    size_t done = take_frames(conn, conn->in.data, conn->in.len);
    if (done == conn->in.len)
        buf_done(&conn->in);
    else if (done > 0)
        buf_consume(&conn->in, done);
}

/* The common case: read into the loop's scratch behind a small rest, keep only what is left over.
 */
static enum conn_io input_scratch(struct net_conn *conn)
{
    uint8_t *scratch = conn->loop->scratch;
    size_t have = conn->in.len;
    size_t got = 0;
    if (have != 0)
        memcpy(scratch, conn->in.data, have);
    enum conn_io io = read_some(conn, scratch + have, LOOP_SCRATCH - have, &got);
    if (got > 0) {
        buf_done(&conn->in);
        size_t len = have + got;
        size_t done = take_frames(conn, scratch, len);
        keep_rest(conn, scratch + done, len - done);
        metric_add(&net_metrics.bytes_in, (int64_t)got);
    }
    explicit_bzero(scratch, have + got);
    return io;
}

/* A long frame collects in a buffer of its own. */
static enum conn_io input_long(struct net_conn *conn)
{
    size_t want = conn->need > conn->in.len ? conn->need - conn->in.len : 0;
    if (want < CONN_READ_STEP || want > LOOP_SCRATCH)
        want = want < CONN_READ_STEP ? CONN_READ_STEP : LOOP_SCRATCH;
    enum err err = buf_reserve(&conn->in, want);
    if (err != ERR_OK) {
        conn_fail(conn, NET_CLOSE_IO, err, "no memory for what was received");
        return CONN_IO_AGAIN;
    }
    size_t got = 0;
    enum conn_io io = read_some(conn, conn->in.data + conn->in.len, want, &got);
    if (got > 0) {
        conn->in.len += got;
        metric_add(&net_metrics.bytes_in, (int64_t)got);
        if (conn->in.len >= conn->need)
            take_kept(conn);
    }
    return io;
}

void conn_check_end(struct net_conn *conn)
{
    if (conn->state != CONN_OPEN || !conn->eof || conn->outstanding > 0 ||
        net_conn_unsent(conn) > 0 || (conn->recheck && conn->in.len > 0))
        return;
    if (conn->in.len > 0)
        conn_fail(conn, NET_CLOSE_CUT, ERR_TRUNCATED, "%zu bytes of an unfinished message",
                  conn->in.len);
    else
        conn_fail(conn, NET_CLOSE_PEER, ERR_CLOSED, "closed by the peer");
}

void conn_input(struct net_conn *conn)
{
    if (conn->recheck && may_frame(conn) && conn->in.len > 0)
        take_kept(conn);
    enum conn_io io = CONN_IO_AGAIN;
    if (conn_may_read(conn)) {
        io = conn->in.len <= CONN_SMALL_REST && conn->need <= LOOP_SCRATCH / 2 ? input_scratch(conn)
                                                                               : input_long(conn);
    }
    if (io == CONN_IO_EOF) {
        conn->eof = true;
    } else if (io == CONN_IO_FAILED) {
        enum net_close reason = conn->ssl != NULL ? NET_CLOSE_TLS : NET_CLOSE_IO;
        if (conn->detail.code == ERR_CLOSED)
            reason = conn->in.len > 0 ? NET_CLOSE_CUT : NET_CLOSE_PEER;
        conn->reason = reason;
        conn_fail(conn, reason, ERR_IO, "receive failed");
    } else if (io == CONN_IO_OK && conn->ssl != NULL && conn_may_read(conn)) {
        /* decrypted data raises no event: come by again when others had their turn */
        conn_later(conn);
    }
    conn_check_end(conn);
    conn_rearm(conn);
}

static enum conn_io write_some(struct net_conn *conn, const uint8_t *from, size_t len,
                               size_t *ret_len)
{
    if (conn->ssl != NULL)
        return conn_tls_write(conn, from, len < TLS_RECORD ? len : TLS_RECORD, ret_len);
    ssize_t n = send(conn->fd, from, len, MSG_NOSIGNAL);
    if (n >= 0) {
        *ret_len = (size_t)n;
        return CONN_IO_OK;
    }
    if (errno == EAGAIN || errno == EINTR)
        return CONN_IO_AGAIN;
    (void)err_errno(&conn->detail, "send");
    return CONN_IO_FAILED;
}

/* False where the socket takes no more or the connection failed. */
static bool write_all(struct net_conn *conn)
{
    size_t before = conn->out_at;
    enum conn_io io = CONN_IO_OK;
    while (io == CONN_IO_OK && net_conn_unsent(conn) > 0) {
        size_t n = 0;
        io = write_some(conn, conn->out.data + conn->out_at, net_conn_unsent(conn), &n);
        conn->out_at += n;
    }
    metric_add(&net_metrics.bytes_out, (int64_t)(conn->out_at - before));
    if (conn->out_at > before || !conn->stalled)
        conn->progress_ns = net_loop_now_ns(conn->loop);
    if (conn->crowded && net_conn_unsent(conn) <= conn->limits.write_buffer_max / 2) {
        conn->crowded = false;
        conn_later(conn);
    }
    if (io == CONN_IO_FAILED) {
        enum net_close reason = conn->ssl != NULL ? NET_CLOSE_TLS : NET_CLOSE_IO;
        if (conn->detail.code == ERR_IO || conn->detail.code == ERR_CLOSED)
            reason = NET_CLOSE_PEER;
        conn->reason = reason;
        conn_fail(conn, reason, ERR_IO, "send failed");
        return false;
    }
    conn->blocked = io == CONN_IO_AGAIN;
    conn->stalled |= conn->blocked;
    return !conn->blocked;
}

static void upgrade(struct net_conn *conn)
{
    conn->upgrading = false;
    conn_connected(conn);
}

void conn_flush(struct net_conn *conn)
{
    if (conn->blocked || (conn->state != CONN_OPEN && conn->state != CONN_FLUSHING))
        return;
    if (net_conn_unsent(conn) > 0 && !write_all(conn)) {
        conn_rearm(conn);
        return;
    }
    conn->out_at = 0;
    loop_buf_give(conn->loop, &conn->out);
    if (conn->upgrading && conn->state == CONN_OPEN) {
        upgrade(conn);
        return;
    }
    if (conn->state == CONN_FLUSHING) {
        conn_linger(conn, NET_CLOSE_LOCAL);
        return;
    }
    bool waited = conn->stalled;
    conn->stalled = false;
    if (waited && conn->ops->on_drained != NULL) {
        conn->loop->told = true;
        conn->ops->on_drained(conn, conn->ctx);
    }
    conn_check_end(conn);
    conn_rearm(conn);
}

/* Closing a socket with unread data resets the connection and may destroy what was sent last, so
 * our side ends first and the peer's rest is thrown away. */
void conn_linger(struct net_conn *conn, enum net_close reason)
{
    conn_handshake_over(conn);
    if (conn->detail.code == ERR_OK) {
        conn->reason = reason;
        (void)err_set(&conn->detail, ERR_CLOSED, "closed");
    }
    if (conn->ssl != NULL)
        conn_tls_end(conn);
    (void)shutdown(conn->fd, SHUT_WR);
    buf_done(&conn->in);
    conn->blocked = conn->read_wants_write = false;
    if (conn->eof) {
        conn_fail(conn, reason, ERR_CLOSED, "closed");
        return;
    }
    conn_enter(conn, CONN_LINGERING);
}

void conn_discard(struct net_conn *conn)
{
    ssize_t n = recv(conn->fd, conn->loop->scratch, LOOP_SCRATCH, 0);
    if (n > 0)
        explicit_bzero(conn->loop->scratch, (size_t)n);
    if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
        return;
    conn_fail(conn, conn->reason, ERR_CLOSED, "closed");
}
