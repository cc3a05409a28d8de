#include "kmip/server/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/workers.h"
#include "kmip/codec/table.h"
#include "kmip/server/log_dump.h"
#include "kmip/server/log_files.h"
#include "kmip/server/metrics.h"

#define ARENA_MAX  ((size_t)256 * 1024 * 1024)
#define COMPLAIN_S 60 /* between two lines about a folder that can't be written */

struct kmip_log {
    struct workers *thread; /* one */
    atomic_uint level;
    atomic_bool headers;
    atomic_size_t queued; /* bytes that wait */
    pthread_mutex_t lock; /* guards config */
    struct kmip_log_config config;
    /* of the thread */
    struct log_files files;
    bool opened;
    struct arena *arena;
    struct buf text;
    int64_t complained;
};

struct entry {
    struct kmip_log *log;
    uint64_t time_us, since_us, connection, took_ns;
    char peer[64], client[VAULT_CLIENT_NAME_MAX + 1];
    bool answer, has_processed;
    enum kmip_format format;
    enum err err;
    struct kmip_processed processed;
    size_t headers_len, len, size;
    uint8_t bytes[]; /* the headers, then the message */
};

/* ---- on the log's thread ---- */

static const char *extension_of(const struct kmip_log_config *config)
{
    if (config->level == KMIP_LOG_BASIC)
        return "log";
    return config->format == KMIP_XML ? "xml" : config->format == KMIP_JSON ? "json" : "ttlv";
}

/* "2026-11-21T09:00:00.123456Z request 1.4 client db1 Create ok 0.3 ms". In XML a comment. */
static enum err put_head(struct buf *to, const struct kmip_log_config *config,
                         const struct entry *e)
{
    char time[32];
    clock_format((int64_t)(e->time_us / 1000000), time);
    bool xml = config->level == KMIP_LOG_MESSAGES && config->format == KMIP_XML;
    TRY(buf_printf(to, "%s%.19s.%06uZ %s %s client %s", xml ? "<!-- " : "", time,
                   (unsigned)(e->time_us % 1000000), e->peer, e->answer ? "answer" : "request",
                   e->client[0] != '\0' ? e->client : "-"));
    if (e->has_processed) {
        const struct kmip_processed *p = &e->processed;
        const char *operation = kmip_enum_name(KMIP_TAG_OPERATION, p->operation);
        const char *reason =
            p->reason != 0 ? kmip_enum_name(KMIP_TAG_RESULT_REASON, p->reason) : NULL;
        TRY(buf_printf(to, " KMIP %u.%u %s items %u failed %u%s%s %llu us", p->version >> 8,
                       p->version & 255u, operation != NULL ? operation : "-", p->items, p->failed,
                       reason != NULL ? " " : "", reason != NULL ? reason : "",
                       (unsigned long long)(e->took_ns / 1000)));
    }
    if (e->err != ERR_OK)
        TRY(buf_printf(to, " no answer: %s", err_text(e->err)));
    return buf_printf(to, "%s\n", xml ? " -->" : "");
}

/* In XML within a comment, which "--" would end: a blank goes between the two. */
static enum err put_headers(struct buf *to, struct bytes headers, bool xml)
{
    if (headers.len == 0)
        return ERR_OK;
    if (!xml)
        return buf_append(to, headers);
    TRY(buf_append(to, bytes_str("<!--\n")));
    for (size_t i = 0; i < headers.len; i++) {
        const uint8_t c = headers.data[i];
        /* XML 1.0, 2.2: no other control characters, escaped or not */
        const bool can = c >= 0x20 || c == '\n' || c == '\r' || c == '\t';
        TRY(buf_append(to, can ? bytes_of(&c, 1) : bytes_str("?")));
        if (c == '-' && i + 1 < headers.len && headers.data[i + 1] == '-')
            TRY(buf_append(to, bytes_str(" ")));
    }
    return buf_append(to, bytes_str("-->\n"));
}

static enum err put_entry(struct kmip_log *log, const struct kmip_log_config *config,
                          const struct entry *e)
{
    TRY(put_head(&log->text, config, e));
    if (config->level != KMIP_LOG_MESSAGES)
        return ERR_OK;
    bool xml = config->format == KMIP_XML;
    TRY(put_headers(&log->text, bytes_of(e->bytes, e->headers_len), xml));
    if (e->len == 0)
        return ERR_OK;
    return kmip_log_dump(e->format, bytes_of(e->bytes + e->headers_len, e->len), config->format,
                         config->secrets, log->arena, &log->text);
}

static void complain(struct kmip_log *log, enum err err, const struct err_detail *detail)
{
    int64_t now = clock_now_s();
    kmip_metrics_log_dropped();
    if (now - log->complained < COMPLAIN_S)
        return;
    log->complained = now;
    log_failure(LOG_LEVEL_WARN, "kmip: the message log can't be written", err, detail);
}

static enum err write_text(struct kmip_log *log, const struct kmip_log_config *config,
                           const struct entry *e, struct err_detail *detail)
{
    if (!log->opened || strcmp(log->files.dir, config->dir) != 0)
        TRY(log_files_open(&log->files, config->dir, config->max, detail));
    log->opened = true;
    log->files.max = config->max;
    return log_files_append(&log->files, e->peer, e->since_us, e->connection, extension_of(config),
                            buf_view(&log->text), detail);
}

