#include "keeper/object.h"
#include "keeper/stream.h"

/* STREAM_BEGIN   actor | object | input (without data) -> u32 stream | output (without data)
 * STREAM_UPDATE  u32 stream | u32 length, data -> u32 length, data
 * STREAM_END     u32 stream | u16 length, tag | u32 length, data -> output
 * STREAM_DROP    u32 stream ->
 *
 * There is a record of its beginning and one of its end. A stream of the token, and one that ends
 * with a private key, goes on in jobs, which have it to themselves meanwhile. */

struct stream_job {
    struct object_job base;
    struct stream *stream;
    struct object object; /* of one that is begun */
    struct keeper_token_object in_token;
    struct crypto_input input;
    struct crypto_output output;
    struct buf data;
    bool ends;
};

static void note_stream(struct core_call *call, const struct stream *stream)
{
    memcpy(call->actor, stream->actor, stream->actor_len);
    call->event.actor = bytes_of(call->actor, stream->actor_len);
    call->event.purpose = KEEPER_KMIP_USE;
    struct keeper_object named = {.row = stream->row,
                                  .name = bytes_of(stream->name, stream->name_len)};
    call_note_object(call, &named);
}

static void note_what(struct core_call *call, const struct stream *stream, const char *when)
{
    call_note_word(call, when);
    call_note_word(call, object_op_name(stream->op));
    call_note_word(call, object_alg_name(stream->alg));
    if (stream->mode != 0)
        call_note_word(call, object_mode_name(stream->mode));
}

static void describe(struct core_call *call, struct stream *stream,
                     const struct keeper_object *named, const struct object *object,
                     const struct crypto_input *input)
{
    stream->row = named->row;
    stream->actor_len = (uint8_t)call->event.actor.len;
    memcpy(stream->actor, call->event.actor.data, call->event.actor.len);
    stream->name_len = (uint8_t)named->name.len;
    memcpy(stream->name, named->name.data, named->name.len);
    stream->op = input->op;
    stream->alg = object->alg;
    stream->mode = input->params.mode;
    stream->heavy = object->class == CRYPTO_PRIVATE;
}

/* The job is over: what it had is the table's again, or is closed. */
static void job_done(struct object_job *base)
{
    struct stream_job *job = (struct stream_job *)base;
    struct core *core = base->job.core;
    buf_done(&job->data);
    if (job->stream == NULL)
        return;
    job->stream->busy = false;
    if (job->ends || job->stream->doomed || base->job.err != ERR_OK)
        stream_close(core->streams, job->stream);
}

static enum err stream_job_new(struct core_call *call, struct stream *stream,
                               struct stream_job **ret_job)
{
    struct object_job *base = NULL;
    TRY(object_job_new(call, sizeof(struct stream_job), &base));
    struct stream_job *job = (struct stream_job *)base;
    base->done = job_done;
    job->stream = stream;
    stream->busy = true;
    job->output.data = &job->data;
    *ret_job = job;
    return ERR_OK;
}

static enum err begin_work(struct core_job *base)
{
    struct stream_job *job = (struct stream_job *)base;
    const struct keeper_token *token = &base->core->config.token;
    return token->ops->stream_begin(token->ctx, &job->in_token, &job->input, &job->output,
                                    &job->stream->token, &base->detail);
}

static enum err begin_finish(struct core_call *call, struct core_job *base)
{
    struct stream_job *job = (struct stream_job *)base;
    writer_u32(call->out, job->stream->id);
    message_put_output(call->out, &job->output, bytes_of(NULL, 0));
    return ERR_OK;
}

static enum err begin_in_token(struct core_call *call, const struct object *object,
                               const struct crypto_input *input, struct stream *stream)
{
    struct stream_job *job = NULL;
    enum err err = stream_job_new(call, stream, &job);
    if (err != ERR_OK) {
        stream_close(call->core->streams, stream);
        return err;
    }
    AUTO(object_job_freep) struct object_job *base = &job->base;
    base->job.err = ERR_BUSY; /* until it ran: the stream is closed with it */
    job->in_token = object_in_token(object);
    job->input = *input;
    TRY(object_job_own_input(base, &job->input));
    base->job.work = begin_work;
    base->job.finish = begin_finish;
    return object_job_run(call, TAKE(base), true);
}

static enum err begin_here(struct core_call *call, const struct object *object,
                           const struct crypto_input *input, struct stream *stream)
{
    struct crypto_key key = object_key(object);
    struct crypto_output output = {.data = &call->core->work};
    TRY(crypto_stream_begin(&key, input, &output, &stream->crypto, &call->detail));
    writer_u32(call->out, stream->id);
    message_put_output(call->out, &output, bytes_of(NULL, 0));
    return ERR_OK;
}

