#include "programs/claviger-sim/keyring.h"

#include <inttypes.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "keeper/keyring_line.h"
#include "programs/claviger-sim/protocol.h"

#define NODES_MAX ((size_t)10 * 1000 * 1000)
#define CHUNK     65536

struct row {
    uint64_t node;
    uint8_t key[JOIN_KEY];
};

struct keyring {
    struct row *rows;
    size_t len, cap;
};

void keyring_free(struct keyring *keyring)
{
    if (keyring == NULL)
        return;
    if (keyring->rows != NULL)
        explicit_bzero(keyring->rows, keyring->cap * sizeof *keyring->rows);
    free(keyring->rows);
    free(keyring);
}

static enum err add(struct keyring *keyring, const struct keyring_line *line)
{
    if (keyring->len == keyring->cap) {
        size_t cap = keyring->cap == 0 ? 1024 : 2 * keyring->cap;
        if (cap > NODES_MAX)
            return ERR_LIMIT;
        /* Not realloc: it would leave keys behind where it moves. */
        struct row *rows = calloc(cap, sizeof *rows);
        if (rows == NULL)
            return ERR_NO_MEMORY;
        if (keyring->len != 0) {
            memcpy(rows, keyring->rows, keyring->len * sizeof *rows);
            explicit_bzero(keyring->rows, keyring->len * sizeof *rows);
        }
        free(keyring->rows);
        keyring->rows = rows;
        keyring->cap = cap;
    }
    struct row *row = &keyring->rows[keyring->len++];
    row->node = line->id;
    memcpy(row->key, line->key, sizeof row->key);
    return ERR_OK;
}

static enum err take_line(struct keyring *keyring, const char *path, uint32_t number,
                          enum keyring_piece piece, struct bytes text, struct err_detail *detail)
{
    struct keyring_line line;
    char why[KEYRING_TEXT_MAX];
    if (piece == KEYRING_OVERLONG)
        return err_set(detail, ERR_SYNTAX, "%s: line %u: longer than %d bytes", path, number,
                       KEYRING_LINE_MAX);
    if (keyring_blank(text))
        return ERR_OK;
    if (keyring_parse(text, 64, &line, why) != ERR_OK)
        return err_set(detail, ERR_SYNTAX, "%s: line %u: %s", path, number, why);
    enum err err = line.table == KEEPER_NODE ? add(keyring, &line) : ERR_OK;
    explicit_bzero(&line, sizeof line);
    return err;
}

static enum err read_all(struct keyring *keyring, const char *path, uint8_t *chunk,
                         struct keyring_split *split, struct err_detail *detail)
{
    AUTO(file_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct bytes line = {0};
    enum keyring_piece piece;
    ssize_t got;
    if (fd < 0)
        return err_errno(detail, "%s: can't open", path);
    while ((got = read(fd, chunk, CHUNK)) > 0) {
        struct bytes input = bytes_of(chunk, (size_t)got);
        while ((piece = keyring_split_next(split, &input, &line)) != KEYRING_MORE)
            TRY(take_line(keyring, path, split->number, piece, line, detail));
    }
    if (got < 0)
        return err_errno(detail, "%s: can't read", path);
    piece = keyring_split_end(split, &line);
    if (piece != KEYRING_MORE)
        TRY(take_line(keyring, path, split->number, piece, line, detail));
    return ERR_OK;
}

static int compare(const void *a, const void *b)
{
    const struct row *left = a, *right = b;
    return left->node < right->node ? -1 : left->node > right->node;
}

static enum err sort(struct keyring *keyring, const char *path, struct err_detail *detail)
{
    if (keyring->len != 0)
        qsort(keyring->rows, keyring->len, sizeof *keyring->rows, compare);
    for (size_t i = 1; i < keyring->len; i++) {
        if (keyring->rows[i].node == keyring->rows[i - 1].node)
            return err_set(detail, ERR_SYNTAX, "%s: node 0x%08" PRIx64 " stands twice", path,
                           keyring->rows[i].node);
    }
    return ERR_OK;
}

enum err keyring_read(const char *path, struct err_detail *detail, struct keyring **ret_keyring)
{
    struct keyring *keyring = calloc(1, sizeof *keyring);
    uint8_t chunk[CHUNK];
    struct keyring_split split = {0};
    if (keyring == NULL)
        return ERR_NO_MEMORY;
    enum err err = read_all(keyring, path, chunk, &split, detail);
    explicit_bzero(chunk, sizeof chunk);
    keyring_split_done(&split);
    if (err == ERR_OK)
        err = sort(keyring, path, detail);
    if (err == ERR_OK)
        *ret_keyring = keyring;
    else
        keyring_free(keyring);
    return err;
}

size_t keyring_len(const struct keyring *keyring)
{
    return keyring->len;
}

const uint8_t *keyring_key(const struct keyring *keyring, uint64_t node)
{
    struct row wanted = {.node = node};
    if (keyring->len == 0)
        return NULL;
    const struct row *row = bsearch(&wanted, keyring->rows, keyring->len, sizeof wanted, compare);
    return row != NULL ? row->key : NULL;
}
