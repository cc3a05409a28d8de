#include "fleet/batch.h"

#include <stdio.h>
#include <unistd.h>

#include "crypto/rsa.h"
#include "fleet/internal.h"
#include "site.h"

/* From a factory to an operator. */

#define NETWORK "metro-east"
#define REALM   "metro-east.example"

static struct site op, factory;
static const char *batch;

static int begin(void **state)
{
    (void)state;
    site_begin(&op, NULL);
    site_begin(&factory, NULL);
    site_network(&op, NETWORK, REALM, 32);
    site_hand_over(&op, &factory, NETWORK);
    site_generate(&factory, NETWORK, 0x10200, 0x105e7, 7);
    batch = site_file(&factory, "batch7.csv.rsa");
    assert_ok(site_export(&factory, &op, NETWORK, 7, batch, NULL));
    return 0;
}

static int end(void **state)
{
    (void)state;
    site_end(&op);
    site_end(&factory);
    return 0;
}

static void same_keys(uint64_t first, uint64_t last, uint64_t step)
{
    for (uint64_t id = first; id <= last; id += step) {
        uint8_t here[16], there[16];
        assert_ok(site_node_key(&op, REALM, id, here));
        assert_ok(site_node_key(&factory, REALM, id, there));
        assert_memory_equal(here, there, 16);
    }
}

static enum err first_batch(void *ctx, const struct fleet_batch *told, struct err_detail *detail)
{
    (void)detail;
    *(struct fleet_batch *)ctx = *told;
    return ERR_OK;
}

static void what_is_exported_arrives(void **state)
{
    (void)state;
    struct fleet_import_result result;
    struct fleet_batch told;
    assert_ok(site_import(&op, NETWORK, batch, NULL, &result));
    assert_int_equal(result.lines, 1000);
    assert_int_equal(result.count[FLEET_NEW], 1000);
    assert_int_equal(result.batches, 1);
    assert_true(result.merged);
    same_keys(0x10200, 0x105e7, 97);
    assert_ok(fleet_batch_list(&op.call, NETWORK, first_batch, &told, NULL));
    assert_int_equal(told.batch, 7);
    assert_int_equal(told.nodes, 1000);
    assert_string_equal(told.operation, "import");
    assert_string_equal(told.source, "batch.csv.rsa");
    /* Once more: nothing changes. */
    assert_ok(site_import(&op, NETWORK, batch, NULL, &result));
    assert_int_equal(result.count[FLEET_UNCHANGED], 1000);
    assert_int_equal(result.count[FLEET_NEW], 0);
    /* And on from here, to a third: the same lines. */
    const char *again = site_file(&op, "again.csv.rsa");
    assert_ok(site_export(&op, &op, NETWORK, 7, again, NULL));
    assert_ok(site_import(&op, NETWORK, again, NULL, &result));
    assert_int_equal(result.count[FLEET_UNCHANGED], 1000);
}

static void a_dry_run_only_tells(void **state)
{
    (void)state;
    struct fleet_import request = site_request(NETWORK, batch);
    struct fleet_import_result result;
    request.dry_run = true;
    assert_ok(fleet_batch_import(&op.call, &request, NULL, &result));
    assert_int_equal(result.count[FLEET_NEW], 1000);
    assert_false(result.merged);
    assert_int_equal(site_nodes(&op, NETWORK), 0);
}

