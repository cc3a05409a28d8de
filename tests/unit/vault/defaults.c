#include "vault/defaults.h"

#include "site.h"

static struct site site;

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

static struct vault_defaults row(uint32_t type, const char *content)
{
    return (struct vault_defaults){.type = type, .content = bytes_str(content)};
}

static size_t list(uint32_t group, enum vault_defaults_kind kind, struct vault_defaults **ret_rows)
{
    size_t count = 99;
    struct store_conn *conn = site_read(&site);
    assert_ok(vault_defaults_list(conn, group, kind, site.arena, ret_rows, &count, NULL));
    store_reader_end(site.reader);
    return count;
}

static void a_group_has_its_own(void **state)
{
    (void)state;
    struct vault_defaults rows[] = {row(3, "pairs"), row(2, "")}, *got;
    struct bytes content;
    assert_false(vault_defaults_any(site.objects));
    assert_ok(vault_defaults_replace(site.objects, GROUP, VAULT_DEFAULTS, rows, 2, NULL));
    assert_true(vault_defaults_any(site.objects));
    assert_int_equal(list(GROUP, VAULT_DEFAULTS, &got), 2);
    assert_int_equal(got[0].type, 2);
    assert_int_equal(got[0].content.len, 0);
    assert_int_equal(got[1].type, 3);
    assert_true(bytes_equal(got[1].content, bytes_str("pairs")));
    assert_int_equal(list(GROUP, VAULT_CONSTRAINTS, &got), 0);
    assert_int_equal(list(VAULT_DEFAULTS_GLOBAL, VAULT_DEFAULTS, &got), 0);
    struct store_conn *conn = site_read(&site);
    assert_ok(vault_defaults_get(conn, GROUP, VAULT_DEFAULTS, 3, site.arena, &content, NULL));
    assert_true(bytes_equal(content, bytes_str("pairs")));
    assert_err(vault_defaults_get(conn, GROUP, VAULT_DEFAULTS, 4, site.arena, &content, NULL),
               ERR_NOT_FOUND);
    assert_err(vault_defaults_get(conn, GROUP + 1, VAULT_DEFAULTS, 3, site.arena, &content, NULL),
               ERR_NOT_FOUND);
    store_reader_end(site.reader);
}

static void they_are_replaced_whole_or_not(void **state)
{
    (void)state;
    struct vault_defaults many[40], *got;
    for (uint32_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = row(i, "content");
    assert_ok(vault_defaults_replace(site.objects, GROUP, VAULT_CONSTRAINTS, many, 40, NULL));
    assert_int_equal(list(GROUP, VAULT_CONSTRAINTS, &got), 40);
    assert_int_equal(got[39].type, 39);
    many[1].type = 0;
    assert_err(vault_defaults_replace(site.objects, GROUP, VAULT_CONSTRAINTS, many, 2, NULL),
               ERR_EXISTS);
    static uint8_t longer[VAULT_DEFAULTS_MAX + 1];
    many[1] = (struct vault_defaults){.type = 1, .content = BYTES(longer)};
    assert_err(vault_defaults_replace(site.objects, GROUP, VAULT_CONSTRAINTS, many, 2, NULL),
               ERR_LIMIT);
    assert_int_equal(list(GROUP, VAULT_CONSTRAINTS, &got), 40);
    assert_ok(vault_defaults_replace(site.objects, GROUP, VAULT_CONSTRAINTS, NULL, 0, NULL));
    assert_int_equal(list(GROUP, VAULT_CONSTRAINTS, &got), 0);
}

static void they_are_known_after_a_restart(void **state)
{
    (void)state;
    struct vault_defaults rows[] = {row(2, "keys")};
    site_close(&site);
    site_open(&site);
    assert_false(vault_defaults_any(site.objects));
    assert_ok(vault_defaults_replace(site.objects, GROUP, VAULT_DEFAULTS, rows, 1, NULL));
    site_close(&site);
    site_open(&site);
    assert_true(vault_defaults_any(site.objects));
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
TEST_MAIN(CASE(a_group_has_its_own), CASE(they_are_replaced_whole_or_not),
          CASE(they_are_known_after_a_restart))
