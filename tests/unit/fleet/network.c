#include "fleet/network.h"

#include "base/clock.h"
#include "site.h"

static struct site a;
static struct fleet_network shown;

static int begin(void **state)
{
    (void)state;
    site_begin(&a, NULL);
    return 0;
}

static int end(void **state)
{
    (void)state;
    clock_fake_us(0);
    site_end(&a);
    return 0;
}

static enum err get_key(const char *realm, enum fleet_key_kind kind, uint32_t version,
                        struct fleet_found *found)
{
    struct fleet_lookup *lookup = NULL;
    const struct fleet_network_view *network;
    assert_ok(fleet_lookup_new(a.fleet, NULL, &lookup));
    assert_ok(fleet_lookup_begin(lookup, NULL));
    assert_ok(fleet_lookup_network(lookup, bytes_str(realm), &network));
    enum err err = fleet_lookup_key(lookup, network, kind, version, found);
    fleet_lookup_end(lookup);
    fleet_lookup_free(lookup);
    return err;
}

static void create_and_show(void **state)
{
    (void)state;
    site_network(&a, "metro-east", "Metro-East.Example", 0);
    assert_ok(fleet_network_show(&a.call, "metro-east", NULL, &shown));
    assert_string_equal(shown.realm, "metro-east.example");
    assert_int_equal(shown.id_bits, 32);
    assert_int_equal(shown.keys, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(shown.key[i].version, 1);
        assert_int_equal(shown.key[i].state, FLEET_KEY_ACTIVE);
    }
    assert_err(fleet_network_show(&a.call, "metro-west", NULL, &shown), ERR_NOT_FOUND);
}

static void bad_networks_are_refused(void **state)
{
    (void)state;
    site_network(&a, "metro-east", "metro-east.example", 0);
    struct fleet_network_create request = {.name = "metro-east",
                                           .realm = "other.example",
                                           .passphrase = bytes_str(PASSPHRASE),
                                           .argon_passes = 1,
                                           .argon_memory_kib = 8192,
                                           .argon_lanes = 1};
    uint32_t id = 77;
    assert_err(fleet_network_create(&a.call, &request, NULL, &id), ERR_EXISTS);
    request.name = "other";
    request.realm = "METRO-EAST.example";
    assert_err(fleet_network_create(&a.call, &request, NULL, &id), ERR_EXISTS);
    request.realm = "not a realm";
    assert_err(fleet_network_create(&a.call, &request, NULL, &id), ERR_ARGUMENT);
    request.realm = "other.example";
    request.passphrase = bytes_str("short");
    assert_err(fleet_network_create(&a.call, &request, NULL, &id), ERR_ARGUMENT);
    request.passphrase = bytes_str(PASSPHRASE);
    request.id_bits = 48;
    assert_err(fleet_network_create(&a.call, &request, NULL, &id), ERR_ARGUMENT);
    request.id_bits = 0;
    struct fleet_call nobody = a.call;
    nobody.actor = vault_actor_local(1000, 1);
    assert_err(fleet_network_create(&nobody, &request, NULL, &id), ERR_DENIED);
    request.argon_memory_kib = 1; /* the keeper refuses: nothing may stay */
    assert_err(fleet_network_create(&a.call, &request, NULL, &id), ERR_LIMIT);
    assert_int_equal(vault_domain_list(a.vault, "network", NULL, 0), 1);
    request.argon_memory_kib = 8192;
    assert_ok(fleet_network_create(&a.call, &request, NULL, &id));
}

static void rotation_keeps_the_previous_version(void **state)
{
    (void)state;
    struct fleet_found found, old;
    uint32_t version;
    site_network(&a, "metro-east", "metro-east.example", 0);
    assert_ok(get_key("METRO-east.example", FLEET_KEY_GATEWAY, 0, &old));
    assert_int_equal(old.version, 1);
    assert_int_equal(old.key_len, 24);
    assert_int_equal(old.lifetime_s, 3600);
    assert_ok(fleet_network_rotate(&a.call, "metro-east", FLEET_KEY_GATEWAY, 0, NULL, &version));
    assert_int_equal(version, 2);
    assert_ok(get_key("metro-east.example", FLEET_KEY_GATEWAY, 0, &found));
    assert_int_equal(found.version, 2);
    assert_ok(get_key("metro-east.example", FLEET_KEY_GATEWAY, 1, &found));
    assert_int_equal(found.sealed_len, old.sealed_len);
    assert_memory_equal(found.sealed, old.sealed, old.sealed_len);
    assert_err(get_key("metro-east.example", FLEET_KEY_GATEWAY, 3, &found), ERR_STATE);
    assert_ok(get_key("metro-east.example", FLEET_KEY_CDLD, 0, &found));
    assert_int_equal(found.version, 1);
    assert_int_equal(found.key_len, 16);

    assert_err(fleet_network_retire(&a.call, "metro-east", FLEET_KEY_GATEWAY, 2, false, NULL),
               ERR_STATE);
    assert_err(fleet_network_retire(&a.call, "metro-east", FLEET_KEY_GATEWAY, 9, false, NULL),
               ERR_NOT_FOUND);
    assert_ok(fleet_network_retire(&a.call, "metro-east", FLEET_KEY_GATEWAY, 1, false, NULL));
    assert_err(get_key("metro-east.example", FLEET_KEY_GATEWAY, 1, &found), ERR_STATE);
    assert_ok(fleet_network_retire(&a.call, "metro-east", FLEET_KEY_GATEWAY, 1, true, NULL));
    assert_ok(fleet_network_show(&a.call, "metro-east", NULL, &shown));
    assert_int_equal(shown.key[0].state, FLEET_KEY_DESTROYED);
    assert_int_equal(shown.key[1].state, FLEET_KEY_ACTIVE);
}

