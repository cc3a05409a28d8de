#include "thing.h"

#include <stdio.h>

const struct keeper_object_spec thing_aes256 = {CRYPTO_SYMMETRIC, ALG_AES, 256, 0, 0, 0};

void thing_name(struct thing *thing, uint64_t row)
{
    *thing = (struct thing){.object.row = {RIG_DOMAIN, KEEPER_OBJECT, row, 1}};
    int len = snprintf(thing->name, sizeof thing->name, "object-%llu", (unsigned long long)row);
    thing->object.name = bytes_of(thing->name, (size_t)len);
    thing->made.sealed = &thing->sealed;
    thing->made.spki = &thing->spki;
}

void thing_made(struct thing *thing)
{
    thing->object.sealed = buf_view(&thing->sealed);
}

void thing_done(struct thing *thing)
{
    buf_done(&thing->sealed);
    buf_done(&thing->spki);
}

enum err thing_generate(struct rig *rig, struct thing *thing, uint64_t row,
                        const struct keeper_object_spec *spec)
{
    thing_name(thing, row);
    TRY(keeper_object_generate(rig_client(rig, 0), RIG_ACTOR, &thing->object, spec, &thing->made,
                               NULL));
    thing_made(thing);
    return ERR_OK;
}

enum err thing_pair(struct rig *rig, struct thing *thing, uint64_t row,
                    const struct keeper_object_spec *spec)
{
    thing_name(thing, row);
    TRY(keeper_object_generate_pair(rig_client(rig, 0), RIG_ACTOR, &thing->object, spec,
                                    &thing->made, NULL));
    thing_made(thing);
    return ERR_OK;
}

enum err thing_put(struct rig *rig, struct thing *thing, uint64_t row,
                   const struct keeper_object_spec *spec, struct bytes material)
{
    thing_name(thing, row);
    TRY(keeper_object_seal(rig_client(rig, 0), RIG_ACTOR, &thing->object, spec, material,
                           &thing->made, NULL));
    thing_made(thing);
    return ERR_OK;
}

enum err thing_release(struct rig *rig, const struct thing *thing, struct buf *material)
{
    material->len = 0;
    return keeper_object_release(rig_client(rig, 0), RIG_ACTOR, &thing->object, material, NULL);
}
