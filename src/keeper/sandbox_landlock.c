#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "keeper/sandbox_private.h"

/* Of later kernels than the headers are. */
#define ACCESS_FS_TRUNCATE  (1ULL << 14)
#define ACCESS_FS_IOCTL_DEV (1ULL << 15)
#define ACCESS_NET_BIND     (1ULL << 0)
#define ACCESS_NET_CONNECT  (1ULL << 1)
#define SCOPE_ABSTRACT_UNIX (1ULL << 0)
#define SCOPE_SIGNAL        (1ULL << 1)

#define FS_V1    ((1ULL << 13) - 1)
#define FS_READ  (LANDLOCK_ACCESS_FS_READ_FILE)
#define FS_WRITE (LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_FS_TRUNCATE)
#define FS_FOLDERS                                                                                 \
    (LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_DIR |                                 \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |  \
     LANDLOCK_ACCESS_FS_REFER)

struct ruleset {
    uint64_t fs;
    uint64_t net;
    uint64_t scoped;
};

static struct ruleset ruleset_of(long version, enum sandbox_sockets sockets)
{
    struct ruleset rules = {.fs = FS_V1};
    if (version >= 2)
        rules.fs |= LANDLOCK_ACCESS_FS_REFER;
    if (version >= 3)
        rules.fs |= ACCESS_FS_TRUNCATE;
    if (version >= 4 && sockets != SANDBOX_SOCKETS_INET)
        rules.net = ACCESS_NET_BIND | ACCESS_NET_CONNECT;
    if (version >= 5)
        rules.fs |= ACCESS_FS_IOCTL_DEV;
    if (version >= 6)
        rules.scoped = SCOPE_SIGNAL | (sockets == SANDBOX_SOCKETS_NONE ? SCOPE_ABSTRACT_UNIX : 0);
    return rules;
}

static enum err allow_path(int ruleset, const struct ruleset *rules, const char *path,
                           uint64_t access, bool skip_missing, struct err_detail *detail)
{
    AUTO(file_closep) int fd = open(path, O_PATH | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        int number = errno;
        if (skip_missing && (number == ENOENT || number == ENOTDIR || number == EACCES))
            return ERR_OK;
        return err_set(detail, number == ENOENT ? ERR_CONFIG : ERR_IO,
                       "%s: can't open the path that was granted", path);
    }
    if (!S_ISDIR(st.st_mode))
        access &= FS_READ | FS_WRITE;
    struct landlock_path_beneath_attr rule = {.allowed_access = access & rules->fs,
                                              .parent_fd = fd};
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
        return err_errno(detail, "%s: can't grant the path", path);
    return ERR_OK;
}

enum err sandbox_landlock(const struct sandbox_files *files, struct err_detail *detail)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1)
        return err_set(detail, ERR_UNSUPPORTED,
                       "the kernel has no Landlock, or it is switched off");
    struct ruleset rules = ruleset_of(version, files->sockets);
    AUTO(file_closep)
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0);
    if (ruleset < 0)
        return err_set(detail, ERR_UNSUPPORTED, "the kernel refuses a Landlock ruleset");
    for (size_t i = 0; i < files->write_count; i++)
        TRY(allow_path(ruleset, &rules, files->write[i], FS_READ | FS_WRITE | FS_FOLDERS, false,
                       detail));
    for (size_t i = 0; i < files->read_count; i++)
        TRY(allow_path(ruleset, &rules, files->read[i], FS_READ | LANDLOCK_ACCESS_FS_READ_DIR,
                       files->skip_missing, detail));
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        return err_set(detail, ERR_UNSUPPORTED, "the kernel refuses to apply Landlock");
    return ERR_OK;
}
