#include "keeper/core.h"

#include <stdio.h>
#include <stdlib.h>

#include "crypto/hash.h"
#include "keeper/job.h"
#include "keeper/object.h"
#include "keeper/stream.h"

static const struct {
    core_verb_fn *fn;
    enum audit_kind kind; /* 0: nothing is recorded where it succeeds */
    uint16_t rows;        /* at most in one message; 0: `count` must be 0 */
} verbs[KEEPER_VERBS] = {
    [KEEPER_STATUS] = {verb_status, 0, 0},
    [KEEPER_DOMAIN_CREATE] = {verb_domain_create, AUDIT_DOMAIN_CREATE, 0},
    [KEEPER_DOMAIN_ROTATE] = {verb_domain_rotate, AUDIT_DOMAIN_ROTATE, 0},
    [KEEPER_DOMAIN_LOAD] = {verb_domain_load, AUDIT_DOMAIN_LOAD, 0},
    [KEEPER_DOMAIN_DROP] = {verb_domain_drop, AUDIT_DOMAIN_DROP, 0},
    [KEEPER_GENERATE] = {verb_generate, AUDIT_GENERATE, 0},
    [KEEPER_GENERATE_NODES] = {verb_generate_nodes, AUDIT_GENERATE, KEEPER_NODES_MAX},
    [KEEPER_SEAL] = {verb_seal, AUDIT_SEAL, 0},
    [KEEPER_RELEASE] = {verb_release, AUDIT_RELEASE, KEEPER_RELEASE_MAX},
    [KEEPER_RESEAL] = {verb_reseal, AUDIT_RESEAL, KEEPER_RESEAL_MAX},
    [KEEPER_PASSPHRASE_SET] = {verb_passphrase_set, AUDIT_PASSPHRASE_SET, 0},
    [KEEPER_PASSPHRASE_CHECK] = {verb_passphrase_check, AUDIT_PASSPHRASE_CHECK, 0},
    [KEEPER_MAC_BEGIN] = {verb_mac_begin, AUDIT_USE, 0},
    [KEEPER_MAC_UPDATE] = {verb_mac_update, 0, 0},
    [KEEPER_MAC_END] = {verb_mac_end, AUDIT_USE, 0},
    [KEEPER_MAC_VERIFY] = {verb_mac_verify, AUDIT_USE, 0},
    [KEEPER_EXPORT_BEGIN] = {verb_export_begin, AUDIT_EXPORT_BEGIN, 0},
    [KEEPER_EXPORT_HEAD] = {verb_export_head, AUDIT_RELEASE, 0},
    [KEEPER_EXPORT_NODES] = {verb_export_nodes, AUDIT_RELEASE, KEEPER_EXPORT_MAX},
    [KEEPER_EXPORT_END] = {verb_export_end, AUDIT_EXPORT_END, 0},
    [KEEPER_GATEWAY_EXPORT] = {verb_gateway_export, AUDIT_RELEASE, 0},
    [KEEPER_GATEWAY_IMPORT] = {verb_gateway_import, AUDIT_SEAL, 0},
    [KEEPER_IMPORT_BEGIN] = {verb_import_begin, AUDIT_IMPORT_BEGIN, 0},
    [KEEPER_IMPORT_CHECK] = {verb_import_check, 0, 0},
    [KEEPER_IMPORT_CHECKED] = {verb_import_checked, 0, 0},
    [KEEPER_IMPORT_CHUNK] = {verb_import_chunk, AUDIT_SEAL, 0},
    [KEEPER_IMPORT_END] = {verb_import_end, AUDIT_IMPORT_END, 0},
    [KEEPER_SESSION_DROP] = {verb_session_drop, 0, 0},
    [KEEPER_SIGN_CERTIFICATE] = {verb_sign_certificate, AUDIT_SIGN, 0},
    [KEEPER_SIGN_DEVICES_BEGIN] = {verb_sign_devices_begin, 0, 0},
    [KEEPER_SIGN_DEVICES_UPDATE] = {verb_sign_devices_update, 0, 0},
    [KEEPER_SIGN_DEVICES_END] = {verb_sign_devices_end, AUDIT_SIGN, 0},
    [KEEPER_SIGN_AUDIT] = {verb_sign_audit, 0, 0},
    [KEEPER_PUBLIC] = {verb_public, 0, 0},
    [KEEPER_NOTE] = {verb_note, 0, 0},
    [KEEPER_EXPECT] = {verb_expect, 0, 0},
    [KEEPER_OBJECT_GENERATE] = {verb_object_generate, AUDIT_OBJECT_CREATE, 0},
    [KEEPER_OBJECT_RESERVE] = {verb_object_reserve, 0, 0},
    [KEEPER_OBJECT_PAIR] = {verb_object_pair, AUDIT_OBJECT_CREATE, 0},
    [KEEPER_OBJECT_SEAL] = {verb_object_seal, AUDIT_OBJECT_REGISTER, 0},
    [KEEPER_OBJECT_RELEASE] = {verb_object_release, AUDIT_OBJECT_RELEASE, 0},
    [KEEPER_OBJECT_USE] = {verb_object_use, AUDIT_OBJECT_USE, 0},
    [KEEPER_OBJECT_DIGEST] = {verb_object_digest, AUDIT_OBJECT_USE, 0},
    [KEEPER_OBJECT_REFLAG] = {verb_object_reflag, AUDIT_OBJECT_FLAGS, 0},
    [KEEPER_OBJECT_RESEAL] = {verb_object_reseal, AUDIT_RESEAL, KEEPER_RESEAL_MAX},
    [KEEPER_OBJECT_DESTROY] = {verb_object_destroy, AUDIT_OBJECT_DESTROY, 0},
    [KEEPER_RANDOM] = {verb_random, 0, 0},
    [KEEPER_RANDOM_SEED] = {verb_random_seed, AUDIT_RANDOM_SEED, 0},
    [KEEPER_LINE_KEYS] = {verb_line_keys, AUDIT_RELEASE, 0},
    [KEEPER_DEVICES] = {verb_devices, AUDIT_SEAL, KEEPER_DEVICES_MAX},
    [KEEPER_OBJECT_DERIVE] = {verb_object_derive, AUDIT_OBJECT_DERIVE, 0},
    [KEEPER_OBJECT_WRAP] = {verb_object_wrap, AUDIT_OBJECT_WRAP, 0},
    [KEEPER_OBJECT_UNWRAP] = {verb_object_unwrap, AUDIT_OBJECT_UNWRAP, 0},
    [KEEPER_OBJECT_SPLIT] = {verb_object_split, AUDIT_OBJECT_SPLIT, KEEPER_SPLIT_MAX},
    [KEEPER_OBJECT_JOIN] = {verb_object_join, AUDIT_OBJECT_JOIN, KEEPER_SPLIT_MAX},
    [KEEPER_STREAM_BEGIN] = {verb_stream_begin, AUDIT_OBJECT_USE, 0},
    [KEEPER_STREAM_UPDATE] = {verb_stream_update, 0, 0},
    [KEEPER_STREAM_END] = {verb_stream_end, AUDIT_OBJECT_USE, 0},
    [KEEPER_STREAM_DROP] = {verb_stream_drop, 0, 0},
};

