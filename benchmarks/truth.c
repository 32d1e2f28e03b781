// A chat server whose every write is known: a schedule from the URL, kept to microseconds, and each write between two clock reads.
//
// truth LOG [CERTIFICATE KEY]
//
// It answers `POST /v1/chat/completions?first=US&gap=US&n=N` with Server-Sent Events, over chunked HTTP/1.1, or over HTTP/2
// if a client begins with its preface (prior knowledge; one request a connection). The head comes at
// once, the first chunk `first` us after the request was read, a further one each `gap` us, `n` of them, one write each,
// and one `gap` later the end. On its first line of output are the port, and the sizes of an event, in the payload and
// on the wire. On SIGTERM it stores LOG, a `struct record` for each of:
//
//   number -2: accepted (a);   -1: request read (a: the kernel's stamp of its last byte; b: clock at the read)
//   number 0: the head, 1 to n: a chunk, n + 1: the end (a: due, b: clock before the write, c: clock after it)
//   number -3: the peer went before the end (a: when)
//
// and LOG.ids, the X-Request-ID of each connection, one a line.
#define _GNU_SOURCE
#include "http2.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef WITH_TLS
#include <openssl/ssl.h>
#endif

#define REQUEST_ROOM 8192
#define SPIN_NS 40000 // shorter waits are spent asking the clock: to be woken takes as long
#define ID_ROOM 64

enum { ACCEPTED = -2, REQUESTED = -1, GONE = -3 };

struct stream {
    int64_t number; // of the connection, as in the log
    int fd;
    bool shaking, asked, ended, http2;
    size_t got;
    char *request;
    int64_t first, gap, chunks, next, due, start;
    size_t place; // in the heap, from 1; 0 is outside
#ifdef WITH_TLS
    SSL *tls;
#endif
};

static struct log events;
static char (*ids)[ID_ROOM];
static int64_t connections, ids_room;
static int poller;
static volatile sig_atomic_t stopped;
static struct stream **heap;
static size_t waiting, heap_room;
// The bytes of an answer, in each version of HTTP.
static struct wire {
    char head[256], chunk[EVENT_SIZE + 32], ending[sizeof END + 32];
    size_t head_size, chunk_size, ending_size, digits_at;
} http1, http2;
#ifdef WITH_TLS
static SSL_CTX *context;
#endif

// -- the heap of what is due -------------------------------------------------------------------------------------------

static void put(size_t place, struct stream *stream)
{
    heap[place] = stream;
    stream->place = place;
}

static void sift(struct stream *stream, size_t place)
{
    for (; place > 1 && heap[place / 2]->due > stream->due; place /= 2)
        put(place, heap[place / 2]);
    for (size_t child; (child = 2 * place) <= waiting; place = child) {
        if (child < waiting && heap[child + 1]->due < heap[child]->due)
            child++;
        if (heap[child]->due >= stream->due)
            break;
        put(place, heap[child]);
    }
    put(place, stream);
}

static void plan(struct stream *stream, int64_t due)
{
    stream->due = due;
    if (!stream->place) {
        if (++waiting >= heap_room) {
            heap_room = heap_room ? 2 * heap_room : 4096;
            heap = realloc(heap, heap_room * sizeof *heap);
        }
        stream->place = waiting;
    }
    sift(stream, stream->place);
}

static void unplan(struct stream *stream)
{
    size_t place = stream->place;
    if (!place)
        return;
    stream->place = 0;
    struct stream *last = heap[waiting--];
    if (last != stream)
        sift(last, place);
}

// -- one stream --------------------------------------------------------------------------------------------------------

static void drop(struct stream *stream)
{
    if (!stream->ended)
        note(&events, stream->number, GONE, now_ns(), 0, 0);
    unplan(stream);
#ifdef WITH_TLS
    if (stream->tls)
        SSL_free(stream->tls);
#endif
    close(stream->fd);
    free(stream->request);
    free(stream);
}

static bool put_out(struct stream *stream, int64_t number, const char *data, size_t size)
{
    int64_t before = now_ns();
    ssize_t sent;
#ifdef WITH_TLS
    if (stream->tls)
        sent = SSL_write(stream->tls, data, (int)size);
    else
#endif
        sent = send(stream->fd, data, size, MSG_NOSIGNAL);
    int64_t after = now_ns();
    note(&events, stream->number, number, stream->due, before, after);
    return sent == (ssize_t)size;
}

static void finish(struct stream *stream)
{
    stream->ended = true;
#ifdef WITH_TLS
    if (stream->tls)
        SSL_shutdown(stream->tls);
#endif
    shutdown(stream->fd, SHUT_WR);
}

