#pragma once

/* What the tests of connections share: a loop that is run until something is so, a protocol of
 * frames with a 16-bit length in front, and a server and a client side that write down what they
 * see. */

#include <string.h>
#include <unistd.h>

#include "net/conn.h"
#include "net/listener.h"
#include "support/test.h"

/* A loop for the two below. */
enum err rig_loop_new(struct net_loop **ret_loop);
/* Run `loop` until *what >= least, for five seconds at most; asserts that it came so far. */
void rig_run(struct net_loop *loop, const unsigned *what, unsigned least);
/* Run for some milliseconds. */
void rig_pass(struct net_loop *loop, unsigned ms);

/* One end of a connection; give it as ctx with rig_ops. */
struct rig_end {
    struct net_conn *conn;
    bool echo; /* answer each frame with itself */
    bool hold; /* hold each frame, release nothing */
    bool close_on_frame;
    struct net_tls *upgrade_on_frame;
    unsigned opened, secured, frames, closed, freed, drained;
    size_t bytes;
    enum net_close reason;
    char detail[256];
    uint8_t last[256]; /* payload */
    size_t last_len;
};
extern const struct net_conn_ops rig_ops;
enum err rig_frame_len(const uint8_t *data, size_t have, size_t *ret_need);
/* Write a frame with `len` bytes of payload. */
enum err rig_send(struct net_conn *conn, const void *payload, size_t len);
size_t rig_frame(uint8_t *to, const void *payload, size_t len);

/* A folder with certificates made by the openssl program: ca.pem, other-ca.pem, server.pem (names
 * localhost and 127.0.0.1), client.pem (CN gw1, DNS gw1.example and gw1.alt.example), expired.pem,
 * revoked.pem, stranger.pem (by other-ca), each with NAME.key; crl.pem. NULL where that fails. */
char *rig_certificates(void);
