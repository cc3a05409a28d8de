#include "vault/clients.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "site.h"
#include "vault/state.h"

static struct site site;
static const uint8_t print_a[32] = {0xaa, 1}, print_b[32] = {0xbb, 2}, print_c[32] = {0x0c, 3};

static int begin(void **state)
{
    (void)state;
    site_begin(&site);
    return 0;
}

static int end(void **state)
{
    (void)state;
    site_end(&site);
    return 0;
}

static struct vault_client_new spec(const char *name)
{
    return (struct vault_client_new){.name = name, .kind = VAULT_CLIENT_KMIP, .may = VAULT_MAY_ALL};
}

static struct vault_client create(const struct vault_client_new *new)
{
    struct vault_client client;
    struct err_detail detail = {0};
    if (vault_client_create(site.clients, new, &client, &detail) != ERR_OK)
        fail_msg("%s", detail.text);
    return client;
}

static void a_client_is_known_by_certificate_and_name(void **state)
{
    (void)state;
    static const char *const groups[] = {"disks", "shared"};
    struct vault_client_new new = spec("db-cluster");
    new.certificate = print_a;
    new.groups = groups;
    new.groups_len = 2;
    new.password_verifier = "$argon2id$...";
    new.notify = "10.0.0.1:5696";
    new.may = VAULT_MAY_READ;
    new.placement = VAULT_IN_TOKEN;
    struct vault_client made = create(&new), got;
    struct vault_client_new other = spec("other");
    other.certificate = print_b;
    struct vault_client second = create(&other);
    for (int round = 0; round < 2; round++) {
        char verifier[256], name[VAULT_CLIENT_NAME_MAX + 1];
        assert_ok(vault_client_by_certificate(site.clients, print_a, &got));
        assert_string_equal(got.name, "db-cluster");
        assert_int_equal(got.id, made.id);
        assert_int_equal(got.eyes.client, made.id);
        assert_int_equal(got.eyes.count, 2);
        assert_int_equal(got.may, VAULT_MAY_READ);
        assert_int_equal(got.placement, VAULT_IN_TOKEN);
        assert_string_equal(got.notify, "10.0.0.1:5696");
        assert_true(got.has_password);
        assert_true(got.disabled == VAULT_NO_DATE);
        assert_memory_equal(got.certificate, print_a, 32);
        vault_group_name(site.clients, got.eyes.groups[0], name);
        assert_string_equal(name, "disks");
        vault_group_name(site.clients, got.eyes.groups[1], name);
        assert_string_equal(name, "shared");
        vault_group_name(site.clients, 999, name);
        assert_string_equal(name, "");
        assert_ok(vault_client_password(site.clients, got.id, verifier));
        assert_string_equal(verifier, "$argon2id$...");
        assert_err(vault_client_password(site.clients, second.id, verifier), ERR_NOT_FOUND);
        assert_ok(vault_client_by_name(site.clients, bytes_str("other"), &got));
        assert_int_equal(got.id, second.id);
        assert_int_equal(got.eyes.count, 1);
        assert_int_equal(got.placement, VAULT_IN_STORE);
        uint32_t group;
        assert_ok(vault_group_find(site.clients, "other", &group));
        assert_int_equal(got.eyes.groups[0], group);
        assert_err(vault_group_find(site.clients, "nobody", &group), ERR_NOT_FOUND);
        assert_err(vault_client_by_certificate(site.clients, print_c, &got), ERR_NOT_FOUND);
        assert_err(vault_client_by_name(site.clients, bytes_str("db-cluste"), &got), ERR_NOT_FOUND);
        assert_err(vault_client_by_name(site.clients, bytes_of("other", 6), &got), ERR_NOT_FOUND);
        assert_err(vault_client_by_name(site.clients, bytes_str(""), &got), ERR_NOT_FOUND);
        site_close(&site);
        site_open(&site);
    }
}

static void a_shared_group_is_one(void **state)
{
    (void)state;
    static const char *const a[] = {"a", "shared"}, *const b[] = {"b", "shared"};
    struct vault_client_new new = spec("a");
    new.groups = a;
    new.groups_len = 2;
    struct vault_client first = create(&new);
    new = spec("b");
    new.groups = b;
    new.groups_len = 2;
    struct vault_client second = create(&new);
    assert_int_equal(first.eyes.groups[1], second.eyes.groups[1]);
    assert_int_not_equal(first.eyes.groups[0], second.eyes.groups[0]);
}

