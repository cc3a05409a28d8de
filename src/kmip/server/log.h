#pragma once

#include <limits.h>

#include "kmip/codec/codec.h"
#include "kmip/server/process.h"

/* The message log: what came from clients and what they were answered, for whoever connects a new
 * product. A file per connection, DIR/ADDRESS/server/kmip-MICROSECONDS-CONNECTION.EXTENSION, so
 * that requests and answers of one connection follow each other. Keys, passwords and tickets are
 * masked unless the laboratory's switch is set. Written by a thread of its own, from copies; where
 * it can't follow, entries are dropped and counted. Any thread. */

enum kmip_log_level { KMIP_LOG_OFF, KMIP_LOG_BASIC, KMIP_LOG_MESSAGES };

struct kmip_log_config {
    enum kmip_log_level level;
    enum kmip_format format;
    bool headers; /* of HTTP */
    bool secrets; /* not masked */
    uint64_t max; /* bytes of the whole folder; the oldest files go first */
    char dir[PATH_MAX];
};

#define KMIP_LOG_QUEUE_MAX 4096                       /* entries that wait to be written */
#define KMIP_LOG_BYTES_MAX ((size_t)64 * 1024 * 1024) /* and their bytes */

struct kmip_log;
MUST_CHECK enum err kmip_log_new(const struct kmip_log_config *config, struct kmip_log **ret_log,
                                 struct err_detail *detail);
/* Writes what waits. NULL is allowed. */
void kmip_log_free(struct kmip_log *log);
/* For what is logged from here on. ERR_IO and others where the folder can't be made. */
MUST_CHECK enum err kmip_log_configure(struct kmip_log *log, const struct kmip_log_config *config,
                                       struct err_detail *detail);
enum kmip_log_level kmip_log_level(const struct kmip_log *log);
bool kmip_log_headers(const struct kmip_log *log);

/* One message of one connection; all is copied. */
struct kmip_log_message {
    const char *peer;                       /* address with port */
    uint64_t connection;                    /* number of it in this process */
    uint64_t since_us;                      /* when it was opened, microseconds since 1970 */
    const char *client;                     /* name; "" or NULL: nobody */
    bool answer;                            /* else a request */
    enum kmip_format format;                /* of `bytes` */
    struct bytes bytes;                     /* not for KMIP_LOG_BASIC */
    const char *headers;                    /* lines, or NULL */
    const struct kmip_processed *processed; /* of an answer */
    uint64_t took_ns;                       /* of an answer */
    enum err err;                           /* of an answer: ERR_OK, or why there is none */
};
void kmip_log_message(struct kmip_log *log, const struct kmip_log_message *message);
