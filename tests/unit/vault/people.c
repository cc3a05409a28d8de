#include "vault/people.h"

#include <string.h>

#include "site.h"

static struct site site;
static struct err_detail detail;

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

static enum err create(const char *name, enum vault_role role)
{
    struct vault_person person;
    const bool must_change = true;
    const struct vault_person_change spec = {
        .role = &role, .verifier = "$argon2id$one", .must_change = &must_change};
    return vault_person_create(site.store, name, &spec, &person, &detail);
}

static struct vault_person find(const char *name)
{
    struct vault_person person = {.name = ""};
    assert_ok(vault_person_find(site.store, name, &person, NULL, &detail));
    return person;
}

static enum err change(const char *name, const struct vault_person_change *what)
{
    struct vault_person person;
    return vault_person_change(site.store, name, what, &person, &detail);
}

static void a_person_is_made_and_found(void **state)
{
    (void)state;
    char verifier[VAULT_VERIFIER_MAX + 1];
    struct vault_person person;
    assert_ok(create("alice", VAULT_ROLE_FACTORY));
    assert_err(create("alice", VAULT_ROLE_AUDITOR), ERR_EXISTS);
    assert_ok(vault_person_find(site.store, "alice", &person, verifier, &detail));
    assert_string_equal(person.name, "alice");
    assert_string_equal(verifier, "$argon2id$one");
    assert_int_equal(person.role, VAULT_ROLE_FACTORY);
    assert_true(person.must_change);
    assert_true(person.created > 0);
    assert_int_equal(person.disabled, 0);
    assert_int_equal(person.last_login, 0);
    assert_err(vault_person_find(site.store, "bob", &person, verifier, &detail), ERR_NOT_FOUND);
    assert_err(vault_person_find(site.store, "ALICE", &person, verifier, &detail), ERR_NOT_FOUND);
}

static void only_what_is_named_changes(void **state)
{
    (void)state;
    const enum vault_role role = VAULT_ROLE_AUDITOR;
    const bool yes = true, no = false;
    const int64_t moment = 1234567;
    assert_ok(create("alice", VAULT_ROLE_FACTORY));
    assert_ok(change("alice", &(struct vault_person_change){.role = &role}));
    assert_int_equal(find("alice").role, VAULT_ROLE_AUDITOR);
    assert_true(find("alice").must_change);
    assert_ok(
        change("alice", &(struct vault_person_change){.must_change = &no, .last_login = &moment}));
    assert_false(find("alice").must_change);
    assert_int_equal(find("alice").last_login, moment);
    assert_ok(change("alice", &(struct vault_person_change){.disabled = &yes}));
    assert_true(find("alice").disabled > 0);
    assert_ok(change("alice", &(struct vault_person_change){.disabled = &no}));
    assert_int_equal(find("alice").disabled, 0);
    assert_int_equal(find("alice").last_login, moment);
    assert_err(change("bob", &(struct vault_person_change){.role = &role}), ERR_NOT_FOUND);
}

static void the_last_administrator_stays(void **state)
{
    (void)state;
    const enum vault_role auditor = VAULT_ROLE_AUDITOR;
    const bool yes = true, no = false;
    assert_ok(create("admin", VAULT_ROLE_ADMINISTRATOR));
    assert_ok(create("alice", VAULT_ROLE_FACTORY));
    assert_err(vault_person_remove(site.store, "admin", &detail), ERR_STATE);
    assert_err(change("admin", &(struct vault_person_change){.disabled = &yes}), ERR_STATE);
    assert_err(change("admin", &(struct vault_person_change){.role = &auditor}), ERR_STATE);
    assert_int_equal(find("admin").role, VAULT_ROLE_ADMINISTRATOR);
    assert_ok(create("root", VAULT_ROLE_ADMINISTRATOR));
    assert_ok(change("root", &(struct vault_person_change){.disabled = &yes}));
    assert_err(vault_person_remove(site.store, "admin", &detail), ERR_STATE);
    assert_ok(change("root", &(struct vault_person_change){.disabled = &no}));
    assert_ok(vault_person_remove(site.store, "admin", &detail));
    assert_err(vault_person_remove(site.store, "admin", &detail), ERR_NOT_FOUND);
    assert_ok(vault_person_remove(site.store, "alice", &detail));
}

static enum err collect(void *ctx, const struct vault_person *person)
{
    strcat(ctx, person->name);
    strcat(ctx, " ");
    return ERR_OK;
}

static void they_are_listed_by_name(void **state)
{
    (void)state;
    char names[64] = "";
    assert_ok(vault_people_each(site.store, collect, names, &detail));
    assert_string_equal(names, "");
    assert_ok(create("bob", VAULT_ROLE_OPERATOR));
    assert_ok(create("alice", VAULT_ROLE_OFFICER));
    assert_ok(vault_people_each(site.store, collect, names, &detail));
    assert_string_equal(names, "alice bob ");
}

static void names_are_harmless(void **state)
{
    (void)state;
    static const char *const bad[] = {"",         "Alice",    "1a",    "a b", "a:b", "a/b",
                                      "daemon",   "server",   "uid:0", "-a",  ".a",  "a\n",
                                      "\xc3\xa9", "admin'--", "a;b",   "<b>", "a\"b"};
    char longer[VAULT_PERSON_NAME_MAX + 2];
    memset(longer, 'a', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_err(create(bad[i], VAULT_ROLE_FACTORY), ERR_ARGUMENT);
    assert_err(create(longer, VAULT_ROLE_FACTORY), ERR_ARGUMENT);
    assert_ok(create(longer + 1, VAULT_ROLE_FACTORY));
    assert_ok(create("a.b_c-9", VAULT_ROLE_FACTORY));
}

static void passwords_are_looked_at(void **state)
{
    (void)state;
    char longer[VAULT_PASSWORD_MAX + 2];
    for (size_t i = 0; i < sizeof longer - 1; i++)
        longer[i] = (char)('a' + i % 26);
    longer[sizeof longer - 1] = '\0';
    assert_ok(vault_password_check("correct horse", "alice", &detail));
    assert_ok(vault_password_check("\xc3\xa4\xc3\xb6\xc3\xbc \xc3\xa4\xc3\xb6\xc3\xbc 12345",
                                   "alice", &detail));
    assert_err(vault_password_check("elevenchars", "alice", &detail), ERR_ARGUMENT);
    assert_err(
        vault_password_check("\xc3\xa4\xc3\xb6\xc3\xbc\xc3\xa4\xc3\xb6\xc3\xbc", "alice", &detail),
        ERR_ARGUMENT);
    assert_err(vault_password_check("my name is ALICE", "alice", &detail), ERR_ARGUMENT);
    assert_err(vault_password_check("aaaaaaaaaaaaaaaa", "bob", &detail), ERR_ARGUMENT);
    assert_err(vault_password_check("with a\nline break", "bob", &detail), ERR_ARGUMENT);
    assert_err(vault_password_check(longer, "zoe", &detail), ERR_ARGUMENT);
    assert_ok(vault_password_check(longer + 1, "zoe", &detail));
    assert_err(vault_password_check("", "bob", &detail), ERR_ARGUMENT);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(a_person_is_made_and_found, begin, end),
          cmocka_unit_test_setup_teardown(only_what_is_named_changes, begin, end),
          cmocka_unit_test_setup_teardown(the_last_administrator_stays, begin, end),
          cmocka_unit_test_setup_teardown(they_are_listed_by_name, begin, end),
          cmocka_unit_test_setup_teardown(names_are_harmless, begin, end),
          cmocka_unit_test_setup_teardown(passwords_are_looked_at, begin, end))
