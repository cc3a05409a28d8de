/* The programs claviger-kmc and claviger-sim as they are started by a person, against a key server
 * of few words. argv[1..3]: these, and
 * the example of a gateway that links the shared library. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hex.h"
#include "fake_kms.h"
#include "support/test.h"

static const char *kmc_program, *sim_program, *example_program;
static char *dir, *conf, *keyring;
static struct fake_kms *kms;
static char output[65536];

static void add_node(FILE *f, uint64_t node, unsigned version)
{
    uint8_t key[16];
    char text[33];
    fake_key(3, node, version, key, sizeof key);
    hex_encode(BYTES(key), text);
    (void)fprintf(f, "0x%08llx, 0x%s,7,0\n", (unsigned long long)node, text);
}

static int begin(void **state)
{
    (void)state;
    dir = test_tempdir();
    kms = fake_kms_start(0);
    conf = fake_client_conf(dir, "client.conf", (uint16_t[]){fake_kms_port(kms), 0});
    keyring = test_path(dir, "keyring.csv");
    FILE *f = fopen(keyring, "w");
    assert_non_null(f);
    (void)fprintf(f, "pwdh, 0xa39b3510d0ef8d3b5a2e701bf568c491\r\n\n");
    for (uint64_t node = 0x10200; node < 0x10300; node++)
        add_node(f, node, 3);
    add_node(f, 0x10300, 2); /* its key was made anew since */
    add_node(f, FAKE_UNKNOWN, 3);
    assert_int_equal(fclose(f), 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    fake_kms_stop(kms);
    test_tempdir_remove(dir);
    free(conf);
    free(keyring);
    return 0;
}

/* Run a shell line; standard output and error are in `output` together. */
__attribute__((format(printf, 1, 2))) static int shell(const char *format, ...)
{
    char line[4096];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof line - 8, format, args);
    va_end(args);
    (void)snprintf(line + len, sizeof line - (size_t)len, " 2>&1");
    FILE *f = popen(line, "r");
    assert_non_null(f);
    size_t got = fread(output, 1, sizeof output - 1, f);
    output[got] = '\0';
    return WEXITSTATUS(pclose(f));
}

static void assert_says(const char *text)
{
    if (strstr(output, text) == NULL)
        fail_msg("'%s' is not in '%s'", text, output);
}

static void the_tool_shows_keys_by_their_check_value(void **state)
{
    (void)state;
    char key[33];
    uint8_t bytes[16];
    fake_key(3, 0x10200, 3, bytes, sizeof bytes);
    hex_encode(BYTES(bytes), key);
    assert_int_equal(shell("%s -c %s node 0x00010200", kmc_program, conf), 0);
    assert_says("node 0x00010200: version 3, 16 bytes, check value ");
    assert_says("from kms1.metro-east.example, cached until 20");
    assert_null(strstr(output, key));
    assert_int_equal(shell("%s -c %s node 10200 --offline --show-key", kmc_program, conf), 0);
    assert_says("from the cache");
    assert_says(key);
    assert_int_equal(shell("%s -c %s prefetch --json", kmc_program, conf), 0);
    assert_says("\"kind\": \"gateway\"");
    assert_says("\"kind\": \"cdld\"");
    assert_says("\"source\": \"server\"");
    assert_null(strstr(output, "\"key\""));
    assert_int_equal(shell("%s -c %s gateway --offline", kmc_program, conf), 0);
    assert_int_equal(shell("%s -c %s cdld --offline", kmc_program, conf), 0);
    assert_int_equal(shell("%s -c %s cache", kmc_program, conf), 0);
    assert_says("metro-east.example");
    assert_says("node 0x00010200");
    assert_int_equal(shell("%s -c %s cache --clear", kmc_program, conf), 0);
    assert_int_equal(shell("%s -c %s cache --json", kmc_program, conf), 0);
    assert_string_equal(output, "[]\n");
}

