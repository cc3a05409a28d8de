#pragma once

#include "factory/internal.h"
#include "factory/package_import.h"

/* A package that waits for its commit: staging.c makes it, commit.c ends it. */

#define STAGED_PREFIX ".staged-"

struct factory_staged {
    uint64_t id;
    uint64_t since_ns;
    char folder[FACTORY_PATH_MAX]; /* "": it has become a revision */
    struct arena *arena;           /* of all below */
    struct package_imported imported;
    struct factory_gateway_keys keys;
    struct factory_package package;
    const char *packager, *actor, *comment;
    struct factory_staged *next;
};

/* Out of the list, or NULL; and back. */
struct factory_staged *staged_take(struct factory *factory, uint64_t id);
void staged_put(struct factory *factory, struct factory_staged *staged);
