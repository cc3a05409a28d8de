#pragma once

#include "kmip/op/tell.h"

/* Links that an operation sets on objects that are there already, in the transaction that inserts
 * the new one: pass kmip_links_set as `also` of kmip_new_insert. */

#define KMIP_LINKS_SET_MAX 32

struct kmip_links {
    struct kmip_call *call;
    struct kmip_link {
        const char *uid; /* the object that gets the link */
        uint32_t type;
        const char *target;
        bool replace; /* instead of one of the same type */
        struct kmip_told *told;
    } links[KMIP_LINKS_SET_MAX];
    size_t count;
    const char *unnamed; /* this object, among those above, loses its Names; NULL: none */
};

/* ERR_LIMIT above KMIP_LINKS_SET_MAX. Strings are borrowed. */
MUST_CHECK enum err kmip_links_add(struct kmip_links *links, const char *uid, uint32_t type,
                                   const char *target, bool replace);
/* vault_tx_fn; `ctx` is a struct kmip_links. An object that has as many attributes as it may have
 * stays without the link; the other end has its own. */
MUST_CHECK enum err kmip_links_set(struct vault_tx *tx, void *ctx, struct err_detail *detail);
/* After the insert: who listens for changes of these objects is told. */
void kmip_links_tell(const struct kmip_links *links);