static void what_is_taken_or_wrong_is_refused(void **state)
{
    (void)state;
    static const char *const twice[] = {"g", "g"}, *const bad[] = {"a b"};
    static const uint8_t none[32];
    char longer[VAULT_CLIENT_NAME_MAX + 2];
    struct vault_client got;
    struct vault_client_new new = spec("a");
    new.certificate = print_a;
    create(&new);
    new.certificate = NULL;
    assert_err(vault_client_create(site.clients, &new, &got, NULL), ERR_EXISTS);
    new = spec("b");
    new.certificate = print_a;
    assert_err(vault_client_create(site.clients, &new, &got, NULL), ERR_EXISTS);
    new.certificate = none;
    assert_err(vault_client_create(site.clients, &new, &got, NULL), ERR_ARGUMENT);
    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    const char *const names[] = {"", "a b", "a\n", longer, NULL};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        new = spec(names[i]);
        assert_err(vault_client_create(site.clients, &new, &got, NULL), ERR_ARGUMENT);
    }
    new = spec("b");
    new.groups = twice;
    new.groups_len = 2;
    assert_err(vault_client_create(site.clients, &new, &got, NULL), ERR_ARGUMENT);
    new.groups = bad;
    new.groups_len = 1;
    assert_err(vault_client_create(site.clients, &new, &got, NULL), ERR_ARGUMENT);
    new.groups_len = 0;
    assert_err(vault_client_create(site.clients, &new, &got, NULL), ERR_ARGUMENT);
    new.groups_len = VAULT_GROUPS_MAX + 1;
    assert_err(vault_client_create(site.clients, &new, &got, NULL), ERR_LIMIT);
    new = spec("b");
    new.may = VAULT_MAY_ALL + 1;
    assert_err(vault_client_create(site.clients, &new, &got, NULL), ERR_ARGUMENT);
    new = spec("b");
    new.kind = 0;
    assert_err(vault_client_create(site.clients, &new, &got, NULL), ERR_ARGUMENT);
    new = spec("nobody");
    assert_err(vault_client_change(site.clients, "nobody", &new, NULL), ERR_NOT_FOUND);
    assert_err(vault_client_disable(site.clients, "nobody", true, NULL), ERR_NOT_FOUND);
    assert_err(vault_client_remove(site.clients, "nobody", NULL), ERR_NOT_FOUND);
    assert_int_equal(site_ask(&site, "SELECT count(*) FROM client"), 1);
    assert_int_equal(site_ask(&site, "SELECT count(*) FROM grp"), 1);
}

static void a_change_changes_what_it_names(void **state)
{
    (void)state;
    static const char *const groups[] = {"new", "a"};
    struct vault_client_new new = spec("a"), change = {.may = VAULT_MAY_USE};
    new.certificate = print_a;
    struct vault_client before = create(&new), got;
    struct vault_client_new other = spec("b");
    other.certificate = print_b;
    create(&other);
    assert_ok(vault_client_change(site.clients, "a", &change, NULL));
    assert_ok(vault_client_by_certificate(site.clients, print_a, &got));
    assert_int_equal(got.may, VAULT_MAY_USE);
    assert_int_equal(got.eyes.groups[0], before.eyes.groups[0]);
    assert_true(got.not_after == VAULT_NO_DATE);
    change = (struct vault_client_new){.certificate = print_a, .not_after = 1900000000};
    assert_ok(vault_client_change(site.clients, "a", &change, NULL));
    assert_ok(vault_client_by_certificate(site.clients, print_a, &got));
    assert_int_equal(got.not_after, 1900000000);
    change = (struct vault_client_new){.certificate = print_b};
    assert_err(vault_client_change(site.clients, "a", &change, NULL), ERR_EXISTS);
    change = (struct vault_client_new){.certificate = print_c,
                                       .groups = groups,
                                       .groups_len = 2,
                                       .password_verifier = "v",
                                       .placement = VAULT_IN_TOKEN,
                                       .notify = "host:1"};
    assert_ok(vault_client_change(site.clients, "a", &change, NULL));
    assert_err(vault_client_by_certificate(site.clients, print_a, &got), ERR_NOT_FOUND);
    assert_ok(vault_client_by_certificate(site.clients, print_c, &got));
    assert_true(got.not_after == VAULT_NO_DATE); /* of another certificate */
    assert_int_equal(got.eyes.count, 2);
    assert_int_equal(got.eyes.groups[1], before.eyes.groups[0]);
    assert_int_equal(got.placement, VAULT_IN_TOKEN);
    assert_true(got.has_password);
    assert_string_equal(got.notify, "host:1");
}

