#pragma once

#include "diameter/client.h"
#include "diameter/message.h"

/* The gateway's side of the key application on the wire: writing AA-Mobile-Node-Requests, reading
 * what comes back. No socket. */

#define AMR_AUTHENTICATOR 16 /* AES-CMAC */

struct amr {
    const struct diameter_ask *ask;
    const char *session_id;
    const char *origin_host, *origin_realm;
    const char *destination_host, *destination_realm;
    uint32_t state_id;
    uint32_t hop_by_hop, end_to_end;
    struct bytes reg_request; /* at least one byte; with an authenticator behind its input: */
    size_t auth_input;        /* bytes under the authenticator; 0: none */
};
void amr_put(const struct amr *amr, struct writer *out);

/* A whole frame with the answer. Fills `got` as diameter_client_ask says; ERR_BUSY for 3xxx. */
MUST_CHECK enum err ama_read(struct bytes frame, const struct diameter_ask *ask,
                             struct diameter_message *scratch, struct err_detail *detail,
                             struct diameter_got *got);

/* AES-CMAC under a shared secret of 1 to 64 bytes: AES-128 for 16, AES-256 for 32, any other length
 * through RFC 4615. */
MUST_CHECK enum err amr_authenticator(struct bytes secret, struct bytes input,
                                      uint8_t ret_mac[AMR_AUTHENTICATOR]);
