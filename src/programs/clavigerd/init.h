#pragma once

#include "store/store.h"

#include <sys/types.h>

#include "base/settings.h"
#include "crypto/rsa.h"
#include "hsm/object.h"
#include "programs/common/options.h"

/* `clavigerd init`: what the steps share. Each step leaves alone what is there already and says
 * which it was, so that an init that was cut off is simply run again. */
struct init {
    const struct options *options;
    const char *config_path;
    bool demonstration; /* the configuration was written by us: all of it lives beside the file */
    struct settings settings;
    struct hsm *hsm;
    struct hsm_key *server_key;
    struct hsm_key *ca_key;
    struct rsa_public *server_public;
    struct rsa_public *ca_public;
};

#define KEY_LABEL_ROOT   "claviger-root"
#define KEY_LABEL_SERVER "claviger-server"
#define KEY_LABEL_CA     "claviger-ca"

/* One line of the report: "made" or "there" and what. */
void init_say(bool made, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "<state directory>/name", on the heap of the settings. */
MUST_CHECK enum err init_state_path(const struct init *init, const char *name, char *to,
                                    size_t cap);
/* file_write unless the file exists; says which. */
MUST_CHECK enum err init_write(const char *path, struct bytes content, mode_t mode,
                               const char *what, struct err_detail *detail);

/* Configuration and folders; fills `settings`. */
MUST_CHECK enum err init_configuration(struct init *init, struct err_detail *detail);
/* Token, PIN and keys; fills hsm, keys and their public halves. */
MUST_CHECK enum err init_token(struct init *init, struct err_detail *detail);
/* Certification authority, server's and gateway's certificates, property files. */
MUST_CHECK enum err init_certificates(struct init *init, struct err_detail *detail);
/* Started as root with [daemon] user set: give that user what the daemon works with (state, PIN,
 * what the module needs, Diameter's files). The configuration itself stays root's and readable for
 * it. */
MUST_CHECK enum err init_hand_over(const struct init *init, struct err_detail *detail);
/* The first user, where there is none: its password is printed here, and nowhere else. */
MUST_CHECK enum err init_administrator(struct store *store, struct err_detail *detail);