enum err core_new(const struct core_config *config, struct core **ret_core)
{
    AUTO(core_freep) struct core *core = calloc(1, sizeof *core);
    if (core == NULL)
        return ERR_NO_MEMORY;
    core->config = *config;
    core->started_us = clock_now_us();
    core->refusals.level = REFUSALS_BURST;
    core->refusals.at_ns = clock_mono_ns();
    policy_init(&core->policy, &config->policy, clock_mono_ns());
    core->jobs = calloc((size_t)config->conns + 1, sizeof *core->jobs);
    if (core->jobs == NULL)
        return ERR_NO_MEMORY;
    TRY(domains_new(&core->domains));
    TRY(sessions_init(&core->sessions, config->conns));
    TRY(secret_new(KEEPER_MESSAGE_MAX, &core->scratch));
    TRY(hash_new(&core->hash));
    TRY(streams_new(config->conns, &config->token, &core->streams));
    TRY(job_queue_new(&core->finished));
    *ret_core = TAKE(core);
    return ERR_OK;
}

void core_free(struct core *core)
{
    if (core == NULL)
        return;
    job_queue_free(core->finished);
    sessions_done(&core->sessions);
    domains_free(core->domains);
    secret_free(core->scratch);
    for (unsigned i = 0; i < OBJECT_ROOMS; i++)
        secret_free(core->rooms[i]);
    buf_done(&core->work);
    streams_free(core->streams);
    hash_free(core->hash);
    free(core->jobs);
    free(core);
}

