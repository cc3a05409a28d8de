#pragma once

#include <stdatomic.h>

#include "diameter/avp.h"

/* One live connection per Origin-Host in the process (RFC 6733, 5.6: a second is rejected while the
 * first lives). Any thread. */
struct diameter_registry;

/* Embedded in the connection; belongs to the registry between claim and release. */
struct diameter_claim {
    struct diameter_claim *next;
    const char *host;
    bool proven;       /* by a certificate */
    atomic_bool lost;  /* another connection proved the name: the owner should end */
    atomic_bool probe; /* a second connection came: the owner should see whether its peer is there
                          (diameter_peer_probe) and clear this */
};

MUST_CHECK enum err diameter_registry_new(struct diameter_registry **ret_registry);
void diameter_registry_free(struct diameter_registry *registry); /* NULL is allowed */
/* `host` (case ignored) lives until the release. One that is proven takes the name from one that is
 * not, which is `lost` then: over plain TCP anybody can say a name. Else ERR_EXISTS where somebody
 * has it: that claim's `probe` is set. */
MUST_CHECK enum err diameter_registry_claim(struct diameter_registry *registry,
                                            struct diameter_claim *claim, const char *host,
                                            bool proven);
/* Harmless where nothing is claimed. */
void diameter_registry_release(struct diameter_registry *registry, struct diameter_claim *claim);
unsigned diameter_registry_len(struct diameter_registry *registry);
/* Under the lock: `each` must not call back. */
void diameter_registry_each(struct diameter_registry *registry,
                            void (*each)(void *ctx, struct diameter_claim *claim), void *ctx);
