#include "programs/clavigerd/import_ksg.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/ini.h"
#include "base/secret.h"

#define CLOUDHSM   1 /* HSMType */
#define LIQUIDSEC  2
#define KEK_LABEL  "P6RKEK1" /* what KSG looks for */
#define NUMBER_MAX INT64_C(0xffffffff)

/* gateFlags */
#define GATE_RECOVER   0x1
#define GATE_SOFTWARE  0x2
#define GATE_NO_DIGEST 0x4

/* serverLogFlags */
#define LOG_BASIC   0x4
#define LOG_MSGS    0x8
#define LOG_JSON    0x20
#define LOG_VERBOSE 0x100
#define LOG_XML     0x400
#define LOG_HEADERS 0x800

__attribute__((format(printf, 3, 4))) static enum err say(struct ksg_import *import,
                                                          const char *key, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return buf_printf(&import->report, "%s: %s: %s\n", import->file, key, text);
}

static enum err no_place(struct ksg_import *import, const char *key, const char *reason)
{
    import->left_out++;
    return say(import, key, "has no equivalent: %s", reason);
}

static enum err put(struct ksg_import *import, const char *key, const char *name, const char *value)
{
    if (import->set_len + 2 > 2 * KSG_SETTINGS_MAX)
        return ERR_LIMIT;
    const char *copy = arena_strndup(import->arena, value, strlen(value));
    if (copy == NULL)
        return ERR_NO_MEMORY;
    import->set[import->set_len++] = name;
    import->set[import->set_len++] = copy;
    const char *dot = strchr(name, '.');
    return key == NULL ? ERR_OK
                       : say(import, key, "[%.*s] %s = %s", (int)(dot - name), name, dot + 1, copy);
}

static enum err number(const char *key, const char *value, int64_t *ret_number,
                       struct err_detail *detail)
{
    char *end = NULL;
    long long n = strtoll(value, &end, 0);
    if (end == value || *end != '\0' || n < 0 || n > NUMBER_MAX)
        return err_set(detail, ERR_CONFIG, "%s: '%s' is not a number", key, value);
    *ret_number = n;
    return ERR_OK;
}

/* ---- what needs more than copying ---- */

typedef enum err ksg_fn(struct ksg_import *import, const char *key, const char *value,
                        struct err_detail *detail);

static enum err take_pin(struct ksg_import *import, const char *key, const char *value,
                         struct err_detail *detail)
{
    if (strlen(value) == 0 || strlen(value) > KSG_PIN_MAX)
        return err_set(detail, ERR_CONFIG, "%s: empty or too long", key);
    secret_free(import->pin);
    import->pin = NULL;
    TRY(secret_dup(bytes_str(value), &import->pin));
    TRY(put(import, NULL, "token.pin", "file:token-pin"));
    return say(import, key, "[token] pin = file:token-pin, a file of its own with mode 0600");
}

static enum err take_slot(struct ksg_import *import, const char *key, const char *value,
                          struct err_detail *detail)
{
    int64_t slot;
    TRY(number(key, value, &slot, detail));
    import->slot = arena_strndup(import->arena, value, strlen(value));
    return import->slot != NULL ? ERR_OK : ERR_NO_MEMORY;
}

static enum err take_type(struct ksg_import *import, const char *key, const char *value,
                          struct err_detail *detail)
{
    int64_t type;
    TRY(number(key, value, &type, detail));
    import->has_type = type == CLOUDHSM || type == LIQUIDSEC;
    if (type == CLOUDHSM)
        return put(import, key, "token.module", "/opt/cloudhsm/lib/libcloudhsm_pkcs11.so");
    if (type == LIQUIDSEC)
        return put(import, key, "token.module", "/home/liquidsec_bin/lib/libliquidsec_pkcs11.so");
    return no_place(import, key,
                    "what a token is able to do is found out by doing it once; set "
                    "[token] module to its PKCS#11 library");
}

static enum err take_gate_flags(struct ksg_import *import, const char *key, const char *value,
                                struct err_detail *detail)
{
    int64_t flags;
    TRY(number(key, value, &flags, detail));
    if ((flags & GATE_SOFTWARE) != 0) {
        import->software = true;
        TRY(put(import, "gateFlags 0x2 (software token)", "token.module",
                "/usr/lib/softhsm/libsofthsm2.so"));
    }
    if ((flags & GATE_NO_DIGEST) != 0)
        TRY(put(import, "gateFlags 0x4 (no C_DigestKey)", "kmip.token_digest", "no"));
    if ((flags & GATE_RECOVER) != 0)
        TRY(no_place(import, "gateFlags 0x1 (recover signature)",
                     "records are sealed one by one, and a damaged one is refused by itself; a "
                     "lost audit chain is accepted with clavigerd run --accept-audit-chain"));
    return flags == 0 ? say(import, key, "0 is what is here anyway") : ERR_OK;
}

