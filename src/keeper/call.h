#pragma once

#include "base/clock.h"
#include "keeper/core.h"

/* Inside keeper only: what the files of verbs share. */

struct core_counters {
    uint64_t released, exported, imported, generated, refused, malformed, records, syncs;
};

/* Refusals go on the record one by one up to a rate; above it they are counted and summed up in
 * one record, so that a flood of them can't fill the disk. */
#define REFUSALS_RATE  20 /* records a second */
#define REFUSALS_BURST 200

struct refusals {
    double level;
    uint64_t at_ns;
    uint64_t unrecorded;
    uint64_t by_err[ERR_COUNT];
};

#define OBJECT_ROOMS 4

struct stream_table;

struct core {
    struct core_config config;
    struct domains *domains;
    struct policy policy;
    struct session_table sessions;
    struct core_counters counters;
    struct refusals refusals;
    uint64_t started_us;
    struct secret *scratch;             /* KEEPER_MESSAGE_MAX bytes for lines in clear */
    struct secret *rooms[OBJECT_ROOMS]; /* opened objects; made when they are first used */
    size_t room_used[OBJECT_ROOMS];
    struct buf work;   /* what an operation with a key gives; wiped after each */
    struct hash *hash; /* SHA-256, for one digest after the other */
    struct stream_table *streams;
    bool durable_needed;
    unsigned *jobs; /* per connection, the last for the keeper's own */
    struct job_queue *finished;
};

#define JOB_TEXT_MAX (2 * KEEPER_NAME_MAX + 96)

/* One request while it is executed. */
struct core_call {
    struct core *core;
    unsigned conn;
    struct keeper_head_fields head;
    struct reader in;   /* behind the head */
    struct writer *out; /* behind the room for the head */
    uint64_t now_ns;
    struct err_detail detail;
    struct audit_event event; /* of the verb's kind; fields are filled as they are read */
    bool recorded; /* the verb wrote its records itself; a failure is on the record in any case */
    bool later;    /* a job goes on with it */
    bool bundled;  /* came in a bundle: its answer leaves in one */
    uint8_t actor[KEEPER_ACTOR_MAX]; /* a session's, which may be over by the time of the record */
    char text[JOB_TEXT_MAX];         /* of the event, where a verb builds it */
};

/* Append an event that changed or gave something. */
MUST_CHECK enum err core_record(struct core *core, const struct audit_event *event);
/* Count a refusal and put it on the record or into the summary. */
void core_refuse(struct core *core, const struct audit_event *event);

/* Read fields and note them for the record. */
struct bytes call_actor(struct core_call *call);
struct keeper_row call_row(struct core_call *call);
/* The request is read: ERR_OK where everything was right and nothing is left. */
MUST_CHECK enum err call_read(struct core_call *call);
/* policy_take for the call. */
MUST_CHECK enum err call_allow(struct core_call *call, uint8_t purpose, uint8_t table,
                               unsigned keys);
/* Find a session that is named next in the request; its actor goes on the record. */
MUST_CHECK enum err call_session(struct core_call *call, enum session_kind kind,
                                 struct session **ret_session);
/* Open a sealed row of at most KEEPER_KEY_MAX bytes into `to`. */
MUST_CHECK enum err call_open(struct core_call *call, const struct keeper_row *row,
                              struct bytes sealed, uint8_t to[KEEPER_KEY_MAX], size_t *ret_len);

/* After a verb that had clear lines in core->scratch. */
void call_wipe_scratch(struct core_call *call);

/* Something slow. `work` runs on a worker and touches the job only; then on the main thread
 * `finish` (unless work failed) writes the answer; then `release` frees what the job holds. The job
 * is the first member of the verb's own struct. */
struct core_job {
    struct core_job *next;
    struct core *core;
    unsigned conn;
    struct keeper_head_fields head;
    struct audit_event event; /* actor and text are the job's copies */
    uint8_t actor[KEEPER_ACTOR_MAX];
    uint8_t text[JOB_TEXT_MAX];
    bool bundled;
    enum err err;
    struct err_detail detail;
    enum err (*work)(struct core_job *job);
    enum err (*finish)(struct core_call *call, struct core_job *job);
    void (*release)(struct core_job *job);
};

/* Zeroed memory of `size` for the verb's struct, with the call's head and event. ERR_BUSY above
 * CORE_JOBS_MAX. */
MUST_CHECK enum err job_new(struct core_call *call, size_t size, struct core_job **ret_job);
/* Takes the job whatever comes of it; call->later is set on success. */
MUST_CHECK enum err job_submit(struct core_call *call, struct core_job *job);
/* Frees one that was not submitted. */
void job_free(struct core_job *job);
void job_freep(struct core_job **job);

/* Names of rows in a record's text: "0x00010200-0x000105e7 0x00020000". */
struct row_ranges {
    struct core *core;
    struct audit_event event; /* row is set to the first of the record */
    uint64_t first, last;
    unsigned count; /* in the current range; 0: none */
    size_t len;
    char text[1000];
};
void ranges_init(struct row_ranges *ranges, struct core *core, const struct audit_event *event);
/* Writes a record where the text is full. */
MUST_CHECK enum err ranges_add(struct row_ranges *ranges, uint64_t row);
MUST_CHECK enum err ranges_end(struct row_ranges *ranges);

/* A verb: reads call->in, writes the answer's body to call->out. */
typedef enum err core_verb_fn(struct core_call *call);
core_verb_fn verb_status, verb_domain_create, verb_domain_rotate, verb_domain_load,
    verb_domain_drop, verb_generate, verb_generate_nodes, verb_seal, verb_release, verb_reseal,
    verb_passphrase_set, verb_passphrase_check, verb_mac_begin, verb_mac_update, verb_mac_end,
    verb_mac_verify, verb_export_begin, verb_export_head, verb_export_nodes, verb_export_end,
    verb_gateway_export, verb_gateway_import, verb_import_begin, verb_import_check,
    verb_import_checked, verb_import_chunk, verb_import_end, verb_session_drop,
    verb_sign_certificate, verb_sign_audit, verb_public, verb_note, verb_expect,
    verb_object_generate, verb_object_reserve, verb_object_pair, verb_object_seal,
    verb_object_release, verb_object_use, verb_object_digest, verb_object_reflag,
    verb_object_reseal, verb_object_destroy, verb_object_derive, verb_object_wrap,
    verb_object_unwrap, verb_object_split, verb_object_join, verb_stream_begin, verb_stream_update,
    verb_stream_end, verb_stream_drop, verb_random, verb_random_seed, verb_line_keys, verb_devices,
    verb_sign_devices_begin, verb_sign_devices_update, verb_sign_devices_end;
/* A head signature of the keeper's own accord. */
void core_sign_head(struct core *core);
