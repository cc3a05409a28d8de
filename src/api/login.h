#pragma once

#include "api/lockout.h"
#include "api/who.h"

/* Logging in: POST /v1/login. The password hash is computed on threads of its own, so that who
 * floods it keeps nobody else from working; browsers that have logged in before have a thread apart
 * from strangers'. */
struct logins;

struct workers;
MUST_CHECK enum err logins_new(struct logins **ret_logins);
/* No more logins: those under way are answered. */
void logins_stop(struct logins *logins); /* NULL is allowed */
void logins_free(struct logins *logins); /* NULL is allowed */

struct sessions *logins_sessions(struct logins *logins);
struct lockout *logins_lockout(struct logins *logins);
/* Seconds of the clock that sessions and waits go by. */
int64_t logins_now(void);

/* The handler; its context is the api. Loop's thread. */
void api_login(struct net_http_request *request, void *api);

/* {"user","role","csrf","must_change","expires","factory"} */
json_t *api_session_json(struct api *api, const struct session *session);
/* Whether a password is the person's: slow. ERR_RATE while one has to wait, ERR_UNAUTHENTICATED. */
MUST_CHECK enum err logins_check(struct logins *logins, struct store *store, const char *name,
                                 struct bytes password, const char *source, bool device,
                                 struct vault_person *ret_person, int64_t *ret_wait_s,
                                 struct err_detail *detail);
/* Whether a refused login may be noted in the audit chain now, and how many before it were not. */
bool logins_may_note(struct logins *logins, unsigned *ret_passed_over);
