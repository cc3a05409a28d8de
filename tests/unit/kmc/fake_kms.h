#pragma once

/* A key management server of few words on a thread of its own: the peer machine and the codec are
 * the real ones, keys and refusals are by script. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fake_kms;

/* What it does; may be changed while it runs. */
struct fake_script {
    atomic_uint result;      /* answer all with this Result-Code; 0: as below */
    atomic_uint lifetime;    /* MIP-MSA-Lifetime (s); 3,600 at the start */
    atomic_uint version;     /* of all keys; 3 at the start */
    atomic_uint key_len;     /* of all keys; 0: the right one */
    atomic_ullong revoked;   /* this node gets 5003, as do those from FAKE_UNKNOWN on */
    atomic_bool silent;      /* requests are not answered */
    atomic_bool hang_up;     /* requests end the connection */
    atomic_uint requests;    /* counted */
    atomic_uint connections; /* counted */
    atomic_uint last_want;   /* MIP-Feature-Vector of the last request */
    atomic_uint last_spi;    /* MIP-HA-to-FA-SPI; 0: none */
};
#define FAKE_UNKNOWN 0x20000u

/* On a free port of 127.0.0.1, or on `port`. */
struct fake_kms *fake_kms_start(uint16_t port);
/* Ends connections and thread; the port is free then. NULL is allowed. */
void fake_kms_stop(struct fake_kms *fake);
struct fake_script *fake_kms_script(struct fake_kms *fake);
uint16_t fake_kms_port(const struct fake_kms *fake);

/* The keys it gives. */
void fake_key(int kind, uint64_t node, unsigned version, uint8_t *to, unsigned len);
/* dir/name: a property file with these servers (port 0 ends the list), cache in dir. On the heap.
 */
char *fake_client_conf(const char *dir, const char *name, const uint16_t *ports);
