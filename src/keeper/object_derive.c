#include "crypto/derive.h"
#include "crypto/keygen.h"
#include "keeper/object.h"

/* OBJECT_DERIVE  actor | object (to be made) | object (base) | u8 with a data key | (object) |
 *                u32 method | params | u16 length, IV | u16 length, salt | u32 iterations |
 *                u16 length, peer | u32 length, data | spec -> made */

struct derive_job {
    struct object_job base;
    struct keeper_row row;
    struct keeper_object_spec spec;
    struct derive_input input;
    size_t len;
    struct secret *derived;
    struct secret *canonical;
    struct object object;
};

static void derive_done(struct object_job *base)
{
    struct derive_job *job = (struct derive_job *)base;
    secret_free(job->derived);
    secret_free(job->canonical);
}

static enum err derive_work(struct core_job *base)
{
    struct derive_job *job = (struct derive_job *)base;
    TRY(derive_key(&job->input, job->len, &job->derived, &base->detail));
    return object_check(&job->spec, 0, secret_view(job->derived), &job->canonical, &job->object,
                        &base->detail);
}

static enum err derive_finish(struct core_call *call, struct core_job *base)
{
    struct derive_job *job = (struct derive_job *)base;
    call->core->counters.generated++;
    return call_object_make(call, &job->row, &job->object, bytes_of(NULL, 0), NULL);
}

static void get_derive(struct reader *r, struct derive_input *input)
{
    input->method = reader_u32(r);
    input->params = message_get_params(r);
    input->iv = reader_bytes16(r);
    input->salt = reader_bytes16(r);
    input->iterations = reader_u32(r);
    input->peer = reader_bytes16(r);
    input->data = reader_bytes32(r);
}

static enum err own_input(struct object_job *job, struct derive_input *input, bool data_key)
{
    TRY(object_job_hold(job, &input->key.material));
    TRY(object_job_own_params(job, &input->params));
    TRY(object_job_own(job, &input->iv));
    TRY(object_job_own(job, &input->salt));
    TRY(object_job_own(job, &input->peer));
    return data_key ? object_job_hold(job, &input->data) : object_job_own(job, &input->data);
}

/* The second key goes in as data, and comes out again where the method can be turned round: what
 * holds for it holds for what is made of it. */
static enum err open_data_key(struct core_call *call, const struct keeper_object *named,
                              struct derive_input *input, struct keeper_object_spec *spec)
{
    struct object object;
    TRY(call_object_open(call, named, OBJECT_ROOM_B, &object));
    TRY(object_here(&object, &call->detail));
    input->data = object.material;
    spec->flags |= object.flags & (KEEPER_NO_RELEASE | KEEPER_NO_EXTRACT);
    return ERR_OK;
}

static enum err run(struct core_call *call, const struct keeper_row *row,
                    const struct keeper_object_spec *spec, const struct derive_input *input,
                    bool data_key)
{
    size_t len = 0;
    TRY(keygen_len(spec->alg, spec->bits, &len, &call->detail));
    struct object_job *made = NULL;
    TRY(object_job_new(call, sizeof(struct derive_job), &made));
    AUTO(object_job_freep) struct object_job *base = made;
    struct derive_job *job = (struct derive_job *)base;
    base->done = derive_done;
    job->row = *row;
    job->spec = *spec;
    job->input = *input;
    job->len = len;
    TRY(own_input(base, &job->input, data_key));
    base->job.work = derive_work;
    base->job.finish = derive_finish;
    bool slow = input->method == DERIVE_PBKDF2 || input->method == DERIVE_ASYMMETRIC_KEY;
    return object_job_run(call, TAKE(base), slow);
}

enum err verb_object_derive(struct core_call *call)
{
    struct reader *in = &call->in;
    (void)call_actor(call);
    struct keeper_object named = message_get_object_new(in);
    call_note_object(call, &named);
    struct keeper_object base = message_get_object_there(in);
    bool data_key = reader_u8(in) == 1;
    struct keeper_object data = {.name = {NULL, 0}};
    if (data_key)
        data = message_get_object_there(in);
    struct derive_input input;
    get_derive(in, &input);
    struct keeper_object_spec spec = message_get_spec(in);
    if (data_key && input.data.len != 0)
        reader_fail(in, ERR_ARGUMENT);
    TRY(call_read(call));
    call_note_other(call, "from", &base);
    TRY(call_allow(call, KEEPER_KMIP_CREATE, named.row.table, 1));
    if (spec.class == CRYPTO_PRIVATE)
        return err_set(&call->detail, ERR_ARGUMENT, "a private key can't be derived");
    if ((spec.flags & KEEPER_IN_TOKEN) != 0)
        return err_set(&call->detail, ERR_TOKEN_UNABLE, "a derived key can't be put in the token");
    struct object object;
    TRY(call_object_open(call, &base, OBJECT_ROOM_A, &object));
    TRY(object_here(&object, &call->detail));
    input.key = object_key(&object);
    if (data_key)
        TRY(open_data_key(call, &data, &input, &spec));
    return run(call, &named.row, &spec, &input, data_key);
}
