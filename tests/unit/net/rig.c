#include "rig.h"

#include <stdio.h>

#include "base/bytes.h"

struct waiting {
    struct net_loop *loop;
    const unsigned *what;
    unsigned least;
};

static struct waiting waiting;

static void look(void *arg)
{
    (void)arg;
    if (waiting.loop != NULL && waiting.what != NULL && *waiting.what >= waiting.least)
        net_loop_stop(waiting.loop);
}

enum err rig_loop_new(struct net_loop **ret_loop)
{
    TRY(net_loop_new(ret_loop));
    return net_loop_on_iteration(*ret_loop, look, NULL);
}

static void stop(void *arg)
{
    net_loop_stop(arg);
}

static void run(struct net_loop *loop, const unsigned *what, unsigned least, unsigned ms)
{
    waiting = (struct waiting){loop, what, least};
    struct net_timer *timer = NULL;
    assert_ok(net_timer_new(loop, stop, loop, &timer));
    net_timer_set(timer, ms);
    assert_ok(net_loop_run(loop));
    net_timer_free(timer);
    waiting.loop = NULL;
}

void rig_run(struct net_loop *loop, const unsigned *what, unsigned least)
{
    if (*what < least)
        run(loop, what, least, 5000);
    assert_true(*what >= least);
}

void rig_pass(struct net_loop *loop, unsigned ms)
{
    run(loop, NULL, 0, ms);
}

enum err rig_frame_len(const uint8_t *data, size_t have, size_t *ret_need)
{
    if (data[0] == 0xff)
        return ERR_SYNTAX;
    *ret_need = have < 2 ? 2 : 2 + (size_t)be16_load(data);
    return ERR_OK;
}

size_t rig_frame(uint8_t *to, const void *payload, size_t len)
{
    be16_store(to, (uint16_t)len);
    memcpy(to + 2, payload, len);
    return len + 2;
}

enum err rig_send(struct net_conn *conn, const void *payload, size_t len)
{
    uint8_t *room = NULL;
    TRY(net_conn_reserve(conn, len + 2, &room));
    net_conn_commit(conn, rig_frame(room, payload, len));
    return ERR_OK;
}

static void on_open(struct net_conn *conn, void *ctx)
{
    struct rig_end *end = ctx;
    end->conn = conn;
    end->opened++;
}

static void on_secured(struct net_conn *conn, void *ctx)
{
    (void)conn;
    ((struct rig_end *)ctx)->secured++;
}

static void on_frame(struct net_conn *conn, void *ctx, struct bytes frame)
{
    struct rig_end *end = ctx;
    end->frames++;
    end->bytes += frame.len;
    end->last_len = frame.len - 2 < sizeof end->last ? frame.len - 2 : sizeof end->last;
    memcpy(end->last, frame.data + 2, end->last_len);
    if (end->hold)
        net_conn_hold(conn);
    if (end->echo)
        assert_ok(net_conn_write(conn, frame));
    if (end->upgrade_on_frame != NULL)
        assert_ok(net_conn_starttls(conn, end->upgrade_on_frame, "localhost"));
    end->upgrade_on_frame = NULL;
    if (end->close_on_frame)
        net_conn_close(conn);
}

static void on_close(struct net_conn *conn, void *ctx, enum net_close reason,
                     const struct err_detail *detail)
{
    (void)conn;
    struct rig_end *end = ctx;
    end->closed++;
    end->reason = reason;
    (void)snprintf(end->detail, sizeof end->detail, "%s", detail->text);
}

static void on_free(void *ctx)
{
    ((struct rig_end *)ctx)->freed++;
}

static void on_drained(struct net_conn *conn, void *ctx)
{
    (void)conn;
    ((struct rig_end *)ctx)->drained++;
}

const struct net_conn_ops rig_ops = {
    .frame_len = rig_frame_len,
    .on_frame = on_frame,
    .on_open = on_open,
    .on_secured = on_secured,
    .on_close = on_close,
    .on_free = on_free,
    .on_drained = on_drained,
};

static const char script[] =
    "set -e; cd \"$1\"; exec >log 2>&1\n"
    "ca() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "
    "\"/CN=$1\" -keyout $1.key -out $1.pem -addext basicConstraints=critical,CA:TRUE -addext "
    "keyUsage=critical,keyCertSign,cRLSign; }\n"
    "ca ca; ca other-ca\n"
    "leaf() { openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj \"$3\" "
    "-keyout $1.key -out $1.csr; printf '%s\\n' \"$4\" >$1.ext; openssl x509 -req -in $1.csr -CA "
    "$2.pem -CAkey $2.key -set_serial \"0x$6\" -days \"$5\" -extfile $1.ext -out $1.pem; }\n"
    "leaf server ca /CN=server subjectAltName=DNS:localhost,IP:127.0.0.1 30 a1\n"
    "leaf client ca '/O=Metro/CN=gw1' subjectAltName=DNS:gw1.example,DNS:gw1.alt.example 30 b1\n"
    "leaf revoked ca /CN=gw2 subjectAltName=DNS:gw2.example 30 b2\n"
    "leaf stranger other-ca /CN=gw1 subjectAltName=DNS:gw1.example 30 c1\n"
    "leaf expired ca /CN=gw3 subjectAltName=DNS:gw3.example 0 b3\n"
    "printf '[ca]\\ndefault_ca=c\\n[c]\\ndatabase=index\\ncrlnumber=number\\ndefault_md=sha256\\n"
    "default_crl_days=30\\n' >ca.cnf; : >index; echo 01 >number\n"
    "openssl ca -config ca.cnf -cert ca.pem -keyfile ca.key -revoke revoked.pem\n"
    "openssl ca -config ca.cnf -cert ca.pem -keyfile ca.key -gencrl -out crl.pem\n"
    "chmod 600 *.key\n";

char *rig_certificates(void)
{
    char *dir = test_tempdir();
    char *path = test_path(dir, "make.sh");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    (void)fputs(script, f);
    (void)fclose(f);
    char *command = NULL;
    assert_true(asprintf(&command, "bash %s %s", path, dir) > 0);
    int status = system(command);
    free(command);
    free(path);
    if (status == 0)
        return dir;
    test_tempdir_remove(dir);
    return NULL;
}
