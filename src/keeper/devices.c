#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "crypto/check_value.h"
#include "keeper/call.h"
#include "keeper/client_line.h"

/* DEVICES  actor | u32 domain | u32 epoch | u16 bytes of a ciphertext
 *          | count times: u64 node id | 8 check value | ciphertext
 *          -> count times: u16 enum err | (ERR_OK: made)
 *
 * All workers open the rows of one message, each the next that nobody has taken, so that the token
 * has as many requests at a time as it has sessions for us. */

#define HELPERS  31 /* other workers that may join in; one that comes late finds nothing to do */
#define KEY_SIZE 16

struct device_row {
    uint64_t id;
    uint8_t kcv[KEEPER_KCV];
    uint16_t err;
};

/* What the workers share; lives until the last of them has let go of it. */
struct devices {
    atomic_uint users, next;
    const struct keeper_token *token;
    unsigned count;
    size_t size;
    struct buf ciphertexts;
    struct secret *keys; /* KEY_SIZE bytes each */
    struct device_row *rows;
    pthread_mutex_t mutex;
    pthread_cond_t finished;
    unsigned done;             /* under the mutex */
    enum err err;              /* the token's, the first; under the mutex */
    struct err_detail failure; /* its text */
};

struct devices_job {
    struct core_job job;
    struct devices *devices;
    uint32_t domain, epoch;
};

static void devices_unref(struct devices *d)
{
    if (d == NULL || atomic_fetch_sub(&d->users, 1) != 1)
        return;
    secret_free(d->keys);
    buf_done(&d->ciphertexts);
    free(d->rows);
    (void)pthread_cond_destroy(&d->finished);
    (void)pthread_mutex_destroy(&d->mutex);
    free(d);
}

static void devices_unrefp(struct devices **d)
{
    devices_unref(*d);
}

static void devices_release(struct core_job *base)
{
    devices_unref(((struct devices_job *)base)->devices);
}

static enum err devices_new(const struct keeper_token *token, unsigned count, size_t size,
                            struct devices **ret_devices)
{
    struct devices *made = calloc(1, sizeof *made);
    if (made == NULL)
        return ERR_NO_MEMORY;
    made->users = 1;
    (void)pthread_mutex_init(&made->mutex, NULL);
    (void)pthread_cond_init(&made->finished, NULL);
    AUTO(devices_unrefp) struct devices *d = made;
    d->token = token;
    d->count = count;
    d->size = size;
    d->rows = calloc((size_t)count + 1, sizeof *d->rows);
    if (d->rows == NULL)
        return ERR_NO_MEMORY;
    TRY(secret_new((size_t)count * KEY_SIZE, &d->keys));
    *ret_devices = TAKE(d);
    return ERR_OK;
}

/* Whatever is wrong with the padding or the length is one error: who may try ciphertexts must not
 * learn at which step each was thrown out. */
static enum err open_row(struct devices *d, unsigned i, struct err_detail *detail)
{
    struct device_row *row = &d->rows[i];
    AUTO(secret_freep) struct secret *key = NULL;
    enum err err = d->token->ops->oaep_decrypt(d->token->ctx, OAEP_SHA1,
                                               bytes_of(d->ciphertexts.data + i * d->size, d->size),
                                               &key, detail);
    row->err = ERR_OK;
    if (err == ERR_OK && secret_len(key) != KEY_SIZE)
        err = ERR_DECRYPT;
    if (err == ERR_DECRYPT)
        row->err = ERR_DECRYPT;
    if (err != ERR_OK)
        return err == ERR_DECRYPT ? ERR_OK : err;
    uint8_t kcv[CHECK_VALUE_SIZE];
    TRY(check_value_of(secret_view(key), kcv));
    if (!secret_equal(BYTES(kcv), BYTES(row->kcv)))
        row->err = ERR_MISMATCH;
    else
        memcpy(secret_data(d->keys) + (size_t)i * KEY_SIZE, secret_view(key).data, KEY_SIZE);
    return ERR_OK;
}

