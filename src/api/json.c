#include "api/json.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hex.h"

#define HEX_MAX 64
#define DAY_S   86400

void json_freep(json_t **json)
{
    json_decref(*json);
    *json = NULL;
}

json_t *json_of_error(enum err err, const struct err_detail *detail)
{
    const struct err_row *row = err_row(err);
    json_t *text = json_string(detail != NULL ? detail->text : "");
    if (text == NULL && detail != NULL) { /* cut within a character, or of a file's name */
        char ascii[sizeof detail->text] = "";
        for (size_t i = 0; i + 1 < sizeof ascii && detail->text[i] != '\0'; i++)
            ascii[i] = (detail->text[i] & 0x80) != 0 ? '?' : detail->text[i];
        text = json_string(ascii);
    }
    return json_pack("{s:s s:s s:o s:s}", "code", row->name, "text", row->text, "detail", text,
                     "hint", row->hint);
}

static void free_wiped(void *memory)
{
    if (memory != NULL)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

void json_wipe_memory(void)
{
    json_set_alloc_funcs(malloc, free_wiped);
}

json_t *json_of_id(uint64_t id, unsigned id_bits)
{
    char text[24];
    (void)snprintf(text, sizeof text, "0x%0*" PRIx64, (int)id_bits / 4, id);
    return json_string(text);
}

json_t *json_of_time(int64_t seconds)
{
    if (seconds == 0)
        return json_null();
    char text[32];
    clock_format(seconds, text);
    return json_string(text);
}

enum err json_read_time(const char *what, const char *text, bool day_end, int64_t *ret_seconds,
                        struct err_detail *detail)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%d", &tm);
    bool day = end != NULL && *end == '\0';
    if (end != NULL && *end == 'T')
        end = strptime(end + 1, "%H:%M:%S", &tm);
    if (end != NULL && *end == '.')
        end += 1 + strspn(end + 1, "0123456789");
    bool good = end != NULL && (*end == '\0' || strcmp(end, "Z") == 0);
    struct tm asked = tm; /* timegm makes the 2nd of March of the 30th of February */
    int64_t seconds = good ? (int64_t)timegm(&tm) : -1;
    if (seconds < 0 || tm.tm_mday != asked.tm_mday || tm.tm_mon != asked.tm_mon)
        return err_set(detail, ERR_ARGUMENT, "%s: a time such as 2026-11-21T14:20:00Z is wanted",
                       what);
    *ret_seconds = seconds + (day && day_end ? DAY_S - 1 : 0);
    return ERR_OK;
}

json_t *json_of_hex(const void *data, size_t len)
{
    char text[2 * HEX_MAX + 1];
    hex_encode(bytes_of(data, len < HEX_MAX ? len : HEX_MAX), text);
    return json_string(text);
}

json_t *json_of_text(struct bytes text)
{
    for (size_t cut = 0; cut <= 3 && cut <= text.len; cut++) {
        json_t *json = json_stringn((const char *)text.data, text.len - cut);
        if (json != NULL)
            return json;
    }
    AUTO(buf_done) struct buf ascii = {0};
    for (size_t i = 0; i < text.len; i++)
        if (buf_printf(&ascii, "%c", text.data[i] < 0x80 ? text.data[i] : '?') != ERR_OK)
            return NULL;
    return json_stringn((const char *)ascii.data, ascii.len);
}
