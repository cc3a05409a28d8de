#include "diameter/message.h"

enum err diameter_frame_len(const uint8_t *data, size_t have, size_t *ret_need)
{
    if (have < 4) {
        *ret_need = 4;
        return ERR_OK;
    }
    size_t len = (size_t)data[1] << 16 | (size_t)data[2] << 8 | data[3];
    if (len < DIAMETER_HEADER_LEN || len % 4 != 0)
        return ERR_SYNTAX;
    *ret_need = len;
    return ERR_OK;
}

enum err diameter_header_read(struct bytes frame, struct diameter_header *ret_header)
{
    if (frame.len < DIAMETER_HEADER_LEN)
        return ERR_TRUNCATED;
    const uint8_t *p = frame.data;
    struct diameter_header h = {
        .version = p[0],
        .flags = p[4],
        .length = be32_load(p) & 0xffffff,
        .command = be32_load(p + 4) & 0xffffff,
        .application = be32_load(p + 8),
        .hop_by_hop = be32_load(p + 12),
        .end_to_end = be32_load(p + 16),
    };
    if (h.length != frame.len)
        return ERR_TRUNCATED;
    *ret_header = h;
    return ERR_OK;
}

bool diameter_header_check(const struct diameter_header *header, struct diameter_fault *ret_fault)
{
    uint32_t result = 0;
    const char *text = NULL;
    if (header->version != DIAMETER_VERSION) {
        result = DIAMETER_UNSUPPORTED_VERSION;
        text = "version is not 1";
    } else if ((header->flags & DIAMETER_FLAG_RESERVED) != 0) {
        result = DIAMETER_INVALID_HDR_BITS;
        text = "a reserved command flag is set";
    } else if ((header->flags & DIAMETER_FLAG_R) != 0 && (header->flags & DIAMETER_FLAG_E) != 0) {
        result = DIAMETER_INVALID_HDR_BITS;
        text = "the E bit is set on a request"; /* RFC 6733, 3 */
    } else if ((header->flags & DIAMETER_FLAG_R) == 0 && (header->flags & DIAMETER_FLAG_T) != 0) {
        result = DIAMETER_INVALID_HDR_BITS;
        text = "the T bit is set on an answer";
    }
    if (result != 0)
        *ret_fault = (struct diameter_fault){.result = result, .text = text};
    return result == 0;
}

struct check {
    struct diameter_fault *fault;
    struct diameter_message *message; /* of the outermost level */
    unsigned left;                    /* AVPs that may still come */
};

static bool refuse(struct check *c, uint32_t result, const char *text, const struct avp *avp)
{
    *c->fault = (struct diameter_fault){.result = result, .text = text};
    if (avp != NULL)
        c->fault->avp = avp->whole;
    return false;
}

/* RFC 6733, 7.1.5: the header with a zero-filled payload of the least length of its type. */
static bool refuse_made(struct check *c, uint32_t result, const char *text, uint32_t code,
                        uint32_t vendor, uint8_t flags, enum avp_id id)
{
    *c->fault = (struct diameter_fault){.result = result,
                                        .text = text,
                                        .made = true,
                                        .code = code,
                                        .vendor = vendor,
                                        .flags = flags,
                                        .zeros = avp_defs[id].min_len};
    return false;
}

