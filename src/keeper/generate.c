#include "crypto/des.h"
#include "crypto/kdf.h"
#include "crypto/random.h"
#include "keeper/call.h"

/* GENERATE        actor | row -> made
 * GENERATE_NODES  actor | u32 domain | u32 epoch | u8 derived | (row of base | sealed | u16 length,
 *                 realm) | count times: u64 id | u32 reprovision count -> count times: made
 * SEAL            actor | row | u8 length, secret -> made
 * RESEAL          actor | count times: row | sealed -> count times: u16 enum err | (made) */

enum err verb_generate(struct core_call *call)
{
    (void)call_actor(call);
    struct keeper_row row = call_row(call);
    TRY(call_read(call));
    AUTO(secret_freep) struct secret *key = NULL;
    switch (row.table) {
    case KEEPER_GATEWAY: TRY(des3_generate(&key)); break;
    case KEEPER_NODE:
    case KEEPER_CDLD:
    case KEEPER_BASE: TRY(random_secret(keeper_key_size(row.table), &key)); break;
    default: return ERR_DENIED;
    }
    struct keeper_made made;
    TRY(domains_seal(call->core->domains, &row, secret_view(key), &made));
    message_put_made(call->out, &made);
    call->core->counters.generated++;
    return ERR_OK;
}

/* Where a node's key comes from. */
struct origin {
    struct kdf *kdf;       /* derived */
    struct secret *random; /* or drawn: 16 bytes a node */
    struct bytes realm;
};

static void origin_done(struct origin *origin)
{
    kdf_free(origin->kdf);
    secret_free(origin->random);
}

/* SP 800-108, counter mode, AES-128-CMAC under base; docs/formats.md has the openssl command. */
static enum err derive_node(const struct origin *origin, uint64_t id, uint32_t reprovisioned,
                            uint8_t key[16])
{
    uint8_t room[KEEPER_NAME_MAX + 13];
    struct writer context = writer_of(room, sizeof room);
    writer_bytes(&context, origin->realm);
    writer_u8(&context, 0);
    writer_u64(&context, id);
    writer_u32(&context, reprovisioned);
    TRY(writer_status(&context));
    return kdf_derive(origin->kdf, bytes_str("claviger node key"), writer_view(&context), key, 16);
}

static enum err origin_of_base(struct core_call *call, const struct keeper_row *row,
                               struct bytes sealed, struct origin *origin)
{
    if (row->table != KEEPER_BASE || row->domain != call->event.domain)
        return ERR_DENIED;
    uint8_t base[KEEPER_KEY_MAX];
    size_t len = 0;
    enum err err = call_open(call, row, sealed, base, &len);
    if (err == ERR_OK)
        err = kdf_new(bytes_of(base, len), &origin->kdf);
    explicit_bzero(base, sizeof base);
    TRY(err);
    struct audit_event event = call->event;
    event.kind = AUDIT_USE;
    event.table = KEEPER_BASE;
    event.row = row->row;
    event.epoch = row->epoch;
    return core_record(call->core, &event);
}

static enum err generate_all(struct core_call *call, const struct origin *origin,
                             struct reader *nodes)
{
    struct row_ranges ranges;
    ranges_init(&ranges, call->core, &call->event);
    AUTO(secret_block32_wipe) struct secret_block32 key;
    for (unsigned i = 0; i < call->head.count; i++) {
        struct keeper_row row = {.domain = call->event.domain,
                                 .table = KEEPER_NODE,
                                 .row = reader_u64(nodes),
                                 .epoch = call->event.epoch};
        uint32_t reprovisioned = reader_u32(nodes);
        if (origin->kdf != NULL)
            TRY(derive_node(origin, row.row, reprovisioned, key.data));
        else
            memcpy(key.data, secret_data(origin->random) + (size_t)16 * i, 16);
        struct keeper_made made;
        TRY(domains_seal(call->core->domains, &row, bytes_of(key.data, 16), &made));
        message_put_made(call->out, &made);
        TRY(ranges_add(&ranges, row.row));
    }
    return ranges_end(&ranges);
}

enum err verb_generate_nodes(struct core_call *call)
{
    struct reader *in = &call->in;
    (void)call_actor(call);
    call->event.domain = reader_u32(in);
    call->event.epoch = reader_u32(in);
    call->event.table = KEEPER_NODE;
    uint8_t derived = reader_u8(in);
    struct keeper_row base = {.domain = 0};
    struct bytes sealed = {NULL, 0};
    AUTO(origin_done) struct origin origin = {.kdf = NULL};
    if (derived == 1) {
        base = message_get_row(in);
        sealed = message_get_sealed(in);
        origin.realm = message_get_text(in, KEEPER_NAME_MAX);
    } else if (derived != 0) {
        reader_fail(in, ERR_ARGUMENT);
    }
    struct reader nodes = *in;
    for (unsigned i = 0; i < call->head.count; i++) {
        if (reader_u64(in) == 0)
            reader_fail(in, ERR_ARGUMENT);
        (void)reader_u32(in);
    }
    TRY(call_read(call));
    call->recorded = true;
    if (derived == 1)
        TRY(origin_of_base(call, &base, sealed, &origin));
    else
        TRY(random_secret((size_t)16 * call->head.count, &origin.random));
    TRY(generate_all(call, &origin, &nodes));
    call->core->counters.generated += call->head.count;
    return ERR_OK;
}

enum err verb_seal(struct core_call *call)
{
    (void)call_actor(call);
    struct keeper_row row = call_row(call);
    struct bytes secret = reader_bytes(&call->in, reader_u8(&call->in));
    TRY(call_read(call));
    if (row.table != KEEPER_PEER_SECRET)
        return ERR_DENIED;
    /* The fingerprint tells whether a guess is the secret of that row, as a MAC would. */
    TRY(policy_take(&call->core->policy, KEEPER_MAC, row.table, 1, call->now_ns));
    struct keeper_made made;
    TRY(domains_seal(call->core->domains, &row, secret, &made));
    message_put_made(call->out, &made);
    return ERR_OK;
}

static enum err reseal_one(struct core_call *call, const struct keeper_row *row,
                           struct bytes sealed, struct keeper_made *ret_made)
{
    uint8_t key[KEEPER_KEY_MAX];
    size_t len = 0;
    enum err err = call_open(call, row, sealed, key, &len);
    if (err == ERR_OK)
        err = domains_seal(call->core->domains, row, bytes_of(key, len), ret_made);
    explicit_bzero(key, sizeof key);
    return err;
}

enum err verb_reseal(struct core_call *call)
{
    (void)call_actor(call);
    struct reader rows = call->in;
    for (unsigned i = 0; i < call->head.count; i++) {
        struct keeper_row row = message_get_row(&call->in);
        (void)message_get_sealed(&call->in);
        if (i == 0 && call->in.err == ERR_OK)
            call->event.domain = row.domain;
    }
    TRY(call_read(call));
    for (unsigned i = 0; i < call->head.count; i++) {
        struct keeper_row row = message_get_row(&rows);
        struct keeper_made made;
        enum err err = reseal_one(call, &row, message_get_sealed(&rows), &made);
        writer_u16(call->out, (uint16_t)err);
        if (err == ERR_OK) {
            message_put_made(call->out, &made);
            call->event.row++;
            continue;
        }
        struct audit_event event = call->event;
        event.result = err;
        event.domain = row.domain;
        event.table = row.table;
        event.row = row.row;
        event.epoch = row.epoch;
        core_refuse(call->core, &event);
    }
    return ERR_OK;
}
