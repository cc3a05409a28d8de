#pragma once

/* A KMIP server of few words on a thread of its own, over TLS or HTTPS: the codec and the
 * connections are the real ones, what it answers is by script. */

#include <pthread.h>
#include <stdatomic.h>

#include "kmip/codec/codec.h"
#include "kmip/codec/table.h"
#include "support/test.h"

struct fake_server;

struct fake_script {
    uint16_t versions[8]; /* what Discover Versions answers, 0 ends; none: it is not supported */
    uint16_t only_in;     /* other versions of a message are refused as a whole; 0: all are taken */
    uint32_t status;      /* Result Status of all but Discover Versions */
    uint32_t reason;      /* Result Reason where that is not Success */
    const char *message;  /* Result Message; NULL: none */
    const char *payload;  /* Response Payload in XML; NULL: none */
    const char *bytes;    /* answer with this instead of a message, as it is */
    bool hang_up;         /* close instead of answering */
    bool hang_up_after;   /* close behind each answer */
    bool silent;          /* never answer */
    bool chunked;         /* of HTTPS: in chunks */
};

struct fake_server *fake_server_start(const char *certificates, bool http);
void fake_server_stop(struct fake_server *server);
uint16_t fake_server_port(const struct fake_server *server);
/* What it does from now on; strings are borrowed. */
void fake_server_script(struct fake_server *server, const struct fake_script *script);
/* The last request in XML; valid until the next call. */
const char *fake_server_request(struct fake_server *server);
unsigned fake_server_requests(struct fake_server *server);
unsigned fake_server_connections(struct fake_server *server);
