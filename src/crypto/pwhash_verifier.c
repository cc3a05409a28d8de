#include "crypto/pwhash.h"

#include <stdio.h>

#include "crypto/evp.h"
#include "crypto/random.h"

#define SALT_SIZE 16
#define HASH_SIZE 32
#define TEXT_MAX  96 /* base64 of either, with padding */

/* Base64 without the padding (the PHC string format). */
static void put_base64(struct bytes from, char to[TEXT_MAX])
{
    int len = EVP_EncodeBlock((unsigned char *)to, from.data, (int)from.len);
    while (len > 0 && to[len - 1] == '=')
        len--;
    to[len] = '\0';
}

/* Up to the next '$' or the end; `*at` is moved behind it. */
static enum err get_base64(const char **at, uint8_t *to, size_t cap, size_t *ret_len)
{
    char text[TEXT_MAX];
    unsigned char raw[TEXT_MAX];
    size_t len = strcspn(*at, "$");
    size_t padded = (len + 3) / 4 * 4;
    if (len == 0 || padded >= sizeof text || len % 4 == 1)
        return ERR_CORRUPT;
    memset(text, '=', padded);
    memcpy(text, *at, len);
    text[padded] = '\0';
    int got = EVP_DecodeBlock(raw, (const unsigned char *)text, (int)padded);
    size_t raw_len = got < 0 ? 0 : (size_t)got - (padded - len);
    if (raw_len == 0 || raw_len > cap)
        return ERR_CORRUPT;
    memcpy(to, raw, raw_len);
    explicit_bzero(raw, sizeof raw);
    *at += len + ((*at)[len] == '$');
    *ret_len = raw_len;
    return ERR_OK;
}

enum err pwhash_verifier_make(struct bytes password, char ret_verifier[PWHASH_VERIFIER_MAX + 1],
                              struct err_detail *detail)
{
    uint8_t salt[SALT_SIZE];
    char salt_text[TEXT_MAX], hash_text[TEXT_MAX];
    const struct pwhash_params params = PWHASH_DEFAULT;
    AUTO(secret_freep) struct secret *hash = NULL;
    TRY(random_bytes(salt, sizeof salt));
    TRY(pwhash_derive(password, BYTES(salt), &params, HASH_SIZE, &hash, detail));
    put_base64(BYTES(salt), salt_text);
    put_base64(secret_view(hash), hash_text);
    (void)snprintf(ret_verifier, PWHASH_VERIFIER_MAX + 1, "$argon2id$v=19$m=%u,t=%u,p=%u$%s$%s",
                   params.m_kib, params.t_cost, params.lanes, salt_text, hash_text);
    return ERR_OK;
}

/* `before`, then a number of at most nine digits. */
static bool get_number(const char **at, const char *before, uint32_t *ret_number)
{
    size_t len = strlen(before), digits = 0;
    uint32_t number = 0;
    if (strncmp(*at, before, len) != 0)
        return false;
    for (*at += len; **at >= '0' && **at <= '9' && digits < 10; (*at)++, digits++)
        number = number * 10 + (uint32_t)(**at - '0');
    *ret_number = number;
    return digits != 0 && digits <= 9;
}

enum err pwhash_verifier_check(const char *verifier, struct bytes password,
                               struct err_detail *detail)
{
    struct pwhash_params params = {0};
    uint8_t salt[PWHASH_SALT_MAX], wanted[PWHASH_OUT_MIN * 4];
    size_t salt_len = 0, wanted_len = 0;
    const char *at = verifier;
    /* the limits are pwhash_derive's */
    if (!get_number(&at, "$argon2id$v=19$m=", &params.m_kib) ||
        !get_number(&at, ",t=", &params.t_cost) || !get_number(&at, ",p=", &params.lanes) ||
        *at++ != '$')
        return err_set(detail, ERR_CORRUPT, "password verifier: not of Argon2id");
    if (get_base64(&at, salt, sizeof salt, &salt_len) != ERR_OK ||
        get_base64(&at, wanted, sizeof wanted, &wanted_len) != ERR_OK || *at != '\0' ||
        wanted_len < PWHASH_OUT_MIN)
        return err_set(detail, ERR_CORRUPT, "password verifier: bad salt or hash");
    AUTO(secret_freep) struct secret *hash = NULL;
    if (password.len == 0 || password.len > PWHASH_PASSPHRASE_MAX)
        return err_set(detail, ERR_UNAUTHENTICATED, "wrong password");
    TRY(pwhash_derive(password, bytes_of(salt, salt_len), &params, wanted_len, &hash, detail));
    if (!secret_equal(secret_view(hash), bytes_of(wanted, wanted_len)))
        return err_set(detail, ERR_UNAUTHENTICATED, "wrong password");
    return ERR_OK;
}
