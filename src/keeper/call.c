#include "keeper/call.h"

#include <stdio.h>

struct bytes call_actor(struct core_call *call)
{
    struct bytes actor = message_get_actor(&call->in);
    if (call->in.err == ERR_OK)
        call->event.actor = actor;
    return actor;
}

struct keeper_row call_row(struct core_call *call)
{
    struct keeper_row row = message_get_row(&call->in);
    if (call->in.err == ERR_OK) {
        call->event.domain = row.domain;
        call->event.table = row.table;
        call->event.row = row.row;
        call->event.epoch = row.epoch;
    }
    return row;
}

enum err call_read(struct core_call *call)
{
    enum err err = reader_end(&call->in);
    if (err != ERR_OK)
        call->core->counters.malformed++;
    return err;
}

enum err call_allow(struct core_call *call, uint8_t purpose, uint8_t table, unsigned keys)
{
    call->event.purpose = purpose;
    return policy_take(&call->core->policy, purpose, table, keys, call->now_ns);
}

enum err call_session(struct core_call *call, enum session_kind kind, struct session **ret_session)
{
    uint32_t id = reader_u32(&call->in);
    TRY(reader_status(&call->in));
    struct session *session = NULL;
    TRY(session_find(&call->core->sessions, call->conn, kind, id, call->now_ns, &session));
    memcpy(call->actor, session->actor, session->actor_len);
    call->event.actor = bytes_of(call->actor, session->actor_len);
    call->event.purpose = session->purpose;
    call->event.domain = session->row.domain;
    call->event.epoch = session->row.epoch;
    *ret_session = session;
    return ERR_OK;
}

enum err call_open(struct core_call *call, const struct keeper_row *row, struct bytes sealed,
                   uint8_t to[KEEPER_KEY_MAX], size_t *ret_len)
{
    return domains_open(call->core->domains, row, sealed, to, ret_len);
}

void call_wipe_scratch(struct core_call *call)
{
    struct secret *scratch = call->core->scratch;
    explicit_bzero(secret_data(scratch), secret_len(scratch));
}

void ranges_init(struct row_ranges *ranges, struct core *core, const struct audit_event *event)
{
    ranges->core = core;
    ranges->event = *event;
    ranges->count = 0;
    ranges->len = 0;
}

static int id_digits(uint64_t id)
{
    return id > UINT32_MAX ? 16 : 8;
}

static void close_range(struct row_ranges *ranges)
{
    if (ranges->count == 0)
        return;
    size_t room = sizeof ranges->text - ranges->len;
    char *to = ranges->text + ranges->len;
    const char *blank = ranges->len != 0 ? " " : "";
    unsigned long long first = ranges->first;
    unsigned long long last = ranges->last;
    int len = ranges->count == 1 ? snprintf(to, room, "%s0x%0*llx", blank, id_digits(first), first)
                                 : snprintf(to, room, "%s0x%0*llx-0x%0*llx", blank,
                                            id_digits(first), first, id_digits(last), last);
    ranges->len += (size_t)len;
    ranges->count = 0;
}

enum err ranges_end(struct row_ranges *ranges)
{
    close_range(ranges);
    if (ranges->len == 0)
        return ERR_OK;
    ranges->event.text = bytes_of(ranges->text, ranges->len);
    ranges->len = 0;
    return core_record(ranges->core, &ranges->event);
}

enum err ranges_add(struct row_ranges *ranges, uint64_t row)
{
    if (ranges->count != 0 && row == ranges->last + 1) {
        ranges->last = row;
        ranges->count++;
        return ERR_OK;
    }
    close_range(ranges);
    if (ranges->len + 48 > sizeof ranges->text)
        TRY(ranges_end(ranges));
    if (ranges->len == 0)
        ranges->event.row = row;
    ranges->first = row;
    ranges->last = row;
    ranges->count = 1;
    return ERR_OK;
}
