#pragma once

#include <jansson.h>

#include "store/store.h"
#include "vault/clients.h"

/* How many KMIP objects there are, by type, state and group. Counting walks an index, so what was
 * counted is shown again until a hundred times the time has passed that it took: whoever asks how
 * often, counting takes a hundredth of one core at most. Any thread. */
struct object_counts;

MUST_CHECK enum err object_counts_new(struct object_counts **ret_counts);
void object_counts_free(struct object_counts *counts); /* NULL is allowed */
/* {"counted","total","types":{},"states":{},"groups":[{"name","objects"}]},
 * the caller's reference. Blocks while it is counted. */
MUST_CHECK enum err object_counts_get(struct object_counts *counts, struct store *store,
                                      struct vault_clients *clients, json_t **ret_json,
                                      struct err_detail *detail);
