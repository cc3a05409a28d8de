#include "fake/token.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "crypto/aead.h"
#include "crypto/random.h"

#define CKR_DEVICE_REMOVED 0x32

static struct rsa_private *server_key, *ca_key;
static pthread_mutex_t root_lock = PTHREAD_MUTEX_INITIALIZER;

enum err fake_token_init(struct fake_token *fake)
{
    if (server_key == NULL)
        TRY(rsa_private_generate(2048, &server_key, NULL));
    if (ca_key == NULL)
        TRY(rsa_private_generate(2048, &ca_key, NULL));
    *fake = (struct fake_token){.server = server_key, .ca = ca_key};
    static const uint8_t root[32] = "the root key of the fake token";
    return aead_new(BYTES(root), &fake->root);
}

void fake_token_done(struct fake_token *fake)
{
    aead_free(fake->root);
}

static enum err enter(struct fake_token *fake, struct err_detail *detail)
{
    fake->calls++;
    if (fake->delay_ms != 0)
        (void)usleep(fake->delay_ms * 1000);
    if (fake->fail == ERR_OK)
        return ERR_OK;
    enum err err = err_set(detail, (enum err)fake->fail, "the fake token fails as told");
    if (detail != NULL)
        detail->ckr = CKR_DEVICE_REMOVED;
    return err;
}

/* blob = 12 nonce | ciphertext | 16 tag */
static enum err fake_wrap(void *ctx, struct bytes secret, struct buf *to, struct err_detail *detail)
{
    struct fake_token *fake = ctx;
    TRY(enter(fake, detail));
    uint8_t blob[12 + 64 + 16];
    if (secret.len > 64)
        return ERR_LIMIT;
    TRY(random_bytes(blob, 12));
    (void)pthread_mutex_lock(&root_lock);
    enum err err =
        aead_seal(fake->root, blob, bytes_of(NULL, 0), secret, blob + 12, blob + 12 + secret.len);
    (void)pthread_mutex_unlock(&root_lock);
    TRY(err);
    return buf_append(to, bytes_of(blob, 12 + secret.len + 16));
}

static enum err fake_unwrap(void *ctx, struct bytes blob, struct secret **ret_secret,
                            struct err_detail *detail)
{
    struct fake_token *fake = ctx;
    TRY(enter(fake, detail));
    if (blob.len < 12 + 16)
        return ERR_SEAL;
    size_t len = blob.len - 12 - 16;
    AUTO(secret_freep) struct secret *secret = NULL;
    TRY(secret_new(len, &secret));
    (void)pthread_mutex_lock(&root_lock);
    enum err err =
        aead_open(fake->root, blob.data, bytes_of(NULL, 0), bytes_of(blob.data + 12, len),
                  blob.data + 12 + len, secret_data(secret));
    (void)pthread_mutex_unlock(&root_lock);
    TRY(err);
    *ret_secret = TAKE(secret);
    return ERR_OK;
}

static enum err fake_sign(void *ctx, enum keeper_key key, const uint8_t digest[32], struct buf *to,
                          struct err_detail *detail)
{
    struct fake_token *fake = ctx;
    TRY(enter(fake, detail));
    return rsa_sign_sha256(key == KEEPER_KEY_CA ? fake->ca : fake->server, digest, to, detail);
}

static enum err fake_oaep_decrypt(void *ctx, enum oaep_hash hash, struct bytes sealed,
                                  struct secret **ret_secret, struct err_detail *detail)
{
    struct fake_token *fake = ctx;
    TRY(enter(fake, detail));
    return rsa_oaep_decrypt(fake->server, hash, sealed, ret_secret);
}

static enum err fake_random(void *ctx, void *to, size_t len, struct err_detail *detail)
{
    TRY(enter(ctx, detail));
    return random_bytes(to, len);
}

static const struct rsa_public *fake_public(void *ctx, enum keeper_key key)
{
    const struct fake_token *fake = ctx;
    return rsa_private_public(key == KEEPER_KEY_CA ? fake->ca : fake->server);
}

