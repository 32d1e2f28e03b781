// The floor: what a reader in C, with one epoll loop and nothing else to do, measures of the same streams.
//
// floor PORT PATH STREAMS SPREAD_US INTERVAL_US ROUNDS OUT [2]
//
// Each of STREAMS slots asks ROUNDS times, INTERVAL_US apart, and starts within SPREAD_US. It only reads: events are
// counted by their size on the wire; with `2`, of HTTP/2. OUT.kernel holds the kernel's stamps, OUT.clock the clock after each read, both a
// `struct record` for each read: number 0 (a: when it was asked, b: its X-Request-ID as a number) and else
// number 1 (a: payload bytes so far, b: when, c: uncertainty, which is not known here: 0).
#define _GNU_SOURCE
#include "http2.h"
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define BODY "{\"model\":\"bench\",\"messages\":[{\"role\":\"user\",\"content\":\"Count.\"}],\"stream\":true}"

struct slot {
    int fd; // -1 between rounds
    int64_t number, round, start;
    int64_t head; // bytes before the body, 0 while they are not all there
    int64_t got;
    char front[1024];
};

static struct log kernel, plain;
static int poller;
static struct sockaddr_in server;
static const char *path;
static int64_t slots, rounds, interval, asked, ended;
static size_t http2_head; // bytes before the DATA frames of an answer; 0 over HTTP/1.1

