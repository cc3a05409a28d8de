#include "api/api.h"
#include "api/resources.h"

static const struct net_http_route routes[] = {
#define ROUTE(method, pattern, name, body) {NET_HTTP_##method, pattern, handle_##name, body},
    API_ROUTES
#undef ROUTE
};

const struct net_http_route *api_routes(unsigned *ret_len)
{
    *ret_len = ARRAY_LEN(routes);
    return routes;
}
