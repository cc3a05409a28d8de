#include "vault/state.h"

#include "support/test.h"

static void names_go_both_ways(void **state)
{
    (void)state;
    for (unsigned i = VAULT_PRE_ACTIVE; i <= VAULT_DESTROYED_COMPROMISED; i++) {
        enum vault_state got;
        assert_ok(vault_state_parse(vault_state_name((enum vault_state)i), &got));
        assert_int_equal(got, i);
    }
    enum vault_state got = VAULT_ACTIVE;
    assert_err(vault_state_parse("gone", &got), ERR_ARGUMENT);
    assert_int_equal(got, VAULT_ACTIVE);
    assert_string_equal(vault_state_name((enum vault_state)99), "unknown");
}

/* SP 800-57 part 1, 7.3 */
static void steps_are_those_of_the_diagram(void **state)
{
    (void)state;
    assert_ok(vault_state_check(VAULT_PRE_ACTIVE, VAULT_ACTIVE));
    assert_ok(vault_state_check(VAULT_ACTIVE, VAULT_DEACTIVATED));
    assert_ok(vault_state_check(VAULT_DEACTIVATED, VAULT_DESTROYED));
    assert_ok(vault_state_check(VAULT_DESTROYED, VAULT_DESTROYED_COMPROMISED));
    assert_err(vault_state_check(VAULT_DEACTIVATED, VAULT_ACTIVE), ERR_STATE);
    assert_err(vault_state_check(VAULT_ACTIVE, VAULT_DESTROYED), ERR_STATE);
    assert_err(vault_state_check(VAULT_DESTROYED, VAULT_ACTIVE), ERR_STATE);
    assert_err(vault_state_check((enum vault_state)77, VAULT_ACTIVE), ERR_ARGUMENT);
}

TEST_MAIN(cmocka_unit_test(names_go_both_ways), cmocka_unit_test(steps_are_those_of_the_diagram))
