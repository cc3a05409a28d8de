#pragma once

#include "crypto/use.h"
#include "kmip/op/op.h"

/* What goes on from one request to the next under a Correlation Value (KMIP 1.4, 6.24): encryption,
 * signing, MAC and hashing in pieces, and PKCS#11 sessions. Of one loop: the keeper's streams
 * belong to its keeper client. A stream is its client's and its operation's; for anybody else, and
 * for another operation, it does not exist. One that is not used for KMIP_STREAM_IDLE_S is dropped.
 */

#define KMIP_STREAM_IDLE_S     600
#define KMIP_STREAM_VALUE_LEN  16 /* bytes of a Correlation Value, random */
#define KMIP_STREAMS_MAX       4096
#define KMIP_STREAMS_OF_CLIENT 64

struct kmip_streams;

MUST_CHECK enum err kmip_streams_new(struct keeper_client *keeper,
                                     struct kmip_streams **ret_streams);
/* Ends them all, at the keeper too. NULL is allowed. */
void kmip_streams_free(struct kmip_streams *streams);
/* Drops what was idle for too long; `now` in seconds. Called by every begin; the loop's timer may.
 */
void kmip_streams_expire(struct kmip_streams *streams, int64_t now);
size_t kmip_streams_count(const struct kmip_streams *streams);
