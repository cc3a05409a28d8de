#pragma once

#include "diameter/properties.h"

/* What this process says of itself in capabilities exchanges; made from a property file, never
 * changed, shared by its peers through references. Any thread. */

#define DIAMETER_ADDRESSES_MAX 4
#define DIAMETER_INBAND_PLAIN  0u /* Inband-Security-Id, RFC 6733 6.10 */
#define DIAMETER_INBAND_TLS    1u

struct diameter_address {
    uint8_t len; /* 4 or 16 */
    uint8_t data[16];
};

struct diameter_node {
    char host[DIAMETER_NAME_MAX]; /* Origin-Host */
    char realm[DIAMETER_NAME_MAX];
    char product[DIAMETER_NAME_MAX];
    uint32_t vendor_id;
    uint32_t state_id; /* Origin-State-Id; 0: not sent */
    struct diameter_app apps[DIAMETER_APPS_MAX];
    unsigned apps_len;
    struct diameter_address addresses[DIAMETER_ADDRESSES_MAX];
    unsigned addresses_len;
    bool inband_tls;       /* offered, and can be done */
    bool inband_plain;     /* a connection may stay without protection */
    uint32_t watchdog_ms;  /* Tw of RFC 3539 */
    uint32_t handshake_ms; /* until CER or CEA, and for in-band TLS */
    uint32_t references;   /* private */
};

/* `tls_ready`: in-band TLS can be done if the file asks for it. Addresses are the URI's where it is
 * numeric, else those of this machine's interfaces. One reference is the caller's. */
MUST_CHECK enum err diameter_node_new(const struct diameter_properties *props, uint32_t state_id,
                                      bool tls_ready, struct diameter_node **ret_node);
struct diameter_node *diameter_node_ref(struct diameter_node *node);
void diameter_node_unref(struct diameter_node *node); /* NULL is allowed */
/* True where requests of this application are answered. */
bool diameter_node_serves(const struct diameter_node *node, uint32_t application);
