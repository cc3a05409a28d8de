/* Simulated devices as a station meets them: claviger-sim node on a terminal or a TCP port, the
 * station's side of the node protocol against it. argv[1]: claviger-sim. */

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "crypto/check_value.h"
#include "fake_kms.h"
#include "line/gateway_control.h"
#include "line/node.h"
#include "support/test.h"

static const char *sim_program;
static char *dir;
static char said[65536];
static pid_t sim;
static uint16_t sim_port;
static struct line_fault fault;

static int begin(void **state)
{
    (void)state;
    dir = test_tempdir();
    sim = -1;
    return 0;
}

static void stop(pid_t *child)
{
    int status = -1;
    if (*child <= 0)
        return;
    (void)kill(*child, SIGTERM);
    assert_int_equal(waitpid(*child, &status, 0), *child);
    *child = -1;
    assert_int_equal(status, 0);
}

static int end(void **state)
{
    (void)state;
    stop(&sim);
    test_tempdir_remove(dir);
    return 0;
}

static const char *read_log(const char *name)
{
    char path[512];
    AUTO(buf_done) struct buf text = {0};
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    said[0] = '\0';
    if (file_read(path, sizeof said - 1, &text, NULL) == ERR_OK && text.len != 0) {
        memcpy(said, text.data, text.len);
        said[text.len] = '\0';
    }
    return said;
}

/* Until `text` was said; where it was, or NULL after ten seconds. */
static const char *wait_for(const char *log, const char *text)
{
    for (unsigned i = 0; i < 1000; i++) {
        const char *at = strstr(read_log(log), text);
        if (at != NULL && strchr(at, '\n') != NULL)
            return at + strlen(text);
        (void)usleep(10000);
    }
    return NULL;
}

static pid_t start(const char *log, const char *line)
{
    char path[512], command[2048];
    (void)snprintf(path, sizeof path, "%s/%s", dir, log);
    (void)unlink(path);
    (void)snprintf(command, sizeof command, "cd %s; exec %s %s >%s 2>&1", dir, sim_program, line,
                   path);
    pid_t child = fork();
    if (child == 0) {
        (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    return child;
}

__attribute__((format(printf, 1, 2))) static void start_node(const char *format, ...)
{
    char line[1024] = "node ";
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line + 5, sizeof line - 5, format, args);
    va_end(args);
    stop(&sim);
    sim = start("node.log", line);
    const char *at = wait_for("node.log", "ready: ");
    if (at == NULL)
        fail_msg("no device: %s", said);
    const char *colon = strncmp(at, "127.", 4) == 0 ? strchr(at, ':') : NULL;
    sim_port = colon != NULL ? (uint16_t)strtoul(colon + 1, NULL, 10) : 0;
}

static void must(enum err err)
{
    if (err != ERR_OK)
        fail_msg("%s (%d)", fault.text, fault.code);
}

static struct line_node *open_node(const char *wrapper)
{
    char port[512];
    struct line_node *node = NULL;
    struct line_node_config config = {
        .port = port, .wrapper = wrapper, .timeout_ms = 300, .baud = 115200};
    if (sim_port != 0)
        (void)snprintf(port, sizeof port, "127.0.0.1:%u", sim_port);
    else
        (void)snprintf(port, sizeof port, "%s/dut0", dir);
    must(line_node_open(&config, &node, &fault));
    return node;
}

static const uint8_t root[16] = "the root key 16";
static uint8_t image[20000], settings[900];

static enum err key_write(struct line_node *node, enum node_key kind, unsigned target,
                          const uint8_t *bytes, size_t len)
{
    AUTO(secret_freep) struct secret *key = NULL;
    assert_ok(secret_dup(bytes_of(bytes, len), &key));
    return line_node_key_write(node, kind, target, key, &fault);
}

/* What a station does, in its order. */
static enum err provision(struct line_node *node, const uint8_t key[16])
{
    struct line_identity identity;
    struct line_hardware hardware;
    struct line_target target;
    enum node_calibration calibration;
    uint16_t revision;
    uint8_t check[CHECK_VALUE_SIZE];
    struct line_transfer_spec firmware = {
        .kind = NODE_FIRMWARE, .text = "2.0.0.0", .type = "unode", .data = BYTES(image)};
    struct line_transfer_spec config = {
        .kind = NODE_CONFIG, .text = "field", .data = BYTES(settings)};
    assert_ok(check_value_of(bytes_of(key, 16), check));
    TRY(line_node_identify(node, &identity, &fault));
    TRY(line_node_hardware(node, &hardware, &fault));
    TRY(line_node_calibration(node, &calibration, &revision, &fault));
    TRY(line_node_transfer(node, &firmware, &fault));
    TRY(line_node_transfer(node, &config, &fault));
    if (identity.hosts != 0) {
        config.target = 1;
        TRY(line_node_target(node, 1, &target, &fault));
        if (target.link_down)
            return line_fail(&fault, LINE_APPLICATION, "no meter");
        TRY(line_node_transfer(node, &config, &fault));
        TRY(key_write(node, NODE_HOST_KEY, 1, key, 16));
    }
    TRY(key_write(node, NODE_ROOT_KEY, 0, key, 16));
    TRY(line_node_key_activate(node, check, &fault));
    TRY(line_node_reset(node, 10000, &identity, &fault));
    assert_string_equal(identity.version, "2.0.0.0");
    TRY(line_node_target(node, 0, &target, &fault));
    assert_string_equal(target.label, "field");
    return line_node_lock(node, &fault);
}

static void fill_images(void)
{
    for (size_t i = 0; i < sizeof image; i++)
        image[i] = (uint8_t)(i * 7 + (i >> 8));
    memset(settings, 0x5c, sizeof settings);
}

static void devices_are_provisioned_through_every_wrapper(void **state)
{
    (void)state;
    static const struct {
        const char *wrapper, *options;
    } lines[] = {
        {"none", ""},
        {"orw", "--noise 0.00005"},
        {"simple", "--lose 0.00005"},
        {"reliable", "--noise 0.0002 --lose 0.0001"},
        {"rht_v2", "--noise 0.0002 --lose 0.0001 --double 0.0001"},
        {"opt_psem", "--noise 0.0001 --double 0.0001"},
    };
    fill_images();
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        for (unsigned tcp = 0; tcp < 2; tcp++) {
            start_node("%s --wrapper %s %s --host emcm:5.6.7.8",
                       tcp ? "--listen 127.0.0.1:0" : "--pty ./dut0", lines[i].wrapper,
                       lines[i].options);
            AUTO(line_node_closep) struct line_node *node = open_node(lines[i].wrapper);
            must(provision(node, root));
            assert_non_null(strstr(read_log("node.log"), " locked\n"));
        }
    }
}

