#include "kmipc/kmipc.h"

/* Work with a key on the server: KMIP 1.4, 4.28 to 4.36. */

#define KMIPC_1_2 KMIPC_V(1, 2)
#define KMIPC_1_4 KMIPC_V(1, 4)
#define TAG_LEN   16

/* Cryptographic Parameters, in the order of the specification; none where nothing is said. */
static enum err put_params(struct kmipc_call *call, const struct ckmip_params *params,
                           bool random_iv)
{
    static const struct ckmip_params none;
    struct kmip_build *b = &call->build;
    if (params == NULL)
        params = &none;
    if (params->mode == NULL && params->padding == NULL && params->hash == NULL &&
        params->algorithm == NULL && params->signature_algorithm == NULL && params->tag_len == 0 &&
        !random_iv)
        return ERR_OK;
    struct kmip_node *node = kmip_put_struct(b, call->in, KMIP_TAG_CRYPTOGRAPHIC_PARAMETERS);
    TRY(kmipc_put_name(call, node, KMIP_TAG_BLOCK_CIPHER_MODE, params->mode));
    TRY(kmipc_put_name(call, node, KMIP_TAG_PADDING_METHOD, params->padding));
    TRY(kmipc_put_name(call, node, KMIP_TAG_HASHING_ALGORITHM, params->hash));
    TRY(kmipc_put_name(call, node, KMIP_TAG_DIGITAL_SIGNATURE_ALGORITHM,
                       params->signature_algorithm));
    TRY(kmipc_put_name(call, node, KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, params->algorithm));
    if (random_iv)
        (void)kmip_put_bool(b, node, KMIP_TAG_RANDOM_IV, true);
    uint32_t mode = kmip_enum(node, KMIP_TAG_BLOCK_CIPHER_MODE, 0);
    bool aead = mode == KMIP_BLOCK_CIPHER_MODE_GCM || mode == KMIP_BLOCK_CIPHER_MODE_CCM;
    if (params->tag_len != 0 || aead)
        (void)kmip_put_int(b, node, KMIP_TAG_TAG_LENGTH,
                           (int32_t)(params->tag_len != 0 ? params->tag_len : TAG_LEN));
    return b->err;
}

static void put_data(struct kmipc_call *call, uint32_t tag, struct ckmip_bytes data)
{
    static const uint8_t empty;
    struct bytes bytes = bytes_of(data.data != NULL ? data.data : &empty, data.len);
    (void)kmip_put_bytes(&call->build, call->in, tag, KMIP_BYTE_STRING, bytes);
}

static void put_some(struct kmipc_call *call, uint32_t tag, struct ckmip_bytes data)
{
    if (data.len != 0)
        put_data(call, tag, data);
}

struct crypt {
    const char *uid;
    const struct ckmip_params *params;
    struct ckmip_bytes data, iv, aad, tag;
};

static enum err crypt(struct ckmip *kmip, uint32_t operation, const struct crypt *what,
                      struct kmipc_call *call)
{
    TRY(kmipc_begin(kmip, operation, KMIPC_1_2, call));
    if ((what->aad.len != 0 || what->tag.len != 0) && call->version < KMIPC_1_4)
        return err_set(&kmip->detail, ERR_UNSUPPORTED,
                       "authenticated encryption comes with KMIP 1.4");
    kmipc_put_uid(call, what->uid);
    bool random_iv = operation == KMIP_OP_ENCRYPT && what->iv.len == 0 && what->params != NULL &&
                     what->params->mode != NULL;
    TRY(put_params(call, what->params, random_iv));
    put_data(call, KMIP_TAG_DATA, what->data);
    put_some(call, KMIP_TAG_IV_COUNTER_NONCE, what->iv);
    put_some(call, KMIP_TAG_AUTHENTICATED_ENCRYPTION_ADDITIONAL_DATA, what->aad);
    put_some(call, KMIP_TAG_AUTHENTICATED_ENCRYPTION_TAG, what->tag);
    return kmipc_run(call);
}

