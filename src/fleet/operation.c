#include <inttypes.h>
#include <stdio.h>

#include "audit_kinds.h"
#include "base/clock.h"
#include "fleet/internal.h"

/* An operation is told to the audit chain twice: what somebody sets out to do, before anything is
 * changed, and what came of it. Between change and second note lies a row of table `operation`, so
 * that a crash at any point leaves store and chain explainable: the next start finds it. */

struct begin {
    struct operation *op;
    const char *actor;
};

static enum err insert(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct begin *begin = ctx;
    struct operation *op = begin->op;
    AUTO(store_stmt_freep) struct store_stmt *last = NULL;
    TRY(store_prepare(conn, "SELECT max(serial) FROM operation", &last, detail));
    TRY(store_get_row(last, detail));
    int64_t serial = store_column_i64(last, 0) + 1;
    if (serial > UINT32_MAX)
        return err_set(detail, ERR_LIMIT, "no more operation serials");
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "INSERT INTO operation (serial, network, kind, actor, source, began, "
                      "summary, noted) VALUES (?, ?, ?, ?, ?, ?, '', 0)",
                      &stmt, detail));
    store_bind_i64(stmt, 1, serial);
    store_bind_i64(stmt, 2, op->network);
    store_bind_text(stmt, 3, op->kind);
    store_bind_text(stmt, 4, begin->actor);
    store_bind_text(stmt, 5, op->source);
    store_bind_i64(stmt, 6, clock_now_s());
    TRY(store_exec_stmt(stmt, detail));
    op->serial = (uint32_t)serial;
    return ERR_OK;
}

/* How the chain calls an operation that came to its end; one that is not here is a plain note. */
static uint16_t audit_kind_of(const char *kind)
{
    static const struct {
        const char *kind;
        enum audit_kind audit;
    } rows[] = {
        {"network-create", AUDIT_NETWORK_CREATED},  {"network-passphrase", AUDIT_NETWORK_CHANGED},
        {"gateway-import", AUDIT_NETWORK_CHANGED},  {"network-destroy", AUDIT_NETWORK_RETIRED},
        {"network-rotate", AUDIT_KEY_ROTATED},      {"network-key-retire", AUDIT_KEY_RETIRED},
        {"network-key-destroy", AUDIT_KEY_RETIRED}, {"node-revoke", AUDIT_NODE_STATE},
        {"node-reinstate", AUDIT_NODE_STATE},       {"node-destroy", AUDIT_NODE_REMOVED},
        {"generate", AUDIT_BATCH_GENERATED},        {"import", AUDIT_BATCH_IMPORTED},
        {"keyring-import", AUDIT_BATCH_IMPORTED},   {"batch-export", AUDIT_BATCH_EXPORTED},
        {"keyring-export", AUDIT_KEYRING_EXPORTED}, {"peer-create", AUDIT_PEER_CREATED},
        {"peer-set", AUDIT_PEER_CHANGED},           {"peer-allow", AUDIT_PEER_CHANGED},
        {"peer-deny", AUDIT_PEER_CHANGED},          {"peer-secret", AUDIT_PEER_CHANGED},
        {"peer-remove", AUDIT_PEER_REMOVED},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strcmp(rows[i].kind, kind) == 0)
            return (uint16_t)rows[i].audit;
    }
    return AUDIT_NOTE;
}

/* A file that was refused has a kind of its own. */
static uint16_t audit_failure_of(const char *kind)
{
    uint16_t audit = audit_kind_of(kind);
    return audit == AUDIT_BATCH_IMPORTED || strcmp(kind, "gateway-import") == 0
               ? AUDIT_BATCH_REFUSED
               : AUDIT_JOB_FAILED;
}

/* What a note says; `audit` is its kind, `result` what came of the operation so far. */
struct word {
    uint16_t audit;
    enum err result;
    const char *text;
};

static enum err note(struct keeper_client *keeper, const char *actor, const struct operation *op,
                     const struct word *word, const char *text, struct err_detail *detail)
{
    char line[KEEPER_NOTE_MAX + 1];
    snprintf(line, sizeof(line), "operation %" PRIu32 " %s %s%s%s", op->serial, op->kind,
             word->text, text[0] ? ": " : "", text);
    for (char *c = line; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
    const struct keeper_note note = {.kind = word->audit,
                                     .result = word->result,
                                     .row = {.domain = op->network, .epoch = op->serial},
                                     .text = line};
    return keeper_note_event(keeper, actor, &note, detail);
}

enum err operation_begin(const struct fleet_call *call, const char *kind, uint32_t network,
                         const char *what, struct operation *op, struct err_detail *detail)
{
    *op = (struct operation){.network = network, .kind = kind};
    snprintf(op->source, sizeof(op->source), "%s", what);
    struct begin begin = {op, call->actor.name};
    TRY(store_run(call->fleet->store, insert, &begin, detail));
    const struct word begins = {AUDIT_NOTE, ERR_OK, "begins"};
    return note(call->keeper, call->actor.name, op, &begins, op->source, detail);
}

enum err operation_end(struct store_conn *conn, const struct operation *op,
                       struct err_detail *detail)
{
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(conn,
                      "UPDATE operation SET ended = ?, outcome = ?, summary = ? WHERE serial = ?",
                      &stmt, detail));
    store_bind_i64(stmt, 1, clock_now_s());
    store_bind_i64(stmt, 2, ERR_OK);
    store_bind_text(stmt, 3, op->summary);
    store_bind_i64(stmt, 4, op->serial);
    return store_exec_stmt(stmt, detail);
}

