#pragma once

#include "crypto/algorithm.h"
#include "crypto/x509.h"

/* What certificates and requests of any origin say, for the attributes of a registered certificate,
 * and whether a chain holds (operations Certify and Validate). Read by der.h. Any thread. */

#define CERTS_RDN_MAX   16 /* values of one kind in a name */
#define CERTS_CHAIN_MAX 16

/* Values of a Name by kind, as KMIP's Certificate Attributes ask (2.1, 4.6). Views; several of a
 * kind in the order of the name. */
enum certs_rdn {
    CERTS_CN,
    CERTS_O,
    CERTS_OU,
    CERTS_EMAIL,
    CERTS_C,
    CERTS_ST,
    CERTS_L,
    CERTS_UID,
    CERTS_SERIAL_NUMBER,
    CERTS_TITLE,
    CERTS_DC,
    CERTS_DN_QUALIFIER,
    CERTS_RDN_KINDS,
};
struct certs_name {
    struct bytes der; /* Name */
    struct bytes values[CERTS_RDN_KINDS][CERTS_RDN_MAX];
    uint8_t counts[CERTS_RDN_KINDS];
};

/* Views into the DER given. */
struct certs_info {
    struct certs_name subject, issuer; /* issuer: certificates only */
    struct bytes serial;               /* INTEGER content as it stands, sign byte included */
    struct bytes spki;
    int64_t not_before, not_after;            /* seconds since 1970 */
    struct bytes alt_names, issuer_alt_names; /* GeneralNames, DER; may be empty */
    struct bytes key_id, authority_key_id;    /* may be empty */
    bool is_ca;
    bool self_issued;   /* subject is issuer */
    uint32_t signature; /* enum crypto_signature; 0 where KMIP has no number */
    uint32_t key_alg;   /* enum crypto_alg of the subject's key; 0: not served */
    uint32_t key_bits;
};
/* ERR_KEY_FORM where it is no certificate, ERR_LIMIT. Nothing is verified. */
MUST_CHECK enum err certs_parse(struct bytes der, struct certs_info *ret_info,
                                struct err_detail *detail);
/* PKCS#10, its own signature verified by whatever algorithm it has: ERR_SIGNATURE. */
MUST_CHECK enum err certs_parse_request(struct bytes der, struct certs_info *ret_info,
                                        struct err_detail *detail);
/* DER out of DER or PEM: "CERTIFICATE", or "(NEW )CERTIFICATE REQUEST". Appends. */
MUST_CHECK enum err certs_unpem(struct bytes input, bool request, struct buf *der,
                                struct err_detail *detail);
/* A Name as text: "CN=...,O=..." of RFC 4514 (most specific first). Appends, with a NUL behind it
 * that is not counted. */
MUST_CHECK enum err certs_name_text(struct bytes name, struct buf *to, struct err_detail *detail);
/* The alternative names as text ("DNS:a.example", "IP:192.0.2.1", "EMAIL:...", "URI:..."), one call
 * of `each` for one. */
MUST_CHECK enum err certs_alt_names(struct bytes alt_names,
                                    enum err (*each)(void *arg, struct bytes text), void *arg);

enum certs_verdict {
    CERTS_VALID = 1, /* KMIP Validity Indicator */
    CERTS_INVALID = 2,
    CERTS_UNKNOWN = 3, /* no way to a trusted root */
};
/* Do these certificates (any order; one is the leaf, the others are its way up) make a chain that
 * holds at `when`? `trusted`: roots; empty: a self-signed certificate among `chain` is the root, as
 * KMIP's Validate has it. Checks signatures, validity, CA and path lengths, key usage; no
 * revocation. `detail` says why not. */
MUST_CHECK enum err certs_verify(const struct bytes *chain, size_t chain_count,
                                 const struct bytes *trusted, size_t trusted_count, int64_t when,
                                 enum certs_verdict *ret_verdict, struct err_detail *detail);
