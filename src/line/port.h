#pragma once

#include "base/bytes.h"

/* The port a device is on: a serial port, a pseudo-terminal, or TCP (a terminal server, or a
 * simulated device). One thread at a time. */
struct line_port;

#define LINE_BAUD_DEFAULT 115200u

/* "/dev/ttyUSB0", "COM3", "./dut0": a serial port, raw, 8N1, no flow control, read without delay
 * where its driver can (ASYNC_LOW_LATENCY). "host:port", "[::1]:port": TCP, where `host` has no
 * slash and nothing of that name is a file. The port is locked against a second client
 * (ERR_LOCKED). ERR_NOT_FOUND: no such port; ERR_UNREACHABLE: nobody listens; ERR_ARGUMENT: no such
 * baud rate. */
MUST_CHECK enum err line_port_open(const char *name, uint32_t baud, unsigned timeout_ms,
                                   struct line_port **ret_port, struct err_detail *detail);
void line_port_close(struct line_port *port); /* NULL is allowed */
void line_port_closep(struct line_port **port);
/* What is there, at most `cap` bytes, waiting up to `timeout_ms` for the first one. ERR_TIMEOUT,
 * ERR_CLOSED (unplugged). */
MUST_CHECK enum err line_port_read(struct line_port *port, uint8_t *to, size_t cap,
                                   unsigned timeout_ms, size_t *ret_len);
/* All of it, or ERR_TIMEOUT after `timeout_ms`, ERR_CLOSED. */
MUST_CHECK enum err line_port_write(struct line_port *port, struct bytes data, unsigned timeout_ms);
/* Forget what came and was not read. */
void line_port_flush(struct line_port *port);
uint32_t line_port_baud(const struct line_port *port); /* 0: TCP */
