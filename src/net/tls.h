#pragma once

#include "base/bytes.h"

/* What a TLS server or client needs, made from files: TLS 1.2 and 1.3, forward secrecy only.
 * Reference-counted; any thread. */
struct net_tls;

enum net_tls_verify {
    NET_TLS_VERIFY_NONE,     /* server: asks for no certificate. Refused for a client */
    NET_TLS_VERIFY_OPTIONAL, /* server: takes none, but refuses one that does not verify */
    NET_TLS_VERIFY_REQUIRED, /* the only one for clients */
};

/* Strings are copied. */
struct net_tls_config {
    bool server;
    enum net_tls_verify verify;
    const char *cert_file; /* PEM, own certificate first, then its chain. A client may go without */
    const char *key_file;  /* PEM, not readable by others than its owner */
    const char *ca_file;   /* PEM, what peers are verified with; needed unless VERIFY_NONE */
    const char *more_ca_file; /* PEM or NULL: further authorities, and single certificates that are
                                 trusted as they are (a client's own, self-signed one) */
    const char *crl_file;     /* PEM or NULL; with one, a peer without a current CRL is refused */
    const char *ocsp_file; /* server: DER of an OCSP response (RFC 6960) about the own certificate,
                              handed to clients that ask (RFC 6066, 8); NULL: none */
    /* server: take a client's certificate whatever its extended key usage says. Else one with
     * clientAuth or without the extension is taken, one for servers only is refused. */
    bool any_purpose;
    bool tls13_only;     /* else TLS 1.2 is taken, too */
    const char *ciphers; /* OpenSSL's list for TLS 1.2; NULL: AEAD with ECDHE */
    const char *suites;  /* the same for TLS 1.3; NULL: OpenSSL's */
    const char *service; /* sessions are resumed only within one service: "diameter" */
};

/* Reads all files; `detail` names the one that is wrong. */
MUST_CHECK enum err net_tls_new(const struct net_tls_config *config, struct net_tls **ret_tls,
                                struct err_detail *detail);
/* Read the files again. New connections use what they say now; open ones live on; sessions from
 * before are not resumed, so a revocation takes effect at once. On failure all stays as it was. */
MUST_CHECK enum err net_tls_reload(struct net_tls *tls, struct err_detail *detail);
struct net_tls *net_tls_ref(struct net_tls *tls);
void net_tls_unref(struct net_tls *tls); /* NULL is allowed */
void net_tls_unrefp(struct net_tls **tls);
bool net_tls_is_server(const struct net_tls *tls);

/* The peer's certificate, as far as access is decided by it. */
#define NET_CERT_DNS_MAX 32
struct net_peer_cert {
    bool verified;           /* its chain leads to the CA and it was valid at the handshake */
    char subject[512];       /* RFC 2253 */
    char common_name[256];   /* the last CN; "" where there is none */
    char serial[64];         /* lower case hexadecimal */
    uint8_t fingerprint[32]; /* SHA-256 of the DER */
    char fingerprint_hex[65];
    unsigned dns_len; /* subjectAltName dNSName, at most NET_CERT_DNS_MAX are kept */
    const char *dns[NET_CERT_DNS_MAX];
    int64_t not_after; /* seconds since 1970 */
};
/* `name` is one of its DNS names or, where it has none, its common name (RFC 6125, 6.4.4); ASCII
 * case ignored, no wildcards. */
bool net_peer_cert_names(const struct net_peer_cert *cert, const char *name);