static enum err take_kek_handle(struct ksg_import *import, const char *key, const char *value,
                                struct err_detail *detail)
{
    int64_t handle;
    TRY(number(key, value, &handle, detail));
    import->has_kek = true;
    TRY(put(import, NULL, "kmip.kek_label", ""));
    return put(import, key, "kmip.kek_handle", value);
}

/* Without a folder it is in KSG's data folder, which stands beside confs. */
static enum err take_kek_path(struct ksg_import *import, const char *key, const char *value,
                              struct err_detail *detail)
{
    char path[4096];
    (void)detail;
    if (strchr(value, '/') != NULL)
        return put(import, key, "kmip.kek_file", value);
    /* what we write is read from the folder of the new file, not from here */
    char real[PATH_MAX];
    const char *dir = realpath(import->dir, real) != NULL ? real : import->dir;
    int len = snprintf(path, sizeof path, "%s/data/%s", dir, value);
    if (len < 0 || (size_t)len >= sizeof path)
        return ERR_LIMIT;
    return put(import, key, "kmip.kek_file", path);
}

static enum err take_address(struct ksg_import *import, const char *key, const char *value,
                             struct err_detail *detail)
{
    (void)detail;
    TRY(put(import, NULL, "keeper.module_sockets", "inet"));
    return say(import, key,
               "[keeper] module_sockets = inet; the address %s itself is the business of the "
               "module's own configuration",
               value);
}

static enum err take_log_flags(struct ksg_import *import, const char *key, const char *value,
                               struct err_detail *detail)
{
    int64_t flags;
    TRY(number(key, value, &flags, detail));
    bool messages = (flags & LOG_MSGS) != 0;
    TRY(put(import, key, "kmip.log",
            messages                   ? "messages"
            : (flags & LOG_BASIC) != 0 ? "basic"
                                       : "off"));
    if (messages)
        TRY(put(import, key, "kmip.log_format",
                (flags & LOG_XML) != 0    ? "xml"
                : (flags & LOG_JSON) != 0 ? "json"
                                          : "ttlv"));
    if ((flags & LOG_HEADERS) != 0)
        TRY(put(import, key, "kmip.log_headers", "yes"));
    if ((flags & LOG_VERBOSE) != 0)
        TRY(put(import, key, "daemon.log_level", "debug"));
    return ERR_OK;
}

static enum err take_listen(struct ksg_import *import, const char *key, const char *value,
                            struct err_detail *detail)
{
    (void)detail;
    const char *copy = arena_strndup(import->arena, value, strlen(value));
    if (copy == NULL)
        return ERR_NO_MEMORY;
    if (strcmp(key, "listenPort") == 0)
        import->port = copy;
    else
        import->address = copy;
    return say(import, key,
               "a part of [kmip] listen; clients of a TLS proxy used the proxy's port");
}

/* "1,2,3" as "1 2 3". */
static enum err take_list(struct ksg_import *import, const char *key, const char *value,
                          struct err_detail *detail)
{
    (void)detail;
    char name[32];
    char *list = arena_strndup(import->arena, value, strlen(value));
    char *full = list != NULL ? arena_take(import->arena, sizeof name) : NULL;
    if (full == NULL)
        return ERR_NO_MEMORY;
    for (char *at = list; *at != '\0'; at++)
        *at = *at == ',' ? ' ' : *at;
    (void)snprintf(full, sizeof name, "kmip.%s", key);
    /* an empty list hides all there, and means all here */
    return put(import, key, full, *list != '\0' ? list : "none");
}