static void reprovisioned_nodes_keep_their_history(void **state)
{
    (void)state;
    struct fleet_import_result result;
    struct fleet_node_generated made;
    struct fleet_node_info info;
    struct err_detail detail = {0};
    assert_ok(site_import(&op, NETWORK, batch, NULL, &result));
    struct fleet_node_generate request = {
        .network = NETWORK, .range = {0x105e0, 0x105ef}, .batch = 8, .reprovision = true};
    assert_ok(fleet_node_generate(&factory.call, &request, NULL, &made));
    const char *next = site_file(&factory, "batch8.csv.rsa");
    assert_ok(site_export(&factory, &op, NETWORK, 8, next, NULL));
    assert_ok(site_import(&op, NETWORK, next, NULL, &result));
    assert_int_equal(result.count[FLEET_NEW], 8);
    assert_int_equal(result.count[FLEET_REPROVISIONED], 8);
    same_keys(0x105d8, 0x105ef, 1);
    assert_ok(fleet_node_show(&op.call, NETWORK, 0x105e0, NULL, &info));
    assert_int_equal(info.node.reprovisioned, 1);
    assert_int_equal(info.node.batch, 8);
    assert_int_equal(info.versions, 1);
    /* The old file again would bring old keys back. */
    assert_err(site_import(&op, NETWORK, batch, &detail, &result), ERR_REFUSED);
    assert_int_equal(result.count[FLEET_REFUSED], 8);
    assert_int_equal(result.count[FLEET_UNCHANGED], 992);
    assert_non_null(strstr(detail.text, "replaced by a newer one"));
    same_keys(0x105e0, 0x105e7, 1);
}

struct told_lines {
    unsigned refused;
    uint64_t line, id;
    char text[100];
};

static void tell_line(void *ctx, const struct fleet_line *line, unsigned id_bits)
{
    struct told_lines *told = ctx;
    (void)id_bits;
    if (line->verdict != FLEET_REFUSED)
        return;
    told->refused++;
    told->line = line->line;
    told->id = line->id;
    snprintf(told->text, sizeof(told->text), "%s", line->text);
}

static void revoked_and_destroyed_nodes_are_refused(void **state)
{
    (void)state;
    struct fleet_import_result result;
    struct fleet_node_generated made;
    uint64_t changed;
    assert_ok(site_import(&op, NETWORK, batch, NULL, &result));
    assert_ok(fleet_node_change(&op.call, NETWORK, (struct fleet_range){0x10201, 0x10201},
                                FLEET_NODE_REVOKE, NULL, &changed));
    assert_ok(site_import(&op, NETWORK, batch, NULL, &result));
    assert_int_equal(result.count[FLEET_UNCHANGED], 1000);
    assert_ok(fleet_node_change(&op.call, NETWORK, (struct fleet_range){0x10205, 0x10205},
                                FLEET_NODE_DESTROY, NULL, &changed));
    struct fleet_node_generate again = {
        .network = NETWORK, .range = {0x10200, 0x10207}, .batch = 9, .reprovision = true};
    assert_ok(fleet_node_generate(&factory.call, &again, NULL, &made));
    const char *next = site_file(&factory, "batch9.csv.rsa");
    assert_ok(site_export(&factory, &op, NETWORK, 9, next, NULL));
    struct told_lines told = {0};
    struct fleet_import request = site_request(NETWORK, next);
    request.line = tell_line;
    request.line_ctx = &told;
    assert_err(fleet_batch_import(&op.call, &request, NULL, &result), ERR_REFUSED);
    assert_int_equal(told.refused, 2);
    assert_int_equal(told.id, 0x10205);
    assert_int_equal(told.line, 6);
    assert_string_equal(told.text, "the node is destroyed");
    assert_false(result.merged);
    request.skip_refused = true;
    assert_ok(fleet_batch_import(&op.call, &request, NULL, &result));
    assert_int_equal(result.count[FLEET_REPROVISIONED], 6);
    assert_int_equal(result.count[FLEET_REFUSED], 2);
    same_keys(0x10202, 0x10204, 1);
}

/* path.suffix with one bit turned; back again by the second call. */
static void flip(const char *path, const char *suffix, size_t bit)
{
    char name[700];
    snprintf(name, sizeof(name), "%s%s", path, suffix);
    struct buf content = site_read(name);
    content.data[bit / 8 % content.len] ^= (uint8_t)(1u << (bit % 8));
    site_write(name, buf_view(&content));
    buf_done(&content);
}

static size_t bits_of(const char *path, const char *suffix)
{
    char name[700];
    snprintf(name, sizeof(name), "%s%s", path, suffix);
    struct buf content = site_read(name);
    size_t bits = content.len * 8;
    buf_done(&content);
    return bits;
}

