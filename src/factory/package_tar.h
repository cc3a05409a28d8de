#pragma once

#include "base/bytes.h"

/* A file's header in a tar archive (POSIX.1-1988, "ustar"; GNU tar's own form where it means the
 * same). Of the many things that archives can hold, packages have regular files without a folder,
 * and nothing else is read. */

#define TAR_BLOCK  512
#define TAR_RECORD 10240 /* what tar fills up to with zeros */

struct tar_header {
    char name[101];
    char prefix[156]; /* folders before the name, of a backup; packages have none */
    uint64_t size;
};

/* Deterministic: mode 0644, owner 0, time 0. `name` holds package_name_ok; `size` is below 8 GiB.
 */
void tar_header_write(const struct tar_header *header, uint8_t block[TAR_BLOCK]);
/* ERR_SYNTAX says what it is instead: a link, a device, a folder, a name with a folder in it.
 * ERR_LIMIT for a size of more than 8 GiB. */
MUST_CHECK enum err tar_header_read(const uint8_t block[TAR_BLOCK], struct tar_header *ret_header,
                                    struct err_detail *detail);
bool tar_block_is_zero(const uint8_t block[TAR_BLOCK]);
/* Bytes behind a file of that size, up to the next block. */
static inline size_t tar_padding(uint64_t size)
{
    return (size_t)((TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
}
