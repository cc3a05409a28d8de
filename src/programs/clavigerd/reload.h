#pragma once

#include "base/buf.h"
#include "keeper/control.h"

/* The engine's side of a reload: files come open from the supervisor, since the engine can't open
 * what was put in their place after it shut itself in. */
struct reload;

enum reload_file { RELOAD_CONFIG, RELOAD_PROPERTIES, RELOAD_FILES }; /* as the supervisor sends */

/* `control` is borrowed. */
MUST_CHECK enum err reload_new(int control, struct reload **ret_reload);
void reload_free(struct reload *reload);
/* Main thread: a CONTROL_FILE; takes its descriptor. */
void reload_take(struct reload *reload, struct control_message *message);
/* Main thread: append what came last, once. ERR_STATE where nothing came. */
MUST_CHECK enum err reload_read(struct reload *reload, enum reload_file file, const char *name,
                                size_t limit, struct buf *to, struct err_detail *detail);
/* Main thread: a reload ended so; whoever waits in reload_ask is told. */
void reload_over(struct reload *reload, enum err err, const char *text);
/* Main thread: there will be no further reload; who waits or comes to wait gets ERR_CLOSED. */
void reload_close(struct reload *reload);
/* Any thread but the main one: ask the supervisor for a reload and wait for its end. ERR_TIMEOUT.
 */
MUST_CHECK enum err reload_ask(struct reload *reload, struct err_detail *detail);
