#pragma once

#include "base/arena.h"
#include "base/bytes.h"

/* One KMIP item: tag, type, value. A message is a tree of them in a request's arena; TTLV, JSON and
 * XML decode to it and are encoded from it (KMIP 1.4, 9.1). Text, byte strings and big integers may
 * borrow from the buffer that was decoded, which then has to live as long as the tree. One thread.
 */

enum kmip_type {
    KMIP_STRUCTURE = 1,
    KMIP_INTEGER,
    KMIP_LONG_INTEGER,
    KMIP_BIG_INTEGER,
    KMIP_ENUMERATION,
    KMIP_BOOLEAN,
    KMIP_TEXT_STRING,
    KMIP_BYTE_STRING,
    KMIP_DATE_TIME,          /* seconds since 1970 */
    KMIP_INTERVAL,           /* seconds, unsigned */
    KMIP_DATE_TIME_EXTENDED, /* 2.0: microseconds since 1970 */
};

struct kmip_node {
    uint32_t tag;           /* 0x42xxxx, or 0x54xxxx for extensions */
    uint8_t type;           /* enum kmip_type */
    bool secret;            /* key material or a credential: masked wherever messages are shown */
    uint32_t count;         /* children of a structure */
    struct kmip_node *next; /* sibling */
    struct kmip_node *first, *last; /* children of a structure */
    union {
        int64_t num;        /* INTEGER, LONG_INTEGER, DATE_TIME(_EXTENDED), BOOLEAN (0, 1), and
                               ENUMERATION and INTERVAL as unsigned 32 bits */
        struct bytes bytes; /* TEXT_STRING (UTF-8, no NUL), BYTE_STRING, BIG_INTEGER (two's
                               complement, as it came) */
    };
};

/* ---- reading. `node` may be NULL everywhere: then nothing is found. ---- */

/* First child with the tag, and the next sibling with the same tag; NULL where there is none. */
struct kmip_node *kmip_child(const struct kmip_node *node, uint32_t tag);
struct kmip_node *kmip_again(const struct kmip_node *node);
/* Value of a child, or the default where it is absent. Its type was checked against the table when
 * the message was checked, so these do not fail. */
int64_t kmip_num(const struct kmip_node *node, uint32_t tag, int64_t absent);
uint32_t kmip_enum(const struct kmip_node *node, uint32_t tag, uint32_t absent);
bool kmip_bool(const struct kmip_node *node, uint32_t tag, bool absent);
/* Empty with data NULL where absent; data is not NULL where it is there, even with length 0. */
struct bytes kmip_bytes(const struct kmip_node *node, uint32_t tag);
/* Equal in tag, type and value, children in order. */
bool kmip_equal(const struct kmip_node *a, const struct kmip_node *b);

/* ---- building, in an arena. The new node is appended to `parent` (NULL: a root). NULL where the
 * arena is exhausted; a NULL parent of a nested call is told from a root by kmip_build. ---- */

/* Remembers the first failure, so that a whole answer is built and checked once. */
struct kmip_build {
    struct arena *arena;
    enum err err;
};
struct kmip_node *kmip_put_struct(struct kmip_build *b, struct kmip_node *parent, uint32_t tag);
struct kmip_node *kmip_put_num(struct kmip_build *b, struct kmip_node *parent, uint32_t tag,
                               enum kmip_type type, int64_t value);
static inline struct kmip_node *kmip_put_int(struct kmip_build *b, struct kmip_node *parent,
                                             uint32_t tag, int32_t value)
{
    return kmip_put_num(b, parent, tag, KMIP_INTEGER, value);
}
static inline struct kmip_node *kmip_put_enum(struct kmip_build *b, struct kmip_node *parent,
                                              uint32_t tag, uint32_t value)
{
    return kmip_put_num(b, parent, tag, KMIP_ENUMERATION, value);
}
static inline struct kmip_node *kmip_put_bool(struct kmip_build *b, struct kmip_node *parent,
                                              uint32_t tag, bool value)
{
    return kmip_put_num(b, parent, tag, KMIP_BOOLEAN, value);
}
static inline struct kmip_node *kmip_put_date(struct kmip_build *b, struct kmip_node *parent,
                                              uint32_t tag, int64_t seconds)
{
    return kmip_put_num(b, parent, tag, KMIP_DATE_TIME, seconds);
}
/* Bytes are borrowed; the _copy forms copy them into the arena. */
struct kmip_node *kmip_put_bytes(struct kmip_build *b, struct kmip_node *parent, uint32_t tag,
                                 enum kmip_type type, struct bytes value);
struct kmip_node *kmip_put_bytes_copy(struct kmip_build *b, struct kmip_node *parent, uint32_t tag,
                                      enum kmip_type type, struct bytes value);
/* A C string, copied. */
struct kmip_node *kmip_put_text(struct kmip_build *b, struct kmip_node *parent, uint32_t tag,
                                const char *text);
/* A deep copy (bytes too) appended to `parent`, or a root; `tag` 0 keeps the node's own. */
struct kmip_node *kmip_put_copy(struct kmip_build *b, struct kmip_node *parent, uint32_t tag,
                                const struct kmip_node *from);
/* Append a node that was built as a root, or unlink a child. */
void kmip_append(struct kmip_node *parent, struct kmip_node *child);
void kmip_remove(struct kmip_node *parent, struct kmip_node *child);
