#pragma once

#include "crypto/rsa.h"

/* What the provisioning server says of one configuration: GET /v1/line/config. */

#define LINE_APPS_MAX    16
#define LINE_TEXT_MAX    128 /* names, versions, labels, with the NUL */
#define LINE_PATH_MAX    1024
#define LINE_CONFIG_JSON ((size_t)1024 * 1024)
#define LINE_FILE_MAX    ((uint64_t)64 * 1024 * 1024)

/* One file of a package; nothing is known of one that the package lacks (`name` is empty). */
struct line_file {
    char name[LINE_TEXT_MAX]; /* [A-Za-z0-9._-]{1,100}, no "." in front */
    uint64_t size;
    bool has_sha256, has_md5; /* at least one of them */
    uint8_t sha256[32], md5[16];
    char path[LINE_PATH_MAX]; /* of the URL; of a shared folder: the client's view of the file */
};

struct line_files {
    struct line_file firmware, field_config, factory_config;
};

struct line_app {
    char name[LINE_TEXT_MAX], version[LINE_TEXT_MAX];
    struct rsa_public *key; /* to the application's backend; NULL: none */
    struct line_files files;
};

enum line_transfer { LINE_HTTPS, LINE_HTTP, LINE_SHARED };

/* Embedded; line_package_done at the end. */
struct line_package {
    uint64_t config_id;
    uint32_t revision;
    char label[LINE_TEXT_MAX], network[LINE_TEXT_MAX];
    struct rsa_public *kms_key;
    struct {
        char type[LINE_TEXT_MAX], version[LINE_TEXT_MAX], hardware[LINE_TEXT_MAX];
        struct line_files files;
    } node;
    struct line_app apps[LINE_APPS_MAX];
    size_t apps_len;
    enum line_transfer transfer;
};

/* ERR_SYNTAX, ERR_LIMIT, ERR_UNSUPPORTED: an answer that makes no sense. Unknown members are passed
 * over. On failure nothing is left to be freed. */
MUST_CHECK enum err line_package_parse(struct bytes json, struct line_package *ret_package,
                                       struct err_detail *detail);
void line_package_done(struct line_package *package);
static inline bool line_file_is(const struct line_file *file)
{
    return file->name[0] != '\0';
}
