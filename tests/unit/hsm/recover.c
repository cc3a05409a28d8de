#include <dlfcn.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <p11-kit/pkcs11.h>

#include "base/clock.h"
#include "fake/pkcs11_fake.h"
#include "hsm/hsm.h"
#include "hsm/wrap.h"
#include "support/test.h"

static struct fake_script *script;
static void (*drop_sessions)(void);
static void (*renumber)(void);
static void (*reset)(void);

static struct hsm *hsm;
static struct hsm_key *root;
static struct buf blob;

static const uint8_t secret[32] = {1, 2, 3};

static void *symbol(void *handle, const char *name)
{
    void *at = dlsym(handle, name);
    if (at == NULL)
        abort();
    return at;
}

static int load(void **state)
{
    (void)state;
    void *handle = dlopen(FAKE_MODULE, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return -1;
    script = symbol(handle, "fake_script");
    void *drop = symbol(handle, "fake_drop_sessions");
    void *number = symbol(handle, "fake_renumber");
    void *again = symbol(handle, "fake_reset");
    memcpy(&drop_sessions, &drop, sizeof drop);
    memcpy(&renumber, &number, sizeof number);
    memcpy(&reset, &again, sizeof again);
    return 0;
}

static enum err open_with(const char *pin_text, struct err_detail *detail)
{
    const struct hsm_config config = {.module = FAKE_MODULE,
                                      .token_label = "fake token",
                                      .slot = -1,
                                      .sessions_max = 4,
                                      .brief = true};
    struct secret *pin = NULL;
    assert_ok(secret_dup(bytes_str(pin_text), &pin));
    return hsm_open(&config, pin, &hsm, detail);
}

static int setup(void **state)
{
    (void)state;
    reset();
    assert_ok(open_with("1234", NULL));
    struct err_detail detail = {0};
    if (hsm_aes_generate(hsm, "root", &root, &detail) != ERR_OK)
        fail_msg("%s", detail.text);
    assert_ok(hsm_wrap(hsm, root, BYTES(secret), &blob, NULL));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_done(&blob);
    hsm_key_freep(&root);
    hsm_closep(&hsm);
    return 0;
}

static enum err unwrap(struct err_detail *detail)
{
    AUTO(secret_freep) struct secret *got = NULL;
    TRY(hsm_unwrap(hsm, root, buf_view(&blob), &got, detail));
    assert_true(secret_equal(secret_view(got), BYTES(secret)));
    return ERR_OK;
}

static struct hsm_status status_of(void)
{
    struct hsm_status status;
    hsm_status(hsm, &status);
    return status;
}

static void fail_next(const char *function, CK_RV rv, unsigned count)
{
    script->fail_function = function;
    script->fail_rv = rv;
    script->fail_count = count;
}

static void sleep_ms(long ms)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

static void lost_sessions_come_back(void **state)
{
    (void)state;
    unsigned before = script->logins;
    drop_sessions();
    assert_ok(unwrap(NULL));
    assert_int_equal(status_of().recoveries, 1);
    assert_int_equal(script->logins, before + 1);
    assert_int_equal(status_of().state, HSM_READY);
    assert_ok(unwrap(NULL));
    assert_int_equal(script->logins, before + 1);
}

static void every_kind_of_loss_is_retried_once(void **state)
{
    (void)state;
    static const CK_RV kinds[] = {CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED,
                                  CKR_USER_NOT_LOGGED_IN,     CKR_DEVICE_REMOVED,
                                  CKR_TOKEN_NOT_PRESENT,      CKR_CRYPTOKI_NOT_INITIALIZED};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        unsigned before = script->logins;
        fail_next("C_UnwrapKey", kinds[i], 1);
        assert_ok(unwrap(NULL));
        assert_int_equal(status_of().recoveries, i + 1);
        assert_int_equal(status_of().last_ckr, kinds[i]);
        assert_int_equal(script->logins, before + 1);
    }
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        fail_next("C_UnwrapKey", kinds[i], 2);
        assert_err(unwrap(NULL), ERR_TOKEN_GONE);
        assert_ok(unwrap(NULL));
    }
}

static void stale_handles_are_found_again(void **state)
{
    (void)state;
    renumber();
    assert_ok(unwrap(NULL));
    assert_int_equal(status_of().recoveries, 0);
    static const CK_RV kinds[] = {CKR_OBJECT_HANDLE_INVALID, CKR_KEY_HANDLE_INVALID,
                                  CKR_UNWRAPPING_KEY_HANDLE_INVALID};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        fail_next("C_UnwrapKey", kinds[i], 1);
        assert_ok(unwrap(NULL));
    }
    assert_int_equal(status_of().recoveries, 0);
}

