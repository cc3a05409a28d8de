#pragma once

#include "line/server.h"

/* A provisioning server in memory. What the procedure told it is there to be looked at; any call
 * can be told to fail. */
struct fake_server {
    struct line_server base; /* give &fake->base to the procedure */
    const char *config;      /* JSON; borrowed */
    const struct rsa_private *key;
    struct {
        const char *name, *content;
    } files[8]; /* an absent one is LINE_SERVER_FILE */
    uint8_t gateway[24], cdld[16];

    const char
        *fail_call; /* "config", "file", "gateway keys", "begin", "device", "report", "end" */
    enum line_code fail_code;
    bool fail_after; /* it is done all the same: only the answer is lost */

    struct line_record record;
    uint8_t root[16]; /* the key in the report, opened */
    unsigned begins, reports, ends, apps;
    uint64_t node_id;
    uint32_t batch;
    enum line_operation operation; /* of the last begin */
    bool told_kcv;                 /* at the last end */
    int code;                      /* of the last end */
    bool locked;
    char text[256], before[64], after[64];
};
void fake_server_init(struct fake_server *server, const char *config,
                      const struct rsa_private *key);
