#include "fleet/peer.h"

#include "site.h"

static struct site a;

static int begin(void **state)
{
    (void)state;
    site_begin(&a, NULL);
    site_network(&a, "metro-east", "metro-east.example", 32);
    site_network(&a, "metro-west", "metro-west.example", 32);
    return 0;
}

static int end(void **state)
{
    (void)state;
    site_end(&a);
    return 0;
}

static void create(const char *host)
{
    struct fleet_peer_create request = {.host = host, .realm = "metro-east.example"};
    uint32_t id;
    assert_ok(fleet_peer_create(&a.call, &request, NULL, &id));
}

static enum err may_read(struct fleet_lookup *lookup, const char *host, const char *realm)
{
    const struct fleet_peer_view *peer;
    const struct fleet_network_view *network;
    assert_ok(fleet_lookup_begin(lookup, NULL));
    enum err err = fleet_lookup_peer(lookup, bytes_str(host), &peer);
    if (err == ERR_OK)
        err = fleet_lookup_network(lookup, bytes_str(realm), &network);
    if (err == ERR_OK)
        err = fleet_lookup_allowed(lookup, peer, network);
    fleet_lookup_end(lookup);
    return err;
}

static void rights_come_and_go_at_once(void **state)
{
    (void)state;
    struct fleet_lookup *lookup = NULL;
    uint64_t generation = fleet_generation(a.fleet);
    assert_ok(fleet_lookup_new(a.fleet, NULL, &lookup));
    assert_err(may_read(lookup, "gw1.metro-east.example", "metro-east.example"), ERR_NOT_FOUND);
    create("GW1.metro-east.example");
    assert_true(fleet_generation(a.fleet) > generation);
    assert_err(may_read(lookup, "gw1.metro-east.example", "metro-east.example"), ERR_DENIED);
    assert_ok(fleet_peer_allow(&a.call, "gw1.metro-east.example", "metro-east", true, NULL));
    assert_ok(fleet_peer_allow(&a.call, "gw1.metro-east.example", "metro-east", true, NULL));
    assert_ok(may_read(lookup, "gw1.METRO-east.example", "metro-EAST.example"));
    assert_err(may_read(lookup, "gw1.metro-east.example", "metro-west.example"), ERR_DENIED);
    assert_err(may_read(lookup, "gw1.metro-east.example", "nowhere.example"), ERR_NOT_FOUND);
    assert_ok(fleet_peer_set(&a.call, "gw1.metro-east.example",
                             &(struct fleet_peer_set){.enabled = &(bool){false}}, NULL));
    assert_err(may_read(lookup, "gw1.metro-east.example", "metro-east.example"), ERR_DENIED);
    assert_ok(fleet_peer_set(&a.call, "gw1.metro-east.example",
                             &(struct fleet_peer_set){.enabled = &(bool){true}}, NULL));
    assert_ok(may_read(lookup, "gw1.metro-east.example", "metro-east.example"));
    assert_ok(fleet_peer_allow(&a.call, "gw1.metro-east.example", "metro-east", false, NULL));
    assert_err(may_read(lookup, "gw1.metro-east.example", "metro-east.example"), ERR_DENIED);
    assert_ok(fleet_peer_remove(&a.call, "gw1.metro-east.example", NULL));
    assert_err(may_read(lookup, "gw1.metro-east.example", "metro-east.example"), ERR_NOT_FOUND);
    fleet_lookup_free(lookup);
}

