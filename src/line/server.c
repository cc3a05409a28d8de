#include "line/server.h"

const char *line_operation_name(enum line_operation operation)
{
    static const char *const names[] = {"PROVISION", "PRETEST", "CHECKCONFIG", "POSTTEST"};
    return names[operation];
}

void line_server_freep(struct line_server **server)
{
    if (*server != NULL)
        (*server)->ops->free(*server);
    *server = NULL;
}
