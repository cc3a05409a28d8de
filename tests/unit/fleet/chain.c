#include "vault/chain.h"

#include "site.h"
#include "support/test.h"

/* Stands here and not with vault's tests because it needs a keeper and a store. */

static enum err check(struct site *site, bool forget, struct err_detail *detail)
{
    struct vault_chain chain;
    return vault_chain_check(&chain, site->store, site->call.keeper, forget, detail);
}

static void remember(struct site *site, unsigned times)
{
    struct vault_chain chain;
    assert_ok(vault_chain_check(&chain, site->store, site->call.keeper, false, NULL));
    for (unsigned i = 0; i < times; i++)
        assert_ok(vault_chain_remember(&chain, site->call.keeper, NULL));
}

static void a_chain_that_goes_on_is_accepted(void **state)
{
    (void)state;
    struct site site = {0};
    site_begin(&site, NULL);
    assert_ok(check(&site, false, NULL)); /* nothing is remembered yet */
    remember(&site, 2);
    site_network(&site, "metro-east", "metro-east.example", 32);
    remember(&site, 1);
    site_close(&site);
    site_open(&site);
    assert_ok(check(&site, false, NULL));
    site_end(&site);
}

static void another_chain_is_refused_until_it_is_accepted(void **state)
{
    (void)state;
    struct site site = {0};
    site_begin(&site, NULL);
    site_network(&site, "metro-east", "metro-east.example", 32);
    struct vault_chain chain;
    assert_ok(vault_chain_check(&chain, site.store, site.call.keeper, false, NULL));
    struct err_detail detail = {0};
    /* a record that the keeper's chain does not have, as after segments were removed */
    chain.seq += 1000;
    assert_ok(vault_chain_remember(&chain, site.call.keeper, NULL));
    assert_err(check(&site, false, &detail), ERR_AUDIT);
    /* the same place with another hash, as after segments were replaced */
    assert_ok(vault_chain_check(&chain, site.store, site.call.keeper, true, NULL));
    chain.head[0] ^= 1;
    assert_ok(vault_chain_remember(&chain, site.call.keeper, NULL));
    assert_err(check(&site, false, &detail), ERR_AUDIT);
    assert_ok(check(&site, true, NULL));
    assert_ok(check(&site, false, NULL));
    site_end(&site);
}

TEST_MAIN(cmocka_unit_test(a_chain_that_goes_on_is_accepted),
          cmocka_unit_test(another_chain_is_refused_until_it_is_accepted))
