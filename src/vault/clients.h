#pragma once

#include "base/arena.h"
#include "store/store.h"
#include "vault/objects.h"

/* Machines that connect: which certificate is which client, what it may do, which groups it sees,
 * its password where it has one. Rows of table `client`; the engine keeps a copy in memory that is
 * read on every request, and is renewed whenever a row changes. Any thread. */

#define VAULT_CLIENT_NAME_MAX 64
enum vault_client_kind {
    VAULT_CLIENT_KMIP = 1,    /* the KMIP service */
    VAULT_CLIENT_STATION = 2, /* a machine of a factory line: /v1/line */
    VAULT_CLIENT_BROWSER = 3, /* a person's browser, where logging in asks for a certificate */
};

/* What it may do, a set. */
enum vault_client_may {
    VAULT_MAY_READ = 1,   /* Get, Export in clear or wrapped */
    VAULT_MAY_CREATE = 2, /* Create, Register, Import, Derive, Re-key, Certify... */
    VAULT_MAY_USE = 4,    /* Encrypt, Sign, MAC... */
    VAULT_MAY_MANAGE = 8, /* attributes, Activate, Revoke, Archive */
    VAULT_MAY_DESTROY = 16,
    VAULT_MAY_CERTIFY = 32, /* have the built-in CA sign */
    VAULT_MAY_ALL = 63,
};

struct vault_client {
    uint64_t id;
    char name[VAULT_CLIENT_NAME_MAX + 1];
    enum vault_client_kind kind;
    uint32_t may;
    uint32_t placement; /* enum vault_placement of its new objects */
    struct vault_eyes eyes;
    uint8_t certificate[32];   /* SHA-256 of its DER; all zero: none, logs in by password only */
    int64_t created, disabled; /* VAULT_NO_DATE */
    int64_t not_after;         /* of its certificate; VAULT_NO_DATE: not known */
    bool has_password;
    char notify[256]; /* "host:port" that listens for Put and Notify; "": none */
    bool put;         /* objects that replace its own are put to it there */
};

struct vault_clients;
MUST_CHECK enum err vault_clients_open(struct store *store, struct vault_clients **ret_clients,
                                       struct err_detail *detail);
void vault_clients_close(struct vault_clients *clients);

/* By the certificate it shows, by name. Copies; ERR_NOT_FOUND also for a disabled one. */
MUST_CHECK enum err vault_client_by_certificate(struct vault_clients *clients,
                                                const uint8_t sha256[32],
                                                struct vault_client *ret_client);
MUST_CHECK enum err vault_client_by_name(struct vault_clients *clients, struct bytes name,
                                         struct vault_client *ret_client);
/* The verifier (crypto/pwhash.h, encoded) of its password; ERR_NOT_FOUND where it has none. */
MUST_CHECK enum err vault_client_password(struct vault_clients *clients, uint64_t id,
                                          char ret_verifier[256]);

struct vault_client_new {
    const char *name;
    enum vault_client_kind kind;
    uint32_t may, placement;
    const char *const *groups; /* names; made where they are new; NULL: one named as the client */
    size_t groups_len;
    const uint8_t *certificate;    /* 32 bytes, or NULL */
    int64_t not_after;             /* of that certificate; 0: not known */
    const char *password_verifier; /* or NULL */
    const char *notify;            /* or NULL */
    const bool *put;               /* or NULL */
};
/* ERR_EXISTS for a name or certificate. Durable on return; pauses or blocks, as all below. */
MUST_CHECK enum err vault_client_create(struct vault_clients *clients,
                                        const struct vault_client_new *spec,
                                        struct vault_client *ret_client, struct err_detail *detail);
/* What is not NULL or 0 in `spec` is changed (certificate with its not_after, password, may,
 * placement, groups, notify, put). */
MUST_CHECK enum err vault_client_change(struct vault_clients *clients, const char *name,
                                        const struct vault_client_new *spec,
                                        struct err_detail *detail);
MUST_CHECK enum err vault_client_disable(struct vault_clients *clients, const char *name,
                                         bool disable, struct err_detail *detail);
/* ERR_STATE while it owns objects that are not destroyed. */
MUST_CHECK enum err vault_client_remove(struct vault_clients *clients, const char *name,
                                        struct err_detail *detail);
/* Rising names; `each` may not call back. Disabled ones too. */
typedef void vault_client_fn(void *ctx, const struct vault_client *client);
void vault_client_each(struct vault_clients *clients, vault_client_fn *each, void *ctx);
/* One of them, disabled or not. */
MUST_CHECK enum err vault_client_look(struct vault_clients *clients, const char *name,
                                      struct vault_client *ret_client);
/* The number of a group; ERR_NOT_FOUND. */
MUST_CHECK enum err vault_group_find(struct vault_clients *clients, const char *name,
                                     uint32_t *ret_group);
/* The name of a group; "" for an unknown number. */
void vault_group_name(struct vault_clients *clients, uint32_t group,
                      char ret_name[VAULT_CLIENT_NAME_MAX + 1]);
