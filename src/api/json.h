#pragma once

#include <stdint.h>

#include <jansson.h>

#include "base/err.h"

/* Small helpers over jansson. */

void json_freep(json_t **json); /* for AUTO */
/* {"code":"NOT_FOUND","text":"...","detail":"...","hint":"..."} as in every refusal of the API. */
json_t *json_of_error(enum err err, const struct err_detail *detail);
/* jansson's memory is wiped when freed from now on: bodies hold passphrases. Once, before any JSON.
 */
void json_wipe_memory(void);
/* "0x00010200": node ids are text, because JSON numbers end at 2^53. */
json_t *json_of_id(uint64_t id, unsigned id_bits);
/* "2026-11-21T02:39:00Z", or null for 0. */
json_t *json_of_time(int64_t seconds);
json_t *json_of_hex(const void *data, size_t len);
