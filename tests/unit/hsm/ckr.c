#include "hsm/ckr.h"

#include <string.h>

#include "hsm/hsm.h"
#include "support/test.h"

static void names_and_groups_are_found(void **state)
{
    (void)state;
    assert_string_equal(hsm_ckr_name(0), "CKR_OK");
    assert_string_equal(hsm_ckr_name(0xa0), "CKR_PIN_INCORRECT");
    assert_string_equal(hsm_ckr_name(0x190), "CKR_CRYPTOKI_NOT_INITIALIZED");
    assert_string_equal(hsm_ckr_name(0x80000001), "CKR_0x80000001");
    assert_int_equal(ckr_group(0xa0), CKR_GROUP_PIN);
    assert_int_equal(ckr_group(0xb3), CKR_GROUP_SESSION);
    assert_int_equal(ckr_group(0x101), CKR_GROUP_LOGIN);
    assert_int_equal(ckr_group(0x32), CKR_GROUP_DEVICE);
    assert_int_equal(ckr_group(0xf0), CKR_GROUP_HANDLE);
    assert_int_equal(ckr_group(0x80000001), CKR_GROUP_NONE);
}

static void every_row_is_found_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ckr_row_count; i++) {
        assert_string_equal(hsm_ckr_name(ckr_rows[i].value), ckr_rows[i].name);
        assert_int_equal(ckr_group(ckr_rows[i].value), ckr_rows[i].group);
    }
}

TEST_MAIN(cmocka_unit_test(names_and_groups_are_found), cmocka_unit_test(every_row_is_found_again))
