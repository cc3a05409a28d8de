#include "diameter/server.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "backend_fake.h"
#include "base/file.h"
#include "diameter/client.h"
#include "support/test.h"

/* The whole service over loopback, with the client of libclaviger-kmc at the other end. */

static char *dir;
static uint16_t tcp_port, tls_port;
static struct net_loops *loops;
static struct diameter_server *server;

static const char certificates[] =
    "exec >/dev/null 2>&1; set -e; cd '%s'\n"
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=ca "
    "-keyout ca.key -out ca.pem\n"
    "for n in kms gw1; do openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
    "-subj /CN=$n.test -keyout $n.key -out $n.csr\n"
    "printf 'subjectAltName=DNS:%%s.test,DNS:localhost\\n' $n >$n.ext\n"
    "openssl x509 -req -in $n.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 "
    "-extfile $n.ext -out $n.pem; chmod 600 $n.key; done\n";

static void write_text(const char *name, const char *text)
{
    char *path = test_path(dir, name);
    assert_ok(file_write(path, bytes_str(text), 0600, NULL));
    free(path);
}

static void write_server_conf(const char *more)
{
    char text[4096];
    (void)snprintf(text, sizeof text,
                   "URI=aaa://localhost\nRealm=test\nStackType=SERVER\nProductName=KMS\n"
                   "PeerTable.0.URI=aaa://gw1.test\nPeerTable.1.URI=aaas://gw-tls.test\n"
                   "PeerTable.2.URI=aaa://stranger.test\nPeerTable.3.URI=aaa://signed.test\n"
                   "TLS.CertificateFile=%s/kms.pem\nTLS.PrivateKeyFile=%s/kms.key\n"
                   "TLS.CaFile=%s/ca.pem\n%s",
                   dir, dir, dir, more);
    write_text("server.conf", text);
}

static void start(const char *more)
{
    memset(&backend, 0, sizeof backend);
    write_server_conf(more);
    char *conf = test_path(dir, "server.conf");
    struct err_detail detail = {0};
    int tcp = -1;
    int tls = -1;
    assert_ok(net_listen_socket("127.0.0.1", 0, &tcp, NULL));
    assert_ok(net_listen_socket("127.0.0.1", 0, &tls, NULL));
    tcp_port = net_socket_port(tcp);
    tls_port = net_socket_port(tls);
    assert_ok(net_loops_new(2, &loops));
    int keepers[2] = {backend_keeper_fd(), backend_keeper_fd()};
    struct diameter_server_config config = {.loops = loops,
                                            .properties = conf,
                                            .keeper_fds = keepers,
                                            .clerk_fd = backend_keeper_fd(),
                                            .tcp_fds = &tcp,
                                            .tls_fds = &tls,
                                            .tcp_len = 1,
                                            .tls_len = 1};
    if (diameter_server_new(&config, &detail, &server) != ERR_OK)
        fail_msg("%s", detail.text);
    assert_ok(net_loops_start(loops));
    free(conf);
}

static void stop(void)
{
    net_loops_stop(loops);
    diameter_server_free(server);
    net_loops_free(loops);
    server = NULL;
    loops = NULL;
}

static struct diameter_client *client_of(const char *host, bool tls, const char *more)
{
    char text[2048];
    (void)snprintf(text, sizeof text,
                   "URI=aaa://%s\nRealm=test\nStackType=CLIENT\nLimits.AnswerTimeout=2\n"
                   "Limits.HandshakeTimeout=2\nPeerTable.0.URI=%s://localhost:%u\n%s",
                   host, tls ? "aaas" : "aaa", tls ? tls_port : tcp_port, more);
    struct diameter_properties props = {0};
    struct diameter_client *client = NULL;
    struct err_detail detail = {0};
    if (diameter_properties_parse("client", bytes_str(text), &props, &detail) != ERR_OK ||
        diameter_client_new(&props, &detail, &client) != ERR_OK)
        fail_msg("%s", detail.text);
    diameter_properties_done(&props);
    return client;
}

static const char *tls_files(void)
{
    static char text[1024];
    (void)snprintf(text, sizeof text,
                   "TLS.CertificateFile=%s/gw1.pem\nTLS.PrivateKeyFile=%s/gw1.key\n"
                   "TLS.CaFile=%s/ca.pem\n",
                   dir, dir, dir);
    return text;
}

