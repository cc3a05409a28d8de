#pragma once

#include "keeper/client.h"

/* What the Diameter server stands on, without a store and without a keeper process: every function
 * of fleet/lookup.h and keeper/client.h it calls. Peers are those of the property file. There is
 * one network, realm "kms.test", that every peer may read but "stranger.test"; nodes are the even
 * ids below 0x20000; keys are predictable; the shared secret of "signed.test" is sixteen 's'. */

/* One end of a keeper connection for diameter_server_config. */
int backend_keeper_fd(void);

struct backend_faults {
    _Atomic bool mute; /* the keeper takes releases and never answers */
    _Atomic bool gone; /* the keeper is lost */
    _Atomic unsigned notes;
    char last_note[KEEPER_NOTE_MAX + 1];
};
extern struct backend_faults backend;
/* The key of a row as the fake keeper gives it. */
void backend_key(struct keeper_row row, size_t len, uint8_t *to);
