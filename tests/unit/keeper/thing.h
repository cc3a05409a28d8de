#pragma once

#include "keeper/client_objects.h"
#include "rig.h"

/* A managed object of a test, with what the store would hold of it. Not to be copied. */
struct thing {
    struct keeper_object object;
    struct keeper_object_made made;
    struct buf sealed, spki;
    char name[40]; /* "object-7" */
};

extern const struct keeper_object_spec thing_aes256;

/* To be made. */
void thing_name(struct thing *thing, uint64_t row);
/* It was made: object.sealed is a view of it. */
void thing_made(struct thing *thing);
void thing_done(struct thing *thing);

/* Over client 0. */
MUST_CHECK enum err thing_generate(struct rig *rig, struct thing *thing, uint64_t row,
                                   const struct keeper_object_spec *spec);
MUST_CHECK enum err thing_pair(struct rig *rig, struct thing *thing, uint64_t row,
                               const struct keeper_object_spec *spec);
MUST_CHECK enum err thing_put(struct rig *rig, struct thing *thing, uint64_t row,
                              const struct keeper_object_spec *spec, struct bytes material);
/* Replaces what is in `material`. */
MUST_CHECK enum err thing_release(struct rig *rig, const struct thing *thing, struct buf *material);
