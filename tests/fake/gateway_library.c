#include "line/claviger-line-gateway.h"

/* A customer's gateway library whose answers hang on the port: 1 joined, 2 away, 3 nonsense, 4 a
 * join that is none. */

static int status(const struct claviger_line_gateway_address *address, uint64_t node, int *ret_join)
{
    (void)node;
    *ret_join = address->port == 4 ? 99 : CLAVIGER_LINE_GATEWAY_JOINED;
    return address->port == 2   ? CLAVIGER_LINE_GATEWAY_AWAY
           : address->port == 3 ? CLAVIGER_LINE_GATEWAY_ERROR
                                : CLAVIGER_LINE_GATEWAY_OK;
}

static int clear(const struct claviger_line_gateway_address *address, uint64_t node)
{
    int join;
    return status(address, node, &join);
}

const struct claviger_line_gateway *claviger_line_gateway(void)
{
    static const struct claviger_line_gateway library = {CLAVIGER_LINE_GATEWAY_ABI, status, clear};
    return &library;
}