struct outcome {
    uint32_t serial;
    enum err err; /* ERR_OK: `ended` was set with the change */
    const char *summary;
};

static enum err set_noted(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    const struct outcome *outcome = ctx;
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    if (outcome->err == ERR_OK) {
        TRY(store_prepare(conn, "UPDATE operation SET noted = 1 WHERE serial = ?", &stmt, detail));
        store_bind_i64(stmt, 1, outcome->serial);
        return store_exec_stmt(stmt, detail);
    }
    TRY(store_prepare(conn,
                      "UPDATE operation SET noted = 1, ended = ?, outcome = ?, summary = ? "
                      "WHERE serial = ?",
                      &stmt, detail));
    store_bind_i64(stmt, 1, clock_now_s());
    store_bind_i64(stmt, 2, outcome->err);
    store_bind_text(stmt, 3, outcome->summary);
    store_bind_i64(stmt, 4, outcome->serial);
    return store_exec_stmt(stmt, detail);
}

/* A network's destruction begins with its key: what fails after that did change something. */
static bool all_or_nothing(const char *kind)
{
    return strcmp(kind, "network-destroy") != 0;
}

enum err operation_close(const struct fleet_call *call, struct operation *op, enum err err,
                         const struct err_detail *why, struct err_detail *detail)
{
    op->ended = true;
    if (err != ERR_OK)
        snprintf(op->summary, sizeof(op->summary), "%.160s",
                 why && why->text[0] ? why->text : err_text(err));
    const struct word word = {err == ERR_OK ? audit_kind_of(op->kind) : audit_failure_of(op->kind),
                              err,
                              err == ERR_OK              ? "done"
                              : all_or_nothing(op->kind) ? "failed, nothing changed"
                                                         : "failed"};
    enum err noted =
        note(call->keeper, call->actor.name, op, &word, op->summary, err == ERR_OK ? detail : NULL);
    /* Where this can't be stored (a full disk), the next start does it. */
    struct outcome outcome = {op->serial, err, op->summary};
    if (noted == ERR_OK)
        (void)(store_run(call->fleet->store, set_noted, &outcome, NULL) == ERR_OK);
    return err != ERR_OK ? err : noted;
}

struct left_over {
    uint32_t serial;
    uint32_t network;
    bool done;
    char kind[33];
    char actor[VAULT_ACTOR_MAX + 1];
    char summary[161];
};

/* The first operation above `after` whose end is not in the chain. */
static enum err find_left_over(struct fleet *fleet, uint32_t after, struct left_over *ret,
                               struct err_detail *detail)
{
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    TRY(store_reader_open(fleet->store, STORE_READER_SCAN, &reader, detail));
    TRY(store_reader_begin(reader, detail));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    TRY(store_prepare(store_reader_conn(reader),
                      "SELECT serial, ended, kind, actor, summary, network FROM operation "
                      "WHERE noted = 0 AND serial > ? ORDER BY serial LIMIT 1",
                      &stmt, detail));
    store_bind_i64(stmt, 1, after);
    TRY(store_get_row(stmt, detail));
    struct left_over left = {.serial = (uint32_t)store_column_i64(stmt, 0),
                             .done = !store_column_null(stmt, 1)};
    snprintf(left.kind, sizeof(left.kind), "%s", store_column_text(stmt, 2));
    snprintf(left.actor, sizeof(left.actor), "%s", store_column_text(stmt, 3));
    snprintf(left.summary, sizeof(left.summary), "%s", store_column_text(stmt, 4));
    left.network = (uint32_t)store_column_i64(stmt, 5);
    *ret = left;
    return ERR_OK;
}

enum err operations_recover(struct fleet *fleet, struct keeper_client *keeper,
                            struct err_detail *detail)
{
    for (struct left_over left = {0};;) {
        enum err err = find_left_over(fleet, left.serial, &left, detail);
        if (err == ERR_NOT_FOUND)
            return ERR_OK;
        TRY(err);
        const struct operation op = {
            .serial = left.serial, .network = left.network, .kind = left.kind};
        const struct word word = {left.done ? audit_kind_of(left.kind) : AUDIT_JOB_FAILED,
                                  left.done ? ERR_OK : ERR_CANCELLED,
                                  left.done ? "done before the last stop"
                                  : all_or_nothing(left.kind)
                                      ? "cut off by the last stop, nothing changed"
                                      : "cut off by the last stop"};
        TRY(note(keeper, left.actor, &op, &word, left.summary, detail));
        struct outcome outcome = {left.serial, left.done ? ERR_OK : ERR_CANCELLED, "cut off"};
        TRY(store_run(fleet->store, set_noted, &outcome, detail));
    }
}

static enum err end_alone(struct store_conn *conn, void *ctx, struct err_detail *detail)
{
    return operation_end(conn, ctx, detail);
}

enum err operation_finish(const struct fleet_call *call, struct operation *op,
                          struct err_detail *detail)
{
    return store_run(call->fleet->store, end_alone, op, detail);
}
