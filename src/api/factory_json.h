#pragma once

#include "api/call.h"
#include "factory/catalogue.h"
#include "factory/device.h"
#include "factory/package.h"

/* How the factory's resources look in JSON, and what their requests have in common. */

/* The factory, or ERR_UNSUPPORTED where this daemon serves none. */
MUST_CHECK enum err api_factory(const struct api_call *call, struct factory **ret_factory,
                                struct err_detail *detail);

/* Ids: 0x and hexadecimal, or decimal. ERR_ARGUMENT names `what`. */
MUST_CHECK enum err factory_parse_id(const char *what, const char *text, uint64_t *ret_id,
                                     struct err_detail *detail);
/* Of the query: false where it is not there. */
MUST_CHECK enum err factory_query_id(const struct api_call *call, const char *name, bool *ret_there,
                                     uint64_t *ret_id, struct err_detail *detail);
/* A UUID as text, 8-4-4-4-12. */
MUST_CHECK enum err factory_parse_run(const char *text, uint8_t ret_run[FACTORY_RUN_ID],
                                      struct err_detail *detail);
/* Hexadecimal of the body, on the heap; `max` bytes at most. A missing one is empty. */
MUST_CHECK enum err factory_field_hex(const json_t *object, const char *field, size_t max,
                                      struct buf *to, struct err_detail *detail);

json_t *json_of_config(uint64_t config_id); /* "0x000000012345678a" */
json_t *json_of_node(uint64_t node_id);     /* 8 digits, or 16 */
json_t *json_of_run_id(const uint8_t run[FACTORY_RUN_ID]);
json_t *json_of_run(const struct factory_run *run);
json_t *json_of_device(const struct factory_device *device);
/* The row of a list. */
json_t *json_of_package(const struct factory_package *package);
/* All that is known of it, its description read in `arena`. */
MUST_CHECK enum err json_of_package_details(const struct factory_package *package,
                                            struct arena *arena, json_t **ret_json,
                                            struct err_detail *detail);

/* A note of the audit chain. */
MUST_CHECK enum err factory_note(const struct fleet_call *call, uint16_t kind,
                                 struct err_detail *detail, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
