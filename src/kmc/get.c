#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "crypto/kcv.h"
#include "kmc/kmc.h"

#define VERSION_MAX (UINT32_MAX - 256) /* the SPI is 256 + version */

/* One key of a call. All keys of a call have one selector on the wire: the same User-Name. */
struct wanted {
    struct kmc_selector selector;
    const uint32_t *version; /* NULL: the newest */
    struct ckmc_key *out;
    bool have;
};
struct call {
    struct ckmc *kmc;
    char realm[KMC_REALM_MAX + 1];
    unsigned flags;
    struct wanted wanted[2];
    size_t len;
    struct ckmc_error *error;
};

void ckmc_key_wipe(struct ckmc_key *key)
{
    if (key != NULL)
        explicit_bzero(key, sizeof *key);
}

static size_t key_size(enum kmc_kind kind)
{
    return kind == KMC_GATEWAY ? 24 : 16;
}

/* "gateway key", "node 0x00010200", for texts. */
static const char *name_of(const struct wanted *wanted, char room[64])
{
    if (wanted->selector.kind == KMC_NODE)
        (void)snprintf(room, 64, "node 0x%08" PRIx64, wanted->selector.node);
    else
        (void)snprintf(room, 64, "%s key",
                       wanted->selector.kind == KMC_GATEWAY ? "gateway" : "code download");
    return room;
}

/* ---- the cache; holding cache_lock ---- */

static void fill(struct wanted *wanted, const struct kmc_entry *entry, enum ckmc_source source,
                 struct bytes key)
{
    struct ckmc_key *out = wanted->out;
    out->kind = (enum ckmc_kind)entry->kind;
    out->source = source;
    out->node = entry->node;
    out->version = entry->version;
    out->expires = entry->expires;
    out->length = (uint32_t)key.len;
    memcpy(out->key, key.data, key.len);
    if (kcv_of(key, out->check) != ERR_OK)
        memset(out->check, 0, sizeof out->check);
    wanted->have = true;
}

static enum err find_one(struct call *call, struct wanted *wanted, struct err_detail *detail)
{
    AUTO(secret_block32_wipe) struct secret_block32 key;
    struct kmc_entry entry;
    size_t len = 0;
    TRY(kmc_cache_find(call->kmc->cache, &wanted->selector, wanted->version, &entry, key.data, &len,
                       detail));
    fill(wanted, &entry, CKMC_FROM_CACHE, bytes_of(key.data, len));
    return ERR_OK;
}

/* True where the cache has all. */
static bool find_all(struct call *call, struct err_detail *detail)
{
    bool all = true;
    (void)pthread_mutex_lock(&call->kmc->cache_lock);
    for (size_t i = 0; i < call->len; i++) {
        struct wanted *wanted = &call->wanted[i];
        struct err_detail why = {0};
        if (wanted->have)
            continue;
        enum err err = find_one(call, wanted, &why);
        if (err == ERR_OK)
            continue;
        if (err != ERR_NOT_FOUND)
            kmc_report(call->kmc, "the cache can't be read: %s",
                       why.text[0] != '\0' ? why.text : err_text(err));
        char name[64];
        if (all)
            (void)err_set(detail, err, "%s: %s", name_of(wanted, name),
                          why.text[0] != '\0' ? why.text : err_text(err));
        all = false;
    }
    (void)pthread_mutex_unlock(&call->kmc->cache_lock);
    return all;
}

static void save(struct call *call, bool now)
{
    struct err_detail detail = {0};
    enum err err = kmc_save(call->kmc, now, &detail);
    if (err != ERR_OK)
        kmc_report(call->kmc, "the cache can't be written: %s",
                   detail.text[0] != '\0' ? detail.text : err_text(err));
}

/* ---- the server; holding server_lock ---- */

