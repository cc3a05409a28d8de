#include "support/token.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hsm/init.h"
#include "support/test.h"

#define PIN    "12345678"
#define SO_PIN "87654321"

static const char *first_of(const char *const *paths)
{
    for (; *paths != NULL; paths++)
        if (access(*paths, R_OK) == 0)
            return *paths;
    return NULL;
}

static bool write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    if (f == NULL)
        return false;
    bool good = fputs(text, f) >= 0;
    return fclose(f) == 0 && good;
}

/* Its output matters only where it fails. */
static bool run(const char *const argv[])
{
    pid_t child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        (void)dup2(null, 0);
        (void)dup2(null, 1);
        (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

static bool softhsm_up(struct test_token *token, const char **ret_reason)
{
    static const char *const modules[] = {
        "/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
        "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so", NULL};
    token->config.module = first_of(modules);
    *ret_reason = "softhsm2 is not installed";
    if (token->config.module == NULL)
        return false;
    char *conf = test_path(token->dir, "softhsm2.conf");
    char text[1024];
    (void)snprintf(text, sizeof text,
                   "directories.tokendir = %s\nobjectstore.backend = file\n"
                   "log.level = ERROR\nslots.removable = false\nlibrary.reset_on_fork = true\n",
                   token->dir);
    bool good = write_text(conf, text) && setenv("SOFTHSM2_CONF", conf, 1) == 0;
    free(conf);
    token->config.token_label = "claviger-test";
    struct err_detail detail = {0};
    *ret_reason = "the SoftHSM2 token could not be made";
    return good && hsm_init_token(&token->config, "claviger-test", bytes_str(SO_PIN),
                                  bytes_str(PIN), &detail) == ERR_OK;
}

static bool nss_up(struct test_token *token, const char **ret_reason)
{
    static const char *const modules[] = {"/usr/lib/x86_64-linux-gnu/libsoftokn3.so",
                                          "/usr/lib/x86_64-linux-gnu/nss/libsoftokn3.so",
                                          "/usr/lib/aarch64-linux-gnu/libsoftokn3.so", NULL};
    token->config.module = first_of(modules);
    *ret_reason = "libnss3 is not installed";
    if (token->config.module == NULL)
        return false;
    char *pin_file = test_path(token->dir, "pin");
    char *db = NULL;
    bool good = asprintf(&db, "sql:%s", token->dir) > 0 && write_text(pin_file, PIN "\n");
    const char *const argv[] = {"certutil", "-N", "-d", db, "-f", pin_file, NULL};
    good = good && run(argv);
    *ret_reason = "certutil (libnss3-tools) could not make the NSS token";
    good = good &&
           asprintf(&token->init_args,
                    "configdir='%s' certPrefix='' keyPrefix='' secmod='secmod.db' flags=", db) > 0;
    token->config.init_args = token->init_args;
    token->config.token_label = "NSS Certificate DB";
    free(pin_file);
    free(db);
    return good;
}

static int read_pid(const char *path)
{
    char text[32] = "";
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    bool good = fgets(text, sizeof text, f) != NULL;
    (void)fclose(f);
    return good ? atoi(text) : 0;
}

static bool opencryptoki_up(struct test_token *token, const char **ret_reason)
{
    static const char *const modules[] = {
        "/usr/lib/x86_64-linux-gnu/opencryptoki/libopencryptoki.so.0",
        "/usr/lib/aarch64-linux-gnu/opencryptoki/libopencryptoki.so.0", NULL};
    token->config.module = first_of(modules);
    *ret_reason = "opencryptoki is not installed";
    if (token->config.module == NULL || access("/usr/sbin/pkcsslotd", X_OK) != 0)
        return false;
    *ret_reason = "openCryptoki wants root";
    if (geteuid() != 0)
        return false;
    *ret_reason = "no mount namespace can be made here";
    if (unshare(CLONE_NEWNS | CLONE_NEWIPC) != 0)
        return false;
    *ret_reason = "openCryptoki did not start in a mount namespace";
    /* The daemon becomes our child, to be waited for. */
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    /* It unloads this in C_Finalize; kept, a leak checker can name what leaks in there. */
    (void)dlopen("libpkcs11_sw.so", RTLD_LAZY | RTLD_NODELETE);
    const char *const argv[] = {"sh", TEST_TOKEN_SCRIPT, token->dir, NULL};
    bool good = run(argv);
    token->slot_daemon = read_pid("/run/pkcsslotd.pid");
    token->config.token_label = "claviger-test";
    token->pin = "13572468"; /* it refuses its own default as a new PIN */
    return good && token->slot_daemon > 0;
}

bool test_token_up(const char *name, struct test_token *ret_token, const char **ret_reason)
{
    struct test_token token = {.config = {.slot = -1}, .pin = PIN, .wrong_pin = "00998877"};
    token.dir = test_tempdir();
    *ret_reason = "no token of this name";
    bool up = false;
    if (strcmp(name, "softhsm") == 0)
        up = softhsm_up(&token, ret_reason);
    else if (strcmp(name, "nss") == 0)
        up = nss_up(&token, ret_reason);
    else if (strcmp(name, "opencryptoki") == 0)
        up = opencryptoki_up(&token, ret_reason);
    if (up)
        *ret_token = token;
    else
        test_token_down(&token);
    return up;
}

struct secret *test_token_pin(const struct test_token *token)
{
    struct secret *pin = NULL;
    if (secret_dup(bytes_str(token->pin), &pin) != ERR_OK)
        abort();
    return pin;
}

void test_token_down(struct test_token *token)
{
    if (token->slot_daemon > 0) {
        (void)kill(token->slot_daemon, SIGTERM);
        (void)waitpid(token->slot_daemon, NULL, 0);
    }
    test_tempdir_remove(token->dir);
    free(token->init_args);
    *token = (struct test_token){0};
}

const char *test_token_begin(int argc, char **argv, struct test_token *ret_token)
{
    if (argc < 2) {
        (void)fprintf(stderr, "usage: %s softhsm|nss|opencryptoki [CASE]\n", argv[0]);
        exit(2);
    }
    const char *reason = NULL;
    if (!test_token_up(argv[1], ret_token, &reason)) {
        (void)printf("skipped: %s\n", reason);
        exit(77);
    }
    if (argc > 2)
        cmocka_set_test_filter(argv[2]);
    return argv[1];
}
