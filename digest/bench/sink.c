/* The far end of the benchmarks: a mail server, or a provider of mail, that takes everything and keeps nothing.
 *
 * usage: sink smtp|http DESCRIPTOR AWAKE
 *
 * DESCRIPTOR is a listening socket; several of these may share it. For AWAKE microseconds after anything came it looks
 * again and again instead of sleeping: waking a sleeper on another core is work that the one who sends would be charged
 * with, and which a far end on another machine does not cost.
 *
 * A byte on standard input asks for the counts: one line of JSON on standard output. The end of standard input ends
 * the program, so it never outlives the benchmark. `faults` counts whatever no client should do, such as a command
 * out of turn (RFC 5321 section 4.1.4), something after DATA before its answer (RFC 2920 section 3.1), or a connection
 * that ends inside a message. sink.py does the same where there is no compiler.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 1 << 18, ANSWERS = 1 << 13, LONGEST = 1 << 14 };

/* Where a connection is. SMTP: before HELO, after it, after MAIL, after RCPT, inside a message. HTTP: before a request,
 * inside one, inside the last one of the connection. */
enum { NEW, READY, MAIL, RCPT, INSIDE, LAST };

struct peer {
    int fd, state, closing;
    unsigned long long size; /* SMTP: bytes of this message so far; HTTP: of its body still to come */
    unsigned long long found; /* HTTP: mails in this body so far */
    size_t have, said;
    char answers[ANSWERS], buffer[ROOM];
};

static unsigned long long messages, bytes, connections, requests, faults;

static void say(struct peer *p, const char *text)
{
    size_t length = strlen(text);
    if (p->said + length > ANSWERS) {
        p->closing = 1; /* nobody sends that many commands at once */
        faults++;
        return;
    }
    memcpy(p->answers + p->said, text, length);
    p->said += length;
}

static void flush(struct peer *p)
{
    size_t sent = 0;
    while (sent < p->said) {
        ssize_t n = send(p->fd, p->answers + sent, p->said - sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            p->closing = 1;
            break;
        }
        sent += (size_t)n;
    }
    p->said = 0;
}

static void refuse(struct peer *p, const char *text)
{
    faults++;
    say(p, text);
}

/* The CR of the CR LF . CR LF that ends a message, or NULL. */
static char *end_of_message(char *from, char *end)
{
    while (end - from >= 5 && (from = memchr(from, '\r', (size_t)(end - from - 4)))) {
        if (memcmp(from, "\r\n.\r\n", 5) == 0)
            return from;
        from++;
    }
    return NULL;
}

static void command(struct peer *p, const char *line, int last)
{
    if (!strncasecmp(line, "EHLO", 4) || !strncasecmp(line, "HELO", 4)) {
        p->state = READY;
        say(p, line[0] == 'E' || line[0] == 'e'
            ? "250-sink.example.org\r\n250-PIPELINING\r\n250-SIZE 31457280\r\n250 8BITMIME\r\n" : "250 sink.example.org\r\n");
    } else if (!strncasecmp(line, "MAIL FROM:<", 11)) {
        if (p->state != READY) {
            refuse(p, "503 5.5.1 MAIL out of turn\r\n");
            return;
        }
        p->state = MAIL;
        say(p, "250 2.1.0 Ok\r\n");
    } else if (!strncasecmp(line, "RCPT TO:<", 9)) {
        if (p->state != MAIL && p->state != RCPT) {
            refuse(p, "503 5.5.1 RCPT out of turn\r\n");
            return;
        }
        p->state = RCPT;
        say(p, "250 2.1.5 Ok\r\n");
    } else if (!strncasecmp(line, "DATA", 4)) {
        if (p->state != RCPT) {
            refuse(p, "503 5.5.1 DATA out of turn\r\n");
            return;
        }
        if (!last)
            faults++;
        p->state = INSIDE;
        p->size = 0;
        say(p, "354 End data with <CR><LF>.<CR><LF>\r\n");
    } else if (!strncasecmp(line, "RSET", 4)) {
        p->state = p->state == NEW ? NEW : READY;
        say(p, "250 2.0.0 Ok\r\n");
    } else if (!strncasecmp(line, "NOOP", 4)) {
        say(p, "250 2.0.0 Ok\r\n");
    } else if (!strncasecmp(line, "QUIT", 4)) {
        say(p, "221 2.0.0 Bye\r\n");
        p->closing = 1;
    } else {
        refuse(p, "502 5.5.2 Unknown command\r\n");
    }
}

/* Takes what the buffer holds; returns how much of it is done with. */
static size_t smtp(struct peer *p)
{
    char *at = p->buffer, *end = p->buffer + p->have;
    char line[64];
    while (!p->closing) {
        if (p->state == INSIDE) {
            char *dot = end_of_message(at, end);
            if (!dot) {
                size_t sure = end - at > 4 ? (size_t)(end - at - 4) : 0;
                p->size += sure;
                return (size_t)(at - p->buffer) + sure;
            }
            p->size += (unsigned long long)(dot - at);
            bytes += p->size; /* the line end before the message was counted, the one before the dot was not */
            messages++;
            p->state = READY;
            at = dot + 5;
            snprintf(line, sizeof line, "250 2.0.0 Ok: queued as %llu\r\n", messages);
            say(p, line);
        } else {
            char *eol = memchr(at, '\n', (size_t)(end - at));
            if (!eol)
                break;
            *eol = 0;
            command(p, at, eol + 1 == end);
            *eol = '\n';
            at = eol + 1;
            if (p->state == INSIDE)
                at -= 2; /* the line end of DATA may be the one before the final dot */
        }
    }
    return (size_t)(at - p->buffer);
}

