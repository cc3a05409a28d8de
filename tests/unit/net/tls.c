#include "net/tls.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/metrics.h"
#include "rig.h"

static char *dir;
static struct net_loop *loop;
static struct net_listener *listener;
static uint16_t port;
static struct rig_end server, client;

static int make_certificates(void **state)
{
    (void)state;
    dir = rig_certificates();
    return dir != NULL ? 0 : -1;
}

static int remove_certificates(void **state)
{
    (void)state;
    test_tempdir_remove(dir);
    return 0;
}

static int setup(void **state)
{
    (void)state;
    server = client = (struct rig_end){0};
    return rig_loop_new(&loop) == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    net_listener_free(listener);
    listener = NULL;
    net_loop_free(loop);
    return 0;
}

/* Paths live until the next call of the same slot. */
static const char *in_dir(unsigned slot, const char *name)
{
    static char paths[4][512];
    if (name == NULL)
        return NULL;
    (void)snprintf(paths[slot], sizeof paths[slot], "%s/%s", dir, name);
    return paths[slot];
}

static struct net_tls *make_tls(bool is_server, const char *cert, const char *ca, const char *crl,
                                bool tls13_only)
{
    char key[64];
    (void)snprintf(key, sizeof key, "%s.key", cert != NULL ? cert : "");
    char pem[64];
    (void)snprintf(pem, sizeof pem, "%s.pem", cert != NULL ? cert : "");
    struct net_tls_config config = {.server = is_server,
                                    .verify = NET_TLS_VERIFY_REQUIRED,
                                    .cert_file = in_dir(0, cert != NULL ? pem : NULL),
                                    .key_file = in_dir(1, cert != NULL ? key : NULL),
                                    .ca_file = in_dir(2, ca),
                                    .crl_file = in_dir(3, crl),
                                    .tls13_only = tls13_only,
                                    .service = "test"};
    struct net_tls *tls = NULL;
    struct err_detail detail = {0};
    enum err err = net_tls_new(&config, &tls, &detail);
    if (err != ERR_OK)
        print_error("%s\n", detail.text);
    assert_ok(err);
    return tls;
}

static void serve_more(struct net_tls *tls, struct net_conn_limits limits,
                       struct net_listener_config config)
{
    struct err_detail detail = {0};
    config.name = "test";
    config.setup =
        (struct net_conn_setup){.ops = &rig_ops, .ctx = &server, .limits = limits, .tls = tls};
    assert_ok(net_listen_socket("127.0.0.1", 0, &config.fd, &detail));
    assert_ok(net_listener_new(loop, NULL, &config, &listener, &detail));
    port = net_listener_port(listener);
}

static void serve(struct net_tls *tls, struct net_conn_limits limits)
{
    serve_more(tls, limits, (struct net_listener_config){0});
}

static void call(struct net_tls *tls, const char *tls_name)
{
    const struct net_target target = {.host = "127.0.0.1", .port = port, .tls_name = tls_name};
    const struct net_conn_setup s = {.ops = &rig_ops, .ctx = &client, .tls = tls};
    struct net_conn *conn = NULL;
    assert_ok(net_connect(loop, &target, &s, &conn));
}

static void talk(bool tls13)
{
    struct net_tls *st = make_tls(true, "server", "ca.pem", NULL, tls13);
    struct net_tls *ct = make_tls(false, "client", "ca.pem", NULL, false);
    server.echo = true;
    serve(st, (struct net_conn_limits){0});
    call(ct, "localhost");
    rig_run(loop, &client.opened, 1);
    assert_true(net_conn_is_tls(client.conn));
    static uint8_t payload[40000];
    for (int i = 0; i < 200; i++)
        assert_ok(rig_send(client.conn, payload, i % 20 == 0 ? sizeof payload : 100));
    assert_ok(rig_send(client.conn, "end", 3));
    rig_run(loop, &client.frames, 201);
    assert_memory_equal(client.last, "end", 3);
    const struct net_peer_cert *cert = net_conn_peer_cert(server.conn);
    assert_non_null(cert);
    assert_true(cert->verified);
    assert_string_equal(cert->common_name, "gw1");
    assert_string_equal(cert->subject, "CN=gw1,O=Metro");
    assert_string_equal(cert->serial, "b1");
    assert_int_equal(cert->dns_len, 2);
    assert_true(net_peer_cert_names(cert, "GW1.alt.example"));
    assert_false(net_peer_cert_names(cert, "gw1.other.example"));
    /* a common name counts where there is no other (RFC 6125, 6.4.4) */
    struct net_peer_cert named = {.common_name = "gw7.example"};
    assert_true(net_peer_cert_names(&named, "GW7.example"));
    named.dns[named.dns_len++] = "gw8.example";
    assert_false(net_peer_cert_names(&named, "gw7.example"));
    assert_true(net_peer_cert_names(&named, "gw8.example"));
    assert_int_equal(strlen(cert->fingerprint_hex), 64);
    net_conn_close(client.conn);
    rig_run(loop, &server.freed, 1);
    rig_run(loop, &client.freed, 1);
    assert_int_equal(server.reason, NET_CLOSE_PEER);
    assert_int_equal(client.reason, NET_CLOSE_LOCAL);
    net_tls_unref(st);
    net_tls_unref(ct);
}

