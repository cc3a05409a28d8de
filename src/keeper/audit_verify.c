#include "keeper/audit_verify.h"

#include <stdio.h>

#define PROGRESS_STEP ((uint64_t)16 * 1024 * 1024)
/* A signature comes soon after its `head` record: one is signed at a time. */
#define MARKS 16

struct verify {
    const struct audit_verify_options *options;
    struct audit_verify_result *result;
    struct audit_reader *reader;
    struct audit_head marks[MARKS]; /* the last `head` records, a ring */
    size_t mark_count;
    uint64_t bytes_before; /* in segments that are done */
    uint64_t segment_size;
    uint64_t reported;
};

static void note_problem(struct verify *v, enum err err, const char *text)
{
    struct audit_problem *problem = &v->result->problem;
    problem->err = err;
    if (v->reader != NULL)
        audit_reader_position(v->reader, &problem->segment, &problem->offset, &problem->seq);
    (void)snprintf(problem->text, sizeof problem->text, "%s", text);
}

/* A finding about a record that was read whole. */
static enum err record_problem(struct verify *v, const struct audit_record *record, enum err err,
                               const char *text, struct err_detail *detail)
{
    note_problem(v, err, text);
    v->result->problem.segment = record->segment;
    v->result->problem.offset = record->offset;
    v->result->problem.seq = record->seq;
    return err_set(detail, err, "segment %llu, offset %llu, record %llu: %s",
                   (unsigned long long)record->segment, (unsigned long long)record->offset,
                   (unsigned long long)record->seq, text);
}

enum err audit_signature_decode(const struct audit_record *record,
                                struct audit_signature *ret_signature)
{
    if (record->event.kind != AUDIT_HEAD_SIGNATURE)
        return ERR_SYNTAX;
    struct audit_signature signature;
    struct reader r = reader_of(record->event.text);
    signature.head.seq = reader_u64(&r);
    reader_copy(&r, signature.head.hash, sizeof signature.head.hash);
    signature.fingerprint = reader_bytes(&r, AUDIT_HASH_SIZE);
    signature.signature = reader_bytes16(&r);
    if (reader_end(&r) != ERR_OK)
        return ERR_SYNTAX;
    *ret_signature = signature;
    return ERR_OK;
}

static const struct audit_head *find_mark(const struct verify *v, uint64_t seq)
{
    for (size_t i = 0; i < MARKS && i < v->mark_count; i++) {
        if (v->marks[i].seq == seq)
            return &v->marks[i];
    }
    return NULL;
}

static const struct rsa_public *find_key(const struct verify *v, struct bytes fingerprint)
{
    for (size_t i = 0; i < v->options->key_count; i++) {
        if (bytes_equal(rsa_public_fingerprint(v->options->keys[i]), fingerprint))
            return v->options->keys[i];
    }
    return NULL;
}

static enum err check_signature(struct verify *v, const struct audit_record *record,
                                struct err_detail *detail)
{
    struct audit_signature signature;
    if (audit_signature_decode(record, &signature) != ERR_OK)
        return record_problem(v, record, ERR_AUDIT, "the head signature is malformed", detail);
    const struct audit_head *mark = find_mark(v, signature.head.seq);
    /* of a copy that begins later than the record that was signed only the signature is checked */
    bool earlier = signature.head.seq < v->result->first_seq;
    if (!earlier && (mark == NULL || memcmp(mark->hash, signature.head.hash, AUDIT_HASH_SIZE) != 0))
        return record_problem(v, record, ERR_AUDIT, "what was signed is not in this chain", detail);
    if (v->options->key_count != 0) {
        const struct rsa_public *key = find_key(v, signature.fingerprint);
        if (key == NULL)
            return record_problem(v, record, ERR_SIGNATURE,
                                  "the head was signed by another key than the one given", detail);
        uint8_t digest[AUDIT_HASH_SIZE];
        TRY(audit_head_digest(v->result->chain_id, &signature.head, digest));
        if (rsa_verify_sha256(key, digest, signature.signature, NULL) != ERR_OK)
            return record_problem(v, record, ERR_SIGNATURE, "the head signature does not verify",
                                  detail);
    }
    v->result->signatures++;
    v->result->signed_head = signature.head;
    v->result->signed_us = record->time_us;
    return ERR_OK;
}

