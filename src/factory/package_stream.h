#pragma once

#include <sys/types.h>

#include "base/bytes.h"

/* The unpacked bytes of a gzip file (RFC 1952) of one member that comes from a descriptor, with the
 * hash of what was read. Nothing may stand behind it. One thread. */
struct package_stream;

/* `fd` borrowed; `name` for messages, borrowed. */
MUST_CHECK enum err package_stream_open(int fd, const char *name,
                                        struct package_stream **ret_stream);
void package_stream_free(struct package_stream *stream); /* NULL is allowed */
void package_stream_freep(struct package_stream **stream);
/* Exactly `len` bytes. ERR_TRUNCATED where the file ends before; ERR_SYNTAX where it is no gzip or
 * was altered; ERR_LIMIT past PACKAGE_RATIO_MAX; ERR_IO. */
MUST_CHECK enum err package_stream_read(struct package_stream *stream, void *to, size_t len,
                                        struct err_detail *detail);
/* To the end of the file: only zeros, of at most one record of tar, may be left unpacked, and
 * nothing behind them. Errors as above. */
MUST_CHECK enum err package_stream_end(struct package_stream *stream, uint8_t ret_sha256[32],
                                       uint64_t *ret_size, struct err_detail *detail);