static void ask(struct slot *slot)
{
    int one = 1;
    slot->head = slot->got = 0;
    slot->number = asked++;
    int64_t zero = now_ns();
    slot->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(slot->fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
    setsockopt(slot->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    note(&kernel, slot->number, 0, zero, slot->number, 0);
    note(&plain, slot->number, 0, zero, slot->number, 0);
    if (connect(slot->fd, (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS) {
        perror("floor: connect");
        exit(1);
    }
    struct epoll_event wanted = {.events = EPOLLOUT, .data.ptr = slot};
    epoll_ctl(poller, EPOLL_CTL_ADD, slot->fd, &wanted);
}

static char *field(char *at, const char *name, const char *value)
{
    return at + sprintf(at, "%s%c%s", name, (int)strlen(value), value);
}

// Write a request in HTTP/2: the preface, empty SETTINGS, the headers as literals, and the body.
static int http2_ask(char *into, const char *id)
{
    char *at = into + sprintf(into, "%s", PREFACE);
    at += frame_head(at, 0, SETTINGS, 0, 0);
    char *frame = at;
    at = field(at + FRAME_HEAD, "\x83\x86\x04", path); // POST, http, :path
    at = field(at, "\x01", "127.0.0.1");               // :authority
    at = field(at, "\x0f\x10", "application/json");     // content-type
    *at++ = 0;                                         // a literal name
    at = field(at, "\x0cx-request-id", id);
    frame_head(frame, (size_t)(at - frame) - FRAME_HEAD, HEADERS, END_HEADERS, 1);
    at += frame_head(at, sizeof BODY - 1, DATA, END_STREAM, 1);
    return (int)(at + sprintf(at, "%s", BODY) - into);
}

static int http1_ask(char *into, size_t room, const char *id)
{
    return snprintf(into, room,
                    "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nX-Request-ID: %s\r\n"
                    "Content-Length: %zu\r\n\r\n%s",
                    path, id, sizeof BODY - 1, BODY);
}

static void connected(struct slot *slot)
{
    char request[1024], id[32];
    snprintf(id, sizeof id, "%lld", (long long)slot->number);
    int size = http2_head ? http2_ask(request, id) : http1_ask(request, sizeof request, id);
    if (send(slot->fd, request, (size_t)size, MSG_NOSIGNAL) != size) {
        perror("floor: send");
        exit(1);
    }
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = slot};
    epoll_ctl(poller, EPOLL_CTL_MOD, slot->fd, &wanted);
}

static void look_for_head(struct slot *slot, const char *data, ssize_t count)
{
    if (http2_head) {
        slot->head = slot->got >= (int64_t)http2_head ? (int64_t)http2_head : 0;
        return;
    }
    size_t before = (size_t)(slot->got - count), room = sizeof slot->front - 1;
    if (before < room) {
        size_t size = (size_t)count < room - before ? (size_t)count : room - before;
        memcpy(slot->front + before, data, size);
        slot->front[before + size] = 0;
    }
    const char *end = strstr(slot->front, "\r\n\r\n");
    if (end)
        slot->head = end + 4 - slot->front;
}

static void readable(struct slot *slot)
{
    char data[65536];
    int64_t stamp;
    ssize_t count = stamped_receive(slot->fd, data, sizeof data, 0, &stamp);
    int64_t now = now_ns();
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0) {
        close(slot->fd);
        slot->fd = -1;
        slot->round++;
        ended++;
        return;
    }
    slot->got += count;
    if (!slot->head)
        look_for_head(slot, data, count);
    int64_t size = http2_head ? HTTP2_WIRE_SIZE : WIRE_SIZE;
    int64_t payload = slot->head ? (slot->got - slot->head) / size * (int64_t)EVENT_SIZE : 0;
    if (payload > 0) {
        note(&kernel, slot->number, 1, payload, stamp ? stamp : now, 0);
        note(&plain, slot->number, 1, payload, now, 0);
    }
}

static int64_t ask_those_due(struct slot *all, int64_t now)
{
    int64_t next = now + BILLION;
    for (int64_t at = 0; at < slots; at++) {
        struct slot *slot = &all[at];
        if (slot->fd >= 0 || slot->round == rounds)
            continue;
        int64_t due = slot->start + slot->round * interval;
        if (due <= now)
            ask(slot);
        else if (due < next)
            next = due;
    }
    return next;
}

static void run(struct slot *all)
{
    struct epoll_event found[64];
    for (int64_t next = 0; ended < slots * rounds;) {
        int64_t now = now_ns();
        if (now >= next)
            next = ask_those_due(all, now);
        int64_t left = next > now ? next - now : 0;
        // A slot whose stream has just ended may be due before `next`, which was looked for while it was busy.
        left = left > 5000000 ? 5000000 : left;
        if (next > now + 5000000)
            next = now + 5000000;
        struct timespec timeout = {0, left};
        int count = epoll_pwait2(poller, found, 64, &timeout, NULL);
        for (int at = 0; at < count; at++) {
            struct slot *slot = found[at].data.ptr;
            if (found[at].events & EPOLLOUT)
                connected(slot);
            else
                readable(slot);
        }
    }
}

static int store_both(const char *out)
{
    char name[4096];
    snprintf(name, sizeof name, "%s.kernel", out);
    int failed = store(&kernel, name);
    snprintf(name, sizeof name, "%s.clock", out);
    return failed || store(&plain, name);
}

int main(int count, char **arguments)
{
    if (count != 8 && count != 9) {
        fprintf(stderr, "usage: floor PORT PATH STREAMS SPREAD_US INTERVAL_US ROUNDS OUT [2]\n");
        return 2;
    }
    prctl(PR_SET_TIMERSLACK, 1);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    server = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    path = arguments[2];
    char head[256];
    http2_head = count == 9 ? http2_answer_head(head) : 0;
    slots = atoll(arguments[3]);
    interval = atoll(arguments[5]) * 1000;
    rounds = atoll(arguments[6]);
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct slot *all = calloc((size_t)slots, sizeof *all);
    int64_t began = now_ns() + BILLION / 2;
    srand48(1); // at random, as in load.py: evenly spaced starts put the chunks in step
    for (int64_t at = 0; at < slots; at++)
        all[at] = (struct slot){.fd = -1, .start = began + (int64_t)(drand48() * 1000 * (double)atoll(arguments[4]))};
    run(all);
    usleep(500000); // to store it is no work of the reader's
    return store_both(arguments[7]);
}
