#pragma once

#include "base/buf.h"
#include "base/secret.h"
#include "keeper/types.h"

/* The engine's side of the keeper: one connection, used by one thread. A lost keeper gives
 * ERR_KEEPER_GONE at once, to everything that waits and to every later call. `actor` (at most
 * KEEPER_ACTOR_MAX bytes, not empty) is who asks, for the audit record. Every function here may
 * also give what the keeper refuses with: ERR_DENIED and ERR_RATE (policy), ERR_NOT_FOUND (domain,
 * its key version, or session unknown), ERR_SEAL, ERR_AUDIT or ERR_DISK_FULL (the record could not
 * be written), ERR_TOKEN..., ERR_LIMIT, ERR_BUSY. */
struct keeper_client;

/* Takes the SOCK_SEQPACKET descriptor and makes it non-blocking. */
MUST_CHECK enum err keeper_client_new(int fd, struct keeper_client **ret_client);
/* What is outstanding is answered with ERR_CANCELLED first. */
void keeper_client_free(struct keeper_client *client);
void keeper_client_freep(struct keeper_client **client);
int keeper_client_fd(const struct keeper_client *client);
/* For the blocking calls below; 60 s unless told. ERR_TIMEOUT when it is over: the operation may
 * have happened. */
void keeper_client_set_timeout(struct keeper_client *client, unsigned milliseconds);

/* Releases are asynchronous, many to a message. */

struct keeper_release;
/* `key` is in a buffer that is wiped after the call; empty unless `err` is ERR_OK. May queue new
 * releases, must not free the client. */
typedef void keeper_release_fn(struct keeper_release *release, enum err err, struct bytes key);

/* The caller's; stays until `done` was called. */
struct keeper_release {
    struct keeper_row row;
    enum keeper_purpose purpose;
    keeper_release_fn *done;
    void *arg;                   /* the caller's */
    struct keeper_release *next; /* the client's until `done` */
};

#define KEEPER_OUTSTANDING_MAX 16384

/* Queue it: `actor` and `sealed` are copied before the call returns. ERR_BUSY above
 * KEEPER_OUTSTANDING_MAX, ERR_ARGUMENT for a sealed record or actor of impossible length,
 * ERR_KEEPER_GONE; `done` is not called then. */
MUST_CHECK enum err keeper_client_release(struct keeper_client *client,
                                          struct keeper_release *release, struct bytes actor,
                                          struct bytes sealed);
/* Send what is queued, at the end of a loop iteration; never blocks. Where the socket is full the
 * rest waits for the next call of this or of keeper_client_receive. A lost keeper is reported by
 * the next receive. */
void keeper_client_flush(struct keeper_client *client);
/* When the descriptor is readable: every answer that is there, then sends what waited. With
 * ERR_KEEPER_GONE every outstanding release has had its `done`. */
MUST_CHECK enum err keeper_client_receive(struct keeper_client *client);
/* True: watch the descriptor for writing, too, and flush then. */
bool keeper_client_wants_write(const struct keeper_client *client);
size_t keeper_client_outstanding(const struct keeper_client *client);

/* Every other verb blocks: a thread, or in a fiber (base/fiber.h) that fiber alone. */
#include "keeper/client_keys.h"
#include "keeper/client_line.h"
#include "keeper/client_files.h"
#include "keeper/client_objects.h"
