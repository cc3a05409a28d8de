#pragma once

/* A small audit chain in a temporary folder: segment files as the supervisor would supply them. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "keeper/audit_verify.h"
#include "support/test.h"

#define CHAIN_SEGMENT 8192

struct chain {
    char *dir;
    uint64_t next; /* number of the next file */
    struct audit *audit;
};

static inline char *chain_path(const struct chain *chain, uint64_t number)
{
    char name[SEGMENT_NAME_SIZE];
    segment_name(number, name);
    return test_path(chain->dir, name);
}

static inline int chain_open_file(const struct chain *chain, uint64_t number, int flags)
{
    char *path = chain_path(chain, number);
    int fd = open(path, flags | O_CLOEXEC, 0600);
    free(path);
    return fd;
}

static inline int chain_new_file(struct chain *chain, size_t size)
{
    int fd = chain_open_file(chain, chain->next++, O_RDWR | O_CREAT | O_EXCL);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    return fd;
}

static inline struct chain chain_begin(void)
{
    struct chain chain = {.dir = test_tempdir(), .next = 1};
    int fd = chain_new_file(&chain, CHAIN_SEGMENT);
    struct audit_setup setup = {.current = -1, .spare = fd, .sign_interval_us = 1000000};
    assert_ok(audit_open(&setup, &chain.audit, NULL));
    return chain;
}

static inline enum err chain_reopen(struct chain *chain, uint64_t current,
                                    const struct audit_head *at_least, struct err_detail *detail)
{
    audit_free(chain->audit);
    chain->audit = NULL;
    struct audit_setup setup = {.current = chain_open_file(chain, current, O_RDWR),
                                .spare = -1,
                                .at_least = at_least,
                                .sign_interval_us = 1000000};
    return audit_open(&setup, &chain->audit, detail);
}

/* Append one release, with a new spare where one is wanted. */
static inline void chain_record(struct chain *chain, uint64_t row, const char *text)
{
    if (audit_wants_spare(chain->audit))
        assert_ok(audit_add_spare(chain->audit, chain_new_file(chain, CHAIN_SEGMENT), NULL));
    struct audit_event event = {.kind = AUDIT_RELEASE,
                                .result = ERR_OK,
                                .domain = 3,
                                .table = 1,
                                .purpose = 1,
                                .row = row,
                                .epoch = 7,
                                .actor = bytes_str("gw1.metro-east.example"),
                                .text = bytes_str(text)};
    assert_ok(audit_append(chain->audit, &event));
}

/* Close the chain's last segment: the files stay, the unused spare goes. */
static inline void chain_close(struct chain *chain)
{
    assert_ok(audit_commit(chain->audit, NULL));
    uint64_t last = audit_segment(chain->audit);
    audit_free(chain->audit);
    chain->audit = NULL;
    for (uint64_t n = last + 1; n < chain->next; n++) {
        char *path = chain_path(chain, n);
        assert_int_equal(unlink(path), 0);
        free(path);
    }
    chain->next = last + 1;
}

static inline void chain_end(struct chain *chain)
{
    audit_free(chain->audit);
    test_tempdir_remove(chain->dir);
}

static inline enum err chain_verify(const struct chain *chain,
                                    struct audit_verify_result *ret_result)
{
    struct audit_verify_options options = {.whole = true};
    return audit_verify(chain->dir, &options, ret_result, NULL);
}
