#include "kmip/op/streams.h"

#include <stdlib.h>

#include "crypto/random.h"
#include "kmip/server/config.h"
#include "kmip_enums.h"

#define BUCKETS 256

struct kmip_streams {
    struct keeper_client *keeper;
    struct kmip_stream *buckets[BUCKETS]; /* by the first byte of the value, which is random */
    size_t count;
};

enum err kmip_streams_new(struct keeper_client *keeper, struct kmip_streams **ret_streams)
{
    struct kmip_streams *streams = calloc(1, sizeof(*streams));
    if (streams == NULL)
        return ERR_NO_MEMORY;
    streams->keeper = keeper;
    *ret_streams = streams;
    return ERR_OK;
}

static void stream_free(struct kmip_streams *streams, struct kmip_stream *stream, bool at_keeper)
{
    if (stream->kind == KMIP_STREAM_KEEPER && at_keeper && streams->keeper != NULL)
        keeper_stream_drop(streams->keeper, stream->keeper);
    crypto_stream_free(stream->engine);
    hash_stream_free(stream->hash);
    explicit_bzero(stream, sizeof(*stream));
    free(stream);
}

/* All for which `gone` holds. */
static void sweep(struct kmip_streams *streams, int64_t before)
{
    for (size_t i = 0; i < BUCKETS; i++) {
        struct kmip_stream **at = &streams->buckets[i];
        while (*at != NULL) {
            struct kmip_stream *stream = *at;
            if (stream->busy || stream->used >= before) {
                at = &stream->next;
                continue;
            }
            *at = stream->next;
            streams->count--;
            stream_free(streams, stream, true);
        }
    }
}

void kmip_streams_free(struct kmip_streams *streams)
{
    if (streams == NULL)
        return;
    sweep(streams, INT64_MAX);
    free(streams);
}

void kmip_streams_expire(struct kmip_streams *streams, int64_t now)
{
    sweep(streams, now - KMIP_STREAM_IDLE_S);
}

size_t kmip_streams_count(const struct kmip_streams *streams)
{
    return streams->count;
}

static unsigned of_client(const struct kmip_streams *streams, uint64_t client)
{
    unsigned count = 0;
    for (size_t i = 0; i < BUCKETS; i++)
        for (const struct kmip_stream *s = streams->buckets[i]; s != NULL; s = s->next)
            count += s->client == client;
    return count;
}

enum err kmip_stream_add(struct kmip_call *call, enum kmip_stream_kind kind,
                         struct kmip_stream **ret_stream)
{
    struct kmip_streams *streams = call->request->env->streams;
    /* one that goes on while a reload forbids new ones may end */
    if (streams == NULL || !call->request->env->config->streaming)
        return kmip_fail(call, KMIP_REASON_FEATURE_NOT_SUPPORTED,
                         "operations in pieces are not served here");
    kmip_streams_expire(streams, call->request->now);
    uint64_t client = call->request->client->id;
    if (streams->count >= KMIP_STREAMS_MAX || of_client(streams, client) >= KMIP_STREAMS_OF_CLIENT)
        return kmip_fail(call, KMIP_REASON_SERVER_LIMIT_EXCEEDED,
                         "too many operations in pieces at a time");
    struct kmip_stream *stream = calloc(1, sizeof(*stream));
    if (stream == NULL)
        return ERR_NO_MEMORY;
    enum err err = random_bytes(stream->value, sizeof(stream->value));
    if (err != ERR_OK) {
        free(stream);
        return err;
    }
    stream->kind = kind;
    stream->operation = call->operation;
    stream->client = client;
    stream->busy = true;
    stream->used = call->request->now;
    struct kmip_stream **bucket = &streams->buckets[stream->value[0]];
    stream->next = *bucket;
    *bucket = stream;
    streams->count++;
    *ret_stream = stream;
    return ERR_OK;
}

enum err kmip_stream_find(struct kmip_call *call, struct bytes value,
                          struct kmip_stream **ret_stream)
{
    struct kmip_streams *streams = call->request->env->streams;
    struct kmip_stream *stream = NULL;
    if (streams != NULL && value.len == KMIP_STREAM_VALUE_LEN) {
        kmip_streams_expire(streams, call->request->now);
        stream = streams->buckets[value.data[0]];
        while (stream != NULL &&
               !secret_equal(bytes_of(stream->value, KMIP_STREAM_VALUE_LEN), value))
            stream = stream->next;
    }
    if (stream == NULL || stream->busy || stream->operation != call->operation ||
        stream->client != call->request->client->id)
        return kmip_fail(call, KMIP_REASON_INVALID_CORRELATION_VALUE, "no such correlation value");
    stream->busy = true;
    stream->used = call->request->now;
    *ret_stream = stream;
    return ERR_OK;
}

void kmip_stream_keep(struct kmip_call *call, struct kmip_stream *stream)
{
    stream->busy = false;
    stream->used = call->request->now;
}

void kmip_stream_drop(struct kmip_call *call, struct kmip_stream *stream, bool at_keeper)
{
    struct kmip_streams *streams = call->request->env->streams;
    struct kmip_stream **at = &streams->buckets[stream->value[0]];
    while (*at != stream)
        at = &(*at)->next;
    *at = stream->next;
    streams->count--;
    stream_free(streams, stream, at_keeper);
}