static void a_disabled_one_is_not_found(void **state)
{
    (void)state;
    struct vault_client_new new = spec("a");
    struct vault_client got;
    new.certificate = print_a;
    create(&new);
    assert_ok(vault_client_disable(site.clients, "a", true, NULL));
    assert_err(vault_client_by_certificate(site.clients, print_a, &got), ERR_NOT_FOUND);
    assert_err(vault_client_by_name(site.clients, bytes_str("a"), &got), ERR_NOT_FOUND);
    assert_ok(vault_client_look(site.clients, "a", &got));
    assert_true(got.disabled != VAULT_NO_DATE);
    assert_ok(vault_client_disable(site.clients, "a", false, NULL));
    assert_ok(vault_client_by_certificate(site.clients, print_a, &got));
}

static void destroy_it(struct vault_object *object)
{
    object->state = VAULT_DESTROYED;
    object->sealed = (struct bytes){NULL, 0};
}

static void who_owns_objects_stays(void **state)
{
    (void)state;
    struct vault_client_new new = spec("a");
    struct vault_client first = create(&new), got;
    struct vault_object object = site_object(&site);
    object.owner = first.id;
    assert_ok(site_insert(&site, &object, NULL, 0));
    assert_err(vault_client_remove(site.clients, "a", NULL), ERR_STATE);
    assert_ok(site_update(&site, object.uid, destroy_it, NULL, 0));
    assert_ok(vault_client_remove(site.clients, "a", NULL));
    assert_err(vault_client_look(site.clients, "a", &got), ERR_NOT_FOUND);
    /* its number is not given again, its group is */
    struct vault_client second = create(&new);
    assert_true(second.id > first.id);
    assert_int_equal(second.eyes.groups[0], first.eyes.groups[0]);
}

static void collect(void *ctx, const struct vault_client *client)
{
    char *names = ctx;
    strcat(names, client->name);
}

static void they_are_listed_by_name(void **state)
{
    (void)state;
    char names[64] = "";
    static const char *const order[] = {"c", "a", "b"};
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        struct vault_client_new new = spec(order[i]);
        create(&new);
    }
    assert_ok(vault_client_disable(site.clients, "b", true, NULL));
    vault_client_each(site.clients, collect, names);
    assert_string_equal(names, "abc");
}

static _Atomic bool over;

static void *look_up(void *arg)
{
    (void)arg;
    size_t found = 0;
    while (!over || found == 0) {
        struct vault_client client;
        if (vault_client_by_certificate(site.clients, print_a, &client) != ERR_OK ||
            strcmp(client.name, "steady") != 0)
            return NULL;
        found++;
    }
    return site.clients;
}

static void lookups_go_on_while_rows_change(void **state)
{
    (void)state;
    pthread_t threads[3];
    struct vault_client_new new = spec("steady");
    new.certificate = print_a;
    create(&new);
    over = false;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, look_up, NULL), 0);
    for (int i = 0; i < 40; i++) {
        char name[16];
        snprintf(name, sizeof(name), "client-%d", i);
        new = spec(name);
        create(&new);
        assert_ok(vault_client_disable(site.clients, name, true, NULL));
    }
    over = true;
    for (int i = 0; i < 3; i++) {
        void *result;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_non_null(result);
    }
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
TEST_MAIN(CASE(a_client_is_known_by_certificate_and_name), CASE(a_shared_group_is_one),
          CASE(what_is_taken_or_wrong_is_refused), CASE(a_change_changes_what_it_names),
          CASE(a_disabled_one_is_not_found), CASE(who_owns_objects_stays),
          CASE(they_are_listed_by_name), CASE(lookups_go_on_while_rows_change))
