/* The interface between Ringwire and an adapter module, version 1. What each function means is in wasm/README.md.
 *
 * Freestanding C99, no libc:
 *   clang --target=wasm32 -O2 -nostdlib -Wl,--no-entry -o x.wasm x.c
 */
#ifndef RINGWIRE_H
#define RINGWIRE_H

#include <stddef.h>
#include <stdint.h>

#define RINGWIRE_EXPORT(name) __attribute__((export_name(#name))) name
#define RINGWIRE_IMPORT(name) __attribute__((import_module("ringwire"), import_name(#name)))

enum ringwire_kind {
    RINGWIRE_NOT_CONNECTED = 1,
    RINGWIRE_ALREADY_CONNECTED = 2,
    RINGWIRE_ILLEGAL = 3,
    RINGWIRE_MALFORMED = 4,
    RINGWIRE_CHECKSUM = 5,
    RINGWIRE_TOO_LARGE = 6,
    RINGWIRE_VERSION = 7,
    RINGWIRE_CREDENTIALS = 8,
    RINGWIRE_FAILED = 9
};

enum ringwire_what {
    RINGWIRE_IDENTIFIED = 1,
    RINGWIRE_ACCEPTED = 2,
    RINGWIRE_REFUSED = 3,
    RINGWIRE_TAKEN = 4,
    RINGWIRE_DENIED = 5,
    RINGWIRE_ALIVE = 6,
    RINGWIRE_GOODBYE = 7,
    RINGWIRE_UNREADABLE = 8
};

enum ringwire_cause {
    RINGWIRE_BY_CLIENT_ID = 1,
    RINGWIRE_BY_CREDENTIALS = 2,
    RINGWIRE_BANNED = 3,
    RINGWIRE_FULL = 4
};

/* A field's value, for ringwire_publish. */
struct ringwire_text {
    const char *at;
    uint32_t bytes;
};

/* Events: only out of ringwire_read. */
RINGWIRE_IMPORT(identify) void ringwire_identify(const void *client_id, uint32_t bytes, uint32_t tag);
RINGWIRE_IMPORT(connect)
void ringwire_connect(const void *client_id, uint32_t client_id_bytes, const void *username, uint32_t username_bytes,
                      const void *password, uint32_t password_bytes, uint32_t keepalive_s, uint32_t tag);
RINGWIRE_IMPORT(publish)
void ringwire_publish(const void *payload, uint32_t bytes, const struct ringwire_text *values, uint32_t tag);
RINGWIRE_IMPORT(heartbeat) void ringwire_heartbeat(uint32_t tag);
RINGWIRE_IMPORT(acknowledge) void ringwire_acknowledge(uint32_t number);
RINGWIRE_IMPORT(close) void ringwire_close(uint32_t tag);
RINGWIRE_IMPORT(skip) void ringwire_skip(enum ringwire_kind kind, const char *what, uint32_t bytes, uint32_t offset);
RINGWIRE_IMPORT(unreadable)
void ringwire_unreadable(enum ringwire_kind kind, const char *what, uint32_t bytes, uint32_t offset);

/* To the device: only out of ringwire_answer and ringwire_deliver. */
RINGWIRE_IMPORT(write) void ringwire_write(const void *bytes, uint32_t count);
RINGWIRE_IMPORT(undeliverable) void ringwire_undeliverable(const char *what, uint32_t bytes);
RINGWIRE_IMPORT(refusal) uint32_t ringwire_refusal(char *room, uint32_t bytes);

/* A line in the broker's log. */
RINGWIRE_IMPORT(log) void ringwire_log(const char *line, uint32_t bytes);

#endif
