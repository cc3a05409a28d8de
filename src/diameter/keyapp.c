#include "diameter/keyapp.h"

#include <stdlib.h>

#include "base/clock.h"
#include "diameter/keyapp_request.h"

#define SPI_BASE 256u

enum err keyapp_new(const struct keyapp_config *config, struct keyapp **ret_app)
{
    struct keyapp *app = calloc(1, sizeof *app);
    if (app == NULL)
        return ERR_NO_MEMORY;
    app->config = *config;
    *ret_app = app;
    return ERR_OK;
}

void keyapp_free(struct keyapp *app)
{
    if (app == NULL)
        return;
    while (app->free != NULL) {
        struct keyapp_request *request = app->free;
        app->free = request->next;
        free(request);
    }
    free(app);
}

enum err keyapp_configure(struct keyapp *app, const struct keyapp_settings *settings)
{
    size_t host = strlen(settings->origin_host);
    size_t realm = strlen(settings->origin_realm);
    if (host >= sizeof app->origin_host || realm >= sizeof app->origin_realm)
        return ERR_LIMIT;
    memcpy(app->origin_host, settings->origin_host, host + 1);
    memcpy(app->origin_realm, settings->origin_realm, realm + 1);
    app->require_protection = settings->require_protection;
    app->queue_max = settings->queue_max;
    return keyapp_make_head(app, settings->state_id);
}

unsigned keyapp_outstanding(const struct keyapp *app)
{
    return app->outstanding;
}

const char *keyapp_result_text(uint32_t result)
{
    switch (result) {
    case DIAMETER_AUTHENTICATION_REJECTED: return "the authenticator is wrong";
    case DIAMETER_AUTHORIZATION_REJECTED: return "not authorized";
    case DIAMETER_BAD_KEY: return "no such version of the key";
    case DIAMETER_TOO_BUSY: return "too busy";
    case DIAMETER_END_TO_END_MIP_KEY_ENCRYPTION: return "keys are given over TLS only";
    default: return "request refused";
    }
}

static struct keyapp_request *request_take(struct keyapp *app)
{
    struct keyapp_request *request = app->free;
    if (request != NULL)
        app->free = request->next;
    else
        request = malloc(sizeof *request);
    if (request == NULL)
        return NULL;
    request->app = app;
    request->echo = request->echo_room;
    request->waiting = 0;
    request->err = ERR_OK;
    request->result = 0;
    app->outstanding++;
    return request;
}

void keyapp_request_free(struct keyapp_request *request)
{
    struct keyapp *app = request->app;
    explicit_bzero(request->key, sizeof request->key);
    if (request->echo != request->echo_room)
        free(request->echo);
    request->next = app->free;
    app->free = request;
    app->outstanding--;
}

const struct keyapp_link *keyapp_request_link(const struct keyapp_request *request)
{
    return request->link;
}

/* ---- what can be said without asking anybody ---- */

static bool bad_value(struct diameter_fault *fault, const struct diameter_message *m,
                      enum avp_id id, const char *text)
{
    *fault = (struct diameter_fault){
        .result = DIAMETER_INVALID_AVP_VALUE, .text = text, .avp = m->whole[id]};
    return false;
}

/* Gateways name the realm of the server, or that of the network whose keys they ask for (the
 * guide's peer table knows one realm only). Whether there is such a network is not told here. */
static bool is_our_realm(const struct keyapp *app, const struct diameter_message *m)
{
    struct bytes realm = m->avp[AVP_DESTINATION_REALM], user = m->avp[AVP_USER_NAME];
    if (diameter_identity_equal(realm, bytes_str(app->origin_realm)))
        return true;
    if (realm.len == 0 || user.len <= realm.len)
        return false;
    const uint8_t *tail = user.data + user.len - realm.len;
    return (tail[-1] == '@' || tail[-1] == '.') &&
           diameter_identity_equal(realm, bytes_of(tail, realm.len));
}

