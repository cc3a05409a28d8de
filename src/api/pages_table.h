#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The pages of the daemon as one table: what web/ is bundled to, compressed, so that the engine,
 * which can read no files, can serve it. Generated (tools/gen_pages.py); constant, any thread. */
struct page_file {
    const char *path;    /* what is asked for: "/", "/assets/main-7YXQ2K3B.js" */
    const char *type;    /* Content-Type */
    const char *etag;    /* with its quotes, as the header has it */
    bool immutable;      /* the name holds the content's hash: may be kept for ever */
    const uint8_t *gzip; /* the body, to be sent with Content-Encoding: gzip */
    size_t gzip_len;
    size_t plain_len; /* of what is in it */
};

/* In order of `path` (strcmp). */
extern const struct page_file page_files[];
extern const size_t page_files_len;
