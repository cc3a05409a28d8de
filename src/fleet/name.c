#include "fleet/name.h"

#include <inttypes.h>
#include <stdio.h>

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_lower(uint8_t c)
{
    return c >= 'a' && c <= 'z';
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

enum err fleet_name_check(struct bytes name, struct err_detail *detail)
{
    if (name.len == 0 || name.len > FLEET_NAME_MAX)
        return err_set(detail, ERR_ARGUMENT, "a network's name has 1 to %d characters",
                       FLEET_NAME_MAX);
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        bool edge = i == 0 || i == name.len - 1;
        if (!is_lower(c) && !is_digit(c) && (c != '-' || edge))
            return err_set(detail, ERR_ARGUMENT,
                           "a network's name has a-z, 0-9 and \"-\" (not at its ends)");
    }
    return ERR_OK;
}

static enum err dns_name(struct bytes text, size_t max, char *to, const char *what,
                         struct err_detail *detail)
{
    if (text.len == 0 || text.len > max)
        return err_set(detail, ERR_ARGUMENT, "a %s has 1 to %zu characters", what, max);
    size_t label = 0;
    for (size_t i = 0; i <= text.len; i++) {
        uint8_t c = i < text.len ? lower(text.data[i]) : '.';
        if (c == '.') {
            if (label == 0 || label > 63 || text.data[i - 1] == '-')
                return err_set(detail, ERR_ARGUMENT, "the %s is not a DNS name", what);
            label = 0;
        } else {
            if (!is_lower(c) && !is_digit(c) && (c != '-' || label == 0))
                return err_set(detail, ERR_ARGUMENT, "the %s is not a DNS name", what);
            label++;
        }
    }
    for (size_t i = 0; i < text.len; i++)
        to[i] = (char)lower(text.data[i]);
    to[text.len] = '\0';
    return ERR_OK;
}

enum err fleet_realm_parse(struct bytes text, char to[FLEET_REALM_MAX + 1],
                           struct err_detail *detail)
{
    return dns_name(text, FLEET_REALM_MAX, to, "realm", detail);
}

enum err fleet_host_parse(struct bytes text, char to[FLEET_HOST_MAX + 1], struct err_detail *detail)
{
    return dns_name(text, FLEET_HOST_MAX, to, "host", detail);
}

static enum err parse_id(struct bytes text, unsigned id_bits, uint64_t *ret_id)
{
    size_t at = text.len >= 2 && text.data[0] == '0' && lower(text.data[1]) == 'x' ? 2 : 0;
    size_t digits = text.len - at;
    if (digits == 0)
        return ERR_SYNTAX;
    uint64_t id = 0;
    for (size_t i = at; i < text.len; i++) {
        uint8_t c = lower(text.data[i]);
        if (is_digit(c))
            id = id << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            id = id << 4 | (uint64_t)(c - 'a' + 10);
        else
            return ERR_SYNTAX;
    }
    if (digits > id_bits / 4)
        return ERR_LIMIT;
    *ret_id = id;
    return ERR_OK;
}

enum err fleet_node_id_parse(struct bytes text, unsigned id_bits, uint64_t *ret_id)
{
    return parse_id(text, id_bits, ret_id);
}

size_t fleet_node_id_format(uint64_t id, unsigned id_bits, char *to)
{
    int len =
        snprintf(to, FLEET_NODE_ID_TEXT, id_bits == 64 ? "0x%016" PRIx64 : "0x%08" PRIx64, id);
    return (size_t)len;
}

enum err fleet_range_parse(struct bytes text, unsigned id_bits, struct fleet_range *ret_range,
                           struct err_detail *detail)
{
    const uint8_t *dash = text.len ? memchr(text.data, '-', text.len) : NULL;
    struct bytes first = {text.data, dash ? (size_t)(dash - text.data) : text.len};
    struct bytes last = dash ? bytes_of(dash + 1, text.len - first.len - 1) : first;
    struct fleet_range range = {0};
    enum err err = parse_id(first, id_bits, &range.first);
    if (err == ERR_OK)
        err = parse_id(last, id_bits, &range.last);
    if (err == ERR_LIMIT)
        return err_set(detail, ERR_LIMIT, "a node id is wider than %u bits", id_bits);
    if (err != ERR_OK)
        return err_set(detail, err, "a range is written 0x00010200-0x000105e7");
    if (range.first > range.last)
        return err_set(detail, ERR_ARGUMENT, "the range ends before it begins");
    if (range.last - range.first >= FLEET_NODES_MAX)
        return err_set(detail, ERR_LIMIT, "a range has at most %" PRIu64 " nodes", FLEET_NODES_MAX);
    *ret_range = range;
    return ERR_OK;
}
