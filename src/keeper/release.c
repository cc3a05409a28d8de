#include "keeper/call.h"

/* RELEASE  u8 purpose | count times: u8 length, actor (0: that of the row before) | row | sealed
 *          -> count times: u16 enum err | u8 length, key in clear
 *
 * The hot path: nothing here takes memory. Only a purpose that hands keys out in clear is taken,
 * which is DIAMETER: the exports have their own verbs. */

struct wanted {
    struct bytes actor;
    struct keeper_row row;
    struct bytes sealed;
};

static void read_wanted(struct reader *r, struct wanted *wanted)
{
    size_t len = reader_u8(r);
    if (len != 0)
        wanted->actor = reader_bytes(r, len);
    wanted->row = message_get_row(r);
    wanted->sealed = message_get_sealed(r);
    if (len != 0 ? !message_actor_ok(wanted->actor) : wanted->actor.len == 0)
        reader_fail(r, ERR_ARGUMENT);
}

static enum err check_all(struct core_call *call)
{
    struct reader ahead = call->in;
    struct wanted wanted = {.actor.len = 0};
    for (unsigned i = 0; i < call->head.count && ahead.err == ERR_OK; i++)
        read_wanted(&ahead, &wanted);
    enum err err = reader_end(&ahead);
    if (err != ERR_OK)
        call->core->counters.malformed++;
    return err;
}

static enum err release_one(struct core_call *call, const struct wanted *wanted, uint8_t *key,
                            size_t *ret_len)
{
    struct audit_event event = {.kind = AUDIT_RELEASE,
                                .domain = wanted->row.domain,
                                .table = wanted->row.table,
                                .purpose = call->event.purpose,
                                .row = wanted->row.row,
                                .epoch = wanted->row.epoch,
                                .actor = wanted->actor};
    enum err err = policy_take(&call->core->policy, event.purpose, event.table, 1, call->now_ns);
    if (err == ERR_OK)
        err = domains_open(call->core->domains, &wanted->row, wanted->sealed, key, ret_len);
    if (err == ERR_OK)
        err = core_record(call->core, &event);
    if (err != ERR_OK) {
        event.result = err;
        core_refuse(call->core, &event);
    }
    return err;
}

enum err verb_release(struct core_call *call)
{
    call->event.purpose = reader_u8(&call->in);
    TRY(check_all(call));
    if (call->event.purpose != KEEPER_DIAMETER)
        return ERR_DENIED;
    call->recorded = true;
    struct wanted wanted = {.actor.len = 0};
    uint8_t key[KEEPER_KEY_MAX];
    for (unsigned i = 0; i < call->head.count; i++) {
        read_wanted(&call->in, &wanted);
        size_t len = 0;
        enum err err = release_one(call, &wanted, key, &len);
        writer_u16(call->out, (uint16_t)err);
        writer_u8(call->out, err == ERR_OK ? (uint8_t)len : 0);
        if (err == ERR_OK) {
            writer_bytes(call->out, bytes_of(key, len));
            call->core->counters.released++;
        }
    }
    explicit_bzero(key, sizeof key);
    return ERR_OK;
}
