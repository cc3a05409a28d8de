#include "diameter/node.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>

#include "diameter/message.h"

static void add_address(struct diameter_node *node, const void *data, uint8_t len)
{
    if (node->addresses_len == DIAMETER_ADDRESSES_MAX)
        return;
    struct diameter_address *a = &node->addresses[node->addresses_len++];
    a->len = len;
    memcpy(a->data, data, len);
}

static bool add_numeric(struct diameter_node *node, const char *host)
{
    uint8_t data[16];
    if (inet_pton(AF_INET, host, data) == 1) {
        add_address(node, data, 4);
        return true;
    }
    if (inet_pton(AF_INET6, host, data) == 1) {
        add_address(node, data, 16);
        return true;
    }
    return false;
}

static void add_interfaces(struct diameter_node *node)
{
    struct ifaddrs *list = NULL;
    if (getifaddrs(&list) != 0)
        list = NULL;
    for (const struct ifaddrs *i = list; i != NULL; i = i->ifa_next) {
        if (i->ifa_addr == NULL || (i->ifa_flags & IFF_LOOPBACK) != 0 ||
            (i->ifa_flags & IFF_UP) == 0)
            continue;
        if (i->ifa_addr->sa_family == AF_INET) {
            struct sockaddr_in in;
            memcpy(&in, i->ifa_addr, sizeof in);
            add_address(node, &in.sin_addr, 4);
        } else if (i->ifa_addr->sa_family == AF_INET6) {
            struct sockaddr_in6 in6;
            memcpy(&in6, i->ifa_addr, sizeof in6);
            if (!IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr))
                add_address(node, &in6.sin6_addr, 16);
        }
    }
    if (list != NULL)
        freeifaddrs(list);
    if (node->addresses_len == 0)
        (void)add_numeric(node, "127.0.0.1");
}

enum err diameter_node_new(const struct diameter_properties *props, uint32_t state_id,
                           bool tls_ready, struct diameter_node **ret_node)
{
    struct diameter_node *node = calloc(1, sizeof *node);
    if (node == NULL)
        return ERR_NO_MEMORY;
    memcpy(node->host, props->uri.host, sizeof node->host);
    memcpy(node->realm, props->realm, sizeof node->realm);
    memcpy(node->product, props->product_name, sizeof node->product);
    node->vendor_id = props->vendor_id;
    node->state_id = state_id;
    node->apps_len = props->apps_len;
    memcpy(node->apps, props->apps, sizeof node->apps);
    if (node->apps_len == 0)
        node->apps[node->apps_len++] = (struct diameter_app){.id = DIAMETER_APP_MIP4};
    node->inband_tls = props->inband_tls && tls_ready;
    node->inband_plain = props->inband_plain;
    node->watchdog_ms = props->watchdog_ms;
    node->handshake_ms = props->handshake_timeout_ms;
    node->references = 1;
    if (!add_numeric(node, node->host))
        add_interfaces(node);
    *ret_node = node;
    return ERR_OK;
}

struct diameter_node *diameter_node_ref(struct diameter_node *node)
{
    (void)__atomic_add_fetch(&node->references, 1, __ATOMIC_RELAXED);
    return node;
}

void diameter_node_unref(struct diameter_node *node)
{
    if (node != NULL && __atomic_sub_fetch(&node->references, 1, __ATOMIC_ACQ_REL) == 0)
        free(node);
}

bool diameter_node_serves(const struct diameter_node *node, uint32_t application)
{
    for (unsigned i = 0; i < node->apps_len; i++) {
        if (!node->apps[i].acct && node->apps[i].id == application)
            return true;
    }
    return false;
}
