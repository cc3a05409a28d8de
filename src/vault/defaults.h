#pragma once

#include "base/arena.h"
#include "store/store.h"
#include "vault/objects.h"

/* What Set Defaults and Set Constraints (KMIP 2.1, 6.1.53 and 6.1.52) leave behind: a blob of the
 * protocol's per group, kind and object type. Any thread. */

#define VAULT_DEFAULTS_MAX    ((size_t)64 * 1024) /* bytes of one */
#define VAULT_DEFAULTS_GLOBAL 0u                  /* instead of a group: for all of them */
#define VAULT_DEFAULTS_ANY    0u                  /* instead of an object type: for all of them */

enum vault_defaults_kind { VAULT_DEFAULTS = 1, VAULT_CONSTRAINTS };

struct vault_defaults {
    uint32_t group, type;
    enum vault_defaults_kind kind;
    struct bytes content;
};
/* Replaces all of this group and kind by these (`type` and `content` are looked at); none: empty.
 * ERR_LIMIT, ERR_EXISTS for a type twice. Durable on return; pauses a fiber or blocks a thread. */
MUST_CHECK enum err vault_defaults_replace(struct vault_objects *objects, uint32_t group,
                                           enum vault_defaults_kind kind,
                                           const struct vault_defaults *rows, size_t count,
                                           struct err_detail *detail);
/* False where nobody ever left any: there is nothing to read. */
bool vault_defaults_any(const struct vault_objects *objects);
/* Of one type, inside store_reader_begin/_end of the caller; copies into the arena. ERR_NOT_FOUND.
 */
MUST_CHECK enum err vault_defaults_get(struct store_conn *conn, uint32_t group,
                                       enum vault_defaults_kind kind, uint32_t type,
                                       struct arena *arena, struct bytes *ret_content,
                                       struct err_detail *detail);
/* All of a group, rising types. As above, but none is no error. */
MUST_CHECK enum err vault_defaults_list(struct store_conn *conn, uint32_t group,
                                        enum vault_defaults_kind kind, struct arena *arena,
                                        struct vault_defaults **ret_rows, size_t *ret_count,
                                        struct err_detail *detail);