// Write what is due; the stream is gone when that fails.
static void fire(struct stream *stream)
{
    struct wire *wire = stream->http2 ? &http2 : &http1;
    int64_t number = stream->next++;
    if (number > stream->chunks) {
        unplan(stream);
        if (put_out(stream, number, wire->ending, wire->ending_size))
            finish(stream);
        else
            drop(stream);
        return;
    }
    for (int at = 6, left = (int)number; at >= 0; at--, left /= 10)
        wire->chunk[wire->digits_at + at] = (char)('0' + left % 10);
    if (put_out(stream, number, wire->chunk, wire->chunk_size))
        plan(stream, stream->start + stream->first + number * stream->gap);
    else
        drop(stream);
}

static int64_t asked_for(const char *request, const char *name, int64_t otherwise)
{
    const char *end = strstr(request, "\r\n");
    const char *found = strstr(request, name);
    return found && found < end ? atoll(found + strlen(name)) : otherwise;
}

static void keep_id(struct stream *stream)
{
    const char *found = strcasestr(stream->request, "\r\nx-request-id:");
    if (!found)
        return;
    for (found += 15; *found == ' '; found++)
        continue;
    size_t length = strcspn(found, "\r");
    snprintf(ids[stream->number], ID_ROOM, "%.*s", (int)(length < ID_ROOM ? length : ID_ROOM - 1), found);
}

// Whether a request in HTTP/2 is whole; if so, what matters of it is put down as HTTP/1.1 says it.
static bool translated(struct stream *stream)
{
    char path[512] = "", id[512] = "";
    if (!http2_request(stream->request, stream->got, path, id, sizeof path))
        return false;
    snprintf(stream->request, REQUEST_ROOM, "POST %s HTTP/2\r\nX-Request-ID: %s\r\n\r\n", path, id);
    return true;
}

static bool whole(struct stream *stream)
{
    stream->http2 = !strncmp(stream->request, PREFACE, PREFACE_SIZE);
    const char *body = strstr(stream->request, "\r\n\r\n");
    const char *length = strcasestr(stream->request, "\r\ncontent-length:");
    if (stream->http2)
        return translated(stream);
    return body && stream->got >= (size_t)(body + 4 - stream->request) + (length ? (size_t)atoll(length + 17) : 0);
}

static void begin(struct stream *stream, int64_t stamp, int64_t read_at)
{
    stream->asked = true;
    stream->start = stream->due = read_at;
    stream->first = asked_for(stream->request, "first=", 200000) * 1000;
    stream->gap = asked_for(stream->request, "gap=", 40000) * 1000;
    stream->chunks = asked_for(stream->request, "&n=", 50);
    stream->next = 1;
    note(&events, stream->number, REQUESTED, stamp, read_at, 0);
    keep_id(stream);
    const struct wire *wire = stream->http2 ? &http2 : &http1;
    if (stream->http2 && stream->chunks * (int64_t)EVENT_SIZE + (int64_t)sizeof END > LEAST_WINDOW) {
        fprintf(stderr, "truth: over HTTP/2 an answer has at most %d bytes\n", LEAST_WINDOW);
        drop(stream);
    } else if (put_out(stream, 0, wire->head, wire->head_size))
        plan(stream, stream->start + stream->first);
    else
        drop(stream);
}

// Return how many bytes came, 0 when the peer has gone, -1 when there is nothing now.
static ssize_t take(struct stream *stream, char *into, size_t room, int64_t *stamp)
{
    *stamp = 0;
#ifdef WITH_TLS
    if (stream->tls) {
        char sealed[2 * REQUEST_ROOM]; // OpenSSL reads past our stamps: they are looked at before it does
        if (stamped_receive(stream->fd, sealed, sizeof sealed, MSG_PEEK | MSG_DONTWAIT, stamp) < 0)
            *stamp = 0;
        int count = SSL_read(stream->tls, into, (int)room);
        if (count > 0)
            return count;
        int error = SSL_get_error(stream->tls, count);
        return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? -1 : 0;
    }
#endif
    ssize_t count = stamped_receive(stream->fd, into, room, 0, stamp);
    return count < 0 && errno != EAGAIN && errno != EINTR ? 0 : count;
}

#ifdef WITH_TLS
static bool shake(struct stream *stream)
{
    int done = SSL_accept(stream->tls);
    if (done == 1) {
        stream->shaking = false;
        return true;
    }
    int error = SSL_get_error(stream->tls, done);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        drop(stream);
    return false;
}
#endif

static void readable(struct stream *stream)
{
#ifdef WITH_TLS
    if (stream->shaking && !shake(stream))
        return;
#endif
    char rest[512];
    int64_t stamp;
    bool more = !stream->asked;
    ssize_t count = more ? take(stream, stream->request + stream->got, REQUEST_ROOM - stream->got, &stamp)
                         : take(stream, rest, sizeof rest, &stamp);
    int64_t read_at = now_ns();
    if (count < 0)
        return;
    if (count == 0) {
        drop(stream);
        return;
    }
    if (!more)
        return;
    stream->got += (size_t)count;
    stream->request[stream->got] = 0;
    if (whole(stream))
        begin(stream, stamp, read_at);
}

