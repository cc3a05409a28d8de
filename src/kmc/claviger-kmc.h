#ifndef CLAVIGER_KMC_H
#define CLAVIGER_KMC_H
/* libclaviger-kmc: the keys of a device network for its gateway, from an encrypted cache on disk
 * or, where it has none that is still valid, over Diameter from the first server of the peer table
 * that answers. A tour and the cache's format: docs/kmc.md.
 *
 * Threads: any, on one handle several at a time; the cache answers while another thread waits for a
 * server, servers are asked one request after the other. Only ckmc_close must be alone. Processes:
 * any number share one cache file. A handle must not be used in a child made by fork.
 *
 * Every function that can fail gives CKMC_OK or another enum ckmc_status and, where `error` is not
 * NULL, fills it; what it was to give is then zeroed. Texts are UTF-8, ended by NUL, lower case. */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CKMC_API_VERSION 1
unsigned ckmc_api_version(void); /* that of the library that is loaded; never smaller */

enum ckmc_status {
    CKMC_OK,
    CKMC_ARGUMENT,        /* a wrong argument: the caller's mistake */
    CKMC_CONFIG,          /* property file or struct ckmc_config: file and line are named */
    CKMC_RESOURCES,       /* out of memory or of lockable memory */
    CKMC_CACHE,           /* the cache's file or key can't be used; see ckmc_open */
    CKMC_OFFLINE,         /* the cache has it not, and no server may be asked */
    CKMC_UNREACHABLE,     /* no server answered in time */
    CKMC_BUSY,            /* every server that answered is too busy (3xxx) */
    CKMC_TLS,             /* no server could be verified, or none accepts our certificate */
    CKMC_REFUSED,         /* 5003: unknown or revoked node, or not for this gateway */
    CKMC_NO_KEY,          /* 4007: that version does not exist or was destroyed */
    CKMC_UNPROTECTED,     /* 5025: the server gives keys over TLS only */
    CKMC_UNAUTHENTICATED, /* 4001: the shared secret is not the server's */
    CKMC_SERVER,          /* the server's answer is another error, or makes no sense */
    CKMC_INTERNAL,
};
const char *ckmc_status_text(int status); /* never NULL, static */

struct ckmc_error {
    int status;
    char text[512]; /* what and where; "" where there is no more to say than the status does */
};

struct ckmc;

/* From a property file (diameter_client.conf of the KMS user guide, 5.2; docs/diameter.md). Nothing
 * is connected yet. A damaged cache, or one of another key, is reported (ckmc_on_report) and counts
 * as empty. CKMC_CACHE where others than its owner can read the cache's key, it is no key, or the
 * folder can't be written. */
int ckmc_open(const char *path, struct ckmc **ret_kmc, struct ckmc_error *error);
struct ckmc_server {
    const char *uri;   /* "aaas://kms1.metro-east.example", "aaa://192.0.2.1:3868" */
    const char *realm; /* NULL: that of struct ckmc_config */
};
/* The same without a file. Zero-initialise, set `size` and what is needed; all is copied. */
struct ckmc_config {
    size_t size;                       /* sizeof(struct ckmc_config) */
    const char *uri;                   /* this gateway: "aaa://gw1.metro-east.example"; required */
    const char *realm;                 /* its realm; required */
    const struct ckmc_server *servers; /* in the order in which they are asked */
    size_t servers_len;
    const char *tls_certificate_file; /* PEM; files may be NULL: none */
    const char *tls_private_key_file;
    const char *tls_ca_file;
    const char *tls_crl_file;
    const char *secret_file;     /* for the MIP-Authenticator */
    const char *cache_file;      /* NULL: the cache is in memory only */
    const char *cache_key_file;  /* NULL: cache_file with ".key" behind it; made at first use */
    uint32_t cache_max_lifetime; /* seconds; 0: 86,400 */
};
int ckmc_open_config(const struct ckmc_config *config, struct ckmc **ret_kmc,
                     struct ckmc_error *error);
/* Writes what is not yet in the cache file, says goodbye to the server, wipes. NULL is allowed. */
void ckmc_close(struct ckmc *kmc);

