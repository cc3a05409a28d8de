#include "crypto/cms.h"

#include "crypto/cms_oids.h"
#include "crypto/cms_parse.h"
#include "crypto/der.h"

/* The message is a fixed walk over a few elements, so the reader is a list of steps. Each step
 * wants one element, which is opened (its content are the next steps), collected whole, or
 * streamed. */
enum step {
    STEP_CONTENT_INFO,
    STEP_TYPE,
    STEP_WRAP,
    STEP_ENVELOPED,
    STEP_VERSION,
    STEP_RECIPIENTS,
    STEP_RECIPIENT, /* any number, until the set ends */
    STEP_ENCRYPTED,
    STEP_CONTENT_TYPE,
    STEP_ALGORITHM,
    STEP_CONTENT,
    STEP_CHUNK, /* any number, until the content ends */
    STEP_ENCRYPTED_END,
    STEP_TAG,
    STEP_ENDS, /* the three outer elements */
    STEP_DONE,
};

enum action { OPEN, COLLECT, NOTHING };

static const struct rule {
    uint8_t tag;
    uint8_t action;
    uint16_t max; /* bytes, where collected */
} rules[] = {
    [STEP_CONTENT_INFO] = {DER_SEQUENCE, OPEN, 0},
    [STEP_TYPE] = {DER_OID, COLLECT, 32},
    [STEP_WRAP] = {DER_CONTEXT_OPEN(0), OPEN, 0},
    [STEP_ENVELOPED] = {DER_SEQUENCE, OPEN, 0},
    [STEP_VERSION] = {DER_INTEGER, COLLECT, 8},
    [STEP_RECIPIENTS] = {DER_SET, OPEN, 0},
    [STEP_RECIPIENT] = {DER_SEQUENCE, COLLECT, CMS_ELEMENT_MAX},
    [STEP_ENCRYPTED] = {DER_SEQUENCE, OPEN, 0},
    [STEP_CONTENT_TYPE] = {DER_OID, COLLECT, 32},
    [STEP_ALGORITHM] = {DER_SEQUENCE, COLLECT, 256},
    [STEP_CONTENT] = {DER_CONTEXT_OPEN(0), OPEN, 0},
    [STEP_CHUNK] = {DER_OCTET_STRING, NOTHING, 0},
    [STEP_ENCRYPTED_END] = {0, NOTHING, 0},
    [STEP_TAG] = {DER_OCTET_STRING, COLLECT, CMS_TAG_SIZE},
    [STEP_ENDS] = {0, NOTHING, 0},
    [STEP_DONE] = {0, NOTHING, 0},
};

#define INDEFINITE UINT64_MAX
#define SIZE_LIMIT ((uint64_t)1 << 40) /* far above what GCM can encrypt */

void cms_reader_init(struct cms_reader *reader)
{
    *reader = (struct cms_reader){.head_want = 2};
}

static enum err malformed(const struct cms_reader *r, struct err_detail *detail, const char *what)
{
    return err_set(detail, ERR_SYNTAX, "CMS: %s at offset %llu", what, (unsigned long long)r->pos);
}

static uint64_t bound_of(const struct cms_reader *r)
{
    return r->depth == 0 ? INDEFINITE : r->open[r->depth - 1].bound;
}

static bool at_end(const struct cms_reader *r)
{
    return r->depth != 0 && r->head_len == 0 && r->open[r->depth - 1].end == r->pos;
}

static enum err close_element(struct cms_reader *r, struct err_detail *detail)
{
    switch ((enum step)r->step) {
    case STEP_RECIPIENT:
        if (r->recipients == 0)
            return malformed(r, detail, "no recipients");
        r->step = STEP_ENCRYPTED;
        break;
    case STEP_CHUNK: r->step = STEP_ENCRYPTED_END; break;
    case STEP_ENCRYPTED_END: r->step = STEP_TAG; break;
    case STEP_ENDS:
        if (r->depth == 1)
            r->step = STEP_DONE;
        break;
    default: return malformed(r, detail, "an element ends too early");
    }
    r->depth--;
    return ERR_OK;
}

static enum err open_element(struct cms_reader *r, uint64_t len, struct err_detail *detail)
{
    if (r->depth == ARRAY_LEN(r->open))
        return malformed(r, detail, "too deep");
    uint64_t bound = bound_of(r);
    r->open[r->depth].end = len == INDEFINITE ? INDEFINITE : r->pos + len;
    r->open[r->depth].bound = len == INDEFINITE ? bound : r->pos + len;
    r->depth++;
    r->step++;
    return ERR_OK;
}

