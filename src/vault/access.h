#pragma once

#include "base/bytes.h"

/* Who acts, and what that kind of actor may do. The name goes into audit records as it stands. */

#define VAULT_ACTOR_MAX 64

enum vault_role {
    VAULT_ROLE_NOBODY,
    VAULT_ROLE_PEER,          /* a gateway over Diameter */
    VAULT_ROLE_ADMINISTRATOR, /* root, or the daemon's own user, over the Unix socket */
    VAULT_ROLE_CLIENT,        /* of KMIP: what it may do is vault/clients.h's, here nothing */
    /* people, over HTTPS; an administrator among them has all that root has */
    VAULT_ROLE_OPERATOR,   /* networks, nodes, gateways */
    VAULT_ROLE_FACTORY,    /* packages, devices, exports of the factory */
    VAULT_ROLE_OFFICER,    /* domain keys, keyrings, certificates, backups, audit */
    VAULT_ROLE_AUDITOR,    /* sees everything, changes nothing */
    VAULT_ROLE_HEADEND,    /* as yet: the status, and themselves */
    VAULT_ROLE_BACKOFFICE, /* the same */
    VAULT_ROLE_TECHNICIAN, /* the same */
    /* a machine of a factory line, by its certificate */
    VAULT_ROLE_STATION,
    VAULT_ROLE_COUNT,
};

enum vault_action {
    VAULT_STATUS,
    VAULT_NETWORK_READ,
    VAULT_NETWORK_MANAGE, /* create, rotate, retire, destroy, set-passphrase */
    VAULT_NODE_READ,      /* what is known of a node, never its key */
    VAULT_NODE_MANAGE,
    VAULT_KEY_RELEASE, /* keys in clear towards a gateway */
    VAULT_KEY_IMPORT,
    VAULT_KEY_EXPORT, /* sealed files for another Claviger */
    VAULT_KEYRING_EXPORT,
    VAULT_PEER_MANAGE,
    VAULT_DOMAIN_ROTATE,
    VAULT_BACKUP, /* a copy of the store, all keys in it sealed */
    VAULT_CLIENT_READ,
    VAULT_CLIENT_MANAGE,  /* create, change, disable, remove */
    VAULT_OBJECT_READ,    /* attributes of KMIP objects of every group, never a key */
    VAULT_FACTORY_READ,   /* packages, devices, runs, exports: what is known of them, never a key */
    VAULT_FACTORY_MANAGE, /* import packages, aliases, packagers */
    VAULT_FACTORY_EXPORT, /* device_keys.xml, in which every key is encrypted for the operator */
    VAULT_LINE,           /* what stations do: configurations, files, runs, results */
    VAULT_AUDIT_READ,     /* see and verify the chain */
    VAULT_FILE,           /* send files for a job, fetch what one made: one's own */
    VAULT_JOB,            /* follow and cancel jobs: one's own */
    VAULT_USER_READ,
    VAULT_USER_MANAGE,
    VAULT_SESSION, /* one's own: see it, end it, change the password */
    VAULT_LOGIN,   /* become somebody: for who is nobody yet */
    VAULT_ACTION_COUNT,
};

struct vault_actor {
    enum vault_role role;
    char name[VAULT_ACTOR_MAX + 1]; /* "uid:0", "gw1.metro-east.example" */
};

/* A process on the Unix socket, known by its credentials: root and `daemon_uid` are
 * administrators, others nobody. */
struct vault_actor vault_actor_local(unsigned uid, unsigned daemon_uid);
/* A peer; `origin_host` is cut at VAULT_ACTOR_MAX. */
struct vault_actor vault_actor_peer(struct bytes origin_host);
/* A KMIP client; `name` is cut at VAULT_ACTOR_MAX. */
struct vault_actor vault_actor_client(struct bytes name);
/* Somebody who logged in; `name` is a user's (vault/people.h). */
struct vault_actor vault_actor_person(const char *name, enum vault_role role);
/* A station; `name` is its client record's. */
struct vault_actor vault_actor_station(const char *name);
/* The daemon itself: background work. */
struct vault_actor vault_actor_daemon(void);

/* "administrator"; of people and stations, else NULL. */
const char *vault_role_name(enum vault_role role);
/* One that people can have, by its name; ERR_ARGUMENT names them all. */
MUST_CHECK enum err vault_role_find(const char *name, enum vault_role *ret_role,
                                    struct err_detail *detail);

/* ERR_DENIED where the actor's role does not have the action. */
MUST_CHECK enum err vault_may(const struct vault_actor *actor, enum vault_action action,
                              struct err_detail *detail);