void core_freep(struct core **core)
{
    core_free(*core);
    *core = NULL;
}

enum err core_record(struct core *core, const struct audit_event *event)
{
    TRY(audit_append(core->config.audit, event));
    core->counters.records++;
    bool read = event->kind == AUDIT_RELEASE
                    ? event->purpose == KEEPER_DIAMETER
                    : event->kind == AUDIT_OBJECT_RELEASE || event->kind == AUDIT_OBJECT_USE;
    if (!read)
        core->durable_needed = true;
    return ERR_OK;
}

void core_refuse(struct core *core, const struct audit_event *event)
{
    struct refusals *refusals = &core->refusals;
    core->counters.refused++;
    uint64_t now = clock_mono_ns();
    if (now > refusals->at_ns) {
        refusals->level += (double)(now - refusals->at_ns) / 1e9 * REFUSALS_RATE;
        if (refusals->level > REFUSALS_BURST)
            refusals->level = REFUSALS_BURST;
        refusals->at_ns = now;
    }
    if (refusals->level >= 1 && core_record(core, event) == ERR_OK) {
        refusals->level -= 1;
        return;
    }
    refusals->unrecorded++;
    refusals->by_err[event->result < ERR_COUNT ? event->result : ERR_INTERNAL]++;
}

/* What was only counted since the last time, as one record. */
static void refusals_flush(struct core *core)
{
    struct refusals *refusals = &core->refusals;
    if (refusals->unrecorded == 0)
        return;
    char text[512];
    size_t len = 0;
    for (unsigned err = 0; err < ERR_COUNT; err++) {
        if (refusals->by_err[err] == 0 || len + 48 > sizeof text)
            continue;
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%.24s %llu", len != 0 ? ", " : "",
                                err_row((enum err)err)->name,
                                (unsigned long long)refusals->by_err[err]);
    }
    struct audit_event event = {
        .kind = AUDIT_REFUSALS, .row = refusals->unrecorded, .text = bytes_of(text, len)};
    if (core_record(core, &event) != ERR_OK)
        return;
    refusals->unrecorded = 0;
    memset(refusals->by_err, 0, sizeof refusals->by_err);
}

static void put_error(struct writer *out, uint8_t verb, uint64_t id, enum err err,
                      const struct err_detail *detail)
{
    explicit_bzero(out->buf, out->len);
    out->len = 0;
    out->err = ERR_OK;
    message_put_head(out, verb | KEEPER_ANSWER, (uint16_t)err, id);
    writer_u32(out, detail != NULL ? (uint32_t)detail->ckr : 0);
    size_t len = detail != NULL ? strnlen(detail->text, KEEPER_ERROR_TEXT) : 0;
    writer_bytes16(out, bytes_of(len != 0 ? detail->text : "", len));
}

void core_error_answer(struct bytes answer, enum err err, struct writer *out)
{
    /* The head is our own: verb and id stand where message_put_head put them. */
    uint8_t verb = answer.data[1];
    uint64_t id = be64_load(answer.data + 4);
    put_error(out, verb, id, err, NULL);
}

