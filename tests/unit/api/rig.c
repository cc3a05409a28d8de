#include "rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api/json.h"
#include "base/clock.h"
#include "base/file.h"
#include "crypto/pem.h"
#include "crypto/x509.h"
#include "net/http.h"
#include "net/listener.h"

#define NOBODY  65534
#define WORKERS 2

static enum err reload(void *ctx, struct err_detail *detail)
{
    struct api_rig *rig = ctx;
    rig->reloads++;
    return rig->reloads == 1 ? ERR_OK : err_set(detail, ERR_CONFIG, "line 1");
}

static bool service(void *ctx, unsigned n, const char **ret_name, char *ret_text, size_t cap)
{
    (void)ctx;
    *ret_name = "api";
    (void)snprintf(ret_text, cap, "here");
    return n == 0;
}

static bool connected(void *ctx, const char *host)
{
    (void)ctx;
    return strcmp(host, "gw1.metro-east.example") == 0;
}

static void disconnect(void *ctx, const char *host)
{
    struct api_rig *rig = ctx;
    assert_string_equal(host, "gw1.metro-east.example");
    rig->disconnects++;
}

static enum err sign(void *arg, const uint8_t digest[32], struct buf *to, struct err_detail *detail)
{
    const struct fleet_call *call = arg;
    return keeper_sign_certificate(call->keeper, call->actor.name, digest, "test", to, detail);
}

static void make_ca(struct api_rig *rig)
{
    struct buf spki = {0}, der = {0}, pem = {0};
    struct err_detail detail = {0};
    assert_ok(keeper_public(rig->site.call.keeper, KEEPER_KEY_CA, &spki, NULL, NULL));
    int64_t now = clock_now_s();
    const struct x509_request request = {.profile = X509_CA,
                                         .cn = "test authority",
                                         .spki = buf_view(&spki),
                                         .not_before = now - 86400 * 2,
                                         .not_after = now + 86400 * 3650};
    const struct x509_signer signer = {sign, &rig->site.call};
    if (x509_issue(&request, &signer, &der, &detail) != ERR_OK)
        fail_msg("%s", detail.text);
    assert_ok(pem_encode("CERTIFICATE", buf_view(&der), &pem));
    assert_ok(file_write(rig->ca_file, buf_view(&pem), 0644, NULL));
    buf_done(&spki);
    buf_done(&der);
    buf_done(&pem);
}

static void connect_client(struct api_rig *rig)
{
    struct err_detail detail = {0};
    if (net_client_new(&(struct net_client_config){.base = rig->socket}, &rig->client, &detail) !=
        ERR_OK)
        fail_msg("%s", detail.text);
}

static void serve(struct api_rig *rig, uid_t owner)
{
    struct err_detail detail = {0};
    const struct api_config config = {.fleet = rig->site.fleet,
                                      .vault = rig->site.vault,
                                      .store = rig->site.store,
                                      .clients = rig->clients,
                                      .spool_dir = rig->spool,
                                      .keeper_fds = rig->site.rig.fds + 1,
                                      .workers = WORKERS,
                                      .uid = owner,
                                      .socket_group = (gid_t)-1,
                                      .daemon = {.settings = rig->settings,
                                                 .config_path = "clavigerd.conf",
                                                 .store_url = "sqlite:store.db",
                                                 .audit_dir = rig->site.rig.dir,
                                                 .backup_dir = rig->site.backup,
                                                 .profile_file = "none",
                                                 .ca_file = rig->ca_file,
                                                 .started = clock_now_s(),
                                                 .ctx = rig,
                                                 .reload = reload,
                                                 .service = service,
                                                 .connected = connected,
                                                 .disconnect = disconnect}};
    if (api_new(&config, &rig->api, &detail) != ERR_OK)
        fail_msg("api_new: %s", detail.text);
    for (unsigned i = 1; i < RIG_CONNS; i++)
        rig->site.rig.fds[i] = -1;
    const struct net_http_table table = api_table(rig->api);
    struct net_http_config http = {.is_unix = true, .tables = &table, .tables_len = 1};
    assert_ok(net_loops_new(1, &rig->loops));
    assert_ok(net_listen_unix(rig->socket, 0666, &http.fd, &detail));
    assert_ok(net_http_new(net_loops_get(rig->loops, 0), &http, &rig->http, &detail));
    assert_ok(net_loops_start(rig->loops));
    connect_client(rig);
}

