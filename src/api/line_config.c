#include <inttypes.h>
#include <stdio.h>

#include "api/factory_files.h"
#include "api/factory_json.h"
#include "api/json.h"
#include "api/resources.h"
#include "base/file.h"
#include "crypto/rsa.h"
#include "factory/package_xml.h"

/* What stations ask for: which package is meant, its files, its gateway keys. */

#define MEMORY ((size_t)16 * 1024 * 1024)

struct config {
    struct factory *factory;
    const struct settings *settings;
    struct factory_package row;
    struct package package;
};

/* How a station gets a file: a path of this server, or in the folder that it shares with us. */
static json_t *path_json(const struct config *config, const char *name)
{
    const struct factory_package *row = &config->row;
    if (config->settings->factory.files == SETTINGS_FACTORY_FILES_SHARED)
        return json_sprintf("%s/0x%016" PRIx64 "/%" PRIu32 "/%s",
                            config->settings->factory.client_directory, row->config_id,
                            row->revision, name);
    return json_sprintf("/v1/line/files/0x%016" PRIx64 "/%" PRIu32 "/%s", row->config_id,
                        row->revision, name);
}

static json_t *file_json(const struct config *config, const char *name)
{
    const struct package_file *file =
        name != NULL ? package_file_find(&config->package, name) : NULL;
    if (file == NULL)
        return json_null();
    return json_pack("{s:s s:I s:o s:o s:o}", "name", file->name, "size", (json_int_t)file->size,
                     "sha256", json_of_hex(file->sha256, sizeof file->sha256), "md5",
                     json_of_hex(file->md5, sizeof file->md5), "path",
                     path_json(config, file->name));
}

static void set_files(const struct config *config, const struct package_set *files, json_t *to)
{
    (void)json_object_set_new(to, "firmware", file_json(config, files->firmware));
    (void)json_object_set_new(to, "field_configuration",
                              file_json(config, files->field_configuration));
    (void)json_object_set_new(to, "factory_configuration",
                              file_json(config, files->factory_configuration));
}

static enum err pem_json(const struct config *config, const char *name, json_t **ret_pem,
                         struct err_detail *detail)
{
    char path[FACTORY_PATH_MAX];
    AUTO(buf_done) struct buf pem = {0};
    if (name == NULL) {
        *ret_pem = json_null();
        return ERR_OK;
    }
    TRY(factory_package_path(config->factory, config->row.config_id, config->row.revision, name,
                             path, detail));
    TRY(file_read(path, PACKAGE_KEY_SIZE_MAX, &pem, detail));
    *ret_pem = json_stringn((const char *)pem.data, pem.len);
    return *ret_pem != NULL ? ERR_OK : err_set(detail, ERR_CORRUPT, "%s: not text", name);
}

static enum err applications_json(const struct config *config, json_t *list,
                                  struct err_detail *detail)
{
    for (size_t i = 0; i < config->package.applications_len; i++) {
        const struct package_application *a = &config->package.applications[i];
        json_t *key = NULL;
        TRY(pem_json(config, a->public_key, &key, detail));
        json_t *json =
            json_pack("{s:s s:s s:o}", "name", a->name, "version", a->version, "public_key", key);
        set_files(config, &a->files, json);
        if (json_array_append_new(list, json) != 0)
            return ERR_NO_MEMORY;
    }
    return ERR_OK;
}

static enum err config_json(const struct config *config, json_t **ret_json,
                            struct err_detail *detail)
{
    static const char *const ways[] = {[SETTINGS_FACTORY_FILES_HTTPS] = "https",
                                       [SETTINGS_FACTORY_FILES_HTTP] = "http",
                                       [SETTINGS_FACTORY_FILES_SHARED] = "shared"};
    AUTO(json_freep) json_t *applications = json_array();
    AUTO(json_freep) json_t *kms_key = NULL;
    const struct package_node *node = &config->package.node;
    TRY(pem_json(config, config->row.kms_file, &kms_key, detail));
    TRY(applications_json(config, applications, detail));
    json_t *node_json = json_pack("{s:s s:s s:s}", "type", node->type, "version", node->version,
                                  "hardware", node->hardware != NULL ? node->hardware : "");
    if (node_json == NULL)
        return ERR_NO_MEMORY;
    set_files(config, &node->files, node_json);
    return api_give(json_pack("{s:o s:i s:s s:s s:O s:o s:O s:s}", "config_id",
                              json_of_config(config->row.config_id), "revision",
                              (int)config->row.revision, "label", config->row.label, "network",
                              config->row.network, "kms_key", kms_key, "node", node_json,
                              "applications", applications, "files",
                              ways[config->settings->factory.files]),
                    ret_json);
}

