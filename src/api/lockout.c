#include "api/lockout.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define NAME_MAX_BYTES 64

struct entry {
    char name[NAME_MAX_BYTES + 1]; /* "": all names from the source */
    char source[LOCKOUT_SOURCE_MAX];
    unsigned failed; /* 0: free */
    int64_t last;    /* wrong one */
};

struct lockout {
    pthread_mutex_t lock;
    struct entry entries[LOCKOUT_ENTRIES];
};

enum err lockout_new(struct lockout **ret_lockout)
{
    struct lockout *lockout = calloc(1, sizeof *lockout);
    if (lockout == NULL)
        return ERR_NO_MEMORY;
    (void)pthread_mutex_init(&lockout->lock, NULL);
    *ret_lockout = lockout;
    return ERR_OK;
}

void lockout_free(struct lockout *lockout)
{
    if (lockout == NULL)
        return;
    (void)pthread_mutex_destroy(&lockout->lock);
    free(lockout);
}

void lockout_address(const char *peer, char ret_source[LOCKOUT_SOURCE_MAX])
{
    char host[LOCKOUT_SOURCE_MAX], net[INET6_ADDRSTRLEN];
    struct in6_addr in6;
    (void)snprintf(host, sizeof host, "%s", *peer == '[' ? peer + 1 : peer);
    char *end = *peer == '[' ? strchr(host, ']') : strrchr(host, ':');
    if (end != NULL && (*peer == '[' || strchr(host, ':') == end))
        *end = '\0';
    (void)snprintf(ret_source, LOCKOUT_SOURCE_MAX, "%s", host);
    if (inet_pton(AF_INET6, host, &in6) != 1 || IN6_IS_ADDR_V4MAPPED(&in6))
        return;
    /* whoever has one address of a network has all of them */
    memset(in6.s6_addr + 8, 0, 8);
    if (inet_ntop(AF_INET6, &in6, net, sizeof net) != NULL)
        (void)snprintf(ret_source, LOCKOUT_SOURCE_MAX, "%s/64", net);
}

/* ---- below: locked ---- */

static int64_t wait_of(const struct entry *entry)
{
    unsigned free_of = entry->name[0] != '\0' ? LOCKOUT_FREE : LOCKOUT_SOURCE_FREE;
    if (entry->failed < free_of)
        return 0;
    unsigned doubled = entry->failed - free_of;
    return doubled >= 10 ? LOCKOUT_WAIT_MAX_S : INT64_C(1) << doubled;
}

static int64_t left_of(const struct entry *entry, int64_t now)
{
    int64_t left = entry->last + wait_of(entry) - now;
    return left > 0 ? left : 0;
}

static bool is(const struct entry *entry, const char *name, const char *source)
{
    return entry->failed != 0 && strncmp(entry->name, name, NAME_MAX_BYTES) == 0 &&
           strcmp(entry->source, source) == 0;
}

static struct entry *find(struct lockout *lockout, const char *name, const char *source)
{
    for (size_t i = 0; i < LOCKOUT_ENTRIES; i++) {
        if (is(&lockout->entries[i], name, source))
            return &lockout->entries[i];
    }
    return NULL;
}

static void count(struct lockout *lockout, const char *name, const char *source, int64_t now)
{
    struct entry *entry = find(lockout, name, source);
    for (size_t i = 0; i < LOCKOUT_ENTRIES && entry == NULL; i++) {
        if (lockout->entries[i].failed == 0 || now - lockout->entries[i].last >= LOCKOUT_FORGET_S)
            entry = &lockout->entries[i];
    }
    if (entry == NULL) {
        entry = &lockout->entries[0];
        for (size_t i = 1; i < LOCKOUT_ENTRIES; i++)
            entry = lockout->entries[i].last < entry->last ? &lockout->entries[i] : entry;
    }
    if (!is(entry, name, source) || now - entry->last >= LOCKOUT_FORGET_S) {
        *entry = (struct entry){0};
        (void)snprintf(entry->name, sizeof entry->name, "%s", name);
        (void)snprintf(entry->source, sizeof entry->source, "%s", source);
    }
    if (entry->failed < 1000)
        entry->failed++;
    entry->last = now;
}

static void uncount(struct lockout *lockout, const char *name, const char *source, bool all)
{
    struct entry *entry = find(lockout, name, source);
    if (entry != NULL)
        entry->failed = all ? 0 : entry->failed - 1;
}

static int64_t wait_for(struct lockout *lockout, const char *name, const char *source, int64_t now)
{
    const struct entry *entry = find(lockout, name, source);
    return entry != NULL ? left_of(entry, now) : 0;
}

/* ---- */

enum err lockout_try(struct lockout *lockout, const char *name, const char *source, bool device,
                     int64_t now, int64_t *ret_wait_s)
{
    (void)pthread_mutex_lock(&lockout->lock);
    int64_t wait = wait_for(lockout, name, source, now);
    if (!device) {
        int64_t all = wait_for(lockout, "", source, now);
        wait = all > wait ? all : wait;
    }
    if (wait == 0) {
        count(lockout, name, source, now);
        if (!device)
            count(lockout, "", source, now);
    }
    (void)pthread_mutex_unlock(&lockout->lock);
    *ret_wait_s = wait;
    return wait == 0 ? ERR_OK : ERR_RATE;
}

static void take_back(struct lockout *lockout, const char *name, const char *source, bool device,
                      bool all)
{
    (void)pthread_mutex_lock(&lockout->lock);
    uncount(lockout, name, source, all);
    if (!device)
        uncount(lockout, "", source, false);
    (void)pthread_mutex_unlock(&lockout->lock);
}

void lockout_right(struct lockout *lockout, const char *name, const char *source, bool device)
{
    take_back(lockout, name, source, device, true);
}

void lockout_undo(struct lockout *lockout, const char *name, const char *source, bool device)
{
    take_back(lockout, name, source, device, false);
}

int64_t lockout_until(struct lockout *lockout, const char *name, int64_t now, unsigned *ret_failed)
{
    int64_t until = 0;
    unsigned failed = 0;
    (void)pthread_mutex_lock(&lockout->lock);
    for (size_t i = 0; i < LOCKOUT_ENTRIES; i++) {
        const struct entry *entry = &lockout->entries[i];
        if (entry->failed == 0 || strncmp(entry->name, name, NAME_MAX_BYTES) != 0 ||
            now - entry->last >= LOCKOUT_FORGET_S)
            continue;
        int64_t left = left_of(entry, now);
        failed += entry->failed;
        until = left > 0 && now + left > until ? now + left : until;
    }
    (void)pthread_mutex_unlock(&lockout->lock);
    *ret_failed = failed;
    return until;
}
