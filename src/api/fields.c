#include <errno.h>
#include <stdlib.h>

#include "api/call.h"

static enum err missing(const char *field, const char *wanted, struct err_detail *detail)
{
    return err_set(detail, ERR_ARGUMENT, "field '%s': %s wanted", field, wanted);
}

enum err api_text_optional(const struct api_call *call, const char *field, const char **ret_text,
                           struct err_detail *detail)
{
    json_t *value = json_object_get(call->body, field);
    if (value == NULL || json_is_null(value))
        return ERR_OK;
    if (!json_is_string(value))
        return missing(field, "a text", detail);
    *ret_text = json_string_value(value);
    return ERR_OK;
}

enum err api_text(const struct api_call *call, const char *field, const char **ret_text,
                  struct err_detail *detail)
{
    const char *text = NULL;
    TRY(api_text_optional(call, field, &text, detail));
    if (text == NULL)
        return missing(field, "a text", detail);
    *ret_text = text;
    return ERR_OK;
}

enum err api_number_optional(const struct api_call *call, const char *field, uint64_t max,
                             uint64_t *ret_number, struct err_detail *detail)
{
    json_t *value = json_object_get(call->body, field);
    if (value == NULL || json_is_null(value))
        return ERR_OK;
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return missing(field, "a whole number", detail);
    uint64_t number = (uint64_t)json_integer_value(value);
    if (number > max)
        return err_set(detail, ERR_ARGUMENT, "field '%s': at most %llu", field,
                       (unsigned long long)max);
    *ret_number = number;
    return ERR_OK;
}

enum err api_number(const struct api_call *call, const char *field, uint64_t max,
                    uint64_t *ret_number, struct err_detail *detail)
{
    if (json_object_get(call->body, field) == NULL)
        return missing(field, "a whole number", detail);
    return api_number_optional(call, field, max, ret_number, detail);
}

enum err api_flag(const struct api_call *call, const char *field, bool *ret_flag,
                  struct err_detail *detail)
{
    json_t *value = json_object_get(call->body, field);
    if (value == NULL || json_is_null(value))
        return ERR_OK;
    if (!json_is_boolean(value))
        return missing(field, "true or false", detail);
    *ret_flag = json_is_true(value);
    return ERR_OK;
}

enum err api_query_number(const struct api_call *call, const char *name, uint64_t max,
                          uint64_t fallback, uint64_t *ret_number, struct err_detail *detail)
{
    const char *text = net_http_query(call->http, name);
    if (text == NULL) {
        *ret_number = fallback;
        return ERR_OK;
    }
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' || number > max)
        return err_set(detail, ERR_ARGUMENT, "query '%s': a number up to %llu wanted", name,
                       (unsigned long long)max);
    *ret_number = number;
    return ERR_OK;
}