static void a_flipped_bit_refuses_the_file(void **state)
{
    (void)state;
    static const char *const suffixes[] = {"", ".sig", ".manifest"};
    static const size_t steps[] = {4567, 5, 733};
    struct fleet_import_result result;
    const char *small = site_file(&factory, "small.csv.rsa");
    site_generate(&factory, NETWORK, 1, 5, 1);
    assert_ok(site_export(&factory, &op, NETWORK, 1, small, NULL));
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        size_t step = i == 0 ? 37 : i == 2 ? 11 : steps[i];
        for (size_t bit = 0; bit < bits_of(small, suffixes[i]); bit += step) {
            struct err_detail detail = {0};
            flip(small, suffixes[i], bit);
            enum err err = site_import(&op, NETWORK, small, &detail, &result);
            if (err == ERR_OK)
                fail_msg("bit %zu of *%s", bit, suffixes[i]);
            assert_true(detail.text[0] != '\0');
            flip(small, suffixes[i], bit);
        }
    }
    assert_int_equal(site_nodes(&op, NETWORK), 0);
    assert_ok(site_import(&op, NETWORK, small, NULL, &result));
}

static void a_cut_file_is_refused(void **state)
{
    (void)state;
    static const char *const suffixes[] = {"", ".sig", ".manifest"};
    struct fleet_import_result result;
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        char name[700];
        snprintf(name, sizeof(name), "%s%s", batch, suffixes[i]);
        struct buf content = site_read(name);
        for (size_t part = 0; part < 4; part++) {
            site_write(
                name, bytes_of(content.data, part == 3 ? content.len - 1 : content.len * part / 3));
            assert_true(site_import(&op, NETWORK, batch, NULL, &result) != ERR_OK);
        }
        assert_int_equal(unlink(name), 0);
        assert_true(site_import(&op, NETWORK, batch, NULL, &result) != ERR_OK);
        site_write(name, buf_view(&content));
        buf_done(&content);
    }
    assert_int_equal(site_nodes(&op, NETWORK), 0);
    assert_ok(site_import(&op, NETWORK, batch, NULL, &result));
}

/* A manifest whose MAC is right, as somebody at the factory could make it. */
static void sign_manifest(struct buf *text)
{
    struct net *net = NULL;
    uint32_t session;
    uint8_t mac[16];
    assert_ok(net_read(factory.fleet, NETWORK, NULL, &net));
    struct keeper_row row = {net->id, KEEPER_PASSPHRASE, net->pass.version, net->pass.epoch};
    assert_ok(keeper_mac_begin(factory.call.keeper, "test", row,
                               keeper_sealed_view(&net->pass.sealed.sealed), &session, NULL));
    assert_ok(keeper_mac_update(factory.call.keeper, session, buf_view(text), NULL));
    assert_ok(keeper_mac_end(factory.call.keeper, session, mac, NULL));
    char hex[33];
    for (size_t i = 0; i < 16; i++)
        snprintf(hex + 2 * i, 3, "%02x", mac[i]);
    assert_ok(buf_printf(text, "cmac: %s\n", hex));
    net_freep(&net);
}

/* Replaces `find` in the manifest by `put` and the count by `nodes`. */
static enum err import_edited(const char *find, const char *put, unsigned nodes,
                              struct err_detail *detail)
{
    char name[700];
    snprintf(name, sizeof(name), "%s.manifest", batch);
    struct buf text = site_read(name), edited = {0};
    char *copy = strndup((const char *)text.data, text.len - 39);
    char *count = strstr(copy, "nodes: 1000\n");
    char *at = strstr(copy, find);
    assert_non_null(at);
    assert_non_null(count);
    assert_ok(buf_append(&edited, bytes_of(copy, (size_t)(count - copy))));
    assert_ok(buf_printf(&edited, "nodes: %u\n", nodes));
    count += strlen("nodes: 1000\n");
    assert_ok(buf_append(&edited, bytes_of(count, (size_t)(at - count))));
    assert_ok(buf_printf(&edited, "%s%s", put, at + strlen(find)));
    sign_manifest(&edited);
    site_write(name, buf_view(&edited));
    struct fleet_import_result result;
    enum err err = site_import(&op, NETWORK, batch, detail, &result);
    site_write(name, buf_view(&text));
    buf_done(&text);
    buf_done(&edited);
    free(copy);
    return err;
}