static enum err ask(struct diameter_client *client, const char *user, unsigned want,
                    struct diameter_got *got)
{
    struct err_detail detail = {0};
    enum err err = diameter_client_ask(client, &(struct diameter_ask){.user = user, .want = want},
                                       &detail, got);
    if (err != ERR_OK)
        print_message("%s: %s\n", user, detail.text);
    return err;
}

static void expect(struct diameter_client *client, const char *user, enum err want, uint32_t result)
{
    struct diameter_got got = {0};
    assert_err(ask(client, user, DIAMETER_WANT_MN, &got), want);
    assert_int_equal(got.result, result);
    diameter_got_done(&got);
}

static void expect_node(struct diameter_client *client, uint32_t id)
{
    char user[64];
    uint8_t key[16];
    struct diameter_got got = {0};
    (void)snprintf(user, sizeof user, "%08x@node.kms.test", id);
    assert_ok(ask(client, user, DIAMETER_WANT_MN, &got));
    backend_key((struct keeper_row){.table = KEEPER_NODE, .row = id}, sizeof key, key);
    assert_true(bytes_equal(secret_view(got.mn.key), BYTES(key)));
    assert_int_equal(got.mn.version, 0);
    assert_int_equal(got.lifetime, 86400);
    diameter_got_done(&got);
}

static void keys_over_tcp(void **state)
{
    (void)state;
    start("");
    struct diameter_client *client = client_of("gw1.test", false, "");
    struct diameter_got got = {0};
    assert_false(diameter_client_connected(client));
    assert_ok(ask(client, "gateway@kms.test", DIAMETER_WANT_MN | DIAMETER_WANT_HA, &got));
    assert_int_equal(secret_len(got.mn.key), 24);
    assert_int_equal(secret_len(got.ha.key), 16);
    assert_int_equal(got.mn.version, 2);
    assert_string_equal(got.server, "localhost");
    diameter_got_done(&got);
    for (uint32_t id = 0x10000; id < 0x10100; id += 2)
        expect_node(client, id);
    expect(client, "00010001@node.kms.test", ERR_DENIED, 5003);
    expect(client, "gateway@other.test", ERR_DENIED, 5003);
    expect(client, "nonsense", ERR_PEER, 5004);
    assert_err(diameter_client_ask(client,
                                   &(struct diameter_ask){.user = "gateway@kms.test",
                                                          .want = DIAMETER_WANT_MN,
                                                          .has_version = true,
                                                          .version = 7},
                                   NULL, &got),
               ERR_STATE);
    assert_int_equal(diameter_server_peers(server), 1);
    diameter_client_free(client);
    for (int i = 0; i < 100 && diameter_server_peers(server) != 0; i++)
        usleep(10000);
    assert_int_equal(diameter_server_peers(server), 0);
    for (int i = 0; i < 100 && backend.notes < 3; i++)
        usleep(10000);
    assert_int_equal(backend.notes, 3); /* 5003 twice and 4007; not 5004 */
    assert_string_equal(backend.last_note, "gw1.test: diameter 4007 for gateway@kms.test: not "
                                           "possible in this state");
    stop();
}

static void who_may_come_in(void **state)
{
    (void)state;
    start("");
    struct diameter_client *unknown = client_of("nobody.test", false, "");
    expect(unknown, "gateway@kms.test", ERR_PEER, 0);
    diameter_client_free(unknown);
    /* in the table, but not for this network */
    struct diameter_client *stranger = client_of("stranger.test", false, "");
    expect(stranger, "gateway@kms.test", ERR_DENIED, 5003);
    diameter_client_free(stranger);
    /* its entry says aaas */
    struct diameter_client *plain = client_of("gw-tls.test", false, "");
    expect(plain, "gateway@kms.test", ERR_UNPROTECTED, 5025);
    diameter_client_free(plain);
    /* a second connection of one host */
    struct diameter_client *first = client_of("gw1.test", false, "");
    struct diameter_client *second = client_of("GW1.test", false, "");
    expect_node(first, 2);
    expect(second, "gateway@kms.test", ERR_PEER, 0);
    diameter_client_idle(first, 1500); /* it is asked whether it lives, and does */
    expect_node(first, 4);
    assert_int_equal(diameter_server_peers(server), 1);
    diameter_client_free(second);
    diameter_client_free(first);
    stop();
}

static void *end_soon(void *client)
{
    usleep(300000);
    diameter_client_free(client);
    return NULL;
}

