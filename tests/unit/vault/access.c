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

/* The table once more, as a list of what nobody but these may do. */
static void roles_have_what_the_table_says(void **state)
{
    (void)state;
    static const struct {
        enum vault_action action;
        const char *roles; /* beside administrator */
    } cases[] = {
        {VAULT_STATUS, "operator factory officer auditor headend backoffice technician station"},
        {VAULT_SESSION, "operator factory officer auditor headend backoffice technician"},
        {VAULT_LINE, "station"},
        {VAULT_USER_MANAGE, ""},
        {VAULT_USER_READ, "officer auditor"},
        {VAULT_AUDIT_READ, "officer auditor"},
        {VAULT_NETWORK_READ, "operator officer auditor"},
        {VAULT_NETWORK_MANAGE, "operator"},
        {VAULT_NODE_MANAGE, "operator"},
        {VAULT_KEY_RELEASE, ""},
        {VAULT_KEY_IMPORT, "operator"},
        {VAULT_KEY_EXPORT, "operator officer"},
        {VAULT_KEYRING_EXPORT, "officer"},
        {VAULT_DOMAIN_ROTATE, "officer"},
        {VAULT_BACKUP, "officer"},
        {VAULT_CLIENT_MANAGE, "officer"},
        {VAULT_OBJECT_READ, "officer auditor"},
        {VAULT_FACTORY_READ, "factory auditor"},
        {VAULT_FACTORY_MANAGE, "factory"},
        {VAULT_FACTORY_EXPORT, "factory"},
        {VAULT_FILE, "operator factory officer"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (unsigned role = 0; role < VAULT_ROLE_COUNT; role++) {
            const char *name = vault_role_name((enum vault_role)role);
            if (name == NULL)
                continue;
            struct vault_actor actor = vault_actor_person("alice", (enum vault_role)role);
            bool may = role == VAULT_ROLE_ADMINISTRATOR || strstr(cases[i].roles, name) != NULL;
            enum err err = vault_may(&actor, cases[i].action, NULL);
            if ((err == ERR_OK) != may)
                fail_msg("%s, action %u: %s", name, cases[i].action, err_text(err));
        }
    }
}

static void only_peoples_roles_are_found(void **state)
{
    (void)state;
    enum vault_role role = VAULT_ROLE_NOBODY;
    assert_ok(vault_role_find("backoffice", &role, NULL));
    assert_int_equal(role, VAULT_ROLE_BACKOFFICE);
    assert_err(vault_role_find("station", &role, NULL), ERR_ARGUMENT);
    assert_err(vault_role_find("", &role, NULL), ERR_ARGUMENT);
    assert_err(vault_role_find("Administrator", &role, NULL), ERR_ARGUMENT);
    struct vault_actor station = vault_actor_station("line-1");
    assert_int_equal(station.role, VAULT_ROLE_STATION);
    assert_string_equal(station.name, "line-1");
}

TEST_MAIN(cmocka_unit_test(roles_have_what_the_table_says),
          cmocka_unit_test(only_peoples_roles_are_found),
          cmocka_unit_test(root_and_the_daemon_administer),
          cmocka_unit_test(a_peer_gets_keys_and_nothing_else),
          cmocka_unit_test(a_client_of_kmip_has_nothing_here),
          cmocka_unit_test(a_peers_name_can_do_no_harm))
