#pragma once

#include "store/store.h"

/* A factory's store as it is after many devices, made in seconds. */

#define FILL_CONFIG    UINT64_C(0x12345678abc)
#define FILL_BATCH     1000 /* devices in one */
#define FILL_STATIONS  50
#define FILL_FAIL_CODE 71

/* `devices` of FILL_CONFIG, whose package is made where it is not there: each with a key, a run
 * that ended well and in every hundredth case one before it that did not. The last of them keep the
 * state "keyed". They came in during the last day, the newest just now, from FILL_STATIONS
 * stations. Ends the process where something goes wrong. */
void factory_fill(struct store *store, uint64_t devices);
/* The `n`th of them; in the order of time, which is not that of ids. */
uint64_t factory_fill_node(uint64_t n);