static enum err ask(struct call *call, struct err_detail *detail, struct diameter_got *got)
{
    struct ckmc *kmc = call->kmc;
    const struct wanted *first = &call->wanted[0];
    char user[KMC_REALM_MAX + 32];
    struct diameter_ask ask = {.user = user};
    if (first->selector.kind == KMC_NODE)
        (void)snprintf(user, sizeof user, "%0*" PRIx64 "@node.%s",
                       first->selector.node > UINT32_MAX ? 16 : 8, first->selector.node,
                       call->realm);
    else
        (void)snprintf(user, sizeof user, "gateway@%s", call->realm);
    for (size_t i = 0; i < call->len; i++) {
        if (!call->wanted[i].have)
            ask.want |=
                call->wanted[i].selector.kind == KMC_CDLD ? DIAMETER_WANT_HA : DIAMETER_WANT_MN;
    }
    if (first->version != NULL) {
        ask.has_version = true;
        ask.version = *first->version;
    }
    (void)pthread_mutex_lock(&kmc->cache_lock);
    ask.limit_ms = kmc->timeout_ms;
    (void)pthread_mutex_unlock(&kmc->cache_lock);
    if (kmc->client == NULL) {
        /* Whatever it is that can't be read, a file or its mode: the configuration names it. */
        enum err err = diameter_client_new(&kmc->props, detail, &kmc->client);
        if (err != ERR_OK)
            return err == ERR_NO_MEMORY ? err : ERR_CONFIG;
    }
    return diameter_client_ask(kmc->client, &ask, detail, got);
}

static enum err check_answer(const struct call *call, const struct diameter_got *got,
                             struct err_detail *detail)
{
    for (size_t i = 0; i < call->len; i++) {
        const struct wanted *wanted = &call->wanted[i];
        const struct diameter_key *key = wanted->selector.kind == KMC_CDLD ? &got->ha : &got->mn;
        char name[64];
        if (wanted->have)
            continue;
        if (key->key == NULL || secret_len(key->key) != key_size(wanted->selector.kind))
            return err_set(detail, ERR_PEER, "%s: %s has %zu bytes, %zu are right", got->server,
                           name_of(wanted, name), key->key != NULL ? secret_len(key->key) : 0,
                           key_size(wanted->selector.kind));
        if (wanted->version != NULL && key->version != *wanted->version)
            return err_set(detail, ERR_PEER, "%s: %s came in version %u instead of %u", got->server,
                           name_of(wanted, name), key->version, *wanted->version);
    }
    return ERR_OK;
}

/* Holding cache_lock. */
static void take_answer(struct call *call, const struct diameter_got *got)
{
    int64_t now = clock_now_s();
    uint32_t most = call->kmc->props.cache_max_lifetime;
    uint32_t lifetime = got->lifetime < most ? got->lifetime : most;
    for (size_t i = 0; i < call->len; i++) {
        struct wanted *wanted = &call->wanted[i];
        const struct diameter_key *key = wanted->selector.kind == KMC_CDLD ? &got->ha : &got->mn;
        if (wanted->have)
            continue;
        struct kmc_entry entry = {
            .kind = wanted->selector.kind,
            .newest = wanted->version == NULL,
            .node = wanted->selector.node,
            .version = key->version,
            .fetched = now,
            .expires = lifetime != 0 ? now + (int64_t)lifetime : 0,
            .realm = call->realm,
        };
        enum err err = ERR_OK;
        if (lifetime != 0)
            err = kmc_cache_put(call->kmc->cache, &entry, secret_view(key->key));
        if (err != ERR_OK) {
            kmc_report(call->kmc, "a key can't be cached: %s", err_text(err));
            entry.expires = 0;
        }
        fill(wanted, &entry, CKMC_FROM_SERVER, secret_view(key->key));
        (void)snprintf(wanted->out->server, sizeof wanted->out->server, "%s", got->server);
    }
    save(call, false);
}

/* The server says that we may not have it (any more): what is cached goes, on disk too. Holding
 * cache_lock. */
static void forget(struct call *call, enum err err)
{
    for (size_t i = 0; i < call->len; i++) {
        const struct wanted *wanted = &call->wanted[i];
        const uint32_t *version = err == ERR_STATE ? wanted->version : NULL;
        enum err removed = kmc_cache_remove(call->kmc->cache, &wanted->selector, version);
        if (removed != ERR_OK)
            kmc_report(call->kmc, "a key can't be removed from the cache: %s", err_text(removed));
    }
    /* 5003 for the network's keys says the same of both (gateway@realm is one selector). */
    if (err == ERR_DENIED && call->wanted[0].selector.kind != KMC_NODE) {
        struct kmc_selector other = call->wanted[0].selector;
        other.kind = other.kind == KMC_CDLD ? KMC_GATEWAY : KMC_CDLD;
        if (kmc_cache_remove(call->kmc->cache, &other, NULL) != ERR_OK)
            kmc_report(call->kmc, "a key can't be removed from the cache");
    }
    save(call, true);
}

