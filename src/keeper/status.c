#include "keeper/call.h"

/* STATUS  -> u64 started | u64 released | u64 exported | u64 imported | u64 generated | u64 refused
 * | u64 malformed | u64 records | u64 syncs | 32 head | u32 domains | u32 domain keys | u32
 * sessions | u8 token ready | u32 CK_RV | u16 length, token NOTE    actor | u16 kind | u16 enum err
 * | u32 domain | u8 table | u64 row | u32 epoch | u16 length, text ->
 * EXPECT  u64 seq | 32 hash -> */

enum err verb_status(struct core_call *call)
{
    TRY(call_read(call));
    struct core *core = call->core;
    const struct core_counters *counters = &core->counters;
    struct audit_head head;
    audit_head(core->config.audit, &head);
    struct keeper_token_status token = {.text = ""};
    core->config.token.ops->status(core->config.token.ctx, &token);
    writer_u64(call->out, core->started_us);
    writer_u64(call->out, counters->released);
    writer_u64(call->out, counters->exported);
    writer_u64(call->out, counters->imported);
    writer_u64(call->out, counters->generated);
    writer_u64(call->out, counters->refused);
    writer_u64(call->out, counters->malformed);
    writer_u64(call->out, head.seq);
    writer_u64(call->out, counters->syncs);
    writer_bytes(call->out, BYTES(head.hash));
    writer_u32(call->out, domains_count(core->domains));
    writer_u32(call->out, domains_keys(core->domains));
    writer_u32(call->out, core->sessions.open);
    writer_u8(call->out, token.ready);
    writer_u32(call->out, (uint32_t)token.ckr);
    writer_bytes16(call->out, bytes_of(token.text, strnlen(token.text, sizeof token.text)));
    return ERR_OK;
}

enum err verb_note(struct core_call *call)
{
    struct reader *in = &call->in;
    (void)call_actor(call);
    uint16_t kind = reader_u16(in);
    uint16_t result = reader_u16(in);
    struct audit_event event = {.actor = call->event.actor, .result = (enum err)result};
    event.domain = reader_u32(in);
    event.table = reader_u8(in);
    event.row = reader_u64(in);
    event.epoch = reader_u32(in);
    event.text = reader_bytes16(in);
    if (event.text.len > KEEPER_NOTE_MAX || result >= ERR_COUNT || event.table >= KEEPER_TABLES)
        reader_fail(in, ERR_ARGUMENT);
    TRY(call_read(call));
    const struct audit_kind_row *row = audit_kind_row(kind);
    if (row == NULL || !row->note)
        return ERR_DENIED;
    event.kind = (enum audit_kind)kind;
    return core_record(call->core, &event);
}

enum err verb_expect(struct core_call *call)
{
    struct audit_head head = {.seq = reader_u64(&call->in)};
    reader_copy(&call->in, head.hash, sizeof head.hash);
    TRY(call_read(call));
    return audit_expect(call->core->config.audit, &head, &call->detail);
}
