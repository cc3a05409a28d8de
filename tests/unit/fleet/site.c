#include "site.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "crypto/rsa.h"

void site_open(struct site *site)
{
    struct err_detail detail = {0};
    char url[600];
    snprintf(url, sizeof(url), "sqlite:%s/store.db", site->dir);
    struct store_config store = {.url = url, .create = true, .max_bytes = site->max_bytes};
    struct keeper_client *keeper = rig_client(&site->rig, 0);
    if (store_open(&store, &site->store, &detail) != ERR_OK ||
        vault_open(site->store, keeper, &detail, &site->vault) != ERR_OK)
        fail_msg("open: %s", detail.text);
    vault_set_grace_ms(site->vault, 0);
    struct fleet_config config = {
        .spool_dir = site->spool, .backup_dir = site->backup, .lifetime_max_s = 3600};
    if (fleet_open(site->store, site->vault, keeper, &config, &detail, &site->fleet) != ERR_OK)
        fail_msg("fleet_open: %s", detail.text);
    site->call = (struct fleet_call){
        .fleet = site->fleet, .keeper = keeper, .actor = vault_actor_local(0, 0)};
}

void site_close(struct site *site)
{
    fleet_close(site->fleet);
    vault_close(site->vault);
    store_close(site->store);
    site->fleet = NULL;
    site->vault = NULL;
    site->store = NULL;
}

void site_begin(struct site *site, const struct rig_options *options)
{
    uint64_t max_bytes = site->max_bytes;
    *site = (struct site){.max_bytes = max_bytes};
    rig_begin(&site->rig, options);
    site->dir = test_tempdir();
    site->spool = test_path(site->dir, "spool");
    site->backup = test_path(site->dir, "backup");
    assert_int_equal(mkdir(site->spool, 0700), 0);
    assert_int_equal(mkdir(site->backup, 0700), 0);
    site_open(site);
}

void site_end(struct site *site)
{
    site_close(site);
    (void)rig_end(&site->rig);
    test_tempdir_remove(site->dir);
    free(site->spool);
    free(site->backup);
}

const char *site_file(const struct site *site, const char *name)
{
    static char paths[16][600];
    static unsigned next;
    char *path = paths[next++ % 16];
    snprintf(path, sizeof(paths[0]), "%s/spool-%s", site->spool, name);
    return path;
}

struct buf site_read(const char *path)
{
    struct buf content = {0};
    struct err_detail detail = {0};
    if (file_read(path, (size_t)64 * 1024 * 1024, &content, &detail) != ERR_OK)
        fail_msg("%s", detail.text);
    return content;
}

void site_write(const char *path, struct bytes content)
{
    assert_ok(file_write(path, content, 0600, NULL));
}

void site_copy(const char *from, const char *to)
{
    struct buf content = site_read(from);
    site_write(to, buf_view(&content));
    buf_done(&content);
}

struct buf site_pem(struct site *site)
{
    struct buf spki = {0}, pem = {0};
    struct rsa_public *key = NULL;
    assert_ok(keeper_public(site->call.keeper, KEEPER_KEY_SERVER, &spki, NULL, NULL));
    assert_ok(rsa_public_from_spki(buf_view(&spki), &key, NULL));
    assert_ok(rsa_public_to_pem(key, &pem));
    rsa_public_free(key);
    buf_done(&spki);
    return pem;
}

void site_network(struct site *site, const char *name, const char *realm, unsigned id_bits)
{
    struct err_detail detail = {0};
    struct fleet_network_create request = {.name = name,
                                           .realm = realm,
                                           .id_bits = id_bits,
                                           .passphrase = bytes_str(PASSPHRASE),
                                           .argon_passes = 1,
                                           .argon_memory_kib = 8192,
                                           .argon_lanes = 1};
    uint32_t id;
    if (fleet_network_create(&site->call, &request, &detail, &id) != ERR_OK)
        fail_msg("network create: %s", detail.text);
}

void site_generate(struct site *site, const char *network, uint64_t first, uint64_t last,
                   uint32_t batch)
{
    struct err_detail detail = {0};
    struct fleet_node_generate request = {
        .network = network, .range = {first, last}, .batch = batch};
    struct fleet_node_generated result;
    enum err err = fleet_node_generate(&site->call, &request, &detail, &result);
    if (err != ERR_OK)
        fail_msg("generate: %s (%s)", err_text(err), detail.text);
    assert_int_equal(result.created, last - first + 1);
}