static int fail_call(struct call *call, enum err err, const struct err_detail *detail,
                     const struct diameter_got *got)
{
    char name[64], text[320];
    const struct wanted *wanted = &call->wanted[0];
    (void)snprintf(text, sizeof text, "%s%s%s", name_of(wanted, name),
                   got->server[0] != '\0' ? ": " : "", got->server);
    if (got->result != 0 && got->message[0] != '\0')
        return kmc_fail(call->error, kmc_status_of(err), "%s: %u %s", text, got->result,
                        got->message);
    if (got->result != 0 && (detail->text[0] == '\0' || err != ERR_PEER))
        return kmc_fail(call->error, kmc_status_of(err), "%s: %u %s", text, got->result,
                        diameter_result_name(got->result));
    return kmc_fail_err(call->error, name_of(wanted, name), err, detail);
}

/* No server said anything about this key. */
static bool no_answer(enum err err, const struct diameter_got *got)
{
    return err != ERR_NO_MEMORY && err != ERR_INTERNAL &&
           (got->result == 0 || kmc_status_of(err) == CKMC_BUSY);
}

static int ask_server(struct call *call)
{
    struct err_detail detail = {0};
    AUTO(diameter_got_done) struct diameter_got got = {0};
    enum err err = ask(call, &detail, &got);
    if (err == ERR_OK)
        err = check_answer(call, &got, &detail);
    if (err == ERR_OK || ((err == ERR_DENIED || err == ERR_STATE) && got.result != 0)) {
        (void)pthread_mutex_lock(&call->kmc->cache_lock);
        if (err == ERR_OK)
            take_answer(call, &got);
        else
            forget(call, err);
        (void)pthread_mutex_unlock(&call->kmc->cache_lock);
    } else if ((call->flags & CKMC_F_REFRESH) != 0 && no_answer(err, &got) &&
               find_all(call, NULL)) {
        (void)pthread_mutex_lock(&call->kmc->cache_lock);
        kmc_report(call->kmc, "no server answered, the cache did: %s",
                   detail.text[0] != '\0' ? detail.text : err_text(err));
        (void)pthread_mutex_unlock(&call->kmc->cache_lock);
        return CKMC_OK;
    }
    return err == ERR_OK ? CKMC_OK : fail_call(call, err, &detail, &got);
}

/* ---- a call ---- */

static int run_unlocked(struct call *call)
{
    struct err_detail detail = {0};
    bool offline = (call->flags & CKMC_F_OFFLINE) != 0;
    bool refresh = (call->flags & CKMC_F_REFRESH) != 0;
    if (offline && refresh)
        return kmc_fail(call->error, CKMC_ARGUMENT, "offline and refresh exclude each other");
    if (!refresh && find_all(call, &detail))
        return CKMC_OK;
    if (offline)
        return kmc_fail(call->error, CKMC_OFFLINE, "%s", detail.text);
    (void)pthread_mutex_lock(&call->kmc->server_lock);
    /* While this thread waited, another may have fetched the same. */
    int status = !refresh && find_all(call, NULL) ? CKMC_OK : ask_server(call);
    (void)pthread_mutex_unlock(&call->kmc->server_lock);
    return status;
}

static int run(struct call *call)
{
    struct ckmc *kmc = call->kmc;
    (void)pthread_mutex_lock(&kmc->cache_lock);
    (void)snprintf(call->realm, sizeof call->realm, "%s", kmc->realm);
    save(call, false);
    (void)pthread_mutex_unlock(&kmc->cache_lock);
    for (size_t i = 0; i < call->len; i++) {
        call->wanted[i].selector.realm = call->realm;
        memset(call->wanted[i].out, 0, sizeof *call->wanted[i].out);
    }
    int status = run_unlocked(call);
    for (size_t i = 0; i < call->len && status != CKMC_OK; i++)
        ckmc_key_wipe(call->wanted[i].out);
    if (status == CKMC_OK && call->error != NULL)
        *call->error = (struct ckmc_error){0};
    return status;
}

int ckmc_get(struct ckmc *kmc, enum ckmc_kind kind, uint64_t node, uint32_t version, unsigned flags,
             struct ckmc_key *ret_key, struct ckmc_error *error)
{
    if (kmc == NULL || ret_key == NULL)
        return kmc_fail(error, CKMC_ARGUMENT, "no handle or no place for the key");
    if (kind < CKMC_GATEWAY || kind > CKMC_NODE || (kind == CKMC_NODE) != (node != 0))
        return kmc_fail(error, CKMC_ARGUMENT, "no such kind of key, or not with this node id");
    if (version != CKMC_NEWEST && version > VERSION_MAX)
        return kmc_fail(error, CKMC_ARGUMENT, "version %u is above %u", version, VERSION_MAX);
    struct call call = {
        .kmc = kmc,
        .flags = flags,
        .wanted = {{.selector = {.kind = (enum kmc_kind)kind, .node = node},
                    .version = version != CKMC_NEWEST ? &version : NULL,
                    .out = ret_key}},
        .len = 1,
        .error = error,
    };
    return run(&call);
}