static void a_name_that_is_held_is_waited_for(void **state)
{
    (void)state;
    start("");
    struct diameter_client *first = client_of("gw1.test", false, "");
    struct diameter_client *second = client_of("gw1.test", false, "");
    struct diameter_ask ask = {.user = "gateway@kms.test", .want = DIAMETER_WANT_MN};
    struct diameter_got got = {0};
    struct err_detail detail = {0};
    pthread_t thread;
    expect_node(first, 2);
    assert_err(diameter_client_ask(second, &ask, &detail, &got), ERR_PEER);
    assert_string_equal(detail.text, "localhost: 5012 UNABLE_TO_COMPLY: another connection of this "
                                     "Origin-Host is open");
    assert_int_equal(pthread_create(&thread, NULL, end_soon, first), 0);
    ask.limit_ms = 10000;
    assert_ok(diameter_client_ask(second, &ask, &detail, &got));
    assert_int_equal(secret_len(got.mn.key), 24);
    assert_int_equal(pthread_join(thread, NULL), 0);
    diameter_got_done(&got);
    diameter_client_free(second);
    stop();
}

static void keys_over_tls(void **state)
{
    (void)state;
    start("InbandSecurityIds.0.SecurityId=TLS\nInbandSecurityIds.1.SecurityId=NO_INBAND_SECURITY\n"
          "Policy.RequireProtection=true\n");
    struct diameter_client *client = client_of("gw1.test", true, tls_files());
    expect_node(client, 0x1000);
    diameter_client_free(client);
    /* the certificate says gw1.test */
    client = client_of("stranger.test", true, tls_files());
    expect(client, "gateway@kms.test", ERR_PEER, 0);
    diameter_client_free(client);
    client = client_of("gw1.test", false, "");
    expect(client, "gateway@kms.test", ERR_UNPROTECTED, 5025);
    diameter_client_free(client);
    /* TLS after the capabilities exchange */
    char more[1200];
    (void)snprintf(more, sizeof more, "InbandSecurityIds.0.SecurityId=TLS\n%s", tls_files());
    for (int i = 0; i < 100 && diameter_server_peers(server) != 0; i++)
        usleep(10000);
    client = client_of("gw1.test", false, more);
    expect_node(client, 0x1002);
    diameter_client_free(client);
    client = client_of("stranger.test", false, more);
    expect(client, "gateway@kms.test", ERR_CLOSED, 0);
    diameter_client_free(client);
    stop();
}

/* Whoever reaches the TCP port can say that it is a gateway; that must not lock out the gateway. */
static void who_proves_a_name_has_it(void **state)
{
    (void)state;
    start("InbandSecurityIds.0.SecurityId=TLS\n"
          "InbandSecurityIds.1.SecurityId=NO_INBAND_SECURITY\n");
    struct diameter_client *squatter = client_of("gw1.test", false, "");
    expect_node(squatter, 2);
    struct diameter_client *client = client_of("gw1.test", true, tls_files());
    expect_node(client, 4);
    /* and the other way round it stays with the gateway */
    struct diameter_client *again = client_of("gw1.test", false, "");
    expect(again, "gateway@kms.test", ERR_PEER, 0);
    expect_node(client, 6);
    assert_int_equal(diameter_server_peers(server), 1);
    diameter_client_free(again);
    diameter_client_free(client);
    diameter_client_free(squatter);
    for (int i = 0; i < 100 && diameter_server_peers(server) != 0; i++)
        usleep(10000);
    /* the same where TLS begins after the capabilities exchange */
    char more[1200];
    (void)snprintf(more, sizeof more, "InbandSecurityIds.0.SecurityId=TLS\n%s", tls_files());
    squatter = client_of("gw1.test", false, "");
    expect_node(squatter, 8);
    client = client_of("gw1.test", false, more);
    expect_node(client, 10);
    diameter_client_free(client);
    diameter_client_free(squatter);
    stop();
}

