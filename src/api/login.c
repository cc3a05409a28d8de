#include "api/login.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/json.h"
#include "audit_kinds.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/workers.h"
#include "crypto/hash.h"
#include "crypto/pwhash.h"
#include "crypto/random.h"
#include "keeper/client.h"

#define QUEUE_MAX     32 /* logins that wait for a thread */
#define NOTE_EVERY_S  2  /* between two notes of refused logins, */
#define NOTES_AT_ONCE 20 /* of which some may come together */
#define NONCE_SIZE    16
#define DEVICE_LIFE   "31536000"

struct logins {
    struct sessions *sessions;
    struct lockout *lockout;
    struct workers *strangers, *known;
    uint8_t key[32]; /* of the tokens of browsers */
    pthread_mutex_t lock;
    int64_t notes_from; /* moves NOTE_EVERY_S with each note */
    unsigned passed_over;
};

/* Nothing fits it: whether a name exists must not show in the time that the answer takes. */
static const char nobody[] = "$argon2id$v=19$m=65536,t=3,p=4$AAAAAAAAAAAAAAAAAAAAAA$"
                             "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

enum err logins_new(struct logins **ret_logins)
{
    struct logins *logins = calloc(1, sizeof *logins);
    if (logins == NULL)
        return ERR_NO_MEMORY;
    (void)pthread_mutex_init(&logins->lock, NULL);
    enum err err = random_bytes(logins->key, sizeof logins->key);
    if (err == ERR_OK)
        err = sessions_new(&logins->sessions);
    if (err == ERR_OK)
        err = lockout_new(&logins->lockout);
    if (err == ERR_OK)
        err = workers_new(1, QUEUE_MAX, &logins->strangers);
    if (err == ERR_OK)
        err = workers_new(1, QUEUE_MAX, &logins->known);
    if (err != ERR_OK) {
        logins_free(logins);
        return err;
    }
    *ret_logins = logins;
    return ERR_OK;
}

void logins_stop(struct logins *logins)
{
    if (logins == NULL)
        return;
    workers_free(logins->strangers);
    workers_free(logins->known);
    logins->strangers = logins->known = NULL;
}

void logins_free(struct logins *logins)
{
    if (logins == NULL)
        return;
    logins_stop(logins);
    sessions_free(logins->sessions);
    lockout_free(logins->lockout);
    (void)pthread_mutex_destroy(&logins->lock);
    explicit_bzero(logins, sizeof *logins);
    free(logins);
}

struct sessions *logins_sessions(struct logins *logins)
{
    return logins->sessions;
}

struct lockout *logins_lockout(struct logins *logins)
{
    return logins->lockout;
}

int64_t logins_now(void)
{
    return (int64_t)(clock_mono_ns() / 1000000000u);
}

bool logins_may_note(struct logins *logins, unsigned *ret_passed_over)
{
    int64_t now = logins_now();
    (void)pthread_mutex_lock(&logins->lock);
    if (logins->notes_from < now - NOTE_EVERY_S * NOTES_AT_ONCE)
        logins->notes_from = now - NOTE_EVERY_S * NOTES_AT_ONCE;
    bool may = logins->notes_from < now;
    *ret_passed_over = may ? logins->passed_over : 0;
    logins->notes_from += may ? NOTE_EVERY_S : 0;
    logins->passed_over = may ? 0 : logins->passed_over + 1;
    (void)pthread_mutex_unlock(&logins->lock);
    return may;
}

json_t *api_session_json(struct api *api, const struct session *session)
{
    return json_pack("{s:s s:s s:s s:b s:o s:b}", "user", session->name, "role",
                     vault_role_name(session->role), "csrf", session->csrf, "must_change",
                     session->must_change, "expires", json_of_time(clock_now_s() + session->left_s),
                     "factory", api_factory_state(api) != NULL);
}

enum err logins_check(struct logins *logins, struct store *store, const char *name,
                      struct bytes password, const char *source, bool device,
                      struct vault_person *ret_person, int64_t *ret_wait_s,
                      struct err_detail *detail)
{
    char verifier[VAULT_VERIFIER_MAX + 1];
    struct vault_person person;
    TRY(lockout_try(logins->lockout, name, source, device, logins_now(), ret_wait_s));
    enum err err = vault_person_find(store, name, &person, verifier, detail);
    bool exists = err == ERR_OK && person.disabled == 0;
    if (err == ERR_OK || err == ERR_NOT_FOUND)
        err = pwhash_verifier_check(exists ? verifier : nobody, password, detail);
    explicit_bzero(verifier, sizeof verifier);
    if (err == ERR_OK && exists) {
        lockout_right(logins->lockout, name, source, device);
        *ret_person = person;
        return ERR_OK;
    }
    if (err == ERR_OK || err == ERR_UNAUTHENTICATED || err == ERR_LIMIT)
        return err_set(detail, ERR_UNAUTHENTICATED, "wrong name or password");
    lockout_undo(logins->lockout, name, source, device); /* no memory, no store */
    return err;
}

