#include "keeper/domains.h"

#include "support/test.h"

static const uint8_t key_a[32] = {1}, key_b[32] = {2}, print_key[16] = {3};

static void add(struct domains *domains, uint32_t id, uint16_t version, const uint8_t key[32],
                enum err want)
{
    AUTO(secret_freep) struct secret *secret = NULL;
    assert_ok(domain_secret_make(id, version, bytes_str("d"), bytes_of(key, 32), BYTES(print_key),
                                 &secret));
    assert_err(domains_add(domains, id, version, bytes_str("d"), secret_view(secret)), want);
}

static void versions_and_ids(void **state)
{
    (void)state;
    AUTO(domains_freep) struct domains *domains = NULL;
    assert_ok(domains_new(&domains));
    add(domains, 9, 2, key_a, ERR_OK);
    add(domains, 9, 1, key_b, ERR_OK);
    add(domains, 3, 1, key_a, ERR_OK);
    add(domains, 200, 1, key_a, ERR_OK);
    add(domains, 9, 1, key_b, ERR_OK);
    add(domains, 9, 1, key_a, ERR_EXISTS);
    assert_int_equal(domains_count(domains), 3);
    assert_int_equal(domains_keys(domains), 4);
    assert_int_equal(domain_newest(domains_find(domains, 9)), 2);
    assert_null(domains_find(domains, 10));
    assert_null(domain_key(domains_find(domains, 9), 3));
    assert_err(domains_drop(domains, 9, 2), ERR_STATE);
    assert_ok(domains_drop(domains, 9, 1));
    assert_err(domains_drop(domains, 9, 1), ERR_NOT_FOUND);
    assert_ok(domains_drop(domains, 3, 0));
    assert_null(domains_find(domains, 3));
    assert_non_null(domains_find(domains, 200));
}

static void a_record_opens_for_its_row_only(void **state)
{
    (void)state;
    AUTO(domains_freep) struct domains *domains = NULL;
    assert_ok(domains_new(&domains));
    add(domains, 1, 1, key_a, ERR_OK);
    add(domains, 2, 1, key_a, ERR_OK);
    const uint8_t plain[16] = "sixteen bytes of";
    struct keeper_row row = {1, KEEPER_NODE, 0x10200, 5};
    struct keeper_made made, again;
    assert_ok(domains_seal(domains, &row, BYTES(plain), &made));
    assert_ok(domains_seal(domains, &row, BYTES(plain), &again));
    assert_memory_equal(&made, &again, sizeof made);
    struct bytes sealed = keeper_sealed_view(&made.sealed);
    assert_int_equal(sealed.len, KEEPER_SEALED_NODE);
    uint8_t to[KEEPER_KEY_MAX];
    size_t len = 0;
    assert_ok(domains_open(domains, &row, sealed, to, &len));
    assert_memory_equal(to, plain, sizeof plain);
    struct keeper_row others[] = {{2, KEEPER_NODE, 0x10200, 5},
                                  {1, KEEPER_CDLD, 0x10200, 5},
                                  {1, KEEPER_NODE, 0x10201, 5},
                                  {1, KEEPER_NODE, 0x10200, 6}};
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        assert_err(domains_open(domains, &others[i], sealed, to, &len), ERR_SEAL);
    struct keeper_row nowhere = {3, KEEPER_NODE, 0x10200, 5};
    assert_err(domains_open(domains, &nowhere, sealed, to, &len), ERR_NOT_FOUND);
    for (size_t bit = 0; bit < sealed.len * 8; bit++) {
        struct keeper_sealed flipped = made.sealed;
        flipped.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        enum err err = domains_open(domains, &row, keeper_sealed_view(&flipped), to, &len);
        assert_true(err == ERR_SEAL || err == ERR_NOT_FOUND);
    }
    for (size_t short_len = 0; short_len < sealed.len; short_len++)
        assert_err(domains_open(domains, &row, bytes_of(sealed.data, short_len), to, &len),
                   ERR_SEAL);
}

static void nonces_differ_where_anything_does(void **state)
{
    (void)state;
    AUTO(domains_freep) struct domains *domains = NULL;
    assert_ok(domains_new(&domains));
    add(domains, 1, 1, key_a, ERR_OK);
    add(domains, 2, 1, key_a, ERR_OK);
    const uint8_t plain[16] = {0}, other[16] = {1};
    struct keeper_row rows[] = {{1, KEEPER_NODE, 1, 1},
                                {2, KEEPER_NODE, 1, 1},
                                {1, KEEPER_CDLD, 1, 1},
                                {1, KEEPER_NODE, 2, 1},
                                {1, KEEPER_NODE, 1, 2}};
    struct keeper_made made[6];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_ok(domains_seal(domains, &rows[i], BYTES(plain), &made[i]));
    assert_ok(domains_seal(domains, &rows[0], BYTES(other), &made[5]));
    for (size_t i = 0; i < ARRAY_LEN(made); i++)
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(made[i].sealed.data + 3, made[k].sealed.data + 3, 12);
}

static void fingerprints_see_equal_keys(void **state)
{
    (void)state;
    AUTO(domains_freep) struct domains *domains = NULL;
    assert_ok(domains_new(&domains));
    add(domains, 1, 1, key_a, ERR_OK);
    const uint8_t plain[16] = {7};
    struct keeper_row node = {1, KEEPER_NODE, 1, 1};
    struct keeper_row cdld = {1, KEEPER_CDLD, 1, 1};
    struct keeper_made first, second;
    assert_ok(domains_seal(domains, &node, BYTES(plain), &first));
    add(domains, 1, 2, key_b, ERR_OK);
    node.epoch = 2;
    assert_ok(domains_seal(domains, &node, BYTES(plain), &second));
    assert_memory_equal(first.fingerprint, second.fingerprint, KEEPER_FINGERPRINT);
    node.row = 2;
    assert_ok(domains_seal(domains, &node, BYTES(plain), &second));
    assert_memory_not_equal(first.fingerprint, second.fingerprint, KEEPER_FINGERPRINT);
    assert_ok(domains_seal(domains, &cdld, BYTES(plain), &first));
    cdld.row = 2;
    assert_ok(domains_seal(domains, &cdld, BYTES(plain), &second));
    assert_memory_equal(first.fingerprint, second.fingerprint, KEEPER_FINGERPRINT);
}

static void lengths_are_of_the_table(void **state)
{
    (void)state;
    AUTO(domains_freep) struct domains *domains = NULL;
    assert_ok(domains_new(&domains));
    add(domains, 1, 1, key_a, ERR_OK);
    uint8_t plain[65] = {0};
    for (unsigned table = 1; table < KEEPER_TABLES; table++) {
        for (size_t len = 0; len <= sizeof plain; len++) {
            struct keeper_row row = {1, (uint8_t)table, 1, 1};
            struct keeper_made made;
            size_t want = keeper_key_size((uint8_t)table);
            bool ok =
                want != 0 ? len == want : table == KEEPER_PEER_SECRET && len >= 1 && len <= 64;
            assert_err(domains_seal(domains, &row, bytes_of(plain, len), &made),
                       ok ? ERR_OK : ERR_ARGUMENT);
        }
    }
}

TEST_MAIN(cmocka_unit_test(versions_and_ids), cmocka_unit_test(a_record_opens_for_its_row_only),
          cmocka_unit_test(nonces_differ_where_anything_does),
          cmocka_unit_test(fingerprints_see_equal_keys), cmocka_unit_test(lengths_are_of_the_table))
