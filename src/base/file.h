#pragma once

#include <sys/types.h>

#include "base/buf.h"
#include "base/secret.h"

/* Read all of a file of at most `limit` bytes; ERR_LIMIT where it is larger. Appends to `to`. */
MUST_CHECK enum err file_read(const char *path, size_t limit, struct buf *to,
                              struct err_detail *detail);
/* The same from where an open file stands; `name` is for messages. */
MUST_CHECK enum err file_read_open(int fd, const char *name, size_t limit, struct buf *to,
                                   struct err_detail *detail);
/* Read a secret: a trailing newline is dropped. Refuses a file that others than its owner can read.
 */
MUST_CHECK enum err file_read_secret(const char *path, size_t limit, struct secret **ret_secret,
                                     struct err_detail *detail);
/* The same for a key in binary: every byte counts. */
MUST_CHECK enum err file_read_key(const char *path, size_t limit, struct secret **ret_secret,
                                  struct err_detail *detail);
/* All or nothing: written beside, synced, renamed, directory synced. Replaces an existing file. */
MUST_CHECK enum err file_write(const char *path, struct bytes content, mode_t mode,
                               struct err_detail *detail);
MUST_CHECK enum err file_write_all(int fd, struct bytes content, struct err_detail *detail);
MUST_CHECK enum err file_sync_dir_of(const char *path, struct err_detail *detail);
MUST_CHECK enum err file_mkdirs(const char *path, mode_t mode, struct err_detail *detail);
/* The folders that lead to `path`. */
MUST_CHECK enum err file_mkdirs_of(const char *path, mode_t mode, struct err_detail *detail);
void file_closep(int *fd); /* for AUTO; -1 is allowed */
/* Moves a descriptor out of an AUTO variable, as TAKE does with pointers. */
static inline int file_take(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}
