#pragma once

#include "base/buf.h"
#include "base/secret.h"
#include "keeper/types.h"

/* A part of keeper/client.h: domains, making keys, the token. */

struct keeper_client;

struct keeper_status {
    uint64_t started_us; /* since 1970 */
    uint64_t released;   /* keys in clear */
    uint64_t exported;   /* keys in files */
    uint64_t imported;
    uint64_t generated;
    uint64_t refused;   /* by policy, by a seal, for being unknown */
    uint64_t malformed; /* messages */
    uint64_t records;   /* in the audit chain */
    uint64_t syncs;
    uint8_t head[32]; /* of the audit chain */
    uint32_t domains;
    uint32_t domain_keys; /* versions loaded */
    uint32_t sessions;
    bool token_ready;
    uint32_t token_ckr; /* the last that was not CKR_OK */
    char token[256];    /* "SoftHSM2 'claviger' serial 1234 ready"; for a person */
};
MUST_CHECK enum err keeper_status(struct keeper_client *client, struct keeper_status *ret_status,
                                  struct err_detail *detail);
/* ERR_AUDIT unless the chain reaches record `seq` and, where that is in the segment being written,
 * it has this hash. */
MUST_CHECK enum err keeper_audit_expect(struct keeper_client *client, uint64_t seq,
                                        const uint8_t hash[32], struct err_detail *detail);

/* Domain keys. Making one gives its wrapped form only: store that first, then load it. The highest
 * version that is loaded seals. */
/* Version 1 of a new domain's key. ERR_EXISTS where the id is loaded. Appends to `wrapped`. */
MUST_CHECK enum err keeper_domain_create(struct keeper_client *client, const char *actor,
                                         uint32_t domain, const char *name, struct buf *wrapped,
                                         struct err_detail *detail);
/* The version after the newest that is loaded. */
MUST_CHECK enum err keeper_domain_rotate(struct keeper_client *client, const char *actor,
                                         uint32_t domain, const char *name, uint16_t *ret_version,
                                         struct buf *wrapped, struct err_detail *detail);
/* ERR_SEAL where the blob is not this domain's, name's and version's; loading again is no error. */
MUST_CHECK enum err keeper_domain_load(struct keeper_client *client, const char *actor,
                                       uint32_t domain, const char *name, uint16_t version,
                                       struct bytes wrapped, struct err_detail *detail);
/* Forget one version, or with 0 the whole domain. ERR_STATE for the newest version alone. */
MUST_CHECK enum err keeper_domain_drop(struct keeper_client *client, const char *actor,
                                       uint32_t domain, uint16_t version,
                                       struct err_detail *detail);

/* A random key for a row of NODE, GATEWAY (parity and three distinct parts), CDLD or BASE. */
MUST_CHECK enum err keeper_generate(struct keeper_client *client, const char *actor,
                                    struct keeper_row row, struct keeper_made *ret_made,
                                    struct err_detail *detail);

struct keeper_node {
    uint64_t id;
    uint32_t reprovisioned; /* goes into the derivation */
};
/* Keys of at most KEEPER_NODES_MAX nodes, all of `epoch`. With `base` derived from it (SP 800-108,
 * docs/formats.md) for `realm`; NULL: random. `ret_made` has room for `count`. */
MUST_CHECK enum err keeper_generate_nodes(struct keeper_client *client, const char *actor,
                                          uint32_t domain, uint32_t epoch,
                                          const struct keeper_row *base,
                                          const struct keeper_sealed *sealed_base,
                                          const char *realm, const struct keeper_node *nodes,
                                          size_t count, struct keeper_made *ret_made,
                                          struct err_detail *detail);

/* A secret that came to the engine in clear: PEER_SECRET rows only. */
MUST_CHECK enum err keeper_seal(struct keeper_client *client, const char *actor,
                                struct keeper_row row, struct bytes secret,
                                struct keeper_made *ret_made, struct err_detail *detail);

struct keeper_reseal {
    struct keeper_row row;
    struct bytes sealed;     /* in */
    enum err err;            /* out, each for itself */
    struct keeper_made made; /* out: under the domain's newest key, for the same row */
};
/* At most KEEPER_RESEAL_MAX. */
MUST_CHECK enum err keeper_reseal(struct keeper_client *client, const char *actor,
                                  struct keeper_reseal *rows, size_t count,
                                  struct err_detail *detail);

/* The shared passphrase of a network (1 to 1024 bytes). Takes Argon2id's time. `epoch` is of both
 * rows. */
MUST_CHECK enum err keeper_passphrase_set(struct keeper_client *client, const char *actor,
                                          uint32_t domain, uint32_t version, uint32_t epoch,
                                          const struct keeper_pwhash *pwhash,
                                          struct bytes passphrase,
                                          struct keeper_made *ret_passphrase,
                                          struct keeper_made *ret_pwdh, struct err_detail *detail);
/* ERR_MISMATCH where it is another passphrase than that of the sealed PASSPHRASE row. */
MUST_CHECK enum err keeper_passphrase_check(struct keeper_client *client, const char *actor,
                                            struct keeper_row row, struct bytes sealed,
                                            const struct keeper_pwhash *pwhash,
                                            struct bytes passphrase, struct err_detail *detail);

/* RSASSA-PKCS1-v1_5 with SHA-256 by the CA's key over the digest of a certificate or CRL; `what`
 * ("certificate gw1.metro-east.example serial 4f...") goes into the record. Appends. */
MUST_CHECK enum err keeper_sign_certificate(struct keeper_client *client, const char *actor,
                                            const uint8_t digest[32], const char *what,
                                            struct buf *signature, struct err_detail *detail);
/* Sign the head of the audit chain now, rather than at the next interval; the signature goes into
 * the chain. */
MUST_CHECK enum err keeper_sign_audit(struct keeper_client *client, const char *actor,
                                      struct err_detail *detail);
/* Appends the DER SubjectPublicKeyInfo; `ret_key_id` is SHA-1 of the RSAPublicKey, may be NULL. */
MUST_CHECK enum err keeper_public(struct keeper_client *client, enum keeper_key key,
                                  struct buf *spki, uint8_t ret_key_id[20],
                                  struct err_detail *detail);
/* An event of the engine for the chain: `text` alone (kind AUDIT_NOTE), or with a kind of its own.
 * At most KEEPER_NOTE_MAX bytes of text. Durable on return. ERR_DENIED for a kind that is the
 * keeper's own. */
MUST_CHECK enum err keeper_note(struct keeper_client *client, const char *actor, const char *text,
                                struct err_detail *detail);
struct keeper_note {
    uint16_t kind; /* enum audit_kind (audit_kinds.h): one that is marked as a note */
    enum err result;
    struct keeper_row row; /* what means nothing is 0, the table too */
    const char *text;      /* may be "" */
};
MUST_CHECK enum err keeper_note_event(struct keeper_client *client, const char *actor,
                                      const struct keeper_note *note, struct err_detail *detail);
