#pragma once

#include "base/buf.h"
#include "diameter/avp.h"

/* The property file of the KMS user guide, 5.2 (diameter_server.conf, diameter_client.conf), with
 * our own settings behind it; every name is in data/diameter_conf.toml. */

#define DIAMETER_NAME_MAX          256
#define DIAMETER_PATH_MAX          1024
#define DIAMETER_PEERS_MAX         1024 /* entries of PeerTable */
#define DIAMETER_APPS_MAX          16
#define DIAMETER_PROPERTY_LINE_MAX 4096
#define DIAMETER_PROPERTY_FILE_MAX ((size_t)1024 * 1024)

/* "aaa://host:3868", "aaas://host". */
struct diameter_uri {
    char host[DIAMETER_NAME_MAX];
    uint16_t port; /* 3868 or 5658 where the URI has none */
    bool tls;      /* aaas */
    bool port_given;
};

struct diameter_app {
    bool acct; /* ApplicationIdType: Auth or Acct */
    uint32_t id;
    uint32_t vendor;
};

struct diameter_peer_entry {
    struct diameter_uri uri;
    char realm[DIAMETER_NAME_MAX];
    bool connecting;
    unsigned line;
};

/* Zeros are defaults where a comment names one. */
struct diameter_properties {
    struct diameter_uri uri;
    char realm[DIAMETER_NAME_MAX];
    bool server; /* StackType */
    uint32_t vendor_id;
    char product_name[DIAMETER_NAME_MAX];
    struct diameter_app apps[DIAMETER_APPS_MAX];
    unsigned apps_len;
    bool inband_tls;   /* InbandSecurityIds names TLS */
    bool inband_plain; /* ... names NO_INBAND_SECURITY, or there is no such property */
    struct diameter_peer_entry *peers;
    unsigned peers_len;

    char tls_cert_file[DIAMETER_PATH_MAX], tls_key_file[DIAMETER_PATH_MAX];
    char tls_ca_file[DIAMETER_PATH_MAX], tls_crl_file[DIAMETER_PATH_MAX]; /* "": none */
    char cache_file[DIAMETER_PATH_MAX], cache_key_file[DIAMETER_PATH_MAX];
    char secret_file[DIAMETER_PATH_MAX]; /* of a client, "": no authenticator */
    uint32_t cache_max_lifetime;         /* s, the most that a client caches (86,400) */
    bool require_protection;             /* keys only over TLS: 5025 otherwise */
    uint32_t max_peers;                  /* connections (10,000) */
    uint32_t message_size;               /* bytes (65,536) */
    uint32_t idle_timeout_ms;            /* a connection without any message (0: watchdog only) */
    uint32_t handshake_timeout_ms;       /* connect, TLS and CER each (10,000) */
    uint32_t outstanding;                /* requests under way per connection (4,096) */
    uint32_t queue;                      /* requests waiting for the keeper per loop (12,000) */
    uint32_t answer_timeout_ms;          /* a client waits for an answer (5,000) */
    uint32_t watchdog_ms;                /* RFC 3539 Tw (30,000) */
};

/* Embedded: zero-initialise, _done frees the peer table. ERR_CONFIG with "file: line N: ..." for an
 * unknown property, a bad value, one that stands twice, a table entry without URI, or a missing
 * URI, Realm or StackType. */
MUST_CHECK enum err diameter_properties_read(const char *path, struct diameter_properties *props,
                                             struct err_detail *detail);
/* The same from memory; `name` stands in errors. */
MUST_CHECK enum err diameter_properties_parse(const char *name, struct bytes text,
                                              struct diameter_properties *props,
                                              struct err_detail *detail);
void diameter_properties_done(struct diameter_properties *props);
/* "aaa://host[:port][;transport=tcp][;protocol=diameter]"; a host may be a name, IPv4 or [IPv6]. */
MUST_CHECK enum err diameter_uri_parse(const char *text, struct diameter_uri *ret_uri);

/* One row of the table, for the manual and `--help`. */
enum property_type {
    PROPERTY_URI,
    PROPERTY_IDENTITY,
    PROPERTY_TEXT,
    PROPERTY_PATH,
    PROPERTY_NUMBER,
    PROPERTY_SECONDS,
    PROPERTY_BOOL,
    PROPERTY_APPLICATION_TYPE,
    PROPERTY_SECURITY,
    PROPERTY_STACK,
};
enum property_list { PROPERTY_SINGLE, PROPERTY_APPS, PROPERTY_INBAND, PROPERTY_PEERS };
struct property_row {
    const char *name; /* "PeerTable.N.URI" */
    enum property_type type;
    enum property_list list;
    bool required;
    uint16_t offset; /* of the field in its structure */
    uint32_t min, max, standard;
    const char *about;
};
extern const struct property_row property_rows[];
extern const size_t property_rows_len;