int ckmip_encrypt(struct ckmip *kmip, const char *uid, const struct ckmip_params *params,
                  struct ckmip_bytes data, struct ckmip_bytes iv, struct ckmip_bytes aad,
                  struct ckmip_data *ret_data, struct ckmip_data *ret_iv,
                  struct ckmip_data *ret_tag, struct ckmip_error *error)
{
    struct kmipc_call call;
    struct ckmip_data none = {0};
    if (kmip == NULL || uid == NULL || ret_data == NULL)
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    ret_iv = ret_iv != NULL ? ret_iv : &none;
    *ret_data = *ret_iv = (struct ckmip_data){0};
    if (ret_tag != NULL)
        *ret_tag = (struct ckmip_data){0};
    const struct crypt what = {.uid = uid, .params = params, .data = data, .iv = iv, .aad = aad};
    enum err err = crypt(kmip, KMIP_OP_ENCRYPT, &what, &call);
    if (err == ERR_OK)
        err = kmipc_take_data(call.out, KMIP_TAG_DATA, ret_data);
    if (err == ERR_OK)
        err = kmipc_take_data(call.out, KMIP_TAG_IV_COUNTER_NONCE, ret_iv);
    if (err == ERR_OK && ret_tag != NULL)
        err = kmipc_take_data(call.out, KMIP_TAG_AUTHENTICATED_ENCRYPTION_TAG, ret_tag);
    ckmip_data_free(&none);
    if (err != ERR_OK) {
        ckmip_data_free(ret_data);
        ckmip_data_free(ret_iv);
    }
    return kmipc_end(kmip, err, error);
}

int ckmip_decrypt(struct ckmip *kmip, const char *uid, const struct ckmip_params *params,
                  struct ckmip_bytes data, struct ckmip_bytes iv, struct ckmip_bytes aad,
                  struct ckmip_bytes tag, struct ckmip_data *ret_data, struct ckmip_error *error)
{
    struct kmipc_call call;
    if (kmip == NULL || uid == NULL || ret_data == NULL)
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    *ret_data = (struct ckmip_data){0};
    const struct crypt what = {
        .uid = uid, .params = params, .data = data, .iv = iv, .aad = aad, .tag = tag};
    enum err err = crypt(kmip, KMIP_OP_DECRYPT, &what, &call);
    if (err == ERR_OK)
        err = kmipc_take_data(call.out, KMIP_TAG_DATA, ret_data);
    return kmipc_end(kmip, err, error);
}

/* Sign, MAC and their opposites: data in, `check` (tag `check_tag`) too where it is to be verified.
 */
struct check {
    const char *uid;
    const struct ckmip_params *params;
    struct ckmip_bytes data, value;
    uint32_t tag; /* of signature or MAC; put where there is a value */
};

static enum err check(struct ckmip *kmip, uint32_t operation, const struct check *what,
                      struct kmipc_call *call)
{
    TRY(kmipc_begin(kmip, operation, KMIPC_1_2, call));
    kmipc_put_uid(call, what->uid);
    TRY(put_params(call, what->params, false));
    put_data(call, KMIP_TAG_DATA, what->data);
    if (what->tag != 0)
        put_data(call, what->tag, what->value);
    return kmipc_run(call);
}

static enum err take_validity(const struct kmipc_call *call, int *ret_valid)
{
    uint32_t validity = kmip_enum(call->out, KMIP_TAG_VALIDITY_INDICATOR, 0);
    if (validity == 0)
        return err_set(&call->kmip->detail, ERR_PEER, "the answer has no Validity Indicator");
    *ret_valid = validity == KMIP_VALIDITY_INDICATOR_VALID;
    return ERR_OK;
}

int ckmip_sign(struct ckmip *kmip, const char *uid, const struct ckmip_params *params,
               struct ckmip_bytes data, struct ckmip_data *ret_signature, struct ckmip_error *error)
{
    struct kmipc_call call;
    if (kmip == NULL || uid == NULL || ret_signature == NULL)
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    *ret_signature = (struct ckmip_data){0};
    const struct check what = {.uid = uid, .params = params, .data = data};
    enum err err = check(kmip, KMIP_OP_SIGN, &what, &call);
    if (err == ERR_OK)
        err = kmipc_take_data(call.out, KMIP_TAG_SIGNATURE_DATA, ret_signature);
    return kmipc_end(kmip, err, error);
}

