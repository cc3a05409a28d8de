#include "crypto/split.h"
#include "keeper/object.h"

/* OBJECT_SPLIT  actor | object | u32 method | u32 threshold | u16 length, prime |
 *               count times: object (to be made) -> count times: made
 * OBJECT_JOIN   actor | object (to be made) | u32 method | u32 threshold | u16 length, prime | spec
 * | count times: object | u32 number -> made
 *
 * A part is a secret without an algorithm: it can't be used, only be released, wrapped and joined.
 * It bears the restrictions of what was split, and what is joined those of its parts. */

_Static_assert(KEEPER_SPLIT_MAX == SPLIT_PARTS_MAX, "client_derive.h");

struct split_job {
    struct object_job base;
    struct split_spec split;
    unsigned count;
    struct keeper_row rows[KEEPER_SPLIT_MAX];
    struct bytes names[KEEPER_SPLIT_MAX];
    struct secret *parts[KEEPER_SPLIT_MAX];
    uint32_t numbers[KEEPER_SPLIT_MAX];
    struct object object; /* what is split, or was joined */
    struct keeper_row row;
    struct keeper_object_spec spec;
    struct secret *joined;
    struct secret *canonical;
};

static void split_done(struct object_job *base)
{
    struct split_job *job = (struct split_job *)base;
    for (unsigned i = 0; i < KEEPER_SPLIT_MAX; i++)
        secret_free(job->parts[i]);
    secret_free(job->joined);
    secret_free(job->canonical);
}

static struct split_spec get_split(struct reader *r, unsigned count)
{
    struct split_spec split = {.method = reader_u32(r), .parts = count};
    split.threshold = reader_u32(r);
    split.prime = reader_bytes16(r);
    if (split.prime.len > SPLIT_PRIME_MAX)
        reader_fail(r, ERR_LIMIT);
    return split;
}

static enum err split_job_new(struct core_call *call, const struct split_spec *split,
                              struct split_job **ret_job)
{
    struct object_job *made = NULL;
    TRY(object_job_new(call, sizeof(struct split_job), &made));
    AUTO(object_job_freep) struct object_job *base = made;
    struct split_job *job = (struct split_job *)base;
    base->done = split_done;
    job->split = *split;
    job->count = split->parts;
    TRY(object_job_own(base, &job->split.prime));
    *ret_job = (struct split_job *)TAKE(base);
    return ERR_OK;
}

/* One record for each part. */
static enum err record_part(struct core_call *call, struct split_job *job, unsigned at,
                            const char *word)
{
    struct audit_event event = call->event;
    event.row = job->rows[at].row;
    event.epoch = job->rows[at].epoch;
    event.domain = job->rows[at].domain;
    char text[JOB_TEXT_MAX];
    struct writer w = writer_of(text, sizeof text);
    writer_bytes(&w, job->names[at]);
    writer_bytes(&w, bytes_str(word));
    writer_bytes(&w, job->base.job.event.text);
    event.text = writer_view(&w);
    return core_record(call->core, &event);
}

static enum err split_work(struct core_job *base)
{
    struct split_job *job = (struct split_job *)base;
    return split_make(&job->split, job->object.material, job->parts, &base->detail);
}

static enum err split_finish(struct core_call *call, struct core_job *base)
{
    struct split_job *job = (struct split_job *)base;
    for (unsigned i = 0; i < job->count; i++) {
        struct object part = {.class = CRYPTO_SECRET,
                              .bits = (uint32_t)(8 * secret_len(job->parts[i])),
                              .flags = job->object.flags,
                              .material = secret_view(job->parts[i])};
        TRY(call_object_make(call, &job->rows[i], &part, bytes_of(NULL, 0), NULL));
    }
    for (unsigned i = 0; i < job->count; i++)
        TRY(record_part(call, job, i, " part of "));
    call->recorded = true;
    return ERR_OK;
}

static enum err split_run(struct core_call *call, const struct object *object,
                          const struct split_spec *split, struct reader *parts)
{
    struct split_job *job = NULL;
    TRY(split_job_new(call, split, &job));
    AUTO(object_job_freep) struct object_job *base = &job->base;
    job->object = *object;
    TRY(object_job_hold(base, &job->object.material));
    for (unsigned i = 0; i < job->count; i++) {
        struct keeper_object part = message_get_object_new(parts);
        job->rows[i] = part.row;
        job->names[i] = part.name;
        TRY(object_job_own(base, &job->names[i]));
    }
    base->job.work = split_work;
    base->job.finish = split_finish;
    return object_job_run(call, TAKE(base), true);
}