static void faults_of_a_device_have_their_codes(void **state)
{
    (void)state;
    static const struct {
        const char *fault;
        enum line_code code;
    } faults[] = {
        {"--fault silent-host", LINE_NO_HOST},       {"--failing-host", LINE_HOST_HARDWARE},
        {"--fault host-error", LINE_HOST_ERROR},     {"--fault no-meter", LINE_APPLICATION},
        {"--fault node-error", LINE_NODE_ERROR},     {"--fault old-protocol", LINE_NODE_VERSION},
        {"--fault bad-key", LINE_HOST_VERIFY},       {"--fault garbage", LINE_NODE_MESSAGE},
        {"--silent-after 1", LINE_NO_DEVICE},        {"--lose 1", LINE_NO_DEVICE},
        {"--type another", LINE_NODE_FIRMWARE_FILE},
    };
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        start_node("--pty ./dut0 --host emcm %s", faults[i].fault);
        AUTO(line_node_closep) struct line_node *node = open_node("none");
        fault = (struct line_fault){0};
        assert_true(provision(node, root) != ERR_OK);
        if (fault.code != faults[i].code)
            fail_msg("%s: code %d, not %d: %s", faults[i].fault, fault.code, faults[i].code,
                     fault.text);
    }
}

static void hardware_and_calibration_are_told(void **state)
{
    (void)state;
    struct line_hardware hardware;
    struct line_target target;
    enum node_calibration calibration;
    struct line_identity identity;
    uint16_t revision;
    start_node("--pty ./dut0 --bad-hardware --bad-calibration --hardware odd --id 0x00010203 "
               "--host emcm:1.2 --fault bad-host-config");
    AUTO(line_node_closep) struct line_node *node = open_node("none");
    must(line_node_identify(node, &identity, &fault));
    assert_int_equal(identity.node_id, 0x10203);
    must(line_node_hardware(node, &hardware, &fault));
    assert_string_equal(hardware.type, "odd");
    assert_int_not_equal(hardware.self_test, 0);
    must(line_node_calibration(node, &calibration, &revision, &fault));
    assert_int_equal(calibration, NODE_BAD_CALIBRATION);
    must(line_node_target(node, 1, &target, &fault));
    assert_string_equal(target.name, "emcm");
    assert_string_equal(target.version, "1.2");
    assert_int_equal(target.identifier_len, 8);
    assert_memory_equal(target.identifier, "\0\0\0\1\0\1\2\3", 8);
}

