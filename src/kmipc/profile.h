#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* profile.conf of a profile folder:
 *
 *     [server]
 *     host = kms.example
 *     port = 5696
 *     [client]
 *     certificate = client.pem
 *     private_key = client.key
 *     ca = ca.pem
 *
 * Paths are relative to the folder. docs/kmip.md has all settings. */

#define KMIPC_PATH_MAX 4096

struct kmipc_profile {
    char host[256], server_name[256], http_path[256], username[256];
    char certificate[KMIPC_PATH_MAX], private_key[KMIPC_PATH_MAX], ca[KMIPC_PATH_MAX],
        crl[KMIPC_PATH_MAX], password_file[KMIPC_PATH_MAX];
    unsigned port, timeout_s;
    bool https;
    uint16_t version_min, version_max;
};
/* ERR_CONFIG with file, line and key in `detail`. */
MUST_CHECK enum err kmipc_profile_read(const char *folder, struct kmipc_profile *ret_profile,
                                       struct err_detail *detail);