static void both_sides_talk_tls13(void **state)
{
    (void)state;
    talk(true);
}

static void both_sides_talk_tls12(void **state)
{
    (void)state;
    /* our client has no upper limit, so the openssl program asks */
    struct net_tls *st = make_tls(true, "server", "ca.pem", NULL, false);
    server.close_on_frame = true;
    serve(st, (struct net_conn_limits){0});
    char *command = NULL;
    assert_true(asprintf(&command,
                         "(printf '\\0\\3abc'; sleep 1) | openssl s_client -connect 127.0.0.1:%u "
                         "-tls1_2 -CAfile %s/ca.pem -cert %s/client.pem -key %s/client.key "
                         "-verify_return_error -quiet >%s/s_client.log 2>&1 &",
                         (unsigned)port, dir, dir, dir, dir) > 0);
    assert_int_equal(system(command), 0);
    free(command);
    rig_run(loop, &server.frames, 1);
    assert_memory_equal(server.last, "abc", 3);
    assert_string_equal(net_conn_peer_cert(server.conn)->common_name, "gw1");
    rig_run(loop, &server.freed, 1);
    net_tls_unref(st);
}

static void refused_at_server(const char *cert, const char *crl, const char *why)
{
    (void)why;
    int64_t before = net_metrics.handshake_failures.value;
    struct net_tls *st = make_tls(true, "server", "ca.pem", crl, false);
    struct net_tls *ct = make_tls(false, cert, "ca.pem", NULL, false);
    serve(st, (struct net_conn_limits){0});
    call(ct, "localhost");
    rig_run(loop, &client.freed, 1);
    assert_int_equal(client.reason, NET_CLOSE_TLS);
    assert_non_null(strstr(client.detail, "alert"));
    assert_int_equal(server.opened, 0);
    assert_int_equal(server.closed, 0);
    assert_true(net_metrics.handshake_failures.value > before);
    net_tls_unref(st);
    net_tls_unref(ct);
}

static void a_client_without_certificate_is_refused(void **state)
{
    (void)state;
    refused_at_server(NULL, NULL, "certificate required");
}

static void a_client_of_another_ca_is_refused(void **state)
{
    (void)state;
    refused_at_server("stranger", NULL, "unknown ca");
}

static void an_expired_client_is_refused(void **state)
{
    (void)state;
    refused_at_server("expired", NULL, "expired");
}

static void a_revoked_client_is_refused(void **state)
{
    (void)state;
    refused_at_server("revoked", "crl.pem", "revoked");
}

static void refused_at_client(const char *ca, const char *name)
{
    struct net_tls *st = make_tls(true, "server", "ca.pem", NULL, false);
    struct net_tls *ct = make_tls(false, "client", ca, NULL, false);
    serve(st, (struct net_conn_limits){0});
    call(ct, name);
    rig_run(loop, &client.freed, 1);
    assert_int_equal(client.reason, NET_CLOSE_TLS);
    assert_non_null(strstr(client.detail, "does not verify"));
    assert_int_equal(client.opened, 0);
    net_tls_unref(st);
    net_tls_unref(ct);
}

static void a_server_of_another_ca_is_refused(void **state)
{
    (void)state;
    refused_at_client("other-ca.pem", "localhost");
}

static void a_server_of_another_name_is_refused(void **state)
{
    (void)state;
    refused_at_client("ca.pem", "kms.example");
}

