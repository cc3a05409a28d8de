#include "crypto/use.h"
#include "keeper/client_object.h"

/* Room that the other fields of a use take at most: what is left of a packet is data. */
#define FIXED_MAX (KEEPER_HEAD_SIZE + 1 + KEEPER_ACTOR_MAX + KEEPER_ROW_SIZE + 512)

void client_object_begin(struct client_call *call, struct keeper_client *client, uint8_t verb,
                         const char *actor, const struct keeper_object *object)
{
    client_call_begin(call, client, verb);
    client_call_actor(call, actor);
    message_put_object(&call->out, object);
}

enum err client_made_end(struct client_call *call, struct keeper_object_made *made, size_t count,
                         struct err_detail *detail)
{
    TRY(client_call_run(call, detail));
    for (size_t i = 0; i < count; i++)
        TRY(message_take_made(&call->in, &made[i]));
    return client_call_end(call);
}

static enum err make(struct keeper_client *client, uint8_t verb, const char *actor,
                     const struct keeper_object *object, const struct keeper_object_spec *spec,
                     struct keeper_object_made *made, struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_object_begin(&call, client, verb, actor, object);
    call.slow = verb == KEEPER_OBJECT_PAIR;
    message_put_spec(&call.out, spec);
    return client_made_end(&call, made, 1, detail);
}

enum err keeper_object_reserve(struct keeper_client *client, const char *actor,
                               const struct keeper_object *object,
                               const struct keeper_object_spec *spec, struct buf *sealed,
                               struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_object_begin(&call, client, KEEPER_OBJECT_RESERVE, actor, object);
    message_put_spec(&call.out, spec);
    TRY(client_call_run(&call, detail));
    struct bytes got = reader_bytes32(&call.in);
    TRY(reader_status(&call.in));
    TRY(buf_append(sealed, got));
    return client_call_end(&call);
}

enum err keeper_object_generate(struct keeper_client *client, const char *actor,
                                const struct keeper_object *object,
                                const struct keeper_object_spec *spec,
                                struct keeper_object_made *made, struct err_detail *detail)
{
    return make(client, KEEPER_OBJECT_GENERATE, actor, object, spec, made, detail);
}

enum err keeper_object_generate_pair(struct keeper_client *client, const char *actor,
                                     const struct keeper_object *object,
                                     const struct keeper_object_spec *spec,
                                     struct keeper_object_made *made, struct err_detail *detail)
{
    return make(client, KEEPER_OBJECT_PAIR, actor, object, spec, made, detail);
}

enum err keeper_object_seal(struct keeper_client *client, const char *actor,
                            const struct keeper_object *object,
                            const struct keeper_object_spec *spec, struct bytes material,
                            struct keeper_object_made *made, struct err_detail *detail)
{
    if (material.len > KEEPER_OBJECT_MAX)
        return err_set(detail, ERR_LIMIT, "a key of %zu bytes", material.len);
    AUTO(client_call_done) struct client_call call = {0};
    client_object_begin(&call, client, KEEPER_OBJECT_SEAL, actor, object);
    call.secret = true;
    message_put_spec(&call.out, spec);
    writer_bytes32(&call.out, material);
    return client_made_end(&call, made, 1, detail);
}

enum err keeper_object_release(struct keeper_client *client, const char *actor,
                               const struct keeper_object *object, struct buf *material,
                               struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_object_begin(&call, client, KEEPER_OBJECT_RELEASE, actor, object);
    TRY(client_call_run(&call, detail));
    struct bytes got = reader_bytes32(&call.in);
    TRY(reader_status(&call.in));
    TRY(buf_append(material, got));
    return client_call_end(&call);
}

static enum err output_end(struct client_call *call, struct crypto_output *output,
                           struct err_detail *detail)
{
    TRY(client_call_run(call, detail));
    struct bytes data = message_get_output(&call->in, output);
    TRY(reader_status(&call->in));
    if (data.len != 0)
        TRY(buf_append(output->data, data));
    return client_call_end(call);
}

static size_t fixed_size(const struct keeper_object *object, const struct crypto_input *input)
{
    return FIXED_MAX + object->name.len + object->sealed.len + input->iv.len + input->aad.len +
           input->tag.len + input->params.p_source.len;
}

static bool fits(const struct keeper_object *object, const struct crypto_input *input)
{
    return fixed_size(object, input) + input->data.len <= KEEPER_MESSAGE_MAX;
}

