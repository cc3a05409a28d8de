#include "programs/claviger-sim/node_status.h"

#include <stdlib.h>

#include "base/clock.h"

#define NODES_MAX ((size_t)1000 * 1000)
#define ASK_NS    UINT64_C(10000000000)

struct node_status {
    uint64_t node, at_ns;
    uint64_t asked_ns; /* the key server, for a newer key; 0: never */
    uint32_t joins;
    enum line_gateway_join join;
};

void node_statuses_done(struct node_statuses *statuses)
{
    free(statuses->rows);
    *statuses = (struct node_statuses){0};
}

/* Where the node is, or belongs. */
static size_t place_of(const struct node_statuses *statuses, uint64_t node)
{
    size_t low = 0, high = statuses->len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (statuses->rows[middle].node < node)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct node_status *find(const struct node_statuses *statuses, uint64_t node)
{
    size_t at = place_of(statuses, node);
    return at < statuses->len && statuses->rows[at].node == node ? &statuses->rows[at] : NULL;
}

static struct node_status *add(struct node_statuses *statuses, uint64_t node)
{
    size_t at = place_of(statuses, node);
    if (statuses->len == statuses->cap) {
        size_t cap = statuses->cap == 0 ? 256 : 2 * statuses->cap;
        struct node_status *rows =
            cap > NODES_MAX ? NULL : realloc(statuses->rows, cap * sizeof *rows);
        if (rows == NULL)
            return NULL;
        statuses->rows = rows;
        statuses->cap = cap;
    }
    struct node_status *row = &statuses->rows[at];
    memmove(row + 1, row, (statuses->len++ - at) * sizeof *row);
    *row = (struct node_status){.node = node};
    return row;
}

void node_statuses_note(struct node_statuses *statuses, uint64_t node, bool joined)
{
    struct node_status *row = find(statuses, node);
    if (row == NULL)
        row = add(statuses, node);
    if (row == NULL)
        return;
    row->join = joined ? LINE_GATEWAY_JOINED : LINE_GATEWAY_REFUSED;
    row->joins += joined;
    row->at_ns = clock_mono_ns();
}

bool node_statuses_may_ask(struct node_statuses *statuses, uint64_t node)
{
    uint64_t now = clock_mono_ns();
    struct node_status *row = find(statuses, node);
    if (row == NULL)
        row = add(statuses, node);
    if (row == NULL || (row->asked_ns != 0 && now - row->asked_ns < ASK_NS))
        return false;
    row->asked_ns = now;
    return true;
}

enum err node_statuses_answer(struct node_statuses *statuses, struct bytes frame, struct writer *w)
{
    struct gateway_message message;
    TRY(gateway_message_decode(frame, &message));
    if (message.type == GATEWAY_STATUS)
        return ERR_SYNTAX;
    struct node_status *row = find(statuses, message.node);
    if (row != NULL && message.type == GATEWAY_CLEAR)
        *row = (struct node_status){.node = message.node, .asked_ns = row->asked_ns};
    if (row != NULL && row->join != LINE_GATEWAY_UNKNOWN)
        message.status = (struct line_gateway_status){
            .join = row->join,
            .joins = row->joins,
            .seconds = (uint32_t)((clock_mono_ns() - row->at_ns) / 1000000000)};
    message.type = GATEWAY_STATUS;
    gateway_message_encode(&message, w);
    return writer_status(w);
}