void site_hand_over(struct site *from, struct site *to, const char *name)
{
    struct err_detail detail = {0};
    struct buf file = {0}, signature = {0}, pem = site_pem(from);
    if (fleet_gateway_export(&from->call, name, bytes_str(PASSPHRASE), &file, &signature,
                             &detail) != ERR_OK)
        fail_msg("gateway export: %s", detail.text);
    struct fleet_gateway_import request = {.name = name,
                                           .file = buf_view(&file),
                                           .signature = buf_view(&signature),
                                           .signer_pem = buf_view(&pem),
                                           .passphrase = bytes_str(PASSPHRASE)};
    struct fleet_gateway_result result;
    if (fleet_gateway_import(&to->call, &request, &detail, &result) != ERR_OK)
        fail_msg("gateway import: %s", detail.text);
    buf_done(&file);
    buf_done(&signature);
    buf_done(&pem);
}

enum err site_export(struct site *from, struct site *to, const char *network, uint32_t batch,
                     const char *path, struct err_detail *detail)
{
    struct buf pem = site_pem(to);
    struct fleet_export request = {.network = network,
                                   .batch = batch,
                                   .recipient_pem = buf_view(&pem),
                                   .path = path,
                                   .name = "batch.csv.rsa"};
    struct fleet_export_result result;
    enum err err = fleet_batch_export(&from->call, &request, detail, &result);
    buf_done(&pem);
    return err;
}

struct fleet_import site_request(const char *network, const char *path)
{
    static char paths[8][2][640];
    static unsigned next;
    char(*p)[640] = paths[next++ % 8];
    snprintf(p[0], sizeof(p[0]), "%s.sig", path);
    snprintf(p[1], sizeof(p[1]), "%s.manifest", path);
    return (struct fleet_import){.network = network,
                                 .path = path,
                                 .sig_path = p[0],
                                 .manifest_path = p[1],
                                 .source = "batch.csv.rsa"};
}

enum err site_import(struct site *site, const char *network, const char *path,
                     struct err_detail *detail, struct fleet_import_result *ret_result)
{
    struct fleet_import request = site_request(network, path);
    return fleet_batch_import(&site->call, &request, detail, ret_result);
}

/* What is counted as it changes must be what is there. */
static void compare_counts(struct site *site, const char *network, const uint64_t counts[3])
{
    AUTO(store_reader_closep) struct store_reader *reader = NULL;
    assert_ok(store_reader_open(site->store, STORE_READER_SCAN, &reader, NULL));
    assert_ok(store_reader_begin(reader, NULL));
    AUTO(store_stmt_freep) struct store_stmt *stmt = NULL;
    assert_ok(store_prepare(store_reader_conn(reader),
                            "SELECT count(*) FROM node JOIN network ON network.id = node.network "
                            "WHERE name = ? AND state = ?",
                            &stmt, NULL));
    for (int state = 1; state <= 3; state++) {
        store_bind_text(stmt, 1, network);
        store_bind_i64(stmt, 2, state);
        assert_ok(store_get_row(stmt, NULL));
        assert_int_equal(store_column_u64(stmt, 0), counts[state - 1]);
        store_reset(stmt);
    }
}

uint64_t site_nodes(struct site *site, const char *network)
{
    uint64_t counts[3];
    assert_ok(fleet_network_count(&site->call, network, NULL, counts));
    compare_counts(site, network, counts);
    return counts[0] + counts[1] + counts[2];
}

enum err site_node_key(struct site *site, const char *realm, uint64_t id, uint8_t key[16])
{
    struct fleet_lookup *lookup = NULL;
    const struct fleet_network_view *network;
    struct fleet_found found;
    assert_ok(fleet_lookup_new(site->fleet, NULL, &lookup));
    assert_ok(fleet_lookup_begin(lookup, NULL));
    assert_ok(fleet_lookup_network(lookup, bytes_str(realm), &network));
    enum err err = fleet_lookup_node(lookup, network, id, &found, NULL);
    fleet_lookup_end(lookup);
    fleet_lookup_free(lookup);
    TRY(err);
    size_t len;
    uint8_t bytes[KEEPER_KEY_MAX];
    TRY(rig_release(&site->rig, &found.row, bytes_of(found.sealed, found.sealed_len), bytes, &len));
    assert_int_equal(len, 16);
    memcpy(key, bytes, 16);
    return ERR_OK;
}
