#pragma once

#include "base/buf.h"
#include "keeper/types.h"

/* A part of keeper/client.h: MACs, and key files in and out. A session belongs to its connection
 * and ends after KEEPER_SESSION_IDLE_S without use. */

struct keeper_client;

/* AES-CMAC, with the row's MAC key: PASSPHRASE (the last 32 bytes), PEER_SECRET (16 bytes AES-128,
 * 32 bytes AES-256, any other length through RFC 4615). Begin, update*, then one of end and verify,
 * which end the session in any case. */
MUST_CHECK enum err keeper_mac_begin(struct keeper_client *client, const char *actor,
                                     struct keeper_row row, struct bytes sealed,
                                     uint32_t *ret_session, struct err_detail *detail);
/* Any length; sent in chunks of KEEPER_MAC_CHUNK_MAX. */
MUST_CHECK enum err keeper_mac_update(struct keeper_client *client, uint32_t session,
                                      struct bytes part, struct err_detail *detail);
MUST_CHECK enum err keeper_mac_end(struct keeper_client *client, uint32_t session,
                                   uint8_t ret_mac[KEEPER_MAC_SIZE], struct err_detail *detail);
/* ERR_SIGNATURE. */
MUST_CHECK enum err keeper_mac_verify(struct keeper_client *client, uint32_t session,
                                      struct bytes mac, struct err_detail *detail);

/* The content of a CMS file: keyring.csv lines, encrypted. */
struct keeper_cms {
    uint8_t key_id[20]; /* subjectKeyIdentifier of the recipient */
    uint8_t nonce[12];
    uint8_t encrypted_key[1024]; /* RSAES-OAEP, SHA-1 */
    size_t encrypted_key_len;
};
/* `purpose`: EXPORT_BATCH, EXPORT_KEYRING, BACKUP. `recipient` is a DER SubjectPublicKeyInfo;
 * empty: this server's own key, the only one BACKUP takes. All rows are of `domain`. */
MUST_CHECK enum err keeper_export_begin(struct keeper_client *client, const char *actor,
                                        enum keeper_purpose purpose, uint32_t domain,
                                        struct bytes recipient, uint32_t *ret_session,
                                        struct keeper_cms *ret_cms, struct err_detail *detail);
/* A network's keys, sealed, with what each row needs beside `domain`. */
struct keeper_network_keys {
    struct keeper_versions versions; /* row ids; that of PWDH is `passphrase` */
    struct {
        uint32_t epoch;
        struct bytes sealed;
    } gateway, cdld, base, pwdh, passphrase; /* `passphrase` for a gateway key file only */
};
/* The first four lines, before any node. Appends ciphertext to `to`, here and below. Not with
 * EXPORT_BATCH. */
MUST_CHECK enum err keeper_export_head(struct keeper_client *client, uint32_t session,
                                       const struct keeper_network_keys *keys, struct buf *to,
                                       struct err_detail *detail);
struct keeper_export_node {
    uint64_t id;
    uint32_t epoch;
    uint32_t batch;
    uint32_t reprovisioned;
    struct bytes sealed;
};
/* At most KEEPER_EXPORT_MAX rows; one that doesn't open fails the call and the session. ERR_RATE
 * leaves the session as it was: wait and ask again. */
MUST_CHECK enum err keeper_export_nodes(struct keeper_client *client, uint32_t session,
                                        const struct keeper_export_node *nodes, size_t count,
                                        struct buf *to, struct err_detail *detail);
MUST_CHECK enum err keeper_export_end(struct keeper_client *client, uint32_t session,
                                      uint8_t ret_tag[KEEPER_TAG_SIZE], struct err_detail *detail);

struct keeper_gateway_file {
    char network[KEEPER_NAME_MAX + 1];
    char realm[KEEPER_NAME_MAX + 1];
    struct keeper_pwhash pwhash;
    struct keeper_versions versions;
    uint8_t id_width; /* 32 or 64 */
};
/* The whole gateway key file and its signature by the server's key (appended to each). */
MUST_CHECK enum err keeper_export_gateway(struct keeper_client *client, const char *actor,
                                          uint32_t domain, const struct keeper_gateway_file *head,
                                          const struct keeper_network_keys *keys, struct buf *file,
                                          struct buf *signature, struct err_detail *detail);
