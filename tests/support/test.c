#include "support/test.h"

#include <stdio.h>
#include <string.h>

void test_assert_err(enum err got, enum err want, const char *call, const char *file, int line)
{
    if (got == want)
        return;
    char text[512];
    (void)snprintf(text, sizeof text, "%s gave ERR_%s, wanted ERR_%s", call, err_row(got)->name,
                   err_row(want)->name);
    print_error("%s\n", text);
    _fail(file, line);
}