/* Takes rows until there are no more. */
static void open_rows(struct devices *d)
{
    for (;;) {
        unsigned i = atomic_fetch_add(&d->next, 1);
        if (i >= d->count)
            return;
        struct err_detail detail = {0};
        enum err err = open_row(d, i, &detail);
        (void)pthread_mutex_lock(&d->mutex);
        if (err != ERR_OK && d->err == ERR_OK) {
            d->err = err;
            d->failure = detail;
            /* the rest would fail the same way, after a time-out each */
            unsigned taken = atomic_exchange(&d->next, d->count);
            if (taken < d->count)
                d->done += d->count - taken;
        }
        if (++d->done == d->count)
            (void)pthread_cond_broadcast(&d->finished);
        (void)pthread_mutex_unlock(&d->mutex);
    }
}

static void help(void *arg)
{
    open_rows(arg);
    devices_unref(arg);
}

static enum err devices_work(struct core_job *base)
{
    struct devices *d = ((struct devices_job *)base)->devices;
    struct workers *workers = base->core->config.workers;
    for (unsigned i = 0; workers != NULL && i < HELPERS && i + 1 < d->count; i++) {
        atomic_fetch_add(&d->users, 1);
        if (workers_submit(workers, help, d) != ERR_OK) {
            atomic_fetch_sub(&d->users, 1); /* ours is there yet */
            break;
        }
    }
    open_rows(d);
    /* Only for rows that somebody is at: helpers that have not begun have none. */
    (void)pthread_mutex_lock(&d->mutex);
    while (d->done < d->count)
        (void)pthread_cond_wait(&d->finished, &d->mutex);
    enum err err = d->err;
    base->detail = d->failure;
    (void)pthread_mutex_unlock(&d->mutex);
    return err;
}

static enum err devices_finish(struct core_call *call, struct core_job *base)
{
    struct devices_job *job = (struct devices_job *)base;
    struct devices *d = job->devices;
    struct row_ranges ranges;
    call->recorded = true;
    call->event.table = KEEPER_NODE;
    ranges_init(&ranges, call->core, &call->event);
    for (unsigned i = 0; i < d->count; i++) {
        writer_u16(call->out, d->rows[i].err);
        if (d->rows[i].err != ERR_OK)
            continue;
        struct keeper_row row = {job->domain, KEEPER_NODE, d->rows[i].id, job->epoch};
        struct keeper_made made;
        TRY(domains_seal(call->core->domains, &row,
                         bytes_of(secret_data(d->keys) + (size_t)i * KEY_SIZE, KEY_SIZE), &made));
        message_put_made(call->out, &made);
        TRY(ranges_add(&ranges, row.row));
        call->core->counters.imported++;
    }
    return ranges_end(&ranges);
}

enum err verb_devices(struct core_call *call)
{
    struct reader *in = &call->in;
    (void)call_actor(call);
    uint32_t domain = call->event.domain = reader_u32(in);
    uint32_t epoch = call->event.epoch = reader_u32(in);
    size_t size = reader_u16(in);
    unsigned count = call->head.count;
    if (count == 0 || count > keeper_devices_max(size))
        reader_fail(in, ERR_ARGUMENT);
    struct reader rows = *in;
    for (unsigned i = 0; i < count && in->err == ERR_OK; i++) {
        if (reader_u64(in) == 0)
            reader_fail(in, ERR_ARGUMENT);
        (void)reader_bytes(in, KEEPER_KCV + size);
    }
    TRY(call_read(call));
    if (domains_find(call->core->domains, domain) == NULL)
        return ERR_NOT_FOUND;
    AUTO(devices_unrefp) struct devices *d = NULL;
    TRY(devices_new(&call->core->config.token, count, size, &d));
    for (unsigned i = 0; i < count; i++) {
        d->rows[i].id = reader_u64(&rows);
        reader_copy(&rows, d->rows[i].kcv, KEEPER_KCV);
        TRY(buf_append(&d->ciphertexts, reader_bytes(&rows, size)));
    }
    struct core_job *made = NULL;
    TRY(job_new(call, sizeof(struct devices_job), &made));
    AUTO(job_freep) struct core_job *base = made;
    base->release = devices_release;
    struct devices_job *job = (struct devices_job *)base;
    job->domain = domain;
    job->epoch = epoch;
    job->devices = TAKE(d);
    base->work = devices_work;
    base->finish = devices_finish;
    return job_submit(call, TAKE(base));
}
