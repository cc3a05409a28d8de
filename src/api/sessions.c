#include "api/sessions.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/secret.h"
#include "crypto/hash.h"
#include "crypto/random.h"

#define TOKEN_SIZE 32

struct entry {
    uint64_t number; /* 0: free */
    uint8_t hash[HASH_SHA256_SIZE];
    char name[VAULT_PERSON_NAME_MAX + 1];
    enum vault_role role;
    bool must_change;
    int64_t began, used;
};

struct sessions {
    pthread_mutex_t lock;
    uint8_t key[TOKEN_SIZE]; /* what CSRF tokens are made with */
    uint64_t last;
    struct entry entries[SESSIONS_MAX];
};

enum err sessions_new(struct sessions **ret_sessions)
{
    struct sessions *sessions = calloc(1, sizeof *sessions);
    if (sessions == NULL)
        return ERR_NO_MEMORY;
    enum err err = random_bytes(sessions->key, sizeof sessions->key);
    if (err != ERR_OK) {
        free(sessions);
        return err;
    }
    (void)pthread_mutex_init(&sessions->lock, NULL);
    *ret_sessions = sessions;
    return ERR_OK;
}

void sessions_free(struct sessions *sessions)
{
    if (sessions == NULL)
        return;
    (void)pthread_mutex_destroy(&sessions->lock);
    explicit_bzero(sessions, sizeof *sessions);
    free(sessions);
}

static enum err hash_token(const char *token, uint8_t ret_hash[HASH_SHA256_SIZE])
{
    const struct bytes parts[] = {bytes_str("claviger session 1"), bytes_str(token)};
    return hash_sha256(parts, ARRAY_LEN(parts), ret_hash);
}

static enum err make_csrf(const struct sessions *sessions, const char *token,
                          char ret_csrf[SESSION_TOKEN_LEN + 1])
{
    uint8_t mac[HASH_SHA256_SIZE];
    const struct bytes parts[] = {bytes_str("claviger csrf 1"), bytes_str(token)};
    TRY(hash_hmac_sha256(BYTES(sessions->key), parts, ARRAY_LEN(parts), mac));
    hex_encode(BYTES(mac), ret_csrf);
    return ERR_OK;
}

static bool is_over(const struct entry *entry, int64_t now)
{
    return now - entry->used >= SESSION_IDLE_S || now - entry->began >= SESSION_LIFE_S;
}

/* ---- below: locked ---- */

static void clear(struct entry *entry)
{
    explicit_bzero(entry, sizeof *entry);
}

/* A free place; one person's oldest makes room where he has too many. */
static struct entry *find_room(struct sessions *sessions, const char *name, int64_t now)
{
    struct entry *room = NULL, *oldest = NULL;
    unsigned same = 0;
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        struct entry *entry = &sessions->entries[i];
        if (entry->number != 0 && is_over(entry, now))
            clear(entry);
        if (entry->number == 0) {
            room = room != NULL ? room : entry;
        } else if (strcmp(entry->name, name) == 0) {
            same++;
            if (oldest == NULL || entry->used < oldest->used)
                oldest = entry;
        }
    }
    if (same >= SESSIONS_PERSON_MAX || (room == NULL && oldest != NULL)) {
        clear(oldest);
        room = oldest;
    }
    return room;
}

static struct entry *find_number(struct sessions *sessions, uint64_t number)
{
    for (size_t i = 0; i < SESSIONS_MAX && number != 0; i++) {
        if (sessions->entries[i].number == number)
            return &sessions->entries[i];
    }
    return NULL;
}

static void show(const struct entry *entry, int64_t now, struct session *ret_session)
{
    int64_t idle = entry->used + SESSION_IDLE_S - now, life = entry->began + SESSION_LIFE_S - now;
    ret_session->number = entry->number;
    ret_session->role = entry->role;
    ret_session->must_change = entry->must_change;
    ret_session->left_s = idle < life ? idle : life;
    memcpy(ret_session->name, entry->name, sizeof entry->name);
}

