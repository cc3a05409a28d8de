#pragma once

#include "base/buf.h"
#include "base/secret.h"
#include "keeper/client_files.h"
#include "keeper/keyring_line.h"

/* Gateway key file (.csv.aes). Integers are big-endian.
 *
 *   magic "CLVGWKF1" | u16 header length: the bytes from here to the nonce's end
 *   u32 Argon2id passes | u32 memory in KiB | u32 lanes | 16 salt
 *   u16 length, network name | u16 length, realm
 *   u32 version of the gateway key | u32 of the code download key | u32 of base | u32 of the
 *   passphrase | u8 width of node ids (32 or 64)
 *   12 nonce
 *   u32 length | ciphertext | 16 tag
 *
 * AES-256-GCM; the key is the first half of the 64 bytes that Argon2id makes of the passphrase and
 * the salt; associated data is all from the magic to the nonce's end. The plaintext is the four
 * first lines of keyring.csv. Beside it lies `.sig`: RSASSA-PKCS1-v1_5 with SHA-256 of the whole
 * file. */

#define GWFILE_MAGIC     "CLVGWKF1"
#define GWFILE_PLAIN_MAX 512

/* The four first lines. */
struct gwfile_keys {
    struct keyring_line pwdh, base, gateway, cdld;
};
void gwfile_keys_wipe(struct gwfile_keys *keys);

/* Views into the file. */
struct gwfile {
    struct bytes aad;
    struct bytes nonce;
    struct bytes ciphertext;
    struct bytes tag;
};
/* Everything that can be read without the passphrase. ERR_SYNTAX, ERR_TRUNCATED, ERR_LIMIT
 * (Argon2id parameters), ERR_UNSUPPORTED (another format). */
MUST_CHECK enum err gwfile_parse(struct bytes file, struct keeper_gateway_file *ret_head,
                                 struct gwfile *ret_file, struct err_detail *detail);
/* `derived` are the 64 bytes. ERR_DECRYPT; ERR_SYNTAX with the line; ERR_MISMATCH where pwdh isn't
 * that of the passphrase. */
MUST_CHECK enum err gwfile_open(const struct gwfile *file, struct bytes derived, unsigned id_width,
                                struct gwfile_keys *ret_keys, struct err_detail *detail);
/* Appends. */
MUST_CHECK enum err gwfile_make(const struct keeper_gateway_file *head, struct bytes derived,
                                const struct gwfile_keys *keys, struct buf *to,
                                struct err_detail *detail);

/* Refuses what Argon2id parameters from outside may not ask of the keeper: ERR_LIMIT. */
MUST_CHECK enum err keeper_pwhash_check(const struct keeper_pwhash *pwhash,
                                        struct err_detail *detail);
/* 64 bytes from 1 to 1024 bytes of passphrase. Slow. Any thread. */
MUST_CHECK enum err keeper_pwhash_derive(const struct keeper_pwhash *pwhash,
                                         struct bytes passphrase, struct secret **ret_derived,
                                         struct err_detail *detail);
/* AES-256-CMAC under the last 32 of the 64 bytes over "claviger pwdh v1". */
MUST_CHECK enum err keeper_pwdh(struct bytes derived, uint8_t ret_pwdh[KEEPER_MAC_SIZE]);
