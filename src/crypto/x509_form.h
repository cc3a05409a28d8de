#pragma once

#include "crypto/der.h"
#include "crypto/x509.h"

/* Inside this folder only: what requests, certificates and CRLs have in common. */

/* RFC 5280, 4.2.1 and A; RFC 2985, 5.4.2; RFC 5480; RFC 5758. */
extern const uint8_t oid_cn[3];
extern const uint8_t oid_subject_alt_name[3];
extern const uint8_t oid_subject_key_id[3];
extern const uint8_t oid_authority_key_id[3];
extern const uint8_t oid_basic_constraints[3];
extern const uint8_t oid_key_usage[3];
extern const uint8_t oid_ext_key_usage[3];
extern const uint8_t oid_crl_number[3];
extern const uint8_t oid_extension_request[9];
extern const uint8_t oid_ecdsa_sha256[8];

/* UTF-8 without control characters? */
bool x509_is_text(struct bytes v);
/* ERR_ARGUMENT where one is not in order. */
MUST_CHECK enum err x509_check_names(const char *cn, const struct x509_names *names,
                                     struct err_detail *detail);
void x509_put_name(struct der_writer *w, const char *cn);
/* subjectAltName; nothing where there are no names. */
void x509_put_alt_names(struct der_writer *w, const struct x509_names *names);
/* An extension is opened with its OCTET STRING, its value is put, and it is closed. */
void x509_begin_extension(struct der_writer *w, struct bytes oid, bool critical);
void x509_end_extension(struct der_writer *w);
void x509_put_rsa_sha256(struct der_writer *w); /* AlgorithmIdentifier */

/* The content of the BIT STRING of a SubjectPublicKeyInfo. */
MUST_CHECK enum err x509_spki_bits(struct bytes spki, struct bytes *ret_bits);
/* SubjectPublicKeyInfo of EC P-256, uncompressed point? */
bool x509_spki_is_p256(struct bytes spki);
