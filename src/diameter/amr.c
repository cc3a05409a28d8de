#include "diameter/amr.h"

#include <stdio.h>

#include "crypto/cmac.h"

#define SPI_BASE 256u

enum err amr_authenticator(struct bytes secret, struct bytes input,
                           uint8_t ret_mac[AMR_AUTHENTICATOR])
{
    static const uint8_t zeros[16];
    AUTO(secret_block32_wipe) struct secret_block32 key = {0};
    AUTO(cmac_freep) struct cmac *cmac = NULL;
    size_t key_len = secret.len;
    if (secret.len == 16 || secret.len == 32) {
        memcpy(key.data, secret.data, secret.len);
    } else {
        AUTO(cmac_freep) struct cmac *prf = NULL;
        key_len = 16;
        TRY(cmac_new(BYTES(zeros), &prf));
        TRY(cmac_parts(prf, &secret, 1, key.data));
    }
    TRY(cmac_new(bytes_of(key.data, key_len), &cmac));
    return cmac_parts(cmac, &input, 1, ret_mac);
}

static void put_auth(const struct amr *amr, struct writer *out)
{
    size_t input = amr->auth_input != 0 ? amr->auth_input : amr->reg_request.len;
    size_t group = avp_group_begin(out, AVP_MIP_MN_AAA_AUTH);
    avp_put_u32(out, AVP_MIP_MN_AAA_SPI, SPI_BASE);
    avp_put_u32(out, AVP_MIP_AUTH_INPUT_DATA_LENGTH, (uint32_t)input);
    avp_put_u32(out, AVP_MIP_AUTHENTICATOR_LENGTH, amr->auth_input != 0 ? AMR_AUTHENTICATOR : 0);
    avp_put_u32(out, AVP_MIP_AUTHENTICATOR_OFFSET, (uint32_t)input);
    avp_group_end(out, group);
}

void amr_put(const struct amr *amr, struct writer *out)
{
    size_t begin = diameter_begin(out, DIAMETER_FLAG_R | DIAMETER_FLAG_P, DIAMETER_AMR,
                                  DIAMETER_APP_MIP4, amr->hop_by_hop, amr->end_to_end);
    avp_put_str(out, AVP_SESSION_ID, amr->session_id);
    avp_put_u32(out, AVP_AUTH_APPLICATION_ID, DIAMETER_APP_MIP4);
    avp_put_str(out, AVP_USER_NAME, amr->ask->user);
    avp_put_str(out, AVP_DESTINATION_REALM, amr->destination_realm);
    if (amr->destination_host != NULL)
        avp_put_str(out, AVP_DESTINATION_HOST, amr->destination_host);
    avp_put_str(out, AVP_ORIGIN_HOST, amr->origin_host);
    avp_put_str(out, AVP_ORIGIN_REALM, amr->origin_realm);
    if (amr->state_id != 0)
        avp_put_u32(out, AVP_ORIGIN_STATE_ID, amr->state_id);
    avp_put(out, AVP_MIP_REG_REQUEST, amr->reg_request);
    put_auth(amr, out);
    avp_put_u32(out, AVP_MIP_FEATURE_VECTOR, amr->ask->want);
    avp_put_u32(out, AVP_AUTH_SESSION_STATE, 1);
    if (amr->ask->has_version)
        avp_put_u32(out, AVP_MIP_HA_TO_FA_SPI, SPI_BASE + amr->ask->version);
    diameter_end(out, begin);
}

static enum err read_key(const struct diameter_message *m, enum avp_id group, enum avp_id spi,
                         struct err_detail *detail, struct diameter_key *to)
{
    if (!diameter_has(m, group))
        return err_set(detail, ERR_PEER, "the answer has no %s", avp_defs[group].name);
    struct bytes at = m->avp[group];
    struct bytes key = {0};
    uint32_t version = 0;
    struct avp avp;
    while (at.len != 0 && avp_next(&at, &avp) == ERR_OK) {
        if (avp.id == spi)
            version = avp_u32(avp.value);
        else if (avp.id == AVP_MIP_SESSION_KEY)
            key = avp.value;
    }
    if (version < SPI_BASE || key.len == 0 || key.len > 64)
        return err_set(detail, ERR_PEER, "%s in the answer makes no sense", avp_defs[group].name);
    secret_freep(&to->key);
    TRY(secret_dup(key, &to->key));
    to->version = version - SPI_BASE;
    return ERR_OK;
}

static enum err error_of(uint32_t result)
{
    switch (result) {
    case DIAMETER_AUTHORIZATION_REJECTED: return ERR_DENIED;
    case DIAMETER_BAD_KEY: return ERR_STATE;
    case DIAMETER_END_TO_END_MIP_KEY_ENCRYPTION: return ERR_UNPROTECTED;
    case DIAMETER_AUTHENTICATION_REJECTED: return ERR_UNAUTHENTICATED;
    default: return diameter_is_protocol_error(result) ? ERR_BUSY : ERR_PEER;
    }
}

enum err ama_read(struct bytes frame, const struct diameter_ask *ask,
                  struct diameter_message *scratch, struct err_detail *detail,
                  struct diameter_got *got)
{
    struct diameter_header header;
    struct diameter_fault fault = {0};
    TRY(diameter_header_read(frame, &header));
    bool error = (header.flags & DIAMETER_FLAG_E) != 0;
    if (!diameter_message_read(frame, &header, error ? GRAMMAR_ANSWER : GRAMMAR_AMA, scratch,
                               &fault))
        return err_set(detail, ERR_PEER, "the answer is malformed: %s", fault.text);
    got->result = avp_u32(scratch->avp[AVP_RESULT_CODE]);
    if (diameter_has(scratch, AVP_ERROR_MESSAGE))
        avp_text(scratch->avp[AVP_ERROR_MESSAGE], got->message, sizeof got->message);
    avp_text(scratch->avp[AVP_ORIGIN_HOST], got->server, sizeof got->server);
    if (got->result != DIAMETER_SUCCESS)
        return err_set(detail, error_of(got->result), "%s answered %u %s: %s", got->server,
                       got->result, diameter_result_name(got->result), got->message);
    got->lifetime = diameter_has(scratch, AVP_MIP_MSA_LIFETIME)
                        ? avp_u32(scratch->avp[AVP_MIP_MSA_LIFETIME])
                        : 0;
    if ((ask->want & DIAMETER_WANT_MN) != 0)
        TRY(read_key(scratch, AVP_MIP_FA_TO_MN_MSA, AVP_MIP_FA_TO_MN_SPI, detail, &got->mn));
    if ((ask->want & DIAMETER_WANT_HA) != 0)
        TRY(read_key(scratch, AVP_MIP_FA_TO_HA_MSA, AVP_MIP_FA_TO_HA_SPI, detail, &got->ha));
    return ERR_OK;
}

void diameter_got_done(struct diameter_got *got)
{
    secret_freep(&got->mn.key);
    secret_freep(&got->ha.key);
}
