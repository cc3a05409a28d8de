#pragma once

#include "store/store.h"
#include "vault/access.h"

/* People who log in: rows of table `person`. Their passwords are kept as Argon2id verifiers
 * (crypto/pwhash.h), which are made and compared by the callers. Any thread; blocks. */

#define VAULT_PERSON_NAME_MAX 48
#define VAULT_PASSWORD_MIN    12 /* characters of one that somebody thought of */
#define VAULT_PASSWORD_MAX    256
#define VAULT_PASSWORD_MADE   27 /* characters of one that is made: 115 bits */
#define VAULT_PEOPLE_MAX      1000
#define VAULT_VERIFIER_MAX    255

struct vault_person {
    char name[VAULT_PERSON_NAME_MAX + 1];
    enum vault_role role;
    bool must_change;                      /* the password, before anything else */
    int64_t created, disabled, last_login; /* seconds since 1970; 0: not */
};

/* Lower case letters, digits, '.', '_', '-'; begins with a letter; not "daemon" or "server".
 * ERR_ARGUMENT. */
MUST_CHECK enum err vault_person_check_name(const char *name, struct err_detail *detail);
/* Long enough even without the name in it, no control characters. ERR_ARGUMENT says what is wrong.
 */
MUST_CHECK enum err vault_password_check(const char *password, const char *name,
                                         struct err_detail *detail);

/* ERR_NOT_FOUND, without touching `detail`. Disabled ones are found; `ret_verifier` may be NULL. */
MUST_CHECK enum err vault_person_find(struct store *store, const char *name,
                                      struct vault_person *ret_person,
                                      char ret_verifier[VAULT_VERIFIER_MAX + 1],
                                      struct err_detail *detail);
/* In order of names. */
typedef enum err vault_person_fn(void *ctx, const struct vault_person *person);
MUST_CHECK enum err vault_people_each(struct store *store, vault_person_fn *each, void *ctx,
                                      struct err_detail *detail);

/* What a change says; NULL: as it is. Durable on return, as all below. */
struct vault_person_change {
    const enum vault_role *role;
    const char *verifier;
    const bool *must_change, *disabled;
    const int64_t *last_login;
};
/* ERR_EXISTS; ERR_LIMIT beyond VAULT_PEOPLE_MAX. Role and verifier are wanted. */
MUST_CHECK enum err vault_person_create(struct store *store, const char *name,
                                        const struct vault_person_change *spec,
                                        struct vault_person *ret_person, struct err_detail *detail);
/* ERR_NOT_FOUND; ERR_STATE where no administrator would be left that may log in. */
MUST_CHECK enum err vault_person_change(struct store *store, const char *name,
                                        const struct vault_person_change *change,
                                        struct vault_person *ret_person, struct err_detail *detail);
MUST_CHECK enum err vault_person_remove(struct store *store, const char *name,
                                        struct err_detail *detail);
