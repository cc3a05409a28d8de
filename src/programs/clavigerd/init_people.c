#include <stdio.h>
#include <string.h>

#include "crypto/password.h"
#include "crypto/pwhash.h"
#include "programs/clavigerd/init.h"
#include "vault/people.h"

#define FIRST_NAME "admin"

static enum err look(void *ctx, const struct vault_person *person)
{
    (void)person;
    *(bool *)ctx = true;
    return ERR_OK;
}

static enum err make_first(struct store *store, const char *password, struct err_detail *detail)
{
    char verifier[PWHASH_VERIFIER_MAX + 1];
    struct vault_person person;
    const enum vault_role role = VAULT_ROLE_ADMINISTRATOR;
    const bool must_change = true;
    TRY(pwhash_verifier_make(bytes_str(password), verifier, detail));
    const struct vault_person_change spec = {
        .role = &role, .verifier = verifier, .must_change = &must_change};
    enum err err = vault_person_create(store, FIRST_NAME, &spec, &person, detail);
    explicit_bzero(verifier, sizeof verifier);
    return err;
}

enum err init_administrator(struct store *store, struct err_detail *detail)
{
    char password[PASSWORD_MADE + 1];
    bool there = false;
    TRY(vault_people_each(store, look, &there, detail));
    if (there)
        return ERR_OK;
    TRY(password_make(password));
    enum err err = make_first(store, password, detail);
    if (err == ERR_OK)
        init_say(true,
                 "first user: " FIRST_NAME ", password %s (shown this once, to be changed at the "
                 "first login)",
                 password);
    explicit_bzero(password, sizeof password);
    return err;
}
