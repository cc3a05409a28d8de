#pragma once

#include "diameter/keyapp.h"
#include "diameter/properties.h"

/* Private to the key application: one request under way, and what answers are made of. */

struct keyapp_request {
    struct keyapp *app;
    const struct keyapp_link *link; /* its connection is held by the caller */
    struct keyapp_request *next;    /* in the free list */
    struct keeper_release release[2];
    struct keyapp_ask ask;
    struct diameter_header header;
    uint64_t began_ns;
    unsigned waiting; /* releases under way */
    enum err err;     /* the first failure */
    uint32_t result;  /* instead of the error's own; 0: by the error */
    uint32_t version[2];
    uint32_t lifetime;
    uint8_t key[2][24];
    uint8_t key_len[2];
    /* AVPs to send back, encoded: Session-Id | User-Name, Proxy-Infos | those of success only */
    size_t session_len, common_len, echo_len;
    uint8_t *echo; /* echo_room, or on the heap where that is too small */
    uint8_t echo_room[KEYAPP_ECHO_INLINE];
};

#define KEYAPP_HEAD_MAX 640

struct keyapp {
    struct keyapp_config config;
    char origin_host[DIAMETER_NAME_MAX];
    char origin_realm[DIAMETER_NAME_MAX];
    bool require_protection;
    unsigned queue_max;
    unsigned outstanding;
    struct keyapp_request *free;
    /* Constant AVPs of an answer; the Result-Code's value is at `result_at`. */
    uint8_t head[KEYAPP_HEAD_MAX];
    size_t head_len;
    size_t result_at;
};

/* Encode what is sent back; ERR_NO_MEMORY. */
MUST_CHECK enum err keyapp_echo(struct keyapp_request *request, const struct diameter_message *m,
                                uint32_t features);
/* A refusal without the E bit (RFC 4004, 5.2), or with it for 3xxx; written at once. */
void keyapp_put_refusal(struct keyapp *app, const struct diameter_message *m,
                        const struct diameter_fault *fault, struct writer *out);
MUST_CHECK enum err keyapp_make_head(struct keyapp *app, uint32_t state_id);
/* Count an answer; `began_ns` 0: no latency. */
void keyapp_count(uint32_t result, uint64_t began_ns);
/* Error-Message of a result, for anybody to read. */
const char *keyapp_result_text(uint32_t result);
/* Result-Code of a failure of fleet, and of the keeper. */
uint32_t keyapp_result_of(enum err err);