static void exit_codes_say_what_is_wrong(void **state)
{
    (void)state;
    assert_int_equal(shell("%s -c %s node 0x00020000", kmc_program, conf), 4);
    assert_says("AUTHORIZATION_REJECTED");
    assert_int_equal(shell("%s -c %s node 0x10200 --offline", kmc_program, conf), 3);
    assert_says("not in the cache");
    assert_int_equal(shell("%s -c %s node xyz", kmc_program, conf), 2);
    assert_int_equal(shell("%s -c %s node 1 --timeout never", kmc_program, conf), 2);
    assert_int_equal(shell("%s -c /nowhere gateway", kmc_program), 2);
    assert_int_equal(shell("%s -c %s prefetch --key-version 1", kmc_program, conf), 2);
    assert_int_equal(shell("%s -c %s gateway --realm 'no realm'", kmc_program, conf), 2);
    assert_int_equal(shell("%s -c %s node 0x10201 0x20000 0x10202", kmc_program, conf), 4);
    assert_says("node 0x00010201: version 3");
    assert_says("node 0x00010202: version 3");
    fake_kms_stop(kms);
    kms = NULL;
    assert_int_equal(shell("%s -c %s node 0x10209 --timeout 1", kmc_program, conf), 3);
}

/* A gateway in the background; its port is read from what it says. */
static pid_t start_gateway(const char *joins, uint16_t *ret_port)
{
    char log[512];
    (void)snprintf(log, sizeof log, "%s/gateway.log", dir);
    pid_t child = fork();
    if (child == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        (void)dup2(fd, STDOUT_FILENO);
        (void)dup2(fd, STDERR_FILENO);
        (void)execl(sim_program, sim_program, "gateway", "--config", conf, "--listen",
                    "127.0.0.1:0", "--joins", joins, (char *)NULL);
        _exit(127);
    }
    for (unsigned i = 0; i < 500; i++) {
        AUTO(buf_done) struct buf said = {0};
        if (file_read(log, sizeof output, &said, NULL) == ERR_OK &&
            buf_append(&said, BYTES("")) == ERR_OK) {
            const char *at = strstr((const char *)said.data, "listening on 127.0.0.1:");
            if (at != NULL && strchr(at, '\n') != NULL) {
                *ret_port = (uint16_t)strtoul(at + strlen("listening on 127.0.0.1:"), NULL, 10);
                return child;
            }
        }
        (void)usleep(10000);
    }
    (void)kill(child, SIGKILL);
    fail_msg("the gateway does not listen");
    return -1;
}

static void stop_gateway(pid_t child, int how)
{
    int status = -1;
    if (how != 0)
        (void)kill(child, how);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(shell("cat %s/gateway.log", dir), 0);
}

