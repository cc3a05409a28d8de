#include "api/call.h"
#include "api/json.h"
#include "api/resources.h"
#include "base/hex.h"
#include "fleet/signer.h"

/* Factories whose device_keys.xml is believed. */

static enum err append_signer(void *ctx, const struct fleet_signer *signer)
{
    json_t *json =
        json_pack("{s:s s:o s:o s:o s:s}", "name", signer->name, "network",
                  signer->network[0] != '\0' ? json_string(signer->network) : json_null(),
                  "fingerprint", json_of_hex(signer->fingerprint, sizeof signer->fingerprint),
                  "created", json_of_time(signer->created), "created_by", signer->created_by);
    return json_array_append_new(ctx, json) == 0 ? ERR_OK : ERR_NO_MEMORY;
}

static enum err list_signers(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    AUTO(json_freep) json_t *array = json_array();
    TRY(fleet_signer_each(&call->fleet, append_signer, array, detail));
    return api_give(json_pack("{s:O}", "signers", array), ret_answer);
}
API_HANDLER(list_signers)

static enum err add_signer(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    const char *name = NULL, *network = NULL, *pem = NULL;
    uint8_t fingerprint[32];
    TRY(api_text(call, "name", &name, detail));
    TRY(api_text_optional(call, "network", &network, detail));
    TRY(api_text(call, "public_key", &pem, detail));
    TRY(fleet_signer_add(&call->fleet, name, network, bytes_str(pem), fingerprint, detail));
    return api_give(json_pack("{s:s s:o s:o}", "name", name, "network",
                              network != NULL ? json_string(network) : json_null(), "fingerprint",
                              json_of_hex(fingerprint, sizeof fingerprint)),
                    ret_answer);
}
API_HANDLER(add_signer)

static enum err remove_signer(struct api_call *call, json_t **ret_answer, struct err_detail *detail)
{
    (void)ret_answer;
    return fleet_signer_remove(&call->fleet, net_http_param(call->http, "name"), detail);
}
API_HANDLER(remove_signer)