/* Numbers of KMIP's enumerations, which begin with 1, as the setting's choices. */
static enum err take_choice(struct ksg_import *import, const char *key, const char *value,
                            struct err_detail *detail)
{
    static const struct {
        const char *key, *name, *choices[7];
    } rows[] = {
        {"shreddingAlgorithm", "kmip.shredding", {"unspecified", "cryptographic", "unsupported"}},
        {"destroyAction",
         "kmip.destroy_action",
         {"unspecified", "key-material-deleted", "key-material-shredded", "metadata-deleted",
          "metadata-shredded", "deleted", "shredded"}},
        {"unrapMode", "kmip.unwrap_mode", {"unspecified", "processed", "not-processed"}},
        {"unwrapMode", "kmip.unwrap_mode", {"unspecified", "processed", "not-processed"}},
        {"RNGMode", "kmip.rng_mode", {"unspecified", "shared", "non-shared"}},
    };
    int64_t n;
    TRY(number(key, value, &n, detail));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (strcasecmp(rows[i].key, key) != 0)
            continue;
        if (n < 1 || n > 7 || rows[i].choices[n - 1] == NULL)
            return err_set(detail, ERR_CONFIG, "%s: %lld is no value of KMIP's enumeration", key,
                           (long long)n);
        return put(import, key, rows[i].name, rows[i].choices[n - 1]);
    }
    return ERR_INTERNAL;
}

static enum err take_streaming(struct ksg_import *import, const char *key, const char *value,
                               struct err_detail *detail)
{
    (void)detail;
    bool yes =
        strcasecmp(value, "true") == 0 || strcasecmp(value, "yes") == 0 || strcmp(value, "1") == 0;
    return put(import, key, "kmip.streaming", yes ? "yes" : "no");
}

/* Both kinds of connection wait equally long for the next request. */
static enum err take_receive_timeout(struct ksg_import *import, const char *key, const char *value,
                                     struct err_detail *detail)
{
    int64_t seconds;
    TRY(number(key, value, &seconds, detail));
    TRY(put(import, key, "kmip.idle_timeout", value));
    return seconds > 0 ? put(import, key, "https.idle_timeout", value) : ERR_OK;
}

/* ---- the parameters ---- */

/* Either a setting that takes the value as it is, or a function, or why there is none. */
static const struct parameter {
    const char *section, *key, *name;
    ksg_fn *fn;
    const char *reason;
} parameters[] = {
    {"p6ksg-gen", "baseKeyPath", NULL, NULL,
     "no key is kept in clear: the store is sealed under a root key in the token"},
    {"p6ksg-gen", "customerKeyPath", NULL, NULL,
     "no key is kept in clear: the store is sealed under a root key in the token"},
    {"p6ksg-gen", "serverLogFlags", NULL, take_log_flags, NULL},
    {"p6ksg-gen", "gateFlags", NULL, take_gate_flags, NULL},
    {"p6ksg-gen", "HSM_pin", NULL, take_pin, NULL},
    {"p6ksg-gen", "HSM_slotid", NULL, take_slot, NULL},
    {"p6ksg-gen", "HSM_name", "kmip.server_name", NULL, NULL},
    {"p6ksg-gen", "HSM_addr", NULL, take_address, NULL},
    {"p6ksg-gen", "HSMType", NULL, take_type, NULL},
    {"p6ksg-gen", "HSM_type", NULL, take_type, NULL},
    {"p6ksg-gen", "AWSCloudHSM_KEKHandle", NULL, take_kek_handle, NULL},
    {"p6ksg-gen", "CaviumLiquidSec_KEKHandle", NULL, take_kek_handle, NULL},
    {"p6ksg-gen", "KEKKeyPath", NULL, take_kek_path, NULL},
    {"p6kmip-gen", "logDir", "kmip.log_directory", NULL, NULL},
    {"p6kmip-gen", "errorStream", NULL, NULL,
     "what can't be read stands in the message log, beside the connection it came from"},
    {"p6kmip-server-gen", "listenPort", NULL, take_listen, NULL},
    {"p6kmip-server-gen", "listenIPAddr", NULL, take_listen, NULL},
    {"p6kmip-server-gen", "maxBufSize", "kmip.message_max", NULL, NULL},
    {"p6kmip-server-gen", "initialBufCount", NULL, NULL,
     "buffers are made as they are needed; [kmip] requests bounds them"},
    {"p6kmip-server-gen", "growBufBy", NULL, NULL,
     "buffers are made as they are needed; [kmip] requests bounds them"},
    {"p6kmip-server-gen", "threadCount", NULL, NULL,
     "a thread serves thousands of connections; [daemon] loops = 0 is one for each core"},
    {"p6kmip-server-gen", "receiveTimeout", NULL, take_receive_timeout, NULL},
    {"p6kmip-server-gen", "sendTimeout", "kmip.write_timeout", NULL, NULL},
    {"p6kmip-server-gen", "acceptTimeout", "kmip.handshake_timeout", NULL, NULL},
    {"p6kmip-server-auxiliary", "vendorId", "kmip.vendor", NULL, NULL},
    {"p6kmip-server-auxiliary", "operations", NULL, take_list, NULL},
    {"p6kmip-server-auxiliary", "objects", NULL, take_list, NULL},
    {"p6kmip-server-auxiliary", "profiles", NULL, take_list, NULL},
    {"p6kmip-server-auxiliary", "shreddingAlgorithm", NULL, take_choice, NULL},
    {"p6kmip-server-auxiliary", "destroyAction", NULL, take_choice, NULL},
    {"p6kmip-server-auxiliary", "unrapMode", NULL, take_choice, NULL},
    {"p6kmip-server-auxiliary", "unwrapMode", NULL, take_choice, NULL},
    {"p6kmip-server-auxiliary", "RNGMode", NULL, take_choice, NULL},
    {"p6kmip-server-auxiliary", "streamingEnabled", NULL, take_streaming, NULL},
};

