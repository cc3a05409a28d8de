#pragma once

#include "base/err.h"
#include "vault/people.h"

/* Who is logged in, in memory: a restart of the daemon logs everybody out. A session is known by a
 * token of 256 random bits, of which only the SHA-256 is kept. Times are seconds of a clock that
 * never jumps, given by the caller. Any thread. */
struct sessions;

#define SESSIONS_MAX        1024
#define SESSIONS_PERSON_MAX 16 /* of one person; the one used longest ago makes room */
#define SESSION_IDLE_S      (30 * 60)
#define SESSION_LIFE_S      (12 * 3600)
#define SESSION_TOKEN_LEN   64 /* hexadecimal digits; of the CSRF token, too */

struct session {
    uint64_t number; /* never 0; for sessions_alive and _end */
    char name[VAULT_PERSON_NAME_MAX + 1];
    enum vault_role role;
    bool must_change;
    int64_t left_s;                   /* until it ends without being used */
    char csrf[SESSION_TOKEN_LEN + 1]; /* what a change has to show beside the cookie */
};

MUST_CHECK enum err sessions_new(struct sessions **ret_sessions);
void sessions_free(struct sessions *sessions); /* NULL is allowed */

/* A new one. ERR_BUSY where SESSIONS_MAX are there. */
MUST_CHECK enum err sessions_begin(struct sessions *sessions, const struct vault_person *person,
                                   int64_t now, char ret_token[SESSION_TOKEN_LEN + 1],
                                   struct session *ret_session);
/* The one that `token`, whatever it is, opens, and it is used now. ERR_UNAUTHENTICATED. */
MUST_CHECK enum err sessions_find(struct sessions *sessions, const char *token, int64_t now,
                                  struct session *ret_session);
/* Whether `given` (or NULL) is the session's CSRF token; takes as long either way. */
bool sessions_csrf_fits(const struct session *session, const char *given);
void sessions_end(struct sessions *sessions, uint64_t number);
/* All of one person but `but` (0: all). */
void sessions_end_person(struct sessions *sessions, const char *name, uint64_t but);
/* The password was changed: the session may do everything its role may. */
void sessions_changed(struct sessions *sessions, uint64_t number);
bool sessions_alive(struct sessions *sessions, uint64_t number, int64_t now);
/* Forget those that have ended. */
void sessions_tidy(struct sessions *sessions, int64_t now);
