#include "kmip/op/crypto_ops.h"
#include "kmip/op/key_use.h"
#include "kmip/op/refuse.h"
#include "kmip_enums.h"
#include "kmip_tags.h"

/* Encrypt and Decrypt (KMIP 1.4, 4.29 and 4.30; 2.1, 6.1.17 and 6.1.11). */

static bool wants_iv(const struct kmip_use *use)
{
    if (use->object.type != KMIP_OBJECT_SYMMETRIC_KEY)
        return false;
    switch (use->params.crypto.mode) {
    case MODE_ECB:
    case MODE_NISTKEYWRAP:
    case MODE_AESKEYWRAPPADDING: return false;
    default: return true;
    }
}

static bool is_aead(const struct kmip_use *use)
{
    uint32_t mode = use->params.crypto.mode;
    return mode == MODE_GCM || mode == MODE_CCM || mode == MODE_AEAD ||
           use->object.alg == ALG_CHACHA20POLY1305;
}

static enum err check_input(const struct kmip_use *use, const struct crypto_input *input)
{
    struct kmip_call *call = use->call;
    bool continued = kmip_bytes(call->in, KMIP_TAG_CORRELATION_VALUE).data != NULL;
    bool pieces = continued || kmip_bool(call->in, KMIP_TAG_INIT_INDICATOR, false);
    if (input->data.data == NULL && !pieces)
        return kmip_fail(call, KMIP_REASON_MISSING_DATA, "no Data");
    if (continued)
        return ERR_OK;
    /* CS-BC-M-11, CS-BC-M-13: Invalid Message in every version. */
    if (use->op == CRYPTO_DECRYPT && wants_iv(use) && input->iv.len == 0)
        return kmip_fail(call, KMIP_REASON_INVALID_MESSAGE, "missing IV");
    bool tag_later = pieces && !kmip_bool(call->in, KMIP_TAG_FINAL_INDICATOR, false);
    if (use->op == CRYPTO_DECRYPT && is_aead(use) && input->tag.len == 0 && !tag_later)
        return kmip_fail(call, KMIP_REASON_INVALID_MESSAGE, "no Authenticated Encryption Tag");
    return ERR_OK;
}

static enum err crypt(struct kmip_use *use)
{
    struct kmip_call *call = use->call;
    uint8_t room[16];
    struct bytes iv = kmip_params_counter_block(
        &use->params, use->object.alg, kmip_bytes(call->in, KMIP_TAG_IV_COUNTER_NONCE), room);
    struct crypto_input input = {
        .data = kmip_bytes(call->in, KMIP_TAG_DATA),
        .iv = iv,
        .aad = kmip_bytes(call->in, KMIP_TAG_AUTHENTICATED_ENCRYPTION_ADDITIONAL_DATA),
        .tag = kmip_bytes(call->in, KMIP_TAG_AUTHENTICATED_ENCRYPTION_TAG),
    };
    TRY(check_input(use, &input));
    /* Clients that name no IV for encryption, with or without Random IV, expect one (EDB TDE). */
    use->params.crypto.random_iv = use->op == CRYPTO_ENCRYPT && wants_iv(use) && input.iv.len == 0;
    if (use->op == CRYPTO_DECRYPT && use->params.crypto.tag_len == 0)
        use->params.crypto.tag_len = (int32_t)input.tag.len;
    return kmip_use_run(use, &input);
}

static void answer(struct kmip_use *use)
{
    struct kmip_call *call = use->call;
    struct kmip_build *b = kmip_out(call);
    kmip_put_uid(call, use->object.uid);
    bool pieces = use->correlation.data != NULL ||
                  kmip_bytes(call->in, KMIP_TAG_CORRELATION_VALUE).data != NULL;
    if (!pieces || use->data.len > 0) {
        struct kmip_node *data = kmip_put_bytes_copy(b, call->out, KMIP_TAG_DATA, KMIP_BYTE_STRING,
                                                     buf_view(&use->data));
        if (data != NULL)
            data->secret = use->op == CRYPTO_DECRYPT;
    }
    if (use->params.crypto.random_iv && use->output.iv_len > 0)
        (void)kmip_put_bytes_copy(b, call->out, KMIP_TAG_IV_COUNTER_NONCE, KMIP_BYTE_STRING,
                                  bytes_of(use->output.iv, use->output.iv_len));
    if (use->correlation.data != NULL)
        (void)kmip_put_bytes(b, call->out, KMIP_TAG_CORRELATION_VALUE, KMIP_BYTE_STRING,
                             use->correlation);
    if (use->op == CRYPTO_ENCRYPT && use->whole && use->output.tag_len > 0)
        (void)kmip_put_bytes_copy(b, call->out, KMIP_TAG_AUTHENTICATED_ENCRYPTION_TAG,
                                  KMIP_BYTE_STRING, bytes_of(use->output.tag, use->output.tag_len));
}

static enum err run(struct kmip_call *call, enum crypto_op op)
{
    struct kmip_use use;
    enum err err = kmip_use_begin(call, op, &use);
    if (err == ERR_OK)
        err = crypt(&use);
    if (err == ERR_OK) {
        answer(&use);
        err = kmip_out(call)->err;
    }
    kmip_use_done(&use);
    return err;
}

enum err kmip_op_encrypt(struct kmip_call *call)
{
    return run(call, CRYPTO_ENCRYPT);
}

enum err kmip_op_decrypt(struct kmip_call *call)
{
    return run(call, CRYPTO_DECRYPT);
}
