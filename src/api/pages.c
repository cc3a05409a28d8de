#include "api/pages.h"

#include <stdlib.h>
#include <string.h>

#include "api/pages_table.h"

#define YEAR_S "31536000"

/* Nothing from elsewhere, nothing inline, in nobody's frame. */
const char api_headers[] =
    "Strict-Transport-Security: max-age=" YEAR_S "\r\n"
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'\r\n"
    "X-Frame-Options: DENY\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
    "Permissions-Policy: camera=(), geolocation=(), microphone=(), payment=(), usb=()\r\n";

static int by_path(const void *key, const void *row)
{
    return strcmp(key, ((const struct page_file *)row)->path);
}

static const struct page_file *find(const char *path)
{
    return bsearch(path, page_files, page_files_len, sizeof page_files[0], by_path);
}

static bool is_under(const char *path, const char *folder)
{
    size_t len = strlen(folder);
    return strncmp(path, folder, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static const struct page_file *choose(const char *path)
{
    const struct page_file *file = find(path);
    if (file != NULL || strchr(path, '.') != NULL || is_under(path, "/v1") ||
        is_under(path, "/kmip") || is_under(path, "/assets"))
        return file;
    return find("/");
}

/* One of the entity tags in If-None-Match (RFC 9110, 13.1.2); weak ones compare equal there. */
static bool knows(const struct net_http_request *request, const char *etag)
{
    const char *list = net_http_header(request, "If-None-Match");
    if (list == NULL)
        return false;
    for (const char *at = strstr(list, etag); at != NULL; at = strstr(at + 1, etag)) {
        char after = at[strlen(etag)];
        if (after == '\0' || after == ',' || after == ' ')
            return true;
    }
    return strcmp(list, "*") == 0;
}

static enum err set_headers(struct net_http_request *request, const struct page_file *file)
{
    TRY(net_http_set_header(request, "ETag", file->etag));
    TRY(net_http_set_header(request, "Vary", "Accept-Encoding"));
    return net_http_set_header(request, "Cache-Control",
                               file->immutable ? "public, max-age=" YEAR_S ", immutable"
                                               : "no-cache");
}

static void get_page(struct net_http_request *request, void *ctx)
{
    (void)ctx;
    const struct page_file *file = choose(net_http_path(request));
    if (file == NULL) {
        net_http_fail(request, ERR_NOT_FOUND, NULL);
        return;
    }
    enum err err = set_headers(request, file);
    if (err == ERR_OK && !knows(request, file->etag))
        err = net_http_set_header(request, "Content-Encoding", "gzip");
    if (err != ERR_OK)
        net_http_fail(request, err, NULL);
    else if (knows(request, file->etag))
        net_http_answer(request, 304, NULL, bytes_of("", 0));
    else
        net_http_answer(request, 200, file->type, bytes_of(file->gzip, file->gzip_len));
}

struct net_http_table api_pages_table(void)
{
    return (struct net_http_table){.fallback = get_page};
}
