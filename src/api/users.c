#include <stdio.h>
#include <string.h>

#include "api/json.h"
#include "api/login.h"
#include "api/resources.h"
#include "audit_kinds.h"
#include "base/clock.h"
#include "crypto/password.h"
#include "crypto/pwhash.h"

/* People who log in: records of vault/people.h. */

static json_t *person_json(struct api *api, const struct vault_person *person)
{
    unsigned failed = 0;
    int64_t now = logins_now();
    int64_t until = lockout_until(logins_lockout(api_logins(api)), person->name, now, &failed);
    return json_pack("{s:s s:s s:s s:o s:o s:b s:i s:o}", "name", person->name, "role",
                     vault_role_name(person->role), "state",
                     person->disabled != 0 ? "disabled" : "active", "created",
                     json_of_time(person->created), "last_login", json_of_time(person->last_login),
                     "must_change", person->must_change, "failures", (int)failed, "locked_until",
                     json_of_time(until != 0 ? clock_now_s() + until - now : 0));
}

struct list {
    struct api *api;
    json_t *array;
};

static enum err add_person(void *ctx, const struct vault_person *person)
{
    const struct list *list = ctx;
    return json_array_append_new(list->array, person_json(list->api, person)) == 0 ? ERR_OK
                                                                                   : ERR_NO_MEMORY;
}

static enum err list_users(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    AUTO(json_freep) json_t *array = json_array();
    struct list list = {call->api, array};
    TRY(vault_people_each(api_store(call->api), add_person, &list, detail));
    return api_give(json_pack("{s:O}", "users", array), ret_answer);
}
API_HANDLER(list_users)

static enum err note(struct api_call *call, uint16_t kind, const char *name, const char *what,
                     struct err_detail *detail)
{
    char text[256];
    (void)snprintf(text, sizeof text, "%s%s%.160s", name, *what != '\0' ? ": " : "", what);
    const struct keeper_note event = {.kind = kind, .text = text};
    return keeper_note_event(call->fleet.keeper, call->fleet.actor.name, &event, detail);
}

/* A password for somebody, and what is kept of it; wiped at the end of the scope. */
struct fresh {
    bool made;
    char password[PASSWORD_MADE + 1];
    char verifier[PWHASH_VERIFIER_MAX + 1];
};

static void fresh_done(struct fresh *fresh)
{
    explicit_bzero(fresh, sizeof *fresh);
}

/* `given` NULL: one is made. */
static enum err fresh_take(struct fresh *fresh, const char *given, const char *name,
                           struct err_detail *detail)
{
    if (given != NULL) {
        TRY(vault_password_check(given, name, detail));
        return pwhash_verifier_make(bytes_str(given), fresh->verifier, detail);
    }
    TRY(password_make(fresh->password));
    fresh->made = true;
    return pwhash_verifier_make(bytes_str(fresh->password), fresh->verifier, detail);
}

static enum err answer(struct api_call *call, const struct vault_person *person,
                       const struct fresh *fresh, json_t **ret_answer)
{
    json_t *json = person_json(call->api, person);
    if (json != NULL && fresh->made)
        (void)json_object_set_new(json, "password", json_string(fresh->password));
    return api_give(json, ret_answer);
}

static enum err create_user(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    AUTO(fresh_done) struct fresh fresh = {0};
    const char *name = NULL, *role_name = NULL, *given = NULL;
    enum vault_role role;
    struct vault_person person;
    const bool must_change = true; /* somebody else knows it */
    TRY(api_text(call, "name", &name, detail));
    TRY(api_text(call, "role", &role_name, detail));
    TRY(api_text_optional(call, "password", &given, detail));
    TRY(vault_person_check_name(name, detail));
    TRY(vault_role_find(role_name, &role, detail));
    TRY(fresh_take(&fresh, given, name, detail));
    const struct vault_person_change spec = {
        .role = &role, .verifier = fresh.verifier, .must_change = &must_change};
    TRY(vault_person_create(api_store(call->api), name, &spec, &person, detail));
    TRY(note(call, AUDIT_USER_CREATED, name, role_name, detail));
    return answer(call, &person, &fresh, ret_answer);
}
API_HANDLER(create_user)

static enum err read_change(struct api_call *call, enum vault_role *role, bool *disabled,
                            bool *reset, struct vault_person_change *change,
                            struct err_detail *detail)
{
    const char *role_name = NULL;
    TRY(api_text_optional(call, "role", &role_name, detail));
    if (role_name != NULL) {
        TRY(vault_role_find(role_name, role, detail));
        change->role = role;
    }
    if (json_object_get(call->body, "disabled") != NULL) {
        TRY(api_flag(call, "disabled", disabled, detail));
        change->disabled = disabled;
    }
    TRY(api_flag(call, "reset", reset, detail));
    if (change->role == NULL && change->disabled == NULL && !*reset)
        return err_set(detail, ERR_ARGUMENT, "one of 'role', 'disabled' and 'reset' is wanted");
    return ERR_OK;
}

static enum err change_user(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    AUTO(fresh_done) struct fresh fresh = {0};
    const char *name = net_http_param(call->http, "name");
    enum vault_role role;
    bool disabled = false, reset = false;
    const bool must_change = true;
    struct vault_person person;
    struct vault_person_change change = {0};
    char what[128];
    TRY(read_change(call, &role, &disabled, &reset, &change, detail));
    if (reset) {
        TRY(fresh_take(&fresh, NULL, name, detail));
        change.verifier = fresh.verifier;
        change.must_change = &must_change;
    }
    TRY(vault_person_change(api_store(call->api), name, &change, &person, detail));
    /* what was allowed before is over at once */
    sessions_end_person(logins_sessions(api_logins(call->api)), name, 0);
    api_events_sweep(call->api);
    (void)snprintf(what, sizeof what, "%s%s%s%s",
                   change.role != NULL ? vault_role_name(person.role) : "",
                   change.role != NULL && (change.disabled != NULL || reset) ? ", " : "",
                   change.disabled == NULL ? ""
                   : disabled              ? "disabled"
                                           : "enabled",
                   reset ? " password reset" : "");
    TRY(note(call, AUDIT_USER_CHANGED, name, what, detail));
    return answer(call, &person, &fresh, ret_answer);
}
API_HANDLER(change_user)

static enum err remove_user(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    (void)ret_answer;
    const char *name = net_http_param(call->http, "name");
    TRY(vault_person_remove(api_store(call->api), name, detail));
    sessions_end_person(logins_sessions(api_logins(call->api)), name, 0);
    api_events_sweep(call->api);
    return note(call, AUDIT_USER_REMOVED, name, "", detail);
}
API_HANDLER(remove_user)
