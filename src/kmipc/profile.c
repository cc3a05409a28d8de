#include "kmipc/profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ini.h"
#include "kmipc/claviger-kmip.h"

struct reading {
    struct kmipc_profile *profile;
    const char *folder;
};

static enum err set_text(char *to, size_t cap, const char *value, struct err_detail *detail)
{
    if (strlen(value) >= cap)
        return err_set(detail, ERR_CONFIG, "at most %zu bytes", cap - 1);
    memcpy(to, value, strlen(value) + 1);
    return ERR_OK;
}

static enum err set_path(const struct reading *r, char *to, const char *value,
                         struct err_detail *detail)
{
    bool whole = value[0] == '/' || value[0] == '\0';
    int len =
        snprintf(to, KMIPC_PATH_MAX, "%s%s%s", whole ? "" : r->folder, whole ? "" : "/", value);
    return len >= 0 && len < KMIPC_PATH_MAX ? ERR_OK
                                            : err_set(detail, ERR_CONFIG, "the path is too long");
}

static enum err set_number(unsigned *to, unsigned max, const char *value, struct err_detail *detail)
{
    char *end = NULL;
    unsigned long number = strtoul(value, &end, 10);
    if (*value < '0' || *value > '9' || *end != '\0' || number == 0 || number > max)
        return err_set(detail, ERR_CONFIG, "'%.32s': a number from 1 to %u is wanted", value, max);
    *to = (unsigned)number;
    return ERR_OK;
}

static enum err set_version(uint16_t *to, const char *value, struct err_detail *detail)
{
    static const char *const known[] = {"1.0", "1.1", "1.2", "1.3", "1.4", "2.0", "2.1"};
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strcmp(known[i], value) == 0) {
            *to = (uint16_t)((value[0] - '0') << 8 | (value[2] - '0'));
            return ERR_OK;
        }
    }
    return err_set(detail, ERR_CONFIG, "'%.32s': a version from 1.0 to 1.4, 2.0 or 2.1 is wanted",
                   value);
}

static enum err set_flag(bool *to, const char *value, struct err_detail *detail)
{
    *to = strcmp(value, "yes") == 0;
    if (!*to && strcmp(value, "no") != 0)
        return err_set(detail, ERR_CONFIG, "'%.32s': yes or no is wanted", value);
    return ERR_OK;
}

static enum err set_server(const struct reading *r, const char *key, const char *value,
                           struct err_detail *detail)
{
    struct kmipc_profile *p = r->profile;
    if (strcmp(key, "host") == 0)
        return set_text(p->host, sizeof p->host, value, detail);
    if (strcmp(key, "port") == 0)
        return set_number(&p->port, UINT16_MAX, value, detail);
    if (strcmp(key, "server_name") == 0)
        return set_text(p->server_name, sizeof p->server_name, value, detail);
    if (strcmp(key, "https") == 0)
        return set_flag(&p->https, value, detail);
    if (strcmp(key, "path") == 0)
        return set_text(p->http_path, sizeof p->http_path, value, detail);
    if (strcmp(key, "timeout") == 0)
        return set_number(&p->timeout_s, 3600, value, detail);
    if (strcmp(key, "version_min") == 0)
        return set_version(&p->version_min, value, detail);
    if (strcmp(key, "version_max") == 0)
        return set_version(&p->version_max, value, detail);
    return err_set(detail, ERR_CONFIG, "no such setting");
}

static enum err set_client(const struct reading *r, const char *key, const char *value,
                           struct err_detail *detail)
{
    struct kmipc_profile *p = r->profile;
    if (strcmp(key, "name") == 0)
        return ERR_OK; /* for people */
    if (strcmp(key, "certificate") == 0)
        return set_path(r, p->certificate, value, detail);
    if (strcmp(key, "private_key") == 0)
        return set_path(r, p->private_key, value, detail);
    if (strcmp(key, "ca") == 0)
        return set_path(r, p->ca, value, detail);
    if (strcmp(key, "crl") == 0)
        return set_path(r, p->crl, value, detail);
    if (strcmp(key, "username") == 0)
        return set_text(p->username, sizeof p->username, value, detail);
    if (strcmp(key, "password_file") == 0)
        return set_path(r, p->password_file, value, detail);
    return err_set(detail, ERR_CONFIG, "no such setting");
}

static enum err set(void *ctx, const char *section, const char *key, const char *value,
                    unsigned line, struct err_detail *detail)
{
    const struct reading *r = ctx;
    struct err_detail why = {0};
    enum err err = ERR_CONFIG;
    (void)line;
    if (strcmp(section, "server") == 0)
        err = set_server(r, key, value, &why);
    else if (strcmp(section, "client") == 0)
        err = set_client(r, key, value, &why);
    else
        (void)err_set(&why, err, "no such section");
    return err == ERR_OK ? ERR_OK
                         : err_set(detail, err, "[%.32s] %.32s: %.120s", section, key, why.text);
}

enum err kmipc_profile_read(const char *folder, struct kmipc_profile *ret_profile,
                            struct err_detail *detail)
{
    char path[KMIPC_PATH_MAX];
    struct reading r = {.profile = ret_profile, .folder = folder};
    *ret_profile = (struct kmipc_profile){0};
    if (snprintf(path, sizeof path, "%s/profile.conf", folder) >= (int)sizeof path)
        return err_set(detail, ERR_CONFIG, "%.64s...: path too long", folder);
    enum err err = ini_read(path, set, &r, detail);
    if (err != ERR_OK && err != ERR_NO_MEMORY)
        return detail->code = ERR_CONFIG;
    TRY(err);
    if (ret_profile->host[0] == '\0')
        return err_set(detail, ERR_CONFIG, "%.200s: [server] host is missing", path);
    return ERR_OK;
}
