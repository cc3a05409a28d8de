#pragma once

#include "diameter/keyapp.h"
#include "net/loop.h"

/* One thread with a keeper connection of its own for what blocks: authenticators of peers that have
 * a shared secret, and notes of refusals for the audit chain. */
struct clerk;

MUST_CHECK enum err clerk_new(int keeper_fd, struct clerk **ret_clerk);
/* Finishes what is queued: results are posted. NULL is allowed. */
void clerk_free(struct clerk *clerk);

/* One authenticator to check; on the heap, the clerk's until `done` runs on `loop`, which owns it
 * then and frees it. */
struct clerk_check {
    struct net_post post;
    struct clerk *clerk;
    struct net_loop *loop;
    net_fn *done;                    /* gets the check */
    void *arg;                       /* the caller's */
    struct clerk_check *prev, *next; /* the caller's */
    enum err err;                    /* ERR_OK, ERR_SIGNATURE, or why it could not be checked */
    struct keeper_row row;
    uint8_t sealed_len;
    uint8_t sealed[KEEPER_SEALED_MAX];
    uint8_t mac[KEEPER_MAC_SIZE];
    char actor[KEEPER_ACTOR_MAX + 1];
    size_t input_len;
    uint8_t input[]; /* input_len */
};
MUST_CHECK enum err clerk_check(struct clerk *clerk, struct clerk_check *check);
/* Any thread; never blocks. NULL is allowed. At most CLERK_NOTES_PER_S a second are written, the
 * next one says how many were left out. */
#define CLERK_NOTES_PER_S 50
void clerk_note(struct clerk *clerk, struct bytes actor, const char *text);