static bool utf8_valid(struct bytes v)
{
    const uint8_t *p = v.data;
    const uint8_t *end = p + v.len;
    while (p < end) {
        if (*p < 0x80) {
            p++;
            continue;
        }
        unsigned more = *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : 1;
        uint32_t point = *p & (0x3fu >> more);
        if (*p < 0xc2 || *p > 0xf4 || (size_t)(end - p) <= more)
            return false;
        for (unsigned i = 1; i <= more; i++) {
            if ((p[i] & 0xc0) != 0x80)
                return false;
            point = point << 6 | (p[i] & 0x3fu);
        }
        bool shortest =
            more == 1 || (more == 2 && point >= 0x800) || (more == 3 && point >= 0x10000);
        if (!shortest || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
            return false;
        p += more + 1;
    }
    return true;
}

static bool value_valid(const struct avp_def *def, struct bytes v)
{
    switch (def->type) {
    case DIAMETER_UTF8STRING: return utf8_valid(v);
    case DIAMETER_DIAMETERIDENTITY: return diameter_identity_valid(v);
    case DIAMETER_ADDRESS: {
        /* RFC 6733, 4.3.1: the address family decides the length. */
        uint16_t family = be16_load(v.data);
        return family == 1 ? v.len == 6 : family != 2 || v.len == 18;
    }
    case DIAMETER_ENUMERATED: return def->max_value == 0 || be32_load(v.data) <= def->max_value;
    default: return true;
    }
}

static bool check_avps(struct check *c, struct bytes body, enum diameter_grammar_id grammar_id,
                       unsigned depth);

static bool check_known(struct check *c, const struct avp *avp, unsigned depth)
{
    const struct avp_def *def = &avp_defs[avp->id];
    if ((avp->flags & AVP_FLAG_V) != 0)
        return refuse(c, DIAMETER_INVALID_AVP_BITS, "the V bit is set with vendor 0", avp);
    if (def->m_rule == DIAMETER_M_MUST && (avp->flags & AVP_FLAG_M) == 0)
        return refuse(c, DIAMETER_INVALID_AVP_BITS, "the M bit must be set on this AVP", avp);
    if (avp->value.len < def->min_len || (def->max_len != 0 && avp->value.len > def->max_len))
        return refuse_made(c, DIAMETER_INVALID_AVP_LENGTH, "the length does not fit the AVP's type",
                           avp->code, 0, avp->flags, avp->id);
    if (!value_valid(def, avp->value))
        return refuse(c, DIAMETER_INVALID_AVP_VALUE, "the value does not fit the AVP's type", avp);
    if (def->grammar != GRAMMAR_NONE)
        return check_avps(c, avp->value, def->grammar, depth + 1);
    return true;
}

static bool check_one(struct check *c, const struct avp *avp, unsigned depth)
{
    if (c->left-- == 0)
        return refuse(c, DIAMETER_UNABLE_TO_COMPLY, "too many AVPs", NULL);
    if ((avp->flags & AVP_FLAG_RESERVED) != 0)
        return refuse(c, DIAMETER_INVALID_AVP_BITS, "a reserved AVP flag is set", avp);
    if (avp->id != AVP_UNKNOWN)
        return check_known(c, avp, depth);
    if ((avp->flags & AVP_FLAG_M) != 0)
        return refuse(c, DIAMETER_AVP_UNSUPPORTED, "unknown AVP with the M bit", avp);
    return true;
}

static bool check_required(struct check *c, const struct diameter_grammar *grammar,
                           const uint8_t *count)
{
    for (unsigned i = 0; i < grammar->required_len; i++) {
        enum avp_id id = (enum avp_id)grammar->required[i];
        if (count[id] == 0)
            return refuse_made(c, DIAMETER_MISSING_AVP, "a required AVP is missing",
                               avp_defs[id].code, 0,
                               avp_defs[id].m_rule == DIAMETER_M_MUST_NOT ? 0 : AVP_FLAG_M, id);
    }
    return true;
}

static bool check_avps(struct check *c, struct bytes body, enum diameter_grammar_id grammar_id,
                       unsigned depth)
{
    if (depth > DIAMETER_DEPTH_MAX)
        return refuse(c, DIAMETER_UNABLE_TO_COMPLY, "groups are nested too deep", NULL);
    const struct diameter_grammar *grammar = &diameter_grammars[grammar_id];
    uint8_t group_count[AVP_ID_COUNT] = {0};
    struct diameter_message *m = depth == 0 ? c->message : NULL;
    uint8_t *count = m != NULL ? m->count : group_count;
    bool head = true;
    while (body.len != 0) {
        struct avp avp;
        if (avp_next(&body, &avp) != ERR_OK)
            return refuse_made(c, DIAMETER_INVALID_AVP_LENGTH, "the AVP's length is not possible",
                               avp.code, avp.vendor, avp.flags, avp.id);
        if (!check_one(c, &avp, depth))
            return false;
        enum avp_id id = avp.id;
        if (grammar_id != GRAMMAR_NONE && id != AVP_UNKNOWN) {
            if (grammar->max[id] == 0)
                return refuse(c, DIAMETER_AVP_NOT_ALLOWED, "this AVP may not stand here", &avp);
            if (grammar->max[id] != AVP_ANY && count[id] >= grammar->max[id])
                return refuse(c, DIAMETER_AVP_OCCURS_TOO_MANY_TIMES, "this AVP stands twice", &avp);
            if (id == grammar->first && !head)
                return refuse(c, DIAMETER_AVP_NOT_ALLOWED, "this AVP must be the first", &avp);
        }
        if (m != NULL && count[id] == 0) {
            m->avp[id] = avp.value;
            m->whole[id] = avp.whole;
        }
        if (count[id] != UINT8_MAX)
            count[id]++;
        head = false;
    }
    return check_required(c, grammar, count);
}

bool diameter_message_read(struct bytes frame, const struct diameter_header *header,
                           enum diameter_grammar_id grammar, struct diameter_message *message,
                           struct diameter_fault *ret_fault)
{
    message->header = *header;
    message->body = bytes_of(frame.data + DIAMETER_HEADER_LEN, frame.len - DIAMETER_HEADER_LEN);
    memset(message->count, 0, sizeof message->count);
    struct check c = {.fault = ret_fault, .message = message, .left = DIAMETER_AVPS_MAX};
    return check_avps(&c, message->body, grammar, 0);
}

bool diameter_each(struct bytes *at, enum avp_id id, struct avp *ret_avp)
{
    struct avp avp;
    while (at->len != 0 && avp_next(at, &avp) == ERR_OK) {
        if (avp.id == id) {
            *ret_avp = avp;
            return true;
        }
    }
    return false;
}

void diameter_message_scan(struct bytes frame, struct diameter_message *message)
{
    message->body = frame.len < DIAMETER_HEADER_LEN ? bytes_of(NULL, 0)
                                                    : bytes_of(frame.data + DIAMETER_HEADER_LEN,
                                                               frame.len - DIAMETER_HEADER_LEN);
    memset(message->count, 0, sizeof message->count);
    struct bytes at = message->body;
    struct avp avp;
    for (unsigned n = 0; n < DIAMETER_AVPS_MAX && at.len != 0; n++) {
        if (avp_next(&at, &avp) != ERR_OK)
            return;
        if (message->count[avp.id] == 0) {
            message->avp[avp.id] = avp.value;
            message->whole[avp.id] = avp.whole;
        }
        if (message->count[avp.id] != UINT8_MAX)
            message->count[avp.id]++;
    }
}
