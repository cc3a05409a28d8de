#pragma once

#include "base/buf.h"

/* The part of ASN.1 DER (X.690) that keys, certificates and CMS need: tags below 31, lengths of at
 * most four bytes. */

#define DER_DEPTH_MAX 16
#define DER_LEN_MAX   ((size_t)16 * 1024 * 1024)

#define DER_BOOLEAN          0x01
#define DER_INTEGER          0x02
#define DER_BIT_STRING       0x03
#define DER_OCTET_STRING     0x04
#define DER_NULL             0x05
#define DER_OID              0x06
#define DER_UTF8_STRING      0x0c
#define DER_PRINTABLE_STRING 0x13
#define DER_IA5_STRING       0x16
#define DER_UTC_TIME         0x17
#define DER_GENERALIZED_TIME 0x18
#define DER_SEQUENCE         0x30
#define DER_SET              0x31
#define DER_CONTEXT(n)       (0x80 | (n)) /* [n] IMPLICIT of a primitive type */
#define DER_CONTEXT_OPEN(n)  (0xa0 | (n)) /* [n] EXPLICIT, or IMPLICIT of a constructed type */

/* Writes into a growing buffer; the first failure sticks. Embedded: zero-initialise, der_done at
 * the end. */
struct der_writer {
    struct buf out;
    size_t open[DER_DEPTH_MAX]; /* where the content of each open element starts */
    unsigned depth;
    enum err err;
};

void der_done(struct der_writer *w);
void der_begin(struct der_writer *w, uint8_t tag);
void der_end(struct der_writer *w);
void der_put(struct der_writer *w, uint8_t tag, struct bytes content);
/* Ready-made DER. */
void der_put_raw(struct der_writer *w, struct bytes der);
/* INTEGER from big-endian bytes without sign. */
void der_put_uint(struct der_writer *w, struct bytes magnitude);
void der_put_small(struct der_writer *w, uint32_t value);
void der_put_null(struct der_writer *w);
void der_put_bool(struct der_writer *w, bool value);
/* BIT STRING of whole bytes. */
void der_put_bits(struct der_writer *w, struct bytes content);
/* Seconds since 1970, UTC: UTCTime until 2049, GeneralizedTime from 2050 on (RFC 5280, 4.1.2.5). */
void der_put_time(struct der_writer *w, int64_t seconds);
/* ERR_OK where nothing failed and nothing is open; then w->out holds it all. */
MUST_CHECK enum err der_status(const struct der_writer *w);

/* Reads from borrowed bytes; every view given is a part of them. Refuses with ERR_SYNTAX what
 * is not DER (indefinite or padded lengths, an element past its parent's end), with ERR_TRUNCATED
 * an element past the end of the input, with ERR_LIMIT too great a depth. */
struct der {
    const uint8_t *at;
    const uint8_t *end;
    unsigned depth;
};

struct der der_of(struct bytes input);
bool der_left(const struct der *r);
/* Is the next element of this tag? */
bool der_is(const struct der *r, uint8_t tag);
MUST_CHECK enum err der_take(struct der *r, uint8_t tag, struct bytes *ret_content);
/* Any element: its tag, its content, and the whole of it. Each of the results may be NULL. */
MUST_CHECK enum err der_any(struct der *r, uint8_t *ret_tag, struct bytes *ret_content,
                            struct bytes *ret_whole);
MUST_CHECK enum err der_enter(struct der *r, uint8_t tag, struct der *ret_inner);
/* INTEGER that is not negative and minimal; leading zero removed ("0" is one zero byte). */
MUST_CHECK enum err der_uint(struct der *r, struct bytes *ret_magnitude);
MUST_CHECK enum err der_small(struct der *r, uint32_t *ret_value);
/* BIT STRING without unused bits. */
MUST_CHECK enum err der_bits(struct der *r, struct bytes *ret_content);
MUST_CHECK enum err der_bool(struct der *r, bool *ret_value);
/* UTCTime or GeneralizedTime in the forms of RFC 5280, 4.1.2.5. */
MUST_CHECK enum err der_time(struct der *r, int64_t *ret_seconds);
/* The next element is this object identifier (content bytes), else ERR_UNSUPPORTED. */
MUST_CHECK enum err der_expect_oid(struct der *r, struct bytes oid);
MUST_CHECK enum err der_finish(const struct der *r); /* ERR_SYNTAX where something is left */
