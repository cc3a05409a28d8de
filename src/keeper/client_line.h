#pragma once

#include "base/buf.h"
#include "keeper/types.h"

/* A part of keeper/client.h: the factory. Gateway keys for its stations, and at the operator the
 * keys of the devices that it made. */

struct keeper_client;

#define KEEPER_KCV      8   /* crypto/check_value.h */
#define KEEPER_LINE_MAX 200 /* bytes of what an export to a station is for */

struct keeper_line_key {
    uint32_t version; /* the row it is sealed for */
    uint32_t epoch;
    struct bytes sealed;
};
struct keeper_line_keys {
    uint32_t domain; /* of the group "factory": others are ERR_DENIED */
    struct keeper_line_key gateway, cdld;
    struct bytes recipient; /* DER SubjectPublicKeyInfo, RSA */
    const char *purpose;    /* for the record: "config 0x0000012345678abc station line-1" */
};
/* The lines "gateway, 0x.." and "gateway_cdld, 0x.." of a keyring as a CMS message (DER, appended)
 * to the recipient, with the check values of both. ERR_DENIED, ERR_RATE; ERR_SEAL where a row does
 * not open. */
MUST_CHECK enum err keeper_export_line(struct keeper_client *client, const char *actor,
                                       const struct keeper_line_keys *keys, struct buf *cms,
                                       uint8_t ret_gateway_kcv[KEEPER_KCV],
                                       uint8_t ret_cdld_kcv[KEEPER_KCV], struct err_detail *detail);

/* The signature of device_keys.xml by the server's key (RSASSA-PKCS1-v1_5 with SHA-256), while it
 * is written: begin, update*, end; a session as in keeper/client_files.h. What does not begin with
 * KEEPER_DEVICES_FORM is not signed (ERR_DENIED). `what` is for the record: "export 7". */
#define KEEPER_DEVICES_FORM                                                                        \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<deviceKeys "                                     \
    "xmlns=\"urn:claviger:device-keys:1\" "
MUST_CHECK enum err keeper_sign_devices_begin(struct keeper_client *client, const char *actor,
                                              const char *what, uint32_t *ret_session,
                                              struct err_detail *detail);
MUST_CHECK enum err keeper_sign_devices_update(struct keeper_client *client, uint32_t session,
                                               struct bytes part, struct err_detail *detail);
/* Appends to `signature`. */
MUST_CHECK enum err keeper_sign_devices_end(struct keeper_client *client, uint32_t session,
                                            struct buf *signature, struct err_detail *detail);

/* A device's key as the factory has it. */
struct keeper_device {
    uint64_t id;               /* of the node, not 0 */
    uint8_t kcv[KEEPER_KCV];   /* of its key */
    const uint8_t *ciphertext; /* RSAES-OAEP with SHA-1, to this server's key */
    /* out: ERR_OK, or why there is no row. ERR_DECRYPT: it is not for this key, or is not a key of
     * 16 bytes; ERR_MISMATCH: another check value. */
    enum err err;
    struct keeper_made made;
};
/* How many devices a call takes whose ciphertexts have `size` bytes; 0: no such RSA key. */
size_t keeper_devices_max(size_t size);
/* Opens them in the token, several at a time, and seals them for (domain, NODE, id, epoch). All
 * ciphertexts have `size` bytes. A device's failure is its own; the token's is the call's. */
MUST_CHECK enum err keeper_import_devices(struct keeper_client *client, const char *actor,
                                          uint32_t domain, uint32_t epoch,
                                          struct keeper_device *devices, size_t count, size_t size,
                                          struct err_detail *detail);
