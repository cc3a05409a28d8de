#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kmip/codec/table.h"
#include "kmip/server/server_private.h"

/* [kmip] and [https] of the configuration as the service takes them. */

static enum err copy_text(struct arena *arena, const char *text, const char **ret_copy)
{
    *ret_copy = NULL;
    if (*text == '\0')
        return ERR_OK;
    *ret_copy = arena_strndup(arena, text, strlen(text));
    return *ret_copy != NULL ? ERR_OK : ERR_NO_MEMORY;
}

/* A number, or a name of the tag's enumeration as JSON and XML write it; commas are forgiven. */
static enum err read_value(const char *key, uint32_t tag, const char *word, uint32_t *ret_value,
                           struct err_detail *detail)
{
    size_t len = strlen(word);
    while (len > 0 && word[len - 1] == ',')
        len--;
    char *end = NULL;
    unsigned long number = strtoul(word, &end, 0);
    if (len > 0 && end == word + len && word[0] != '-' && number > 0 && number <= UINT32_MAX) {
        *ret_value = (uint32_t)number;
        return ERR_OK;
    }
    if (len > 0 && kmip_enum_find(tag, bytes_of(word, len), ret_value))
        return ERR_OK;
    return err_set(detail, ERR_CONFIG, "[kmip] %s: '%s' is neither a number nor a name of KMIP",
                   key, word);
}

/* What is not in the list is hidden; an empty list hides nothing. */
static enum err read_shown(const char *key, uint32_t tag, const struct settings_list *list,
                           unsigned bits, uint64_t *ret_hidden, struct err_detail *detail)
{
    uint64_t shown = 0;
    for (size_t i = 0; i < list->len; i++) {
        uint32_t value = 0;
        TRY(read_value(key, tag, list->items[i], &value, detail));
        if (value >= bits)
            return err_set(detail, ERR_CONFIG, "[kmip] %s: %u is none", key, value);
        shown |= UINT64_C(1) << value;
    }
    *ret_hidden = list->len != 0 ? ~shown : 0;
    return ERR_OK;
}

static enum err read_profiles(const struct settings_list *list, struct kmip_config *config,
                              struct err_detail *detail)
{
    if (list->len == 0)
        return ERR_OK;
    config->profile_count = 0;
    if (list->len == 1 && strcmp(list->items[0], "none") == 0)
        return ERR_OK;
    for (size_t i = 0; i < list->len; i++) {
        uint32_t value = 0;
        TRY(read_value("profiles", KMIP_TAG_PROFILE_NAME, list->items[i], &value, detail));
        if (config->profile_count == KMIP_PROFILES_MAX)
            return err_set(detail, ERR_CONFIG, "[kmip] profiles: more than %d", KMIP_PROFILES_MAX);
        config->profiles[config->profile_count++] = (struct kmip_profile){.name = value};
    }
    return ERR_OK;
}

static uint16_t version_of(unsigned choice)
{
    static const uint16_t versions[] = {KMIP_1_0, KMIP_1_1, KMIP_1_2, KMIP_1_3,
                                        KMIP_1_4, KMIP_2_0, KMIP_2_1};
    return versions[choice];
}

static enum err read_query(const struct settings *s, struct arena *arena,
                           struct kmip_config *config, struct err_detail *detail)
{
    uint64_t objects = 0;
    TRY(copy_text(arena, s->kmip.vendor, &config->vendor));
    if (*s->kmip.server_name != '\0')
        TRY(copy_text(arena, s->kmip.server_name, &config->server_name));
    TRY(read_shown("operations", KMIP_TAG_OPERATION, &s->kmip.operations, 64,
                   &config->hidden_operations, detail));
    TRY(read_shown("objects", KMIP_TAG_OBJECT_TYPE, &s->kmip.objects, 32, &objects, detail));
    config->hidden_objects = (uint32_t)objects;
    TRY(read_profiles(&s->kmip.profiles, config, detail));
    /* the choices stand in the order of the enumerations, which begin with 1 */
    config->rng_mode = s->kmip.rng_mode + 1;
    config->unwrap_mode = s->kmip.unwrap_mode + 1;
    config->destroy_action = s->kmip.destroy_action + 1;
    config->shredding = s->kmip.shredding + 1;
    config->streaming = s->kmip.streaming;
    config->asynchronous = s->kmip.asynchronous;
    config->token = s->kmip.token_keys != SETTINGS_KMIP_TOKEN_KEYS_NEVER;
    return ERR_OK;
}