static void a_version_waits_for_its_date(void **state)
{
    (void)state;
    struct fleet_found found;
    uint32_t version;
    int64_t start = 1800000000;
    clock_fake_us((uint64_t)start * 1000000);
    site_network(&a, "metro-east", "metro-east.example", 0);
    assert_ok(
        fleet_network_rotate(&a.call, "metro-east", FLEET_KEY_CDLD, start + 1000, NULL, &version));
    assert_err(fleet_network_rotate(&a.call, "metro-east", FLEET_KEY_CDLD, 0, NULL, &version),
               ERR_STATE);
    assert_ok(get_key("metro-east.example", FLEET_KEY_CDLD, 0, &found));
    assert_int_equal(found.version, 1);
    assert_int_equal(found.lifetime_s, 1000);
    assert_err(get_key("metro-east.example", FLEET_KEY_CDLD, 2, &found), ERR_STATE);
    assert_ok(fleet_network_show(&a.call, "metro-east", NULL, &shown));
    assert_int_equal(shown.key[2].state, FLEET_KEY_PRE_ACTIVE);
    clock_fake_us((uint64_t)(start + 1000) * 1000000);
    assert_ok(get_key("metro-east.example", FLEET_KEY_CDLD, 0, &found));
    assert_int_equal(found.version, 2);
    assert_int_equal(found.lifetime_s, 3600);
    assert_ok(get_key("metro-east.example", FLEET_KEY_CDLD, 1, &found));
}

static void passphrases(void **state)
{
    (void)state;
    site_network(&a, "metro-east", "metro-east.example", 0);
    struct bytes right = bytes_str(PASSPHRASE), wrong = bytes_str("correct horse batterz");
    assert_ok(fleet_network_check_passphrase(&a.call, "metro-east", right, NULL));
    assert_err(fleet_network_check_passphrase(&a.call, "metro-east", wrong, NULL), ERR_MISMATCH);
    assert_ok(fleet_network_set_passphrase(&a.call, "metro-east", wrong, NULL));
    assert_err(fleet_network_check_passphrase(&a.call, "metro-east", right, NULL), ERR_MISMATCH);
    assert_ok(fleet_network_check_passphrase(&a.call, "metro-east", wrong, NULL));
    assert_ok(fleet_network_show(&a.call, "metro-east", NULL, &shown));
    assert_int_equal(shown.passphrase_version, 2);
}

static void destroyed_is_gone(void **state)
{
    (void)state;
    site_network(&a, "metro-east", "metro-east.example", 0);
    site_network(&a, "metro-west", "metro-west.example", 64);
    site_generate(&a, "metro-east", 1, 10, 1);
    site_generate(&a, "metro-west", 1, 10, 1);
    assert_err(fleet_network_destroy(&a.call, "metro-east", "metro-est", NULL), ERR_MISMATCH);
    assert_ok(fleet_network_destroy(&a.call, "metro-east", "metro-east", NULL));
    assert_err(fleet_network_show(&a.call, "metro-east", NULL, &shown), ERR_NOT_FOUND);
    assert_int_equal(site_nodes(&a, "metro-west"), 10);
    site_network(&a, "metro-east", "metro-east.example", 0);
    assert_int_equal(site_nodes(&a, "metro-east"), 0);
}

static void a_destruction_that_was_cut_off_is_finished(void **state)
{
    (void)state;
    site_network(&a, "metro-east", "metro-east.example", 0);
    site_generate(&a, "metro-east", 1, 10, 1);
    assert_ok(fleet_network_show(&a.call, "metro-east", NULL, &shown));
    assert_ok(vault_domain_destroy(a.vault, a.call.keeper, "test", shown.id, NULL));
    site_close(&a);
    site_open(&a);
    assert_err(fleet_network_show(&a.call, "metro-east", NULL, &shown), ERR_NOT_FOUND);
    struct fleet_counts counts;
    assert_ok(fleet_count(a.fleet, NULL, &counts));
    assert_int_equal(counts.networks, 0);
    assert_int_equal(counts.nodes, 0);
}

static void everything_is_there_after_a_stop(void **state)
{
    (void)state;
    struct fleet_found before, after;
    site_network(&a, "metro-east", "metro-east.example", 0);
    assert_ok(get_key("metro-east.example", FLEET_KEY_GATEWAY, 0, &before));
    site_close(&a);
    site_open(&a);
    assert_ok(get_key("metro-east.example", FLEET_KEY_GATEWAY, 0, &after));
    assert_memory_equal(before.sealed, after.sealed, before.sealed_len);
    assert_ok(
        rig_release(&a.rig, &after.row, bytes_of(after.sealed, after.sealed_len), NULL, NULL));
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
TEST_MAIN(CASE(create_and_show), CASE(bad_networks_are_refused),
          CASE(rotation_keeps_the_previous_version), CASE(a_version_waits_for_its_date),
          CASE(passphrases), CASE(destroyed_is_gone),
          CASE(a_destruction_that_was_cut_off_is_finished), CASE(everything_is_there_after_a_stop))
