#include "crypto/hash_alg.h"
#include "keeper/object.h"

/* OBJECT_RELEASE  actor | object -> u32 length, material
 * OBJECT_DIGEST   actor | object | u32 hash -> u16 length, digest
 * OBJECT_REFLAG   actor | object | u32 flags | row -> u32 length, sealed
 * OBJECT_RESEAL   actor | count times: row | u32 length, sealed
 *                 -> count times: u16 enum err | (u32 length, sealed)
 * OBJECT_DESTROY  actor | object ->
 *
 * Nothing on the way of a release takes memory. */

struct token_job {
    struct object_job base;
    struct keeper_token_object object;
    struct secret *material;
};

static void token_done(struct object_job *base)
{
    secret_free(((struct token_job *)base)->material);
}

static enum err token_run(struct core_call *call, const struct object *object,
                          enum err (*work)(struct core_job *job),
                          enum err (*finish)(struct core_call *call, struct core_job *job))
{
    struct object_job *base = NULL;
    TRY(object_job_new(call, sizeof(struct token_job), &base));
    ((struct token_job *)base)->object = object_in_token(object);
    base->done = token_done;
    base->job.work = work;
    base->job.finish = finish;
    return object_job_run(call, base, true);
}

static enum err release_work(struct core_job *base)
{
    struct token_job *job = (struct token_job *)base;
    const struct keeper_token *token = &base->core->config.token;
    return token->ops->object_release(token->ctx, &job->object, &job->material, &base->detail);
}

static enum err release_finish(struct core_call *call, struct core_job *base)
{
    writer_bytes32(call->out, secret_view(((struct token_job *)base)->material));
    call->core->counters.released++;
    return ERR_OK;
}

enum err verb_object_release(struct core_call *call)
{
    (void)call_actor(call);
    struct keeper_object named = message_get_object_there(&call->in);
    call_note_object(call, &named);
    TRY(call_read(call));
    TRY(call_allow(call, KEEPER_KMIP_RELEASE, named.row.table, 1));
    struct object object;
    TRY(call_object_open(call, &named, OBJECT_ROOM_A, &object));
    if ((object.flags & (KEEPER_NO_RELEASE | KEEPER_NO_EXTRACT)) != 0)
        return err_set(&call->detail, ERR_DENIED, "it was made never to leave in clear");
    if ((object.flags & KEEPER_IN_TOKEN) != 0)
        return token_run(call, &object, release_work, release_finish);
    writer_bytes32(call->out, object.material);
    call->core->counters.released++;
    return ERR_OK;
}

enum err verb_object_digest(struct core_call *call)
{
    (void)call_actor(call);
    struct keeper_object named = message_get_object_there(&call->in);
    call_note_object(call, &named);
    uint32_t hash = reader_u32(&call->in);
    TRY(call_read(call));
    call_note_word(call, "digest");
    TRY(call_allow(call, KEEPER_KMIP_USE, named.row.table, 1));
    struct object object;
    TRY(call_object_open(call, &named, OBJECT_ROOM_A, &object));
    TRY(object_here(&object, &call->detail));
    uint8_t digest[HASH_ALG_MAX];
    size_t len = 0;
    struct bytes digested = {0};
    TRY(object_digested(&object, &digested));
    TRY(hash_alg(hash, &digested, 1, digest, &len));
    writer_bytes16(call->out, bytes_of(digest, len));
    return ERR_OK;
}

