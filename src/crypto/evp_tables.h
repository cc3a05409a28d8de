#pragma once

#include "crypto/algorithm.h"
#include "crypto/evp.h"

/* Inside this folder only: OpenSSL's objects by KMIP's numbers, fetched once for the whole process.
 * NULL where an algorithm is not served, or the default provider lacks it. */

/* `key_len` as the key lies: DES and two-key 3DES become EDE3, see cipher_key. A stream cipher has
 * mode 0, or AEAD. */
const EVP_CIPHER *evp_cipher(uint32_t alg, uint32_t mode, size_t key_len);
const EVP_MD *evp_md(uint32_t hash);
const char *evp_md_name(uint32_t hash);
/* A context with the hash set and no key: to be copied. Setting the hash costs more than the MAC.
 */
const EVP_MAC_CTX *evp_hmac(uint32_t hash);
EVP_MAC *evp_cmac(void);
EVP_MAC *evp_poly1305(void);
EVP_KDF *evp_pbkdf2(void);
/* The hash of an HMAC algorithm; 0 for another algorithm. */
uint32_t evp_hmac_hash(uint32_t alg);
/* Fetch all of it. */
void evp_tables_fill(void);
