#pragma once

#include "programs/claviger/cli.h"

/* The folder of a client: of KMIP client.key, client.pem, ca.pem and profile.conf, of others
 * key.pem, cert.pem and ca.pem. */

/* The request that goes to the daemon: of --csr, or for a key that is made here and kept aside
 * until client_folder_write. NULL in `ret_request` where neither is wanted. */
struct client_folder {
    const char *name, *dir; /* `dir` NULL: nothing is written */
    struct secret *key;     /* PEM; NULL: the machine has its own */
    struct secret *p12;     /* password of the PKCS#12 file; NULL: none is written */
    struct buf request;     /* PEM */
};
void client_folder_done(struct client_folder *folder); /* for AUTO */
/* For a new client: ERR_EXISTS where --output has the key or certificate of one already. */
MUST_CHECK enum err client_folder_is_free(struct cli *cli);
MUST_CHECK enum err client_folder_prepare(struct cli *cli, struct client_folder *folder);
/* What the daemon answered ("certificate_pem", "ca_pem", "server") and the key. */
MUST_CHECK enum err client_folder_write(struct cli *cli, const struct client_folder *folder,
                                        const json_t *answer);
