#ifndef CLAVIGER_LINE_GATEWAY_H
#define CLAVIGER_LINE_GATEWAY_H
/* How claviger-provision asks a gateway of another make about a node in its test over the air: a
 * shared object with the function claviger_line_gateway, named by --gateway_library. Its functions
 * block, at most for `timeout_ms`, and are called from one thread at a time. */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CLAVIGER_LINE_GATEWAY_ABI 1u

enum claviger_line_gateway_result {
    CLAVIGER_LINE_GATEWAY_OK = 0,
    CLAVIGER_LINE_GATEWAY_AWAY = 1,  /* it can't be reached: return code 132 */
    CLAVIGER_LINE_GATEWAY_ERROR = 2, /* what it says makes no sense: return code 133 */
};
enum claviger_line_gateway_join {
    CLAVIGER_LINE_GATEWAY_UNKNOWN = 0,
    CLAVIGER_LINE_GATEWAY_JOINED = 1,
    CLAVIGER_LINE_GATEWAY_REFUSED = 2,
};

struct claviger_line_gateway_address {
    const char *host;
    const char *certs; /* folder with cert.pem, key.pem and ca.pem; NULL: none was named */
    uint16_t port;
    uint16_t one_x; /* 1: a gateway of generation 1.x */
    uint32_t timeout_ms;
};

struct claviger_line_gateway {
    uint32_t abi; /* CLAVIGER_LINE_GATEWAY_ABI */
    /* Whether the node joined since its status was cleared: enum claviger_line_gateway_join. */
    int (*status)(const struct claviger_line_gateway_address *address, uint64_t node,
                  int *ret_join);
    /* Forget what was of this node. */
    int (*clear)(const struct claviger_line_gateway_address *address, uint64_t node);
};

/* The one symbol of a shared object. Its table lives as long as the object is loaded. */
const struct claviger_line_gateway *claviger_line_gateway(void);

#ifdef __cplusplus
}
#endif
#endif
