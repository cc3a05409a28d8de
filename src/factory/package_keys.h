#pragma once

#include "factory/package.h"

/* The files of a package that are read and not only handed on: public keys, and the gateway key
 * file with its signature. */
struct package_keys {
    uint8_t kms_fingerprint[32];
    unsigned kms_bits;
    const char *network, *realm; /* of the gateway key file's header; of the arena */
    uint32_t gateway_version, cdld_version;
};

/* Is a file of this role one of them? They have at most PACKAGE_KEY_SIZE_MAX bytes. */
bool package_keys_wants(enum package_role role);
/* `contents`: by index of the package's files, of those that are wanted. ERR_KEY_FORM,
 * ERR_SIGNATURE, ERR_SYNTAX, ERR_TRUNCATED, ERR_LIMIT, ERR_UNSUPPORTED; `detail` begins with the
 * file's name. */
MUST_CHECK enum err package_keys_check(const struct package *package, const struct bytes *contents,
                                       struct arena *arena, struct package_keys *ret_keys,
                                       struct err_detail *detail);
