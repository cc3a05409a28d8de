#include "api/file_answer.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct download {
    int fd;
};

static enum err read_bytes(void *ctx, uint8_t *to, size_t cap, size_t *ret_len)
{
    const struct download *download = ctx;
    ssize_t got;
    do {
        got = read(download->fd, to, cap);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return ERR_IO;
    *ret_len = (size_t)got;
    return ERR_OK;
}

static void close_download(void *ctx)
{
    struct download *download = ctx;
    (void)close(download->fd);
    free(download);
}

enum err api_answer_file(struct net_http_request *request, int fd)
{
    struct download *download = malloc(sizeof *download);
    if (download == NULL) {
        (void)close(fd);
        return ERR_NO_MEMORY;
    }
    download->fd = fd;
    const struct net_http_source source = {
        .read = read_bytes, .done = close_download, .ctx = download};
    net_http_stream(request, 200, "application/octet-stream", &source);
    return ERR_STREAMED;
}