static void a_destroyed_key_is_not_found(void **state)
{
    (void)state;
    struct hsm_key *same = NULL;
    assert_ok(hsm_key_find(hsm, HSM_AES, "root", &same, NULL));
    assert_ok(hsm_key_destroy(hsm, same, NULL));
    hsm_key_free(same);
    assert_err(unwrap(NULL), ERR_NOT_FOUND);
}

static void a_removed_token_answers_at_once_and_comes_back(void **state)
{
    (void)state;
    struct err_detail detail = {0};
    script->removed = true;
    assert_err(unwrap(&detail), ERR_TOKEN_GONE);
    assert_int_equal(status_of().state, HSM_GONE);
    unsigned logins = script->logins, initializes = script->initializes;
    uint64_t start = clock_mono_ns();
    for (int i = 0; i < 1000; i++)
        assert_err(unwrap(NULL), ERR_TOKEN_GONE);
    assert_true(clock_mono_ns() - start < 90000000);
    assert_int_equal(script->initializes, initializes);
    sleep_ms(120);
    assert_err(unwrap(NULL), ERR_TOKEN_GONE);
    assert_int_equal(script->initializes, initializes + 2);
    assert_int_equal(script->logins, logins);
    script->removed = false;
    sleep_ms(220);
    assert_ok(unwrap(NULL));
    assert_int_equal(script->logins, logins + 1);
    assert_int_equal(status_of().state, HSM_READY);
    assert_true(status_of().logged_in);
}

static void another_token_does_not_take_its_place(void **state)
{
    (void)state;
    script->serial = "0002";
    drop_sessions();
    unsigned logins = script->logins;
    assert_err(unwrap(NULL), ERR_TOKEN_GONE);
    assert_int_equal(script->logins, logins);
    script->serial = "0001";
    sleep_ms(120);
    assert_ok(unwrap(NULL));
}

static void a_refused_pin_is_never_tried_again(void **state)
{
    (void)state;
    struct err_detail detail = {0};
    script->pin_changed = true;
    drop_sessions();
    unsigned before = script->logins;
    assert_err(unwrap(&detail), ERR_PIN_REFUSED);
    assert_int_equal(detail.ckr, CKR_PIN_INCORRECT);
    assert_int_equal(script->logins, before + 1);
    script->pin_changed = false;
    for (int i = 0; i < 10; i++)
        assert_err(unwrap(NULL), ERR_PIN_REFUSED);
    sleep_ms(150);
    assert_err(unwrap(NULL), ERR_PIN_REFUSED);
    assert_int_equal(script->logins, before + 1);
    assert_int_equal(status_of().state, HSM_PIN_REFUSED);
}

static void a_wrong_pin_at_the_start_is_one_login(void **state)
{
    (void)state;
    teardown(NULL);
    reset();
    assert_err(open_with("4321", NULL), ERR_PIN_REFUSED);
    assert_int_equal(script->logins, 1);
    assert_null(hsm);
    static const CK_RV kinds[] = {CKR_PIN_LOCKED, CKR_PIN_EXPIRED, CKR_PIN_LEN_RANGE};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        reset();
        fail_next("C_Login", kinds[i], 1);
        assert_err(open_with("1234", NULL), ERR_PIN_REFUSED);
        assert_int_equal(script->logins, 1);
    }
    reset();
    assert_int_equal(setup(NULL), 0);
}

static void a_failing_login_is_not_repeated_in_one_incident(void **state)
{
    (void)state;
    drop_sessions();
    unsigned before = script->logins;
    fail_next("C_Login", CKR_FUNCTION_FAILED, 5);
    assert_err(unwrap(NULL), ERR_TOKEN_GONE);
    assert_int_equal(script->logins, before + 1);
    script->fail_count = 0;
    sleep_ms(120);
    assert_ok(unwrap(NULL));
}

static void bad_input_is_no_loss(void **state)
{
    (void)state;
    AUTO(secret_freep) struct secret *got = NULL;
    unsigned before = script->logins;
    blob.data[blob.len - 1] ^= 1;
    for (int i = 0; i < 20; i++)
        assert_err(hsm_unwrap(hsm, root, buf_view(&blob), &got, NULL), ERR_SEAL);
    blob.data[blob.len - 1] ^= 1;
    fail_next("C_UnwrapKey", CKR_DEVICE_ERROR, 1);
    assert_err(unwrap(NULL), ERR_SEAL);
    fail_next("C_UnwrapKey", CKR_DEVICE_MEMORY, 1);
    assert_err(unwrap(NULL), ERR_TOKEN);
    assert_ok(unwrap(NULL));
    assert_int_equal(status_of().recoveries, 0);
    assert_int_equal(script->logins, before);
}

