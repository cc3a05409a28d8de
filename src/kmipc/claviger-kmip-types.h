#ifndef CLAVIGER_KMIP_TYPES_H
#define CLAVIGER_KMIP_TYPES_H
/* What libclaviger-kmip takes and gives; include <claviger-kmip.h>, which has the calls.
 *
 * Names of object types, algorithms, modes and the like are those of the JSON and XML encodings
 * ("SymmetricKey", "AES", "CBC", "SHA_256"); case, blanks, '-' and '_' don't matter, and a number
 * ("0x00000003") may stand for a name. */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum ckmip_status {
    CKMIP_OK,
    CKMIP_ARGUMENT,    /* a wrong argument: the caller's mistake */
    CKMIP_CONFIG,      /* the profile, or a file it names, is wrong */
    CKMIP_RESOURCES,   /* out of memory, or of lockable memory */
    CKMIP_UNREACHABLE, /* no connection, or no answer in time */
    CKMIP_TLS,         /* TLS failed: the hint says what to look at */
    CKMIP_VERSION,     /* the server speaks no version that is allowed here, or lacks the operation
                          in the version that was agreed on */
    CKMIP_REFUSED,     /* the server says no: `reason` and its message */
    CKMIP_PENDING,     /* the server works on it asynchronously; see ckmip_raw for Poll */
    CKMIP_SERVER,      /* the answer is no KMIP, or makes no sense */
    CKMIP_INTERNAL,
};

struct ckmip_error {
    int status;
    uint32_t reason;      /* Result Reason of CKMIP_REFUSED, else 0 */
    char reason_name[64]; /* "ItemNotFound"; "" where there is none */
    char text[512];       /* what happened and where; the server's Result Message */
    char hint[256];       /* what to look at; "" where there is nothing to say */
};

#define CKMIP_UID_MAX 255
typedef char ckmip_uid[CKMIP_UID_MAX + 1]; /* a unique identifier, text */

/* Bytes on the heap. Zero-initialise; ckmip_data_free wipes and empties. */
struct ckmip_data {
    unsigned char *data;
    size_t len;
};

/* An attribute as text: a name ("Name", "Cryptographic Usage Mask", "x-rack") and its value.
 * Numbers are decimal, enumerations and masks by name ("Encrypt|Decrypt"), dates
 * "2026-11-21T02:39:00Z" or seconds since 1970, byte strings hexadecimal, booleans true and false.
 * A structure's members: "UsageLimitsTotal=1000, UsageLimitsCount=1000, UsageLimitsUnit=Byte"; for
 * Name, Object Group, Contact Information and the like the text alone is enough. A custom attribute
 * ("x-...") is text, unless its value begins with a type: "Integer:5", "DateTime:...",
 * "ByteString:0a0b". */
struct ckmip_attribute {
    const char *name;
    const char *value;
};
/* A list the library made. Zero-initialise; ckmip_list_free empties. */
struct ckmip_list {
    struct ckmip_attribute *item;
    size_t len;
};

/* A managed object with its value. What the library gives is freed with ckmip_object_free. */
struct ckmip_object {
    const char *type;      /* "SymmetricKey", "PrivateKey", "Certificate", "SecretData"... */
    const char *format;    /* of a key: "Raw", "PKCS_8", "X_509"... (NULL: the usual one); of a
                              certificate "X_509", of secret data "Password" or "Seed", of an opaque
                              object its opaque data type */
    const char *algorithm; /* of a key: "AES", "RSA"... or NULL */
    uint32_t bits;         /* its cryptographic length, 0: not told */
    int wrapped;           /* only given: `value` is encrypted or signed under another key */
    struct ckmip_data value;
};

/* How to encrypt, sign, MAC: NULL or 0: what the key's own attributes say. */
struct ckmip_params {
    const char *mode;                /* Block Cipher Mode: "GCM" */
    const char *padding;             /* Padding Method: "PKCS5", "OAEP", "PSS" */
    const char *hash;                /* Hashing Algorithm: "SHA_256" */
    const char *algorithm;           /* Cryptographic Algorithm: "HMAC_SHA256" */
    const char *signature_algorithm; /* Digital Signature Algorithm */
    uint32_t tag_len;                /* bytes, of an AEAD; 0: 16 */
};

struct ckmip_bytes { /* borrowed; data may be NULL */
    const void *data;
    size_t len;
};

struct ckmip_pair {
    const char *algorithm; /* "RSA", "EC" */
    uint32_t bits;         /* 0 with a curve */
    const char *curve;     /* Recommended Curve: "P_256"; NULL: none */
    const char *private_usage, *public_usage;
    const char *private_name, *public_name;   /* NULL: none */
    const struct ckmip_attribute *attributes; /* of both */
    size_t attributes_len;
};

struct ckmip_get_options {
    const char *format;       /* Key Format Type; NULL: as it was stored */
    const char *wrapping_key; /* unique identifier of a key to wrap it under (NIST key wrap) */
};

struct ckmip_locate {
    const struct ckmip_attribute *attributes; /* all must match; two dates are a range */
    size_t attributes_len;
    uint32_t maximum; /* 0: no limit */
    uint32_t offset;  /* from 1.3 on */
    int archived;     /* archived objects instead of those on line */
};

/* Where to connect and as whom. Zero-initialise, set `size` and what is needed; all is copied. With
 * a profile what is not set here is taken from there. */
struct ckmip_config {
    size_t size;                  /* sizeof(struct ckmip_config) */
    const char *profile;          /* folder with profile.conf; NULL: none */
    const char *host;             /* name or address; required */
    uint16_t port;                /* 0: 5696, with https 443 */
    int https;                    /* every message as a POST to `path` instead of TTLV over TLS */
    const char *path;             /* NULL: "/kmip" */
    const char *server_name;      /* that the certificate must show; NULL: `host` */
    const char *certificate_file; /* PEM, its chain behind it; NULL: none */
    const char *private_key_file; /* PEM, readable by its owner only */
    const char *ca_file;          /* PEM; required */
    const char *crl_file;         /* PEM or NULL */
    const char *username;         /* for the credential of the request header; NULL: none */
    const char *password_file;    /* readable by its owner only */
    unsigned timeout_ms;          /* for connecting and for each answer, each (0: 30,000) */
    uint16_t version_min;         /* 0x0100 to 0x0201 (0: 0x0100) */
    uint16_t version_max;         /* (0: 0x0201); equal to version_min: no negotiation */
};

enum ckmip_encoding { CKMIP_TTLV = 1, CKMIP_JSON, CKMIP_XML };

#ifdef __cplusplus
}
#endif
#endif
