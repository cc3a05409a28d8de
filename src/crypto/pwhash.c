#include "crypto/pwhash.h"

#include <argon2.h>

static enum err check_range(const char *name, size_t value, size_t low, size_t high,
                            struct err_detail *detail)
{
    if (value >= low && value <= high)
        return ERR_OK;
    return err_set(detail, ERR_LIMIT, "Argon2id %s is %zu, allowed are %zu to %zu", name, value,
                   low, high);
}

enum err pwhash_check(const struct pwhash_params *params, struct err_detail *detail)
{
    TRY(check_range("passes", params->t_cost, 1, PWHASH_T_MAX, detail));
    TRY(check_range("memory in KiB", params->m_kib, PWHASH_M_MIN_KIB, PWHASH_M_MAX_KIB, detail));
    return check_range("lanes", params->lanes, 1, PWHASH_LANES_MAX, detail);
}

enum err pwhash_derive(struct bytes passphrase, struct bytes salt,
                       const struct pwhash_params *params, size_t out_len,
                       struct secret **ret_secret, struct err_detail *detail)
{
    TRY(pwhash_check(params, detail));
    TRY(check_range("salt length", salt.len, PWHASH_SALT_MIN, PWHASH_SALT_MAX, detail));
    TRY(check_range("output length", out_len, PWHASH_OUT_MIN, PWHASH_OUT_MAX, detail));
    TRY(check_range("passphrase length", passphrase.len, 1, PWHASH_PASSPHRASE_MAX, detail));
    AUTO(secret_freep) struct secret *out = NULL;
    TRY(secret_new(out_len, &out));
    /* The library only reads password and salt with these flags. Its memory is wiped by itself. */
    argon2_context context = {
        .out = secret_data(out),
        .outlen = (uint32_t)out_len,
        .pwd = (uint8_t *)(uintptr_t)passphrase.data,
        .pwdlen = (uint32_t)passphrase.len,
        .salt = (uint8_t *)(uintptr_t)salt.data,
        .saltlen = (uint32_t)salt.len,
        .t_cost = params->t_cost,
        .m_cost = params->m_kib,
        .lanes = params->lanes,
        .threads = 1,
        .version = ARGON2_VERSION_13,
        .flags = ARGON2_DEFAULT_FLAGS,
    };
    int result = argon2id_ctx(&context);
    if (result != ARGON2_OK)
        return err_set(detail,
                       result == ARGON2_MEMORY_ALLOCATION_ERROR ? ERR_NO_MEMORY : ERR_CRYPTO,
                       "Argon2id: %s", argon2_error_message(result));
    *ret_secret = TAKE(out);
    return ERR_OK;
}
