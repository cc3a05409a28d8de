#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "vault/objects.h"
#include "vault/served.h"
#include "vault/vault.h"

/* What vault_objects is, for the vault's own files. */
struct vault_objects {
    struct vault *vault;
    struct store *store;
    uint32_t domain;
    struct vault_served *served;
    pthread_mutex_t mutex;
    uint64_t next, end; /* reserved row numbers */
    uint64_t promises;  /* numbers below are of an earlier run */
    /* records under an older version of the domain's key must not be written any more */
    _Atomic uint16_t floor;
    _Atomic bool defaults; /* some group has defaults or constraints */
};

MUST_CHECK enum err object_defaults_begin(struct vault_objects *objects, struct err_detail *detail);

/* The records of objects, for a rotation of their domain. They are in the store whether or not
 * anybody opened them: a rotation that goes on without the KMIP service must not lose them. */
struct vault_source object_reseal_source(struct vault *vault);
/* Once, before the first number is taken: those of an earlier run are not used, whatever is left of
 * its block. */
MUST_CHECK enum err object_numbers_begin(struct vault_objects *objects, struct err_detail *detail);
MUST_CHECK enum err object_promises_begin(struct vault_objects *objects, struct err_detail *detail);
