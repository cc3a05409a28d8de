#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Slows down who guesses passwords, without ever locking anybody out for good. What is counted is
 * pairs of a name and a source, and sources. A source is a network address (of IPv6 its /64), or a
 * browser that has logged in as that person before and shows the token it got then. So:
 *  - LOCKOUT_FREE wrong passwords for a name from a source cost nothing, then each has to wait
 *    twice as long as the one before, up to LOCKOUT_WAIT_MAX_S;
 *  - LOCKOUT_SOURCE_FREE wrong ones from an address, whatever the names, and the address waits
 *    likewise;
 *  - who guesses from one address makes nobody wait at another one, and makes no browser wait that
 *    its owner has logged in with, wherever it is;
 *  - attempts while one waits count nothing, a right password forgets the pair.
 * Names that nobody has are counted as others are. Times are seconds given by the caller. Any
 * thread. */
struct lockout;

#define LOCKOUT_FREE        5
#define LOCKOUT_SOURCE_FREE 20
#define LOCKOUT_WAIT_MAX_S  900
#define LOCKOUT_FORGET_S    (24 * 3600)
#define LOCKOUT_ENTRIES     4096 /* the one that failed longest ago makes room */
#define LOCKOUT_SOURCE_MAX  80

MUST_CHECK enum err lockout_new(struct lockout **ret_lockout);
void lockout_free(struct lockout *lockout); /* NULL is allowed */

/* "192.0.2.7:40312" and "[2001:db8::1]:443" as sources: without the port, and of IPv6 the /64. */
void lockout_address(const char *peer, char ret_source[LOCKOUT_SOURCE_MAX]);

/* Before a password is looked at: ERR_RATE and how long to wait, or the attempt is counted as a
 * wrong one, until lockout_right takes that back. `device`: the source is a browser's token. */
MUST_CHECK enum err lockout_try(struct lockout *lockout, const char *name, const char *source,
                                bool device, int64_t now, int64_t *ret_wait_s);
/* It was right. */
void lockout_right(struct lockout *lockout, const char *name, const char *source, bool device);
/* It was never looked at. */
void lockout_undo(struct lockout *lockout, const char *name, const char *source, bool device);
/* The latest moment at which somebody may try this name again, 0 where all may; and how many wrong
 * ones there were. For people to see. */
int64_t lockout_until(struct lockout *lockout, const char *name, int64_t now, unsigned *ret_failed);
