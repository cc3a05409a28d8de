#pragma once

#include "crypto/rsa.h"

/* A small certification authority (RFC 5280). The CA's key is elsewhere: whoever has it signs
 * through a callback. Certificates are signed with sha256WithRSAEncryption. */

#define X509_NAMES_MAX  16  /* subject alternative names of one kind in a certificate or request */
#define X509_NAME_MAX   253 /* bytes of one of them */
#define X509_CN_MAX     64  /* RFC 5280, ub-common-name */
#define X509_DER_MAX    ((size_t)64 * 1024)
#define X509_SERIAL_MAX 20

/* The PKCS#1 v1.5 signature of a SHA-256 digest, appended to `to`. */
typedef enum err x509_sign_fn(void *arg, const uint8_t digest[32], struct buf *to,
                              struct err_detail *detail);
struct x509_signer {
    x509_sign_fn *sign;
    void *arg;
};

/* A leaf's key: EC P-256, in software. */
struct x509_key;
MUST_CHECK enum err x509_key_generate(struct x509_key **ret_key, struct err_detail *detail);
/* EC P-256 or RSA from RSA_BITS_MIN bits, unencrypted PKCS#8 or SEC1/PKCS#1. */
MUST_CHECK enum err x509_key_from_pem(struct bytes pem, struct x509_key **ret_key,
                                      struct err_detail *detail);
void x509_key_free(struct x509_key *key); /* NULL is allowed */
void x509_key_freep(struct x509_key **key);
MUST_CHECK enum err x509_key_to_pem(const struct x509_key *key,
                                    struct secret **ret_pem); /* PKCS#8 */
struct bytes x509_key_spki(const struct x509_key *key);       /* borrowed */

struct x509_names {
    const char *dns[X509_NAMES_MAX]; /* borrowed; an ASCII host name each, "*." may lead */
    size_t dns_count;
    struct bytes ip[X509_NAMES_MAX]; /* 4 or 16 bytes each */
    size_t ip_count;
};

/* PKCS#10 (RFC 2986) with common name and DNS/IP names; appends DER. */
MUST_CHECK enum err x509_csr_make(const struct x509_key *key, const char *cn,
                                  const struct x509_names *names, struct buf *to,
                                  struct err_detail *detail);

/* What is read out of a certificate or a request. Views are into the DER given, which must
 * outlive it. */
struct x509_info {
    struct bytes cn; /* the last common name; may be empty */
    struct bytes dns[X509_NAMES_MAX];
    size_t dns_count;
    struct bytes ip[X509_NAMES_MAX];
    size_t ip_count;
    struct bytes subject; /* DER Name */
    struct bytes spki;    /* DER */
    /* certificates only: */
    struct bytes issuer; /* DER Name */
    struct bytes serial; /* INTEGER content without leading zero */
    struct bytes key_id; /* subjectKeyIdentifier; may be empty */
    int64_t not_before;  /* seconds since 1970 */
    int64_t not_after;
    bool is_ca;
};
/* Checks the request's own signature (ECDSA P-256 or RSA, SHA-256): ERR_SIGNATURE. ERR_SYNTAX,
 * ERR_LIMIT, ERR_UNSUPPORTED. */
MUST_CHECK enum err x509_csr_parse(struct bytes der, struct x509_info *ret_info,
                                   struct err_detail *detail);
/* Reads only: nothing is verified. */
MUST_CHECK enum err x509_cert_parse(struct bytes der, struct x509_info *ret_info,
                                    struct err_detail *detail);

enum x509_profile {
    X509_CA,     /* cA, pathLen 0, keyCertSign and cRLSign */
    X509_SERVER, /* digitalSignature, EKU serverAuth */
    X509_CLIENT, /* digitalSignature, EKU clientAuth */
    X509_PEER,   /* both EKU: Diameter nodes call and are called (RFC 6733, 13.1) */
};

struct x509_request {
    enum x509_profile profile;
    const char *cn;
    struct bytes subject;    /* DER Name instead of `cn`, which then only names it in errors */
    struct bytes spki;       /* DER SubjectPublicKeyInfo */
    struct x509_names names; /* a Diameter peer's Origin-Host is a DNS name */
    struct bytes alt_names;  /* DER GeneralNames instead of `names`; may be empty */
    struct bytes serial;     /* big-endian; empty: 128 random bits */
    int64_t not_before;      /* seconds since 1970 */
    int64_t not_after;
    struct bytes issuer_cert; /* DER of the CA's certificate; empty for a self-signed CA */
};
/* Appends the certificate's DER. ERR_ARGUMENT where a name or the validity is
 * not in order or it would outlive its issuer; ERR_SIGNATURE where the signer has another key. */
MUST_CHECK enum err x509_issue(const struct x509_request *request, const struct x509_signer *signer,
                               struct buf *to, struct err_detail *detail);

struct x509_revoked {
    struct bytes serial; /* big-endian */
    int64_t when;
};
struct x509_crl {
    struct bytes issuer_cert;
    uint64_t number; /* cRLNumber, rising */
    int64_t this_update;
    int64_t next_update;
    const struct x509_revoked *revoked;
    size_t revoked_count;
};
/* Appends the CRL's DER (RFC 5280, 5). */
MUST_CHECK enum err x509_crl_issue(const struct x509_crl *crl, const struct x509_signer *signer,
                                   struct buf *to, struct err_detail *detail);