static enum err find_config(const struct api_call *call, struct factory *factory,
                            uint64_t *ret_config, struct err_detail *detail)
{
    const char *id = net_http_query(call->http, "id"), *alias = net_http_query(call->http, "alias");
    if ((id == NULL) == (alias == NULL))
        return err_set(detail, ERR_ARGUMENT, "one of id and alias is wanted");
    return id != NULL ? factory_parse_id("id", id, ret_config, detail)
                      : factory_alias_find(factory, alias, ret_config, detail);
}

static enum err get_line_config(struct api_call *call, json_t **ret_answer,
                                struct err_detail *detail)
{
    struct config config = {.settings = api_daemon(call->api)->settings};
    uint64_t id = 0;
    TRY(api_factory(call, &config.factory, detail));
    TRY(find_config(call, config.factory, &id, detail));
    AUTO(arena_freep) struct arena *arena = NULL;
    TRY(arena_new(MEMORY, &arena));
    TRY(factory_package_get(config.factory, id, 0, arena, &config.row, detail));
    TRY(package_xml_read(config.row.description, arena, &config.package, detail));
    return config_json(&config, ret_answer, detail);
}
API_HANDLER(get_line_config)

static enum err read_line_file(struct api_call *call, json_t **ret_answer,
                               struct err_detail *detail)
{
    (void)ret_answer;
    struct factory *factory = NULL;
    uint64_t config = 0, revision = 0;
    TRY(api_factory(call, &factory, detail));
    TRY(factory_parse_id("configuration", net_http_param(call->http, "config"), &config, detail));
    TRY(factory_parse_id("revision", net_http_param(call->http, "revision"), &revision, detail));
    if (revision == 0 || revision > UINT32_MAX)
        return err_set(detail, ERR_NOT_FOUND, "no revision %" PRIu64, revision);
    return factory_stream_file(call->http, factory, config, (uint32_t)revision,
                               net_http_param(call->http, "name"), detail);
}
API_HANDLER(read_line_file)

/* ---- gateway keys ---- */

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static enum err append_base64(struct bytes from, struct buf *to)
{
    for (size_t i = 0; i < from.len; i += 3) {
        size_t left = from.len - i;
        uint32_t three = (uint32_t)from.data[i] << 16 |
                         (left > 1 ? (uint32_t)from.data[i + 1] << 8 : 0) |
                         (left > 2 ? from.data[i + 2] : 0);
        const char four[4] = {base64[three >> 18], base64[three >> 12 & 63],
                              left > 1 ? base64[three >> 6 & 63] : '=',
                              left > 2 ? base64[three & 63] : '='};
        TRY(buf_append(to, BYTES(four)));
    }
    return ERR_OK;
}

struct given {
    struct factory_gateway_keys keys;
    struct buf cms;
    uint8_t gateway_kcv[FACTORY_KCV], cdld_kcv[FACTORY_KCV];
};

static void given_done(struct given *given)
{
    buf_done(&given->cms);
}

/* Once more where a rotation of the domain key was finished between reading and opening. */
static enum err read_and_give(struct factory *factory, const struct fleet_call *call,
                              uint64_t config, uint32_t revision, struct bytes recipient,
                              struct given *given, struct err_detail *detail)
{
    enum err err = ERR_SEAL;
    for (unsigned i = 0; i < 2 && err == ERR_SEAL; i++) {
        TRY(factory_package_keys(factory, config, revision, &given->keys, detail));
        given->cms.len = 0;
        err = factory_gateway_keys_give(factory, call, &given->keys, config, recipient, &given->cms,
                                        given->gateway_kcv, given->cdld_kcv, detail);
    }
    return err;
}

static enum err give_gateway_keys(struct api_call *call, json_t **ret_answer,
                                  struct err_detail *detail)
{
    struct factory *factory = NULL;
    const char *config_text = NULL, *recipient = NULL;
    uint64_t config = 0, revision = 0;
    AUTO(given_done) struct given given = {.cms = {0}};
    AUTO(buf_done) struct buf text = {0};
    TRY(api_factory(call, &factory, detail));
    TRY(api_text(call, "config_id", &config_text, detail));
    TRY(factory_parse_id("config_id", config_text, &config, detail));
    TRY(api_number(call, "revision", UINT32_MAX, &revision, detail));
    TRY(api_text(call, "recipient", &recipient, detail));
    TRY(read_and_give(factory, &call->fleet, config, (uint32_t)revision, bytes_str(recipient),
                      &given, detail));
    TRY(append_base64(buf_view(&given.cms), &text));
    return api_give(json_pack("{s:s# s:I s:I s:o s:o}", "cms", (const char *)text.data, text.len,
                              "gateway_version", (json_int_t)given.keys.gateway_version,
                              "cdld_version", (json_int_t)given.keys.cdld_version, "gateway_kcv",
                              json_of_hex(given.gateway_kcv, sizeof given.gateway_kcv), "cdld_kcv",
                              json_of_hex(given.cdld_kcv, sizeof given.cdld_kcv)),
                    ret_answer);
}
API_HANDLER(give_gateway_keys)
