#include "vault/access.h"

#include "support/test.h"

static void root_and_the_daemon_administer(void **state)
{
    (void)state;
    struct err_detail detail = {0};
    struct vault_actor root = vault_actor_local(0, 990), daemon = vault_actor_local(990, 990),
                       other = vault_actor_local(1000, 990);
    assert_string_equal(root.name, "uid:0");
    for (unsigned i = 0; i < VAULT_ACTION_COUNT; i++) {
        assert_ok(vault_may(&root, (enum vault_action)i, NULL));
        assert_ok(vault_may(&daemon, (enum vault_action)i, NULL));
        assert_err(vault_may(&other, (enum vault_action)i, &detail),
                   i == VAULT_LOGIN ? ERR_OK : ERR_DENIED);
    }
    assert_non_null(strstr(detail.text, "uid:1000"));
    assert_err(vault_may(&root, VAULT_ACTION_COUNT, NULL), ERR_DENIED);
}

static void a_peer_gets_keys_and_nothing_else(void **state)
{
    (void)state;
    struct vault_actor peer = vault_actor_peer(bytes_str("gw1.metro-east.example"));
    for (unsigned i = 0; i < VAULT_ACTION_COUNT; i++)
        assert_err(vault_may(&peer, (enum vault_action)i, NULL),
                   i == VAULT_KEY_RELEASE ? ERR_OK : ERR_DENIED);
}

static void a_client_of_kmip_has_nothing_here(void **state)
{
    (void)state;
    struct vault_actor client = vault_actor_client(bytes_str("db cluster"));
    assert_string_equal(client.name, "db?cluster");
    for (unsigned i = 0; i < VAULT_ACTION_COUNT; i++)
        assert_err(vault_may(&client, (enum vault_action)i, NULL), ERR_DENIED);
}

static void a_peers_name_can_do_no_harm(void **state)
{
    (void)state;
    char longer[200];
    memset(longer, 'x', sizeof(longer));
    struct vault_actor peer = vault_actor_peer(BYTES(longer));
    assert_int_equal(strlen(peer.name), VAULT_ACTOR_MAX);
    peer = vault_actor_peer(bytes_of("a\nb\0c\x1b", 6));
    assert_string_equal(peer.name, "a?b?c?");
}

TEST_MAIN(cmocka_unit_test(root_and_the_daemon_administer),
          cmocka_unit_test(a_peer_gets_keys_and_nothing_else),
          cmocka_unit_test(a_client_of_kmip_has_nothing_here),
          cmocka_unit_test(a_peers_name_can_do_no_harm))
