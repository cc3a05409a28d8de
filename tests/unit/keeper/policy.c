#include "keeper/policy.h"

#include "support/test.h"

#define SECOND ((uint64_t)1000000000)

static void tables_are_fixed(void **state)
{
    (void)state;
    struct keeper_policy set = keeper_policy_default();
    struct policy policy;
    policy_init(&policy, &set, 0);
    assert_true(policy_allows(&policy, KEEPER_DIAMETER, KEEPER_NODE));
    assert_true(policy_allows(&policy, KEEPER_DIAMETER, KEEPER_GATEWAY));
    for (unsigned purpose = 0; purpose < KEEPER_PURPOSES; purpose++) {
        assert_false(policy_allows(&policy, (uint8_t)purpose, KEEPER_TABLES));
        bool mac = purpose == KEEPER_MAC;
        assert_int_equal(policy_allows(&policy, (uint8_t)purpose, KEEPER_PEER_SECRET), mac);
        bool passphrase = mac || purpose == KEEPER_EXPORT_GATEWAY;
        assert_int_equal(policy_allows(&policy, (uint8_t)purpose, KEEPER_PASSPHRASE), passphrase);
    }
    assert_false(policy_allows(&policy, KEEPER_DIAMETER, KEEPER_BASE));
    assert_false(policy_allows(&policy, KEEPER_PURPOSES, KEEPER_NODE));
    assert_false(policy_allows(&policy, 255, KEEPER_NODE));
    set.rates[KEEPER_DIAMETER].rate = 0;
    policy_init(&policy, &set, 0);
    assert_err(policy_take(&policy, KEEPER_DIAMETER, KEEPER_NODE, 1, 0), ERR_DENIED);
}

static void a_bucket_empties_and_fills(void **state)
{
    (void)state;
    struct keeper_policy set = keeper_policy_default();
    set.rates[KEEPER_DIAMETER] = (struct keeper_rate){10, 30};
    struct policy policy;
    policy_init(&policy, &set, SECOND);
    for (unsigned i = 0; i < 30; i++)
        assert_ok(policy_take(&policy, KEEPER_DIAMETER, KEEPER_NODE, 1, SECOND));
    assert_err(policy_take(&policy, KEEPER_DIAMETER, KEEPER_NODE, 1, SECOND), ERR_RATE);
    /* another purpose has its own */
    assert_ok(policy_take(&policy, KEEPER_EXPORT_BATCH, KEEPER_NODE, 100, SECOND));
    assert_ok(policy_take(&policy, KEEPER_DIAMETER, KEEPER_NODE, 5, SECOND + SECOND / 2));
    assert_err(policy_take(&policy, KEEPER_DIAMETER, KEEPER_NODE, 1, SECOND + SECOND / 2),
               ERR_RATE);
    /* never more than the burst, and a clock that stands still gives nothing */
    assert_err(policy_take(&policy, KEEPER_DIAMETER, KEEPER_NODE, 31, 1000 * SECOND), ERR_RATE);
    assert_ok(policy_take(&policy, KEEPER_DIAMETER, KEEPER_NODE, 30, 1000 * SECOND));
    assert_err(policy_take(&policy, KEEPER_DIAMETER, KEEPER_NODE, 1, 0), ERR_RATE);
}

static void unlimited_is_unlimited(void **state)
{
    (void)state;
    struct keeper_policy set = keeper_policy_default();
    set.rates[KEEPER_DIAMETER] = (struct keeper_rate){KEEPER_UNLIMITED, 0};
    struct policy policy;
    policy_init(&policy, &set, 0);
    for (unsigned i = 0; i < 1000; i++)
        assert_ok(policy_take(&policy, KEEPER_DIAMETER, KEEPER_NODE, 1000000, 0));
}

TEST_MAIN(cmocka_unit_test(tables_are_fixed), cmocka_unit_test(a_bucket_empties_and_fills),
          cmocka_unit_test(unlimited_is_unlimited))
