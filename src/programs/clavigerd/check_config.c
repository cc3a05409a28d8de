#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/plain.h"
#include "base/log.h"
#include "diameter/properties.h"
#include "kmip/server/server.h"
#include "net/listener.h"
#include "net/tls.h"
#include "programs/clavigerd/commands.h"
#include "programs/clavigerd/pin.h"
#include "programs/clavigerd/service.h"

static unsigned problems;

static void verdict(const char *what, enum err err, const struct err_detail *detail)
{
    if (err == ERR_OK) {
        (void)printf("ok     %s\n", what);
        return;
    }
    problems++;
    (void)printf("wrong  %s: %s%s%s\n", what, err_text(err), detail->text[0] != '\0' ? ": " : "",
                 detail->text);
}

static void readable(const char *what, const char *path)
{
    struct err_detail detail = {0};
    enum err err = access(path, R_OK) == 0 ? ERR_OK : err_errno(&detail, "%s", path);
    char named[PATH_MAX + 64];
    (void)snprintf(named, sizeof named, "%s %s", what, path);
    verdict(err == ERR_OK ? named : what, err, &detail);
}

static void check_listen(const char *what, const struct settings_list *list)
{
    char host[256];
    uint16_t port;
    struct err_detail detail = {0};
    enum err err = ERR_OK;
    for (size_t i = 0; i < list->len && err == ERR_OK; i++)
        if (net_address_parse(list->items[i], 1, host, &port) != ERR_OK)
            err = err_set(&detail, ERR_CONFIG, "'%s' is no address", list->items[i]);
    if (list->len != 0)
        verdict(what, err, &detail);
}

static void check_addresses(const struct settings *settings)
{
    const char *metrics = settings->metrics.listen;
    check_listen("[metrics] listen", &(struct settings_list){*metrics != '\0', &metrics});
    check_listen("[diameter] listen", &settings->diameter.listen);
    check_listen("[diameter] listen_tls", &settings->diameter.listen_tls);
    check_listen("[kmip] listen", &settings->kmip.listen);
    check_listen("[https] listen", &settings->https.listen);
    check_listen("[factory] http_listen", &settings->factory.http_listen);
    struct err_detail detail = {0};
    enum err err = api_plain_check(&settings->factory.http_allow, &detail);
    if (settings->factory.http_listen.len != 0 || err != ERR_OK)
        verdict("[factory] http_allow", err, &detail);
}

static void check_tls(const struct settings *settings, const struct diameter_properties *props)
{
    char cert[4096], key[4096], ca[4096];
    if (service_state_path(settings, SERVICE_CERT_FILE, cert, sizeof cert) != ERR_OK ||
        service_state_path(settings, SERVICE_KEY_FILE, key, sizeof key) != ERR_OK ||
        service_state_path(settings, SERVICE_CA_FILE, ca, sizeof ca) != ERR_OK)
        return;
    const struct net_tls_config config = {
        .server = true,
        .verify = NET_TLS_VERIFY_REQUIRED,
        .cert_file = *props->tls_cert_file != '\0' ? props->tls_cert_file : cert,
        .key_file = *props->tls_key_file != '\0' ? props->tls_key_file : key,
        .ca_file = *props->tls_ca_file != '\0' ? props->tls_ca_file : ca,
        .crl_file = *props->tls_crl_file != '\0' ? props->tls_crl_file : NULL};
    struct err_detail detail = {0};
    struct net_tls *tls = NULL;
    verdict("Diameter's certificate, key and authority", net_tls_new(&config, &tls, &detail),
            &detail);
    net_tls_unref(tls);
}

static void check_diameter(const struct settings *settings)
{
    if (*settings->diameter.properties == '\0')
        return;
    AUTO(diameter_properties_done) struct diameter_properties props = {0};
    struct err_detail detail = {0};
    enum err err = diameter_properties_read(settings->diameter.properties, &props, &detail);
    verdict(settings->diameter.properties, err, &detail);
    if (err == ERR_OK)
        check_tls(settings, &props);
}

static void check_kmip(const struct settings *settings)
{
    char cert[4096], key[4096], ca[4096], log_dir[4096];
    if (settings->kmip.listen.len + settings->https.listen.len == 0 ||
        service_state_path(settings, SERVICE_CERT_FILE, cert, sizeof cert) != ERR_OK ||
        service_state_path(settings, SERVICE_KEY_FILE, key, sizeof key) != ERR_OK ||
        service_state_path(settings, SERVICE_CA_FILE, ca, sizeof ca) != ERR_OK ||
        service_kmip_log_dir(settings, log_dir, sizeof log_dir) != ERR_OK)
        return;
    AUTO(arena_freep) struct arena *arena = NULL;
    struct kmip_config config;
    struct err_detail detail = {0};
    enum err err = arena_new((size_t)64 * 1024, &arena);
    if (err == ERR_OK)
        err = kmip_config_from_settings(settings, arena, &config, &detail);
    verdict("[kmip]", err, &detail);
    const struct kmip_server_paths paths = {cert, key, ca, log_dir};
    AUTO(net_tls_unrefp) struct net_tls *tls = NULL;
    verdict("KMIP's certificate, key and authorities",
            kmip_tls_from_settings(settings, &paths, false, &tls, &detail), &detail);
    if (*settings->kmip.kek_file != '\0')
        readable("[kmip] kek_file", settings->kmip.kek_file);
    if (settings->kmip.log_secrets)
        (void)printf("note   [kmip] log_secrets: keys and passwords go to %s\n", log_dir);
}

static void check_pin(const struct settings *settings)
{
    const char *path = pin_path(settings->token.pin);
    struct err_detail detail = {0};
    AUTO(secret_freep) struct secret *pin = NULL;
    if (path != NULL)
        verdict("PIN file", pin_read(settings->token.pin, &pin, &detail), &detail);
}

int command_check_config(const struct options *options)
{
    const char *path = options_get(options, "config");
    path = path != NULL ? path : SERVICE_CONFIG_PATH;
    struct settings settings;
    struct err_detail detail = {0};
    enum err err = settings_read(path, &settings, &detail);
    verdict(path, err, &detail);
    if (err != ERR_OK)
        return EXIT_USAGE;
    readable("PKCS#11 module", settings.token.module);
    readable("state directory", settings.daemon.state_directory);
    for (size_t i = 0; i < settings.keeper.module_paths.len; i++)
        readable("module path", settings.keeper.module_paths.items[i]);
    check_pin(&settings);
    check_addresses(&settings);
    check_diameter(&settings);
    check_kmip(&settings);
    settings_done(&settings);
    return problems == 0 ? EXIT_DONE : EXIT_USAGE;
}