/* Whose keys: the realm of a network. At the start the first server's. CKMC_ARGUMENT where it is no
 * Diameter identity. */
int ckmc_set_realm(struct ckmc *kmc, const char *realm, struct ckmc_error *error);
/* For a request to all servers together; 0 (at the start): each server has what the properties
 * Limits.HandshakeTimeout and Limits.AnswerTimeout give it. */
void ckmc_set_timeout(struct ckmc *kmc, unsigned milliseconds);
/* New entries are written by the first call that comes this long after them, by ckmc_flush and
 * ckmc_close; 0 (at the start): before the call returns. Removed ones are always written at once.
 */
void ckmc_set_write_delay(struct ckmc *kmc, unsigned milliseconds);
/* What went wrong without making a call fail: a cache that is damaged or can't be written, a server
 * that did not answer where the cache did. No ckmc_ function may be called from it. */
typedef void ckmc_report_fn(void *context, const char *text);
void ckmc_on_report(struct ckmc *kmc, ckmc_report_fn *fn, void *context);

enum ckmc_kind {
    CKMC_GATEWAY = 1, /* the network's gateway key, 24 bytes (3DES) */
    CKMC_CDLD = 2,    /* the network's code download key, 16 bytes (AES) */
    CKMC_NODE = 3,    /* a node's root key, 16 bytes (AES) */
};
enum ckmc_source { CKMC_FROM_CACHE = 1, CKMC_FROM_SERVER = 2 };

#define CKMC_KEY_MAX 32
#define CKMC_NEWEST  UINT32_MAX /* as a version: the one in use */
/* Flags of the functions below. */
#define CKMC_F_OFFLINE 1u /* the cache only */
#define CKMC_F_REFRESH 2u /* ask the server first; where none answers, the cache */

/* The caller's own; wipe it after use. */
struct ckmc_key {
    enum ckmc_kind kind;
    enum ckmc_source source;
    uint64_t node; /* of CKMC_NODE, else 0 */
    uint32_t version;
    uint32_t length;        /* bytes of `key` */
    int64_t expires;        /* seconds since 1970: cached until then; 0: not cached */
    char server[256];       /* CKMC_FROM_SERVER: who answered */
    unsigned char check[3]; /* first bytes of zeros encrypted under it: AES-ECB or 3DES-ECB */
    unsigned char key[CKMC_KEY_MAX];
};
void ckmc_key_wipe(struct ckmc_key *key);

/* `node` is 0 but for CKMC_NODE. */
int ckmc_get(struct ckmc *kmc, enum ckmc_kind kind, uint64_t node, uint32_t version, unsigned flags,
             struct ckmc_key *ret_key, struct ckmc_error *error);
/* "0x00010200", "00010200": 1 to 16 digits, not zero. CKMC_ARGUMENT. */
int ckmc_parse_node(const char *text, uint64_t *ret_node, struct ckmc_error *error);
/* The start of a gateway (KMS user guide, 3): gateway and code download key from the cache; what it
 * lacks from the server, in one request, and then cached. All or nothing; either may be NULL. */
int ckmc_prefetch(struct ckmc *kmc, unsigned flags, struct ckmc_key *ret_gateway,
                  struct ckmc_key *ret_cdld, struct ckmc_error *error);

/* What the cache holds of all realms, expired entries too; no key leaves. */
struct ckmc_entry {
    enum ckmc_kind kind;
    int newest; /* got as the one in use; 0: that version was asked for */
    uint64_t node;
    uint32_t version;
    int expired;
    int64_t fetched, expires; /* seconds since 1970 */
    const char *realm;
};
typedef void ckmc_entry_fn(void *context, const struct ckmc_entry *entry);
int ckmc_cache_list(struct ckmc *kmc, ckmc_entry_fn *fn, void *context, struct ckmc_error *error);
int ckmc_cache_clear(struct ckmc *kmc, struct ckmc_error *error); /* in the file too */
int ckmc_flush(struct ckmc *kmc, struct ckmc_error *error); /* write what is not yet in the file */

#ifdef __cplusplus
}
#endif
#endif
