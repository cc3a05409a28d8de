#include "api/plain.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/resources.h"

/* An address with the number of its leading bits that count. */
struct network {
    uint8_t bits[16]; /* IPv4 as ::ffff:a.b.c.d */
    unsigned len;
};

static bool read_address(const char *text, struct network *ret)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (inet_pton(AF_INET6, text, ret->bits) == 1) {
        ret->len = 128;
        return true;
    }
    memcpy(ret->bits, mapped, sizeof mapped);
    ret->len = 128;
    return inet_pton(AF_INET, text, ret->bits + sizeof mapped) == 1;
}

static bool read_network(const char *text, struct network *ret)
{
    char host[80];
    const char *slash = strchr(text, '/');
    size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    if (len >= sizeof host)
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    if (!read_address(host, ret))
        return false;
    if (slash == NULL)
        return true;
    char *end = NULL;
    unsigned long given = strtoul(slash + 1, &end, 10);
    unsigned before = strchr(host, ':') != NULL ? 0 : 96;
    if (slash[1] < '0' || slash[1] > '9' || *end != '\0' || given > 128 - before)
        return false;
    ret->len = before + (unsigned)given;
    return true;
}

static bool holds(const struct network *network, const struct network *address)
{
    unsigned whole = network->len / 8, rest = network->len % 8;
    if (memcmp(network->bits, address->bits, whole) != 0)
        return false;
    return rest == 0 || (network->bits[whole] ^ address->bits[whole]) >> (8 - rest) == 0;
}

enum err api_plain_check(const struct settings_list *allow, struct err_detail *detail)
{
    struct network network;
    for (size_t i = 0; i < allow->len; i++) {
        if (!read_network(allow->items[i], &network))
            return err_set(detail, ERR_CONFIG,
                           "[factory] http_allow: '%s' is no address or network", allow->items[i]);
    }
    return ERR_OK;
}

void api_plain_name(const char *address, char *to, size_t cap)
{
    const char *from = address, *end = strrchr(address, ':');
    if (*from == '[') {
        from++;
        end = strchr(from, ']');
    } else if (end != NULL && strchr(address, ':') != end) {
        end = NULL; /* IPv6 without a port */
    }
    size_t len = end != NULL ? (size_t)(end - from) : strlen(from);
    (void)snprintf(to, cap, "%.*s", (int)len, from);
}

bool api_plain_allowed(const struct settings_list *allow, const char *address)
{
    char host[80];
    struct network from, network;
    api_plain_name(address, host, sizeof host);
    if (!read_address(host, &from))
        return false;
    for (size_t i = 0; i < allow->len; i++) {
        if (read_network(allow->items[i], &network) && holds(&network, &from))
            return true;
    }
    return false;
}

static void dispatch(struct net_http_request *request, struct api *api, enum api_body body,
                     api_fn *fn)
{
    struct err_detail detail = {0};
    if (api_plain_allowed(&api_daemon(api)->settings->factory.http_allow,
                          net_http_address(request))) {
        api_dispatch_plain(request, api, VAULT_LINE, body, fn);
        return;
    }
    (void)err_set(&detail, ERR_DENIED, "this address is not in [factory] http_allow");
    net_http_fail(request, ERR_DENIED, &detail);
}

#define ROUTE(method, pattern, name, action, kind, body)                                           \
    static void handle_##name(struct net_http_request *request, void *api)                         \
    {                                                                                              \
        dispatch(request, api, kind, api_do_##name);                                               \
    }
API_LINE_ROUTES
#undef ROUTE

static const struct net_http_route routes[] = {
#define ROUTE(method, pattern, name, action, kind, body)                                           \
    {NET_HTTP_##method, pattern, handle_##name, body},
    API_LINE_ROUTES
#undef ROUTE
};

struct net_http_table api_plain_table(struct api *api)
{
    return (struct net_http_table){.routes = routes, .routes_len = ARRAY_LEN(routes), .ctx = api};
}
