#pragma once

#include "kmip/op/tickets.h"

/* What a ticket allows (KMIP 2.1, 7.34 and 7.35). Inside this folder only. */

#define KMIP_RIGHT_OBJECTS_MAX 64 /* of a Right, and groups */
#define KMIP_WISH_OBJECTS_MAX  64 /* that one request names */

/* Usage Limits: what is left; -1: no limit. */
struct kmip_limit {
    bool set;
    int64_t left;
    uint32_t unit; /* Usage Limits Unit */
};

struct kmip_rights;

/* What a batch item wants to do. */
struct kmip_wish {
    uint32_t operation;
    int64_t bytes;
    struct bytes objects[KMIP_WISH_OBJECTS_MAX];
    size_t objects_len;
    /* Object Groups of each object: name, object */
    struct {
        struct bytes name;
        size_t object;
    } groups[KMIP_WISH_OBJECTS_MAX];
    size_t groups_len;
};

struct kmip_limit kmip_limit_read(const struct kmip_node *usage_limits);
void kmip_limit_inherit(struct kmip_limit *limit, const struct kmip_limit *from);
bool kmip_limit_has(const struct kmip_limit *limit, const struct kmip_wish *wish);
void kmip_limit_take(struct kmip_limit *limit, const struct kmip_wish *wish);

/* Rights of the payload, copied to the heap; Invalid Field for none or too many. */
MUST_CHECK enum err kmip_rights_read(struct kmip_call *call, const struct kmip_node *rights,
                                     struct kmip_rights **ret_rights);
void kmip_rights_free(struct kmip_rights *rights);           /* NULL is allowed */
bool kmip_rights_by_group(const struct kmip_rights *rights); /* NULL is allowed */
/* Is there a right for it? Then its limit is taken. */
bool kmip_rights_take(struct kmip_rights *rights, const struct kmip_wish *wish);

/* Every object the payload names, at whatever depth, or the ID Placeholder where it names none. */
MUST_CHECK enum err kmip_wish_objects(struct kmip_call *call, struct kmip_wish *wish);
/* The groups they are in. */
MUST_CHECK enum err kmip_wish_groups(struct kmip_call *call, struct kmip_wish *wish);

/* ---- tickets.c, for login.c ---- */

struct kmip_ticket_terms {
    int64_t expires, requests; /* requests -1: no limit */
    struct kmip_limit limit;
    struct kmip_rights *rights; /* NULL: all; taken over on success */
};
/* A new ticket of the call's client. A request that came with a ticket of Login rotates it: the old
 * one ends, the new one has no more than was left of it. */
MUST_CHECK enum err kmip_ticket_make(struct kmip_call *call, const struct kmip_ticket_terms *terms,
                                     uint8_t ret_value[KMIP_TICKET_LEN]);
/* Ends the client's own, with all that were delegated with it. Invalid Ticket otherwise. */
MUST_CHECK enum err kmip_ticket_end(struct kmip_call *call, const struct kmip_node *ticket);