static void plain_bytes_are_no_handshake(void **state)
{
    (void)state;
    struct net_tls *st = make_tls(true, "server", "ca.pem", NULL, false);
    serve(st, (struct net_conn_limits){.handshake_ms = 100});
    call(NULL, NULL);
    rig_run(loop, &client.opened, 1);
    assert_ok(net_conn_write(client.conn, bytes_str("\1\0\0\24hello, no TLS here")));
    rig_run(loop, &client.freed, 1);
    client = (struct rig_end){0};
    call(NULL, NULL); /* and one that says nothing */
    rig_run(loop, &client.freed, 1);
    assert_int_equal(client.reason, NET_CLOSE_PEER);
    assert_int_equal(server.opened, 0);
    net_tls_unref(st);
}

static void an_open_connection_is_upgraded(void **state)
{
    (void)state;
    struct net_tls *st = make_tls(true, "server", "ca.pem", NULL, false);
    struct net_tls *ct = make_tls(false, "client", "ca.pem", NULL, false);
    server.echo = true;
    server.upgrade_on_frame = st;
    client.upgrade_on_frame = ct;
    serve(NULL, (struct net_conn_limits){0});
    call(NULL, NULL);
    rig_run(loop, &client.opened, 1);
    assert_false(net_conn_is_tls(client.conn));
    assert_ok(rig_send(client.conn, "cer", 3));
    rig_run(loop, &client.secured, 1);
    rig_run(loop, &server.secured, 1);
    assert_true(net_conn_is_tls(server.conn));
    assert_string_equal(net_conn_peer_cert(server.conn)->common_name, "gw1");
    assert_err(net_conn_starttls(server.conn, st, NULL), ERR_STATE);
    assert_ok(rig_send(client.conn, "dwr", 3));
    rig_run(loop, &client.frames, 2);
    assert_memory_equal(client.last, "dwr", 3);
    net_tls_unref(st);
    net_tls_unref(ct);
}

static void bytes_in_clear_behind_an_upgrade_close(void **state)
{
    (void)state;
    struct net_tls *st = make_tls(true, "server", "ca.pem", NULL, false);
    server.upgrade_on_frame = st;
    serve(NULL, (struct net_conn_limits){0});
    call(NULL, NULL);
    rig_run(loop, &client.opened, 1);
    assert_ok(rig_send(client.conn, "cer", 3));
    assert_ok(rig_send(client.conn, "smuggled", 8));
    rig_run(loop, &server.freed, 1);
    assert_int_equal(server.reason, NET_CLOSE_FRAME);
    assert_int_equal(server.frames, 1);
    net_tls_unref(st);
}

static void a_reload_counts_for_new_connections(void **state)
{
    (void)state;
    char command[2048];
    (void)snprintf(
        command, sizeof command,
        "cd %s && cp server.pem live.pem && cp server.key live.key && chmod 600 live.key", dir);
    assert_int_equal(system(command), 0);
    struct net_tls *st = make_tls(true, "live", "ca.pem", NULL, false);
    struct net_tls *ct = make_tls(false, "client", "ca.pem", NULL, false);
    server.echo = true;
    serve(st, (struct net_conn_limits){0});
    call(ct, "localhost");
    rig_run(loop, &client.opened, 1);
    struct err_detail detail = {0};
    (void)snprintf(command, sizeof command, "cd %s && cp stranger.pem live.pem", dir);
    assert_int_equal(system(command), 0);
    assert_err(net_tls_reload(st, &detail), ERR_CONFIG); /* the key is another one's */
    assert_non_null(strstr(detail.text, "live.key"));
    (void)snprintf(command, sizeof command, "cd %s && cp stranger.key live.key", dir);
    assert_int_equal(system(command), 0);
    assert_ok(net_tls_reload(st, &detail));
    assert_ok(rig_send(client.conn, "alive", 5));
    rig_run(loop, &client.frames, 1);
    client = (struct rig_end){0};
    call(ct, "localhost");
    rig_run(loop, &client.closed, 1);
    assert_int_equal(client.reason, NET_CLOSE_TLS);
    net_tls_unref(st);
    net_tls_unref(ct);
}

