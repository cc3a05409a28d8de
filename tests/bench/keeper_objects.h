#pragma once

#include "keeper/client_objects.h"
#include "keeper/client.h"

#define KEEPER_BENCH_DOMAIN 1

/* Releases and uses of managed objects by fibers, so in bundles. `cpu` gives the seconds of
 * processor time the keeper has used. */
void keeper_bench_objects(struct keeper_client *client, unsigned seconds, double (*cpu)(void));
