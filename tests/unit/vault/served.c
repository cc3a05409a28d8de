#include "vault/served.h"

#include <stdio.h>

#include "support/test.h"

static void marks_outlive_the_store(void **state)
{
    (void)state;
    char *dir = test_tempdir();
    char url[512];
    (void)snprintf(url, sizeof url, "sqlite:%s/store.db", dir);
    const struct store_config config = {.url = url, .create = true};
    static const uint64_t ids[] = {1, 63, 64, 65535, 65536, 1000000};
    struct store *store = NULL;
    struct vault_served *served = NULL;
    assert_ok(store_open(&config, &store, NULL));
    assert_ok(vault_served_open(store, &served, NULL));
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        assert_false(vault_served_is(served, ids[i]));
        vault_served_mark(served, ids[i]);
        vault_served_mark(served, ids[i]);
        assert_true(vault_served_is(served, ids[i]));
    }
    assert_ok(vault_served_flush(served, NULL));
    vault_served_mark(served, 7); /* after the flush: lost with the process */
    vault_served_close(served);
    store_close(store);

    assert_ok(store_open(&config, &store, NULL));
    assert_ok(vault_served_open(store, &served, NULL));
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        assert_true(vault_served_is(served, ids[i]));
    assert_false(vault_served_is(served, 7));
    assert_false(vault_served_is(served, 2));
    assert_false(vault_served_is(served, UINT64_MAX));
    vault_served_mark(served, UINT64_MAX); /* beyond what is kept: harmless */
    assert_false(vault_served_is(served, UINT64_MAX));
    vault_served_close(served);
    store_close(store);
    test_tempdir_remove(dir);
}

TEST_MAIN(cmocka_unit_test(marks_outlive_the_store))