static void wrong_files_are_named(void **state)
{
    (void)state;
    struct net_tls *tls = NULL;
    struct err_detail detail = {0};
    struct net_tls_config config = {.server = true,
                                    .verify = NET_TLS_VERIFY_REQUIRED,
                                    .cert_file = in_dir(0, "server.pem"),
                                    .key_file = in_dir(1, "client.key"),
                                    .ca_file = in_dir(2, "ca.pem")};
    assert_err(net_tls_new(&config, &tls, &detail), ERR_CONFIG);
    assert_non_null(strstr(detail.text, "client.key"));
    config.cert_file = in_dir(0, "ca.key");
    assert_err(net_tls_new(&config, &tls, &detail), ERR_TLS);
    config.cert_file = in_dir(0, "server.pem");
    config.key_file = in_dir(1, "server.key");
    config.ca_file = in_dir(2, "nowhere.pem");
    assert_err(net_tls_new(&config, &tls, &detail), ERR_TLS);
    assert_non_null(strstr(detail.text, "nowhere.pem"));
    config.ca_file = NULL;
    assert_err(net_tls_new(&config, &tls, &detail), ERR_CONFIG);
    config.ca_file = in_dir(2, "ca.pem");
    assert_int_equal(chmod(config.key_file, 0644), 0);
    assert_true(net_tls_new(&config, &tls, &detail) != ERR_OK);
    assert_int_equal(chmod(config.key_file, 0600), 0);
    config = (struct net_tls_config){.verify = NET_TLS_VERIFY_NONE};
    assert_err(net_tls_new(&config, &tls, &detail), ERR_CONFIG);
}

/* Runs the openssl program against the server; what it says goes to `log` in the folder. */
static void ask_openssl(const char *options, const char *log)
{
    char *command = NULL;
    assert_true(asprintf(&command,
                         "(printf '\\0\\3abc'; sleep 1) | openssl s_client -connect 127.0.0.1:%u "
                         "-CAfile %s/ca.pem %s >%s/%s 2>&1 &",
                         (unsigned)port, dir, options, dir, log) > 0);
    assert_int_equal(system(command), 0);
    free(command);
}

static bool says(const char *log, const char *text)
{
    char *command = NULL;
    assert_true(asprintf(&command, "grep -q '%s' %s/%s", text, dir, log) > 0);
    bool found = system(command) == 0;
    free(command);
    return found;
}

static void a_staple_is_handed_out_while_it_is_current(void **state)
{
    (void)state;
    char command[2048];
    (void)snprintf(command, sizeof command,
                   "cd %s && openssl ocsp -index index -rsigner ca.pem -rkey ca.key -CA ca.pem "
                   "-issuer ca.pem -cert server.pem -ndays 1 -respout ocsp.der >ocsp.log 2>&1",
                   dir);
    assert_int_equal(system(command), 0);
    struct net_tls_config config = {.server = true,
                                    .verify = NET_TLS_VERIFY_NONE,
                                    .cert_file = in_dir(0, "server.pem"),
                                    .key_file = in_dir(1, "server.key"),
                                    .ocsp_file = in_dir(2, "ocsp.der")};
    struct err_detail detail = {0};
    struct net_tls *st = NULL;
    assert_ok(net_tls_new(&config, &st, &detail));
    server.close_on_frame = true;
    serve(st, (struct net_conn_limits){0});
    ask_openssl("-status", "staple.log");
    rig_run(loop, &server.freed, 1);
    clock_fake_us((clock_now_us() / 1000000 + 2 * 86400) * 1000000);
    ask_openssl("-status", "stale.log");
    rig_run(loop, &server.freed, 2);
    clock_fake_us(0);
    (void)usleep(200000); /* until openssl has written */
    assert_true(says("staple.log", "OCSP Response Status: successful"));
    assert_true(says("stale.log", "OCSP response: no response sent"));
    net_tls_unref(st);
    /* what is no response is named */
    config.ocsp_file = in_dir(2, "server.pem");
    assert_err(net_tls_new(&config, &st, &detail), ERR_CONFIG);
    assert_non_null(strstr(detail.text, "server.pem"));
}