static void request(struct peer *p, char *head)
{
    char *length = strcasestr(head, "\r\nContent-Length:");
    if (strncmp(head, "POST /v3/mail/send ", 19) || !length) {
        refuse(p, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        p->closing = 1;
        return;
    }
    p->size = strtoull(length + 17, NULL, 10);
    p->found = 0;
    p->state = strcasestr(head, "\r\nConnection: close") ? LAST : INSIDE;
    bytes += p->size;
}

static size_t http(struct peer *p)
{
    char *at = p->buffer, *end = p->buffer + p->have;
    char answer[200];
    while (!p->closing) {
        if (p->state == NEW) {
            char *body = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
            if (!body)
                break;
            body[2] = 0;
            request(p, at);
            at = body + 4;
            continue;
        }
        int whole = (unsigned long long)(end - at) >= p->size;
        char *stop = whole ? at + p->size : end;
        for (char *hit = at; (hit = memmem(hit, (size_t)(stop - hit), "\"did\"", 5)); hit += 5)
            p->found++;
        if (!whole) {
            size_t sure = end - at > 4 ? (size_t)(end - at - 4) : 0; /* a mark may be cut in two */
            p->size -= sure;
            return (size_t)(at - p->buffer) + sure;
        }
        at = stop;
        messages += p->found;
        requests++;
        p->closing = p->state == LAST;
        p->state = NEW;
        snprintf(answer, sizeof answer,
            "HTTP/1.1 202 Accepted\r\nServer: sink\r\nContent-Length: 0\r\nX-Message-Id: sink%018llu\r\nConnection: %s\r\n\r\n",
            requests, p->closing ? "close" : "keep-alive");
        say(p, answer);
    }
    return (size_t)(at - p->buffer);
}

static void drop(struct peer *p)
{
    if (p->state >= INSIDE)
        faults++;
    close(p->fd);
    free(p);
}

static void serve(struct peer *p, size_t (*take)(struct peer *))
{
    ssize_t n = recv(p->fd, p->buffer + p->have, ROOM - p->have, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        drop(p);
        return;
    }
    p->have += (size_t)n;
    size_t done = take(p);
    memmove(p->buffer, p->buffer + done, p->have - done);
    p->have -= done;
    flush(p);
    if (p->have > LONGEST && p->state < INSIDE) {
        faults++; /* no command and no header is that long */
        p->closing = 1;
    }
    if (p->closing)
        drop(p);
}

static void greet(int epoll, int listening, int smtp_too)
{
    int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return; /* another of these was first */
    struct peer *p = malloc(sizeof *p);
    if (!p)
        exit(1);
    p->fd = fd;
    p->state = NEW;
    p->closing = 0;
    p->have = p->said = 0;
    p->size = p->found = 0;
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    connections++;
    if (smtp_too) {
        say(p, "220 sink.example.org ESMTP\r\n");
        flush(p);
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = p};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static int asked(void)
{
    char byte;
    if (read(0, &byte, 1) <= 0)
        return 0;
    printf("{\"messages\": %llu, \"bytes\": %llu, \"connections\": %llu, \"requests\": %llu, \"faults\": %llu}\n",
        messages, bytes, connections, requests, faults);
    fflush(stdout);
    return 1;
}

static long long microseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

/* What came; sleeps for it only when nothing came for `awake` microseconds. */
static int wait_for(int epoll, struct epoll_event *events, int most, long long awake)
{
    static long long last;
    int n = epoll_wait(epoll, events, most, 0);
    if (n == 0) {
        if (microseconds() - last < awake)
            return 0;
        n = epoll_wait(epoll, events, most, -1);
    }
    last = microseconds();
    return n;
}

int main(int count, char **words)
{
    if (count != 4)
        return 2;
    int is_smtp = !strcmp(words[1], "smtp"), listening = atoi(words[2]), epoll = epoll_create1(0);
    long long awake = atoll(words[3]);
    size_t (*take)(struct peer *) = is_smtp ? smtp : http;
    struct epoll_event events[64], event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &event);
    event.events = EPOLLIN | EPOLLEXCLUSIVE;
    event.data.ptr = &listening;
    epoll_ctl(epoll, EPOLL_CTL_ADD, listening, &event);
    for (;;) {
        int n = wait_for(epoll, events, 64, awake);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == NULL) {
                if (!asked())
                    return 0;
            } else if (events[i].data.ptr == &listening) {
                greet(epoll, listening, is_smtp);
            } else {
                serve(events[i].data.ptr, take);
            }
        }
    }
}
