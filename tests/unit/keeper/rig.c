#include "rig.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

struct keeper_policy rig_open_policy(void)
{
    struct keeper_policy policy;
    for (unsigned i = 0; i < KEEPER_PURPOSES; i++)
        policy.rates[i] = (struct keeper_rate){KEEPER_UNLIMITED, 0};
    return policy;
}

static void *serve(void *arg)
{
    struct rig *rig = arg;
    struct err_detail detail = {.code = ERR_OK};
    rig->ended = keeper_server_run(rig->server, &detail);
    return NULL;
}

static int new_segment(const struct rig *rig, uint64_t size)
{
    char name[SEGMENT_NAME_SIZE];
    segment_name(1, name);
    char *path = test_path(rig->dir, name);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    free(path);
    return fd;
}

void rig_begin(struct rig *rig, const struct rig_options *options)
{
    struct rig_options usual = {.policy = rig_open_policy()};
    if (options == NULL)
        options = &usual;
    *rig = (struct rig){.dir = test_tempdir(), .control = -1, .keeper_control = -1};
    uint64_t size = options->segment_size != 0 ? options->segment_size : (uint64_t)16 << 20;
    struct audit_setup setup = {
        .current = -1, .spare = new_segment(rig, size), .sign_interval_us = (uint64_t)3600000000};
    assert_ok(audit_open(&setup, &rig->audit, NULL));
    assert_ok(fake_token_init(&rig->token));
    int theirs[RIG_CONNS];
    for (unsigned i = 0; i < RIG_CONNS; i++) {
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        rig->fds[i] = pair[0];
        theirs[i] = pair[1];
    }
    if (options->supervised) {
        int pair[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        rig->control = pair[0];
        rig->keeper_control = pair[1];
    }
    struct keeper_server_config config = {
        .fds = theirs,
        .fd_count = RIG_CONNS,
        .control = rig->keeper_control,
        .token = options->token != NULL ? *options->token : fake_token_of(&rig->token),
        .policy = options->policy,
        .audit = rig->audit,
        .buffered = options->buffered};
    assert_ok(keeper_server_new(&config, &rig->server, NULL));
    assert_int_equal(pthread_create(&rig->thread, NULL, serve, rig), 0);

    struct keeper_client *client = rig_client(rig, 0);
    struct buf wrapped = {0};
    assert_ok(keeper_domain_create(client, RIG_ACTOR, RIG_DOMAIN, RIG_NAME, &wrapped, NULL));
    assert_ok(
        keeper_domain_load(client, RIG_ACTOR, RIG_DOMAIN, RIG_NAME, 1, buf_view(&wrapped), NULL));
    buf_done(&wrapped);
}

struct keeper_client *rig_client(struct rig *rig, unsigned number)
{
    if (rig->clients[number] == NULL) {
        assert_ok(keeper_client_new(rig->fds[number], &rig->clients[number]));
        rig->fds[number] = -1;
    }
    return rig->clients[number];
}

static void stop(struct rig *rig)
{
    if (rig->server == NULL)
        return;
    keeper_server_stop(rig->server);
    if (!rig->joined)
        assert_int_equal(pthread_join(rig->thread, NULL), 0);
    keeper_server_free(rig->server);
    rig->server = NULL;
}

void rig_chain(struct rig *rig, struct audit_verify_result *ret_result)
{
    stop(rig);
    struct audit_verify_options options = {.whole = true};
    assert_ok(audit_verify(rig->dir, &options, ret_result, NULL));
}

unsigned rig_records(const struct rig *rig, enum audit_kind kind, enum err result,
                     struct audit_event *ret_last)
{
    AUTO(audit_reader_freep) struct audit_reader *reader = NULL;
    assert_ok(audit_reader_open(rig->dir, 0, &reader, NULL));
    unsigned count = 0;
    for (;;) {
        struct audit_record record;
        bool end;
        assert_ok(audit_read_next(reader, &record, &end, NULL));
        if (end)
            return count;
        if (record.event.kind != kind || record.event.result != result)
            continue;
        count++;
        if (ret_last == NULL)
            continue;
        *ret_last = record.event;
        static char text[AUDIT_TEXT_MAX];
        static char actor[AUDIT_ACTOR_MAX];
        memcpy(text, record.event.text.data, record.event.text.len);
        memcpy(actor, record.event.actor.data, record.event.actor.len);
        ret_last->text.data = (const uint8_t *)text;
        ret_last->actor.data = (const uint8_t *)actor;
    }
}

enum err rig_end(struct rig *rig)
{
    struct audit_verify_result result;
    rig_chain(rig, &result);
    for (unsigned i = 0; i < RIG_CONNS; i++) {
        keeper_client_free(rig->clients[i]);
        if (rig->fds[i] >= 0)
            (void)close(rig->fds[i]);
    }
    if (rig->control >= 0)
        (void)close(rig->control);
    if (rig->keeper_control >= 0)
        (void)close(rig->keeper_control);
    audit_free(rig->audit);
    fake_token_done(&rig->token);
    test_tempdir_remove(rig->dir);
    return rig->ended;
}

struct rig_key rig_generate(struct rig *rig, uint8_t table, uint64_t row)
{
    struct rig_key key = {.row = {RIG_DOMAIN, table, row, 1}};
    assert_ok(keeper_generate(rig_client(rig, 0), RIG_ACTOR, key.row, &key.made, NULL));
    return key;
}

struct released {
    bool done;
    enum err err;
    uint8_t key[KEEPER_KEY_MAX];
    size_t len;
};

static void take_key(struct keeper_release *release, enum err err, struct bytes key)
{
    struct released *released = release->arg;
    released->done = true;
    released->err = err;
    released->len = key.len;
    if (key.len != 0)
        memcpy(released->key, key.data, key.len);
}

enum err rig_release(struct rig *rig, const struct keeper_row *row, struct bytes sealed,
                     uint8_t key[KEEPER_KEY_MAX], size_t *ret_len)
{
    struct keeper_client *client = rig_client(rig, 0);
    struct released released = {.done = false};
    struct keeper_release release = {
        .row = *row, .purpose = KEEPER_DIAMETER, .done = take_key, .arg = &released};
    TRY(keeper_client_release(client, &release, bytes_str("gw1.test"), sealed));
    keeper_client_flush(client);
    while (!released.done) {
        struct pollfd fd = {.fd = keeper_client_fd(client), .events = POLLIN};
        assert_int_equal(poll(&fd, 1, 5000), 1);
        enum err err = keeper_client_receive(client);
        assert_true(err == ERR_OK || err == ERR_KEEPER_GONE);
    }
    if (key != NULL)
        memcpy(key, released.key, released.len);
    if (ret_len != NULL)
        *ret_len = released.len;
    return released.err;
}