static void shared_secrets(void **state)
{
    (void)state;
    start("");
    char more[1100];
    write_text("secret", "ssssssssssssssss\n");
    write_text("wrong", "sssssssssssssss");
    (void)snprintf(more, sizeof more, "Auth.SecretFile=%s/secret\n", dir);
    struct diameter_client *client = client_of("signed.test", false, more);
    expect_node(client, 6);
    diameter_client_free(client);
    for (int i = 0; i < 100 && diameter_server_peers(server) != 0; i++)
        usleep(10000);
    (void)snprintf(more, sizeof more, "Auth.SecretFile=%s/wrong\n", dir);
    client = client_of("signed.test", false, more);
    expect(client, "gateway@kms.test", ERR_UNAUTHENTICATED, 4001);
    diameter_client_free(client);
    for (int i = 0; i < 100 && diameter_server_peers(server) != 0; i++)
        usleep(10000);
    client = client_of("signed.test", false, "");
    expect(client, "gateway@kms.test", ERR_UNAUTHENTICATED, 4001);
    diameter_client_free(client);
    stop();
}

static void failover_and_a_lost_keeper(void **state)
{
    (void)state;
    start("");
    char more[128];
    /* the first server of the table is not there */
    int fd = -1;
    assert_ok(net_listen_socket("127.0.0.1", 0, &fd, NULL));
    uint16_t port = net_socket_port(fd);
    (void)close(fd);
    uint16_t real = tcp_port;
    tcp_port = port;
    (void)snprintf(more, sizeof more, "PeerTable.1.URI=aaa://127.0.0.1:%u\n", real);
    struct diameter_client *client = client_of("gw1.test", false, more);
    tcp_port = real;
    expect_node(client, 8);
    backend.gone = true;
    expect(client, "gateway@kms.test", ERR_BUSY, 3004);
    diameter_client_free(client);
    stop();
}

static enum err reload_with(const char *more, struct err_detail *detail)
{
    write_server_conf(more);
    char *conf = test_path(dir, "server.conf");
    AUTO(buf_done) struct buf text = {0};
    assert_ok(file_read(conf, 65536, &text, detail));
    free(conf);
    return diameter_server_reload(server, buf_view(&text), detail);
}

static void reload_and_goodbye(void **state)
{
    (void)state;
    start("");
    struct err_detail detail = {0};
    struct diameter_client *client = client_of("gw1.test", false, "");
    struct diameter_client *fresh = client_of("gw9.test", false, "");
    expect_node(client, 10);
    expect(fresh, "gateway@kms.test", ERR_PEER, 0);
    assert_err(reload_with("PeerTable.4.URI=aaa://gw9.test\nNonsense=1\n", &detail), ERR_CONFIG);
    assert_non_null(strstr(detail.text, "line 13: unknown property 'Nonsense'"));
    assert_ok(reload_with("PeerTable.4.URI=aaa://gw9.test\n", &detail));
    usleep(50000);
    expect_node(fresh, 12);
    expect_node(client, 14); /* the old connection lives on */
    assert_int_equal(diameter_server_peers(server), 2);
    diameter_server_disconnect(server, "GW9.test");
    diameter_client_idle(fresh, 200);
    assert_false(diameter_client_connected(fresh));
    expect_node(client, 16);
    expect_node(fresh, 18); /* it may come again: it is in the table */
    diameter_server_stop(server);
    diameter_client_idle(client, 500);
    assert_false(diameter_client_connected(client));
    diameter_client_idle(fresh, 500);
    for (int i = 0; i < 100 && diameter_server_peers(server) != 0; i++)
        usleep(10000);
    assert_int_equal(diameter_server_peers(server), 0);
    diameter_client_free(client);
    diameter_client_free(fresh);
    stop();
}

static void it_ends_with_requests_under_way(void **state)
{
    (void)state;
    start("");
    backend.mute = true;
    struct diameter_client *client = client_of("gw1.test", false, "");
    expect(client, "gateway@kms.test", ERR_TIMEOUT, 0);
    stop();
    diameter_client_free(client);
}

static int make_certificates(void **state)
{
    (void)state;
    char script[2048];
    dir = test_tempdir();
    (void)snprintf(script, sizeof script, certificates, dir);
    return system(script) == 0 ? 0 : -1;
}

static int remove_all(void **state)
{
    (void)state;
    test_tempdir_remove(dir);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_over_tcp),
        cmocka_unit_test(who_may_come_in),
        cmocka_unit_test(a_name_that_is_held_is_waited_for),
        cmocka_unit_test(keys_over_tls),
        cmocka_unit_test(who_proves_a_name_has_it),
        cmocka_unit_test(shared_secrets),
        cmocka_unit_test(failover_and_a_lost_keeper),
        cmocka_unit_test(reload_and_goodbye),
        cmocka_unit_test(it_ends_with_requests_under_way),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, make_certificates, remove_all);
}
