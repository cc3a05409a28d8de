#include <stdio.h>

#include "kmip/codec/value.h"

/* XML Schema dateTime: '-'? yyyy '-' mm '-' dd 'T' hh ':' mm ':' ss ('.' s+)? zone? */

#define DAY INT64_C(86400)

/* Days since 1970-01-01 in the Gregorian calendar, whose years begin in March here. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static unsigned month_len(int64_t year, unsigned month)
{
    static const uint8_t lens[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29u : lens[month - 1];
}

struct scan {
    struct bytes text;
    size_t at;
    bool failed;
};

static bool next_is(struct scan *s, char c)
{
    if (s->at < s->text.len && s->text.data[s->at] == (uint8_t)c) {
        s->at++;
        return true;
    }
    return false;
}

static void want(struct scan *s, char c)
{
    if (!next_is(s, c))
        s->failed = true;
}

static unsigned digits(struct scan *s, size_t least, size_t most)
{
    unsigned value = 0;
    size_t count = 0;
    while (count < most && s->at < s->text.len && s->text.data[s->at] >= '0' &&
           s->text.data[s->at] <= '9') {
        value = value * 10 + (unsigned)(s->text.data[s->at++] - '0');
        count++;
    }
    if (count < least)
        s->failed = true;
    return value;
}

/* To the microsecond, the rest is cut off. */
static uint32_t fraction(struct scan *s)
{
    uint32_t micros = 0;
    uint32_t unit = 100000;
    size_t from = s->at;
    while (s->at < s->text.len && s->text.data[s->at] >= '0' && s->text.data[s->at] <= '9') {
        micros += unit * (uint32_t)(s->text.data[s->at++] - '0');
        unit /= 10;
    }
    if (s->at == from)
        s->failed = true;
    return micros;
}

static int64_t zone(struct scan *s)
{
    if (s->at == s->text.len || next_is(s, 'Z'))
        return 0;
    int sign = next_is(s, '-') ? -1 : 1;
    if (sign > 0)
        want(s, '+');
    unsigned hours = digits(s, 2, 2);
    want(s, ':');
    unsigned minutes = digits(s, 2, 2);
    if (hours > 14 || minutes > 59)
        s->failed = true;
    return sign * (int64_t)(hours * 3600 + minutes * 60);
}

bool kmip_date_parse(struct bytes text, int64_t *ret_seconds, uint32_t *ret_micros)
{
    struct scan s = {.text = text};
    bool before = next_is(&s, '-');
    int64_t year = digits(&s, 4, 9);
    want(&s, '-');
    unsigned month = digits(&s, 2, 2);
    want(&s, '-');
    unsigned day = digits(&s, 2, 2);
    want(&s, 'T');
    unsigned hour = digits(&s, 2, 2);
    want(&s, ':');
    unsigned minute = digits(&s, 2, 2);
    want(&s, ':');
    unsigned second = digits(&s, 2, 2);
    uint32_t micros = !s.failed && next_is(&s, '.') ? fraction(&s) : 0;
    int64_t offset = zone(&s);
    if (before)
        year = -year;
    if (s.failed || s.at != text.len || month < 1 || month > 12 || day < 1 ||
        day > month_len(year, month) || hour > 23 || minute > 59 || second > 59)
        return false;
    *ret_seconds = days_of(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset;
    *ret_micros = micros;
    return true;
}

bool kmip_date_format(int64_t seconds, int32_t micros, char text[40])
{
    if (seconds < days_of(0, 1, 1) * DAY || seconds >= days_of(10000, 1, 1) * DAY)
        return false;
    int64_t days = seconds / DAY - (seconds % DAY < 0);
    unsigned left = (unsigned)(seconds - days * DAY);
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t of_era = days - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    unsigned month = (unsigned)((5 * of_year + 2) / 153);
    unsigned day = (unsigned)(of_year - (153 * (int64_t)month + 2) / 5 + 1);
    month = month < 10 ? month + 3 : month - 9;
    year += era * 400 + (month <= 2);
    char part[12] = "";
    if (micros >= 0)
        snprintf(part, sizeof part, ".%06u", (unsigned)micros % 1000000);
    snprintf(text, 40, "%04d-%02u-%02uT%02u:%02u:%02u%s+00:00", (int)year, month % 100, day % 100,
             left / 3600 % 100, left / 60 % 60, left % 60, part);
    return true;
}