int ckmip_verify(struct ckmip *kmip, const char *uid, const struct ckmip_params *params,
                 struct ckmip_bytes data, struct ckmip_bytes signature, int *ret_valid,
                 struct ckmip_error *error)
{
    struct kmipc_call call;
    if (kmip == NULL || uid == NULL || ret_valid == NULL)
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    *ret_valid = 0;
    const struct check what = {.uid = uid,
                               .params = params,
                               .data = data,
                               .value = signature,
                               .tag = KMIP_TAG_SIGNATURE_DATA};
    enum err err = check(kmip, KMIP_OP_SIGNATURE_VERIFY, &what, &call);
    if (err == ERR_OK)
        err = take_validity(&call, ret_valid);
    return kmipc_end(kmip, err, error);
}

int ckmip_mac(struct ckmip *kmip, const char *uid, const struct ckmip_params *params,
              struct ckmip_bytes data, struct ckmip_data *ret_mac, struct ckmip_error *error)
{
    struct kmipc_call call;
    if (kmip == NULL || uid == NULL || ret_mac == NULL)
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    *ret_mac = (struct ckmip_data){0};
    const struct check what = {.uid = uid, .params = params, .data = data};
    enum err err = check(kmip, KMIP_OP_MAC, &what, &call);
    if (err == ERR_OK)
        err = kmipc_take_data(call.out, KMIP_TAG_MAC_DATA, ret_mac);
    return kmipc_end(kmip, err, error);
}

int ckmip_mac_verify(struct ckmip *kmip, const char *uid, const struct ckmip_params *params,
                     struct ckmip_bytes data, struct ckmip_bytes mac, int *ret_valid,
                     struct ckmip_error *error)
{
    struct kmipc_call call;
    if (kmip == NULL || uid == NULL || ret_valid == NULL)
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    *ret_valid = 0;
    const struct check what = {
        .uid = uid, .params = params, .data = data, .value = mac, .tag = KMIP_TAG_MAC_DATA};
    enum err err = check(kmip, KMIP_OP_MAC_VERIFY, &what, &call);
    if (err == ERR_OK)
        err = take_validity(&call, ret_valid);
    return kmipc_end(kmip, err, error);
}

int ckmip_hash(struct ckmip *kmip, const char *hash, struct ckmip_bytes data,
               struct ckmip_data *ret_digest, struct ckmip_error *error)
{
    struct kmipc_call call;
    if (kmip == NULL || hash == NULL || ret_digest == NULL)
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    *ret_digest = (struct ckmip_data){0};
    const struct ckmip_params params = {.hash = hash};
    const struct check what = {.params = &params, .data = data};
    enum err err = check(kmip, KMIP_OP_HASH, &what, &call);
    if (err == ERR_OK)
        err = kmipc_take_data(call.out, KMIP_TAG_DATA, ret_digest);
    return kmipc_end(kmip, err, error);
}

int ckmip_random(struct ckmip *kmip, uint32_t len, struct ckmip_data *ret_data,
                 struct ckmip_error *error)
{
    struct kmipc_call call;
    if (kmip == NULL || ret_data == NULL || len > INT32_MAX)
        return kmipc_end(kmip, ERR_ARGUMENT, error);
    *ret_data = (struct ckmip_data){0};
    enum err err = kmipc_begin(kmip, KMIP_OP_RNG_RETRIEVE, KMIPC_1_2, &call);
    if (err == ERR_OK) {
        (void)kmip_put_int(&call.build, call.in, KMIP_TAG_DATA_LENGTH, (int32_t)len);
        err = kmipc_run(&call);
    }
    if (err == ERR_OK)
        err = kmipc_take_data(call.out, KMIP_TAG_DATA, ret_data);
    return kmipc_end(kmip, err, error);
}