enum err verb_object_reflag(struct core_call *call)
{
    (void)call_actor(call);
    struct keeper_object named = message_get_object_there(&call->in);
    call_note_object(call, &named);
    uint32_t flags = reader_u32(&call->in);
    struct keeper_row row = message_get_row(&call->in);
    if (row.table != KEEPER_OBJECT)
        reader_fail(&call->in, ERR_ARGUMENT);
    TRY(call_read(call));
    if ((flags & KEEPER_NO_RELEASE) != 0)
        call_note_word(call, "no-release");
    if ((flags & KEEPER_NO_EXTRACT) != 0)
        call_note_word(call, "no-extract");
    TRY(call_allow(call, KEEPER_KMIP_CREATE, named.row.table, 1));
    struct object object;
    TRY(call_object_open(call, &named, OBJECT_ROOM_A, &object));
    /* what was said of a key is said for good, and where it lies is not changed by saying so */
    const uint32_t may_add = KEEPER_NO_RELEASE | KEEPER_NO_EXTRACT;
    if ((object.flags & ~flags) != 0 || (flags & ~(object.flags | may_add)) != 0)
        return err_set(&call->detail, ERR_STATE, "restrictions of a key can only be added");
    object.flags = flags;
    return call_object_put(call, &row, &object);
}

static enum err reseal_one(struct core_call *call, const struct keeper_object *named)
{
    struct object object;
    TRY(call_object_open(call, named, OBJECT_ROOM_A, &object));
    struct writer *out = call->out;
    size_t at = out->len;
    writer_u16(out, ERR_OK);
    enum err err = call_object_put(call, &named->row, &object);
    if (err != ERR_OK) {
        out->len = at;
        out->err = ERR_OK;
    }
    return err;
}

static void refuse_one(struct core_call *call, const struct keeper_object *named, enum err err)
{
    writer_u16(call->out, (uint16_t)err);
    struct audit_event event = call->event;
    event.result = err;
    event.domain = named->row.domain;
    event.table = named->row.table;
    event.row = named->row.row;
    event.epoch = named->row.epoch;
    core_refuse(call->core, &event);
}

static struct keeper_object get_short(struct reader *r)
{
    struct keeper_object object = {.name = {NULL, 0}};
    object.row = message_get_row(r);
    object.sealed = reader_bytes32(r);
    if (object.row.table != KEEPER_OBJECT || object.sealed.len <= KEEPER_OBJECT_OVERHEAD ||
        object.sealed.len > KEEPER_OBJECT_SEALED_MAX)
        reader_fail(r, ERR_ARGUMENT);
    return object;
}

enum err verb_object_reseal(struct core_call *call)
{
    (void)call_actor(call);
    struct reader rows = call->in;
    for (unsigned i = 0; i < call->head.count; i++) {
        struct keeper_object named = get_short(&call->in);
        if (i == 0 && call->in.err == ERR_OK)
            call->event.domain = named.row.domain;
    }
    TRY(call_read(call));
    call->event.table = KEEPER_OBJECT;
    for (unsigned i = 0; i < call->head.count; i++) {
        struct keeper_object named = get_short(&rows);
        enum err err = reseal_one(call, &named);
        if (err == ERR_OK)
            call->event.row++;
        else
            refuse_one(call, &named, err);
    }
    return ERR_OK;
}

static enum err destroy_work(struct core_job *base)
{
    struct token_job *job = (struct token_job *)base;
    const struct keeper_token *token = &base->core->config.token;
    return token->ops->object_destroy(token->ctx, &job->object, &base->detail);
}

static enum err nothing_to_answer(struct core_call *call, struct core_job *base)
{
    (void)call;
    (void)base;
    return ERR_OK;
}

enum err verb_object_destroy(struct core_call *call)
{
    (void)call_actor(call);
    struct keeper_object named = message_get_object(&call->in);
    call_note_object(call, &named);
    TRY(call_read(call));
    TRY(call_allow(call, KEEPER_KMIP_CREATE, named.row.table, 1));
    if (named.sealed.len == 0)
        return ERR_OK;
    struct object object;
    TRY(call_object_open_reserved(call, &named, OBJECT_ROOM_A, &object));
    if ((object.flags & KEEPER_IN_TOKEN) == 0)
        return ERR_OK;
    return token_run(call, &object, destroy_work, nothing_to_answer);
}
