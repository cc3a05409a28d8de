#include "kmip/op/crypto_ops.h"
#include "kmip/op/refuse.h"
#include "kmip/op/streams.h"
#include "kmip_enums.h"
#include "kmip_tags.h"

/* Hash (KMIP 1.4, 4.37; 2.1, 6.1.26). No key and no secret of ours: done here, in the engine. */

#define CORRELATION_ROOM KMIP_STREAM_VALUE_LEN

static enum err put_digest(struct kmip_call *call, const uint8_t *digest, size_t len)
{
    (void)kmip_put_bytes_copy(kmip_out(call), call->out, KMIP_TAG_DATA, KMIP_BYTE_STRING,
                              bytes_of(digest, len));
    return kmip_out(call)->err;
}

static enum err first_piece(struct kmip_call *call, uint32_t alg, struct bytes data)
{
    struct kmip_stream *stream = NULL;
    TRY(kmip_stream_add(call, KMIP_STREAM_HASH, &stream));
    enum err err = hash_stream_new(alg, &stream->hash);
    if (err == ERR_OK && data.len > 0)
        err = hash_stream_update(stream->hash, data);
    if (err == ERR_OK) {
        (void)kmip_put_bytes_copy(kmip_out(call), call->out, KMIP_TAG_CORRELATION_VALUE,
                                  KMIP_BYTE_STRING, bytes_of(stream->value, CORRELATION_ROOM));
        err = kmip_out(call)->err;
    }
    if (err != ERR_OK)
        kmip_stream_drop(call, stream, false);
    else
        kmip_stream_keep(call, stream);
    return err;
}

static enum err next_piece(struct kmip_call *call, struct bytes value, struct bytes data,
                           bool final)
{
    struct kmip_stream *stream = NULL;
    TRY(kmip_stream_find(call, value, &stream));
    enum err err = data.len > 0 ? hash_stream_update(stream->hash, data) : ERR_OK;
    uint8_t digest[HASH_ALG_MAX];
    size_t len = 0;
    if (err == ERR_OK && final)
        err = hash_stream_end(stream->hash, digest, &len);
    if (final || err != ERR_OK)
        kmip_stream_drop(call, stream, false);
    else
        kmip_stream_keep(call, stream);
    if (err == ERR_OK && final)
        err = put_digest(call, digest, len);
    return err;
}

enum err kmip_op_hash(struct kmip_call *call)
{
    struct bytes data = kmip_bytes(call->in, KMIP_TAG_DATA);
    struct bytes value = kmip_bytes(call->in, KMIP_TAG_CORRELATION_VALUE);
    bool init = kmip_bool(call->in, KMIP_TAG_INIT_INDICATOR, false);
    bool final = kmip_bool(call->in, KMIP_TAG_FINAL_INDICATOR, false);
    if (init && value.data != NULL)
        return kmip_fail(call, KMIP_REASON_INVALID_FIELD,
                         "Init Indicator and Correlation Value exclude each other");
    if (value.data != NULL)
        return next_piece(call, value, data, final);
    uint32_t alg = kmip_enum(kmip_child(call->in, KMIP_TAG_CRYPTOGRAPHIC_PARAMETERS),
                             KMIP_TAG_HASHING_ALGORITHM, 0);
    if (alg == 0)
        return kmip_fail(call, KMIP_REASON_MISSING_DATA, "no Hashing Algorithm");
    if (hash_alg_size(alg) == 0)
        return kmip_fail(call, KMIP_REASON_UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS,
                         "this hash is not served");
    if (init && !final)
        return first_piece(call, alg, data);
    if (data.data == NULL)
        return kmip_fail(call, KMIP_REASON_MISSING_DATA, "no Data");
    uint8_t digest[HASH_ALG_MAX];
    size_t len = 0;
    TRY(hash_alg(alg, &data, 1, digest, &len));
    return put_digest(call, digest, len);
}
