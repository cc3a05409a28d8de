#include "diameter/clerk.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "audit_kinds.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/workers.h"

#define QUEUE_MAX  4096
#define TIMEOUT_MS 5000

struct clerk {
    struct workers *workers;
    struct keeper_client *keeper;
    _Atomic uint64_t second; /* of the notes counted in `notes` */
    _Atomic unsigned notes;
    _Atomic unsigned left_out;
};

struct note {
    struct clerk *clerk;
    char actor[KEEPER_ACTOR_MAX + 1];
    char text[KEEPER_NOTE_MAX + 1];
};

enum err clerk_new(int keeper_fd, struct clerk **ret_clerk)
{
    struct clerk *clerk = calloc(1, sizeof *clerk);
    if (clerk == NULL)
        return ERR_NO_MEMORY;
    enum err err = workers_new(1, QUEUE_MAX, &clerk->workers);
    if (err == ERR_OK)
        err = keeper_client_new(keeper_fd, &clerk->keeper);
    if (err != ERR_OK) {
        clerk_free(clerk);
        return err;
    }
    keeper_client_set_timeout(clerk->keeper, TIMEOUT_MS);
    *ret_clerk = clerk;
    return ERR_OK;
}

void clerk_free(struct clerk *clerk)
{
    if (clerk == NULL)
        return;
    if (clerk->workers != NULL)
        workers_free(clerk->workers);
    keeper_client_freep(&clerk->keeper);
    free(clerk);
}

static enum err verify(struct keeper_client *keeper, const struct clerk_check *check)
{
    uint32_t session = 0;
    TRY(keeper_mac_begin(keeper, check->actor, check->row,
                         bytes_of(check->sealed, check->sealed_len), &session, NULL));
    enum err err =
        keeper_mac_update(keeper, session, bytes_of(check->input, check->input_len), NULL);
    if (err == ERR_OK)
        return keeper_mac_verify(keeper, session, BYTES(check->mac), NULL);
    (void)!keeper_session_drop(keeper, session, NULL);
    return err;
}

static void run_check(void *arg)
{
    struct clerk_check *check = arg;
    check->err = verify(check->clerk->keeper, check);
    check->post = (struct net_post){.fn = check->done, .arg = check};
    net_loop_post_item(check->loop, &check->post);
}

enum err clerk_check(struct clerk *clerk, struct clerk_check *check)
{
    check->clerk = clerk;
    return workers_submit(clerk->workers, run_check, check);
}

static void run_note(void *arg)
{
    struct note *note = arg;
    struct err_detail detail = {0};
    const struct keeper_note event = {
        .kind = AUDIT_ACCESS_REFUSED, .result = ERR_DENIED, .text = note->text};
    enum err err = keeper_note_event(note->clerk->keeper, note->actor, &event, &detail);
    if (err != ERR_OK)
        log_failure(LOG_LEVEL_WARN, "a refusal could not be written to the audit chain", err,
                    &detail);
    free(note);
}

/* A window of one second; losing a count between threads does no harm. */
static bool may_note(struct clerk *clerk)
{
    uint64_t second = clock_mono_ns() / 1000000000u;
    if (atomic_exchange(&clerk->second, second) != second)
        atomic_store(&clerk->notes, 0);
    if (atomic_fetch_add(&clerk->notes, 1) < CLERK_NOTES_PER_S)
        return true;
    (void)atomic_fetch_add(&clerk->left_out, 1);
    return false;
}

void clerk_note(struct clerk *clerk, struct bytes actor, const char *text)
{
    if (clerk == NULL || !may_note(clerk))
        return;
    struct note *note = calloc(1, sizeof *note);
    if (note == NULL)
        return;
    note->clerk = clerk;
    size_t len = actor.len < KEEPER_ACTOR_MAX ? actor.len : KEEPER_ACTOR_MAX;
    memcpy(note->actor, actor.data, len);
    unsigned left_out = atomic_exchange(&clerk->left_out, 0);
    if (left_out != 0)
        (void)snprintf(note->text, sizeof note->text, "%.150s (%u refusals before it left out)",
                       text, left_out);
    else
        (void)snprintf(note->text, sizeof note->text, "%.200s", text);
    if (workers_submit(clerk->workers, run_note, note) != ERR_OK) {
        (void)atomic_fetch_add(&clerk->left_out, left_out + 1);
        free(note);
    }
}
