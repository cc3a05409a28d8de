#include "factory/package_tar.h"

#include <inttypes.h>
#include <stdio.h>

#include "factory/package.h"

/* Offsets and lengths of the fields, POSIX.1-1988, 10.1.1. */
enum {
    NAME_LEN = 100,
    MODE_AT = 100,
    UID_AT = 108,
    GID_AT = 116,
    SIZE_AT = 124,
    TIME_AT = 136,
    SUM_AT = 148,
    TYPE_AT = 156,
    LINK_AT = 157,
    MAGIC_AT = 257,
    VERSION_AT = 263,
    MAJOR_AT = 329,
    MINOR_AT = 337,
    PREFIX_AT = 345,
    PREFIX_LEN = 155,
};

static unsigned checksum(const uint8_t block[TAR_BLOCK])
{
    unsigned sum = 0;
    for (unsigned i = 0; i < TAR_BLOCK; i++)
        sum += i >= SUM_AT && i < TYPE_AT ? ' ' : block[i];
    return sum;
}

void tar_header_write(const struct tar_header *header, uint8_t block[TAR_BLOCK])
{
    char text[24];
    memset(block, 0, TAR_BLOCK);
    memcpy(block, header->name, strnlen(header->name, NAME_LEN));
    memcpy(block + MODE_AT, "0000644", 8);
    memcpy(block + UID_AT, "0000000", 8);
    memcpy(block + GID_AT, "0000000", 8);
    snprintf(text, sizeof text, "%011" PRIo64, header->size & 077777777777);
    memcpy(block + SIZE_AT, text, 11);
    memcpy(block + TIME_AT, "00000000000", 12);
    block[TYPE_AT] = '0';
    memcpy(block + MAGIC_AT, "ustar", 6);
    memcpy(block + VERSION_AT, "00", 3); /* the NUL is the next field's, and empty */
    memcpy(block + MAJOR_AT, "0000000", 8);
    memcpy(block + MINOR_AT, "0000000", 8);
    memcpy(block + PREFIX_AT, header->prefix, strnlen(header->prefix, PREFIX_LEN));
    snprintf(text, sizeof text, "%06o", checksum(block));
    memcpy(block + SUM_AT, text, 7);
    block[SUM_AT + 7] = ' ';
}

/* Octal digits, ended by blank or NUL or the field's end. */
static bool octal(const uint8_t *field, size_t len, uint64_t *ret_value)
{
    uint64_t value = 0;
    size_t i = 0;
    while (i < len && field[i] == ' ')
        i++;
    size_t first = i;
    for (; i < len && field[i] >= '0' && field[i] <= '7'; i++)
        value = value << 3 | (uint64_t)(field[i] - '0');
    if (i == first)
        return false;
    for (; i < len; i++) {
        if (field[i] != ' ' && field[i] != 0)
            return false;
    }
    *ret_value = value;
    return true;
}

static const char *kind(uint8_t type)
{
    switch (type) {
    case '1': return "a hard link";
    case '2': return "a symbolic link";
    case '3':
    case '4': return "a device";
    case '5': return "a folder";
    case '6': return "a pipe";
    case 'x':
    case 'g':
    case 'L':
    case 'K': return "an extended header (tar --format=ustar writes none)";
    case 'S': return "a sparse file";
    default: return "of an unknown kind";
    }
}

static bool all_zero(const uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (at[i] != 0)
            return false;
    }
    return true;
}

bool tar_block_is_zero(const uint8_t block[TAR_BLOCK])
{
    return all_zero(block, TAR_BLOCK);
}

/* Names go into messages: nothing but what can be printed. */
static void printable(char *name)
{
    for (; *name != 0; name++) {
        if (*name < 0x20 || *name > 0x7e)
            *name = '?';
    }
}

enum err tar_header_read(const uint8_t block[TAR_BLOCK], struct tar_header *ret_header,
                         struct err_detail *detail)
{
    struct tar_header header = {.size = 0};
    uint64_t sum = 0;
    if (!octal(block + SUM_AT, 8, &sum) || sum != checksum(block) ||
        memcmp(block + MAGIC_AT, "ustar", 5) != 0)
        return err_set(detail, ERR_SYNTAX, "no header of a tar archive");
    memcpy(header.name, block, NAME_LEN);
    if (!package_name_ok(header.name)) {
        printable(header.name);
        return err_set(detail, ERR_SYNTAX,
                       "'%s': files of a package are named with A-Z, a-z, 0-9, '.', '_' and '-', "
                       "without a folder",
                       header.name);
    }
    if (block[TYPE_AT] != '0' && block[TYPE_AT] != 0)
        return err_set(detail, ERR_SYNTAX, "%s: %s; only regular files are taken", header.name,
                       kind(block[TYPE_AT]));
    if (!all_zero(block + PREFIX_AT, PREFIX_LEN) || block[LINK_AT] != 0)
        return err_set(detail, ERR_SYNTAX, "%s: a folder or link stands in its header",
                       header.name);
    if ((block[SIZE_AT] & 0x80) != 0)
        return err_set(detail, ERR_LIMIT, "%s: more than 8 GiB", header.name);
    if (!octal(block + SIZE_AT, 12, &header.size))
        return err_set(detail, ERR_SYNTAX, "%s: its size is no number", header.name);
    *ret_header = header;
    return ERR_OK;
}
