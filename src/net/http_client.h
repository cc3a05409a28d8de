#pragma once

#include "base/buf.h"
#include "net/http_route.h"

/* Blocking HTTP client of the daemon's API, for the command line. One thread at a time. */
struct net_client;

struct net_client_config {
    const char *base;    /* "https://host:8085", "http://127.0.0.1:9464", or the path of the Unix
                            socket ("/run/claviger/claviger.sock", "demo/claviger.sock") */
    const char *ca_file; /* for https; NULL: the system's */
    const char *cert_file, *key_file; /* for https with a client certificate, or NULL */
    bool cookies;                     /* keep what the server sets, as long as the client lives */
    unsigned connect_ms;              /* (0: 5,000) */
    unsigned timeout_ms;              /* without a byte of progress (0: 60,000) */
};

MUST_CHECK enum err net_client_new(const struct net_client_config *config,
                                   struct net_client **ret_client, struct err_detail *detail);
void net_client_free(struct net_client *client);
void net_client_freep(struct net_client **client);

/* One header more with every request; replaces the one before. ERR_LIMIT beyond 255 bytes. */
MUST_CHECK enum err net_client_set_header(struct net_client *client, const char *name,
                                          const char *value);

/* Embedded; zero-initialise, net_client_answer_done at the end; may be used again. */
struct net_client_answer {
    int status;      /* HTTP status */
    enum err err;    /* ERR_OK below 400; else what the server named, ERR_PEER if nothing known */
    struct buf body; /* at most 16 MiB; of a download only if it failed */
    char type[64];   /* Content-Type */
};
void net_client_answer_done(struct net_client_answer *answer);

/* One exchange. ERR_OK means that there is an answer, whatever its status; else `detail` says for a
 * person why not ("can't reach clavigerd at /run/...: is it running?"). `path` with its query,
 * already escaped; `json` may be empty. */
MUST_CHECK enum err net_client_call(struct net_client *client, enum net_http_method method,
                                    const char *path, struct bytes json,
                                    struct net_client_answer *answer, struct err_detail *detail);

/* May be NULL; `total` is 0 where unknown. */
typedef void net_client_progress(void *ctx, uint64_t done, uint64_t total);

#define NET_CLIENT_CHUNK ((size_t)1024 * 1024)
/* Send a file from its current position to its end: PUT `path`?offset=N with at most
 * NET_CLIENT_CHUNK bytes each, at least one; stops at the first answer that is not below 400. */
MUST_CHECK enum err net_client_upload(struct net_client *client, const char *path, int fd,
                                      net_client_progress *progress, void *ctx,
                                      struct net_client_answer *answer, struct err_detail *detail);

/* GET `path`, its body to `sink`, whose error ends it and is returned. A failed answer's body goes
 * to `answer` instead. */
typedef enum err net_client_sink(void *ctx, struct bytes piece, struct err_detail *detail);
MUST_CHECK enum err net_client_download(struct net_client *client, const char *path,
                                        net_client_sink *sink, net_client_progress *progress,
                                        void *ctx, struct net_client_answer *answer,
                                        struct err_detail *detail);

/* Percent-escape one path segment or query value. */
MUST_CHECK enum err net_client_escape(struct buf *to, const char *text);
