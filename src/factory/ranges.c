#include <errno.h>
#include <stdlib.h>

#include "factory/internal.h"

/* Not with octal: 010 would be 8 to some and 10 to others, so it is refused. */
static enum err number(const char **text, uint64_t max, uint64_t *ret_number,
                       struct err_detail *detail)
{
    bool hex = (*text)[0] == '0' && ((*text)[1] == 'x' || (*text)[1] == 'X');
    const char *digits = *text + (hex ? 2 : 0);
    bool digit =
        (digits[0] >= '0' && digits[0] <= '9') ||
        (hex && ((digits[0] >= 'a' && digits[0] <= 'f') || (digits[0] >= 'A' && digits[0] <= 'F')));
    if (!digit)
        return err_set(detail, ERR_ARGUMENT, "ranges such as 1-3,7 or 0x10-0x1f are wanted");
    if (!hex && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9')
        return err_set(detail, ERR_ARGUMENT, "'%.20s': write it without the leading 0", digits);
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(digits, &end, hex ? 16 : 10);
    if (errno != 0 || value > max)
        return err_set(detail, ERR_ARGUMENT, "'%.20s': too large", *text);
    *text = end;
    *ret_number = value;
    return ERR_OK;
}

static enum err range(const char **text, uint64_t max, struct factory_range *ret,
                      struct err_detail *detail)
{
    TRY(number(text, max, &ret->first, detail));
    ret->last = ret->first;
    if (**text == '-') {
        (*text)++;
        TRY(number(text, max, &ret->last, detail));
    }
    return ret->first <= ret->last ? ERR_OK
                                   : err_set(detail, ERR_ARGUMENT, "a range ends before it begins");
}

static enum err read_ranges(const char *text, uint64_t max,
                            struct factory_range ret_ranges[FACTORY_RANGES_MAX], size_t *ret_len,
                            struct err_detail *detail)
{
    struct factory_range found[FACTORY_RANGES_MAX];
    size_t len = 0;
    if (strnlen(text, FACTORY_RANGES_LEN + 1) > FACTORY_RANGES_LEN)
        return err_set(detail, ERR_ARGUMENT, "at most %d bytes of ranges", FACTORY_RANGES_LEN);
    while (*text != '\0') {
        if (len == FACTORY_RANGES_MAX)
            return err_set(detail, ERR_ARGUMENT, "at most %d ranges", FACTORY_RANGES_MAX);
        TRY(range(&text, max, &found[len++], detail));
        while (*text == ' ')
            text++;
        if (*text == '\0')
            break;
        if (*text++ != ',')
            return err_set(detail, ERR_ARGUMENT, "ranges such as 1-3,7 or 0x10-0x1f are wanted");
        while (*text == ' ')
            text++;
        if (*text == '\0')
            return err_set(detail, ERR_ARGUMENT, "a range is missing after the last comma");
    }
    memcpy(ret_ranges, found, len * sizeof found[0]);
    *ret_len = len;
    return ERR_OK;
}

enum err factory_ranges_of(const char *what, const char *text, uint64_t max,
                           struct factory_range ret_ranges[FACTORY_RANGES_MAX], size_t *ret_len,
                           struct err_detail *detail)
{
    struct err_detail why = {0};
    enum err err = read_ranges(text, max, ret_ranges, ret_len, &why);
    return err != ERR_OK ? err_set(detail, err, "%s: %s", what, why.text) : ERR_OK;
}