static bool check_route(const struct keyapp *app, const struct diameter_message *m,
                        struct diameter_fault *fault)
{
    if (!is_our_realm(app, m)) {
        *fault = (struct diameter_fault){.result = DIAMETER_REALM_NOT_SERVED,
                                         .text = "this Destination-Realm is not served here"};
        return false;
    }
    if (diameter_has(m, AVP_DESTINATION_HOST) &&
        !diameter_identity_equal(m->avp[AVP_DESTINATION_HOST], bytes_str(app->origin_host))) {
        *fault = (struct diameter_fault){.result = DIAMETER_UNABLE_TO_DELIVER,
                                         .text = "this Destination-Host is not here"};
        return false;
    }
    if (avp_u32(m->avp[AVP_AUTH_APPLICATION_ID]) != DIAMETER_APP_MIP4)
        return bad_value(fault, m, AVP_AUTH_APPLICATION_ID, "the application is 2");
    return true;
}

/* What is asked for; the keys in `ask->want` follow from the feature vector. */
static bool check_ask(const struct diameter_message *m, struct keyapp_ask *ask,
                      uint32_t *ret_features, struct diameter_fault *fault)
{
    struct bytes user = m->avp[AVP_USER_NAME];
    if (user.len > KEYAPP_USER_MAX || !keyapp_selector_parse(user, ask))
        return bad_value(fault, m, AVP_USER_NAME,
                         "gateway@<realm> or <node id>@node.<realm> is wanted");
    uint32_t features = KEYAPP_FEATURE_MN_FA_KEY;
    if (diameter_has(m, AVP_MIP_FEATURE_VECTOR))
        features = avp_u32(m->avp[AVP_MIP_FEATURE_VECTOR]);
    /* Without either bit it means the same as without the AVP. */
    uint32_t keys = features & (KEYAPP_FEATURE_MN_FA_KEY | KEYAPP_FEATURE_FA_HA_KEY);
    ask->want[0] = keys == 0 || (keys & KEYAPP_FEATURE_MN_FA_KEY) != 0;
    ask->want[1] = (keys & KEYAPP_FEATURE_FA_HA_KEY) != 0;
    if (ask->node && ask->want[1]) {
        *fault = (struct diameter_fault){.result = DIAMETER_CONTRADICTING_AVPS,
                                         .text = "a node has no code download key",
                                         .avp = m->whole[AVP_USER_NAME],
                                         .avp2 = m->whole[AVP_MIP_FEATURE_VECTOR]};
        return false;
    }
    if (m->avp[AVP_MIP_REG_REQUEST].len == 0)
        return bad_value(fault, m, AVP_MIP_REG_REQUEST, "at least one byte is wanted");
    if (diameter_has(m, AVP_MIP_HA_TO_FA_SPI)) {
        uint32_t spi = avp_u32(m->avp[AVP_MIP_HA_TO_FA_SPI]);
        if (spi < SPI_BASE)
            return bad_value(fault, m, AVP_MIP_HA_TO_FA_SPI, "SPIs up to 255 are reserved");
        ask->has_version = true;
        ask->version = spi - SPI_BASE;
    }
    *ret_features = features;
    return true;
}

/* MIP-MN-AAA-Auth points into MIP-Reg-Request (RFC 4004, 7.6). */
static bool authenticator_views(const struct diameter_message *m, struct bytes *ret_input,
                                struct bytes *ret_mac)
{
    struct bytes reg = m->avp[AVP_MIP_REG_REQUEST];
    struct bytes at = m->avp[AVP_MIP_MN_AAA_AUTH];
    size_t input = 0;
    size_t length = 0;
    size_t offset = 0;
    struct avp avp;
    while (at.len != 0 && avp_next(&at, &avp) == ERR_OK) {
        switch (avp.id) {
        case AVP_MIP_AUTH_INPUT_DATA_LENGTH: input = avp_u32(avp.value); break;
        case AVP_MIP_AUTHENTICATOR_LENGTH: length = avp_u32(avp.value); break;
        case AVP_MIP_AUTHENTICATOR_OFFSET: offset = avp_u32(avp.value); break;
        default: break;
        }
    }
    if (length != KEEPER_MAC_SIZE || input == 0 || input > KEYAPP_REG_INPUT_MAX ||
        input > reg.len || offset > reg.len || length > reg.len - offset)
        return false;
    /* An authenticator must not stand within what it authenticates. */
    if (offset < input)
        return false;
    *ret_input = bytes_of(reg.data, input);
    *ret_mac = bytes_of(reg.data + offset, length);
    return true;
}

