#include "api/sessions.h"

#include <stdio.h>

#include "support/test.h"

static struct sessions *sessions;

static int begin(void **state)
{
    (void)state;
    assert_ok(sessions_new(&sessions));
    return 0;
}

static int end(void **state)
{
    (void)state;
    sessions_free(sessions);
    return 0;
}

static struct vault_person person(const char *name, bool must_change)
{
    struct vault_person p = {.role = VAULT_ROLE_FACTORY, .must_change = must_change};
    (void)snprintf(p.name, sizeof p.name, "%s", name);
    return p;
}

static void log_in(const char *name, int64_t now, char token[SESSION_TOKEN_LEN + 1],
                   struct session *session)
{
    struct vault_person p = person(name, false);
    assert_ok(sessions_begin(sessions, &p, now, token, session));
}

static void a_token_opens_its_session(void **state)
{
    (void)state;
    char token[SESSION_TOKEN_LEN + 1], other[SESSION_TOKEN_LEN + 1];
    struct session made, found;
    log_in("alice", 100, token, &made);
    log_in("alice", 100, other, &found);
    assert_string_not_equal(token, other);
    assert_ok(sessions_find(sessions, token, 101, &found));
    assert_int_equal(found.number, made.number);
    assert_string_equal(found.name, "alice");
    assert_int_equal(found.role, VAULT_ROLE_FACTORY);
    assert_string_equal(found.csrf, made.csrf);
    assert_string_not_equal(found.csrf, token);
}

static void what_is_no_token_opens_nothing(void **state)
{
    (void)state;
    char token[SESSION_TOKEN_LEN + 1], longer[SESSION_TOKEN_LEN + 2];
    struct session session;
    log_in("alice", 100, token, &session);
    (void)snprintf(longer, sizeof longer, "%s0", token);
    token[3] = token[3] == '0' ? '1' : '0';
    assert_err(sessions_find(sessions, token, 100, &session), ERR_UNAUTHENTICATED);
    assert_err(sessions_find(sessions, longer, 100, &session), ERR_UNAUTHENTICATED);
    assert_err(sessions_find(sessions, "", 100, &session), ERR_UNAUTHENTICATED);
}

static void it_ends_when_it_is_not_used(void **state)
{
    (void)state;
    char token[SESSION_TOKEN_LEN + 1];
    struct session session;
    log_in("alice", 0, token, &session);
    assert_int_equal(session.left_s, SESSION_IDLE_S);
    assert_ok(sessions_find(sessions, token, SESSION_IDLE_S - 1, &session));
    assert_true(sessions_alive(sessions, session.number, SESSION_IDLE_S));
    assert_err(sessions_find(sessions, token, 2 * SESSION_IDLE_S - 1, &session),
               ERR_UNAUTHENTICATED);
    assert_err(sessions_find(sessions, token, 0, &session), ERR_UNAUTHENTICATED);
}

static void it_ends_however_much_it_is_used(void **state)
{
    (void)state;
    char token[SESSION_TOKEN_LEN + 1];
    struct session session;
    log_in("alice", 0, token, &session);
    for (int64_t now = 0; now < SESSION_LIFE_S; now += SESSION_IDLE_S / 2)
        assert_ok(sessions_find(sessions, token, now, &session));
    assert_in_range(session.left_s, 1, SESSION_IDLE_S / 2);
    assert_err(sessions_find(sessions, token, SESSION_LIFE_S, &session), ERR_UNAUTHENTICATED);
}

static void a_persons_sessions_end_together(void **state)
{
    (void)state;
    char mine[SESSION_TOKEN_LEN + 1], also[SESSION_TOKEN_LEN + 1], bobs[SESSION_TOKEN_LEN + 1];
    struct session first, second, third, found;
    log_in("alice", 0, mine, &first);
    log_in("alice", 0, also, &second);
    log_in("bob", 0, bobs, &third);
    sessions_end_person(sessions, "alice", first.number);
    assert_ok(sessions_find(sessions, mine, 1, &found));
    assert_err(sessions_find(sessions, also, 1, &found), ERR_UNAUTHENTICATED);
    sessions_end_person(sessions, "alice", 0);
    assert_err(sessions_find(sessions, mine, 1, &found), ERR_UNAUTHENTICATED);
    assert_ok(sessions_find(sessions, bobs, 1, &found));
    sessions_end(sessions, third.number);
    assert_false(sessions_alive(sessions, third.number, 1));
    assert_err(sessions_find(sessions, bobs, 1, &found), ERR_UNAUTHENTICATED);
}

static void too_many_of_one_push_out_his_oldest(void **state)
{
    (void)state;
    char first[SESSION_TOKEN_LEN + 1], token[SESSION_TOKEN_LEN + 1], bobs[SESSION_TOKEN_LEN + 1];
    struct session session;
    log_in("bob", 0, bobs, &session);
    log_in("alice", 1, first, &session);
    for (int i = 0; i < SESSIONS_PERSON_MAX; i++)
        log_in("alice", 2, token, &session);
    assert_err(sessions_find(sessions, first, 3, &session), ERR_UNAUTHENTICATED);
    assert_ok(sessions_find(sessions, token, 3, &session));
    assert_ok(sessions_find(sessions, bobs, 3, &session));
}

static void csrf_is_the_sessions_own(void **state)
{
    (void)state;
    char token[SESSION_TOKEN_LEN + 1];
    struct session one, other;
    log_in("alice", 0, token, &one);
    log_in("alice", 0, token, &other);
    assert_true(sessions_csrf_fits(&one, one.csrf));
    assert_false(sessions_csrf_fits(&one, other.csrf));
    assert_false(sessions_csrf_fits(&one, ""));
    assert_false(sessions_csrf_fits(&one, NULL));
    assert_false(sessions_csrf_fits(&one, token));
}

static void a_password_to_be_changed_is_remembered(void **state)
{
    (void)state;
    char token[SESSION_TOKEN_LEN + 1];
    struct session session;
    struct vault_person p = person("alice", true);
    assert_ok(sessions_begin(sessions, &p, 0, token, &session));
    assert_ok(sessions_find(sessions, token, 1, &session));
    assert_true(session.must_change);
    sessions_changed(sessions, session.number);
    assert_ok(sessions_find(sessions, token, 1, &session));
    assert_false(session.must_change);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(a_token_opens_its_session, begin, end),
          cmocka_unit_test_setup_teardown(what_is_no_token_opens_nothing, begin, end),
          cmocka_unit_test_setup_teardown(it_ends_when_it_is_not_used, begin, end),
          cmocka_unit_test_setup_teardown(it_ends_however_much_it_is_used, begin, end),
          cmocka_unit_test_setup_teardown(a_persons_sessions_end_together, begin, end),
          cmocka_unit_test_setup_teardown(too_many_of_one_push_out_his_oldest, begin, end),
          cmocka_unit_test_setup_teardown(csrf_is_the_sessions_own, begin, end),
          cmocka_unit_test_setup_teardown(a_password_to_be_changed_is_remembered, begin, end))