static void the_manifest_must_name_the_same_nodes(void **state)
{
    (void)state;
    struct err_detail detail = {0};
    assert_err(import_edited("0x00010210\n", "", 999, &detail), ERR_MISMATCH);
    assert_non_null(strstr(detail.text, "0x00010210"));
    assert_err(import_edited("0x00010210\n", "0x00010210\n0x00020000\n", 1001, &detail),
               ERR_MISMATCH);
    assert_non_null(strstr(detail.text, "0x00020000"));
    assert_err(import_edited("0x000105e7\n", "0x000105e7\n0x000105e8\n", 1001, &detail),
               ERR_MISMATCH);
    assert_non_null(strstr(detail.text, "0x000105e8"));
    assert_err(import_edited("0x000105e7\n", "", 999, &detail), ERR_MISMATCH);
    assert_err(import_edited("0x00010210\n", "0x0001ffff\n", 1000, &detail), ERR_MISMATCH);
    assert_err(import_edited("0x00010210\n", "0x00010210\n", 999, &detail), ERR_MISMATCH);
    assert_int_equal(site_nodes(&op, NETWORK), 0);
    assert_ok(import_edited("0x00010210\n", "0x00010210\n", 1000, &detail));
}

static void files_for_others_are_refused(void **state)
{
    (void)state;
    struct err_detail detail = {0};
    struct fleet_import_result result;
    site_network(&op, "metro-west", "metro-west.example", 32);
    assert_err(site_import(&op, "metro-west", batch, &detail, &result), ERR_MISMATCH);
    assert_non_null(strstr(detail.text, NETWORK));
    assert_ok(
        fleet_network_set_passphrase(&op.call, NETWORK, bytes_str("another passphrase"), &detail));
    assert_err(site_import(&op, NETWORK, batch, &detail, &result), ERR_MISMATCH);
    assert_non_null(strstr(detail.text, "version 1"));
    /* A network of the same name that has nothing to do with the factory's. */
    struct site third = {0};
    site_begin(&third, NULL);
    site_network(&third, NETWORK, REALM, 32);
    assert_err(site_import(&third, NETWORK, batch, &detail, &result), ERR_MISMATCH);
    assert_non_null(strstr(detail.text, "passphrase"));
    site_end(&third);
    /* Encrypted to somebody else's key. */
    struct rsa_private *other = NULL;
    struct buf pem = {0};
    assert_ok(rsa_private_generate(2048, &other, NULL));
    assert_ok(rsa_public_to_pem(rsa_private_public(other), &pem));
    struct fleet_export request = {.network = NETWORK,
                                   .batch = 7,
                                   .recipient_pem = buf_view(&pem),
                                   .path = site_file(&factory, "other.csv.rsa"),
                                   .name = "batch.csv.rsa"};
    struct fleet_export_result exported;
    assert_ok(fleet_batch_export(&factory.call, &request, NULL, &exported));
    assert_err(site_import(&factory, NETWORK, request.path, &detail, &result), ERR_DECRYPT);
    rsa_private_free(other);
    buf_done(&pem);
}

static void exports_can_fail(void **state)
{
    (void)state;
    struct err_detail detail = {0};
    const char *path = site_file(&factory, "none.csv.rsa");
    assert_err(site_export(&factory, &op, NETWORK, 99, path, &detail), ERR_NOT_FOUND);
    assert_int_equal(access(path, F_OK), -1);
    assert_err(site_export(&factory, &op, NETWORK, 7, batch, &detail), ERR_EXISTS);
    assert_int_equal(access(batch, F_OK), 0);
    struct fleet_export request = {
        .network = NETWORK, .recipient_pem = bytes_str("no key"), .path = path, .name = "x"};
    struct fleet_export_result result;
    assert_true(fleet_batch_export(&factory.call, &request, &detail, &result) != ERR_OK);
}