enum err verb_object_split(struct core_call *call)
{
    (void)call_actor(call);
    struct keeper_object named = message_get_object_there(&call->in);
    call_note_object(call, &named);
    struct split_spec split = get_split(&call->in, call->head.count);
    struct reader parts = call->in;
    for (unsigned i = 0; i < call->head.count; i++)
        (void)message_get_object_new(&call->in);
    TRY(call_read(call));
    TRY(call_allow(call, KEEPER_KMIP_CREATE, named.row.table, call->head.count));
    struct object object;
    TRY(call_object_open(call, &named, OBJECT_ROOM_A, &object));
    if ((object.flags & KEEPER_NO_EXTRACT) != 0)
        return err_set(&call->detail, ERR_DENIED, "it was made never to leave");
    TRY(object_here(&object, &call->detail));
    return split_run(call, &object, &split, &parts);
}

static enum err join_work(struct core_job *base)
{
    struct split_job *job = (struct split_job *)base;
    struct split_part parts[KEEPER_SPLIT_MAX];
    for (unsigned i = 0; i < job->count; i++)
        parts[i] =
            (struct split_part){.number = job->numbers[i], .share = secret_view(job->parts[i])};
    size_t len = job->spec.class == CRYPTO_PRIVATE ? 0 : job->spec.bits / 8;
    TRY(split_join(&job->split, parts, job->count, len, &job->joined, &base->detail));
    return object_check(&job->spec, 0, secret_view(job->joined), &job->canonical, &job->object,
                        &base->detail);
}

static enum err join_finish(struct core_call *call, struct core_job *base)
{
    struct split_job *job = (struct split_job *)base;
    TRY(call_object_make(call, &job->row, &job->object, bytes_of(NULL, 0), NULL));
    TRY(core_record(call->core, &call->event));
    for (unsigned i = 0; i < job->count; i++)
        TRY(record_part(call, job, i, " joined to "));
    call->recorded = true;
    return ERR_OK;
}

static enum err join_open(struct core_call *call, struct split_job *job, struct reader *parts)
{
    for (unsigned i = 0; i < job->count; i++) {
        struct keeper_object named = message_get_object_there(parts);
        job->numbers[i] = reader_u32(parts);
        struct object part;
        TRY(call_object_open(call, &named, OBJECT_ROOM_A, &part));
        TRY(object_here(&part, &call->detail));
        if (part.class != CRYPTO_SECRET || part.alg != 0)
            return err_set(&call->detail, ERR_ARGUMENT, "it is no part of a split key");
        TRY(secret_dup(part.material, &job->parts[i]));
        job->spec.flags |= part.flags & (KEEPER_NO_RELEASE | KEEPER_NO_EXTRACT);
        job->rows[i] = named.row;
        job->names[i] = named.name;
        TRY(object_job_own(&job->base, &job->names[i]));
    }
    return ERR_OK;
}

enum err verb_object_join(struct core_call *call)
{
    (void)call_actor(call);
    struct keeper_object named = message_get_object_new(&call->in);
    call_note_object(call, &named);
    struct split_spec split = get_split(&call->in, call->head.count);
    struct keeper_object_spec spec = message_get_spec(&call->in);
    struct reader parts = call->in;
    for (unsigned i = 0; i < call->head.count; i++) {
        (void)message_get_object_there(&call->in);
        (void)reader_u32(&call->in);
    }
    TRY(call_read(call));
    TRY(call_allow(call, KEEPER_KMIP_CREATE, named.row.table, 1));
    if ((spec.flags & KEEPER_IN_TOKEN) != 0)
        return err_set(&call->detail, ERR_TOKEN_UNABLE, "parts can't be joined in the token");
    struct split_job *job = NULL;
    TRY(split_job_new(call, &split, &job));
    AUTO(object_job_freep) struct object_job *base = &job->base;
    job->row = named.row;
    job->spec = spec;
    TRY(join_open(call, job, &parts));
    base->job.work = join_work;
    base->job.finish = join_finish;
    return object_job_run(call, TAKE(base), true);
}
