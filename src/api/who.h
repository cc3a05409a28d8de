#pragma once

#include "api/call.h"
#include "api/sessions.h"

/* Who asks. Over the Unix socket the kernel says it; over HTTPS the session's cookie, which a
 * change has to accompany with the header X-Claviger-CSRF, or the certificate of a station. */

/* What only the loop knows of a request. */
struct api_caller {
    bool is_local; /* the Unix socket: uid and gid */
    uid_t uid;
    gid_t gid;
    bool is_plain;    /* plain HTTP of the line: a station by its address */
    char address[80]; /* "192.0.2.7:40312" */
    bool has_certificate;
    uint8_t certificate[32]; /* SHA-256; it verified */
};
/* Loop's thread. */
void api_caller_take(struct net_http_request *request, struct api_caller *ret_caller);

/* ERR_UNAUTHENTICATED: nobody we know. ERR_DENIED: a change without the CSRF token, or anything but
 * VAULT_SESSION while the password is to be changed. `ret_session->number` is 0 without one. */
MUST_CHECK enum err api_who(struct api *api, struct net_http_request *request,
                            const struct api_caller *caller, enum vault_action action,
                            struct vault_actor *ret_actor, struct session *ret_session,
                            struct err_detail *detail);
/* Where [https] login_certificate is set: ERR_DENIED without the certificate of a browser that is
 * admitted. */
MUST_CHECK enum err api_browser_admitted(struct api *api, const struct api_caller *caller,
                                         struct err_detail *detail);

#define API_COOKIE        "__Host-claviger"
#define API_DEVICE_COOKIE "__Host-claviger-device"
#define API_COOKIE_MAX    256
/* The value of a cookie; false where it is absent, twice there, or too long. */
bool api_cookie(const struct net_http_request *request, const char *name,
                char ret_value[API_COOKIE_MAX]);
