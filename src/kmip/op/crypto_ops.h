#pragma once

#include "kmip/op/op.h"

/* The operations that use keys, and those that are special, for the table of operations. */

kmip_op_fn kmip_op_encrypt, kmip_op_decrypt, kmip_op_sign, kmip_op_signature_verify, kmip_op_mac,
    kmip_op_mac_verify, kmip_op_hash, kmip_op_rng_retrieve, kmip_op_rng_seed;
kmip_op_fn kmip_op_poll, kmip_op_cancel, kmip_op_process, kmip_op_query_asynchronous_requests;
kmip_op_fn kmip_op_login, kmip_op_delegated_login, kmip_op_logout;
kmip_op_fn kmip_op_derive_key, kmip_op_create_split_key, kmip_op_join_split_key;
kmip_op_fn kmip_op_pkcs11, kmip_op_certify, kmip_op_re_certify, kmip_op_validate;
