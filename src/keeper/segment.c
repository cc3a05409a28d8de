#include "keeper/segment.h"

#include <stdio.h>
#include <string.h>

#define MAGIC     "CLVAUDIT"
#define MAGIC_LEN 8

/* Offsets of a record's fields that are read or written one by one. */
#define AT_SEQ    4
#define AT_TIME   12
#define AT_KIND   20
#define AT_RESULT 22
#define AT_DOMAIN 24
#define AT_TABLE  28
#define AT_USE    29
#define AT_ROW    30
#define AT_EPOCH  38
#define AT_ACTOR  42

void segment_name(uint64_t number, char to[SEGMENT_NAME_SIZE])
{
    (void)snprintf(to, SEGMENT_NAME_SIZE, "%010llu.audit", (unsigned long long)number);
}

bool segment_name_parse(const char *name, uint64_t *ret_number)
{
    uint64_t number = 0;
    size_t digits = 0;
    for (; name[digits] >= '0' && name[digits] <= '9'; digits++) {
        if (digits == 18)
            return false;
        number = number * 10 + (uint64_t)(name[digits] - '0');
    }
    char want[SEGMENT_NAME_SIZE];
    segment_name(number, want);
    if (number == 0 || strcmp(name, want) != 0)
        return false;
    *ret_number = number;
    return true;
}

static enum err header_digest(const uint8_t *header, uint8_t *ret_digest)
{
    struct bytes part = {header, SEGMENT_HEADER_SIZE - AUDIT_HASH_SIZE};
    return hash_sha256(&part, 1, ret_digest);
}

enum err segment_header_encode(struct segment_header *header, uint8_t to[SEGMENT_HEADER_SIZE])
{
    struct writer w = writer_of(to, SEGMENT_HEADER_SIZE);
    writer_bytes(&w, bytes_of(MAGIC, MAGIC_LEN));
    writer_u16(&w, SEGMENT_VERSION);
    writer_u16(&w, SEGMENT_HEADER_SIZE);
    writer_u32(&w, 0);
    writer_bytes(&w, BYTES(header->chain_id));
    writer_u64(&w, header->number);
    writer_u64(&w, header->first_seq);
    writer_bytes(&w, BYTES(header->prev_hash));
    writer_u64(&w, header->created_us);
    writer_u64(&w, header->size);
    TRY(header_digest(to, header->digest));
    writer_bytes(&w, BYTES(header->digest));
    return writer_status(&w);
}

enum err segment_header_decode(const uint8_t from[SEGMENT_HEADER_SIZE],
                               struct segment_header *ret_header, struct err_detail *detail)
{
    struct segment_header header;
    struct reader r = reader_of(bytes_of(from, SEGMENT_HEADER_SIZE));
    struct bytes magic = reader_bytes(&r, MAGIC_LEN);
    if (!bytes_equal(magic, bytes_of(MAGIC, MAGIC_LEN)))
        return err_set(detail, ERR_AUDIT, "not an audit segment");
    unsigned version = reader_u16(&r), length = reader_u16(&r);
    uint32_t zero = reader_u32(&r);
    reader_copy(&r, header.chain_id, sizeof header.chain_id);
    header.number = reader_u64(&r);
    header.first_seq = reader_u64(&r);
    reader_copy(&r, header.prev_hash, sizeof header.prev_hash);
    header.created_us = reader_u64(&r);
    header.size = reader_u64(&r);
    uint8_t digest[AUDIT_HASH_SIZE];
    TRY(header_digest(from, digest));
    reader_copy(&r, header.digest, sizeof header.digest);
    TRY(reader_end(&r));
    if (memcmp(digest, header.digest, sizeof digest) != 0)
        return err_set(detail, ERR_AUDIT, "the header of the segment was altered");
    if (version != SEGMENT_VERSION)
        return err_set(detail, ERR_UNSUPPORTED, "segment of format version %u", version);
    if (length != SEGMENT_HEADER_SIZE || zero != 0 || header.number == 0 || header.first_seq == 0 ||
        header.size < SEGMENT_SIZE_MIN || header.size > SEGMENT_SIZE_MAX)
        return err_set(detail, ERR_AUDIT, "the header of the segment is malformed");
    *ret_header = header;
    return ERR_OK;
}