static enum err unexpected(struct cms_reader *r, uint8_t tag, struct err_detail *detail)
{
    const char *what = NULL;
    if (r->step == STEP_RECIPIENTS && tag == DER_CONTEXT_OPEN(0))
        what = "an originator";
    else if (r->step == STEP_TAG && tag == DER_CONTEXT_OPEN(1))
        what = "authenticated attributes";
    else if (r->step == STEP_ENDS && tag == DER_CONTEXT_OPEN(2))
        what = "unauthenticated attributes";
    else if (r->step == STEP_CHUNK && tag == (DER_OCTET_STRING | 0x20))
        what = "nested content";
    if (what != NULL)
        return err_set(detail, ERR_UNSUPPORTED, "CMS: %s", what);
    return malformed(r, detail, "an element of the wrong type");
}

static void stream(struct cms_reader *r, uint64_t len)
{
    r->left = len;
    r->streaming = true;
}

/* Tag and length are complete; `len` is INDEFINITE for the form without one. */
static enum err begin_element(struct cms_reader *r, uint8_t tag, uint64_t len,
                              struct err_detail *detail)
{
    const struct rule *rule = &rules[r->step];
    uint64_t bound = bound_of(r);
    if (len != INDEFINITE && (len > SIZE_LIMIT || r->pos > bound || len > bound - r->pos))
        return malformed(r, detail, "an element longer than what it is in");
    if (r->step == STEP_CONTENT && tag == DER_CONTEXT(0) && len != INDEFINITE) {
        /* [0] IMPLICIT OCTET STRING in one piece. */
        r->step = STEP_ENCRYPTED_END;
        stream(r, len);
        return ERR_OK;
    }
    bool other_recipient = r->step == STEP_RECIPIENT && (tag & 0xe0) == 0xa0;
    if (tag != rule->tag && !other_recipient)
        return unexpected(r, tag, detail);
    if (rule->action == OPEN)
        return open_element(r, len, detail);
    if (len == INDEFINITE)
        return err_set(detail, ERR_UNSUPPORTED,
                       "CMS: an element of indefinite length at offset %llu",
                       (unsigned long long)r->pos);
    if (r->step == STEP_CHUNK) {
        stream(r, len);
        return ERR_OK;
    }
    if (len > rule->max)
        return err_set(detail, ERR_LIMIT, "CMS: an element of %llu bytes at offset %llu",
                       (unsigned long long)len, (unsigned long long)r->pos);
    r->left = len;
    r->element_len = 0;
    r->collecting = true;
    return ERR_OK;
}

/* X.690, 8.1.3. CMS from others may be BER, so lengths need not be the shortest. */
static enum err read_head(struct cms_reader *r, struct bytes *input, struct err_detail *detail)
{
    while (r->head_len < r->head_want && input->len != 0) {
        r->head[r->head_len++] = *input->data;
        *input = bytes_of(input->data + 1, input->len - 1);
        r->pos++;
        if (r->head_len == 2 && r->head[1] > 0x80) {
            r->head_want += r->head[1] & 0x7f;
            if (r->head_want > sizeof r->head)
                return malformed(r, detail, "a length of too many octets");
        }
    }
    if (r->head_len < r->head_want)
        return ERR_OK;
    uint8_t tag = r->head[0];
    uint64_t len = r->head[1];
    if (len == 0x80)
        len = INDEFINITE;
    for (unsigned i = 2; i < r->head_want; i++)
        len = i == 2 ? r->head[i] : len << 8 | r->head[i];
    bool long_form = r->head_want > 2;
    r->head_len = 0;
    r->head_want = 2;
    if (r->pos > bound_of(r))
        return malformed(r, detail, "an element longer than what it is in");
    if (long_form && len > SIZE_LIMIT)
        return malformed(r, detail, "a length out of range");
    if (tag == 0 && len == 0 && !long_form && r->depth != 0 &&
        r->open[r->depth - 1].end == INDEFINITE)
        return close_element(r, detail);
    if (len == INDEFINITE && (tag & 0x20) == 0)
        return malformed(r, detail, "indefinite length of a primitive type");
    return begin_element(r, tag, len, detail);
}

static enum err recipient(struct cms_reader *r, struct bytes element, struct cms_item *item,
                          bool *ret_event, struct err_detail *detail)
{
    if (++r->recipients > CMS_RECIPIENTS_MAX)
        return err_set(detail, ERR_LIMIT, "CMS: more than %d recipients", CMS_RECIPIENTS_MAX);
    if (r->head[0] != DER_SEQUENCE)
        return ERR_OK; /* another kind of recipient */
    enum err err = cms_parse_recipient(element, &item->recipient);
    if (err == ERR_UNSUPPORTED)
        return ERR_OK;
    if (err != ERR_OK)
        return malformed(r, detail, "a malformed recipient");
    item->event = CMS_RECIPIENT;
    *ret_event = true;
    return ERR_OK;
}

