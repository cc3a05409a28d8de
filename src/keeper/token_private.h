#pragma once

#include "hsm/object.h"
#include "keeper/token.h"

/* Inside keeper only: what token.c and token_object.c share. */
struct keeper_token_hsm {
    struct hsm *hsm; /* borrowed */
    struct hsm_key *root, *server, *ca;
    struct rsa_public *server_public, *ca_public;
    /* how managed objects come out; see struct keeper_token_kek */
    struct secret *kek;
    char *kek_label;
    unsigned long kek_handle;
    bool digest_key;
};
