#pragma once

#include <jansson.h>

#include "../fleet/site.h"
#include "api/api.h"
#include "net/http_client.h"
#include "net/http_route.h"

/* The daemon's API on a Unix socket over a site, and a client of it. */
struct api_rig {
    struct site site;
    struct vault_clients *clients;
    struct api *api;
    struct net_loops *loops;
    struct net_http *http;
    struct net_client *client;
    struct net_client_answer answer; /* of the last call */
    char *dir, *socket, *spool, *ca_file;
    struct settings *settings;
    unsigned reloads, disconnects;
};

void api_rig_begin(struct api_rig *rig);
void api_rig_end(struct api_rig *rig);
/* Another client, known as a user who may do nothing. */
void api_rig_become_nobody(struct api_rig *rig);

/* One exchange; what the server named as its error. */
enum err api_rig_call(struct api_rig *rig, enum net_http_method method, const char *path,
                      const char *body);
/* The answer's body, parsed; the caller's reference. NULL where it has none. */
json_t *api_rig_json(const struct api_rig *rig);
/* A call that must succeed, and its answer. */
json_t *api_rig_get(struct api_rig *rig, enum net_http_method method, const char *path,
                    const char *body);
/* Start a job and wait for its end; the whole job as the API shows it. */
json_t *api_rig_job(struct api_rig *rig, const char *path, const char *body);
uint64_t api_rig_upload(struct api_rig *rig, const char *file);
void api_rig_download(struct api_rig *rig, uint64_t id, const char *part, const char *file);
