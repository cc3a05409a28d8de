#pragma once

#include "base/arena.h"
#include "base/buf.h"

/* The configuration of a KMIP Server Gateway, read from its three files, as settings of ours. Pure:
 * files in, settings and a report out. */

#define KSG_SETTINGS_MAX 128
#define KSG_PIN_MAX      256

struct ksg_import {
    struct arena *arena;                       /* the caller's */
    const char *set[2 * KSG_SETTINGS_MAX + 1]; /* "section.key", value, ..., NULL */
    size_t set_len;
    struct secret *pin; /* HSM_pin; NULL: none. The caller's to free */
    struct buf report;  /* a line for each parameter: what became of it, or why it has no place */
    unsigned left_out;  /* of them without an equivalent */
    /* while it is read */
    const char *dir, *file;
    bool has_type, software, has_kek;
    const char *slot, *address, *port;
};

/* Reads DIR/ksg.conf, DIR/p6kmipserver.conf and DIR/p6kmip_auxiliary_ksg.conf, or the same in
 * DIR/confs; what is not there is left out, none at all is ERR_NOT_FOUND. ERR_CONFIG names file,
 * line and parameter. `import` has its arena and is zero otherwise; ksg_import_done at the end. */
MUST_CHECK enum err ksg_import_read(struct ksg_import *import, const char *dir,
                                    struct err_detail *detail);
void ksg_import_done(struct ksg_import *import);
