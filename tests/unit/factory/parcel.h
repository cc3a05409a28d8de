#pragma once

#include "factory/package_build.h"

/* A packaging side for tests: a folder with keys, files and a manifest, and archives of any
 * entries, right or wrong. */

struct parcel {
    char *dir;
    struct arena *arena;
    bool dry; /* imports make no folder */
    struct package_signer *signer;
    struct package_packager packager; /* of the signer */
    struct package_imported built;    /* by parcel_build */
};

/* setup and teardown of a cmocka test. */
int parcel_setup(void **state);
int parcel_teardown(void **state);
/* dir/name, of the parcel's arena. */
const char *parcel_path(struct parcel *p, const char *name);
void parcel_write(struct parcel *p, const char *name, struct bytes content);
void parcel_read(struct parcel *p, const char *name, struct buf *to);
/* manifest.toml to package.tar.gz; fails the test where it doesn't. */
void parcel_build(struct parcel *p);
/* The same, to see it refused. */
enum err parcel_try(struct parcel *p, const char *manifest, struct err_detail *detail);
extern const char parcel_manifest[];

/* One entry of an archive. */
struct parcel_entry {
    const char *name; /* NULL: no header, only content */
    char type;        /* 0: a regular file */
    struct bytes content;
    uint64_t size; /* said in the header; 0: the content's */
};
/* A tar.gz of them. */
void parcel_pack(const struct parcel_entry *entries, size_t count, struct buf *to);
void parcel_gzip(struct bytes tar, struct buf *to);
void parcel_gunzip(struct bytes gz, struct buf *to);
/* The entries of the package that was built; contents of `tar`. Returns how many. */
size_t parcel_entries(struct bytes tar, struct parcel_entry *entries, size_t max);
/* Imports bytes into dir/staged, which is gone afterwards unless `keep`. */
enum err parcel_import(struct parcel *p, struct bytes archive, bool keep,
                       struct package_imported *ret_imported, struct err_detail *detail);
/* Signs `xml` as the packager. */
void parcel_sign(struct parcel *p, struct bytes xml, struct buf *to);