static void a_lost_answer_makes_no_second_key(void **state)
{
    (void)state;
    AUTO(hsm_key_freep) struct hsm_key *key = NULL;
    AUTO(hsm_key_freep) struct hsm_key *found = NULL;
    /* made, then the device goes away before the key was read back */
    fail_next("C_GetAttributeValue", CKR_DEVICE_REMOVED, 1);
    assert_ok(hsm_aes_generate(hsm, "second", &key, NULL));
    assert_ok(hsm_key_find(hsm, HSM_AES, "second", &found, NULL));
    assert_err(hsm_aes_generate(hsm, "second", &key, NULL), ERR_EXISTS);
}

static void a_limit_on_sessions_is_kept_to(void **state)
{
    (void)state;
    drop_sessions();
    assert_ok(unwrap(NULL));
    assert_true(status_of().sessions_open <= 5);
    assert_int_equal(status_of().sessions_busy, 0);
}

static void *hammer(void *arg)
{
    unsigned *failed = arg;
    for (int i = 0; i < 200; i++)
        if (unwrap(NULL) != ERR_OK)
            __atomic_add_fetch(failed, 1, __ATOMIC_RELAXED);
    return NULL;
}

static void threads_survive_losses(void **state)
{
    (void)state;
    pthread_t threads[6];
    unsigned failed = 0;
    script->slow_ms = 1;
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &failed), 0);
    for (int i = 0; i < 5; i++) {
        sleep_ms(30);
        drop_sessions();
    }
    for (size_t i = 0; i < ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(failed, 0);
    assert_true(status_of().recoveries >= 1);
    assert_int_equal(status_of().sessions_busy, 0);
    assert_true(status_of().sessions_open <= 5);
}

static void a_crash_in_finalize_is_survived(void **state)
{
    (void)state;
    script->crash_at_finish = true;
    teardown(NULL);
    assert_int_equal(script->finalizes, 1);
    reset();
    assert_int_equal(setup(NULL), 0);
    assert_ok(unwrap(NULL));
}

static void leaving_skips_what_runs_at_exit(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        (void)atexit(abort);
        hsm_leave(7);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

static void two_share_a_module(void **state)
{
    (void)state;
    struct hsm *first = hsm;
    hsm = NULL;
    assert_ok(open_with("1234", NULL));
    unsigned finalizes = script->finalizes;
    hsm_close(hsm);
    hsm = first;
    assert_int_equal(script->finalizes, finalizes);
    assert_ok(unwrap(NULL));
    assert_int_equal(status_of().recoveries, 0);
}

static void what_is_no_module_is_refused(void **state)
{
    (void)state;
    struct hsm *none = NULL;
    struct err_detail detail = {0};
    struct hsm_config config = {.module = "/nonexistent.so", .slot = -1};
    assert_err(hsm_open(&config, NULL, &none, &detail), ERR_CONFIG);
    config.module = "libm.so.6";
    assert_err(hsm_open(&config, NULL, &none, &detail), ERR_CONFIG);
    config.module = NULL;
    assert_err(hsm_open(&config, NULL, &none, &detail), ERR_CONFIG);
    config.module = FAKE_MODULE;
    config.token_label = "no such token";
    assert_err(hsm_open(&config, NULL, &none, &detail), ERR_TOKEN_GONE);
    config.token_label = NULL;
    config.slot = 8;
    assert_err(hsm_open(&config, NULL, &none, &detail), ERR_TOKEN_GONE);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(lost_sessions_come_back),
        CASE(every_kind_of_loss_is_retried_once),
        CASE(stale_handles_are_found_again),
        CASE(a_destroyed_key_is_not_found),
        CASE(a_removed_token_answers_at_once_and_comes_back),
        CASE(another_token_does_not_take_its_place),
        CASE(a_refused_pin_is_never_tried_again),
        CASE(a_wrong_pin_at_the_start_is_one_login),
        CASE(a_failing_login_is_not_repeated_in_one_incident),
        CASE(bad_input_is_no_loss),
        CASE(a_lost_answer_makes_no_second_key),
        CASE(a_limit_on_sessions_is_kept_to),
        CASE(threads_survive_losses),
        CASE(a_crash_in_finalize_is_survived),
        CASE(leaving_skips_what_runs_at_exit),
        CASE(two_share_a_module),
        CASE(what_is_no_module_is_refused),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, load, NULL);
}
