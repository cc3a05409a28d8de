#include "api/audit_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/json.h"
#include "base/hex.h"
#include "keeper/types.h"

static json_t *text_json(struct bytes text)
{
    json_t *json = json_stringn((const char *)text.data, text.len);
    return json != NULL ? json : json_string("(not UTF-8)");
}

static json_t *record_json(const struct audit_record *record)
{
    const struct audit_event *e = &record->event;
    const struct audit_kind_row *row = audit_kind_row(e->kind);
    char stamp[64];
    int64_t seconds = (int64_t)(record->time_us / 1000000);
    AUTO(json_freep) json_t *when = json_of_time(seconds);
    const char *whole = json_string_value(when);
    (void)snprintf(stamp, sizeof stamp, "%.19s.%06uZ", whole != NULL ? whole : "",
                   (unsigned)(record->time_us % 1000000));
    /* a signature's text is bytes, not words */
    bool is_binary = e->kind == AUDIT_HEAD_SIGNATURE;
    /* ids of nodes are text here as everywhere */
    bool is_node = e->table == KEEPER_NODE;
    json_t *row_json = is_node ? json_of_id(e->row, e->row > UINT32_MAX ? 64 : 32)
                               : json_integer((json_int_t)e->row);
    return json_pack(
        "{s:I s:s s:s s:s s:I s:s s:s s:o s:I s:o s:o s:I s:I s:o}", "seq", (json_int_t)record->seq,
        "time", stamp, "kind", row != NULL ? row->name : "unknown", "result",
        err_row(e->result)->name, "domain", (json_int_t)e->domain, "table",
        e->table != 0 ? keeper_table_name(e->table) : "", "purpose",
        e->purpose != 0 ? keeper_purpose_name(e->purpose) : "", is_node ? "node" : "row", row_json,
        "epoch", (json_int_t)e->epoch, "actor", text_json(e->actor), "text",
        is_binary ? json_string("(signature)") : text_json(e->text), "segment",
        (json_int_t)record->segment, "offset", (json_int_t)record->offset, "hash",
        json_of_hex(record->hash, sizeof record->hash));
}

static bool has_no_case(struct bytes text, const char *wanted)
{
    size_t len = strlen(wanted);
    for (size_t i = 0; i + len <= text.len; i++) {
        if (strncasecmp((const char *)text.data + i, wanted, len) == 0)
            return true;
    }
    return false;
}

/* In the texts of a record, its numbers as they are written, and the beginning of its hash. */
static bool says(const struct audit_record *record, const char *wanted)
{
    const struct audit_event *e = &record->event;
    const struct audit_kind_row *row = audit_kind_row(e->kind);
    char numbers[256], hash[2 * AUDIT_HASH_SIZE + 1], place[24];
    if (has_no_case(e->actor, wanted) ||
        (e->kind != AUDIT_HEAD_SIGNATURE && has_no_case(e->text, wanted)))
        return true;
    hex_encode(bytes_of(record->hash, AUDIT_HASH_SIZE), hash);
    if (e->table == KEEPER_NODE)
        (void)snprintf(place, sizeof place, "0x%0*" PRIx64, e->row > UINT32_MAX ? 16 : 8, e->row);
    else
        (void)snprintf(place, sizeof place, "%" PRIu64, e->row);
    int len = snprintf(numbers, sizeof numbers, "%" PRIu64 " %s %s %s %s %s %.16s", record->seq,
                       row != NULL ? row->name : "unknown", err_row(e->result)->name,
                       e->table != 0 ? keeper_table_name(e->table) : "", place,
                       e->purpose != 0 ? keeper_purpose_name(e->purpose) : "", hash);
    return has_no_case(bytes_of(numbers, len > 0 ? (size_t)len : 0), wanted);
}

static bool wanted(const struct audit_filter *filter, enum audit_kind kind,
                   const struct audit_record *record)
{
    int64_t seconds = (int64_t)(record->time_us / 1000000);
    if ((filter->kind != NULL && record->event.kind != kind) ||
        (filter->from != 0 && seconds < filter->from) || (filter->to != 0 && seconds > filter->to))
        return false;
    if (filter->actor != NULL && !bytes_equal(record->event.actor, bytes_str(filter->actor)))
        return false;
    return filter->text == NULL || says(record, filter->text);
}