/* ---- browsers that have logged in before: "name:nonce:MAC" ---- */

static enum err device_mac(const struct logins *logins, const char *name, const char *nonce,
                           char ret_mac[2 * HASH_SHA256_SIZE + 1])
{
    uint8_t mac[HASH_SHA256_SIZE];
    const struct bytes parts[] = {bytes_str("claviger device 1"), bytes_str(nonce),
                                  bytes_str(name)};
    TRY(hash_hmac_sha256(BYTES(logins->key), parts, ARRAY_LEN(parts), mac));
    hex_encode(BYTES(mac), ret_mac);
    return ERR_OK;
}

/* Splits `cookie`, which is changed. */
static bool device_holds(const struct logins *logins, char *cookie, const char **ret_name,
                         const char **ret_nonce)
{
    char mac[2 * HASH_SHA256_SIZE + 1];
    char *nonce = strchr(cookie, ':'), *given = nonce != NULL ? strchr(nonce + 1, ':') : NULL;
    if (given == NULL)
        return false;
    *nonce++ = *given++ = '\0';
    *ret_name = cookie;
    *ret_nonce = nonce;
    return strlen(nonce) == (size_t)2 * NONCE_SIZE &&
           device_mac(logins, cookie, nonce, mac) == ERR_OK &&
           secret_equal(bytes_str(mac), bytes_str(given));
}

static enum err device_make(const struct logins *logins, const char *name,
                            char ret_cookie[API_COOKIE_MAX])
{
    uint8_t random[NONCE_SIZE];
    char nonce[2 * NONCE_SIZE + 1], mac[2 * HASH_SHA256_SIZE + 1];
    TRY(random_bytes(random, sizeof random));
    hex_encode(BYTES(random), nonce);
    TRY(device_mac(logins, name, nonce, mac));
    (void)snprintf(ret_cookie, API_COOKIE_MAX, "%s:%s:%s", name, nonce, mac);
    return ERR_OK;
}

/* ---- one login ---- */

struct attempt {
    struct api *api;
    struct logins *logins;
    struct net_http_request *request;
    struct api_caller caller;
    char device[API_COOKIE_MAX]; /* "": a stranger */
    const char *device_name, *device_nonce;
    char name[VAULT_PERSON_NAME_MAX + 1];
    struct vault_person person;
    int64_t wait_s;
    unsigned passed_over;
    enum err err;
    struct err_detail detail;
};

static void attempt_free(struct attempt *attempt)
{
    explicit_bzero(attempt, sizeof *attempt);
    free(attempt);
}

static void refuse(struct attempt *attempt, enum err err)
{
    char seconds[24];
    if (err == ERR_RATE && attempt->wait_s > 0) {
        (void)snprintf(seconds, sizeof seconds, "%lld", (long long)attempt->wait_s);
        err = err_set(&attempt->detail, ERR_ATTEMPTS, "wait %s s", seconds);
        enum err ignored = net_http_set_header(attempt->request, "Retry-After", seconds);
        (void)ignored;
    }
    net_http_fail(attempt->request, err, &attempt->detail);
    attempt_free(attempt);
}

static enum err set_cookies(struct attempt *attempt, const char *token)
{
    char text[API_COOKIE_MAX + 160], device[API_COOKIE_MAX];
    (void)snprintf(text, sizeof text, API_COOKIE "=%s; Path=/; Secure; HttpOnly; SameSite=Strict",
                   token);
    TRY(net_http_set_header(attempt->request, "Set-Cookie", text));
    TRY(device_make(attempt->logins, attempt->person.name, device));
    (void)snprintf(text, sizeof text,
                   API_DEVICE_COOKIE
                   "=%s; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=" DEVICE_LIFE,
                   device);
    return net_http_set_header(attempt->request, "Set-Cookie", text);
}

/* The record is read again after the session is there: who was disabled meanwhile, or got another
 * role or password, is not let in by what was true before. */
static enum err begin(struct attempt *attempt, struct session *ret_session)
{
    char token[SESSION_TOKEN_LEN + 1], before[API_COOKIE_MAX];
    struct sessions *sessions = attempt->logins->sessions;
    struct session session;
    struct vault_person now;
    const int64_t moment = clock_now_s();
    const struct vault_person_change change = {.last_login = &moment};
    /* what the browser had is over: the token is always a new one */
    if (api_cookie(attempt->request, API_COOKIE, before) &&
        sessions_find(sessions, before, logins_now(), &session) == ERR_OK)
        sessions_end(sessions, session.number);
    TRY(sessions_begin(sessions, &attempt->person, logins_now(), token, &session));
    enum err err = vault_person_change(api_store(attempt->api), attempt->person.name, &change, &now,
                                       &attempt->detail);
    if (err == ERR_OK && (now.disabled != 0 || now.role != attempt->person.role ||
                          now.must_change != attempt->person.must_change))
        err = err_set(&attempt->detail, ERR_UNAUTHENTICATED, "wrong name or password");
    if (err == ERR_OK)
        err = set_cookies(attempt, token);
    explicit_bzero(token, sizeof token);
    if (err != ERR_OK) {
        sessions_end(sessions, session.number);
        return err;
    }
    *ret_session = session;
    return ERR_OK;
}

