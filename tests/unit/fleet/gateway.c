#include "crypto/rsa.h"
#include "site.h"

/* Gateway key files between two servers. */

#define NETWORK "metro-east"
#define REALM   "metro-east.example"

static struct site a, b;
static struct buf file, signature, pem;

static int begin(void **state)
{
    (void)state;
    site_begin(&a, NULL);
    site_begin(&b, NULL);
    site_network(&a, NETWORK, REALM, 32);
    pem = site_pem(&a);
    assert_ok(
        fleet_gateway_export(&a.call, NETWORK, bytes_str(PASSPHRASE), &file, &signature, NULL));
    return 0;
}

static int end(void **state)
{
    (void)state;
    site_end(&a);
    site_end(&b);
    buf_done(&file);
    buf_done(&signature);
    buf_done(&pem);
    return 0;
}

static enum err import_with(struct bytes signer, const char *passphrase,
                            struct fleet_gateway_result *result)
{
    struct err_detail detail = {0};
    struct fleet_gateway_import request = {.name = NETWORK,
                                           .file = buf_view(&file),
                                           .signature = buf_view(&signature),
                                           .signer_pem = signer,
                                           .passphrase = bytes_str(passphrase)};
    enum err err = fleet_gateway_import(&b.call, &request, &detail, result);
    if (err != ERR_OK)
        assert_true(detail.text[0] != '\0');
    return err;
}

static enum err import(struct fleet_gateway_result *result)
{
    return import_with(buf_view(&pem), PASSPHRASE, result);
}

static void nothing_is_left(void)
{
    struct fleet_counts counts;
    assert_ok(fleet_count(b.fleet, NULL, &counts));
    assert_int_equal(counts.networks, 0);
    assert_int_equal(vault_domain_list(b.vault, "network", NULL, 0), 0);
}

static void it_makes_the_network_and_brings_news(void **state)
{
    (void)state;
    struct fleet_gateway_result result;
    uint32_t version;
    assert_ok(import(&result));
    assert_true(result.created);
    assert_string_equal(result.name, NETWORK);
    assert_int_equal(result.added, 3);
    assert_ok(import(&result));
    assert_false(result.created);
    assert_int_equal(result.added, 0);
    assert_int_equal(result.unchanged, 3);
    assert_ok(fleet_network_rotate(&a.call, NETWORK, FLEET_KEY_GATEWAY, 0, NULL, &version));
    file.len = signature.len = 0;
    assert_ok(
        fleet_gateway_export(&a.call, NETWORK, bytes_str(PASSPHRASE), &file, &signature, NULL));
    assert_ok(import(&result));
    assert_int_equal(result.added, 1);
    assert_int_equal(result.unchanged, 2);
}

static void a_new_passphrase_comes_along(void **state)
{
    (void)state;
    struct fleet_gateway_result result;
    struct bytes next = bytes_str("the next passphrase");
    assert_ok(import(&result));
    assert_ok(fleet_network_set_passphrase(&a.call, NETWORK, next, NULL));
    file.len = signature.len = 0;
    assert_ok(fleet_gateway_export(&a.call, NETWORK, next, &file, &signature, NULL));
    assert_ok(import_with(buf_view(&pem), "the next passphrase", &result));
    assert_ok(fleet_network_check_passphrase(&b.call, NETWORK, next, NULL));
}

static void wrong_passphrases_are_refused(void **state)
{
    (void)state;
    struct fleet_gateway_result result;
    struct buf none = {0};
    assert_err(import_with(buf_view(&pem), "wrong horse battery", &result), ERR_DECRYPT);
    nothing_is_left();
    assert_err(fleet_gateway_export(&a.call, NETWORK, bytes_str("wrong horse battery"), &none,
                                    &none, NULL),
               ERR_MISMATCH);
}

static void wrong_signers_are_refused(void **state)
{
    (void)state;
    struct fleet_gateway_result result;
    struct rsa_private *other = NULL;
    struct buf other_pem = {0};
    assert_ok(rsa_private_generate(2048, &other, NULL));
    assert_ok(rsa_public_to_pem(rsa_private_public(other), &other_pem));
    assert_err(import_with(buf_view(&other_pem), PASSPHRASE, &result), ERR_SIGNATURE);
    assert_true(import_with(bytes_str("no PEM"), PASSPHRASE, &result) != ERR_OK);
    nothing_is_left();
    rsa_private_free(other);
    buf_done(&other_pem);
}

static void flipped_bits_and_cuts_are_refused(void **state)
{
    (void)state;
    struct fleet_gateway_result result;
    for (size_t bit = 0; bit < file.len * 8; bit += 3) {
        file.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_err(import(&result), ERR_SIGNATURE);
        file.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    for (size_t bit = 0; bit < signature.len * 8; bit += 7) {
        signature.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_err(import(&result), ERR_SIGNATURE);
        signature.data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    size_t whole = file.len;
    for (file.len = 0; file.len < whole; file.len++)
        assert_err(import(&result), ERR_SIGNATURE);
    nothing_is_left();
    assert_ok(import(&result));
}

static void another_network_of_that_name_is_left_alone(void **state)
{
    (void)state;
    struct fleet_gateway_result result;
    site_network(&b, NETWORK, "other.example", 32);
    assert_err(import(&result), ERR_MISMATCH);
    assert_ok(fleet_network_destroy(&b.call, NETWORK, NETWORK, NULL));
    site_network(&b, NETWORK, REALM, 32); /* with keys of its own */
    assert_err(import(&result), ERR_MISMATCH);
    assert_ok(fleet_network_destroy(&b.call, NETWORK, NETWORK, NULL));
    site_network(&b, "metro-west", REALM, 32);
    assert_err(import(&result), ERR_EXISTS);
    struct fleet_gateway_import request = {.name = "metro-west",
                                           .file = buf_view(&file),
                                           .signature = buf_view(&signature),
                                           .signer_pem = buf_view(&pem),
                                           .passphrase = bytes_str(PASSPHRASE)};
    assert_err(fleet_gateway_import(&b.call, &request, NULL, &result), ERR_MISMATCH);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
TEST_MAIN(CASE(it_makes_the_network_and_brings_news), CASE(a_new_passphrase_comes_along),
          CASE(wrong_passphrases_are_refused), CASE(wrong_signers_are_refused),
          CASE(flipped_bits_and_cuts_are_refused), CASE(another_network_of_that_name_is_left_alone))
