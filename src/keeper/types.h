#pragma once

#include "base/bytes.h"

/* What the engine and the keeper call by the same name. Numbers go over the wire and into audit
 * records: append only. */

/* One version of one row: what a sealed record is bound to. */
struct keeper_row {
    uint32_t domain; /* given by the engine, bound to the domain's name in its wrapped key */
    uint8_t table;   /* enum keeper_table */
    uint64_t row;
    uint32_t epoch; /* serial of the operation that wrote this version of the row */
};

enum keeper_table {
    KEEPER_NODE = 1,    /* row = node id; 16 bytes */
    KEEPER_GATEWAY,     /* row = key version; 24 bytes, three-key Triple DES */
    KEEPER_CDLD,        /* row = key version; 16 bytes */
    KEEPER_BASE,        /* row = key version; 16 bytes */
    KEEPER_PASSPHRASE,  /* row = passphrase version; 64 bytes: file key, then MAC key */
    KEEPER_PWDH,        /* row = passphrase version; 16 bytes */
    KEEPER_PEER_SECRET, /* row = peer id; 1 to 64 bytes */
    KEEPER_OBJECT,      /* row = object id; keeper/object.h */
    KEEPER_TABLES
};

/* Bytes of a key in this table; 0 for an unknown table and where the length varies (PEER_SECRET,
 * OBJECT). */
size_t keeper_key_size(uint8_t table);
/* "node", "gateway"...; "unknown". */
const char *keeper_table_name(uint8_t table);

/* What keys are asked for. The keeper's policy says which tables each may use and how fast. */
enum keeper_purpose {
    KEEPER_DIAMETER = 1,   /* in clear to a gateway: NODE, GATEWAY, CDLD */
    KEEPER_EXPORT_BATCH,   /* CMS to a key server: NODE */
    KEEPER_EXPORT_KEYRING, /* CMS to the command line's ephemeral key: NODE and the first lines */
    KEEPER_EXPORT_GATEWAY, /* gateway key file under the passphrase */
    KEEPER_BACKUP,         /* CMS to this server's own key and to no other: like EXPORT_KEYRING */
    KEEPER_CERTIFICATE,    /* signatures of the CA */
    KEEPER_MAC,            /* MAC under a passphrase or a peer secret */
    KEEPER_KMIP_RELEASE,   /* in clear, or wrapped, to a client: OBJECT */
    KEEPER_KMIP_USE,       /* in the keeper for a client: OBJECT */
    KEEPER_KMIP_CREATE,    /* made or registered for a client: OBJECT */
    KEEPER_EXPORT_LINE,    /* CMS to a station of a factory's line: GATEWAY, CDLD of packages */
    KEEPER_SIGN_DEVICES,   /* signatures of device_keys.xml, by the server's key */
    KEEPER_PURPOSES
};
const char *keeper_purpose_name(uint8_t purpose); /* "diameter"...; "unknown" */

/* Keys that live in the token. */
enum keeper_key { KEEPER_KEY_SERVER = 1, KEEPER_KEY_CA };

#define KEEPER_KEY_MAX         64 /* bytes of a key in a row */
#define KEEPER_SEALED_OVERHEAD 31 /* format, domain key version, nonce, tag */
#define KEEPER_SEALED_MAX      (KEEPER_KEY_MAX + KEEPER_SEALED_OVERHEAD)
#define KEEPER_SEALED_NODE     (16 + KEEPER_SEALED_OVERHEAD)
#define KEEPER_FINGERPRINT     8
#define KEEPER_ACTOR_MAX       64  /* "gw1.metro-east.example", "uid:0", "cli:root" */
#define KEEPER_NAME_MAX        128 /* domain, network, realm */
#define KEEPER_WRAPPED_MAX     1100
#define KEEPER_SALT_SIZE       16
#define KEEPER_SIGNATURE_MAX   512
#define KEEPER_MAC_SIZE        16
#define KEEPER_TAG_SIZE        16
#define KEEPER_MARK_SIZE       16 /* of a piece of an import */
#define KEEPER_NOTE_MAX        1000
#define KEEPER_DOMAINS_MAX     4096
#define KEEPER_VERSIONS_MAX    65535 /* of one domain's key, over its life */
#define KEEPER_SESSIONS_MAX    8     /* import, export and MAC sessions of one connection */
#define KEEPER_SESSION_IDLE_S  300

/* Managed objects. */
#define KEEPER_OBJECT_MAX        ((size_t)32 * 1024) /* bytes of a key's material */
#define KEEPER_OBJECT_NAME_MAX   128                 /* unique identifier, for the audit record */
#define KEEPER_OBJECT_OVERHEAD   45 /* of a sealed record: as above, and a header */
#define KEEPER_OBJECT_SEALED_MAX (KEEPER_OBJECT_MAX + KEEPER_OBJECT_OVERHEAD)

enum keeper_object_flag {
    KEEPER_NO_RELEASE = 1, /* never leaves in clear (KMIP: Sensitive) */
    KEEPER_NO_EXTRACT = 2, /* never leaves at all, wrapped neither (KMIP: not Extractable) */
    KEEPER_IN_TOKEN = 4,   /* lives and works in the HSM */
};

#define KEEPER_STREAMS_MAX 256 /* of one connection */
#define KEEPER_CALLS_MAX   256 /* of one connection under way, in bundles */

/* What one message takes. */
#define KEEPER_MESSAGE_MAX      65536
#define KEEPER_RELEASE_MAX      1024  /* rows */
#define KEEPER_NODES_MAX        1000  /* rows of GENERATE_NODES */
#define KEEPER_RESEAL_MAX       500   /* rows */
#define KEEPER_EXPORT_MAX       800   /* rows of an export session */
#define KEEPER_IMPORT_CHUNK_MAX 30000 /* bytes of ciphertext */
#define KEEPER_MAC_CHUNK_MAX    60000 /* bytes */
#define KEEPER_DEVICES_MAX      1000  /* rows of DEVICES, as far as the message has room */
#define KEEPER_GWFILE_MAX       4096  /* bytes of a gateway key file */
#define KEEPER_BUNDLE_MAX       256   /* requests in a bundle */
#define KEEPER_RANDOM_MAX       32768 /* bytes, given or taken */

/* A key as the store keeps it. */
struct keeper_sealed {
    uint8_t len;
    uint8_t data[KEEPER_SEALED_MAX];
};

static inline struct bytes keeper_sealed_view(const struct keeper_sealed *sealed)
{
    return (struct bytes){sealed->data, sealed->len};
}

/* A sealed key with its fingerprint: 8 keyed bytes that are equal for two versions of a row (of a
 * network's key: for two versions of that key) only where their keys are equal, whatever version
 * of the domain's key they are sealed under. */
struct keeper_made {
    uint8_t fingerprint[KEEPER_FINGERPRINT];
    struct keeper_sealed sealed;
};

/* Argon2id; public, kept with the network and written into its files. */
struct keeper_pwhash {
    uint32_t t_cost; /* passes */
    uint32_t m_kib;
    uint32_t lanes;
    uint8_t salt[KEEPER_SALT_SIZE];
};

/* Versions of a network's keys. */
struct keeper_versions {
    uint32_t gateway;
    uint32_t cdld;
    uint32_t base;
    uint32_t passphrase;
};
