#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "keeper/control.h"
#include "rig.h"

/* The keeper's other end: a supervisor that supplies segments, stops it, dies; and a disk that
 * fails. */

static struct control_message expect(int link, enum control_type type)
{
    struct control_message message;
    do
        assert_ok(control_wait(link, 5000, &message));
    while (message.type == CONTROL_ALIVE && type != CONTROL_ALIVE);
    assert_int_equal(message.type, type);
    return message;
}

static void give_spare(const struct rig *rig, uint64_t number, uint64_t size)
{
    char name[SEGMENT_NAME_SIZE];
    segment_name(number, name);
    char *path = test_path(rig->dir, name);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    free(path);
    struct control_message message = {.type = CONTROL_SPARE, .value = size, .fd = fd};
    assert_ok(control_send(rig->control, &message));
    (void)close(fd);
}

#define SMALL 16384

static void segments_follow_one_another(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, &(struct rig_options){
                        .policy = rig_open_policy(), .segment_size = SMALL, .supervised = true});
    (void)expect(rig.control, CONTROL_READY);
    (void)expect(rig.control, CONTROL_SPARE_WANTED);
    struct rig_key node = rig_generate(&rig, KEEPER_NODE, 5);
    struct bytes sealed = keeper_sealed_view(&node.made.sealed);
    unsigned released = 0;
    uint64_t number = 2;
    for (; number < 6; number++) {
        give_spare(&rig, number, SMALL);
        struct control_message message = {.type = CONTROL_ALIVE};
        while (control_receive(rig.control, &message) == ERR_BUSY ||
               message.type != CONTROL_SPARE_WANTED) {
            enum err err = rig_release(&rig, &node.row, sealed, NULL, NULL);
            assert_int_equal(err, ERR_OK);
            released++;
        }
    }
    /* the supervisor has none: what can't be recorded is refused until one comes */
    enum err err = ERR_OK;
    while (err == ERR_OK) {
        err = rig_release(&rig, &node.row, sealed, NULL, NULL);
        released += err == ERR_OK;
    }
    assert_err(err, ERR_BUSY);
    struct control_message failed = {.type = CONTROL_SPARE_FAILED,
                                     .value = ERR_DISK_FULL,
                                     .text = "no space left on device",
                                     .fd = -1};
    assert_ok(control_send(rig.control, &failed));
    give_spare(&rig, number, SMALL);
    do
        err = rig_release(&rig, &node.row, sealed, NULL, NULL);
    while (err == ERR_BUSY);
    assert_ok(err);
    released++;
    assert_ok(control_tell(rig.control, CONTROL_RELOAD, 0, NULL));
    (void)expect(rig.control, CONTROL_SPARE_WANTED);
    (void)expect(rig.control, CONTROL_RELOADED);
    assert_ok(control_tell(rig.control, CONTROL_STOP, 0, NULL));
    assert_int_equal(pthread_join(rig.thread, NULL), 0);
    rig.joined = true;
    struct audit_verify_result result;
    rig_chain(&rig, &result);
    assert_int_equal(rig_records(&rig, AUDIT_RELEASE, ERR_OK, NULL), released);
    assert_int_equal(result.kinds[AUDIT_STOP], 1);
    assert_int_equal(result.segments, 6);
    assert_ok(rig_end(&rig));
}

static void without_a_supervisor_it_ends(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, &(struct rig_options){.policy = rig_open_policy(), .supervised = true});
    (void)close(rig.control);
    rig.control = -1;
    assert_int_equal(pthread_join(rig.thread, NULL), 0);
    rig.joined = true;
    assert_err(rig_end(&rig), ERR_CLOSED);
}

static void without_an_engine_it_ends(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    for (unsigned i = 0; i < RIG_CONNS; i++) {
        if (rig.fds[i] >= 0)
            (void)close(rig.fds[i]);
        rig.fds[i] = -1;
        keeper_client_freep(&rig.clients[i]);
    }
    assert_int_equal(pthread_join(rig.thread, NULL), 0);
    rig.joined = true;
    assert_err(rig_end(&rig), ERR_CLOSED);
}

static void a_failing_disk_gives_nothing_away(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, NULL);
    struct rig_key node = rig_generate(&rig, KEEPER_NODE, 5);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    struct rlimit tiny = {.rlim_cur = 1, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tiny), 0);
    uint8_t key[KEEPER_KEY_MAX];
    size_t len = 0;
    enum err err = rig_release(&rig, &node.row, keeper_sealed_view(&node.made.sealed), key, &len);
    assert_int_equal(pthread_join(rig.thread, NULL), 0);
    rig.joined = true;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(err != ERR_OK && err != ERR_KEEPER_GONE);
    assert_int_equal(len, 0);
    assert_err(rig_end(&rig), err);
}

TEST_MAIN(cmocka_unit_test(segments_follow_one_another),
          cmocka_unit_test(without_a_supervisor_it_ends),
          cmocka_unit_test(without_an_engine_it_ends),
          cmocka_unit_test(a_failing_disk_gives_nothing_away))