static void first_record(struct audit_verify_result *result, const struct audit_record *record)
{
    result->first_segment = record->segment;
    result->first_seq = record->seq;
    result->first_us = record->time_us;
}

static void count_segment(struct verify *v, const struct audit_record *record)
{
    const struct segment_header *header = audit_reader_segment(v->reader);
    v->bytes_before += v->segment_size;
    v->segment_size = header->size;
    memcpy(v->result->chain_id, header->chain_id, AUDIT_CHAIN_SIZE);
    v->result->segments++;
    v->result->last_segment = record->segment;
}

static enum err check_record(struct verify *v, const struct audit_record *record,
                             struct err_detail *detail)
{
    struct audit_verify_result *result = v->result;
    if (result->segments == 0)
        first_record(result, record);
    if (record->segment != result->last_segment)
        count_segment(v, record);
    result->records++;
    result->last_us = record->time_us;
    result->kinds[audit_kind_row(record->event.kind) != NULL ? record->event.kind : 0]++;
    result->head.seq = record->seq;
    memcpy(result->head.hash, record->hash, AUDIT_HASH_SIZE);
    const struct audit_head *want = v->options->at_least;
    if (want != NULL && want->seq == record->seq &&
        memcmp(want->hash, record->hash, AUDIT_HASH_SIZE) != 0)
        return record_problem(v, record, ERR_AUDIT,
                              "it is another record than is known to have been there", detail);
    if (record->event.kind == AUDIT_HEAD)
        v->marks[v->mark_count++ % MARKS] = result->head;
    if (record->event.kind == AUDIT_HEAD_SIGNATURE)
        return check_signature(v, record, detail);
    return ERR_OK;
}

static bool go_on(struct verify *v, const struct audit_record *record)
{
    uint64_t done = v->bytes_before + record->offset;
    if (v->options->progress == NULL || done < v->reported + PROGRESS_STEP)
        return true;
    v->reported = done;
    uint64_t segments = audit_reader_last(v->reader) - v->result->first_segment + 1;
    struct audit_verify_progress progress = {
        .bytes_done = done,
        .bytes_total = segments * v->segment_size,
        .records = v->result->records,
    };
    return v->options->progress(&progress, v->options->ctx);
}

static enum err read_all(struct verify *v, struct err_detail *detail)
{
    for (;;) {
        struct audit_record record;
        bool end = false;
        struct err_detail why = {0};
        enum err err = audit_read_next(v->reader, &record, &end, &why);
        if (err == ERR_AUDIT || err == ERR_UNSUPPORTED)
            note_problem(v, err, why.text);
        if (err != ERR_OK) {
            if (detail != NULL)
                *detail = why;
            return err;
        }
        if (end)
            return ERR_OK;
        TRY(check_record(v, &record, detail));
        if (!go_on(v, &record))
            return ERR_CANCELLED;
    }
}

static enum err check_whole(struct verify *v, struct err_detail *detail)
{
    struct audit_verify_result *result = v->result;
    const char *text = NULL;
    if (v->options->whole && (result->first_segment != 1 || result->first_seq != 1))
        text = "the chain does not begin with its first segment";
    else if (v->options->at_least != NULL && v->options->at_least->seq > result->head.seq)
        text = "the chain ends before a record that is known to have been there";
    if (text == NULL)
        return ERR_OK;
    note_problem(v, ERR_AUDIT, text);
    return err_set(detail, ERR_AUDIT, "%s", text);
}

enum err audit_verify(const char *dir, const struct audit_verify_options *options,
                      struct audit_verify_result *ret_result, struct err_detail *detail)
{
    AUTO(audit_reader_freep) struct audit_reader *reader = NULL;
    struct audit_verify_result result = {0};
    TRY(audit_reader_open(dir, 0, &reader, detail));
    struct verify v = {.options = options, .result = &result, .reader = reader};
    enum err err = read_all(&v, detail);
    if (err == ERR_OK)
        err = check_whole(&v, detail);
    result.torn_bytes = audit_reader_torn(reader);
    if (err == ERR_OK || result.problem.err != ERR_OK)
        *ret_result = result;
    return err;
}