void api_rig_begin(struct api_rig *rig)
{
    json_wipe_memory();
    *rig = (struct api_rig){0};
    site_begin(&rig->site, NULL);
    rig->dir = test_tempdir();
    assert_int_equal(chmod(rig->dir, 0711), 0);
    rig->socket = test_path(rig->dir, "api.sock");
    rig->spool = test_path(rig->dir, "spool");
    rig->ca_file = test_path(rig->dir, "ca.pem");
    assert_int_equal(mkdir(rig->spool, 0700), 0);
    make_ca(rig);
    struct err_detail detail = {0};
    if (vault_clients_open(rig->site.store, &rig->clients, &detail) != ERR_OK)
        fail_msg("%s", detail.text);
    serve(rig, geteuid());
}

void api_rig_end(struct api_rig *rig)
{
    net_client_answer_done(&rig->answer);
    net_client_free(rig->client);
    net_loops_stop(rig->loops);
    net_http_free(rig->http);
    api_free(rig->api);
    net_loops_free(rig->loops);
    vault_clients_close(rig->clients);
    site_end(&rig->site);
    free(rig->socket);
    free(rig->spool);
    free(rig->ca_file);
    test_tempdir_remove(rig->dir);
}

/* The kernel tells the server who connected: the effective user at that moment. */
void api_rig_become_nobody(struct api_rig *rig)
{
    if (geteuid() != 0)
        skip();
    net_client_free(rig->client);
    assert_int_equal(seteuid(NOBODY), 0);
    connect_client(rig);
    enum err err = api_rig_call(rig, NET_HTTP_GET, "/v1/status", NULL);
    assert_int_equal(seteuid(0), 0);
    assert_err(err, ERR_DENIED);
}

enum err api_rig_call(struct api_rig *rig, enum net_http_method method, const char *path,
                      const char *body)
{
    struct err_detail detail = {0};
    struct bytes json = body != NULL ? bytes_str(body) : bytes_of("", 0);
    if (net_client_call(rig->client, method, path, json, &rig->answer, &detail) != ERR_OK)
        fail_msg("%s: %s", path, detail.text);
    return rig->answer.err;
}

json_t *api_rig_json(const struct api_rig *rig)
{
    if (rig->answer.body.len == 0)
        return NULL;
    json_t *json = json_loadb((const char *)rig->answer.body.data, rig->answer.body.len, 0, NULL);
    assert_non_null(json);
    return json;
}

json_t *api_rig_get(struct api_rig *rig, enum net_http_method method, const char *path,
                    const char *body)
{
    enum err err = api_rig_call(rig, method, path, body);
    if (err != ERR_OK)
        fail_msg("%s: %s: %.*s", path, err_text(err), (int)rig->answer.body.len,
                 (const char *)rig->answer.body.data);
    return api_rig_json(rig);
}

json_t *api_rig_job(struct api_rig *rig, const char *path, const char *body)
{
    json_t *started = api_rig_get(rig, NET_HTTP_POST, path, body);
    char resource[64];
    (void)snprintf(resource, sizeof resource, "/v1/jobs/%lld",
                   (long long)json_integer_value(json_object_get(started, "job")));
    json_decref(started);
    for (;;) {
        json_t *job = api_rig_get(rig, NET_HTTP_GET, resource, NULL);
        const char *state = json_string_value(json_object_get(job, "state"));
        if (strcmp(state, "done") == 0 || strcmp(state, "failed") == 0)
            return job;
        json_decref(job);
        (void)nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
}

uint64_t api_rig_upload(struct api_rig *rig, const char *file)
{
    struct err_detail detail = {0};
    json_t *made = api_rig_get(rig, NET_HTTP_POST, "/v1/uploads", NULL);
    uint64_t id = (uint64_t)json_integer_value(json_object_get(made, "upload"));
    json_decref(made);
    char path[64];
    (void)snprintf(path, sizeof path, "/v1/uploads/%llu", (unsigned long long)id);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_ok(net_client_upload(rig->client, path, fd, NULL, NULL, &rig->answer, &detail));
    assert_ok(rig->answer.err);
    (void)close(fd);
    return id;
}

static enum err write_piece(void *ctx, struct bytes piece, struct err_detail *detail)
{
    return file_write_all(*(int *)ctx, piece, detail);
}

void api_rig_download(struct api_rig *rig, uint64_t id, const char *part, const char *file)
{
    struct err_detail detail = {0};
    char path[96];
    (void)snprintf(path, sizeof path, "/v1/downloads/%llu?part=%s", (unsigned long long)id, part);
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_ok(
        net_client_download(rig->client, path, write_piece, NULL, &fd, &rig->answer, &detail));
    assert_ok(rig->answer.err);
    (void)close(fd);
}
