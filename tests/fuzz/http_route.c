#include <assert.h>

#include "fuzz/target.h"
#include "net/http_head.h"

static const struct net_http_route routes[] = {
    {NET_HTTP_GET, "/", NULL, 0},
    {NET_HTTP_GET, "/v1/networks", NULL, 0},
    {NET_HTTP_POST, "/v1/networks", NULL, 4096},
    {NET_HTTP_GET, "/v1/networks/{name}", NULL, 0},
    {NET_HTTP_PUT, "/v1/{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}", NULL, 4096},
    {NET_HTTP_DELETE, "/v1/networks/{name}/batches/{batch}", NULL, 0},
};

static void match(enum net_http_method method, struct bytes target)
{
    static struct net_http_target t;
    enum err err = net_http_match(routes, ARRAY_LEN(routes), method, target, &t);
    assert((err == ERR_OK) == (t.route != NULL) || err == ERR_LIMIT);
    if (err != ERR_OK)
        return;
    assert(t.used <= sizeof t.text && t.route->method == method);
    for (unsigned i = 0; i < t.params_len; i++)
        assert(*t.params[i].value != '\0' && strlen(t.params[i].value) <= target.len);
    for (unsigned i = 0; i < t.query_len; i++)
        assert(strlen(t.query[i].name) + strlen(t.query[i].value) <= target.len);
}

/* A whole head, or, where it is none, a target on its own. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    struct net_http_head head;
    size_t len = net_http_head_len(input);
    if (len == 0) {
        match(NET_HTTP_GET, input);
        return 0;
    }
    assert(len <= size);
    if (net_http_head_parse(bytes_of(data, len), &head) != ERR_OK)
        return 0;
    for (unsigned i = 0; i < head.fields_len; i++) {
        struct bytes value = head.fields[i].value;
        assert(value.data >= data && value.data + value.len < data + len);
        char host[64];
        if (value.len < sizeof host) {
            memcpy(host, value.data, value.len);
            host[value.len] = '\0';
            (void)net_http_host_is_local(host);
        }
    }
    match(head.method, head.target);
    return 0;
}