static void a_single_certificate_may_be_trusted(void **state)
{
    (void)state;
    struct net_tls_config config = {.server = true,
                                    .verify = NET_TLS_VERIFY_REQUIRED,
                                    .cert_file = in_dir(0, "server.pem"),
                                    .key_file = in_dir(1, "server.key"),
                                    .ca_file = in_dir(2, "ca.pem"),
                                    .more_ca_file = in_dir(3, "stranger.pem")};
    struct err_detail detail = {0};
    struct net_tls *st = NULL;
    assert_ok(net_tls_new(&config, &st, &detail));
    struct net_tls *ct = make_tls(false, "stranger", "ca.pem", NULL, false);
    server.echo = true;
    serve(st, (struct net_conn_limits){0});
    call(ct, "localhost");
    rig_run(loop, &server.opened, 1);
    assert_true(net_conn_peer_cert(server.conn)->verified);
    net_tls_unref(st);
    net_tls_unref(ct);
    config.more_ca_file = in_dir(3, "nowhere.pem");
    assert_err(net_tls_new(&config, &st, &detail), ERR_TLS);
    assert_non_null(strstr(detail.text, "nowhere.pem"));
}

static void too_many_are_refused(void **state)
{
    (void)state;
    serve_more(NULL, (struct net_conn_limits){0},
               (struct net_listener_config){.connections_max = 3, .per_address_max = 2});
    struct rig_end ends[3] = {{0}};
    for (int i = 0; i < 3; i++) {
        const struct net_target target = {.host = "127.0.0.1", .port = port};
        const struct net_conn_setup s = {.ops = &rig_ops, .ctx = &ends[i]};
        struct net_conn *conn = NULL;
        assert_ok(net_connect(loop, &target, &s, &conn));
        rig_run(loop, &ends[i].opened, 1);
        rig_pass(loop, 5);
    }
    rig_run(loop, &ends[2].closed, 1);
    assert_int_equal(server.opened, 2);
    assert_int_equal(net_listener_connections(listener), 2);
    net_conn_close(ends[0].conn);
    rig_run(loop, &ends[0].freed, 1);
    rig_run(loop, &server.freed, 1);
    assert_int_equal(net_listener_connections(listener), 1);
    net_listener_limit(listener, &(struct net_conn_limits){0}, 1, 0);
    ends[0] = (struct rig_end){0};
    const struct net_target target = {.host = "127.0.0.1", .port = port};
    const struct net_conn_setup s = {.ops = &rig_ops, .ctx = &ends[0]};
    struct net_conn *conn = NULL;
    assert_ok(net_connect(loop, &target, &s, &conn));
    rig_run(loop, &ends[0].closed, 1);
}

static long resident_kib(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long pages = 0, resident = 0;
    if (f != NULL) {
        if (fscanf(f, "%ld %ld", &pages, &resident) != 2)
            resident = 0;
        (void)fclose(f);
    }
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Prints a figure, asserts none: both ends are in this process, so a peer costs less than half. */
static void idle_peers_are_cheap(void **state)
{
    (void)state;
    struct rlimit files;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    const unsigned peers = files.rlim_cur > 4100 ? 2000 : 400;
    struct net_tls *st = make_tls(true, "server", "ca.pem", NULL, false);
    struct net_tls *ct = make_tls(false, "client", "ca.pem", NULL, false);
    serve(st, (struct net_conn_limits){0});
    call(ct, "localhost");
    rig_run(loop, &server.opened, 1);
    long before = resident_kib();
    for (unsigned i = 0; i < peers; i++) {
        call(ct, "localhost");
        rig_run(loop, &server.opened, i + 2);
        assert_ok(rig_send(server.conn, "ping", 4));
    }
    rig_run(loop, &client.frames, peers);
    print_message("%u idle TLS peers: %ld KiB for each pair of ends\n", peers,
                  (resident_kib() - before) / (long)peers);
    net_tls_unref(st);
    net_tls_unref(ct);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(both_sides_talk_tls13),
        CASE(both_sides_talk_tls12),
        CASE(a_client_without_certificate_is_refused),
        CASE(a_client_of_another_ca_is_refused),
        CASE(an_expired_client_is_refused),
        CASE(a_revoked_client_is_refused),
        CASE(a_server_of_another_ca_is_refused),
        CASE(a_server_of_another_name_is_refused),
        CASE(plain_bytes_are_no_handshake),
        CASE(an_open_connection_is_upgraded),
        CASE(bytes_in_clear_behind_an_upgrade_close),
        CASE(a_reload_counts_for_new_connections),
        CASE(wrong_files_are_named),
        CASE(a_staple_is_handed_out_while_it_is_current),
        CASE(a_single_certificate_may_be_trusted),
        CASE(too_many_are_refused),
        CASE(idle_peers_are_cheap),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