static enum err note(struct attempt *attempt, struct keeper_client *keeper, uint16_t kind,
                     enum err result)
{
    char text[256], more[64] = "";
    if (attempt->passed_over != 0)
        (void)snprintf(more, sizeof more, ", and %u more", attempt->passed_over);
    (void)snprintf(text, sizeof text, "%s from %s%s", attempt->name, attempt->caller.address, more);
    const struct keeper_note event = {.kind = kind, .result = result, .text = text};
    return keeper_note_event(keeper, attempt->name, &event, &attempt->detail);
}

/* On a worker of the API, which has a connection to the keeper. */
static void conclude(void *arg, struct keeper_client *keeper)
{
    struct attempt *attempt = arg;
    struct session session;
    enum err err = attempt->err;
    if (err != ERR_OK) {
        struct err_detail why = attempt->detail;
        if (note(attempt, keeper, AUDIT_LOGIN_REFUSED, err) != ERR_OK)
            log_warn("a refused login could not be written to the audit chain");
        attempt->detail = why;
        refuse(attempt, err);
        return;
    }
    err = begin(attempt, &session);
    if (err == ERR_OK && (err = note(attempt, keeper, AUDIT_LOGIN, ERR_OK)) != ERR_OK)
        sessions_end(attempt->logins->sessions, session.number);
    if (err != ERR_OK) {
        refuse(attempt, err);
        return;
    }
    api_answer(attempt->request, api_session_json(attempt->api, &session));
    explicit_bzero(&session, sizeof session);
    attempt_free(attempt);
}

static void check(struct attempt *attempt)
{
    AUTO(json_freep) json_t *body = NULL;
    const char *name = NULL, *password = NULL;
    attempt->err = api_parse_body(attempt->request, &body, &attempt->detail);
    if (attempt->err != ERR_OK)
        return;
    name = json_string_value(json_object_get(body, "user"));
    const json_t *text = json_object_get(body, "password");
    password = json_string_value(text);
    if (name == NULL || password == NULL) {
        attempt->err = err_set(&attempt->detail, ERR_ARGUMENT,
                               "fields 'user' and 'password': "
                               "texts are wanted");
        return;
    }
    /* what can't be a name is nobody's; the text goes into the audit chain */
    bool sound = vault_person_check_name(name, NULL) == ERR_OK;
    (void)snprintf(attempt->name, sizeof attempt->name, "%s", sound ? name : "?");
    bool device = attempt->device_name != NULL && strcmp(attempt->device_name, name) == 0;
    char source[LOCKOUT_SOURCE_MAX];
    if (device)
        (void)snprintf(source, sizeof source, "device %s", attempt->device_nonce);
    else
        lockout_address(attempt->caller.address, source);
    attempt->err = logins_check(attempt->logins, api_store(attempt->api), attempt->name,
                                bytes_of(password, json_string_length(text)), source, device,
                                &attempt->person, &attempt->wait_s, &attempt->detail);
}

static void work(void *arg)
{
    struct attempt *attempt = arg;
    check(attempt);
    enum err err = attempt->err;
    bool told = err == ERR_OK || (attempt->name[0] != '\0' &&
                                  logins_may_note(attempt->logins, &attempt->passed_over));
    if (!told) {
        refuse(attempt, err);
        return;
    }
    err = api_submit(attempt->api, conclude, attempt);
    if (err != ERR_OK)
        refuse(attempt, err);
}

void api_login(struct net_http_request *request, void *ctx)
{
    struct api *api = ctx;
    struct logins *logins = api_logins(api);
    struct attempt *attempt = calloc(1, sizeof *attempt);
    if (attempt == NULL) {
        net_http_fail(request, ERR_NO_MEMORY, NULL);
        return;
    }
    attempt->api = api;
    attempt->logins = logins;
    attempt->request = request;
    api_caller_take(request, &attempt->caller);
    enum err err = ERR_OK;
    if (attempt->caller.is_local)
        err = err_set(&attempt->detail, ERR_DENIED, "people log in over HTTPS");
    else
        err = api_browser_admitted(api, &attempt->caller, &attempt->detail);
    bool known =
        err == ERR_OK && api_cookie(request, API_DEVICE_COOKIE, attempt->device) &&
        device_holds(logins, attempt->device, &attempt->device_name, &attempt->device_nonce);
    if (!known)
        attempt->device_name = NULL;
    if (err == ERR_OK)
        err = workers_submit(known ? logins->known : logins->strangers, work, attempt);
    if (err != ERR_OK)
        refuse(attempt, err);
}