enum err kmip_config_from_settings(const struct settings *s, struct arena *arena,
                                   struct kmip_config *ret_config, struct err_detail *detail)
{
    struct kmip_config config;
    kmip_config_default(&config);
    TRY(read_query(s, arena, &config, detail));
    config.version_min = version_of(s->kmip.version_min);
    config.version_max = version_of(s->kmip.version_max);
    if (config.version_min > config.version_max)
        return err_set(detail, ERR_CONFIG, "[kmip] version_min is above version_max");
    config.message_max = (size_t)s->kmip.message_max;
    config.response_max = (size_t)s->kmip.response_max;
    config.batch_max = (unsigned)s->kmip.batch_max;
    config.locate_max = (unsigned)s->kmip.locate_max;
    config.clock_skew_s = s->kmip.clock_skew;
    config.lease_s = (uint32_t)s->kmip.lease;
    config.usage_chunk_max = (unsigned)s->kmip.usage_chunk;
    config.require_login = s->kmip.require_login;
    config.rng_seed = s->kmip.rng_seed; /* in the order of enum kmip_rng_seed */
    config.export_secrets = s->kmip.release_secrets;
    *ret_config = config;
    return ERR_OK;
}

static const char *path_or(const char *own, const char *otherwise)
{
    return *own != '\0' ? own : otherwise;
}

static const char *text_or_null(const char *text)
{
    return *text != '\0' ? text : NULL;
}

enum err kmip_tls_from_settings(const struct settings *s, const struct kmip_server_paths *paths,
                                bool https, struct net_tls **ret_tls, struct err_detail *detail)
{
    const struct net_tls_config config = {
        .server = true,
        .verify = https ? NET_TLS_VERIFY_OPTIONAL : NET_TLS_VERIFY_REQUIRED,
        .cert_file = path_or(s->kmip.cert_file, paths->cert_file),
        .key_file = path_or(s->kmip.key_file, paths->key_file),
        .ca_file = path_or(s->kmip.ca_file, paths->ca_file),
        .more_ca_file = text_or_null(s->kmip.more_ca_file),
        .crl_file = text_or_null(s->kmip.crl_file),
        .ocsp_file = text_or_null(s->kmip.ocsp_file),
        .any_purpose = s->kmip.client_purpose == SETTINGS_KMIP_CLIENT_PURPOSE_ANY,
        .tls13_only = s->kmip.tls_version == SETTINGS_KMIP_TLS_VERSION_1_3,
        .ciphers = text_or_null(s->kmip.tls_ciphers),
        .suites = text_or_null(s->kmip.tls_suites),
        .service = https ? "https" : "kmip",
    };
    return net_tls_new(&config, ret_tls, detail);
}

enum err kmip_notify_tls(const struct settings *s, const struct kmip_server_paths *paths,
                         struct net_tls **ret_tls, struct err_detail *detail)
{
    const struct net_tls_config config = {
        .verify = NET_TLS_VERIFY_REQUIRED,
        .cert_file = path_or(s->kmip.cert_file, paths->cert_file),
        .key_file = path_or(s->kmip.key_file, paths->key_file),
        .ca_file = path_or(s->kmip.ca_file, paths->ca_file),
        .more_ca_file = text_or_null(s->kmip.more_ca_file),
        .service = "kmip-notify",
    };
    return net_tls_new(&config, ret_tls, detail);
}

enum err kmip_log_from_settings(const struct settings *s, const struct kmip_server_paths *paths,
                                struct kmip_log_config *ret_config, struct err_detail *detail)
{
    static const enum kmip_format formats[] = {KMIP_TTLV, KMIP_JSON, KMIP_XML};
    struct kmip_log_config config = {
        .level = (enum kmip_log_level)s->kmip.log,
        .format = formats[s->kmip.log_format],
        .headers = s->kmip.log_headers,
        .secrets = s->kmip.log_secrets,
        .max = (uint64_t)s->kmip.log_max,
    };
    const char *dir = path_or(s->kmip.log_directory, paths->log_dir);
    int len = snprintf(config.dir, sizeof config.dir, "%s", dir);
    if (len < 0 || (size_t)len + 128 >= sizeof config.dir)
        return err_set(detail, ERR_CONFIG, "[kmip] log_directory is too long");
    *ret_config = config;
    return ERR_OK;
}