int ckmc_prefetch(struct ckmc *kmc, unsigned flags, struct ckmc_key *ret_gateway,
                  struct ckmc_key *ret_cdld, struct ckmc_error *error)
{
    struct ckmc_key gateway = {0}, cdld = {0};
    if (kmc == NULL)
        return kmc_fail(error, CKMC_ARGUMENT, "no handle");
    struct call call = {
        .kmc = kmc,
        .flags = flags,
        .wanted = {{.selector = {.kind = KMC_GATEWAY}, .out = &gateway},
                   {.selector = {.kind = KMC_CDLD}, .out = &cdld}},
        .len = 2,
        .error = error,
    };
    int status = run(&call);
    if (ret_gateway != NULL)
        *ret_gateway = gateway;
    if (ret_cdld != NULL)
        *ret_cdld = cdld;
    ckmc_key_wipe(&gateway);
    ckmc_key_wipe(&cdld);
    return status;
}

int ckmc_parse_node(const char *text, uint64_t *ret_node, struct ckmc_error *error)
{
    uint64_t node = 0;
    if (text == NULL || ret_node == NULL)
        return kmc_fail(error, CKMC_ARGUMENT, "no node id");
    const char *at = text;
    if (at[0] == '0' && (at[1] | 0x20) == 'x')
        at += 2;
    size_t len = strlen(at);
    for (size_t i = 0; i < len && len <= 16; i++) {
        int c = tolower((unsigned char)at[i]);
        if (isxdigit(c) == 0)
            return kmc_fail(error, CKMC_ARGUMENT, "'%.40s' is no hexadecimal node id", text);
        node = node << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    if (len == 0 || len > 16 || node == 0)
        return kmc_fail(error, CKMC_ARGUMENT, "'%.40s' is no node id of 1 to 16 digits", text);
    *ret_node = node;
    return CKMC_OK;
}

/* ---- the cache as such ---- */

int ckmc_cache_list(struct ckmc *kmc, ckmc_entry_fn *fn, void *context, struct ckmc_error *error)
{
    struct kmc_entry entry;
    size_t at = 0;
    if (kmc == NULL || fn == NULL)
        return kmc_fail(error, CKMC_ARGUMENT, "no handle or no function");
    (void)pthread_mutex_lock(&kmc->cache_lock);
    while (kmc_cache_next(kmc->cache, &at, &entry)) {
        struct ckmc_entry shown = {
            .kind = (enum ckmc_kind)entry.kind,
            .newest = entry.newest ? 1 : 0,
            .node = entry.node,
            .version = entry.version,
            .expired = kmc_entry_expired(&entry, clock_now_s()) ? 1 : 0,
            .fetched = entry.fetched,
            .expires = entry.expires,
            .realm = entry.realm,
        };
        fn(context, &shown);
    }
    (void)pthread_mutex_unlock(&kmc->cache_lock);
    return CKMC_OK;
}

static int write_now(struct ckmc *kmc, bool clear, struct ckmc_error *error)
{
    struct err_detail detail = {0};
    if (kmc == NULL)
        return kmc_fail(error, CKMC_ARGUMENT, "no handle");
    (void)pthread_mutex_lock(&kmc->cache_lock);
    enum err err = clear ? kmc_cache_clear(kmc->cache) : ERR_OK;
    if (err == ERR_OK)
        err = kmc_save(kmc, true, &detail);
    (void)pthread_mutex_unlock(&kmc->cache_lock);
    if (err == ERR_OK)
        return CKMC_OK;
    return kmc_fail(error, err == ERR_NO_MEMORY ? CKMC_RESOURCES : CKMC_CACHE, "%s",
                    detail.text[0] != '\0' ? detail.text : err_text(err));
}

int ckmc_cache_clear(struct ckmc *kmc, struct ckmc_error *error)
{
    return write_now(kmc, true, error);
}

int ckmc_flush(struct ckmc *kmc, struct ckmc_error *error)
{
    return write_now(kmc, false, error);
}
