#include "keeper/object_message.h"

#define FLAGS_ALL (KEEPER_NO_RELEASE | KEEPER_NO_EXTRACT | KEEPER_IN_TOKEN)

void message_put_object(struct writer *w, const struct keeper_object *object)
{
    message_put_row(w, &object->row);
    if (object->name.len > KEEPER_OBJECT_NAME_MAX)
        w->err = ERR_ARGUMENT;
    writer_bytes16(w, object->name);
    writer_bytes32(w, object->sealed);
}

struct keeper_object message_get_object(struct reader *r)
{
    struct keeper_object object;
    object.row = message_get_row(r);
    object.name = message_get_text(r, KEEPER_OBJECT_NAME_MAX);
    object.sealed = reader_bytes32(r);
    if (object.row.table != KEEPER_OBJECT || object.sealed.len > KEEPER_OBJECT_SEALED_MAX ||
        (object.sealed.len != 0 && object.sealed.len <= KEEPER_OBJECT_OVERHEAD))
        reader_fail(r, ERR_ARGUMENT);
    return object;
}

struct keeper_object message_get_object_there(struct reader *r)
{
    struct keeper_object object = message_get_object(r);
    if (object.sealed.len == 0)
        reader_fail(r, ERR_ARGUMENT);
    return object;
}

struct keeper_object message_get_object_new(struct reader *r)
{
    struct keeper_object object = message_get_object(r);
    if (object.sealed.len != 0)
        reader_fail(r, ERR_ARGUMENT);
    return object;
}

void message_put_spec(struct writer *w, const struct keeper_object_spec *spec)
{
    writer_u8(w, (uint8_t)spec->class);
    writer_u32(w, spec->alg);
    writer_u32(w, spec->bits);
    writer_u32(w, spec->curve);
    writer_u64(w, spec->exponent);
    writer_u32(w, spec->flags);
}

struct keeper_object_spec message_get_spec(struct reader *r)
{
    struct keeper_object_spec spec;
    uint8_t class = reader_u8(r);
    spec.class = (enum crypto_class) class;
    spec.alg = reader_u32(r);
    spec.bits = reader_u32(r);
    spec.curve = reader_u32(r);
    spec.exponent = reader_u64(r);
    spec.flags = reader_u32(r);
    if ((class != CRYPTO_SYMMETRIC && class != CRYPTO_PRIVATE && class != CRYPTO_SECRET) ||
        (spec.flags & ~(uint32_t)FLAGS_ALL) != 0)
        reader_fail(r, ERR_ARGUMENT);
    return spec;
}

void message_put_params(struct writer *w, const struct crypto_params *params)
{
    writer_u32(w, params->mode);
    writer_u32(w, params->padding);
    writer_u32(w, params->hash);
    writer_u32(w, params->signature);
    writer_u32(w, params->mask_hash);
    writer_u32(w, (uint32_t)params->salt_len);
    writer_u32(w, (uint32_t)params->tag_len);
    writer_u32(w, (uint32_t)params->counter_len);
    writer_u32(w, (uint32_t)params->iv_len);
    writer_u8(w, params->random_iv);
    writer_bytes16(w, params->p_source);
}

struct crypto_params message_get_params(struct reader *r)
{
    struct crypto_params params;
    params.mode = reader_u32(r);
    params.padding = reader_u32(r);
    params.hash = reader_u32(r);
    params.signature = reader_u32(r);
    params.mask_hash = reader_u32(r);
    params.salt_len = (int32_t)reader_u32(r);
    params.tag_len = (int32_t)reader_u32(r);
    params.counter_len = (int32_t)reader_u32(r);
    params.iv_len = (int32_t)reader_u32(r);
    params.random_iv = reader_u8(r) != 0;
    params.p_source = reader_bytes16(r);
    return params;
}

void message_put_input(struct writer *w, const struct crypto_input *input)
{
    writer_u8(w, (uint8_t)input->op);
    writer_u8(w, input->digested);
    message_put_params(w, &input->params);
    writer_bytes16(w, input->iv);
    writer_bytes16(w, input->aad);
    writer_bytes16(w, input->tag);
    writer_bytes32(w, input->data);
}

struct crypto_input message_get_input(struct reader *r)
{
    struct crypto_input input;
    uint8_t op = reader_u8(r);
    if (op < CRYPTO_ENCRYPT || op > CRYPTO_MAC_VERIFY)
        reader_fail(r, ERR_ARGUMENT);
    input.op = (enum crypto_op)op;
    input.digested = reader_u8(r) != 0;
    input.params = message_get_params(r);
    input.iv = reader_bytes16(r);
    input.aad = reader_bytes16(r);
    input.tag = reader_bytes16(r);
    input.data = reader_bytes32(r);
    return input;
}

static void put_short(struct writer *w, const uint8_t *data, size_t len)
{
    writer_u8(w, (uint8_t)len);
    writer_bytes(w, bytes_of(data, len));
}

static size_t get_short(struct reader *r, uint8_t *to, size_t max)
{
    size_t len = reader_u8(r);
    if (len > max) {
        reader_fail(r, ERR_ARGUMENT);
        return 0;
    }
    reader_copy(r, to, len);
    return r->err == ERR_OK ? len : 0;
}

void message_put_output(struct writer *w, const struct crypto_output *output, struct bytes data)
{
    put_short(w, output->iv, output->iv_len);
    put_short(w, output->tag, output->tag_len);
    writer_u8(w, output->valid);
    writer_bytes32(w, data);
}

struct bytes message_get_output(struct reader *r, struct crypto_output *output)
{
    output->iv_len = get_short(r, output->iv, sizeof output->iv);
    output->tag_len = get_short(r, output->tag, sizeof output->tag);
    output->valid = reader_u8(r) == 1;
    return reader_bytes32(r);
}

enum err message_take_made(struct reader *r, struct keeper_object_made *made)
{
    struct bytes sealed = reader_bytes32(r);
    struct bytes spki = reader_bytes16(r);
    reader_copy(r, made->digest, sizeof made->digest);
    made->bits = reader_u32(r);
    made->alg = reader_u32(r);
    made->len = reader_u32(r);
    TRY(reader_status(r));
    TRY(buf_append(made->sealed, sealed));
    return made->spki != NULL ? buf_append(made->spki, spki) : ERR_OK;
}