static void nodes_join_a_gateway(void **state)
{
    (void)state;
    uint16_t port = 0;
    pid_t gateway = start_gateway("516", &port);
    assert_int_equal(shell("%s join --gateway 127.0.0.1:%u --keyring %s 0x00010200-0x000102ff",
                           sim_program, port, keyring),
                     0);
    assert_says("0x00010200 joined\n");
    assert_says("0x000102ff joined\n");
    unsigned asked = fake_kms_script(kms)->requests;
    assert_int_equal(asked, 1 + 256);
    /* Again: the gateway has all keys. */
    assert_int_equal(shell("%s join --gateway 127.0.0.1:%u --keyring %s 0x00010200-0x000102ff",
                           sim_program, port, keyring),
                     0);
    assert_int_equal(fake_kms_script(kms)->requests, asked);
    assert_int_equal(shell("%s join --gateway 127.0.0.1:%u --keyring %s 0x00010300 0x10200",
                           sim_program, port, keyring),
                     4);
    assert_says("0x00010300 refused\n0x00010200 joined\n");
    assert_int_equal(shell("%s join --gateway 127.0.0.1:%u --keyring %s --json 0x00020000",
                           sim_program, port, keyring),
                     4);
    assert_says("{\"node\":\"0x00020000\",\"joined\":false,\"result\":\"refused\"}");
    assert_int_equal(shell("%s join --gateway 127.0.0.1:%u --forge 0x00010201", sim_program, port),
                     4);
    stop_gateway(gateway, 0); /* these were all it was asked to take */
    assert_says("gateway key: version 3, check value ");
    assert_says("0x00010200 joined (key version 3 from the server)\n");
    assert_says("0x00010200 joined (key version 3 from the cache)\n");
    assert_says("0x00010300 refused: its proof is wrong\n");
    assert_says("0x00020000 refused: the key server does not give its key\n");
    assert_says("0x00010201 refused: its proof is wrong\n");
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

static void a_gateway_takes_garbage_and_lost_servers(void **state)
{
    (void)state;
    uint16_t port = 0;
    uint8_t byte;
    pid_t gateway = start_gateway("1000", &port);
    static const char *const garbage[] = {"\xff\xff", "GET / HTTP/1.1\r\n\r\n",
                                          ("\x00\x12\x01\x03"
                                           "0123456789abcdef")};
    static const size_t lens[] = {2, 18, 20};
    for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
        int fd = connect_to(port);
        assert_int_equal(send(fd, garbage[i], lens[i], MSG_NOSIGNAL), (ssize_t)lens[i]);
        assert_true(recv(fd, &byte, 1, 0) <= 0);
        (void)close(fd);
    }
    int fd = connect_to(port); /* leaves in the middle */
    static const char join[28] = "\x00\x1a\x01\x01\0\0\0\0\0\1\2\3";
    uint8_t challenge[20];
    assert_int_equal(send(fd, join, sizeof join, MSG_NOSIGNAL), (ssize_t)sizeof join);
    assert_int_equal(recv(fd, challenge, sizeof challenge, MSG_WAITALL), (ssize_t)sizeof challenge);
    (void)close(fd);
    assert_int_equal(
        shell("%s join --gateway 127.0.0.1:%u --keyring %s 0x10205", sim_program, port, keyring),
        0);
    fake_kms_stop(kms);
    kms = NULL;
    assert_int_equal(shell("%s join --gateway 127.0.0.1:%u --keyring %s 0x10205 0x10206",
                           sim_program, port, keyring),
                     3);
    assert_says("0x00010205 joined\n0x00010206 refused for now");
    stop_gateway(gateway, SIGTERM);
    assert_says("does not speak the join protocol");
    assert_says("0x00010203 gave up\n");
    assert_says("0x00010206 refused: the key server can't be asked\n");
    /* What it learnt is in the cache. */
    assert_int_equal(shell("%s -c %s node 0x10205 --offline", kmc_program, conf), 0);
}

static void the_example_starts_a_gateway(void **state)
{
    (void)state;
    assert_int_equal(shell("%s %s 0x10200 0x20000", example_program, conf), 0);
    assert_says("gateway key: version 3, check value ");
    assert_says("from the server");
    assert_says("0x20000: not ours");
    assert_int_equal(shell("%s %s 0x10200", example_program, conf), 0);
    assert_null(strstr(output, "from the server"));
    fake_kms_stop(kms);
    kms = NULL;
    assert_int_equal(shell("%s %s 0x10201", example_program, conf), 1);
}

static void wrong_keyrings_and_addresses_are_named(void **state)
{
    (void)state;
    assert_int_equal(shell("%s join --keyring %s 0x99999", sim_program, keyring), 4);
    assert_says("0x00099999 is not in the keyring");
    assert_int_equal(shell("%s join --gateway nobody:x --keyring %s 0x10200", sim_program, keyring),
                     2);
    assert_int_equal(shell("%s join 0x10200", sim_program), 2);
    assert_int_equal(shell("%s join --keyring %s 0x10201-0x10200", sim_program, keyring), 2);
    assert_int_equal(shell("echo '0x00010200, 0x00,1,0' >>%s; %s join --keyring %s 0x10200",
                           keyring, sim_program, keyring),
                     5);
    assert_says("keyring.csv: line 261: key has 2 digits, 32 are wanted");
    assert_int_equal(shell("%s gateway --config %s --joins 0", sim_program, conf), 2);
    assert_int_equal(shell("%s gateway --config /nowhere", sim_program), 2);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {CASE(the_tool_shows_keys_by_their_check_value),
                                       CASE(exit_codes_say_what_is_wrong),
                                       CASE(nodes_join_a_gateway),
                                       CASE(a_gateway_takes_garbage_and_lost_servers),
                                       CASE(the_example_starts_a_gateway),
                                       CASE(wrong_keyrings_and_addresses_are_named)};
    if (argc < 4)
        return 2;
    kmc_program = argv[1];
    sim_program = argv[2];
    example_program = argv[3];
    if (argc > 4)
        cmocka_set_test_filter(argv[4]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
