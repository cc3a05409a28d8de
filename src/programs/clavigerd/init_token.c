#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "crypto/random.h"
#include "hsm/hsm.h"
#include "hsm/init.h"
#include "hsm/profile.h"
#include "hsm/wrap.h"
#include "programs/clavigerd/init.h"
#include "programs/clavigerd/pin.h"
#include "programs/clavigerd/service.h"

#define PIN_LEN     20
#define RSA_BITS    3072
#define PEM_MAX     ((size_t)64 * 1024)
#define SO_PIN_NAME "token-so-pin"

/* Where [token] environment names a SOFTHSM2_CONF that is not there: a token folder beside it. */
static enum err make_softhsm_conf(struct err_detail *detail)
{
    const char *path = getenv("SOFTHSM2_CONF");
    if (path == NULL)
        return ERR_OK;
    if (access(path, F_OK) == 0)
        return ERR_OK;
    char dir[PATH_MAX];
    int len = snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (len < 0 || (size_t)len + sizeof "token" >= sizeof dir || slash == NULL)
        return err_set(detail, ERR_CONFIG, "SOFTHSM2_CONF=%s: not an absolute path", path);
    (void)snprintf(slash + 1, sizeof dir - (size_t)(slash + 1 - dir), "token");
    TRY(file_mkdirs(dir, 0700, detail));
    AUTO(buf_done) struct buf text = {0};
    TRY(buf_printf(
        &text,
        "directories.tokendir = %s\nobjectstore.backend = file\nobjectstore.umask = 0077\n"
        "log.level = ERROR\nslots.removable = false\nslots.mechanisms = ALL\n"
        "library.reset_on_fork = true\n",
        dir));
    return init_write(path, buf_view(&text), 0600, "SoftHSM2 configuration", detail);
}

/* Digits and letters that nobody mistakes for one another; about 5 bits each. */
static enum err random_pin(struct secret **ret_pin)
{
    static const char alphabet[32] = "abcdefghijkmnpqrstuvwxyz23456789";
    AUTO(secret_freep) struct secret *pin = NULL;
    TRY(secret_new(PIN_LEN, &pin));
    TRY(random_bytes(secret_data(pin), PIN_LEN));
    for (size_t i = 0; i < PIN_LEN; i++)
        secret_data(pin)[i] = (uint8_t)alphabet[secret_data(pin)[i] % sizeof alphabet];
    *ret_pin = TAKE(pin);
    return ERR_OK;
}

/* The secret in a file, made where there is none. */
static enum err file_pin(const char *path, const char *what, struct secret **ret_pin,
                         struct err_detail *detail)
{
    if (access(path, F_OK) != 0) {
        AUTO(secret_freep) struct secret *pin = NULL;
        TRY(random_pin(&pin));
        TRY(init_write(path, secret_view(pin), 0600, what, detail));
    } else {
        init_say(false, "%s: %s", what, path);
    }
    return file_read_secret(path, 256, ret_pin, detail);
}

static enum err get_pin(struct init *init, struct secret **ret_pin, struct err_detail *detail)
{
    const char *path = pin_path(init->settings.token.pin);
    if (path != NULL)
        return file_pin(path, "PIN", ret_pin, detail);
    return pin_read(init->settings.token.pin, ret_pin, detail);
}

/* Open the token; where there is none of this label, make one with `pin` first. */
static enum err open_or_make(struct init *init, const struct secret *pin, struct err_detail *detail)
{
    const struct hsm_config config = service_hsm_config(&init->settings, false);
    AUTO(secret_freep) struct secret *copy = NULL;
    TRY(secret_dup(secret_view(pin), &copy));
    enum err err = hsm_open(&config, TAKE(copy), &init->hsm, detail);
    if (err != ERR_TOKEN_GONE) {
        if (err == ERR_OK)
            init_say(false, "token: %s", init->settings.token.label);
        return err;
    }
    char path[PATH_MAX];
    TRY(init_state_path(init, SO_PIN_NAME, path, sizeof path));
    AUTO(secret_freep) struct secret *so_pin = NULL;
    TRY(file_pin(path, "security officer's PIN", &so_pin, detail));
    TRY(hsm_init_token(&config, init->settings.token.label, secret_view(so_pin), secret_view(pin),
                       detail));
    init_say(true, "token: %s", init->settings.token.label);
    TRY(secret_dup(secret_view(pin), &copy));
    return hsm_open(&config, TAKE(copy), &init->hsm, detail);
}