struct keeper_gateway_keys {
    struct keeper_made passphrase, pwdh, gateway, cdld, base;
};
/* Reads one, seals its keys for (domain, table, the file's version, epoch). The signature is for
 * the caller to check before. ERR_DECRYPT: wrong passphrase or altered file; ERR_SYNTAX. Either
 * result may be NULL. */
MUST_CHECK enum err keeper_import_gateway(struct keeper_client *client, const char *actor,
                                          uint32_t domain, uint32_t epoch, struct bytes file,
                                          struct bytes passphrase,
                                          struct keeper_gateway_file *ret_head,
                                          struct keeper_gateway_keys *ret_keys,
                                          struct err_detail *detail);

enum keeper_head { KEEPER_HEAD_NONE, KEEPER_HEAD_OPTIONAL, KEEPER_HEAD_REQUIRED };
struct keeper_import {
    uint32_t domain;
    uint32_t epoch;
    enum keeper_head head;           /* are the four first lines there? */
    struct keeper_versions versions; /* the rows they are sealed for */
    uint8_t id_width;                /* 32 or 64: larger ids are refused */
    bool oaep_sha256;                /* hash of the key transport */
    struct bytes nonce;              /* 12 bytes */
    struct bytes encrypted_key;
};
/* One line of the file. */
struct keeper_import_line {
    uint32_t line; /* from 1 */
    uint8_t table; /* enum keeper_table; 0: refused, see `text` */
    uint64_t row;
    uint32_t batch;
    uint32_t reprovisioned;
    struct keeper_made made;
    const char *text; /* "key has 31 digits, 32 are wanted"; for the call only */
};
/* An error stops handing out lines and is the call's. */
typedef enum err keeper_import_fn(void *arg, const struct keeper_import_line *line);

/* ERR_DECRYPT where the content key doesn't open with the server's key. */
MUST_CHECK enum err keeper_import_begin(struct keeper_client *client, const char *actor,
                                        const struct keeper_import *import, uint32_t *ret_session,
                                        struct err_detail *detail);
/* The ciphertext is sent twice, in the same pieces of 1 to KEEPER_IMPORT_CHUNK_MAX bytes: first all
 * of it with keeper_import_check, which gives each piece its mark; then, once keeper_import_checked
 * has found the tag right (12 to 16 bytes; ERR_DECRYPT where it isn't), with keeper_import_chunk,
 * which wants the marks back and gives the lines. Before that nothing of the content is told. An
 * error ends the session. */
MUST_CHECK enum err keeper_import_check(struct keeper_client *client, uint32_t session,
                                        struct bytes ciphertext, uint8_t ret_mark[KEEPER_MARK_SIZE],
                                        struct err_detail *detail);
MUST_CHECK enum err keeper_import_checked(struct keeper_client *client, uint32_t session,
                                          struct bytes tag, struct err_detail *detail);
/* ERR_MISMATCH where this is not the piece that got the mark; nothing that `fn` gets may be kept
 * before keeper_import_end said yes. */
MUST_CHECK enum err keeper_import_chunk(struct keeper_client *client, uint32_t session,
                                        const uint8_t mark[KEEPER_MARK_SIZE],
                                        struct bytes ciphertext, keeper_import_fn *fn, void *arg,
                                        struct err_detail *detail);
struct keeper_import_totals {
    uint32_t lines;
    uint32_t nodes;
    uint32_t refused;    /* lines */
    uint32_t unreported; /* refused lines beyond the first 64 of a chunk, counted only */
};
/* ERR_SYNTAX where first lines are missing, ERR_STATE before all pieces were given. Gives the last
 * line where it has no newline. */
MUST_CHECK enum err keeper_import_end(struct keeper_client *client, uint32_t session,
                                      keeper_import_fn *fn, void *arg,
                                      struct keeper_import_totals *ret_totals,
                                      struct err_detail *detail);
/* Give a session up. */
MUST_CHECK enum err keeper_session_drop(struct keeper_client *client, uint32_t session,
                                        struct err_detail *detail);
