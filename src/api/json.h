#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/bytes.h"
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
/* The other way round: UTC with or without its Z, or a day alone, which is its first second or,
 * where `day_end`, its last. ERR_ARGUMENT names `what`; a day that no calendar has is one. */
MUST_CHECK enum err json_read_time(const char *what, const char *text, bool day_end,
                                   int64_t *ret_seconds, struct err_detail *detail);
/* Text of somebody else's: what is cut within a character loses it, bytes that are no UTF-8 become
 * "?". */
json_t *json_of_text(struct bytes text);
json_t *json_of_hex(const void *data, size_t len);
