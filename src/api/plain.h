#pragma once

#include "api/api.h"

/* The factory line over plain HTTP, where [factory] http_listen asks for it: the routes of /v1/line
 * for the addresses of http_allow. Who calls is its address; nothing that is secret is in these
 * answers in clear. */

/* For net_http_new with `any_host`. */
struct net_http_table api_plain_table(struct api *api);
/* ERR_CONFIG names the first that is no address or network ("10.1.2.3", "10.1.2.0/24", "fd00::/8").
 */
MUST_CHECK enum err api_plain_check(const struct settings_list *allow, struct err_detail *detail);
/* `address` with or without a port: "192.0.2.7:40312", "[fd00::1]:40312". */
bool api_plain_allowed(const struct settings_list *allow, const char *address);
/* "192.0.2.7": without port and brackets. */
void api_plain_name(const char *address, char *to, size_t cap);
