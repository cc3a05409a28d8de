#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An HTTP server on loopback that says what a test wrote down, and nothing by itself: one
 * connection after the other, one request each. */
struct http_script;

struct http_line {
    const char *method, *path; /* `path` with its query, or the beginning of it before a '*' */
    int status;
    const char *body;
    size_t body_len;     /* 0: strlen */
    size_t cut;          /* send only so many bytes of the body, then close; 0: all */
    unsigned delay_ms;   /* before the answer */
    unsigned only_first; /* the first so many requests only, then the next line that fits; 0: all */
};

/* `lines` is borrowed and ends with a NULL method; the first that fits answers, none: 404. */
struct http_script *http_script_new(const struct http_line *lines);
void http_script_free(struct http_script *script);
uint16_t http_script_port(const struct http_script *script);
/* How many requests came that fit `method` and `path` (as above). */
unsigned http_script_count(struct http_script *script, const char *method, const char *path);
/* The body of the last request that fits, borrowed until the next one comes; "" where none. */
const char *http_script_body(struct http_script *script, const char *method, const char *path);
