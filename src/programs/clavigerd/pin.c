#include "programs/clavigerd/pin.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/file.h"
#include "programs/common/prompt.h"

#define PIN_MAX ((size_t)256)

/* What follows `prefix`, or NULL. */
static const char *after(const char *source, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(source, prefix, len) == 0 ? source + len : NULL;
}

const char *pin_path(const char *source)
{
    return after(source, "file:");
}

bool pin_is_lasting(const char *source)
{
    return pin_path(source) != NULL || after(source, "credential:") != NULL;
}

static enum err from_environment(const char *name, struct secret **ret_pin,
                                 struct err_detail *detail)
{
    char *value = getenv(name);
    if (value == NULL)
        return err_set(detail, ERR_CONFIG, "[token] pin: the environment has no %s", name);
    TRY(secret_dup(bytes_str(value), ret_pin));
    explicit_bzero(value, strlen(value));
    (void)unsetenv(name);
    return ERR_OK;
}

static enum err from_credential(const char *name, struct secret **ret_pin,
                                struct err_detail *detail)
{
    const char *dir = getenv("CREDENTIALS_DIRECTORY");
    if (dir == NULL)
        return err_set(detail, ERR_CONFIG,
                       "[token] pin: no $CREDENTIALS_DIRECTORY; start under systemd with "
                       "LoadCredential=%s:PATH",
                       name);
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/%s", dir, name);
    if (len < 0 || (size_t)len >= sizeof path)
        return err_set(detail, ERR_CONFIG, "[token] pin: path too long");
    return file_read_secret(path, PIN_MAX, ret_pin, detail);
}

enum err pin_read(const char *source, struct secret **ret_pin, struct err_detail *detail)
{
    AUTO(secret_freep) struct secret *pin = NULL;
    const char *rest;
    if ((rest = after(source, "file:")) != NULL)
        TRY(file_read_secret(rest, PIN_MAX, &pin, detail));
    else if ((rest = after(source, "env:")) != NULL)
        TRY(from_environment(rest, &pin, detail));
    else if ((rest = after(source, "credential:")) != NULL)
        TRY(from_credential(rest, &pin, detail));
    else if (strcmp(source, "prompt") == 0)
        TRY(prompt_secret("PIN of the token", PIN_MAX, &pin, detail));
    else
        return err_set(detail, ERR_CONFIG,
                       "[token] pin: wanted file:PATH, env:NAME, credential:NAME or prompt");
    if (secret_len(pin) == 0)
        return err_set(detail, ERR_CONFIG, "[token] pin: it is empty");
    *ret_pin = TAKE(pin);
    return ERR_OK;
}

struct pin_hold {
    size_t len;
    uint8_t bytes[PIN_MAX];
};

enum err pin_hold_new(const struct secret *pin, struct pin_hold **ret_hold)
{
    struct bytes view = secret_view(pin);
    if (view.len > PIN_MAX)
        return ERR_LIMIT;
    struct pin_hold *hold =
        mmap(NULL, sizeof *hold, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (hold == MAP_FAILED)
        return ERR_NO_MEMORY;
    if (mlock(hold, sizeof *hold) != 0) {
        (void)munmap(hold, sizeof *hold);
        return ERR_NO_MEMORY;
    }
    (void)madvise(hold, sizeof *hold, MADV_DONTDUMP);
    hold->len = view.len;
    memcpy(hold->bytes, view.data, view.len);
    *ret_hold = hold;
    return ERR_OK;
}

enum err pin_hold_take(struct pin_hold *hold, struct secret **ret_pin)
{
    return secret_dup(bytes_of(hold->bytes, hold->len), ret_pin);
}

void pin_hold_free(struct pin_hold *hold)
{
    if (hold == NULL)
        return;
    explicit_bzero(hold, sizeof *hold);
    (void)munmap(hold, sizeof *hold);
}
