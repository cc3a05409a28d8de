#include "kmip/codec/table.h"

#include "support/test.h"

static void test_tags(void **state)
{
    (void)state;
    char text[16];
    const struct kmip_tag_row *row = kmip_tag_row(KMIP_TAG_X_509_CERTIFICATE_ISSUER);
    assert_string_equal(row->name, "X_509CertificateIssuer");
    assert_string_equal(row->title, "X.509 Certificate Issuer");
    assert_int_equal(row->since, 0x0101);
    assert_ptr_equal(kmip_tag_named(bytes_str("X_509CertificateIssuer")), row);
    assert_ptr_equal(kmip_tag_titled(bytes_str("X.509 Certificate Issuer")), row);
    assert_null(kmip_tag_named(bytes_str("X.509 Certificate Issuer")));
    assert_null(kmip_tag_named(bytes_str("")));
    assert_null(kmip_tag_row(0));
    assert_null(kmip_tag_row(0x41ffff));
    assert_null(kmip_tag_row(0x42ffff));
    assert_null(kmip_tag_row(0x540001));
    assert_string_equal(kmip_tag_name(0x540001, text), "0x540001");
    assert_string_equal(kmip_tag_row(KMIP_TAG_PKCS_11_FUNCTION)->name, "PKCS_11Function");
    assert_string_equal(kmip_tag_row(KMIP_TAG_IV_COUNTER_NONCE)->name, "IVCounterNonce");
    row = kmip_tag_row(KMIP_TAG_ASYNCHRONOUS_INDICATOR);
    assert_int_equal(row->types[0], 1 << KMIP_BOOLEAN);
    assert_int_equal(row->types[1], 1 << KMIP_ENUMERATION);
}

static void test_enums(void **state)
{
    (void)state;
    uint32_t value = 0;
    assert_string_equal(kmip_enum_name(KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, 2), "DES3");
    assert_string_equal(kmip_enum_name(KMIP_TAG_MASK_GENERATOR_HASHING_ALGORITHM, 6), "SHA_256");
    assert_null(kmip_enum_name(KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM, 0));
    assert_null(kmip_enum_name(KMIP_TAG_USERNAME, 1));
    assert_true(kmip_enum_find(KMIP_TAG_OPERATION, bytes_str("ReKeyKeyPair"), &value));
    assert_int_equal(value, KMIP_OP_RE_KEY_KEY_PAIR);
    assert_true(kmip_enum_find(KMIP_TAG_KEY_FORMAT_TYPE, bytes_str("PKCS1"), &value));
    assert_int_equal(value, KMIP_KEY_FORMAT_TYPE_PKCS_1);
    assert_true(kmip_enum_find(KMIP_TAG_ATTRIBUTE_REFERENCE, bytes_str("ActivationDate"), &value));
    assert_int_equal(value, KMIP_TAG_ACTIVATION_DATE);
    assert_false(kmip_enum_find(KMIP_TAG_OPERATION, bytes_str("Re"), &value));
    assert_false(kmip_enum_find(KMIP_TAG_OPERATION, bytes_str(""), &value));
    assert_true(kmip_enum_known(KMIP_TAG_OPERATION, KMIP_OP_ENCRYPT, 0x0102));
    assert_false(kmip_enum_known(KMIP_TAG_OPERATION, KMIP_OP_ENCRYPT, 0x0101));
    assert_false(kmip_enum_known(KMIP_TAG_OBJECT_TYPE, KMIP_OBJECT_TEMPLATE, 0x0200));
    assert_true(kmip_enum_known(KMIP_TAG_OPERATION, 0x80000001, 0x0100));
}

static void test_attributes(void **state)
{
    (void)state;
    const struct kmip_attribute_row *row = kmip_attribute_named(bytes_str("Activation Date"));
    assert_non_null(row);
    assert_ptr_equal(row, kmip_attribute_row(KMIP_TAG_ACTIVATION_DATE));
    assert_true(row->by_client && row->by_server && row->client_modifies && !row->client_deletes);
    assert_int_equal(row->modify_states, 1 << KMIP_STATE_PRE_ACTIVE);
    assert_true((row->implicit >> KMIP_OP_ACTIVATE & 1) != 0);
    assert_false(kmip_attribute_applies(row, KMIP_OBJECT_OPAQUE_OBJECT, 0x0104));
    assert_true(kmip_attribute_applies(row, KMIP_OBJECT_OPAQUE_OBJECT, 0x0200));
    assert_null(kmip_attribute_row(KMIP_TAG_KEY_BLOCK));
    assert_null(kmip_attribute_named(bytes_str("x-mine")));
    assert_false(kmip_attribute_in(kmip_attribute_row(KMIP_TAG_KEY_FORMAT_TYPE), 0x0104));
    assert_true(kmip_attribute_in(kmip_attribute_row(KMIP_TAG_KEY_FORMAT_TYPE), 0x0200));
    assert_false(kmip_attribute_in(NULL, 0x0104));
    assert_true(kmip_attribute_row(KMIP_TAG_NAME)->multi);
    assert_true(kmip_attribute_row(KMIP_TAG_CRYPTOGRAPHIC_ALGORITHM)->in_template);
    assert_false(kmip_attribute_row(KMIP_TAG_STATE)->in_template);
}

/* Every reason leads to one that the version has. */
static void test_reasons(void **state)
{
    (void)state;
    static const uint16_t versions[] = {0x0100, 0x0101, 0x0102, 0x0103, 0x0104, 0x0200, 0x0201};
    const struct kmip_enum *reasons = kmip_tag_row(KMIP_TAG_RESULT_REASON)->values;
    for (size_t v = 0; v < ARRAY_LEN(versions); v++)
        for (size_t i = 0; i < reasons->count; i++)
            assert_true(kmip_enum_known(KMIP_TAG_RESULT_REASON,
                                        kmip_reason_for(reasons->values[i].value, versions[v]),
                                        versions[v]));
    assert_int_equal(kmip_reason_for(KMIP_REASON_WRONG_KEY_LIFECYCLE_STATE, 0x0104),
                     KMIP_REASON_PERMISSION_DENIED);
    assert_int_equal(kmip_reason_for(KMIP_REASON_INDEX_OUT_OF_BOUNDS, 0x0104),
                     KMIP_REASON_INDEX_OUT_OF_BOUNDS);
    assert_int_equal(kmip_reason_for(KMIP_REASON_SENSITIVE, 0x0200), KMIP_REASON_SENSITIVE);
    assert_int_equal(kmip_reason_titled("Item Not Found", 0x0100), KMIP_REASON_ITEM_NOT_FOUND);
    assert_int_equal(kmip_reason_titled("Success", 0x0100), KMIP_REASON_GENERAL_FAILURE);
}

/* What data/errors.toml names is a reason, but for the rows that are no failure. */
static void test_errors(void **state)
{
    (void)state;
    for (int code = 0; code < ERR_COUNT; code++) {
        const char *title = err_row((enum err)code)->kmip;
        if (strcmp(title, "Success") == 0)
            continue;
        bool general = strcmp(title, "General Failure") == 0;
        if ((kmip_reason_titled(title, 0x0201) == KMIP_REASON_GENERAL_FAILURE) != general)
            fail_msg("%s: %s", err_row((enum err)code)->name, title);
    }
}

TEST_MAIN(cmocka_unit_test(test_tags), cmocka_unit_test(test_enums),
          cmocka_unit_test(test_attributes), cmocka_unit_test(test_reasons),
          cmocka_unit_test(test_errors))
