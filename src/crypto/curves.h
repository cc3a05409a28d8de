#pragma once

#include "base/bytes.h"
#include "crypto/curve.h"

/* Inside this folder only: the curves that are served, those over prime fields from 160 bits up. */
struct curve_row {
    enum crypto_curve curve;
    uint32_t bits;
    const char *name; /* OpenSSL's */
    uint8_t oid[9];   /* content; RFC 5480, SEC 2, RFC 5639 */
    uint8_t oid_len;
};
/* NULL where it is not served. */
const struct curve_row *curve_by_number(uint32_t curve);
const struct curve_row *curve_by_oid(struct bytes oid);
/* NIST's curve of that length; NULL for none. */
const struct curve_row *curve_by_bits(uint32_t bits);
static inline struct bytes curve_oid(const struct curve_row *row)
{
    return bytes_of(row->oid, row->oid_len);
}