static uint64_t max_of(const struct audit_filter *filter)
{
    return filter->last != 0 && filter->last < AUDIT_SHOW_MAX ? filter->last : AUDIT_SHOW_MAX;
}

static enum err keep_last(json_t *list, uint64_t max)
{
    size_t len = json_array_size(list);
    AUTO(json_freep) json_t *tail = json_array();
    for (size_t i = len > max ? len - (size_t)max : 0; i < len; i++)
        (void)json_array_append(tail, json_array_get(list, i));
    return json_array_clear(list) == 0 && json_array_extend(list, tail) == 0 ? ERR_OK
                                                                             : ERR_NO_MEMORY;
}

/* What is sought: records below `end`. */
struct search {
    const char *dir;
    const struct audit_filter *filter;
    enum audit_kind kind;
    uint64_t end;
};

/* The next record that is wanted. */
static enum err next_wanted(const struct search *search, struct audit_reader *reader,
                            struct audit_record *record, bool *ret_end, struct err_detail *detail)
{
    do {
        TRY(audit_read_next(reader, record, ret_end, detail));
        if (!*ret_end && record->seq >= search->end)
            *ret_end = true;
    } while (!*ret_end && !wanted(search->filter, search->kind, record));
    return ERR_OK;
}

/* How many there are from `first` on; those that come later are not for `append`. */
static enum err count(struct search *search, uint64_t first, uint64_t *ret_count,
                      struct err_detail *detail)
{
    AUTO(audit_reader_freep) struct audit_reader *reader = NULL;
    TRY(audit_reader_open(search->dir, first, &reader, detail));
    uint64_t found = 0, last = 0;
    for (;; found++) {
        struct audit_record record;
        bool end = false;
        TRY(next_wanted(search, reader, &record, &end, detail));
        if (end)
            break;
        last = record.seq;
    }
    if (found != 0)
        search->end = last + 1;
    *ret_count = found;
    return ERR_OK;
}

/* The same without the first `skip`. */
static enum err append(const struct search *search, uint64_t first, uint64_t skip, json_t *list,
                       struct err_detail *detail)
{
    AUTO(audit_reader_freep) struct audit_reader *reader = NULL;
    TRY(audit_reader_open(search->dir, first, &reader, detail));
    for (uint64_t n = 0;; n++) {
        struct audit_record record;
        bool end = false;
        TRY(next_wanted(search, reader, &record, &end, detail));
        if (end)
            return ERR_OK;
        if (n >= skip && json_array_append_new(list, record_json(&record)) != 0)
            return ERR_NO_MEMORY;
    }
}

/* Where nothing is searched for, reading begins near the end; 0: by a search. */
static uint64_t tail_of(const struct audit_filter *filter)
{
    bool tail = filter->kind == NULL && filter->actor == NULL && filter->text == NULL &&
                filter->from == 0 && filter->to == 0 && filter->last != 0;
    uint64_t end = filter->head + 1;
    if (filter->before != 0 && filter->before < end)
        end = filter->before;
    return tail && filter->head != 0 && end > filter->last ? end - filter->last : 0;
}

/* The first record of the segment that has record `seq`, or of the oldest there is. */
static enum err first_of_segment(const char *dir, uint64_t seq, uint64_t *ret_first,
                                 struct err_detail *detail)
{
    AUTO(audit_reader_freep) struct audit_reader *reader = NULL;
    TRY(audit_reader_open(dir, seq, &reader, detail));
    *ret_first = audit_reader_segment(reader)->first_seq;
    return ERR_OK;
}

/* Segment by segment from the newest: what is asked for is mostly there, and the chain is long. In
 * each the wanted ones are counted first, since making JSON of a million takes a while. */