/* ---- */

enum err sessions_begin(struct sessions *sessions, const struct vault_person *person, int64_t now,
                        char ret_token[SESSION_TOKEN_LEN + 1], struct session *ret_session)
{
    uint8_t random[TOKEN_SIZE];
    struct entry fresh = {
        .role = person->role, .must_change = person->must_change, .began = now, .used = now};
    memcpy(fresh.name, person->name, sizeof fresh.name);
    TRY(random_bytes(random, sizeof random));
    hex_encode(BYTES(random), ret_token);
    explicit_bzero(random, sizeof random);
    TRY(hash_token(ret_token, fresh.hash));
    TRY(make_csrf(sessions, ret_token, ret_session->csrf));
    (void)pthread_mutex_lock(&sessions->lock);
    struct entry *room = find_room(sessions, person->name, now);
    if (room != NULL) {
        fresh.number = ++sessions->last;
        *room = fresh;
        show(room, now, ret_session);
    }
    (void)pthread_mutex_unlock(&sessions->lock);
    return room != NULL ? ERR_OK : ERR_BUSY;
}

enum err sessions_find(struct sessions *sessions, const char *token, int64_t now,
                       struct session *ret_session)
{
    uint8_t hash[HASH_SHA256_SIZE];
    bool found = false;
    if (strlen(token) != SESSION_TOKEN_LEN)
        return ERR_UNAUTHENTICATED;
    TRY(hash_token(token, hash));
    TRY(make_csrf(sessions, token, ret_session->csrf));
    (void)pthread_mutex_lock(&sessions->lock);
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        struct entry *entry = &sessions->entries[i];
        if (entry->number == 0 || !secret_equal(BYTES(entry->hash), BYTES(hash)))
            continue;
        found = !is_over(entry, now);
        if (found) {
            entry->used = now;
            show(entry, now, ret_session);
        } else {
            clear(entry);
        }
    }
    (void)pthread_mutex_unlock(&sessions->lock);
    return found ? ERR_OK : ERR_UNAUTHENTICATED;
}

bool sessions_csrf_fits(const struct session *session, const char *given)
{
    return given != NULL && secret_equal(bytes_str(session->csrf), bytes_str(given));
}

void sessions_end(struct sessions *sessions, uint64_t number)
{
    (void)pthread_mutex_lock(&sessions->lock);
    struct entry *entry = find_number(sessions, number);
    if (entry != NULL)
        clear(entry);
    (void)pthread_mutex_unlock(&sessions->lock);
}

void sessions_end_person(struct sessions *sessions, const char *name, uint64_t but)
{
    (void)pthread_mutex_lock(&sessions->lock);
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        struct entry *entry = &sessions->entries[i];
        if (entry->number != 0 && entry->number != but && strcmp(entry->name, name) == 0)
            clear(entry);
    }
    (void)pthread_mutex_unlock(&sessions->lock);
}

void sessions_changed(struct sessions *sessions, uint64_t number)
{
    (void)pthread_mutex_lock(&sessions->lock);
    struct entry *entry = find_number(sessions, number);
    if (entry != NULL)
        entry->must_change = false;
    (void)pthread_mutex_unlock(&sessions->lock);
}

bool sessions_alive(struct sessions *sessions, uint64_t number, int64_t now)
{
    (void)pthread_mutex_lock(&sessions->lock);
    const struct entry *entry = find_number(sessions, number);
    bool alive = entry != NULL && !is_over(entry, now);
    (void)pthread_mutex_unlock(&sessions->lock);
    return alive;
}

void sessions_tidy(struct sessions *sessions, int64_t now)
{
    (void)pthread_mutex_lock(&sessions->lock);
    for (size_t i = 0; i < SESSIONS_MAX; i++) {
        if (sessions->entries[i].number != 0 && is_over(&sessions->entries[i], now))
            clear(&sessions->entries[i]);
    }
    (void)pthread_mutex_unlock(&sessions->lock);
}
