// As much of HTTP/2 as one request on a connection and its answer need (RFC 9113; headers: RFC 7541).
//
// The answer is a schedule of DATA frames on stream 1. There is no flow control: it has to fit into the window that a
// client opens at least, 65,535 bytes. `huffman.h` holds the code of RFC 7541, appendix B; server.py writes it.
#ifndef HTTP2_H
#define HTTP2_H

#include "huffman.h"
#include "wire.h"

#include <stdbool.h>

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define PREFACE_SIZE (sizeof PREFACE - 1)
#define FRAME_HEAD 9
#define LEAST_WINDOW 65535

enum { DATA = 0, HEADERS = 1, SETTINGS = 4, CONTINUATION = 9 };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8, PRIORITY = 32 };

// An event in a DATA frame takes this much on the wire.
#define HTTP2_WIRE_SIZE (EVENT_SIZE + FRAME_HEAD)

static inline size_t frame_head(char *into, size_t size, int kind, int flags, int stream)
{
    unsigned char head[FRAME_HEAD] = {size >> 16, size >> 8, size, kind, flags, 0, 0, 0, stream};
    memcpy(into, head, FRAME_HEAD);
    return FRAME_HEAD;
}

// The server's SETTINGS, its acknowledgement of the client's, and the head of the answer. Return how long that is.
static inline size_t http2_answer_head(char *into)
{
    static const char type[] = "text/event-stream";
    char block[64] = {(char)0x88, 0x0f, 0x10, sizeof type - 1}; // :status 200; content-type, of the static table
    memcpy(block + 4, type, sizeof type - 1);
    size_t size = 4 + sizeof type - 1, at = frame_head(into, 0, SETTINGS, 0, 0);
    at += frame_head(into + at, 0, SETTINGS, ACK, 0);
    at += frame_head(into + at, size, HEADERS, END_HEADERS, 1);
    memcpy(into + at, block, size);
    return at + size;
}

// -- the headers of a request ------------------------------------------------------------------------------------------

#define LEAF 1024 // added to a byte, in a node of the tree; the codes have fewer nodes
static int16_t tree[LEAF][2];

static inline void grow_tree(void)
{
    for (int byte = 0, nodes = 1; byte < 256; byte++) {
        int node = 0;
        for (int bit = HUFFMAN[byte].length - 1; bit > 0; bit--) {
            int16_t *next = &tree[node][HUFFMAN[byte].code >> bit & 1];
            if (!*next)
                *next = (int16_t)nodes++;
            node = *next;
        }
        tree[node][HUFFMAN[byte].code & 1] = (int16_t)(LEAF + byte);
    }
}

struct cursor {
    const unsigned char *at, *end;
};

static inline size_t integer(struct cursor *block, int bits)
{
    size_t most = (1u << bits) - 1, value = block->at < block->end ? *block->at++ & most : 0;
    if (value < most)
        return value;
    for (int shift = 0; block->at < block->end && shift < 28; shift += 7) {
        value += (size_t)(*block->at & 127) << shift;
        if (!(*block->at++ & 128))
            break;
    }
    return value;
}

// Read a string; what of it has no room is dropped.
static inline void text(struct cursor *block, char *into, size_t room)
{
    bool coded = block->at < block->end && *block->at & 128;
    size_t size = integer(block, 7), length = 0;
    if (size > (size_t)(block->end - block->at))
        size = (size_t)(block->end - block->at);
    for (int node = 0; size--; block->at++) {
        if (!coded && length + 1 < room)
            into[length++] = (char)*block->at;
        for (int bit = 7; coded && bit >= 0; bit--) {
            node = tree[node][*block->at >> bit & 1];
            if (node >= LEAF) {
                if (length + 1 < room)
                    into[length++] = (char)(node - LEAF);
                node = 0;
            }
        }
    }
    into[length] = 0;
}

// Find `:path` and `x-request-id`. Nothing refers to the dynamic table: it is the first block of its connection.
static inline void read_headers(struct cursor block, char *path, char *id, size_t room)
{
    while (block.at < block.end) {
        char name[64] = "", value[room];
        unsigned char first = *block.at;
        if (first & 0x80) { // a field of the static table
            integer(&block, 7);
            continue;
        }
        if ((first & 0xe0) == 0x20) { // the size of the dynamic table
            integer(&block, 5);
            continue;
        }
        size_t index = integer(&block, first & 0x40 ? 6 : 4);
        if (!index)
            text(&block, name, sizeof name);
        text(&block, value, room);
        if (index == 4 || index == 5)
            strcpy(path, value);
        else if (!strcmp(name, "x-request-id"))
            strcpy(id, value);
    }
}

// Whether all of a request is there. `path` and `id`, of `room` bytes each, are found then.
static inline bool http2_request(const char *data, size_t size, char *path, char *id, size_t room)
{
    const unsigned char *at = (const unsigned char *)data + PREFACE_SIZE, *end = (const unsigned char *)data + size;
    while (size > PREFACE_SIZE && end - at >= FRAME_HEAD) {
        size_t length = (size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2];
        int kind = at[3], flags = at[4];
        struct cursor block = {at + FRAME_HEAD, at + FRAME_HEAD + length};
        if (length > (size_t)(end - at) - FRAME_HEAD)
            return false;
        at = block.end;
        if (kind == HEADERS && flags & PADDED)
            block.end -= *block.at++;
        if (kind == HEADERS && flags & PRIORITY)
            block.at += 5;
        if (kind == HEADERS && flags & END_HEADERS)
            read_headers(block, path, id, room);
        if ((kind == HEADERS || kind == DATA) && flags & END_STREAM)
            return true;
    }
    return false;
}

#endif
