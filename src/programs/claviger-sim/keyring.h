#pragma once

#include "base/bytes.h"

/* The root keys of nodes from a keyring.csv (KMS user guide, A.4.2), sorted by id. */
struct keyring;

/* ERR_SYNTAX with file and line; a node that stands twice is wrong too. */
MUST_CHECK enum err keyring_read(const char *path, struct err_detail *detail,
                                 struct keyring **ret_keyring);
void keyring_free(struct keyring *keyring); /* wipes; NULL is allowed */
size_t keyring_len(const struct keyring *keyring);
/* 16 bytes, borrowed; NULL where it is not there. */
const uint8_t *keyring_key(const struct keyring *keyring, uint64_t node);
