#include "crypto/bn.h"

void bn_freep(BIGNUM **number)
{
    BN_clear_free(*number);
}

void bn_ctx_freep(BN_CTX **ctx)
{
    BN_CTX_free(*ctx);
}

BIGNUM *bn_new(void)
{
    BIGNUM *number = BN_secure_new();
    if (number != NULL)
        BN_set_flags(number, BN_FLG_CONSTTIME);
    return number;
}

BIGNUM *bn_of(struct bytes number)
{
    BIGNUM *made = bn_new();
    if (made != NULL && BN_bin2bn(number.data, (int)number.len, made) != NULL)
        return made;
    BN_clear_free(made);
    return NULL;
}
