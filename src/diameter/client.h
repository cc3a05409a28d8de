#pragma once

#include "base/secret.h"
#include "diameter/properties.h"

/* A gateway's side: asks servers for keys, one request at a time, blocking. Connects when it is
 * asked, in the order of the peer table (PeerConnecting=true; all where none says so), and goes to
 * the next server where one does not answer. One thread at a time. */
struct diameter_client;

/* `props` is copied as far as needed. Nothing is connected yet. `detail` names a TLS file that is
 * wrong. ERR_CONFIG without any server. */
MUST_CHECK enum err diameter_client_new(const struct diameter_properties *props,
                                        struct err_detail *detail,
                                        struct diameter_client **ret_client);
/* Says goodbye (DPR) to the server it is connected to. NULL is allowed. */
void diameter_client_free(struct diameter_client *client);

#define DIAMETER_WANT_MN 32u /* gateway key or node root key */
#define DIAMETER_WANT_HA 64u /* code download key */

struct diameter_ask {
    const char *user; /* "gateway@metro-east.example", "00010200@node.metro-east.example" */
    unsigned want;    /* a set of DIAMETER_WANT_ */
    bool has_version;
    uint32_t version;  /* one version instead of the newest */
    unsigned limit_ms; /* for all servers together; 0: only the limits of each step */
};
struct diameter_key {
    struct secret *key; /* NULL where it was not asked for */
    uint32_t version;
};
/* Embedded; zero-initialise, diameter_got_done at the end. */
struct diameter_got {
    uint32_t result;        /* Result-Code */
    char message[256];      /* Error-Message of the server, printable; "" without one */
    struct diameter_key mn; /* of MIP-FA-to-MN-MSA */
    struct diameter_key ha; /* of MIP-FA-to-HA-MSA */
    uint32_t lifetime;      /* s that it may be cached */
    char server[256];       /* who answered */
};
void diameter_got_done(struct diameter_got *got);

/* ERR_OK with keys. An answer without success: `got->result` is filled and the error is ERR_DENIED
 * (5003), ERR_STATE (4007), ERR_UNPROTECTED (5025), ERR_UNAUTHENTICATED (4001), ERR_PEER (others);
 * it is final. 3004 and other 3xxx, and servers that can't be reached, lead to the next server;
 * where none is left: ERR_BUSY, ERR_TIMEOUT, ERR_CLOSED, ERR_TLS with `detail` of the last. With a
 * limit a server that has another connection of this Origin-Host (5012) is asked again. */
MUST_CHECK enum err diameter_client_ask(struct diameter_client *client,
                                        const struct diameter_ask *ask, struct err_detail *detail,
                                        struct diameter_got *got);
/* Keep an open connection alive between requests: answers watchdogs that wait, for at most
 * `milliseconds`. Harmless without a connection. */
void diameter_client_idle(struct diameter_client *client, unsigned milliseconds);
bool diameter_client_connected(const struct diameter_client *client);