bool segment_header_blank(const uint8_t from[SEGMENT_HEADER_SIZE])
{
    static const uint8_t zero[SEGMENT_HEADER_SIZE];
    return memcmp(from, zero, sizeof zero) == 0;
}

size_t segment_record_size(size_t actor_len, size_t text_len)
{
    return (AT_ACTOR + 1 + actor_len + 2 + text_len + 3) / 4 * 4 + AUDIT_HASH_SIZE;
}

enum err segment_record_encode(struct hash *hash, const struct audit_event *event, uint64_t seq,
                               uint64_t time_us, uint8_t *to)
{
    size_t size = segment_record_size(event->actor.len, event->text.len);
    be16_store(to, (uint16_t)~size);
    be16_store(to + 2, (uint16_t)size);
    be64_store(to + AT_SEQ, seq);
    be64_store(to + AT_TIME, time_us);
    be16_store(to + AT_KIND, (uint16_t)event->kind);
    be16_store(to + AT_RESULT, (uint16_t)event->result);
    be32_store(to + AT_DOMAIN, event->domain);
    to[AT_TABLE] = event->table;
    to[AT_USE] = event->purpose;
    be64_store(to + AT_ROW, event->row);
    be32_store(to + AT_EPOCH, event->epoch);
    uint8_t *at = to + AT_ACTOR;
    *at++ = (uint8_t)event->actor.len;
    if (event->actor.len != 0)
        memcpy(at, event->actor.data, event->actor.len);
    at += event->actor.len;
    be16_store(at, (uint16_t)event->text.len);
    at += 2;
    if (event->text.len != 0)
        memcpy(at, event->text.data, event->text.len);
    at += event->text.len;
    uint8_t *end = to + size - AUDIT_HASH_SIZE;
    while (at < end)
        *at++ = 0;
    /* the hash before lies right in front, so one update covers both */
    TRY(hash_begin(hash));
    TRY(hash_update(hash, bytes_of(to - AUDIT_HASH_SIZE, size)));
    return hash_end(hash, end);
}

bool segment_record_length(const uint8_t *at, size_t *ret_length)
{
    size_t length = be16_load(at + 2);
    if ((be16_load(at) ^ 0xffff) != length || length % 4 != 0 || length < SEGMENT_RECORD_MIN ||
        length > SEGMENT_RECORD_MAX)
        return false;
    *ret_length = length;
    return true;
}

enum err segment_record_decode(const uint8_t *at, size_t length, struct audit_record *ret_record)
{
    struct audit_record record = {0};
    record.seq = be64_load(at + AT_SEQ);
    record.time_us = be64_load(at + AT_TIME);
    record.event.kind = (enum audit_kind)be16_load(at + AT_KIND);
    record.event.result = (enum err)be16_load(at + AT_RESULT);
    record.event.domain = be32_load(at + AT_DOMAIN);
    record.event.table = at[AT_TABLE];
    record.event.purpose = at[AT_USE];
    record.event.row = be64_load(at + AT_ROW);
    record.event.epoch = be32_load(at + AT_EPOCH);
    struct reader r = reader_of(bytes_of(at + AT_ACTOR, length - AT_ACTOR - AUDIT_HASH_SIZE));
    record.event.actor = reader_bytes(&r, reader_u8(&r));
    record.event.text = reader_bytes16(&r);
    TRY(reader_status(&r));
    if (record.event.actor.len > AUDIT_ACTOR_MAX || record.event.text.len > AUDIT_TEXT_MAX ||
        segment_record_size(record.event.actor.len, record.event.text.len) != length)
        return ERR_SYNTAX;
    memcpy(record.hash, at + length - AUDIT_HASH_SIZE, AUDIT_HASH_SIZE);
    *ret_record = record;
    return ERR_OK;
}