/* Slower than asked for, but whole. */
static void exports_keep_to_the_rate(void **state)
{
    (void)state;
    struct fleet_import_result result;
    struct site slow = {0};
    struct rig_options options = {.policy = rig_open_policy()};
    options.policy.rates[KEEPER_EXPORT_BATCH] = (struct keeper_rate){1500, 500};
    site_begin(&slow, &options);
    site_hand_over(&op, &slow, NETWORK);
    site_generate(&slow, NETWORK, 0x10200, 0x10dff, 4);
    const char *path = site_file(&slow, "slow.csv.rsa");
    assert_ok(site_export(&slow, &op, NETWORK, 4, path, NULL));
    assert_ok(site_import(&op, NETWORK, path, NULL, &result));
    assert_int_equal(result.count[FLEET_NEW], 3072);
    site_end(&slow);
}

static void backups_are_restored(void **state)
{
    (void)state;
    struct fleet_import_result result;
    struct err_detail detail = {0};
    assert_ok(site_import(&op, NETWORK, batch, NULL, &result));
    site_generate(&factory, NETWORK, 1, 20, 3);
    const char *next = site_file(&factory, "batch3.csv.rsa");
    assert_ok(site_export(&factory, &op, NETWORK, 3, next, NULL));
    struct fleet_import request = site_request(NETWORK, next);
    request.backup = true;
    assert_ok(fleet_batch_import(&op.call, &request, NULL, &result));
    assert_non_null(strstr(result.backup_path, "/keyring."));
    char backup[FLEET_PATH_MAX];
    memcpy(backup, result.backup_path, sizeof(backup));
    /* Into the network as it is, and into a server that lost it. */
    struct fleet_import restore = site_request(NETWORK, backup);
    assert_ok(fleet_keyring_import(&op.call, &restore, NULL, &detail, &result));
    assert_int_equal(result.count[FLEET_UNCHANGED], 1000);
    assert_ok(fleet_network_destroy(&op.call, NETWORK, NETWORK, NULL));
    struct fleet_network_create create = {.name = NETWORK,
                                          .realm = REALM,
                                          .passphrase = bytes_str(PASSPHRASE),
                                          .argon_passes = 1,
                                          .argon_memory_kib = 8192,
                                          .argon_lanes = 1};
    if (fleet_keyring_import(&op.call, &restore, &create, &detail, &result) != ERR_OK)
        fail_msg("restore: %s", detail.text);
    assert_int_equal(result.count[FLEET_NEW], 1000);
    same_keys(0x10200, 0x105e7, 111);
    assert_ok(site_import(&op, NETWORK, next, &detail, &result));
}

static void a_full_disk_changes_nothing(void **state)
{
    (void)state;
    struct fleet_import_result result;
    struct err_detail detail = {0};
    uint8_t key[16];
    site_generate(&op, NETWORK, 1, 10, 1);
    struct store_stats stats;
    store_stats(op.store, &stats);
    site_close(&op);
    op.max_bytes = stats.file_bytes + 40 * 1024;
    site_open(&op);
    assert_err(site_import(&op, NETWORK, batch, &detail, &result), ERR_DISK_FULL);
    assert_int_equal(site_nodes(&op, NETWORK), 10);
    assert_ok(site_node_key(&op, REALM, 1, key));
    site_close(&op);
    op.max_bytes = 0;
    site_open(&op);
    assert_ok(site_import(&op, NETWORK, batch, &detail, &result));
    assert_int_equal(result.count[FLEET_NEW], 1000);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
TEST_MAIN(CASE(what_is_exported_arrives), CASE(a_dry_run_only_tells),
          CASE(reprovisioned_nodes_keep_their_history),
          CASE(revoked_and_destroyed_nodes_are_refused), CASE(a_flipped_bit_refuses_the_file),
          CASE(a_cut_file_is_refused), CASE(the_manifest_must_name_the_same_nodes),
          CASE(files_for_others_are_refused), CASE(exports_can_fail),
          CASE(exports_keep_to_the_rate), CASE(backups_are_restored),
          CASE(a_full_disk_changes_nothing))
