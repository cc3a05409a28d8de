#pragma once

#include "kmip/op/op.h"

/* Every operation: what runs it, from which version on, and what a client has to be allowed. */

enum kmip_op_flag {
    KMIP_OP_OPEN = 1,         /* without authentication: Query, Discover Versions, Ping */
    KMIP_OP_TO_CLIENT = 2,    /* the server sends it (Notify, Put): said in Query, not taken */
    KMIP_OP_MAKES_SECRET = 4, /* its answer may hold key material */
};

struct kmip_op_row {
    uint32_t operation;
    uint16_t since;
    uint16_t flags;
    uint32_t may; /* enum vault_client_may; checked before it runs, 0: anybody that is known */
    kmip_op_fn *run;
};

/* NULL for what is not served in this version. */
const struct kmip_op_row *kmip_op_row(uint32_t operation, uint16_t version);
/* All of them in the order Query says them; NULL behind the last. */
const struct kmip_op_row *kmip_op_at(size_t index);
