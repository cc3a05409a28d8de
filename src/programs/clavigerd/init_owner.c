#include <errno.h>
#include <ftw.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "programs/clavigerd/init.h"
#include "programs/clavigerd/pin.h"

#define DEPTH_FDS 16

/* nftw has no room for an argument of ours; init has one thread. */
static uid_t owner;
static gid_t owner_group;

static int give(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return lchown(path, owner, owner_group);
}

static enum err give_tree(const char *path, struct err_detail *detail)
{
    if (path == NULL || *path == '\0' || (access(path, F_OK) != 0 && errno == ENOENT))
        return ERR_OK;
    return nftw(path, give, DEPTH_FDS, FTW_PHYS) == 0
               ? ERR_OK
               : err_errno(detail, "%s: can't change its owner", path);
}

enum err init_hand_over(const struct init *init, struct err_detail *detail)
{
    const struct settings *s = &init->settings;
    if (*s->daemon.user == '\0' || geteuid() != 0)
        return ERR_OK;
    const struct passwd *user = getpwnam(s->daemon.user);
    if (user == NULL)
        return err_set(detail, ERR_CONFIG, "[daemon] user: there is no '%s'", s->daemon.user);
    owner = user->pw_uid;
    owner_group = user->pw_gid;
    TRY(give_tree(s->daemon.state_directory, detail));
    TRY(give_tree(pin_path(s->token.pin), detail));
    TRY(give_tree(s->diameter.properties, detail));
    for (size_t i = 0; i < s->keeper.module_paths.len; i++)
        TRY(give_tree(s->keeper.module_paths.items[i], detail));
    if (lchown(init->config_path, 0, owner_group) != 0 || chmod(init->config_path, 0640) != 0)
        return err_errno(detail, "%s: can't change its group", init->config_path);
    init_say(true, "owner of all that: %s", s->daemon.user);
    return ERR_OK;
}
