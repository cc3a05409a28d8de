#include "net/http_route.h"

#include "base/buf.h"
#include "net/http_head.h"
#include "support/test.h"

static const struct net_http_route routes[] = {
    {NET_HTTP_GET, "/v1/networks", NULL, 0},
    {NET_HTTP_POST, "/v1/networks", NULL, 4096},
    {NET_HTTP_GET, "/v1/networks/all", NULL, 0},
    {NET_HTTP_GET, "/v1/networks/{name}", NULL, 0},
    {NET_HTTP_DELETE, "/v1/networks/{name}/batches/{batch}", NULL, 0},
    {NET_HTTP_GET, "/", NULL, 0},
};

static struct net_http_target t;

static enum err match(enum net_http_method method, const char *target)
{
    return net_http_match(routes, ARRAY_LEN(routes), method, bytes_str(target), &t);
}

static void paths_find_their_routes(void **state)
{
    (void)state;
    assert_ok(match(NET_HTTP_GET, "/v1/networks"));
    assert_ptr_equal(t.route, &routes[0]);
    assert_ok(match(NET_HTTP_POST, "/v1/networks"));
    assert_ptr_equal(t.route, &routes[1]);
    assert_ok(match(NET_HTTP_GET, "/v1/networks/all"));
    assert_ptr_equal(t.route, &routes[2]);
    assert_ok(match(NET_HTTP_GET, "/"));
    assert_ptr_equal(t.route, &routes[5]);
    assert_ok(match(NET_HTTP_DELETE, "/v1/networks/a%2Fb%20%C3%A9/batches/7"));
    assert_int_equal(t.params_len, 2);
    assert_string_equal(t.params[0].name, "name");
    assert_string_equal(t.params[0].value, "a/b \xc3\xa9");
    assert_string_equal(t.params[1].name, "batch");
    assert_string_equal(t.params[1].value, "7");
}

static void queries_are_decoded(void **state)
{
    (void)state;
    assert_ok(match(NET_HTTP_GET, "/v1/networks?limit=10&q=a+b%26c&flag&&e="));
    assert_int_equal(t.query_len, 4);
    assert_string_equal(t.query[1].name, "q");
    assert_string_equal(t.query[1].value, "a b&c");
    assert_string_equal(t.query[2].value, "");
    assert_err(match(NET_HTTP_GET, "/v1/networks?a=1&a=2"), ERR_SYNTAX);
}

static void what_is_not_there_is_refused(void **state)
{
    (void)state;
    assert_err(match(NET_HTTP_GET, "/v1"), ERR_NOT_FOUND);
    assert_err(match(NET_HTTP_GET, "/v1/networks/"), ERR_NOT_FOUND);
    assert_err(match(NET_HTTP_GET, "//v1/networks"), ERR_NOT_FOUND);
    assert_err(match(NET_HTTP_DELETE, "/v1/networks"), ERR_METHOD);
    assert_int_equal(t.allowed, NET_HTTP_GET | NET_HTTP_POST);
    assert_err(match(0, "/v1/networks"), ERR_METHOD);
}

static void malformed_targets_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",           "v1",       "http://h/v1",   "*",       "/%",
        "/%4",        "/%zz",     "/%00",          "/a%0ab",  "/%c0%af",
        "/%ed%a0%80", "/v1/../x", "/v1/%2e%2e/x",  "/v1/./x", "/a#b",
        "/x?a=%",     "/x?%ff=1", "/%f5%80%80%80",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_err(match(NET_HTTP_GET, bad[i]), ERR_SYNTAX);
    static char lots[NET_HTTP_TARGET_MAX + 2];
    memset(lots, 'a', sizeof lots - 1);
    lots[0] = '/';
    assert_err(match(NET_HTTP_GET, lots), ERR_LIMIT);
    lots[NET_HTTP_TARGET_MAX] = '\0';
    assert_err(match(NET_HTTP_GET, lots), ERR_NOT_FOUND);
}

static void only_this_machine_is_local(void **state)
{
    (void)state;
    static const char *const yes[] = {"localhost",    "LocalHost:9464", "127.0.0.1",
                                      "127.3.2.1:80", "[::1]",          "[::1]:9464"};
    static const char *const no[] = {"example.com",
                                     "localhost.evil.com",
                                     "127.0.0.1.nip.io",
                                     "10.0.0.1",
                                     "[::2]",
                                     "",
                                     "localhost:80@x",
                                     "[::1",
                                     "::1"};
    for (size_t i = 0; i < ARRAY_LEN(yes); i++)
        assert_true(net_http_host_is_local(yes[i]));
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        assert_false(net_http_host_is_local(no[i]));
}

static void json_strings_are_escaped(void **state)
{
    (void)state;
    struct buf b = {0};
    assert_ok(net_json_string(&b, "a\"b\\c\nd\xc3\xa9\xff"));
    assert_true(bytes_equal(buf_view(&b), bytes_str("\"a\\\"b\\\\c\\u000ad\xc3\xa9\\ufffd\"")));
    buf_done(&b);
}

static struct net_http_head head;

static enum err parse(const char *text)
{
    assert_int_equal(net_http_head_len(bytes_str(text)), strlen(text));
    return net_http_head_parse(bytes_str(text), &head);
}

static void heads_are_taken_apart(void **state)
{
    (void)state;
    assert_ok(parse("PUT /x?y HTTP/1.1\r\nHost: a\r\nContent-Length:  12 \r\nX: \r\n\r\n"));
    assert_int_equal(head.method, NET_HTTP_PUT);
    assert_true(bytes_equal(head.target, bytes_str("/x?y")));
    assert_int_equal(head.content_length, 12);
    assert_int_equal(head.fields_len, 3);
    assert_false(head.close);
    assert_ok(parse("BREW / HTTP/1.1\r\nhost: a\r\nConnection: Close\r\n\r\n"));
    assert_int_equal(head.method, 0);
    assert_true(head.close);
    assert_ok(parse("GET / HTTP/1.0\r\n\r\n"));
    assert_true(head.close);
    assert_int_equal(net_http_head_len(bytes_str("GET / HTTP/1.1\r\nHost: a\r\n")), 0);
}

static void doubtful_heads_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_err(parse(bad[i]), ERR_SYNTAX);
    assert_err(parse("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"),
               ERR_UNSUPPORTED);
    assert_err(parse("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), ERR_UNSUPPORTED);
    struct buf b = {0};
    assert_ok(buf_printf(&b, "GET / HTTP/1.1\r\nHost: a\r\n"));
    for (int i = 0; i < NET_HTTP_FIELDS_MAX; i++)
        assert_ok(buf_printf(&b, "X-%d: y\r\n", i));
    assert_ok(buf_printf(&b, "\r\n"));
    assert_err(net_http_head_parse(buf_view(&b), &head), ERR_HEADERS);
    buf_done(&b);
}

TEST_MAIN(cmocka_unit_test(paths_find_their_routes), cmocka_unit_test(queries_are_decoded),
          cmocka_unit_test(what_is_not_there_is_refused),
          cmocka_unit_test(malformed_targets_are_refused),
          cmocka_unit_test(only_this_machine_is_local), cmocka_unit_test(json_strings_are_escaped),
          cmocka_unit_test(heads_are_taken_apart), cmocka_unit_test(doubtful_heads_are_refused))