/* ---- lookups and releases ---- */

static void on_released(struct keeper_release *release, enum err err, struct bytes key);

static void fail(struct keyapp_request *request, enum err err)
{
    if (request->err == ERR_OK)
        request->err = err;
}

/* After this either something waits, or request->err says why not. */
static void begin_release(struct keyapp_request *request)
{
    struct keyapp *app = request->app;
    const struct keyapp_ops *ops = app->config.ops;
    struct bytes host = bytes_str(request->link->host);
    struct fleet_found found[2];
    request->lifetime = UINT32_MAX;
    /* Nothing is released before all of it is known to be there. */
    for (unsigned i = 0; i < 2; i++) {
        if (!request->ask.want[i])
            continue;
        enum err err = ops->find(app->config.ctx, host, &request->ask, i, &found[i]);
        if (err == ERR_OK && request->ask.has_version && found[i].version != request->ask.version)
            err = ERR_STATE;
        if (err != ERR_OK) {
            fail(request, err);
            return;
        }
        request->version[i] = found[i].version;
        request->key_len[i] = (uint8_t)found[i].key_len;
        if (found[i].lifetime_s < request->lifetime)
            request->lifetime = found[i].lifetime_s;
    }
    for (unsigned i = 0; i < 2; i++) {
        if (!request->ask.want[i])
            continue;
        struct keeper_release *release = &request->release[i];
        *release = (struct keeper_release){
            .row = found[i].row, .purpose = KEEPER_DIAMETER, .done = on_released, .arg = request};
        enum err err = ops->release(app->config.ctx, release, request->link->actor,
                                    bytes_of(found[i].sealed, found[i].sealed_len));
        if (err != ERR_OK) {
            /* Whatever the keeper's side says before it was asked: the service is not there. */
            fail(request, ERR_BUSY);
            return;
        }
        request->waiting++;
    }
}

static void ready(struct keyapp_request *request)
{
    struct keyapp *app = request->app;
    app->config.ops->ready(app->config.ctx, request);
}

static void on_released(struct keeper_release *release, enum err err, struct bytes key)
{
    struct keyapp_request *request = release->arg;
    unsigned which = release == &request->release[0] ? 0 : 1;
    if (err == ERR_OK && key.len == request->key_len[which] &&
        key.len <= sizeof request->key[which])
        memcpy(request->key[which], key.data, key.len);
    else
        fail(request, err == ERR_DENIED ? ERR_DENIED : ERR_BUSY);
    if (--request->waiting == 0)
        ready(request);
}

static void tell_refused(struct keyapp *app, const struct keyapp_link *link, struct bytes user,
                         uint32_t result, enum err err)
{
    if (result != DIAMETER_TOO_BUSY)
        app->config.ops->refused(app->config.ctx, link, user, result, err_text(err));
}

static struct bytes echoed_user(const struct keyapp_request *request)
{
    struct bytes at =
        bytes_of(request->echo + request->session_len, request->common_len - request->session_len);
    struct avp avp;
    return diameter_each(&at, AVP_USER_NAME, &avp) ? avp.value : bytes_of(NULL, 0);
}

void keyapp_verified(struct keyapp_request *request, enum err err)
{
    struct keyapp *app = request->app;
    if (err == ERR_SIGNATURE)
        request->result = DIAMETER_AUTHENTICATION_REJECTED;
    if (err != ERR_OK) {
        fail(request, err == ERR_SIGNATURE ? err : ERR_BUSY);
    } else {
        begin_release(request);
        if (request->waiting != 0)
            return;
    }
    uint32_t result = request->result != 0 ? request->result : keyapp_result_of(request->err);
    tell_refused(app, request->link, echoed_user(request), result, request->err);
    ready(request);
}

/* ---- the request ---- */

static bool answer_fault(struct keyapp *app, const struct diameter_message *m, uint32_t result,
                         struct writer *out)
{
    keyapp_put_refusal(
        app, m, &(struct diameter_fault){.result = result, .text = keyapp_result_text(result)},
        out);
    return true;
}