static enum err on_parameter(void *ctx, const char *section, const char *key, const char *value,
                             unsigned line, struct err_detail *detail)
{
    (void)line;
    struct ksg_import *import = ctx;
    for (size_t i = 0; i < ARRAY_LEN(parameters); i++) {
        const struct parameter *p = &parameters[i];
        if (strcmp(p->section, section) != 0 || strcasecmp(p->key, key) != 0)
            continue;
        if (p->reason != NULL)
            return no_place(import, key, p->reason);
        return p->fn != NULL ? p->fn(import, key, value, detail) : put(import, key, p->name, value);
    }
    return no_place(import, key, "it is not among those that are documented");
}

static enum err read_one(struct ksg_import *import, const char *name, bool *ret_there,
                         struct err_detail *detail)
{
    static const char *const places[] = {"", "confs/"};
    char path[4096];
    import->file = name;
    *ret_there = false;
    for (size_t i = 0; i < ARRAY_LEN(places) && !*ret_there; i++) {
        int len = snprintf(path, sizeof path, "%s/%s%s", import->dir, places[i], name);
        if (len < 0 || (size_t)len >= sizeof path)
            return err_set(detail, ERR_LIMIT, "%s: too long", import->dir);
        *ret_there = access(path, F_OK) == 0;
    }
    if (!*ret_there)
        return buf_printf(&import->report,
                          "%s: is not there: its parameters stay as they are "
                          "here\n",
                          name);
    return ini_read(path, on_parameter, import, detail);
}

/* The slot alone tells which token it is; the software token is found by its label. */
static enum err conclude_slot(struct ksg_import *import)
{
    import->file = "ksg.conf";
    if (import->slot == NULL)
        return ERR_OK;
    if (import->software)
        return no_place(import, "HSM_slotid", "the software token is found by its label");
    TRY(put(import, NULL, "token.label", ""));
    return put(import, "HSM_slotid", "token.slot", import->slot);
}

/* What only all parameters together say. */
static enum err conclude(struct ksg_import *import)
{
    char listen[300];
    TRY(conclude_slot(import));
    (void)snprintf(listen, sizeof listen, "%s:%s",
                   import->address != NULL ? import->address : "0.0.0.0",
                   import->port != NULL ? import->port : "5696");
    TRY(put(import, NULL, "kmip.listen", listen));
    if (import->has_type && !import->has_kek)
        TRY(put(import, NULL, "kmip.kek_label", KEK_LABEL));
    import->set[import->set_len] = NULL;
    return ERR_OK;
}

enum err ksg_import_read(struct ksg_import *import, const char *dir, struct err_detail *detail)
{
    static const char *const files[] = {"ksg.conf", "p6kmipserver.conf",
                                        "p6kmip_auxiliary_ksg.conf"};
    bool any = false;
    import->dir = dir;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        bool there;
        TRY(read_one(import, files[i], &there, detail));
        any = any || there;
    }
    if (!any)
        return err_set(detail, ERR_NOT_FOUND,
                       "%s: neither ksg.conf nor p6kmipserver.conf nor p6kmip_auxiliary_ksg.conf, "
                       "nor in its folder confs",
                       dir);
    return conclude(import);
}

void ksg_import_done(struct ksg_import *import)
{
    secret_free(import->pin);
    import->pin = NULL;
    buf_done(&import->report);
}
