#pragma once

#include "base/secret.h"

/* Argon2id version 0x13 (RFC 9106). */
struct pwhash_params {
    uint32_t t_cost; /* passes */
    uint32_t m_kib;  /* memory in KiB */
    uint32_t lanes;
};

/* The second recommended option of RFC 9106, section 4: about 0.1 s and 64 MiB. The lanes are
 * computed one after the other on the calling thread, so that a sandbox needs no right to
 * start threads. */
#define PWHASH_DEFAULT ((struct pwhash_params){.t_cost = 3, .m_kib = 65536, .lanes = 4})

/* What parameters from a file are checked against before memory is taken. */
#define PWHASH_T_MAX          16
#define PWHASH_M_MIN_KIB      8192
#define PWHASH_M_MAX_KIB      1048576
#define PWHASH_LANES_MAX      16
#define PWHASH_SALT_MIN       8
#define PWHASH_SALT_MAX       64
#define PWHASH_OUT_MIN        16
#define PWHASH_OUT_MAX        512
#define PWHASH_PASSPHRASE_MAX 1024

/* ERR_LIMIT, with the field named, outside the limits above. */
MUST_CHECK enum err pwhash_check(const struct pwhash_params *params, struct err_detail *detail);
/* Slow by intent: never on a loop. Any thread. ERR_LIMIT as above, ERR_NO_MEMORY. */
MUST_CHECK enum err pwhash_derive(struct bytes passphrase, struct bytes salt,
                                  const struct pwhash_params *params, size_t out_len,
                                  struct secret **ret_secret, struct err_detail *detail);

/* What is kept of a password: "$argon2id$v=19$m=65536,t=3,p=4$salt$hash", in base64 without padding
 * as other programs write it, with a salt of its own. */
#define PWHASH_VERIFIER_MAX 255
MUST_CHECK enum err pwhash_verifier_make(struct bytes password,
                                         char ret_verifier[PWHASH_VERIFIER_MAX + 1],
                                         struct err_detail *detail);
/* ERR_UNAUTHENTICATED where it is another password, ERR_CORRUPT where the verifier is none. As slow
 * as making it. */
MUST_CHECK enum err pwhash_verifier_check(const char *verifier, struct bytes password,
                                          struct err_detail *detail);