static void fake_status(void *ctx, struct keeper_token_status *ret_status)
{
    struct fake_token *fake = ctx;
    *ret_status = (struct keeper_token_status){
        .ready = fake->fail == ERR_OK, .ckr = fake->fail == ERR_OK ? 0 : CKR_DEVICE_REMOVED};
    (void)snprintf(ret_status->text, sizeof ret_status->text, "fake token, %u calls",
                   (unsigned)fake->calls);
}

static enum err fake_object_generate(void *ctx, struct keeper_token_object *object,
                                     struct buf *spki, uint8_t ret_digest[32],
                                     struct err_detail *detail)
{
    (void)ctx;
    (void)object;
    (void)spki;
    (void)ret_digest;
    return err_set(detail, ERR_TOKEN_UNABLE, "the fake token keeps no objects");
}

static enum err fake_object_store(void *ctx, const struct keeper_token_object *object,
                                  struct bytes material, struct err_detail *detail)
{
    (void)ctx;
    (void)object;
    (void)material;
    return err_set(detail, ERR_TOKEN_UNABLE, "the fake token keeps no objects");
}

static enum err fake_object_release(void *ctx, const struct keeper_token_object *object,
                                    struct secret **ret_material, struct err_detail *detail)
{
    (void)ctx;
    (void)object;
    (void)ret_material;
    return err_set(detail, ERR_TOKEN_UNABLE, "the fake token keeps no objects");
}

static enum err fake_object_use(void *ctx, const struct keeper_token_object *object,
                                const struct crypto_input *input, struct crypto_output *output,
                                struct err_detail *detail)
{
    (void)ctx;
    (void)object;
    (void)input;
    (void)output;
    return err_set(detail, ERR_TOKEN_UNABLE, "the fake token keeps no objects");
}

static enum err fake_stream_begin(void *ctx, const struct keeper_token_object *object,
                                  const struct crypto_input *input, struct crypto_output *output,
                                  void **ret_stream, struct err_detail *detail)
{
    (void)ctx;
    (void)object;
    (void)input;
    (void)output;
    (void)ret_stream;
    return err_set(detail, ERR_TOKEN_UNABLE, "the fake token keeps no objects");
}

static enum err fake_stream_update(void *ctx, void *stream, struct bytes data, struct buf *to,
                                   struct err_detail *detail)
{
    (void)ctx;
    (void)stream;
    (void)data;
    (void)to;
    return err_set(detail, ERR_TOKEN_UNABLE, "the fake token keeps no objects");
}

static enum err fake_stream_end(void *ctx, void *stream, struct bytes tag,
                                struct crypto_output *output, struct err_detail *detail)
{
    (void)ctx;
    (void)stream;
    (void)tag;
    (void)output;
    return err_set(detail, ERR_TOKEN_UNABLE, "the fake token keeps no objects");
}

static void fake_stream_free(void *ctx, void *stream)
{
    (void)ctx;
    (void)stream;
}

static enum err fake_object_destroy(void *ctx, const struct keeper_token_object *object,
                                    struct err_detail *detail)
{
    (void)ctx;
    (void)object;
    (void)detail;
    return ERR_OK; /* it keeps none */
}

struct keeper_token fake_token_of(struct fake_token *fake)
{
    static const struct keeper_token_ops ops = {.wrap = fake_wrap,
                                                .unwrap = fake_unwrap,
                                                .sign = fake_sign,
                                                .oaep_decrypt = fake_oaep_decrypt,
                                                .random = fake_random,
                                                .public_key = fake_public,
                                                .status = fake_status,
                                                .object_generate = fake_object_generate,
                                                .object_store = fake_object_store,
                                                .object_release = fake_object_release,
                                                .object_use = fake_object_use,
                                                .stream_begin = fake_stream_begin,
                                                .stream_update = fake_stream_update,
                                                .stream_end = fake_stream_end,
                                                .stream_free = fake_stream_free,
                                                .object_destroy = fake_object_destroy};
    return (struct keeper_token){&ops, fake};
}