static bool on_str(struct keyapp *app, struct bytes frame, struct diameter_message *m,
                   struct writer *out)
{
    struct diameter_fault fault = {0};
    struct diameter_header header = m->header;
    if (!diameter_message_read(frame, &header, GRAMMAR_STR, m, &fault)) {
        diameter_message_scan(frame, m);
        keyapp_put_refusal(app, m, &fault, out);
        return true;
    }
    /* RFC 6733, 8.4.2. No session is kept, so there is nothing to end. */
    size_t begin = diameter_begin_answer(out, &header, false);
    avp_put(out, AVP_SESSION_ID, m->avp[AVP_SESSION_ID]);
    avp_put_u32(out, AVP_RESULT_CODE, DIAMETER_SUCCESS);
    avp_put_str(out, AVP_ORIGIN_HOST, app->origin_host);
    avp_put_str(out, AVP_ORIGIN_REALM, app->origin_realm);
    diameter_put_proxy_infos(out, m);
    diameter_end(out, begin);
    return true;
}

static bool on_keys(struct keyapp *app, const struct keyapp_link *link,
                    const struct diameter_message *m, const struct keyapp_ask *ask,
                    uint32_t features, struct writer *out)
{
    const struct keyapp_ops *ops = app->config.ops;
    struct bytes host = bytes_str(link->host);
    struct bytes user = m->avp[AVP_USER_NAME];
    struct keyapp_peer peer = {0};
    struct bytes input = {0};
    struct bytes mac = {0};
    uint32_t result = 0;
    enum err err = ops->peer(app->config.ctx, host, &peer);
    if (err == ERR_OK && !diameter_identity_equal(m->avp[AVP_ORIGIN_HOST], host))
        err = ERR_DENIED; /* a key is given to who asks, not to who passes on */
    if (err != ERR_OK) {
        result = keyapp_result_of(err);
    } else if (!link->secure && (app->require_protection || peer.require_tls)) {
        err = ERR_UNPROTECTED;
        result = DIAMETER_END_TO_END_MIP_KEY_ENCRYPTION;
    } else if (peer.has_secret && !authenticator_views(m, &input, &mac)) {
        err = ERR_SIGNATURE;
        result = DIAMETER_AUTHENTICATION_REJECTED;
    }
    if (result != 0) {
        tell_refused(app, link, user, result, err);
        return answer_fault(app, m, result, out);
    }

    struct keyapp_request *request = request_take(app);
    if (request == NULL)
        return answer_fault(app, m, DIAMETER_TOO_BUSY, out);
    request->link = link;
    request->ask = *ask;
    request->header = m->header;
    request->began_ns = clock_mono_ns();
    err = keyapp_echo(request, m, features);
    if (err == ERR_OK && peer.has_secret) {
        err = ops->verify(app->config.ctx, request, host, input, mac);
        if (err == ERR_OK)
            return false;
    } else if (err == ERR_OK) {
        begin_release(request);
        if (request->waiting != 0)
            return false;
        err = request->err;
    }
    result = keyapp_result_of(err);
    keyapp_request_free(request);
    tell_refused(app, link, user, result, err);
    return answer_fault(app, m, result, out);
}

bool keyapp_request(struct keyapp *app, const struct keyapp_link *link, struct bytes frame,
                    struct diameter_message *message, struct writer *out)
{
    if (message->header.command == DIAMETER_STR)
        return on_str(app, frame, message, out);
    struct diameter_fault fault = {0};
    struct diameter_header header = message->header;
    struct keyapp_ask ask;
    uint32_t features = 0;
    if (!diameter_message_read(frame, &header, GRAMMAR_AMR, message, &fault)) {
        diameter_message_scan(frame, message);
        keyapp_put_refusal(app, message, &fault, out);
        return true;
    }
    if (!check_route(app, message, &fault) || !check_ask(message, &ask, &features, &fault)) {
        keyapp_put_refusal(app, message, &fault, out);
        return true;
    }
    if (app->outstanding >= app->queue_max)
        return answer_fault(app, message, DIAMETER_TOO_BUSY, out);
    return on_keys(app, link, message, &ask, features, out);
}
