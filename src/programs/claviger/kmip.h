#pragma once

#include "kmipc/claviger-kmip.h"
#include "programs/claviger/cli.h"

/* What the subcommands of `claviger kmip` share. They stand on libclaviger-kmip only. */

#define KMIP_ATTRIBUTES_MAX 64
#define KMIP_FILE_MAX       ((size_t)8 * 1024 * 1024)

/* A handle as --profile and its neighbours say; AUTO(kmip_closep). */
MUST_CHECK enum err kmip_open(struct cli *cli, struct ckmip **ret_kmip);
void kmip_closep(struct ckmip **kmip);
void kmip_data_done(struct ckmip_data *data);       /* for AUTO */
void kmip_list_done(struct ckmip_list *list);       /* for AUTO */
void kmip_object_done(struct ckmip_object *object); /* for AUTO */
/* What a call of the library ended with, as an error of ours: detail and hint are filled. */
MUST_CHECK enum err kmip_done(struct cli *cli, int status, const struct ckmip_error *error);

/* Attributes from options; AUTO(kmip_attrs_done). */
struct kmip_attrs {
    struct ckmip_attribute item[KMIP_ATTRIBUTES_MAX];
    size_t len;
    char *copies[KMIP_ATTRIBUTES_MAX]; /* names that were cut out of NAME=VALUE */
};
void kmip_attrs_done(struct kmip_attrs *attrs);
/* `value` NULL adds none. */
MUST_CHECK enum err kmip_attrs_add(struct cli *cli, struct kmip_attrs *attrs, const char *name,
                                   const char *value);
/* "NAME=VALUE" */
MUST_CHECK enum err kmip_attrs_add_pair(struct cli *cli, struct kmip_attrs *attrs,
                                        const char *pair);
/* --name, --usage, --group and every --attr. */
MUST_CHECK enum err kmip_attrs_of_options(struct cli *cli, struct kmip_attrs *attrs);

/* The file of the n-th argument, "-" or none: standard input. */
MUST_CHECK enum err kmip_read_input(struct cli *cli, const char *path, struct buf *to);
/* Hex of an option; empty where it is not given. */
MUST_CHECK enum err kmip_read_hex(struct cli *cli, const char *option, struct buf *to);
/* Into --output, or as hex with `title` on standard output (and as `field` in JSON). */
MUST_CHECK enum err kmip_give(struct cli *cli, json_t *answer, const char *title, const char *field,
                              const struct ckmip_data *data, mode_t mode);
MUST_CHECK enum err kmip_print_uid(struct cli *cli, const char *uid);
struct ckmip_params kmip_params_of_options(const struct cli *cli);
struct ckmip_bytes kmip_bytes_of(const struct buf *buf);
