#include "api/api.h"
#include "api/login.h"
#include "api/resources.h"

#define ROUTE(method, pattern, name, action, kind, body)                                           \
    static void handle_##name(struct net_http_request *request, void *api)                         \
    {                                                                                              \
        api_dispatch(request, api, VAULT_##action, kind, api_do_##name);                           \
    }
API_ROUTES
#undef ROUTE

#define LOGIN_MAX 4096

static const struct net_http_route routes[] = {{NET_HTTP_POST, "/v1/login", api_login, LOGIN_MAX},
#define ROUTE(method, pattern, name, action, kind, body)                                           \
    {NET_HTTP_##method, pattern, handle_##name, body},
                                               API_ROUTES
#undef ROUTE
};

struct net_http_table api_table(struct api *api)
{
    return (struct net_http_table){.routes = routes, .routes_len = ARRAY_LEN(routes), .ctx = api};
}
