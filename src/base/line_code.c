#include "base/line_code.h"

#include <stdio.h>

const struct line_code_row *line_code_row(int number)
{
    for (size_t i = 0; i < LINE_CODE_ROWS; i++) {
        if (line_code_rows[i].number == number)
            return &line_code_rows[i];
    }
    return NULL;
}

const char *line_code_text(int number)
{
    const struct line_code_row *row = line_code_row(number);
    return row != NULL ? row->text : line_code_row(LINE_UNKNOWN)->text;
}

const char *line_code_action(int number, char *to, size_t cap)
{
    const struct line_code_row *row = line_code_row(number);
    size_t len = 0;
    if (row == NULL)
        row = line_code_row(LINE_UNKNOWN);
    if (cap > 0)
        to[0] = '\0';
    for (size_t i = 0; i < LINE_CODE_ACTIONS_MAX && row->actions[i] != 0 && len < cap; i++) {
        int n = snprintf(to + len, cap - len, "%s%s", len > 0 ? " " : "",
                         line_actions[row->actions[i]]);
        len += n > 0 ? (size_t)n : 0;
    }
    return to;
}