/* The cable is pulled at byte N, plugged in again, and the next run does it. */
static void a_pulled_cable_loses_no_key(void **state)
{
    (void)state;
    fill_images();
    for (unsigned cut = 30; cut < 27000; cut += cut < 20000 ? 4999 : 611) {
        char state_dir[64];
        (void)snprintf(state_dir, sizeof state_dir, "state%u", cut);
        start_node("--pty ./dut0 --wrapper rht_v2 --cut %u --state %s --host emcm", cut, state_dir);
        AUTO(line_node_closep) struct line_node *node = open_node("rht_v2");
        enum err err = provision(node, root);
        if (err == ERR_OK)
            continue; /* less was needed */
        assert_int_equal(fault.code, LINE_NO_DEVICE);
        line_node_closep(&node);
        stop(&sim);
        start_node("--pty ./dut0 --wrapper rht_v2 --state %s --host emcm", state_dir);
        node = open_node("rht_v2");
        struct line_identity identity;
        struct line_key_state keys;
        uint8_t want[CHECK_VALUE_SIZE];
        assert_ok(check_value_of(BYTES(root), want));
        must(line_node_identify(node, &identity, &fault));
        must(line_node_key_check(node, NODE_ROOT_KEY, 0, &keys, &fault));
        assert_true(!keys.has_active || memcmp(keys.active, want, sizeof want) == 0);
        if ((identity.flags & NODE_F_LOCKED) == 0)
            must(provision(node, root));
    }
}

static void a_port_has_one_client(void **state)
{
    (void)state;
    char port[512];
    struct line_node *second = NULL;
    start_node("--pty ./dut0");
    (void)snprintf(port, sizeof port, "%s/dut0", dir);
    AUTO(line_node_closep) struct line_node *node = open_node("none");
    struct line_node_config config = {.port = port};
    assert_non_null(node);
    assert_err(line_node_open(&config, &second, &fault), ERR_LOCKED);
    assert_int_equal(fault.code, LINE_NO_DEVICE);
    assert_non_null(node);
    config.port = "/nowhere/dut0";
    assert_err(line_node_open(&config, &second, &fault), ERR_NOT_FOUND);
    assert_int_equal(fault.code, LINE_NO_DEVICE);
    config.port = "127.0.0.1:1";
    assert_err(line_node_open(&config, &second, &fault), ERR_UNREACHABLE);
    config.wrapper = "rht_v9";
    assert_err(line_node_open(&config, &second, &fault), ERR_NOT_FOUND);
    assert_int_equal(fault.code, LINE_ARGUMENTS);
}

static void unlocking_wants_the_root_key(void **state)
{
    (void)state;
    AUTO(secret_freep) struct secret *right = NULL;
    AUTO(secret_freep) struct secret *wrong = NULL;
    assert_ok(secret_dup(BYTES(root), &right));
    assert_ok(secret_dup(bytes_of("another key of 16", 16), &wrong));
    fill_images();
    start_node("--pty ./dut0");
    AUTO(line_node_closep) struct line_node *node = open_node("none");
    must(provision(node, root));
    assert_err(key_write(node, NODE_CDLD_KEY, 0, root, 16), ERR_REFUSED);
    assert_int_equal(fault.code, LINE_NODE_ERROR);
    assert_err(line_node_unlock(node, wrong, &fault), ERR_REFUSED);
    must(line_node_unlock(node, right, &fault));
    must(key_write(node, NODE_CDLD_KEY, 0, root, 16));
}

/* ---------------------------------------------------------------- over the air */

static bool becomes(const struct line_gateway *gateway, uint64_t id, enum line_gateway_join want)
{
    struct line_gateway_status status = {0};
    for (unsigned i = 0; i < 1000; i++) {
        assert_ok(line_gateway_status(gateway, id, &status, NULL));
        if (status.join == want)
            return true;
        (void)usleep(10000);
    }
    return false;
}

