#include "kmip/op/crypto_ops.h"
#include "kmip/op/key_use.h"
#include "kmip/op/refuse.h"
#include "kmip_enums.h"
#include "kmip_tags.h"

/* Sign and Signature Verify (KMIP 1.4, 4.31 and 4.32; 2.1, 6.1.55 and 6.1.56), MAC and MAC Verify
 * (1.4, 4.33 and 4.34; 2.1, 6.1.32 and 6.1.33): four times the same with other fields. */

static const struct fields {
    uint32_t made;  /* what making gives */
    uint32_t given; /* what verifying is given */
    bool digests;   /* takes Digested Data */
} fields[] = {
    [CRYPTO_SIGN] = {.made = KMIP_TAG_SIGNATURE_DATA, .digests = true},
    [CRYPTO_VERIFY] = {.given = KMIP_TAG_SIGNATURE_DATA, .digests = true},
    [CRYPTO_MAC] = {.made = KMIP_TAG_MAC_DATA},
    [CRYPTO_MAC_VERIFY] = {.given = KMIP_TAG_MAC_DATA},
};

static enum err read_input(const struct kmip_use *use, struct crypto_input *ret_input)
{
    struct kmip_call *call = use->call;
    const struct fields *f = &fields[use->op];
    struct crypto_input input = {.data = kmip_bytes(call->in, KMIP_TAG_DATA)};
    struct bytes digest = kmip_bytes(call->in, KMIP_TAG_DIGESTED_DATA);
    bool continued = kmip_bytes(call->in, KMIP_TAG_CORRELATION_VALUE).data != NULL;
    bool pieces = continued || kmip_bool(call->in, KMIP_TAG_INIT_INDICATOR, false);
    if (digest.data != NULL) {
        if (!f->digests || pieces || input.data.data != NULL)
            return kmip_fail(call, KMIP_REASON_INVALID_FIELD,
                             "Digested Data stands alone, in one piece");
        input.data = digest;
        input.digested = true;
    }
    if (input.data.data == NULL && !pieces)
        return kmip_fail(call, KMIP_REASON_MISSING_DATA, "no Data");
    if (f->given != 0) {
        input.tag = kmip_bytes(call->in, f->given);
        if (input.tag.data == NULL && !pieces)
            return kmip_fail(call, KMIP_REASON_MISSING_DATA, "nothing to verify is given");
    }
    *ret_input = input;
    return ERR_OK;
}

static void answer(struct kmip_use *use)
{
    struct kmip_call *call = use->call;
    struct kmip_build *b = kmip_out(call);
    const struct fields *f = &fields[use->op];
    kmip_put_uid(call, use->object.uid);
    if (use->whole && f->made != 0)
        (void)kmip_put_bytes_copy(b, call->out, f->made, KMIP_BYTE_STRING, buf_view(&use->data));
    if (use->whole && f->given != 0)
        (void)kmip_put_enum(b, call->out, KMIP_TAG_VALIDITY_INDICATOR,
                            use->output.valid ? KMIP_VALIDITY_INDICATOR_VALID
                                              : KMIP_VALIDITY_INDICATOR_INVALID);
    if (use->correlation.data != NULL)
        (void)kmip_put_bytes(b, call->out, KMIP_TAG_CORRELATION_VALUE, KMIP_BYTE_STRING,
                             use->correlation);
}

static enum err run(struct kmip_call *call, enum crypto_op op)
{
    struct kmip_use use;
    struct crypto_input input;
    enum err err = kmip_use_begin(call, op, &use);
    if (err == ERR_OK)
        err = read_input(&use, &input);
    if (err == ERR_OK)
        err = kmip_use_run(&use, &input);
    if (err == ERR_OK) {
        answer(&use);
        err = kmip_out(call)->err;
    }
    kmip_use_done(&use);
    return err;
}

enum err kmip_op_sign(struct kmip_call *call)
{
    return run(call, CRYPTO_SIGN);
}

enum err kmip_op_signature_verify(struct kmip_call *call)
{
    return run(call, CRYPTO_VERIFY);
}

enum err kmip_op_mac(struct kmip_call *call)
{
    return run(call, CRYPTO_MAC);
}

enum err kmip_op_mac_verify(struct kmip_call *call)
{
    return run(call, CRYPTO_MAC_VERIFY);
}
