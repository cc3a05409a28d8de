#pragma once

#include "line/procedure.h"

/* Inside the procedure: one run on its way. */

/* A target of the device and what the configuration wants of it. [0] is the node. */
struct run_target {
    unsigned number; /* as the device counts; 0: the node */
    const char *name, *version;
    const struct line_files *files;
    const struct rsa_public *key; /* of the application's backend; NULL: no key */
    struct line_target is;        /* what the device said last */
    char before[LINE_NODE_TEXT];  /* version at first; "" while not known */
};

struct run {
    const struct line_job *job;
    struct line_fault fault;
    const char *stage;
    struct line_node *node;
    struct line_package package;
    bool has_package, begun;
    char id[LINE_RUN_MAX];
    struct line_identity identity;
    bool identified;
    struct line_hardware hardware;
    struct run_target targets[LINE_VERSIONS_MAX];
    size_t targets_len; /* 0 until the configuration is matched with the device */
    struct line_record record;
    bool resumed; /* the device has the very key that the server has: nothing is made anew */
    bool tested;  /* and it got that key after it had joined the test network */
    bool has_kcv; /* the root key was looked at, at the end */
    uint8_t kcv[CHECK_VALUE_SIZE];
    bool locked, keyed;
};

__attribute__((format(printf, 3, 4))) void run_log(const struct run *run, enum log_level level,
                                                   const char *format, ...);
/* `stage` is static text. */
void run_stage(struct run *run, const char *stage, uint32_t done, uint32_t total);
void run_progress(void *run, uint32_t done, uint32_t total); /* for line/node.h */
/* The configuration file of a target that this run applies; NULL where there is none. */
const struct line_file *run_config_file(const struct run_target *target, bool factory);
/* "node", or the application's name. */
const char *run_target_name(const struct run_target *target);
/* One of two codes: of the node or of a host. */
enum line_code run_code(const struct run_target *target, enum line_code node, enum line_code host);

/* procedure_look.c: who is there, and does the configuration go with it. */
MUST_CHECK enum err run_identify(struct run *run);
MUST_CHECK enum err run_look(struct run *run);
/* Versions and configurations are those of the package. */
MUST_CHECK enum err run_verify(struct run *run, bool factory);
/* CHECKCONFIG, and POSTTEST before it begins: `field_too` where a POSTTEST may have been cut. */
MUST_CHECK enum err run_check_config(struct run *run, bool field_too);

/* procedure_load.c: firmware and configuration, where they are not on the device already. */
/* The package has what this run will want of it: looked at before anything is written. */
MUST_CHECK enum err run_check_files(struct run *run, bool firmware, bool factory);
MUST_CHECK enum err run_firmware(struct run *run);
MUST_CHECK enum err run_config(struct run *run, bool factory);
/* The SHA-256 of a file, which may have to be fetched for that. */
MUST_CHECK enum err run_file_hash(struct run *run, const struct line_file *file,
                                  uint8_t ret_hash[32]);

/* procedure_keys.c */
/* Is the device's active key one that the server has, of a run that did not end well? */
MUST_CHECK enum err run_compare_keys(struct run *run);
MUST_CHECK enum err run_keys(struct run *run);