static enum err search_back(struct search *search, json_t *list, struct err_detail *detail)
{
    uint64_t max = max_of(search->filter), seq = search->end - 1;
    while (seq != 0 && json_array_size(list) < max) {
        uint64_t first = 0, found = 0, left = max - json_array_size(list);
        TRY(first_of_segment(search->dir, seq, &first, detail));
        if (first > seq)
            return ERR_OK; /* those before it were put elsewhere */
        TRY(count(search, first, &found, detail));
        AUTO(json_freep) json_t *part = json_array();
        if (found != 0)
            TRY(append(search, first, found > left ? found - left : 0, part, detail));
        if (json_array_extend(part, list) != 0 || json_array_clear(list) != 0 ||
            json_array_extend(list, part) != 0)
            return ERR_NO_MEMORY;
        search->end = first;
        seq = first != 0 ? first - 1 : 0;
    }
    return ERR_OK;
}

enum err audit_show_json(const char *dir, const struct audit_filter *filter, json_t **ret_json,
                         struct err_detail *detail)
{
    struct search search = {
        .dir = dir, .filter = filter, .end = filter->before != 0 ? filter->before : UINT64_MAX};
    if (filter->kind != NULL && audit_kind_find(filter->kind, &search.kind) != ERR_OK)
        return err_set(detail, ERR_ARGUMENT, "'%s' is no kind of record; docs/audit.md lists them",
                       filter->kind);
    uint64_t tail = tail_of(filter);
    AUTO(json_freep) json_t *list = json_array();
    if (tail != 0)
        TRY(append(&search, tail, 0, list, detail));
    else
        TRY(search_back(&search, list, detail));
    TRY(keep_last(list, max_of(filter)));
    *ret_json = json_pack("{s:O}", "records", list);
    return *ret_json != NULL ? ERR_OK : ERR_NO_MEMORY;
}

json_t *audit_kinds_json(void)
{
    json_t *kinds = json_array();
    for (unsigned i = 0; i < AUDIT_KIND_END; i++) {
        const struct audit_kind_row *row = audit_kind_row(i);
        if (row != NULL)
            (void)json_array_append_new(kinds, json_string(row->name));
    }
    return kinds;
}

json_t *audit_verify_json(const struct audit_verify_result *r)
{
    json_t *kinds = json_object();
    for (unsigned i = 0; i < AUDIT_KIND_END; i++) {
        const struct audit_kind_row *row = audit_kind_row(i);
        if (r->kinds[i] != 0)
            (void)json_object_set_new(kinds, row != NULL ? row->name : "unknown",
                                      json_integer((json_int_t)r->kinds[i]));
    }
    json_t *json = json_pack(
        "{s:b s:o s:I s:I s:I s:I s:I s:o s:o s:I s:I s:o s:I s:o s:I s:o}", "verified",
        r->problem.err == ERR_OK, "chain", json_of_hex(r->chain_id, sizeof r->chain_id), "segments",
        (json_int_t)r->segments, "first_segment", (json_int_t)r->first_segment, "last_segment",
        (json_int_t)r->last_segment, "records", (json_int_t)r->records, "first_seq",
        (json_int_t)r->first_seq, "first_time", json_of_time((int64_t)(r->first_us / 1000000)),
        "last_time", json_of_time((int64_t)(r->last_us / 1000000)), "signatures",
        (json_int_t)r->signatures, "head_seq", (json_int_t)r->head.seq, "head",
        json_of_hex(r->head.hash, sizeof r->head.hash), "signed_seq",
        (json_int_t)r->signed_head.seq, "signed_time",
        json_of_time((int64_t)(r->signed_us / 1000000)), "torn_bytes", (json_int_t)r->torn_bytes,
        "kinds", kinds);
    if (json != NULL && r->problem.err != ERR_OK)
        (void)json_object_set_new(
            json, "problem",
            json_pack("{s:s s:I s:I s:I s:s}", "code", err_row(r->problem.err)->name, "segment",
                      (json_int_t)r->problem.segment, "offset", (json_int_t)r->problem.offset,
                      "seq", (json_int_t)r->problem.seq, "text", r->problem.text));
    return json;
}
