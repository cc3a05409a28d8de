#include "vault/operations.h"

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

static enum err put(const char *correlation, uint64_t client, int64_t began)
{
    struct vault_operation operation = {.correlation = bytes_str(correlation),
                                        .client = client,
                                        .group = GROUP,
                                        .operation = 2,
                                        .began = began,
                                        .request = bytes_str("create a key pair")};
    return vault_operation_put(site.store, &operation, NULL);
}

static enum err get(const char *correlation, uint64_t client, struct vault_operation *ret_operation)
{
    struct store_conn *conn = site_read(&site);
    enum err err =
        vault_operation_get(conn, client, bytes_str(correlation), site.arena, ret_operation, NULL);
    store_reader_end(site.reader);
    return err;
}

static void a_result_waits_for_its_client(void **state)
{
    (void)state;
    struct vault_operation got;
    assert_ok(put("c1", 1, 10));
    assert_err(put("c1", 1, 10), ERR_EXISTS);
    assert_ok(get("c1", 1, &got));
    assert_int_equal(got.status, VAULT_OPERATION_PENDING);
    assert_int_equal(got.group, GROUP);
    assert_int_equal(got.operation, 2);
    assert_int_equal(got.began, 10);
    assert_true(got.ended == VAULT_NO_DATE);
    assert_true(bytes_equal(got.request, bytes_str("create a key pair")));
    assert_int_equal(got.result.len, 0);
    assert_err(get("c1", 2, &got), ERR_NOT_FOUND);
    assert_err(get("c2", 1, &got), ERR_NOT_FOUND);
    assert_ok(vault_operation_finish(site.store, bytes_str("c1"), VAULT_OPERATION_DONE,
                                     bytes_str("the pair"), 20, NULL));
    site_close(&site);
    site_open(&site);
    assert_ok(get("c1", 1, &got));
    assert_int_equal(got.status, VAULT_OPERATION_DONE);
    assert_int_equal(got.ended, 20);
    assert_true(bytes_equal(got.result, bytes_str("the pair")));
    assert_ok(vault_operation_forget(site.store, 2, bytes_str("c1"), NULL));
    assert_ok(get("c1", 1, &got));
    assert_ok(vault_operation_forget(site.store, 1, bytes_str("c1"), NULL));
    assert_err(get("c1", 1, &got), ERR_NOT_FOUND);
    assert_ok(vault_operation_forget(site.store, 1, bytes_str("c1"), NULL));
}

static void it_ends_once(void **state)
{
    (void)state;
    struct vault_operation got;
    assert_ok(put("c1", 1, 10));
    assert_err(vault_operation_cancel(site.store, 2, bytes_str("c1"), 11, NULL), ERR_NOT_FOUND);
    assert_ok(vault_operation_cancel(site.store, 1, bytes_str("c1"), 12, NULL));
    assert_err(vault_operation_cancel(site.store, 1, bytes_str("c1"), 13, NULL), ERR_STATE);
    assert_err(vault_operation_finish(site.store, bytes_str("c1"), VAULT_OPERATION_DONE,
                                      bytes_str("late"), 14, NULL),
               ERR_STATE);
    assert_err(vault_operation_finish(site.store, bytes_str("c2"), VAULT_OPERATION_DONE,
                                      bytes_str("nobody's"), 14, NULL),
               ERR_NOT_FOUND);
    assert_ok(get("c1", 1, &got));
    assert_int_equal(got.status, VAULT_OPERATION_CANCELLED);
    assert_int_equal(got.ended, 12);
    assert_int_equal(got.result.len, 0);
}

static void what_is_too_long_is_refused(void **state)
{
    (void)state;
    static uint8_t longer[VAULT_OPERATION_MAX + 1];
    struct vault_operation operation = {.correlation = BYTES(longer), .request = bytes_str("r")};
    assert_err(vault_operation_put(site.store, &operation, NULL), ERR_LIMIT);
    operation.correlation = (struct bytes){NULL, 0};
    assert_err(vault_operation_put(site.store, &operation, NULL), ERR_LIMIT);
    operation.correlation = bytes_str("c");
    operation.request = BYTES(longer);
    assert_err(vault_operation_put(site.store, &operation, NULL), ERR_LIMIT);
    assert_ok(put("c", 1, 1));
    assert_err(vault_operation_finish(site.store, bytes_str("c"), VAULT_OPERATION_DONE,
                                      BYTES(longer), 1, NULL),
               ERR_LIMIT);
    assert_err(vault_operation_finish(site.store, bytes_str("c"), VAULT_OPERATION_PENDING,
                                      bytes_str(""), 1, NULL),
               ERR_ARGUMENT);
}

static enum err collect(void *ctx, const struct vault_operation *operation)
{
    char *seen = ctx;
    strncat(seen, (const char *)operation->correlation.data, operation->correlation.len);
    return strlen(seen) < 6 ? ERR_OK : ERR_CANCELLED;
}

static void what_was_cut_off_is_found_again(void **state)
{
    (void)state;
    char seen[32] = "";
    size_t count;
    assert_ok(put("c2", 1, 20));
    assert_ok(put("c1", 2, 10));
    assert_ok(put("c3", 1, 15));
    assert_ok(vault_operation_finish(site.store, bytes_str("c3"), VAULT_OPERATION_FAILED,
                                     bytes_str("why"), 30, NULL));
    site_close(&site);
    site_open(&site);
    assert_ok(vault_operation_each_pending(site.store, collect, seen, NULL));
    assert_string_equal(seen, "c1c2");
    assert_err(vault_operation_each_pending(site.store, collect, seen, NULL), ERR_CANCELLED);
    assert_ok(vault_operation_expire(site.store, 30, &count, NULL));
    assert_int_equal(count, 0);
    assert_ok(vault_operation_expire(site.store, 31, &count, NULL));
    assert_int_equal(count, 1);
    assert_int_equal(site_ask(&site, "SELECT count(*) FROM pending"), 2);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
TEST_MAIN(CASE(a_result_waits_for_its_client), CASE(it_ends_once),
          CASE(what_is_too_long_is_refused), CASE(what_was_cut_off_is_found_again))
