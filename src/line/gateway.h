#pragma once

#include "line/fault.h"
#include "line/gateway_control.h"

/* The gateway of the test over the air: asked by our own control messages, or through a shared
 * object for gateways of another make (claviger-line-gateway.h). One thread at a time. */
struct line_ota;

struct line_ota_config {
    const char *host; /* NULL: localhost */
    uint16_t port;    /* 0: 4021 */
    bool one_x;
    const char *library; /* path of a shared object, or NULL */
    const char *certs;   /* folder with cert.pem, key.pem, ca.pem for it, or NULL */
};
/* LINE_GATEWAY_LIBRARY, LINE_GATEWAY_CERTIFICATES. Texts are borrowed. Nothing is sent yet. */
MUST_CHECK enum err line_ota_new(const struct line_ota_config *config, struct line_ota **ret_ota,
                                 struct line_fault *fault);
void line_ota_free(struct line_ota *ota); /* NULL is allowed */
void line_ota_freep(struct line_ota **ota);
/* LINE_GATEWAY_UNREACHABLE, LINE_GATEWAY_ERROR. */
MUST_CHECK enum err line_ota_clear(const struct line_ota *ota, uint64_t node,
                                   struct line_fault *fault);
MUST_CHECK enum err line_ota_status(const struct line_ota *ota, uint64_t node,
                                    enum line_gateway_join *ret_join, struct line_fault *fault);