static void secrets_are_sealed(void **state)
{
    (void)state;
    struct fleet_peer_info *info = calloc(1, sizeof(*info));
    struct fleet_lookup *lookup = NULL;
    const struct fleet_peer_view *view;
    uint32_t session;
    uint8_t mac[16];
    create("gw1.metro-east.example");
    assert_ok(fleet_peer_set_secret(&a.call, "gw1.metro-east.example",
                                    bytes_str("0123456789abcdef"), NULL));
    assert_ok(fleet_peer_show(&a.call, "gw1.metro-east.example", NULL, info));
    assert_true(info->peer.has_secret);
    site_close(&a);
    site_open(&a);
    assert_ok(fleet_lookup_new(a.fleet, NULL, &lookup));
    assert_ok(fleet_lookup_begin(lookup, NULL));
    assert_ok(fleet_lookup_peer(lookup, bytes_str("gw1.metro-east.example"), &view));
    assert_ok(
        keeper_mac_begin(a.call.keeper, "test", view->secret_row, view->secret, &session, NULL));
    assert_ok(keeper_mac_end(a.call.keeper, session, mac, NULL));
    fleet_lookup_end(lookup);
    fleet_lookup_free(lookup);
    assert_ok(fleet_peer_set_secret(&a.call, "gw1.metro-east.example", (struct bytes){0}, NULL));
    assert_ok(fleet_peer_show(&a.call, "gw1.metro-east.example", NULL, info));
    assert_false(info->peer.has_secret);
    uint8_t longer[FLEET_SECRET_MAX + 1] = {1};
    assert_err(fleet_peer_set_secret(&a.call, "gw1.metro-east.example", BYTES(longer), NULL),
               ERR_LIMIT);
    assert_err(fleet_peer_set_secret(&a.call, "gw2.metro-east.example", bytes_str("x"), NULL),
               ERR_NOT_FOUND);
    free(info);
}

static void the_property_files_peers_read_their_realm(void **state)
{
    (void)state;
    struct fleet_lookup *lookup = NULL;
    const struct fleet_static_peer peers[] = {
        {.host = "gw1.example", .realm = "metro-east.example"},
        {.host = "GW2.example", .realm = "Metro-West.example"},
    };
    assert_ok(fleet_lookup_new(a.fleet, NULL, &lookup));
    assert_ok(fleet_peers_from_file(a.fleet, peers, 2, NULL));
    assert_ok(may_read(lookup, "gw1.example", "metro-east.example"));
    assert_err(may_read(lookup, "gw1.example", "metro-west.example"), ERR_DENIED);
    assert_ok(may_read(lookup, "gw2.example", "metro-west.example"));
    create("gw1.example"); /* a stored one goes first */
    assert_err(may_read(lookup, "gw1.example", "metro-east.example"), ERR_DENIED);
    site_network(&a, "metro-north", "metro-north.example", 32);
    assert_ok(fleet_peers_from_file(
        a.fleet, &(struct fleet_static_peer){.host = "gw3.example", .realm = "metro-north.example"},
        1, NULL));
    assert_ok(may_read(lookup, "gw3.example", "metro-north.example"));
    assert_err(may_read(lookup, "gw2.example", "metro-west.example"), ERR_NOT_FOUND);
    const struct fleet_static_peer bad = {.host = "no host", .realm = "metro-east.example"};
    assert_err(fleet_peers_from_file(a.fleet, &bad, 1, NULL), ERR_ARGUMENT);
    assert_ok(may_read(lookup, "gw3.example", "metro-north.example"));
    fleet_lookup_free(lookup);
}

static void refusals(void **state)
{
    (void)state;
    struct fleet_peer_create request = {.host = "gw1.example", .realm = "metro-east.example"};
    uint32_t id;
    create("gw1.example");
    assert_err(fleet_peer_create(&a.call, &request, NULL, &id), ERR_EXISTS);
    request.host = "not a host";
    assert_err(fleet_peer_create(&a.call, &request, NULL, &id), ERR_ARGUMENT);
    assert_err(fleet_peer_allow(&a.call, "gw1.example", "nowhere", true, NULL), ERR_NOT_FOUND);
    assert_err(fleet_peer_allow(&a.call, "gw9.example", "metro-east", true, NULL), ERR_NOT_FOUND);
    assert_err(fleet_peer_remove(&a.call, "gw9.example", NULL), ERR_NOT_FOUND);
    struct fleet_call nobody = a.call;
    nobody.actor = vault_actor_peer(bytes_str("gw1.example"));
    assert_err(fleet_peer_allow(&nobody, "gw1.example", "metro-east", true, NULL), ERR_DENIED);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
TEST_MAIN(CASE(rights_come_and_go_at_once), CASE(secrets_are_sealed),
          CASE(the_property_files_peers_read_their_realm), CASE(refusals))
