#pragma once

#include "../../vault/site.h"
#include "kmip/codec/codec.h"
#include "kmip/codec/table.h"
#include "kmip/server/config.h"
#include "kmip/server/process.h"

/* A KMIP service without sockets: a vault site, clients, and messages written as XML. Requests go
 * in as TTLV through kmip_process, like a client's. */

struct world {
    struct site site;
    struct kmip_config config;
    struct kmip_env env;
    struct vault_client clients[2]; /* of two groups */
    unsigned who;                   /* which of them asks; 2: nobody */
    uint16_t version;               /* of requests */
    const char *header;             /* XML that goes into the header, or NULL */
    bool reading;
    struct arena *arena; /* of the last request */
    struct arena *kept;  /* of answers */
    struct kmip_processed processed;
    struct kmip_node *response; /* the last Response Message */
    struct kmip_node *item;     /* its last Batch Item */
};

void world_begin(struct world *w);
void world_end(struct world *w);

/* One item: operation as in XML ("GetAttributes"), payload as XML without its element. Gives the
 * Response Payload, NULL where it failed (w->item has status and reason). */
struct kmip_node *world_ask(struct world *w, const char *operation, const char *payload);
/* The same for what has to work. */
struct kmip_node *world_must(struct world *w, const char *operation, const char *payload);
/* A whole message from batch items as XML; the header says how many. */
void world_batch(struct world *w, unsigned count, const char *items);
/* Any bytes; the error of kmip_process. */
enum err world_raw(struct world *w, enum kmip_format format, struct bytes in, struct buf *out);
/* printf into one of some static buffers. */
__attribute__((format(printf, 1, 2))) const char *world_text(const char *format, ...);

uint32_t world_status(const struct world *w);
uint32_t world_reason(const struct world *w);
/* Asks and expects that it is refused with this reason. */
#define world_refused(w, reason, operation, payload)                                               \
    do {                                                                                           \
        assert_null(world_ask((w), (operation), (payload)));                                       \
        assert_int_equal(world_reason(w), (reason));                                               \
    } while (0)

/* Unique Identifier of a payload, as a C string that lives until the world ends. */
const char *world_uid(struct world *w, const struct kmip_node *payload);
#define UID(uid) world_text("<UniqueIdentifier type=\"TextString\" value=\"%s\"/>", (uid))
/* An AES-256 key with a name, in the way of the world's version. */
const char *world_aes(struct world *w, const char *name, const char *more);
/* An attribute of an object, asked for in 2.1 whatever the version: NULL where it has none. */
struct kmip_node *world_attribute(struct world *w, const char *uid, const char *name, uint32_t tag);
uint32_t world_state(struct world *w, const char *uid);
