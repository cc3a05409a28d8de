#pragma once

#include "factory/gateway_keys.h"

/* Packages: one per configuration id, with all its revisions. The newest counts, the others stay
 * readable. */

#define FACTORY_APPLICATIONS_MAX 32
#define FACTORY_ALIASES_MAX      64 /* of one package */

struct factory_application {
    const char *name, *version;
};

/* What was read lives in the arena it was read into. */
struct factory_package {
    uint64_t config_id;
    uint32_t revision; /* from 1 */
    const char *label, *node_type, *node_version, *hardware, *network, *realm, *comment;
    int64_t created; /* by the packager */
    const char *packager;
    uint8_t sha256[32]; /* of the file that was imported */
    uint64_t size;
    int64_t imported;
    const char *imported_by;
    const char *kms_file; /* name of the file with the KMS key */
    uint8_t kms_fingerprint[32];
    unsigned kms_bits;
    uint32_t gateway_version, cdld_version;
    const struct factory_application *applications;
    size_t applications_len;
    const char *const *aliases;
    size_t aliases_len;
    struct bytes description; /* package.xml; empty in lists */
};

/* `revision` 0: the newest. ERR_NOT_FOUND. */
MUST_CHECK enum err factory_package_get(struct factory *factory, uint64_t config_id,
                                        uint32_t revision, struct arena *arena,
                                        struct factory_package *ret_package,
                                        struct err_detail *detail);
/* The keys of exactly that revision, sealed. */
MUST_CHECK enum err factory_package_keys(struct factory *factory, uint64_t config_id,
                                         uint32_t revision, struct factory_gateway_keys *ret_keys,
                                         struct err_detail *detail);
/* The newest revisions in order of their ids, from `from` on, at most `limit`; where `query` is not
 * empty those whose id, label, node type, network, comment or alias has it. `each` may not call
 * back. `ret_next`: where the next page begins; untouched where there is none. */
typedef enum err factory_package_fn(void *ctx, const struct factory_package *package);
MUST_CHECK enum err factory_package_list(struct factory *factory, const char *query, uint64_t from,
                                         unsigned limit, struct arena *arena,
                                         factory_package_fn *each, void *ctx, bool *ret_more,
                                         uint64_t *ret_next, struct err_detail *detail);
/* Its revisions, the newest first: revision, imported, imported_by and comment only. */
MUST_CHECK enum err factory_package_revisions(struct factory *factory, uint64_t config_id,
                                              struct arena *arena, factory_package_fn *each,
                                              void *ctx, struct err_detail *detail);
/* Path of a file of a revision, which may not be there. ERR_ARGUMENT for what is no name. */
MUST_CHECK enum err factory_package_path(const struct factory *factory, uint64_t config_id,
                                         uint32_t revision, const char *name,
                                         char to[FACTORY_PATH_MAX], struct err_detail *detail);

/* Aliases: other names of a configuration id; each belongs to one. */
MUST_CHECK enum err factory_alias_find(struct factory *factory, const char *alias,
                                       uint64_t *ret_config_id, struct err_detail *detail);
/* ERR_NOT_FOUND: no such package; ERR_EXISTS: it is another's, and not `replace`. */
MUST_CHECK enum err factory_alias_set(struct factory *factory, const char *actor, const char *alias,
                                      uint64_t config_id, bool replace, struct err_detail *detail);
MUST_CHECK enum err factory_alias_remove(struct factory *factory, const char *alias,
                                         struct err_detail *detail);
struct factory_alias {
    const char *alias, *changed_by;
    uint64_t config_id;
    int64_t changed;
};
typedef enum err factory_alias_fn(void *ctx, const struct factory_alias *alias);
MUST_CHECK enum err factory_alias_list(struct factory *factory, factory_alias_fn *each, void *ctx,
                                       struct err_detail *detail);