static enum err import_pem(struct init *init, const char *path, struct err_detail *detail)
{
    AUTO(secret_freep) struct secret *pem = NULL;
    TRY(file_read_secret(path, PEM_MAX - 1, &pem, detail));
    AUTO(rsa_private_freep) struct rsa_private *key = NULL;
    enum err err = rsa_private_from_pem(secret_view(pem), bytes_of("", 0), &key, detail);
    if (err == ERR_DENIED) {
        AUTO(secret_freep) struct secret *passphrase = NULL;
        err = pin_read("prompt", &passphrase, detail);
        if (err == ERR_OK)
            err = rsa_private_from_pem(secret_view(pem), secret_view(passphrase), &key, detail);
    }
    TRY(err);
    TRY(hsm_rsa_import(init->hsm, KEY_LABEL_SERVER, key, &init->server_key, detail));
    init_say(true, "RSA key pair in the token: %s, imported from %s", KEY_LABEL_SERVER, path);
    return ERR_OK;
}

static enum err rsa_key(struct init *init, const char *label, struct hsm_key **ret_key,
                        struct err_detail *detail)
{
    enum err err = hsm_key_find(init->hsm, HSM_RSA, label, ret_key, detail);
    if (err != ERR_NOT_FOUND) {
        if (err == ERR_OK)
            init_say(false, "RSA key pair in the token: %s", label);
        return err;
    }
    TRY(hsm_rsa_generate(init->hsm, label, RSA_BITS, ret_key, detail));
    init_say(true, "RSA key pair in the token: %s, %d bits", label, RSA_BITS);
    return ERR_OK;
}

static enum err make_root(struct init *init, struct err_detail *detail)
{
    AUTO(hsm_key_freep) struct hsm_key *root = NULL;
    enum err err = hsm_key_find(init->hsm, HSM_AES, KEY_LABEL_ROOT, &root, detail);
    if (err == ERR_NOT_FOUND)
        TRY(hsm_aes_generate(init->hsm, KEY_LABEL_ROOT, &root, detail));
    else
        TRY(err);
    init_say(err == ERR_NOT_FOUND, "root key in the token: %s, AES-256", KEY_LABEL_ROOT);
    const char *method = hsm_wrap_method(init->hsm, HSM_AES);
    if (method == NULL)
        return err_set(detail, ERR_TOKEN_UNABLE, "no way to wrap a key under an AES key");
    (void)printf("       domain keys will be wrapped by: %s\n", method);
    return ERR_OK;
}

static enum err make_server_key(struct init *init, struct err_detail *detail)
{
    const char *import = options_get(init->options, "import-key");
    if (import == NULL)
        return rsa_key(init, KEY_LABEL_SERVER, &init->server_key, detail);
    AUTO(hsm_key_freep) struct hsm_key *there = NULL;
    enum err err = hsm_key_find(init->hsm, HSM_RSA, KEY_LABEL_SERVER, &there, detail);
    if (err == ERR_OK)
        return err_set(detail, ERR_EXISTS, "--import-key: the token has a key '%s' already",
                       KEY_LABEL_SERVER);
    if (err != ERR_NOT_FOUND)
        return err;
    return import_pem(init, import, detail);
}

/* What the token was found to be able to do, for `claviger status --token`. */
static enum err write_profile(struct init *init, struct err_detail *detail)
{
    char path[PATH_MAX];
    struct hsm_profile profile;
    AUTO(buf_done) struct buf text = {0};
    hsm_profile_get(init->hsm, &profile);
    TRY(init_state_path(init, SERVICE_PROFILE_FILE, path, sizeof path));
    TRY(buf_printf(&text, "["));
    for (unsigned i = 0; i < HSM_ROW_COUNT; i++)
        TRY(buf_printf(&text, "%s{\"name\":\"%s\",\"text\":\"%s\",\"can\":\"%s\",\"ckr\":\"%s\"}",
                       i > 0 ? ",\n" : "", hsm_row_name((enum hsm_row)i),
                       hsm_row_text((enum hsm_row)i), profile.rows[i].can ? "yes" : "no",
                       hsm_ckr_name(profile.rows[i].ckr)));
    TRY(buf_printf(&text, "]\n"));
    return file_write(path, buf_view(&text), 0600, detail);
}

enum err init_token(struct init *init, struct err_detail *detail)
{
    TRY(service_token_environment(&init->settings, detail));
    TRY(make_softhsm_conf(detail));
    AUTO(secret_freep) struct secret *pin = NULL;
    TRY(get_pin(init, &pin, detail));
    TRY(open_or_make(init, pin, detail));
    TRY(write_profile(init, detail));
    TRY(make_root(init, detail));
    TRY(make_server_key(init, detail));
    TRY(rsa_key(init, KEY_LABEL_CA, &init->ca_key, detail));
    TRY(hsm_rsa_public(init->hsm, init->server_key, &init->server_public, detail));
    return hsm_rsa_public(init->hsm, init->ca_key, &init->ca_public, detail);
}
