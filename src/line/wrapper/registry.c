#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

#include "line/wrapper/wrapper.h"

#define STATE_MAX   ((size_t)64 * 1024)
#define MESSAGE_MIN 256
#define NAME_MAX_   31

const struct claviger_line_wrapper *const line_wrappers[] = {
    &line_wrapper_none,
    &line_wrapper_orw,
    &line_wrapper_simple,
    &line_wrapper_reliable,
    &line_wrapper_rht_v2,
    &line_wrapper_opt_psem,
    NULL,
};

const struct claviger_line_wrapper *line_wrapper_find(const char *name)
{
    for (size_t i = 0; line_wrappers[i] != NULL; i++) {
        if (strcmp(line_wrappers[i]->name, name) == 0)
            return line_wrappers[i];
    }
    return NULL;
}

static bool name_can_be(const char *name)
{
    size_t len = name != NULL ? strnlen(name, NAME_MAX_ + 1) : 0;
    return len != 0 && len <= NAME_MAX_ &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static enum err check(const char *path, const struct claviger_line_wrapper *wrapper,
                      struct err_detail *detail)
{
    if (wrapper == NULL)
        return err_set(detail, ERR_SYNTAX, "%s: claviger_line_wrapper gives nothing", path);
    if (wrapper->abi != CLAVIGER_LINE_WRAPPER_ABI)
        return err_set(detail, ERR_UNSUPPORTED, "%s: made for ABI %u, this is %u", path,
                       wrapper->abi, CLAVIGER_LINE_WRAPPER_ABI);
    const char *wrong = NULL;
    if (!name_can_be(wrapper->name))
        wrong = "name: 1 to 31 of a-z, 0-9 and _";
    else if (wrapper->message_max < MESSAGE_MIN || wrapper->message_max > CLAVIGER_LINE_MESSAGE_MAX)
        wrong = "message_max: 256 to 1100";
    else if (wrapper->window == 0)
        wrong = "window: 1 or more";
    else if (wrapper->state_size == 0 || wrapper->state_size > STATE_MAX)
        wrong = "state_size: 1 to 65536";
    else if (wrapper->init == NULL || wrapper->egress == NULL || wrapper->ingress == NULL ||
             wrapper->poll == NULL || wrapper->status == NULL)
        wrong = "init, egress, ingress, poll and status: none may be NULL";
    if (wrong != NULL)
        return err_set(detail, ERR_SYNTAX, "%s: in its table, %s", path, wrong);
    return ERR_OK;
}

enum err line_wrapper_load(const char *path, const struct claviger_line_wrapper **ret_wrapper,
                           struct err_detail *detail)
{
    const struct claviger_line_wrapper *(*give)(void) = NULL;
    void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (object == NULL)
        return err_set(detail, ERR_NOT_FOUND, "%s", dlerror());
    /* ISO C has no conversion from an object's pointer to a function's; POSIX wants it to work. */
    void *symbol = dlsym(object, "claviger_line_wrapper");
    memcpy(&give, &symbol, sizeof give);
    enum err err = give == NULL
                       ? err_set(detail, ERR_SYNTAX, "%s: has no claviger_line_wrapper", path)
                       : check(path, give(), detail);
    if (err != ERR_OK) {
        (void)dlclose(object);
        return err;
    }
    *ret_wrapper = give();
    return ERR_OK;
}

enum err line_wrapper_choose(const char *text, const struct claviger_line_wrapper **ret_wrapper,
                             struct err_detail *detail)
{
    if (text == NULL || text[0] == '\0')
        text = "none";
    if (strchr(text, '/') != NULL)
        return line_wrapper_load(text, ret_wrapper, detail);
    const struct claviger_line_wrapper *wrapper = line_wrapper_find(text);
    if (wrapper == NULL)
        return err_set(detail, ERR_NOT_FOUND,
                       "no wrapper '%.40s'; there are none, orw, simple, reliable, rht_v2, "
                       "opt_psem, and your own by a path with a slash (./own.so)",
                       text);
    *ret_wrapper = wrapper;
    return ERR_OK;
}
