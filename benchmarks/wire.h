// What server and reader agree on: the answer's bytes, the record of the logs, and the clocks.
#ifndef WIRE_H
#define WIRE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BILLION 1000000000LL

// Every output event has the same size, so that an offset in the payload is the number of an event.
#define EVENT_FRONT                                                                                                  \
    "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"                  \
    "\"model\":\"bench\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" w"
#define EVENT_NUMBER "0000000"
#define EVENT_BACK "\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n"
#define EVENT (EVENT_FRONT EVENT_NUMBER EVENT_BACK)
#define EVENT_SIZE (sizeof EVENT - 1)

#define END                                                                                                          \
    "data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"                  \
    "\"model\":\"bench\",\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\n" \
    "data: [DONE]\n\n"

#define HEAD                                                                                                         \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"                              \
    "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"

// "b2\r\n" before and "\r\n" behind: with two hexadecimal digits an event takes this much on the wire.
#define WIRE_SIZE (EVENT_SIZE + 6)
_Static_assert(EVENT_SIZE >= 16 && EVENT_SIZE <= 255, "the size of an event's chunk has two digits");

struct record {
    int64_t stream;
    int64_t number;
    int64_t a, b, c;
};

struct log {
    struct record *records;
    size_t length, room;
};

static inline void note(struct log *log, int64_t stream, int64_t number, int64_t a, int64_t b, int64_t c)
{
    if (log->length == log->room) {
        log->room = log->room ? 2 * log->room : 1 << 21;
        log->records = realloc(log->records, log->room * sizeof *log->records);
        if (!log->records)
            abort();
    }
    log->records[log->length++] = (struct record){stream, number, a, b, c};
}

static inline int store(const struct log *log, const char *path)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return -1;
    size_t written = fwrite(log->records, sizeof *log->records, log->length, file);
    return fclose(file) == 0 && written == log->length ? 0 : -1;
}

static inline int64_t clock_ns(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * BILLION + time.tv_nsec;
}

static inline int64_t now_ns(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

// Receive, and say at what monotonic time the kernel stamped the last byte (0 if it did not). `flags` are those of recvmsg.
static inline ssize_t stamped_receive(int fd, void *buffer, size_t size, int flags, int64_t *stamp)
{
    char control[CMSG_SPACE(sizeof(struct timespec))];
    struct iovec vector = {buffer, size};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t count = recvmsg(fd, &message, flags);
    *stamp = 0;
    struct cmsghdr *header = count > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SO_TIMESTAMPNS) {
        struct timespec time;
        memcpy(&time, CMSG_DATA(header), sizeof time);
        int64_t before, wall, after;
        int tries = 3; // to be interrupted between the two clocks would shift the stamp
        do {
            before = now_ns();
            wall = clock_ns(CLOCK_REALTIME);
            after = now_ns();
        } while (after - before > 2000 && --tries);
        *stamp = after - (wall - (time.tv_sec * BILLION + time.tv_nsec));
    }
    return count;
}

#endif
