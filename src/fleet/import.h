#pragma once

#include "crypto/cms.h"
#include "fleet/manifest.h"
#include "fleet/merge.h"

/* Reading key files: files.c checks who wrote them, decrypt.c stages what is in them, import.c does
 * all in the order that batch.h promises. */

struct import {
    const struct fleet_call *call;
    const struct fleet_import *request;
    struct net *net;
    struct operation op;
    bool keyring; /* the first four lines are (or may be) there */
    bool head_required;
    bool adopt_salt; /* a new network takes the manifest's salt, so that its MAC can be checked */
    struct stage stage;
    struct merge merge;
    struct fleet_import_result result;
    uint64_t malformed;      /* lines that refuse the whole file */
    uint64_t reported;       /* refused lines that were told */
    struct err_detail first; /* the first of them */
    /* the file's own keys; sealed.len is 0 where a line was not there */
    struct keeper_versions versions; /* rows that they are sealed for */
    struct keeper_made head[KEEPER_TABLES];
    /* the manifest, read along with the lines */
    int manifest_fd;
    struct manifest_reader manifest;
    struct bytes manifest_left;
    uint8_t manifest_piece[16384];
    /* one piece of the file */
    uint8_t piece[KEEPER_IMPORT_CHUNK_MAX];
    struct cms_reader cms;
};

/* Tells one refused line, up to FLEET_REPORT_MAX. */
void import_refuse(struct import *import, uint64_t line, const uint64_t *id, const char *text);

/* The manifest's header against the network; nothing is asked of the keeper. */
MUST_CHECK enum err import_check_manifest(struct import *import, struct err_detail *detail);
/* MAC of file and manifest, digest of the file, form of the manifest. */
MUST_CHECK enum err import_check_files(struct import *import, struct err_detail *detail);
/* Decrypts, stages, compares with the manifest (where there is one). */
MUST_CHECK enum err import_decrypt(struct import *import, struct err_detail *detail);
