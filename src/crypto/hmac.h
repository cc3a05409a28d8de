#pragma once

#include "crypto/evp_tables.h"
#include "crypto/hash_alg.h"

/* Inside this folder only. HMAC (RFC 2104) of the parts one after the other. ERR_UNSUPPORTED for a
 * hash that is not served, ERR_KEY_FORM for an empty key. */
MUST_CHECK enum err hmac_parts(uint32_t hash, struct bytes key, const struct bytes *parts,
                               size_t count, uint8_t ret_mac[HASH_ALG_MAX], size_t *ret_len);
/* Keyed and ready for many MACs by EVP_MAC_CTX_dup or EVP_MAC_init without a key. */
MUST_CHECK enum err hmac_ctx(uint32_t hash, struct bytes key, EVP_MAC_CTX **ret_ctx);
/* CMAC (SP 800-38B) with a block cipher in the same way. */
MUST_CHECK enum err cmac_ctx(uint32_t alg, struct bytes key, EVP_MAC_CTX **ret_ctx,
                             struct err_detail *detail);
void mac_ctx_freep(EVP_MAC_CTX **ctx);
