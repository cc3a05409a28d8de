#pragma once

#include "base/err.h"

/* OpenSSL has a deprecated type of the same name as one of our error codes. */
#define ERR_STATE openssl_err_state
#include <openssl/types.h>
#undef ERR_STATE
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

/* Inside this folder only: what is fetched from OpenSSL once for the whole process. Fetching by
 * name for every operation costs more than the operation. */
struct evp_set {
    EVP_CIPHER *aes256_gcm;
    EVP_CIPHER *aes128_cbc;
    EVP_CIPHER *aes256_cbc;
    EVP_MD *sha256;
    EVP_MD *sha1;
    EVP_KDF *hkdf;
};

/* NULL where a provider lacks one of them. */
const struct evp_set *evp_set(void);

/* Fills `detail` with `what` and the reason OpenSSL gave first, empties OpenSSL's error queue of
 * this thread, and returns `code`. */
enum err evp_fail(struct err_detail *detail, enum err code, const char *what);
