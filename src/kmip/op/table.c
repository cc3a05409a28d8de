#include "kmip/op/table.h"

#include "kmip/codec/table.h"
#include "kmip/op/crypto_ops.h"
#include "kmip/op/ops.h"

#define MANAGE VAULT_MAY_MANAGE
#define CREATE VAULT_MAY_CREATE
#define USE    VAULT_MAY_USE
#define SECRET KMIP_OP_MAKES_SECRET

static const struct kmip_op_row rows[] = {
    {KMIP_OP_QUERY, KMIP_1_0, KMIP_OP_OPEN, 0, kmip_op_query},
    {KMIP_OP_LOCATE, KMIP_1_0, 0, 0, kmip_op_locate},
    {KMIP_OP_DESTROY, KMIP_1_0, 0, VAULT_MAY_DESTROY, kmip_op_destroy},
    {KMIP_OP_GET, KMIP_1_0, SECRET, VAULT_MAY_READ, kmip_op_get},
    {KMIP_OP_CREATE, KMIP_1_0, 0, CREATE, kmip_op_create},
    {KMIP_OP_REGISTER, KMIP_1_0, 0, CREATE, kmip_op_register},
    {KMIP_OP_GET_ATTRIBUTES, KMIP_1_0, 0, 0, kmip_op_get_attributes},
    {KMIP_OP_GET_ATTRIBUTE_LIST, KMIP_1_0, 0, 0, kmip_op_get_attribute_list},
    {KMIP_OP_ADD_ATTRIBUTE, KMIP_1_0, 0, MANAGE, kmip_op_add_attribute},
    {KMIP_OP_MODIFY_ATTRIBUTE, KMIP_1_0, 0, MANAGE, kmip_op_modify_attribute},
    {KMIP_OP_DELETE_ATTRIBUTE, KMIP_1_0, 0, MANAGE, kmip_op_delete_attribute},
    {KMIP_OP_ACTIVATE, KMIP_1_0, 0, MANAGE, kmip_op_activate},
    {KMIP_OP_REVOKE, KMIP_1_0, 0, MANAGE, kmip_op_revoke},
    {KMIP_OP_POLL, KMIP_1_0, SECRET, 0, kmip_op_poll},
    {KMIP_OP_CANCEL, KMIP_1_0, 0, 0, kmip_op_cancel},
    {KMIP_OP_CHECK, KMIP_1_0, 0, 0, kmip_op_check},
    {KMIP_OP_GET_USAGE_ALLOCATION, KMIP_1_0, 0, USE, kmip_op_get_usage_allocation},
    {KMIP_OP_CREATE_KEY_PAIR, KMIP_1_0, 0, CREATE, kmip_op_create_key_pair},
    {KMIP_OP_RE_KEY, KMIP_1_0, 0, CREATE, kmip_op_re_key},
    {KMIP_OP_DERIVE_KEY, KMIP_1_0, 0, CREATE, kmip_op_derive_key},
    {KMIP_OP_CERTIFY, KMIP_1_0, 0, VAULT_MAY_CERTIFY, kmip_op_certify},
    {KMIP_OP_RE_CERTIFY, KMIP_1_0, 0, VAULT_MAY_CERTIFY, kmip_op_re_certify},
    {KMIP_OP_VALIDATE, KMIP_1_0, 0, 0, kmip_op_validate},
    {KMIP_OP_ARCHIVE, KMIP_1_0, 0, MANAGE, kmip_op_archive},
    {KMIP_OP_RECOVER, KMIP_1_0, 0, MANAGE, kmip_op_recover},
    {KMIP_OP_OBTAIN_LEASE, KMIP_1_0, 0, 0, kmip_op_obtain_lease},
    {KMIP_OP_NOTIFY, KMIP_1_0, KMIP_OP_TO_CLIENT, 0, NULL},
    {KMIP_OP_PUT, KMIP_1_0, KMIP_OP_TO_CLIENT, 0, NULL},
    {KMIP_OP_RE_KEY_KEY_PAIR, KMIP_1_1, 0, CREATE, kmip_op_re_key_key_pair},
    {KMIP_OP_DISCOVER_VERSIONS, KMIP_1_1, KMIP_OP_OPEN, 0, kmip_op_discover_versions},
    {KMIP_OP_RNG_RETRIEVE, KMIP_1_2, SECRET, USE, kmip_op_rng_retrieve},
    {KMIP_OP_RNG_SEED, KMIP_1_2, 0, USE, kmip_op_rng_seed},
    {KMIP_OP_ENCRYPT, KMIP_1_2, 0, USE, kmip_op_encrypt},
    {KMIP_OP_DECRYPT, KMIP_1_2, SECRET, USE, kmip_op_decrypt},
    {KMIP_OP_SIGN, KMIP_1_2, 0, USE, kmip_op_sign},
    {KMIP_OP_SIGNATURE_VERIFY, KMIP_1_2, 0, USE, kmip_op_signature_verify},
    {KMIP_OP_MAC, KMIP_1_2, 0, USE, kmip_op_mac},
    {KMIP_OP_MAC_VERIFY, KMIP_1_2, 0, USE, kmip_op_mac_verify},
    {KMIP_OP_HASH, KMIP_1_2, 0, USE, kmip_op_hash},
    {KMIP_OP_CREATE_SPLIT_KEY, KMIP_1_2, 0, CREATE, kmip_op_create_split_key},
    {KMIP_OP_JOIN_SPLIT_KEY, KMIP_1_2, 0, CREATE, kmip_op_join_split_key},
    {KMIP_OP_IMPORT, KMIP_1_4, 0, CREATE, kmip_op_import},
    {KMIP_OP_EXPORT, KMIP_1_4, SECRET, VAULT_MAY_READ, kmip_op_export},
    {KMIP_OP_LOG, KMIP_2_0, 0, 0, kmip_op_log},
    {KMIP_OP_LOGIN, KMIP_2_0, 0, 0, kmip_op_login},
    {KMIP_OP_LOGOUT, KMIP_2_0, 0, 0, kmip_op_logout},
    {KMIP_OP_DELEGATED_LOGIN, KMIP_2_0, 0, 0, kmip_op_delegated_login},
    {KMIP_OP_ADJUST_ATTRIBUTE, KMIP_2_0, 0, MANAGE, kmip_op_adjust_attribute},
    {KMIP_OP_SET_ATTRIBUTE, KMIP_2_0, 0, MANAGE, kmip_op_set_attribute},
    {KMIP_OP_SET_ENDPOINT_ROLE, KMIP_2_0, 0, 0, kmip_op_set_endpoint_role},
    {KMIP_OP_PKCS_11, KMIP_2_0, SECRET, 0, kmip_op_pkcs11},
    {KMIP_OP_INTEROP, KMIP_2_0, 0, 0, kmip_op_interop},
    {KMIP_OP_SET_DEFAULTS, KMIP_2_1, 0, MANAGE, kmip_op_set_defaults},
    {KMIP_OP_SET_CONSTRAINTS, KMIP_2_1, 0, MANAGE, kmip_op_set_constraints},
    {KMIP_OP_GET_CONSTRAINTS, KMIP_2_1, 0, 0, kmip_op_get_constraints},
    {KMIP_OP_QUERY_ASYNCHRONOUS_REQUESTS, KMIP_2_1, 0, 0, kmip_op_query_asynchronous_requests},
    {KMIP_OP_PROCESS, KMIP_2_1, 0, 0, kmip_op_process},
    {KMIP_OP_PING, KMIP_2_1, KMIP_OP_OPEN, 0, kmip_op_ping},
};

const struct kmip_op_row *kmip_op_row(uint32_t operation, uint16_t version)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].operation == operation)
            return version >= rows[i].since ? &rows[i] : NULL;
    return NULL;
}

const struct kmip_op_row *kmip_op_at(size_t index)
{
    return index < ARRAY_LEN(rows) ? &rows[index] : NULL;
}
