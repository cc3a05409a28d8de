#pragma once

#include "base/bytes.h"
#include "kmip/codec/codec.h"
#include "support/test.h"

/* The messages of the shared vectors, one by one. Each returns how many there were; skips the test
 * where the vectors are absent. */

typedef void vector_fn(const char *where, struct bytes message);

/* ttlv-hex/NAME.jsonl: bytes of TTLV. */
size_t vectors_hex(const char *name, vector_fn *fn);
/* oasis-1.4 or oasis-2.1: every message as XML, its placeholders replaced by values of their type.
 */
size_t vectors_xml(const char *set, vector_fn *fn);
/* vendors/: every request payload as JSON. */
size_t vectors_vendor(vector_fn *fn);

/* Decode with the default limits; fails the test with the place where it can't. */
struct kmip_node *decode_ok(enum kmip_format format, struct bytes input, struct arena *arena,
                            const char *where);
struct arena *arena_for_test(void);
