#pragma once

#include "base/bytes.h"
#include "diameter_dict.h"

/* AVPs (RFC 6733, 4): the dictionary, reading them in place and writing them. Any thread. */

enum diameter_m_rule { DIAMETER_M_MUST, DIAMETER_M_MAY, DIAMETER_M_MUST_NOT };

struct avp_def {
    uint32_t code;
    const char *name;
    enum diameter_type type;
    enum diameter_m_rule m_rule;
    bool key; /* the value is a secret */
    uint8_t min_len;
    uint8_t max_len;   /* 0: no limit of its own */
    uint8_t max_value; /* of an Enumerated; 0: no limit */
    enum diameter_grammar_id grammar;
};
extern const struct avp_def avp_defs[AVP_ID_COUNT];
extern const uint8_t avp_id_of_code[AVP_CODE_LIMIT];

#define DIAMETER_REQUIRED_MAX 12

struct diameter_grammar {
    const char *name;
    uint8_t required[DIAMETER_REQUIRED_MAX];
    uint8_t required_len;
    uint8_t first;             /* must stand at the head; AVP_UNKNOWN: none */
    uint8_t max[AVP_ID_COUNT]; /* AVP_ANY: no limit, 0: not allowed */
};
extern const struct diameter_grammar diameter_grammars[GRAMMAR_COUNT];

struct diameter_result_row {
    uint32_t code;
    const char *name;
};
extern const struct diameter_result_row diameter_results[DIAMETER_RESULT_COUNT];
/* The value of an AVP as text for people: printable, cut where it does not fit. */
void avp_text(struct bytes value, char *to, size_t size);
/* "AUTHORIZATION_REJECTED"; "?" where unknown. */
const char *diameter_result_name(uint32_t code);

#define AVP_FLAG_V        0x80
#define AVP_FLAG_M        0x40
#define AVP_FLAG_P        0x20 /* of RFC 3588; ignored on input, never set */
#define AVP_FLAG_RESERVED 0x1f
#define AVP_HEADER_LEN    8 /* 12 with V */

static inline size_t avp_padded(size_t len)
{
    return (len + 3) & ~(size_t)3;
}

/* One AVP where it stands; borrowed. `whole` is header and value without padding. */
struct avp {
    uint32_t code;
    uint32_t vendor; /* 0 without V */
    uint8_t flags;
    enum avp_id id; /* AVP_UNKNOWN for other vendors' and unknown codes */
    struct bytes value;
    struct bytes whole;
};

static inline enum avp_id avp_id_find(uint32_t code, uint32_t vendor)
{
    return vendor == 0 && code < AVP_CODE_LIMIT ? (enum avp_id)avp_id_of_code[code] : AVP_UNKNOWN;
}

/* The next AVP at `*at` (moved behind its padding). ERR_TRUNCATED where the header or the length
 * does not fit into what is left; `*ret_avp` then holds what could be read of the header. The last
 * AVP of a group may go without its padding, as some stacks send it. Nothing else is checked. */
MUST_CHECK enum err avp_next(struct bytes *at, struct avp *ret_avp);

/* Values of checked AVPs: the length is right, so these can't fail. */
static inline uint32_t avp_u32(struct bytes value)
{
    return be32_load(value.data);
}

/* Write one AVP with its padding; the M bit by the dictionary. Overflow sticks in `w`. */
void avp_put(struct writer *w, enum avp_id id, struct bytes value);
void avp_put_u32(struct writer *w, enum avp_id id, uint32_t value);
void avp_put_str(struct writer *w, enum avp_id id, const char *text);
/* Host-IP-Address and its like (RFC 6733, 4.3.1): `address` is 4 or 16 bytes. */
void avp_put_address(struct writer *w, enum avp_id id, struct bytes address);
/* Header of an AVP whose value of `len` bytes the caller fills; NULL on overflow. The padding is
 * zeroed. */
uint8_t *avp_reserve(struct writer *w, enum avp_id id, size_t len);
/* A group: what is written between the two is its content. */
size_t avp_group_begin(struct writer *w, enum avp_id id);
void avp_group_end(struct writer *w, size_t begin);

/* Two DiameterIdentities are the same: ASCII case ignored (RFC 6733, 4.3.1). */
bool diameter_identity_equal(struct bytes a, struct bytes b);
/* Letters, digits, '-', '.', '_', and ':', '[', ']' of numeric addresses; 1..255 bytes. */
bool diameter_identity_valid(struct bytes name);
