#pragma once

#include "base/arena.h"
#include "fleet/fleet.h"

/* The provisioning server's state: packages and aliases, who may sign packages, runs of stations,
 * devices and the keys they got (encrypted for the operator, never readable here), exports. One
 * `struct factory` per process; any thread. What changes something blocks a thread or pauses a
 * fiber until it is durable. */
struct factory;

#define FACTORY_NAME_MAX    64  /* of a packager, station, operator, port, version */
#define FACTORY_ALIAS_MAX   100 /* [A-Za-z0-9._-] */
#define FACTORY_FILE_MAX    100 /* of a file in a package; the same characters */
#define FACTORY_COMMENT_MAX 1000
#define FACTORY_TEXT_MAX    255
#define FACTORY_PATH_MAX    768
#define FACTORY_PAGE_MAX    1000 /* rows of one list */
#define FACTORY_KCV         8    /* bytes of a key's check value */

struct factory_config {
    const char *directory; /* of the packages' files, mode 0700; copied */
    uint64_t package_max;  /* bytes of one package's files */
};

/* Removes what an import that was cut off left in the directory, and undoes an export that was.
 * Store and vault borrowed. */
MUST_CHECK enum err factory_open(struct store *store, struct vault *vault,
                                 const struct factory_config *config, struct err_detail *detail,
                                 struct factory **ret_factory);
void factory_close(struct factory *factory); /* NULL is allowed */
void factory_closep(struct factory **factory);