// -- connections -------------------------------------------------------------------------------------------------------

static void number_it(struct stream *stream)
{
    if (connections == ids_room) {
        ids_room = ids_room ? 2 * ids_room : 16384;
        ids = realloc(ids, (size_t)ids_room * sizeof *ids);
    }
    stream->number = connections++;
    ids[stream->number][0] = 0;
}

static void welcome(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
    struct stream *stream = calloc(1, sizeof *stream);
    stream->fd = fd;
    stream->request = malloc(REQUEST_ROOM + 1);
    number_it(stream);
    note(&events, stream->number, ACCEPTED, now_ns(), 0, 0);
#ifdef WITH_TLS
    if (context) {
        stream->tls = SSL_new(context);
        SSL_set_fd(stream->tls, fd);
        stream->shaking = true;
    }
#endif
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = stream};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &wanted);
}

static int listen_anywhere(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (bind(fd, (struct sockaddr *)&address, size) || listen(fd, 4096) || getsockname(fd, (struct sockaddr *)&address, &size)) {
        perror("truth: listen");
        exit(1);
    }
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, fd, &wanted);
    printf("%d %zu %zu\n", ntohs(address.sin_port), EVENT_SIZE, WIRE_SIZE);
    fflush(stdout);
    return fd;
}

// -- the loop ----------------------------------------------------------------------------------------------------------

// One at a time: of several, the second may belong to a stream that the first or what was due has dropped.
static int wait_for(struct epoll_event *found)
{
    int64_t left = waiting ? heap[1]->due - now_ns() : BILLION;
    if (left <= SPIN_NS)
        return epoll_wait(poller, found, 1, 0);
    left = left > BILLION ? BILLION : left - SPIN_NS;
    struct timespec timeout = {left / BILLION, left % BILLION};
    return epoll_pwait2(poller, found, 1, &timeout, NULL);
}

static void serve(int listener)
{
    struct epoll_event found;
    while (!stopped) {
        if (wait_for(&found) > 0) {
            if (found.data.ptr)
                readable(found.data.ptr);
            else
                welcome(listener);
        }
        for (int most = 64; most && waiting && heap[1]->due <= now_ns(); most--)
            fire(heap[1]);
    }
}

static void prepare(void)
{
    http1.head_size = (size_t)snprintf(http1.head, sizeof http1.head, "%s", HEAD);
    http1.chunk_size = (size_t)snprintf(http1.chunk, sizeof http1.chunk, "%02zx\r\n%s\r\n", EVENT_SIZE, EVENT);
    http1.digits_at = 4 + sizeof EVENT_FRONT - 1;
    http1.ending_size = (size_t)snprintf(http1.ending, sizeof http1.ending, "%zx\r\n%s\r\n0\r\n\r\n", sizeof END - 1, END);
    grow_tree();
    http2.head_size = http2_answer_head(http2.head);
    http2.digits_at = frame_head(http2.chunk, EVENT_SIZE, DATA, 0, 1) + sizeof EVENT_FRONT - 1;
    http2.chunk_size = FRAME_HEAD + (size_t)snprintf(http2.chunk + FRAME_HEAD, EVENT_SIZE + 1, "%s", EVENT);
    frame_head(http2.ending, sizeof END - 1, DATA, END_STREAM, 1);
    http2.ending_size = FRAME_HEAD + (size_t)snprintf(http2.ending + FRAME_HEAD, sizeof END, "%s", END);
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    prctl(PR_SET_TIMERSLACK, 1);
    poller = epoll_create1(EPOLL_CLOEXEC);
}

static void secure(int count, char **arguments)
{
#ifdef WITH_TLS
    if (count < 4)
        return;
    context = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate_chain_file(context, arguments[2]) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, arguments[3], SSL_FILETYPE_PEM) != 1) {
        fprintf(stderr, "truth: certificate or key cannot be used\n");
        exit(1);
    }
#else
    (void)arguments;
    if (count >= 4) {
        fprintf(stderr, "truth: built without TLS\n");
        exit(1);
    }
#endif
}

static void store_ids(const char *path)
{
    char name[4096];
    snprintf(name, sizeof name, "%s.ids", path);
    FILE *file = fopen(name, "w");
    for (int64_t at = 0; file && at < connections; at++)
        fprintf(file, "%s\n", ids[at]);
    if (file)
        fclose(file);
}

static void stop(int number)
{
    (void)number;
    stopped = 1;
}

int main(int count, char **arguments)
{
    if (count != 2 && count != 4) {
        fprintf(stderr, "usage: truth LOG [CERTIFICATE KEY]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    prepare();
    secure(count, arguments);
    serve(listen_anywhere());
    store_ids(arguments[1]);
    return store(&events, arguments[1]) ? 1 : 0;
}