/* The element of this step is collected. */
static enum err finish_element(struct cms_reader *r, struct cms_item *item, bool *ret_event,
                               struct err_detail *detail)
{
    struct bytes element = bytes_of(r->element, r->element_len);
    enum step step = (enum step)r->step;
    static const uint8_t zero[1];
    enum err err;
    r->collecting = false;
    if (step != STEP_RECIPIENT)
        r->step++;
    switch (step) {
    case STEP_TYPE:
        if (!bytes_equal(element, BYTES(oid_auth_enveloped)))
            return err_set(detail, ERR_UNSUPPORTED, "CMS: not of the type AuthEnvelopedData");
        return ERR_OK;
    case STEP_VERSION:
        if (!bytes_equal(element, BYTES(zero)))
            return err_set(detail, ERR_UNSUPPORTED, "CMS: AuthEnvelopedData of another version");
        return ERR_OK;
    case STEP_RECIPIENT: return recipient(r, element, item, ret_event, detail);
    case STEP_CONTENT_TYPE:
        if (!bytes_equal(element, BYTES(oid_data)))
            return err_set(detail, ERR_UNSUPPORTED, "CMS: content is not of the type data");
        return ERR_OK;
    case STEP_ALGORITHM:
        err = cms_parse_algorithm(element, item->nonce, &r->tag_len);
        if (err != ERR_OK)
            return err_set(detail, err,
                           "CMS: content encryption is not AES-256-GCM with a nonce of %d "
                           "bytes",
                           CMS_NONCE_SIZE);
        item->tag_len = r->tag_len;
        item->event = CMS_CONTENT;
        *ret_event = true;
        return ERR_OK;
    case STEP_TAG:
        if (element.len != r->tag_len)
            return malformed(r, detail, "a tag of the wrong length");
        item->data = element;
        item->event = CMS_TAG;
        *ret_event = true;
        return ERR_OK;
    default: return ERR_INTERNAL;
    }
}

static struct bytes take(struct cms_reader *r, struct bytes *input)
{
    size_t now = input->len < r->left ? input->len : (size_t)r->left;
    struct bytes piece = bytes_of(input->data, now);
    *input = bytes_of(input->data + now, input->len - now);
    r->pos += now;
    r->left -= now;
    return piece;
}

/* One move; *ret_event where it gave something or more input is wanted. */
static enum err advance(struct cms_reader *r, struct bytes *input, struct cms_item *item,
                        bool *ret_event, struct err_detail *detail)
{
    if (r->streaming && r->left == 0)
        r->streaming = false;
    if (r->collecting && r->left == 0)
        return finish_element(r, item, ret_event, detail);
    if (r->step == STEP_DONE) {
        item->event = CMS_END;
        *ret_event = true;
        return ERR_OK;
    }
    if (!r->streaming && !r->collecting && at_end(r))
        return close_element(r, detail);
    if (input->len == 0) {
        item->event = CMS_MORE;
        *ret_event = true;
        return ERR_OK;
    }
    if (!r->streaming && !r->collecting)
        return read_head(r, input, detail);
    struct bytes piece = take(r, input);
    if (r->collecting) {
        memcpy(r->element + r->element_len, piece.data, piece.len);
        r->element_len += piece.len;
        return ERR_OK;
    }
    item->event = CMS_DATA;
    item->data = piece;
    *ret_event = true;
    return ERR_OK;
}

enum err cms_reader_next(struct cms_reader *reader, struct bytes *input, struct cms_item *ret_item,
                         struct err_detail *detail)
{
    struct cms_item item = {0};
    bool event = false;
    while (reader->err == ERR_OK && !event)
        reader->err = advance(reader, input, &item, &event, detail);
    if (reader->err != ERR_OK)
        return reader->err;
    *ret_item = item;
    return ERR_OK;
}

enum err cms_reader_finish(const struct cms_reader *reader, struct err_detail *detail)
{
    if (reader->err != ERR_OK)
        return reader->err;
    if (reader->step != STEP_DONE)
        return err_set(detail, ERR_TRUNCATED, "CMS: the file ends at offset %llu, in the middle",
                       (unsigned long long)reader->pos);
    return ERR_OK;
}
