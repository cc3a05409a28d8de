#include "keeper/client_object.h"
#include "keeper/object_wrap.h"

enum err keeper_object_derive(struct keeper_client *client, const char *actor,
                              const struct keeper_object *base,
                              const struct keeper_object *data_key,
                              const struct keeper_derive *derive,
                              const struct keeper_object *object,
                              const struct keeper_object_spec *spec,
                              struct keeper_object_made *made, struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_object_begin(&call, client, KEEPER_OBJECT_DERIVE, actor, object);
    struct writer *out = &call.out;
    message_put_object(out, base);
    writer_u8(out, data_key != NULL);
    if (data_key != NULL)
        message_put_object(out, data_key);
    writer_u32(out, derive->method);
    message_put_params(out, &derive->params);
    writer_bytes16(out, derive->iv);
    writer_bytes16(out, derive->salt);
    writer_u32(out, derive->iterations);
    writer_bytes16(out, derive->peer);
    writer_bytes32(out, derive->data);
    message_put_spec(out, spec);
    return client_made_end(&call, made, 1, detail);
}

enum err keeper_object_wrap(struct keeper_client *client, const char *actor,
                            const struct keeper_object *object, const struct keeper_wrap *wrap,
                            struct buf *wrapped, uint8_t ret_iv[CRYPTO_IV_MAX], size_t *ret_iv_len,
                            struct buf *mac, struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_object_begin(&call, client, KEEPER_OBJECT_WRAP, actor, object);
    wrap_put_fields(&call.out, wrap);
    TRY(client_call_run(&call, detail));
    struct bytes got = reader_bytes32(&call.in);
    struct bytes iv = reader_bytes(&call.in, reader_u8(&call.in));
    struct bytes got_mac = reader_bytes16(&call.in);
    if (iv.len > CRYPTO_IV_MAX)
        reader_fail(&call.in, ERR_INTERNAL);
    TRY(reader_status(&call.in));
    TRY(buf_append(wrapped, got));
    if (got_mac.len != 0 && mac != NULL)
        TRY(buf_append(mac, got_mac));
    if (iv.len != 0)
        memcpy(ret_iv, iv.data, iv.len);
    *ret_iv_len = iv.len;
    return client_call_end(&call);
}

enum err keeper_object_unwrap(struct keeper_client *client, const char *actor,
                              const struct keeper_wrap *wrap, struct bytes wrapped,
                              const struct keeper_object *object,
                              const struct keeper_object_spec *spec,
                              struct keeper_object_made *made, struct err_detail *detail)
{
    AUTO(client_call_done) struct client_call call = {0};
    client_object_begin(&call, client, KEEPER_OBJECT_UNWRAP, actor, object);
    call.secret = wrap->encrypt == NULL;
    wrap_put_fields(&call.out, wrap);
    writer_bytes32(&call.out, wrapped);
    message_put_spec(&call.out, spec);
    TRY(client_call_run(&call, detail));
    TRY(message_take_made(&call.in, made));
    struct bytes rest = reader_bytes32(&call.in);
    if (rest.len != 0 && wrap->rest != NULL)
        TRY(buf_append(wrap->rest, rest));
    return client_call_end(&call);
}

static void put_split(struct writer *w, const struct keeper_split *split)
{
    writer_u32(w, split->method);
    writer_u32(w, split->threshold);
    writer_bytes16(w, split->prime);
}

enum err keeper_object_split(struct keeper_client *client, const char *actor,
                             const struct keeper_object *object, const struct keeper_split *split,
                             const struct keeper_object *parts, struct keeper_object_made *made,
                             struct err_detail *detail)
{
    if (split->count == 0 || split->count > KEEPER_SPLIT_MAX)
        return err_set(detail, ERR_ARGUMENT, "%u parts", split->count);
    AUTO(client_call_done) struct client_call call = {0};
    client_object_begin(&call, client, KEEPER_OBJECT_SPLIT, actor, object);
    call.count = (uint16_t)split->count;
    put_split(&call.out, split);
    for (uint32_t i = 0; i < split->count; i++)
        message_put_object(&call.out, &parts[i]);
    return client_made_end(&call, made, split->count, detail);
}

enum err keeper_object_join(struct keeper_client *client, const char *actor,
                            const struct keeper_split *split, const struct keeper_object *parts,
                            const uint32_t *numbers, size_t count,
                            const struct keeper_object *object,
                            const struct keeper_object_spec *spec, struct keeper_object_made *made,
                            struct err_detail *detail)
{
    if (count == 0 || count > KEEPER_SPLIT_MAX)
        return err_set(detail, ERR_ARGUMENT, "%zu parts", count);
    AUTO(client_call_done) struct client_call call = {0};
    client_object_begin(&call, client, KEEPER_OBJECT_JOIN, actor, object);
    call.count = (uint16_t)count;
    put_split(&call.out, split);
    message_put_spec(&call.out, spec);
    for (size_t i = 0; i < count; i++) {
        message_put_object(&call.out, &parts[i]);
        writer_u32(&call.out, numbers[i]);
    }
    return client_made_end(&call, made, 1, detail);
}

enum err keeper_random(struct keeper_client *client, const char *actor, size_t len, struct buf *to,
                       struct err_detail *detail)
{
    while (len != 0) {
        size_t some = len < KEEPER_RANDOM_MAX ? len : KEEPER_RANDOM_MAX;
        AUTO(client_call_done) struct client_call call = {0};
        client_call_begin(&call, client, KEEPER_RANDOM);
        client_call_actor(&call, actor);
        writer_u32(&call.out, (uint32_t)some);
        TRY(client_call_run(&call, detail));
        struct bytes got = reader_bytes32(&call.in);
        TRY(reader_status(&call.in));
        TRY(buf_append(to, got));
        TRY(client_call_end(&call));
        len -= some;
    }
    return ERR_OK;
}

enum err keeper_random_seed(struct keeper_client *client, const char *actor, struct bytes seed,
                            struct err_detail *detail)
{
    if (seed.len > KEEPER_RANDOM_MAX)
        return err_set(detail, ERR_LIMIT, "a seed of %zu bytes", seed.len);
    AUTO(client_call_done) struct client_call call = {0};
    client_call_begin(&call, client, KEEPER_RANDOM_SEED);
    client_call_actor(&call, actor);
    writer_bytes16(&call.out, seed);
    call.secret = true;
    return client_call_run_empty(&call, detail);
}
