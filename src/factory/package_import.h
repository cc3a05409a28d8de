#pragma once

#include "factory/package.h"

/* Reading a package (tar.gz) from an upload, in one pass and in pieces: nothing of it is believed
 * before its signature holds, and no file is written past the size that the signed description has
 * for it. What stays is a folder with exactly package.xml, package.xml.sig and the files listed; on
 * any failure there is no folder. Any thread; blocks. */

#define PACKAGE_PACKAGERS_MAX 1000
/* A stream may unpack to so many times its size, once it is past what is free. */
#define PACKAGE_RATIO_MAX  200
#define PACKAGE_RATIO_FREE ((uint64_t)64 * 1024 * 1024)

/* Who is trusted to sign. Borrowed. */
struct package_packager {
    const char *name;
    struct bytes public_key; /* SubjectPublicKeyInfo: RSA of 2048 to 4096 bits, or EC P-256 */
};

/* Bytes of the package's files that are done, of the total that its description has; `file` is the
 * one under way. An error (ERR_CANCELLED) ends the import. */
typedef enum err package_progress_fn(void *ctx, const char *file, uint64_t done, uint64_t total);

struct package_import {
    int fd;             /* read from where it stands to its end; stays the caller's */
    const char *name;   /* of the archive, for messages */
    const char *folder; /* made here with mode 0700, must not exist; NULL: check only */
    uint64_t size_max;  /* bytes of all files together */
    const struct package_packager *packagers;
    size_t packagers_len;
    bool unproven; /* check the signature with the key that the package itself names */
    package_progress_fn *progress; /* may be NULL */
    void *ctx;
};

struct package_imported {
    struct package package;   /* of the arena */
    struct bytes description; /* package.xml, of the arena */
    size_t packager;          /* index in `packagers`; SIZE_MAX where `unproven` */
    uint8_t sha256[32];       /* of the archive */
    uint64_t size;            /* of the archive */
    uint8_t kms_fingerprint[32];
    unsigned kms_bits;
    /* what the gateway key file's header says; its signature by the KMS key holds, the passphrase
     * was not tried */
    const char *network, *realm;
    uint32_t gateway_version, cdld_version;
};

/* Errors; `detail` names file and reason:
 * ERR_SIGNATURE  no trusted packager signed it, or the gateway keys are not signed by the KMS key
 * ERR_MISMATCH   a file's size or hash is not the one listed, or it is missing
 * ERR_SYNTAX     what is no package: names, links, devices, order, files that are unlisted or twice
 *                there, bytes behind its end
 * ERR_EXISTS     the folder is there
 * ERR_TRUNCATED, ERR_LIMIT (sizes, counts, ratio), ERR_KEY_FORM (a public key is none),
 * ERR_UNSUPPORTED, ERR_IO, ERR_DISK_FULL, ERR_NO_MEMORY (arena below PACKAGE_MEMORY). */
MUST_CHECK enum err package_import(const struct package_import *request, struct arena *arena,
                                   struct package_imported *ret_imported,
                                   struct err_detail *detail);
