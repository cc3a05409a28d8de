#pragma once

#include "crypto/pkey.h"

/* Inside this folder only. RSAES-PKCS1-v1_5 decryption with implicit rejection: a wrong padding
 * gives a message of random length and content, always the same for key and ciphertext, so nobody
 * learns from the answer whether it was wrong (as draft-irtf-cfrg-rsa-guidance has it). OpenSSL
 * does that by itself from 3.2 on. Appends. ERR_DECRYPT where `sealed` is not of the modulus's
 * size or not below it. */
MUST_CHECK enum err rsa_pkcs1_decrypt(const struct crypto_key *key, EVP_PKEY *pkey,
                                      struct bytes sealed, struct buf *to);