static void provisioned_devices_join_a_gateway(void **state)
{
    (void)state;
    char line[1024];
    uint8_t key[16];
    struct line_node_status status = {0};
    struct fake_kms *kms = fake_kms_start(0);
    char *conf = fake_client_conf(dir, "client.conf", (uint16_t[]){fake_kms_port(kms), 0});
    (void)snprintf(line, sizeof line, "gateway --config %s --listen 127.0.0.1:0", conf);
    pid_t running = start("gateway.log", line);
    const char *at = wait_for("gateway.log", "listening on 127.0.0.1:");
    assert_non_null(at);
    struct line_gateway gateway = {.host = "127.0.0.1", .port = (uint16_t)strtoul(at, NULL, 10)};
    fill_images();
    start_node("--pty ./dut0 --id 0x10200 --state nodes --gateway 127.0.0.1:%u", gateway.port);
    assert_true(becomes(&gateway, 0x10200, LINE_GATEWAY_UNKNOWN));
    fake_key(3, 0x10200, 3, key, sizeof key);
    AUTO(line_node_closep) struct line_node *node = open_node("none");
    must(provision(node, key)); /* its reset puts it on the air */
    assert_true(becomes(&gateway, 0x10200, LINE_GATEWAY_JOINED));
    for (unsigned i = 0; i < 500 && status.join != NODE_JOINED; i++) {
        (void)usleep(10000);
        must(line_node_status(node, &status, &fault));
    }
    assert_int_equal(status.join, NODE_JOINED);
    gateway.one_x = true;
    assert_true(becomes(&gateway, 0x10200, LINE_GATEWAY_JOINED));
    assert_ok(line_gateway_clear(&gateway, 0x10200, NULL));
    assert_true(becomes(&gateway, 0x10200, LINE_GATEWAY_UNKNOWN));
    assert_err(line_gateway_status(&gateway, 0x100000001, &(struct line_gateway_status){0}, NULL),
               ERR_ARGUMENT);
    assert_true(becomes(&gateway, 0x10200, LINE_GATEWAY_JOINED)); /* it says so again */
    line_node_closep(&node);
    stop(&sim);
    char text[512];
    struct stat info;
    (void)snprintf(text, sizeof text, "%s/nodes/0x00010200.flash", dir);
    assert_int_equal(stat(text, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    (void)snprintf(line, sizeof line, "join --gateway 127.0.0.1:%u --state nodes", gateway.port);
    pid_t joining = start("join.log", line);
    assert_non_null(wait_for("join.log", "0x00010200 joined"));
    assert_int_equal(waitpid(joining, NULL, 0), joining);
    stop(&running);
    gateway.one_x = false;
    assert_err(line_gateway_status(&gateway, 0x10200, &(struct line_gateway_status){0}, NULL),
               ERR_UNREACHABLE);
    fake_kms_stop(kms);
    free(conf);
}

static void wrong_options_are_named(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "node",
        "node --pty ./dut0 --listen 127.0.0.1:0",
        "node --pty ./dut0 --wrapper rht_v9",
        "node --pty ./dut0 --noise 2",
        "node --pty ./dut0 --count 0",
        "node --pty ./dut0 --fault nothing",
        "node --pty ./dut0 --id 0",
        "node --pty ./dut0 --host a --host b --host c --host d --host e",
        "join --state nodes 0x10200",
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        int status = 0;
        pid_t child = start("wrong.log", lines[i]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) != 2 && WEXITSTATUS(status) != 4)
            fail_msg("%s: %d", lines[i], WEXITSTATUS(status));
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(devices_are_provisioned_through_every_wrapper),
        CASE(faults_of_a_device_have_their_codes),
        CASE(hardware_and_calibration_are_told),
        CASE(a_pulled_cable_loses_no_key),
        CASE(a_port_has_one_client),
        CASE(unlocking_wants_the_root_key),
        CASE(provisioned_devices_join_a_gateway),
        CASE(wrong_options_are_named),
    };
    if (argc < 2)
        return 2;
    static char program[PATH_MAX]; /* devices run in another folder */
    if (realpath(argv[1], program) == NULL)
        return 2;
    sim_program = program;
    if (argc > 2)
        cmocka_set_test_filter(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