static enum err use_once(struct keeper_client *client, const char *actor,
                         const struct keeper_object *object, const struct crypto_input *input,
                         struct crypto_output *output, struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_object_begin(&call, client, KEEPER_OBJECT_USE, actor, object);
    message_put_input(&call.out, input);
    return output_end(&call, output, detail);
}

static enum err stream_all(struct keeper_client *client, uint32_t stream,
                           const struct crypto_input *input, struct crypto_output *output,
                           struct err_detail *detail)
{
    struct bytes data = input->data;
    while (data.len > CLIENT_CHUNK) {
        TRY(keeper_stream_update(client, stream, bytes_of(data.data, CLIENT_CHUNK), output->data,
                                 detail));
        data = bytes_of(data.data + CLIENT_CHUNK, data.len - CLIENT_CHUNK);
    }
    return keeper_stream_end(client, stream, data, input->tag, output, detail);
}

/* What an unfinished stream gave is nobody's: the tag was not checked. */
static void forget(struct buf *data, size_t from)
{
    if (data == NULL || data->len <= from)
        return;
    explicit_bzero(data->data + from, data->len - from);
    data->len = from;
}

static enum err use_in_pieces(struct keeper_client *client, const char *actor,
                              const struct keeper_object *object, const struct crypto_input *input,
                              struct crypto_output *output, struct err_detail *detail)
{
    size_t from = output->data != NULL ? output->data->len : 0;
    struct crypto_output first = {.data = output->data};
    uint32_t stream = 0;
    TRY(keeper_stream_begin(client, actor, object, input, &first, &stream, detail));
    enum err err = stream_all(client, stream, input, output, detail);
    if (err != ERR_OK) {
        forget(output->data, from);
        keeper_stream_drop(client, stream);
        return err;
    }
    if (first.iv_len != 0) {
        memcpy(output->iv, first.iv, first.iv_len);
        output->iv_len = first.iv_len;
    }
    return ERR_OK;
}

enum err keeper_object_use(struct keeper_client *client, const char *actor,
                           const struct keeper_object *object, const struct crypto_input *input,
                           struct crypto_output *output, struct err_detail *detail)
{
    if (input->data.len > CRYPTO_DATA_MAX || input->iv.len > UINT16_MAX ||
        input->aad.len > UINT16_MAX || input->tag.len > UINT16_MAX)
        return err_set(detail, ERR_LIMIT, "too much data for one operation");
    return fits(object, input) ? use_once(client, actor, object, input, output, detail)
                               : use_in_pieces(client, actor, object, input, output, detail);
}

enum err keeper_stream_begin(struct keeper_client *client, const char *actor,
                             const struct keeper_object *object, const struct crypto_input *input,
                             struct crypto_output *output, uint32_t *ret_stream,
                             struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    struct crypto_input without = *input;
    without.data = bytes_of(NULL, 0);
    if (!fits(object, &without))
        return err_set(detail, ERR_LIMIT, "too much additional data");
    client_object_begin(&call, client, KEEPER_STREAM_BEGIN, actor, object);
    message_put_input(&call.out, &without);
    TRY(client_call_run(&call, detail));
    uint32_t stream = reader_u32(&call.in);
    (void)message_get_output(&call.in, output);
    TRY(client_call_end(&call));
    *ret_stream = stream;
    return ERR_OK;
}

static enum err update_one(struct keeper_client *client, uint32_t stream, struct bytes data,
                           struct buf *to, struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_STREAM_UPDATE);
    writer_u32(&call.out, stream);
    writer_bytes32(&call.out, data);
    TRY(client_call_run(&call, detail));
    struct bytes got = reader_bytes32(&call.in);
    TRY(reader_status(&call.in));
    if (got.len != 0)
        TRY(buf_append(to, got));
    return client_call_end(&call);
}

enum err keeper_stream_update(struct keeper_client *client, uint32_t stream, struct bytes data,
                              struct buf *to, struct err_detail *detail)
{
    while (data.len != 0) {
        size_t len = data.len < CLIENT_CHUNK ? data.len : CLIENT_CHUNK;
        TRY(update_one(client, stream, bytes_of(data.data, len), to, detail));
        data = bytes_of(data.data + len, data.len - len);
    }
    return ERR_OK;
}

