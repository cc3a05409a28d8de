#pragma once

#include "api/call.h"

/* The route table: one line per resource and method, who may use it (enum vault_action, which the
 * roles of vault/access.c have) and the longest body; docs/api.md describes them. */

/* What stations use, over plain HTTP too where that is configured (api/plain.h). */
#define API_LINE_ROUTES                                                                            \
    ROUTE(GET, "/v1/line/config", get_line_config, LINE, API_QUICK, 0)                             \
    ROUTE(GET, "/v1/line/files/{config}/{revision}/{name}", read_line_file, LINE, API_QUICK, 0)    \
    ROUTE(POST, "/v1/line/gateway-keys", give_gateway_keys, LINE, API_JSON, API_BODY_MAX)          \
    ROUTE(POST, "/v1/line/runs", begin_run, LINE, API_QUICK, API_BODY_MAX)                         \
    ROUTE(POST, "/v1/line/runs/{run}/end", end_run, LINE, API_QUICK, API_BODY_MAX)                 \
    ROUTE(GET, "/v1/line/devices/{node}", get_line_device, LINE, API_QUICK, 0)                     \
    ROUTE(PUT, "/v1/line/devices/{node}", key_device, LINE, API_QUICK, API_BODY_MAX)

#define API_ROUTES                                                                                 \
    ROUTE(GET, "/v1/status", get_status, STATUS, API_JSON, 0)                                      \
    ROUTE(POST, "/v1/reload", reload, NETWORK_MANAGE, API_JSON, 0)                                 \
    ROUTE(POST, "/v1/backup", back_up, BACKUP, API_JSON, API_BODY_MAX)                             \
    ROUTE(GET, "/v1/server/public-key", get_public_key, STATUS, API_JSON, 0)                       \
    ROUTE(GET, "/v1/server/ca", get_ca, STATUS, API_JSON, 0)                                       \
    ROUTE(GET, "/v1/session", get_session, SESSION, API_JSON, 0)                                   \
    ROUTE(PUT, "/v1/session/password", set_password, SESSION, API_JSON, API_BODY_MAX)              \
    ROUTE(POST, "/v1/logout", log_out, SESSION, API_JSON, API_BODY_MAX)                            \
    ROUTE(GET, "/v1/events", listen_events, SESSION, API_JSON, 0)                                  \
    ROUTE(GET, "/v1/users", list_users, USER_READ, API_JSON, 0)                                    \
    ROUTE(POST, "/v1/users", create_user, USER_MANAGE, API_JSON, API_BODY_MAX)                     \
    ROUTE(PATCH, "/v1/users/{name}", change_user, USER_MANAGE, API_JSON, API_BODY_MAX)             \
    ROUTE(DELETE, "/v1/users/{name}", remove_user, USER_MANAGE, API_JSON, 0)                       \
    ROUTE(GET, "/v1/networks", list_networks, NETWORK_READ, API_JSON, 0)                           \
    ROUTE(POST, "/v1/networks", create_network, NETWORK_MANAGE, API_JSON, API_BODY_MAX)            \
    ROUTE(GET, "/v1/networks/{name}", show_network, NETWORK_READ, API_JSON, 0)                     \
    ROUTE(DELETE, "/v1/networks/{name}", destroy_network, NETWORK_MANAGE, API_JSON, 0)             \
    ROUTE(POST, "/v1/networks/{name}/rotate", rotate_key, NETWORK_MANAGE, API_JSON, API_BODY_MAX)  \
    ROUTE(POST, "/v1/networks/{name}/retire", retire_key, NETWORK_MANAGE, API_JSON, API_BODY_MAX)  \
    ROUTE(PUT, "/v1/networks/{name}/passphrase", set_passphrase, NETWORK_MANAGE, API_JSON,         \
          API_BODY_MAX)                                                                            \
    ROUTE(POST, "/v1/networks/{name}/gateway-keys/export", export_gateway_keys, KEY_EXPORT,        \
          API_JSON, API_BODY_MAX)                                                                  \
    ROUTE(POST, "/v1/networks/{name}/gateway-keys/import", import_gateway_keys, KEY_IMPORT,        \
          API_JSON, API_BODY_MAX)                                                                  \
    ROUTE(GET, "/v1/networks/{name}/nodes", list_nodes, NODE_READ, API_JSON, 0)                    \
    ROUTE(POST, "/v1/networks/{name}/nodes", generate_nodes, NODE_MANAGE, API_JSON, API_BODY_MAX)  \
    ROUTE(POST, "/v1/networks/{name}/nodes/change", change_nodes, NODE_MANAGE, API_JSON,           \
          API_BODY_MAX)                                                                            \
    ROUTE(GET, "/v1/networks/{name}/nodes/{id}", show_node, NODE_READ, API_JSON, 0)                \
    ROUTE(GET, "/v1/networks/{name}/batches", list_batches, NODE_READ, API_JSON, 0)                \
    ROUTE(POST, "/v1/networks/{name}/batches/export", export_batch, KEY_EXPORT, API_JSON,          \
          API_BODY_MAX)                                                                            \
    ROUTE(POST, "/v1/networks/{name}/batches/import", import_batch, KEY_IMPORT, API_JSON,          \
          API_BODY_MAX)                                                                            \
    ROUTE(POST, "/v1/networks/{name}/batches/import-devices", import_devices, KEY_IMPORT,          \
          API_JSON, API_BODY_MAX)                                                                  \
    ROUTE(GET, "/v1/signers", list_signers, NETWORK_READ, API_JSON, 0)                             \
    ROUTE(POST, "/v1/signers", add_signer, NETWORK_MANAGE, API_JSON, API_BODY_MAX)                 \
    ROUTE(DELETE, "/v1/signers/{name}", remove_signer, NETWORK_MANAGE, API_JSON, 0)                \
    ROUTE(POST, "/v1/networks/{name}/keyring/export", export_keyring, KEYRING_EXPORT, API_JSON,    \
          API_BODY_MAX)                                                                            \
    ROUTE(POST, "/v1/networks/{name}/keyring/import", import_keyring, KEY_IMPORT, API_JSON,        \
          API_BODY_MAX)                                                                            \
    ROUTE(GET, "/v1/gateways", list_gateways, NETWORK_READ, API_JSON, 0)                           \
    ROUTE(POST, "/v1/gateways", create_gateway, PEER_MANAGE, API_JSON, API_BODY_MAX)               \
    ROUTE(GET, "/v1/gateways/{host}", show_gateway, NETWORK_READ, API_JSON, 0)                     \
    ROUTE(PATCH, "/v1/gateways/{host}", change_gateway, PEER_MANAGE, API_JSON, API_BODY_MAX)       \
    ROUTE(DELETE, "/v1/gateways/{host}", remove_gateway, PEER_MANAGE, API_JSON, 0)                 \
    ROUTE(POST, "/v1/gateways/{host}/certificate", certify_gateway, PEER_MANAGE, API_JSON,         \
          API_BODY_MAX)                                                                            \
    ROUTE(GET, "/v1/clients", list_clients, CLIENT_READ, API_JSON, 0)                              \
    ROUTE(POST, "/v1/clients", create_client, CLIENT_MANAGE, API_JSON, API_BODY_MAX)               \
    ROUTE(GET, "/v1/clients/{name}", show_client, CLIENT_READ, API_JSON, 0)                        \
    ROUTE(PATCH, "/v1/clients/{name}", change_client, CLIENT_MANAGE, API_JSON, API_BODY_MAX)       \
    ROUTE(DELETE, "/v1/clients/{name}", remove_client, CLIENT_MANAGE, API_JSON, 0)                 \
    ROUTE(POST, "/v1/clients/{name}/disable", disable_client, CLIENT_MANAGE, API_JSON,             \
          API_BODY_MAX)                                                                            \
    ROUTE(POST, "/v1/clients/{name}/enable", enable_client, CLIENT_MANAGE, API_JSON, API_BODY_MAX) \
    ROUTE(POST, "/v1/clients/{name}/certificate", certify_client, CLIENT_MANAGE, API_JSON,         \
          API_BODY_MAX)                                                                            \
    ROUTE(GET, "/v1/domains", list_domains, NETWORK_READ, API_JSON, 0)                             \
    ROUTE(POST, "/v1/domains/{name}/rotate", rotate_domain, DOMAIN_ROTATE, API_JSON, API_BODY_MAX) \
    ROUTE(GET, "/v1/objects", list_objects, OBJECT_READ, API_JSON, 0)                              \
    ROUTE(GET, "/v1/objects/{id}", show_object, OBJECT_READ, API_JSON, 0)                          \
    ROUTE(POST, "/v1/objects/rotate", rotate_objects, DOMAIN_ROTATE, API_JSON, API_BODY_MAX)       \
    ROUTE(POST, "/v1/factory/rotate", rotate_factory, DOMAIN_ROTATE, API_JSON, API_BODY_MAX)       \
    ROUTE(GET, "/v1/audit", show_audit, AUDIT_READ, API_JSON, 0)                                   \
    ROUTE(POST, "/v1/audit/verify", verify_audit, AUDIT_READ, API_JSON, API_BODY_MAX)              \
    ROUTE(GET, "/v1/audit/segments", list_segments, AUDIT_READ, API_JSON, 0)                       \
    ROUTE(GET, "/v1/audit/segments/{number}", read_segment, AUDIT_READ, API_JSON, 0)               \
    ROUTE(GET, "/v1/packagers", list_packagers, FACTORY_READ, API_JSON, 0)                         \
    ROUTE(POST, "/v1/packagers", add_packager, FACTORY_MANAGE, API_JSON, API_BODY_MAX)             \
    ROUTE(DELETE, "/v1/packagers/{name}", remove_packager, FACTORY_MANAGE, API_JSON, 0)            \
    ROUTE(GET, "/v1/factory/imports", list_imports, FACTORY_MANAGE, API_JSON, 0)                   \
    ROUTE(POST, "/v1/factory/imports", import_package, FACTORY_MANAGE, API_JSON, API_BODY_MAX)     \
    ROUTE(POST, "/v1/factory/imports/{id}/commit", commit_import, FACTORY_MANAGE, API_JSON,        \
          API_BODY_MAX)                                                                            \
    ROUTE(DELETE, "/v1/factory/imports/{id}", drop_import, FACTORY_MANAGE, API_JSON, 0)            \
    ROUTE(GET, "/v1/factory/packages", list_packages, FACTORY_READ, API_JSON, 0)                   \
    ROUTE(GET, "/v1/factory/packages/{config}", show_package, FACTORY_READ, API_JSON, 0)           \
    ROUTE(GET, "/v1/factory/packages/{config}/files/{name}", read_package_file, FACTORY_READ,      \
          API_JSON, 0)                                                                             \
    ROUTE(GET, "/v1/factory/aliases", list_aliases, FACTORY_READ, API_JSON, 0)                     \
    ROUTE(PUT, "/v1/factory/aliases/{alias}", set_alias, FACTORY_MANAGE, API_JSON, API_BODY_MAX)   \
    ROUTE(DELETE, "/v1/factory/aliases/{alias}", remove_alias, FACTORY_MANAGE, API_JSON, 0)        \
    ROUTE(GET, "/v1/factory/devices", list_devices, FACTORY_READ, API_JSON, 0)                     \
    ROUTE(GET, "/v1/factory/devices/{node}", show_device, FACTORY_READ, API_JSON, 0)               \
    ROUTE(GET, "/v1/factory/runs", list_runs, FACTORY_READ, API_JSON, 0)                           \
    ROUTE(GET, "/v1/factory/line", show_line, FACTORY_READ, API_JSON, 0)                           \
    ROUTE(POST, "/v1/factory/prune", prune_factory, FACTORY_MANAGE, API_JSON, API_BODY_MAX)        \
    ROUTE(GET, "/v1/factory/exports", list_exports, FACTORY_READ, API_JSON, 0)                     \
    ROUTE(POST, "/v1/factory/exports", export_devices, FACTORY_EXPORT, API_JSON, API_BODY_MAX)     \
    ROUTE(POST, "/v1/factory/exports/{id}/repeat", repeat_export, FACTORY_EXPORT, API_JSON,        \
          API_BODY_MAX)                                                                            \
    API_LINE_ROUTES                                                                                \
    ROUTE(POST, "/v1/uploads", create_upload, FILE, API_JSON, 0)                                   \
    ROUTE(PUT, "/v1/uploads/{id}", write_upload, FILE, API_RAW, NET_HTTP_BODY_MAX)                 \
    ROUTE(DELETE, "/v1/uploads/{id}", delete_upload, FILE, API_JSON, 0)                            \
    ROUTE(GET, "/v1/downloads/{id}", read_download, FILE, API_JSON, 0)                             \
    ROUTE(DELETE, "/v1/downloads/{id}", delete_download, FILE, API_JSON, 0)                        \
    ROUTE(GET, "/v1/jobs", list_jobs, JOB, API_JSON, 0)                                            \
    ROUTE(GET, "/v1/jobs/{id}", show_job, JOB, API_JSON, 0)                                        \
    ROUTE(DELETE, "/v1/jobs/{id}", cancel_job, JOB, API_JSON, 0)

#define API_BODY_MAX ((size_t)64 * 1024)

/* Those that are no network's, for the list of domains. */
void api_add_domains(struct api *api, json_t *list);

#define ROUTE(method, pattern, name, action, kind, body) api_fn api_do_##name;
API_ROUTES
#undef ROUTE
