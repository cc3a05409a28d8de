#pragma once

#include "kmip/op/op.h"
#include "net/loop.h"
#include "net/tls.h"

/* Messages from the server to clients that listen (KMIP 1.4, 5; 2.1, 6.2): each over a TLS
 * connection of its own to the client record's `notify` address, where nobody but the holder of the
 * record's certificate is told: a client without one is not. A client that can't be reached is
 * tried NOTIFY_TRIES times, each after twice the time of the one before; nothing is kept across a
 * restart. */

#define NOTIFY_TRIES     3
#define NOTIFY_RETRY_MS  5000u
#define NOTIFY_QUEUE_MAX 4096 /* messages on their way; more are dropped */

struct kmip_notify;

/* Its connections live on `loop`. Borrows `clients`; takes a reference on `tls`, a client's (NULL:
 * plain, in tests). Before
 * the loop runs. */
MUST_CHECK enum err kmip_notify_new(struct net_loop *loop, struct vault_clients *clients,
                                    struct net_tls *tls, struct kmip_notify **ret_notify);
/* While the loop does not run. NULL is allowed. */
void kmip_notify_free(struct kmip_notify *notify);
/* Read the files of its TLS again; on failure all stays as it was. Any thread. */
MUST_CHECK enum err kmip_notify_reload(struct kmip_notify *notify, struct err_detail *detail);
/* Does this client listen, and see objects of this group? NULL: nobody does. Any thread; a new
 * address, or other groups, count within seconds. */
bool kmip_notify_wants(struct kmip_notify *notify, uint64_t client, uint32_t group);
/* Does it want Put as well? The same. */
bool kmip_notify_wants_put(struct kmip_notify *notify, uint64_t client);
/* Send it a Request Message in TTLV, which is copied, and wiped when it
 * is through: it may hold a key. Any thread. What can't be sent is lost. */
void kmip_notify_send(struct kmip_notify *notify, uint64_t client, struct bytes message);
/* Messages on their way. */
unsigned kmip_notify_count(struct kmip_notify *notify);