/* The end of a request or of its job: the record, then the answer's head or the error. */
static void conclude(struct core_call *call, enum err err)
{
    if (err == ERR_OK)
        err = writer_status(call->out) == ERR_OK ? ERR_OK : ERR_INTERNAL;
    call->event.result = err;
    if (err != ERR_OK && call->event.kind == 0) {
        call->event.kind = AUDIT_REFUSALS;
        call->event.row = 1;
    }
    if (err == ERR_OK && call->event.kind != 0 && !call->recorded)
        err = core_record(call->core, &call->event);
    else if (err != ERR_OK)
        core_refuse(call->core, &call->event);
    if (err != ERR_OK) {
        put_error(call->out, call->head.verb, call->head.id, err, &call->detail);
        return;
    }
    struct writer head = writer_of(call->out->buf, KEEPER_HEAD_SIZE);
    message_put_head(&head, call->head.verb | KEEPER_ANSWER, ERR_OK, call->head.id);
}

bool core_request(struct core *core, unsigned conn, struct bytes request, bool bundled,
                  struct writer *out)
{
    struct core_call call = {.core = core,
                             .conn = conn,
                             .in = reader_of(request),
                             .out = out,
                             .now_ns = clock_mono_ns(),
                             .bundled = bundled};
    out->len = 0;
    out->err = ERR_OK;
    if (writer_reserve(out, KEEPER_HEAD_SIZE) == NULL)
        return false;
    call.head = message_get_head(&call.in);
    enum err err = reader_status(&call.in);
    if (err == ERR_OK && (call.head.verb >= KEEPER_VERBS || verbs[call.head.verb].fn == NULL))
        err = ERR_UNSUPPORTED;
    if (err == ERR_OK) {
        uint16_t most = verbs[call.head.verb].rows;
        if (most == 0 ? call.head.count != 0 : call.head.count == 0 || call.head.count > most)
            err = ERR_LIMIT;
    }
    if (err != ERR_OK) {
        core->counters.malformed++;
        call.event.text = bytes_str("malformed message");
        conclude(&call, err);
        return true;
    }
    call.event.kind = verbs[call.head.verb].kind;
    err = verbs[call.head.verb].fn(&call);
    core_wipe_rooms(core);
    if (err == ERR_OK && call.later)
        return false;
    conclude(&call, err);
    return true;
}

struct core_job *core_job_take(struct core *core)
{
    return job_queue_take(core->finished);
}

unsigned core_job_conn(const struct core_job *job)
{
    return job->conn;
}

bool core_job_bundled(const struct core_job *job)
{
    return job->bundled;
}

void core_job_finish(struct core *core, struct core_job *job, struct writer *out)
{
    struct core_call call = {.core = core,
                             .conn = job->conn,
                             .head = job->head,
                             .out = out,
                             .now_ns = clock_mono_ns(),
                             .detail = job->detail,
                             .event = job->event};
    out->len = 0;
    out->err = ERR_OK;
    if (writer_reserve(out, KEEPER_HEAD_SIZE) != NULL) {
        enum err err = job->err;
        if (err == ERR_OK)
            err = job->finish(&call, job);
        core_wipe_rooms(core);
        conclude(&call, err);
    }
    core->jobs[job->conn == CORE_CONN_NONE ? core->config.conns : job->conn]--;
    job_free(job);
}

unsigned core_jobs(const struct core *core, unsigned conn)
{
    return core->jobs[conn == CORE_CONN_NONE ? core->config.conns : conn];
}

void core_conn_closed(struct core *core, unsigned conn)
{
    sessions_close(&core->sessions, conn);
    streams_close(core->streams, conn);
}

void core_drop_sessions(struct core *core)
{
    for (unsigned conn = 0; conn < core->config.conns; conn++)
        core_conn_closed(core, conn);
}

void core_tick(struct core *core)
{
    sessions_expire(&core->sessions, clock_mono_ns());
    streams_expire(core->streams, clock_mono_ns());
    refusals_flush(core);
    if (audit_sign_due(core->config.audit, clock_now_us()))
        core_sign_head(core);
}

bool core_durable_needed(struct core *core)
{
    bool needed = core->durable_needed;
    core->durable_needed = false;
    return needed;
}

void core_synced(struct core *core)
{
    core->counters.syncs++;
}
