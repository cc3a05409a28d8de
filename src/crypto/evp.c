#include "crypto/evp.h"

#include <pthread.h>
#include <stdbool.h>

#include "crypto/crypto.h"
#include "crypto/evp_tables.h"

static struct evp_set set;
static bool complete;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fetch(void)
{
    set.aes256_gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    set.aes128_cbc = EVP_CIPHER_fetch(NULL, "AES-128-CBC", NULL);
    set.aes256_cbc = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    evp_tables_fill();
    set.sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    set.sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    set.hkdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    complete = set.aes256_gcm != NULL && set.aes128_cbc != NULL && set.aes256_cbc != NULL &&
               set.sha256 != NULL && set.sha1 != NULL && set.hkdf != NULL;
}

const struct evp_set *evp_set(void)
{
    (void)pthread_once(&once, fetch);
    return complete ? &set : NULL;
}

enum err evp_fail(struct err_detail *detail, enum err code, const char *what)
{
    const char *extra = NULL;
    int flags = 0;
    unsigned long reason = ERR_get_error_all(NULL, NULL, NULL, &extra, &flags);
    if (reason != 0) {
        char text[160];
        ERR_error_string_n(reason, text, sizeof text);
        bool has_extra = (flags & ERR_TXT_STRING) != 0 && extra != NULL && extra[0] != '\0';
        code = err_set(detail, code, "%s: %s%s%s", what, text, has_extra ? ": " : "",
                       has_extra ? extra : "");
    } else {
        code = err_set(detail, code, "%s", what);
    }
    ERR_clear_error();
    return code;
}

enum err crypto_start(struct err_detail *detail)
{
    if (evp_set() == NULL)
        return evp_fail(detail, ERR_CRYPTO, "an algorithm is missing from the providers");
    unsigned char seed[16];
    if (RAND_bytes(seed, sizeof seed) != 1 || RAND_priv_bytes(seed, sizeof seed) != 1)
        return evp_fail(detail, ERR_CRYPTO, "random generator");
    OPENSSL_cleanse(seed, sizeof seed);
    return ERR_OK;
}
