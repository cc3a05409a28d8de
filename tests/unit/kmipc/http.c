#include "kmipc/http.h"

#include "support/test.h"

/* HTTP answers, as far as the client reads them. */

#define HEAD "HTTP/1.1 200 OK\r\n"

/* Wants more at every prefix, and then exactly the whole. */
static void framed(const char *text, const char *body)
{
    char copy[512];
    size_t len = strlen(text), need = 0;
    memcpy(copy, text, len + 1);
    for (size_t have = 1; have < len; have++) {
        assert_ok(kmipc_http_len((const uint8_t *)copy, have, &need));
        assert_true(need > have && need <= len);
    }
    assert_ok(kmipc_http_len((const uint8_t *)copy, len, &need));
    assert_int_equal(need, len);
    struct bytes got;
    bool keep = false;
    assert_ok(kmipc_http_body(bytes_of(copy, len), &got, &keep, NULL));
    assert_true(bytes_equal(got, bytes_str(body)));
}

static void good_answers(void **state)
{
    (void)state;
    framed(HEAD "Content-Length: 5\r\n\r\nhello", "hello");
    framed(HEAD "content-length:  0\r\nX: y\r\n\r\n", "");
    framed(HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", "hello");
    framed(HEAD "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", "");
}

static void the_connection_lives_or_not(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool keep;
    } cases[] = {
        {HEAD "Content-Length: 0\r\n\r\n", true},
        {HEAD "Connection: close\r\nContent-Length: 0\r\n\r\n", false},
        {"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bytes body;
        bool keep = !cases[i].keep;
        assert_ok(kmipc_http_body(bytes_str(cases[i].text), &body, &keep, NULL));
        assert_int_equal(keep, cases[i].keep);
    }
}

static void bad_answers_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        HEAD "\r\n",
        HEAD "Content-Length: -1\r\n\r\n",
        HEAD "Content-Length: 5x\r\n\r\n",
        HEAD "Content-Length: 99999999999999999999\r\n\r\n",
        HEAD "Content-Length: 16777217\r\n\r\n",
        HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD "Transfer-Encoding: chunked\r\n\r\nffffffffff\r\n",
        HEAD "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        size_t need = 0;
        enum err err = kmipc_http_len((const uint8_t *)bad[i], strlen(bad[i]), &need);
        if (err != ERR_PEER)
            fail_msg("%s: %s", bad[i], err_text(err));
    }
    static uint8_t endless[20000];
    memset(endless, 'x', sizeof endless);
    size_t need = 0;
    assert_err(kmipc_http_len(endless, sizeof endless, &need), ERR_PEER);
    static const char *const refused[] = {
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/2.0 200 OK\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 2xx OK\r\nContent-Length: 0\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct bytes body;
        bool keep;
        struct err_detail detail = {0};
        assert_err(kmipc_http_body(bytes_str(refused[i]), &body, &keep, &detail), ERR_PEER);
    }
}

static void requests(void **state)
{
    (void)state;
    AUTO(buf_done) struct buf head = {0};
    assert_ok(kmipc_http_head("/kmip", "::1", 5696, KMIP_XML, 12, &head));
    assert_true(
        bytes_equal(buf_view(&head), bytes_str("POST /kmip HTTP/1.1\r\nHost: [::1]:5696\r\n"
                                               "Content-Type: text/xml\r\nContent-Length: 12\r\n"
                                               "Cache-Control: no-cache\r\n\r\n")));
}

TEST_MAIN(cmocka_unit_test(good_answers), cmocka_unit_test(the_connection_lives_or_not),
          cmocka_unit_test(bad_answers_are_refused), cmocka_unit_test(requests))