enum err keeper_stream_end(struct keeper_client *client, uint32_t stream, struct bytes data,
                           struct bytes tag, struct crypto_output *output,
                           struct err_detail *detail)
{
    if (tag.len > KEEPER_MESSAGE_MAX - CLIENT_CHUNK - FIXED_MAX)
        return err_set(detail, ERR_LIMIT, "a tag of %zu bytes", tag.len);
    size_t before = data.len <= CLIENT_CHUNK ? 0 : (data.len - 1) / CLIENT_CHUNK * CLIENT_CHUNK;
    enum err err =
        keeper_stream_update(client, stream, bytes_of(data.data, before), output->data, detail);
    if (err != ERR_OK) {
        keeper_stream_drop(client, stream);
        return err;
    }
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_STREAM_END);
    writer_u32(&call.out, stream);
    writer_bytes16(&call.out, tag);
    writer_bytes32(&call.out, bytes_of(data.data + before, data.len - before));
    return output_end(&call, output, detail);
}

void keeper_stream_drop(struct keeper_client *client, uint32_t stream)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_STREAM_DROP);
    writer_u32(&call.out, stream);
    enum err ignored = client_call_run_empty(&call, NULL);
    (void)ignored; /* it ends by itself, too */
}

enum err keeper_object_digest(struct keeper_client *client, const char *actor,
                              const struct keeper_object *object, uint32_t hash, struct buf *digest,
                              struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_object_begin(&call, client, KEEPER_OBJECT_DIGEST, actor, object);
    writer_u32(&call.out, hash);
    TRY(client_call_run(&call, detail));
    struct bytes got = reader_bytes16(&call.in);
    TRY(reader_status(&call.in));
    TRY(buf_append(digest, got));
    return client_call_end(&call);
}

enum err keeper_object_reflag(struct keeper_client *client, const char *actor,
                              const struct keeper_object *object, uint32_t flags,
                              struct keeper_row row, struct buf *sealed, struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_object_begin(&call, client, KEEPER_OBJECT_REFLAG, actor, object);
    writer_u32(&call.out, flags);
    message_put_row(&call.out, &row);
    TRY(client_call_run(&call, detail));
    struct bytes got = reader_bytes32(&call.in);
    TRY(reader_status(&call.in));
    TRY(buf_append(sealed, got));
    return client_call_end(&call);
}

enum err keeper_object_destroy(struct keeper_client *client, const char *actor,
                               const struct keeper_object *object, struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_object_begin(&call, client, KEEPER_OBJECT_DESTROY, actor, object);
    return client_call_run_empty(&call, detail);
}

/* As many of them as one message takes and its answer holds. */
static enum err reseal_some(struct keeper_client *client, const char *actor,
                            const struct keeper_object *objects, size_t count, struct buf *sealed,
                            struct keeper_object_resealed *ret, size_t *ret_done,
                            struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_OBJECT_RESEAL);
    client_call_actor(&call, actor);
    size_t some = 0;
    for (; some < count && some < KEEPER_RESEAL_MAX; some++) {
        size_t size = KEEPER_ROW_SIZE + 4 + objects[some].sealed.len;
        if (some != 0 && call.out.len + size > KEEPER_MESSAGE_MAX)
            break;
        message_put_row(&call.out, &objects[some].row);
        writer_bytes32(&call.out, objects[some].sealed);
    }
    call.count = (uint16_t)some;
    TRY(client_call_run(&call, detail));
    for (size_t i = 0; i < some; i++) {
        uint16_t err = reader_u16(&call.in);
        ret[i] = (struct keeper_object_resealed){
            .err = err < ERR_COUNT ? (enum err)err : ERR_INTERNAL, .at = sealed->len};
        if (ret[i].err != ERR_OK)
            continue;
        struct bytes one = reader_bytes32(&call.in);
        TRY(reader_status(&call.in));
        TRY(buf_append(sealed, one));
        ret[i].len = one.len;
    }
    *ret_done = some;
    return client_call_end(&call);
}

enum err keeper_object_reseal(struct keeper_client *client, const char *actor,
                              const struct keeper_object *objects, size_t count, struct buf *sealed,
                              struct keeper_object_resealed *ret_resealed,
                              struct err_detail *detail)
{
    for (size_t done = 0; done < count;) {
        size_t some = 0;
        TRY(reseal_some(client, actor, objects + done, count - done, sealed, ret_resealed + done,
                        &some, detail));
        done += some;
    }
    return ERR_OK;
}
