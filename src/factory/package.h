#pragma once

#include "base/arena.h"
#include "base/bytes.h"

/* A provisioning package: everything a device of one configuration gets, as a tar.gz that its
 * packager signed (docs/formats.md). The model of its description, package.xml. Every text lives in
 * the arena it was read into; what is absent is NULL, or "" where said. */

#define PACKAGE_NAME_MAX         100 /* of a file or alias: [A-Za-z0-9._-], no "." in front */
#define PACKAGE_WORD_MAX         64  /* node type, versions, names: no control characters */
#define PACKAGE_LABEL_MAX        100
#define PACKAGE_COMMENT_MAX      1000
#define PACKAGE_APPLICATIONS_MAX 16
#define PACKAGE_ALIASES_MAX      64
#define PACKAGE_FILES_MAX        80 /* that many are 3 of keys, 3 of the node, 4 of each application */
#define PACKAGE_FILE_SIZE_MAX    ((uint64_t)64 * 1024 * 1024)
#define PACKAGE_KEY_SIZE_MAX     ((uint64_t)64 * 1024) /* of files with keys or signatures */
#define PACKAGE_SPKI_MAX         1024                  /* more than RSA of 4096 bits has */
#define PACKAGE_XML_MAX          ((size_t)256 * 1024)
#define PACKAGE_MEMORY           ((size_t)4 * 1024 * 1024) /* enough for an arena of one package */

#define PACKAGE_XML_NAME "package.xml"
#define PACKAGE_SIG_NAME "package.xml.sig"

/* What a file is. A file has one role; several may use it in that role. */
enum package_role {
    PACKAGE_KMS_KEY,                /* PEM, RSA: keys of devices are encrypted to it */
    PACKAGE_GATEWAY_KEYS,           /* CLVGWKF1 */
    PACKAGE_GATEWAY_KEYS_SIGNATURE, /* by the KMS key */
    PACKAGE_FIRMWARE,
    PACKAGE_FIELD_CONFIGURATION,
    PACKAGE_FACTORY_CONFIGURATION,
    PACKAGE_BACKEND_KEY, /* PEM: of an application's backend */
    PACKAGE_ROLES,
};

struct package_file {
    const char *name;
    enum package_role role;
    uint64_t size;
    uint8_t sha256[32];
    uint8_t md5[16]; /* for clients of old */
};

/* Names of files; NULL where there is none. */
struct package_set {
    const char *firmware, *field_configuration, *factory_configuration;
};

struct package_node {
    const char *type, *version, *hardware; /* hardware: "" for any */
    struct package_set files;              /* of the node all but factory_configuration are there */
};

struct package_application {
    const char *name, *version;
    struct package_set files;
    const char *public_key; /* name of a file; NULL: none */
};

struct package {
    uint64_t config_id;
    uint32_t version; /* of the package, counted by its packager; from 1 */
    int64_t created;  /* seconds since 1970 */
    const char *label;
    const char *comment;       /* "": none */
    const char *packager;      /* what the packager calls itself */
    struct bytes packager_key; /* its SubjectPublicKeyInfo: says who signed, proves nothing */
    const char *kms_key, *gateway_keys, *gateway_keys_signature; /* names of files */
    struct package_node node;
    const struct package_application *applications;
    size_t applications_len;
    const char *const *aliases;
    size_t aliases_len;
    const struct package_file *files; /* in the order of the archive */
    size_t files_len;
};

/* "firmware", "field-configuration", ... */
const char *package_role_name(enum package_role role);
/* False for none of them. */
bool package_role_parse(const char *name, enum package_role *ret_role);
bool package_name_ok(const char *name);
/* At most `max` bytes of UTF-8 without control characters (line ends are allowed in a comment
 * only); not empty. */
bool package_text_ok(const char *text, size_t max);
bool package_comment_ok(const char *text); /* may be empty */
/* Decimal or 0x and hexadecimal digits, 1 to 2^64 - 1. */
bool package_id_parse(const char *text, uint64_t *ret_id);
/* NULL where none has that name. */
const struct package_file *package_file_find(const struct package *package, const char *name);
/* Bytes of all files. */
uint64_t package_size(const struct package *package);
/* All that holds for every package: texts and names in order, no name twice, each file used in its
 * role and each use with a file, sizes within limits. ERR_SYNTAX, ERR_LIMIT. */
MUST_CHECK enum err package_check(const struct package *package, struct err_detail *detail);
