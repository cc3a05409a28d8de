#include "diameter/capabilities.h"

static void put_application(struct writer *w, const struct diameter_app *app)
{
    enum avp_id id = app->acct ? AVP_ACCT_APPLICATION_ID : AVP_AUTH_APPLICATION_ID;
    if (app->vendor == 0) {
        avp_put_u32(w, id, app->id);
        return;
    }
    size_t group = avp_group_begin(w, AVP_VENDOR_SPECIFIC_APPLICATION_ID);
    avp_put_u32(w, AVP_VENDOR_ID, app->vendor);
    avp_put_u32(w, id, app->id);
    avp_group_end(w, group);
}

void diameter_put_capabilities(struct writer *w, const struct diameter_node *node, bool request,
                               bool tls)
{
    avp_put_str(w, AVP_ORIGIN_HOST, node->host);
    avp_put_str(w, AVP_ORIGIN_REALM, node->realm);
    for (unsigned i = 0; i < node->addresses_len; i++)
        avp_put_address(w, AVP_HOST_IP_ADDRESS,
                        bytes_of(node->addresses[i].data, node->addresses[i].len));
    avp_put_u32(w, AVP_VENDOR_ID, node->vendor_id);
    avp_put_str(w, AVP_PRODUCT_NAME, node->product);
    if (node->state_id != 0)
        avp_put_u32(w, AVP_ORIGIN_STATE_ID, node->state_id);
    for (unsigned i = 0; i < node->apps_len; i++)
        put_application(w, &node->apps[i]);
    if (request && tls) {
        avp_put_u32(w, AVP_INBAND_SECURITY_ID, DIAMETER_INBAND_TLS);
        if (node->inband_plain)
            avp_put_u32(w, AVP_INBAND_SECURITY_ID, DIAMETER_INBAND_PLAIN);
    } else if (tls) {
        avp_put_u32(w, AVP_INBAND_SECURITY_ID, DIAMETER_INBAND_TLS);
    }
}

static bool in_common(const struct diameter_node *node, bool acct, uint32_t id)
{
    if (id == DIAMETER_APP_RELAY)
        return true;
    for (unsigned i = 0; i < node->apps_len; i++) {
        const struct diameter_app *app = &node->apps[i];
        if (app->id == DIAMETER_APP_RELAY || (app->acct == acct && app->id == id))
            return true;
    }
    return false;
}

static bool any_common(const struct diameter_node *node, struct bytes avps)
{
    struct bytes at = avps;
    struct avp avp;
    while (diameter_each(&at, AVP_AUTH_APPLICATION_ID, &avp)) {
        if (in_common(node, false, avp_u32(avp.value)))
            return true;
    }
    at = avps;
    while (diameter_each(&at, AVP_ACCT_APPLICATION_ID, &avp)) {
        if (in_common(node, true, avp_u32(avp.value)))
            return true;
    }
    return false;
}

bool diameter_common_application(const struct diameter_node *node, const struct diameter_message *m)
{
    if (any_common(node, m->body))
        return true;
    struct bytes at = m->body;
    struct avp avp;
    while (diameter_each(&at, AVP_VENDOR_SPECIFIC_APPLICATION_ID, &avp)) {
        if (any_common(node, avp.value))
            return true;
    }
    return false;
}

void diameter_offered_security(const struct diameter_message *m, bool *ret_plain, bool *ret_tls)
{
    bool plain = !diameter_has(m, AVP_INBAND_SECURITY_ID);
    bool tls = false;
    struct bytes at = m->body;
    struct avp avp;
    while (diameter_each(&at, AVP_INBAND_SECURITY_ID, &avp)) {
        plain = plain || avp_u32(avp.value) == DIAMETER_INBAND_PLAIN;
        tls = tls || avp_u32(avp.value) == DIAMETER_INBAND_TLS;
    }
    *ret_plain = plain;
    *ret_tls = tls;
}
