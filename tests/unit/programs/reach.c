#include "programs/clavigerd/reach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "support/test.h"

/* A daemon whose three processes run as one user: what its engine reaches. */

static char *dir;

static char *place(const char *name)
{
    return test_path(dir, name);
}

static void put(const char *name)
{
    char *path = place(name);
    assert_ok(file_mkdirs_of(path, 0700, NULL));
    assert_ok(file_write(path, bytes_str("content"), 0600, NULL));
    free(path);
}

static bool opens(const char *name, int flags)
{
    char *path = place(name);
    int fd = open(path, flags | O_CLOEXEC, 0600);
    free(path);
    bool opened = fd >= 0;
    file_closep(&fd);
    return opened;
}

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            print_message("%s:%d: %s\n", __FILE__, __LINE__, #condition);                          \
            return 1;                                                                              \
        }                                                                                          \
    } while (0)

static int attempts(void)
{
    MUST(!opens("token-pin", O_RDONLY));
    MUST(!opens("token/object", O_RDONLY));
    MUST(!opens("softhsm2.conf", O_RDONLY));
    MUST(!opens("other", O_RDONLY));
    MUST(opens("state/audit/0000000001.audit", O_RDONLY));
    MUST(!opens("state/audit/0000000001.audit", O_RDWR));
    MUST(!opens("state/audit/0000000002.audit", O_WRONLY | O_CREAT));
    char *audit = place("state/audit"), *away = place("state/store/audit");
    char *segment = place("state/audit/0000000001.audit"), *moved = place("state/spool/segment");
    MUST(rename(audit, away) != 0 && rename(segment, moved) != 0 && unlink(segment) != 0);
    MUST(truncate(segment, 0) != 0 && chmod(segment, 0) != 0 && link(segment, moved) != 0);
    free(audit);
    free(away);
    free(segment);
    free(moved);
    MUST(opens("state/store/store.db", O_RDWR));
    MUST(opens("state/store/store.db-wal", O_RDWR | O_CREAT));
    MUST(opens("state/spool/upload", O_RDWR | O_CREAT | O_TRUNC));
    MUST(opens("state/backup/keyring", O_RDWR | O_CREAT));
    MUST(opens("clavigerd.conf", O_RDONLY) && !opens("clavigerd.conf", O_WRONLY));
    MUST(opens("state/tls/server.key", O_RDONLY) && !opens("state/tls/server.key", O_WRONLY));
    MUST(opens("tls/crl.pem", O_RDONLY));
    MUST(!opens("state/token-so-pin", O_RDONLY));
    return 0;
}

static int confined(const char *config, enum err want, const char *text)
{
    struct settings settings;
    struct err_detail detail = {0};
    char *path = place("clavigerd.conf");
    MUST(settings_parse(path, config, strlen(config), &settings, &detail) == ERR_OK);
    enum err err = reach_confine(&settings, path, &detail);
    if (err != want)
        print_message("%s: %s\n", err_text(err), detail.text);
    MUST(err == want);
    MUST(strstr(detail.text, text) != NULL);
    return err == ERR_OK ? attempts() : 0;
}

static void in_child(const char *config, enum err want, const char *text)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(confined(config, want, text));
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

#define COMMON                                                                                     \
    "[daemon]\nstate_directory = state\n[token]\npin = file:token-pin\n"                           \
    "[keeper]\nmodule_paths = ./token ./softhsm2.conf\n"                                           \
    "[diameter]\nproperties = diameter_server.conf\n"

static int begin(void **state)
{
    (void)state;
    dir = test_tempdir();
    static const char *const names[] = {"clavigerd.conf",
                                        "token-pin",
                                        "token/object",
                                        "softhsm2.conf",
                                        "other",
                                        "state/audit/0000000001.audit",
                                        "state/store/store.db",
                                        "state/tls/server.key",
                                        "state/token-so-pin",
                                        "tls/crl.pem"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        put(names[i]);
    char text[512];
    (void)snprintf(text, sizeof text,
                   "URI=aaa://localhost\nRealm=test\nStackType=SERVER\nProductName=KMS\n"
                   "TLS.CrlFile=%s/tls/crl.pem\n",
                   dir);
    char *path = place("diameter_server.conf");
    assert_ok(file_write(path, bytes_str(text), 0600, NULL));
    free(path);
    return 0;
}

static int end(void **state)
{
    (void)state;
    test_tempdir_remove(dir);
    return 0;
}

static void an_engine_reaches_neither_pin_nor_token_nor_the_chain(void **state)
{
    (void)state;
    in_child(COMMON, ERR_OK, "");
}

static void a_store_beside_secrets_is_refused(void **state)
{
    (void)state;
    char config[1024];
    (void)snprintf(config, sizeof config, "%s[store]\nurl = sqlite:%s/state/store.db\n", COMMON,
                   dir);
    in_child(config, ERR_CONFIG, "/state/audit must not be in it");
    (void)snprintf(config, sizeof config, "%s[backup]\ndirectory = token/..\n", COMMON);
    in_child(config, ERR_CONFIG, "must not be in it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_engine_reaches_neither_pin_nor_token_nor_the_chain),
        cmocka_unit_test(a_store_beside_secrets_is_refused),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