enum err verb_stream_begin(struct core_call *call)
{
    (void)call_actor(call);
    struct keeper_object named = message_get_object_there(&call->in);
    call_note_object(call, &named);
    struct crypto_input input = message_get_input(&call->in);
    if (input.data.len != 0)
        reader_fail(&call->in, ERR_ARGUMENT);
    TRY(call_read(call));
    TRY(call_allow(call, KEEPER_KMIP_USE, named.row.table, 1));
    struct object object;
    TRY(call_object_open(call, &named, OBJECT_ROOM_A, &object));
    struct stream *stream = NULL;
    TRY(stream_open(call->core->streams, call->conn, call->now_ns, &stream));
    describe(call, stream, &named, &object, &input);
    note_what(call, stream, "begin");
    if ((object.flags & KEEPER_IN_TOKEN) != 0)
        return begin_in_token(call, &object, &input, stream);
    enum err err = begin_here(call, &object, &input, stream);
    if (err != ERR_OK)
        stream_close(call->core->streams, stream);
    return err;
}

static enum err go_on(const struct keeper_token *token, struct stream *stream, struct bytes data,
                      struct buf *to, struct err_detail *detail)
{
    if (data.len == 0)
        return ERR_OK;
    return stream->token != NULL
               ? token->ops->stream_update(token->ctx, stream->token, data, to, detail)
               : crypto_stream_update(stream->crypto, data, to, detail);
}

static enum err end(const struct keeper_token *token, struct stream *stream, struct bytes data,
                    struct bytes tag, struct crypto_output *output, struct err_detail *detail)
{
    TRY(go_on(token, stream, data, output->data, detail));
    return stream->token != NULL
               ? token->ops->stream_end(token->ctx, stream->token, tag, output, detail)
               : crypto_stream_end(stream->crypto, tag, output, detail);
}

static enum err piece_work(struct core_job *base)
{
    struct stream_job *job = (struct stream_job *)base;
    const struct keeper_token *token = &base->core->config.token;
    if (!job->ends)
        return go_on(token, job->stream, job->input.data, &job->data, &base->detail);
    return end(token, job->stream, job->input.data, job->input.tag, &job->output, &base->detail);
}

static enum err piece_finish(struct core_call *call, struct core_job *base)
{
    struct stream_job *job = (struct stream_job *)base;
    if (job->ends)
        message_put_output(call->out, &job->output, buf_view(&job->data));
    else
        writer_bytes32(call->out, buf_view(&job->data));
    return ERR_OK;
}

static enum err piece_later(struct core_call *call, struct stream *stream, struct bytes data,
                            struct bytes tag, bool ends)
{
    struct stream_job *job = NULL;
    TRY(stream_job_new(call, stream, &job));
    AUTO(object_job_freep) struct object_job *base = &job->base;
    base->job.err = ERR_BUSY;
    job->ends = ends;
    job->input.data = data;
    job->input.tag = tag;
    TRY(object_job_own_input(base, &job->input));
    base->job.work = piece_work;
    base->job.finish = piece_finish;
    return object_job_run(call, TAKE(base), true);
}

static enum err find(struct core_call *call, uint32_t id, struct stream **ret_stream)
{
    TRY(stream_find(call->core->streams, call->conn, id, call->now_ns, ret_stream));
    note_stream(call, *ret_stream);
    return ERR_OK;
}

enum err verb_stream_update(struct core_call *call)
{
    uint32_t id = reader_u32(&call->in);
    struct bytes data = reader_bytes32(&call->in);
    TRY(call_read(call));
    struct stream *stream = NULL;
    TRY(find(call, id, &stream));
    TRY(call_allow(call, KEEPER_KMIP_USE, stream->row.table, 1));
    if (stream->token != NULL)
        return piece_later(call, stream, data, bytes_of(NULL, 0), false);
    struct core *core = call->core;
    enum err err = go_on(&core->config.token, stream, data, &core->work, &call->detail);
    if (err != ERR_OK) {
        stream_close(core->streams, stream);
        return err;
    }
    writer_bytes32(call->out, buf_view(&core->work));
    return ERR_OK;
}

enum err verb_stream_end(struct core_call *call)
{
    uint32_t id = reader_u32(&call->in);
    struct bytes tag = reader_bytes16(&call->in);
    struct bytes data = reader_bytes32(&call->in);
    TRY(call_read(call));
    struct stream *stream = NULL;
    TRY(find(call, id, &stream));
    note_what(call, stream, "end");
    if (stream->token != NULL || stream->heavy)
        return piece_later(call, stream, data, tag, true);
    struct core *core = call->core;
    struct crypto_output output = {.data = &core->work};
    enum err err = end(&core->config.token, stream, data, tag, &output, &call->detail);
    stream_close(core->streams, stream);
    TRY(err);
    message_put_output(call->out, &output, buf_view(&core->work));
    return ERR_OK;
}

enum err verb_stream_drop(struct core_call *call)
{
    uint32_t id = reader_u32(&call->in);
    TRY(call_read(call));
    struct stream *stream = NULL;
    enum err err = stream_find(call->core->streams, call->conn, id, call->now_ns, &stream);
    if (err == ERR_OK)
        stream_close(call->core->streams, stream);
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}
