#pragma once

#include "programs/claviger/cli.h"

/* Every subcommand and its function. */
#define COMMANDS                                                                                   \
    COMMAND("status", command_status)                                                              \
    COMMAND("network create", command_network_create)                                              \
    COMMAND("network list", command_network_list)                                                  \
    COMMAND("network show", command_network_show)                                                  \
    COMMAND("network rotate", command_network_rotate)                                              \
    COMMAND("network retire", command_network_retire)                                              \
    COMMAND("network set-passphrase", command_network_set_passphrase)                              \
    COMMAND("network destroy", command_network_destroy)                                            \
    COMMAND("network export-gateway-keys", command_network_export_gateway_keys)                    \
    COMMAND("network import-gateway-keys", command_network_import_gateway_keys)                    \
    COMMAND("node generate", command_node_generate)                                                \
    COMMAND("node list", command_node_list)                                                        \
    COMMAND("node show", command_node_show)                                                        \
    COMMAND("node revoke", command_node_revoke)                                                    \
    COMMAND("node reinstate", command_node_reinstate)                                              \
    COMMAND("node destroy", command_node_destroy)                                                  \
    COMMAND("batch list", command_batch_list)                                                      \
    COMMAND("batch export", command_batch_export)                                                  \
    COMMAND("batch import", command_batch_import)                                                  \
    COMMAND("batch signer", command_batch_signer)                                                  \
    COMMAND("keyring export", command_keyring_export)                                              \
    COMMAND("keyring import", command_keyring_import)                                              \
    COMMAND("gateway create", command_gateway_create)                                              \
    COMMAND("gateway list", command_gateway_list)                                                  \
    COMMAND("gateway show", command_gateway_show)                                                  \
    COMMAND("gateway allow", command_gateway_allow)                                                \
    COMMAND("gateway deny", command_gateway_deny)                                                  \
    COMMAND("gateway remove", command_gateway_remove)                                              \
    COMMAND("client create", command_client_create)                                                \
    COMMAND("client list", command_client_list)                                                    \
    COMMAND("client show", command_client_show)                                                    \
    COMMAND("client change", command_client_change)                                                \
    COMMAND("client renew", command_client_renew)                                                  \
    COMMAND("client disable", command_client_disable)                                              \
    COMMAND("client enable", command_client_enable)                                                \
    COMMAND("client remove", command_client_remove)                                                \
    COMMAND("object list", command_object_list)                                                    \
    COMMAND("object show", command_object_show)                                                    \
    COMMAND("user create", command_user_create)                                                    \
    COMMAND("user list", command_user_list)                                                        \
    COMMAND("user role", command_user_role)                                                        \
    COMMAND("user disable", command_user_disable)                                                  \
    COMMAND("user enable", command_user_enable)                                                    \
    COMMAND("user reset", command_user_reset)                                                      \
    COMMAND("user remove", command_user_remove)                                                    \
    COMMAND("user password", command_user_password)                                                \
    COMMAND("package key", command_package_key)                                                    \
    COMMAND("package build", command_package_build)                                                \
    COMMAND("package inspect", command_package_inspect)                                            \
    COMMAND("package verify", command_package_verify)                                              \
    COMMAND("package diff", command_package_diff)                                                  \
    COMMAND("kmip create", command_kmip_create)                                                    \
    COMMAND("kmip create-pair", command_kmip_create_pair)                                          \
    COMMAND("kmip register", command_kmip_register)                                                \
    COMMAND("kmip get", command_kmip_get)                                                          \
    COMMAND("kmip locate", command_kmip_locate)                                                    \
    COMMAND("kmip attributes", command_kmip_attributes)                                            \
    COMMAND("kmip set-attribute", command_kmip_set_attribute)                                      \
    COMMAND("kmip delete-attribute", command_kmip_delete_attribute)                                \
    COMMAND("kmip activate", command_kmip_activate)                                                \
    COMMAND("kmip revoke", command_kmip_revoke)                                                    \
    COMMAND("kmip destroy", command_kmip_destroy)                                                  \
    COMMAND("kmip rekey", command_kmip_rekey)                                                      \
    COMMAND("kmip certify", command_kmip_certify)                                                  \
    COMMAND("kmip encrypt", command_kmip_encrypt)                                                  \
    COMMAND("kmip decrypt", command_kmip_decrypt)                                                  \
    COMMAND("kmip sign", command_kmip_sign)                                                        \
    COMMAND("kmip verify", command_kmip_verify)                                                    \
    COMMAND("kmip mac", command_kmip_mac)                                                          \
    COMMAND("kmip hash", command_kmip_hash)                                                        \
    COMMAND("kmip random", command_kmip_random)                                                    \
    COMMAND("kmip query", command_kmip_query)                                                      \
    COMMAND("kmip versions", command_kmip_versions)                                                \
    COMMAND("kmip export", command_kmip_export)                                                    \
    COMMAND("kmip import", command_kmip_import)                                                    \
    COMMAND("kmip raw", command_kmip_raw)                                                          \
    COMMAND("kmip decode", command_kmip_decode)                                                    \
    COMMAND("factory import", command_factory_import)                                              \
    COMMAND("factory imports", command_factory_imports)                                            \
    COMMAND("factory packages", command_factory_packages)                                          \
    COMMAND("factory show", command_factory_show)                                                  \
    COMMAND("factory file", command_factory_file)                                                  \
    COMMAND("factory alias", command_factory_alias)                                                \
    COMMAND("factory packager", command_factory_packager)                                          \
    COMMAND("factory devices", command_factory_devices)                                            \
    COMMAND("factory device", command_factory_device)                                              \
    COMMAND("factory runs", command_factory_runs)                                                  \
    COMMAND("factory export", command_factory_export)                                              \
    COMMAND("factory exports", command_factory_exports)                                            \
    COMMAND("factory prune", command_factory_prune)                                                \
    COMMAND("factory line", command_factory_line)                                                  \
    COMMAND("server public-key", command_server_public_key)                                        \
    COMMAND("server ca", command_server_ca)                                                        \
    COMMAND("server reload", command_server_reload)                                                \
    COMMAND("server jobs", command_server_jobs)                                                    \
    COMMAND("server backup", command_server_backup)                                                \
    COMMAND("vault list", command_vault_list)                                                      \
    COMMAND("vault rotate", command_vault_rotate)                                                  \
    COMMAND("audit verify", command_audit_verify)                                                  \
    COMMAND("audit show", command_audit_show)                                                      \
    COMMAND("audit export", command_audit_export)

#define COMMAND(name, function) cli_fn function;
COMMANDS
#undef COMMAND