static void write_entry(void *arg)
{
    struct entry *e = arg;
    struct kmip_log *log = e->log;
    struct err_detail detail = {0};
    (void)pthread_mutex_lock(&log->lock);
    struct kmip_log_config config = log->config;
    (void)pthread_mutex_unlock(&log->lock);
    enum err err = put_entry(log, &config, e);
    if (err == ERR_OK)
        err = write_text(log, &config, e, &detail);
    if (err != ERR_OK)
        complain(log, err, &detail);
    arena_reset(log->arena);
    if (log->text.len > 0)
        explicit_bzero(log->text.data, log->text.len);
    log->text.len = 0;
    atomic_fetch_sub(&log->queued, e->size);
    explicit_bzero(e, e->size);
    free(e);
}

/* ---- any thread ---- */

enum err kmip_log_configure(struct kmip_log *log, const struct kmip_log_config *config,
                            struct err_detail *detail)
{
    if (config->level != KMIP_LOG_OFF) {
        struct log_files probe;
        TRY(log_files_open(&probe, config->dir, config->max, detail));
    }
    if (config->level == KMIP_LOG_MESSAGES && config->secrets)
        log_warn("[kmip] log_secrets: keys and passwords are written to %s", config->dir);
    (void)pthread_mutex_lock(&log->lock);
    log->config = *config;
    (void)pthread_mutex_unlock(&log->lock);
    atomic_store(&log->headers, config->headers && config->level == KMIP_LOG_MESSAGES);
    atomic_store(&log->level, (unsigned)config->level);
    return ERR_OK;
}

enum err kmip_log_new(const struct kmip_log_config *config, struct kmip_log **ret_log,
                      struct err_detail *detail)
{
    struct kmip_log *log = calloc(1, sizeof *log);
    if (log == NULL)
        return ERR_NO_MEMORY;
    (void)pthread_mutex_init(&log->lock, NULL);
    enum err err = arena_new(ARENA_MAX, &log->arena);
    if (err == ERR_OK)
        err = workers_new(1, KMIP_LOG_QUEUE_MAX, &log->thread);
    if (err == ERR_OK)
        err = kmip_log_configure(log, config, detail);
    if (err != ERR_OK) {
        kmip_log_free(log);
        return err;
    }
    *ret_log = log;
    return ERR_OK;
}

void kmip_log_free(struct kmip_log *log)
{
    if (log == NULL)
        return;
    workers_free(log->thread);
    arena_free(log->arena);
    buf_done(&log->text);
    (void)pthread_mutex_destroy(&log->lock);
    free(log);
}

enum kmip_log_level kmip_log_level(const struct kmip_log *log)
{
    return (enum kmip_log_level)atomic_load_explicit(&log->level, memory_order_relaxed);
}

bool kmip_log_headers(const struct kmip_log *log)
{
    return atomic_load_explicit(&log->headers, memory_order_relaxed);
}

static struct entry *copy_message(struct kmip_log *log, const struct kmip_log_message *m,
                                  bool whole)
{
    size_t headers = whole && m->headers != NULL ? strlen(m->headers) : 0;
    size_t len = whole ? m->bytes.len : 0;
    size_t size = sizeof(struct entry) + headers + len;
    struct entry *e = malloc(size);
    if (e == NULL)
        return NULL;
    *e = (struct entry){.log = log,
                        .time_us = clock_now_us(),
                        .since_us = m->since_us,
                        .connection = m->connection,
                        .took_ns = m->took_ns,
                        .answer = m->answer,
                        .has_processed = m->processed != NULL,
                        .format = m->format,
                        .err = m->err,
                        .headers_len = headers,
                        .len = len,
                        .size = size};
    if (m->processed != NULL)
        e->processed = *m->processed;
    (void)snprintf(e->peer, sizeof e->peer, "%s", m->peer);
    (void)snprintf(e->client, sizeof e->client, "%s", m->client != NULL ? m->client : "");
    if (headers != 0)
        memcpy(e->bytes, m->headers, headers);
    if (len != 0)
        memcpy(e->bytes + headers, m->bytes.data, len);
    return e;
}

void kmip_log_message(struct kmip_log *log, const struct kmip_log_message *message)
{
    enum kmip_log_level level = kmip_log_level(log);
    /* basic: the answer says it all */
    if (level == KMIP_LOG_OFF || (level == KMIP_LOG_BASIC && !message->answer))
        return;
    struct entry *e = NULL;
    if (atomic_load(&log->queued) < KMIP_LOG_BYTES_MAX)
        e = copy_message(log, message, level == KMIP_LOG_MESSAGES);
    if (e == NULL) {
        kmip_metrics_log_dropped();
        return;
    }
    atomic_fetch_add(&log->queued, e->size);
    if (workers_submit(log->thread, write_entry, e) == ERR_OK)
        return;
    kmip_metrics_log_dropped();
    atomic_fetch_sub(&log->queued, e->size);
    explicit_bzero(e, e->size);
    free(e);
}
