#pragma once

#include "base/bytes.h"

/* A package's tar.gz while it is written: the same files give the same bytes. It is written beside
 * its place, checked by whoever made it, and gets there all at once. One thread. */
struct package_writer;

MUST_CHECK enum err package_writer_open(const char *path, struct package_writer **ret_writer,
                                        struct err_detail *detail);
/* One file: its header, then exactly `size` bytes with package_writer_put. */
MUST_CHECK enum err package_writer_file(struct package_writer *writer, const char *name,
                                        uint64_t size, struct err_detail *detail);
MUST_CHECK enum err package_writer_put(struct package_writer *writer, struct bytes bytes,
                                       struct err_detail *detail);
/* ERR_MISMATCH where a file had more or fewer bytes than it was to have. */
MUST_CHECK enum err package_writer_end(struct package_writer *writer, struct err_detail *detail);
/* What was written, to be read; of the writer. After end. */
int package_writer_fd(const struct package_writer *writer);
/* Into its place, synced; replaces what is there. */
MUST_CHECK enum err package_writer_commit(struct package_writer *writer, struct err_detail *detail);
void package_writer_free(struct package_writer *writer); /* what was not committed is gone */
void package_writer_freep(struct package_writer **writer);
