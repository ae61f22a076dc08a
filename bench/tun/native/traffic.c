/*
 * Traffic of `npm run bench:tun`: streams, request and response, small packets, and their counts. Each command runs in the namespace that it is
 * started in and writes one line.
 *
 *     traffic tcp-serve PORT                                     serves until killed: takes streams, answers requests
 *     traffic tcp-blast ADDRESS PORT STREAMS SECONDS             → octets that arrived, seconds
 *     traffic tcp-ask ADDRESS PORT SECONDS                       → round trips, p50 and p99 in microseconds
 *     traffic udp-blast ADDRESS PORT OCTETS FLOWS SECONDS RATE   → datagrams sent, seconds; OCTETS of the IP packet; RATE per second, 0: as fast as it goes
 *     traffic label-blast ADDRESS LABEL INNER-FROM INNER-TO OCTETS FLOWS SECONDS  → datagrams sent: MPLS over UDP, FLOWS inner flows
 *     traffic udp-count PORT SECONDS [MIB]                       → datagrams that arrived, seconds from the first to the last; MIB of room for those that wait
 *
 * SIGTERM ends udp-blast and udp-count before their time; what counts takes what is still under way.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 128 << 10, BATCH = 64, QUIET_MS = 1000, MPLS_PORT = 6635, BLAST = 'B', ASK = 'A' };

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static struct sockaddr_in end_of(const char *address, int port) {
  struct sockaddr_in end = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  if (inet_pton(AF_INET, address, &end.sin_addr) != 1) fail(address);
  return end;
}

static int tcp_socket(void) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
  if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) < 0) fail("TCP_CONGESTION");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

static int tcp_connect(const char *address, int port, char kind) {
  struct sockaddr_in end = end_of(address, port);
  int fd = tcp_socket();
  if (connect(fd, (struct sockaddr *)&end, sizeof end) < 0) fail("connect");
  if (write(fd, &kind, 1) != 1) fail("write");
  return fd;
}

/* ── serving ── */

static void *serve(void *argument) {
  int fd = (int)(intptr_t)argument;
  char kind, *buffer = malloc(CHUNK);
  uint64_t total = 0;
  ssize_t size;
  if (read(fd, &kind, 1) == 1) {
    while ((size = read(fd, buffer, CHUNK)) > 0) {
      total += (uint64_t)size;
      if (kind == ASK && write(fd, buffer, (size_t)size) < 0) break;
    }
    if (kind == BLAST && write(fd, &total, sizeof total) < 0) perror("write");
  }
  free(buffer);
  close(fd);
  return NULL;
}

__attribute__((noreturn)) static int tcp_serve(int port) {
  int fd = tcp_socket(), on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in end = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  if (bind(fd, (struct sockaddr *)&end, sizeof end) < 0 || listen(fd, 64) < 0) fail("listen");
  puts("ready");
  fflush(stdout);
  for (;;) {
    int peer = accept(fd, NULL, NULL);
    pthread_t thread;
    if (peer < 0 || pthread_create(&thread, NULL, serve, (void *)(intptr_t)peer)) fail("accept");
    pthread_detach(thread);
  }
}

/* ── streams ── */

struct stream {
  pthread_t thread;
  const char *address;
  int port;
  double seconds;
  uint64_t arrived;
};

static void *blast(void *argument) {
  struct stream *stream = argument;
  int fd = tcp_connect(stream->address, stream->port, BLAST);
  char *buffer = calloc(1, CHUNK);
  for (double end = now() + stream->seconds; now() < end;)
    if (write(fd, buffer, CHUNK) < 0) fail("write");
  shutdown(fd, SHUT_WR);
  if (recv(fd, &stream->arrived, sizeof stream->arrived, MSG_WAITALL) != sizeof stream->arrived) fail("the answer of the server");
  close(fd);
  free(buffer);
  return NULL;
}

static int tcp_blast(const char *address, int port, int streams, double seconds) {
  struct stream all[64];
  uint64_t arrived = 0;
  double start = now();
  for (int k = 0; k < streams; k++) {
    all[k] = (struct stream){.address = address, .port = port, .seconds = seconds};
    if (pthread_create(&all[k].thread, NULL, blast, &all[k])) fail("thread");
  }
  for (int k = 0; k < streams; k++) pthread_join(all[k].thread, NULL), arrived += all[k].arrived;
  return printf("%llu %.6f\n", (unsigned long long)arrived, now() - start), 0;
}

/* ── request and response ── */

static int compare(const void *a, const void *b) {
  double left = *(const double *)a, right = *(const double *)b;
  return (left > right) - (left < right);
}

static int tcp_ask(const char *address, int port, double seconds) {
  enum { MOST = 1 << 20 };
  double *times = malloc(MOST * sizeof *times), begin = now(), sent = begin;
  int fd = tcp_connect(address, port, ASK), count = 0;
  char octet = 0;
  while (count < MOST && sent < begin + seconds) {
    sent = now();
    if (write(fd, &octet, 1) != 1 || read(fd, &octet, 1) != 1) fail("ask");
    times[count++] = (now() - sent) * 1e6;
  }
  qsort(times, (size_t)count, sizeof *times, compare);
  return printf("%d %.2f %.2f\n", count, times[count / 2], times[(int)((double)count * 0.99)]), 0;
}

/* ── datagrams ── */

static volatile sig_atomic_t ended;

static void end(int number) {
  (void)number;
  ended = 1;
}

static int udp_socket(void) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), queue = 4 << 20;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &queue, sizeof queue);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &queue, sizeof queue);
  return fd;
}

static int udp_blast(const char *address, int port, int octets, int flows, double seconds, double rate) {
  struct sockaddr_in end = end_of(address, port);
  static uint8_t payload[1500];
  int sockets[256];
  for (int k = 0; k < flows; k++) {
    sockets[k] = udp_socket();
    if (connect(sockets[k], (struct sockaddr *)&end, sizeof end) < 0) fail("connect");
  }
  /* Its clock goes beside whatever takes all of a processor, where the kernel lets it. */
  if (rate > 0) sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 1});
  uint64_t sent = 0;
  double start = now(), time;
  while (!ended && (time = now()) < start + seconds) {
    /* One datagram a flow in turn: what follows each other is of different flows. */
    if (rate > 0 && (double)sent > (time - start) * rate) {
      usleep(50);
      continue;
    }
    /* At a rate, what the kernel does not take is lost as well. */
    for (int k = 0; k < flows; k++) sent += send(sockets[k], payload, (size_t)octets - 28, rate > 0 ? 0 : MSG_DONTWAIT) >= 0 || rate > 0;
  }
  return printf("%llu %.6f\n", (unsigned long long)sent, now() - start), 0;
}

static void put16(uint8_t *at, uint32_t value) { at[0] = (uint8_t)(value >> 8), at[1] = (uint8_t)value; }

static uint16_t checksum(const uint8_t *bytes, int length) {
  uint32_t total = 0;
  for (int at = 0; at < length; at += 2) total += (uint32_t)(bytes[at] << 8 | bytes[at + 1]);
  while (total >> 16) total = (total & 0xffff) + (total >> 16);
  return (uint16_t)~total;
}

/* Inner flows take turns in each message, which UDP_SEGMENT cuts into BATCH datagrams. */
static int label_blast(const char *address, int label, const char *from, const char *to, int octets, int flows, double seconds) {
  struct sockaddr_in end = end_of(address, MPLS_PORT), source = end_of(from, 0), target = end_of(to, 0);
  static uint8_t octet_row[BATCH * 1504];
  int datagram = octets + 4, fd = udp_socket(), size = datagram;
  for (int k = 0; k < BATCH; k++) {
    uint8_t *at = octet_row + k * datagram, *ip = at + 4, *udp = ip + 20;
    put16(at, (uint32_t)label >> 4);
    put16(at + 2, (uint32_t)label << 12 | 1 << 8 | 64);
    memcpy(ip, (uint8_t[]){0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17}, 10);
    put16(ip + 2, (uint32_t)octets);
    memcpy(ip + 12, &source.sin_addr, 4);
    memcpy(ip + 16, &target.sin_addr, 4);
    put16(ip + 10, checksum(ip, 20));
    put16(udp, 20000u + (uint32_t)(k % flows));
    put16(udp + 2, 9);
    put16(udp + 4, (uint32_t)octets - 20);
  }
  if (connect(fd, (struct sockaddr *)&end, sizeof end) < 0) fail("connect");
  if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size) < 0) fail("UDP_SEGMENT");
  uint64_t sent = 0;
  for (double stop = now() + seconds; now() < stop;) sent += send(fd, octet_row, (size_t)(BATCH * datagram), 0) > 0 ? BATCH : 0;
  return printf("%llu\n", (unsigned long long)sent), 0;
}

static int udp_count(int port, double seconds, int room) {
  int fd = udp_socket(), on = 1;
  if (room > 0 && setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0) fail("SO_RCVBUFFORCE");
  struct sockaddr_in end = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&end, sizeof end) < 0) fail("bind");
  puts("ready");
  fflush(stdout);
  static struct mmsghdr messages[BATCH];
  static struct iovec vectors[BATCH];
  static char controls[BATCH][CMSG_SPACE(sizeof(int))], rest[BATCH][64];
  uint64_t count = 0;
  double first = 0, last = 0, stop = now() + seconds;
  struct pollfd waiting = {.fd = fd, .events = POLLIN};
  while (now() < stop) {
    int last_look = ended, ready = poll(&waiting, 1, last_look ? QUIET_MS : 50);
    if (ready == 0 && last_look) break;
    if (ready <= 0) continue;
    for (int k = 0; k < BATCH; k++) {
      vectors[k] = (struct iovec){rest[k], sizeof rest[k]};
      messages[k].msg_hdr =
        (struct msghdr){.msg_iov = &vectors[k], .msg_iovlen = 1, .msg_control = controls[k], .msg_controllen = sizeof controls[k]};
    }
    int got = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT | MSG_TRUNC, NULL);
    if (got <= 0) continue;
    last = now();
    if (first == 0) first = last;
    for (int k = 0; k < got; k++) {
      struct cmsghdr *at = CMSG_FIRSTHDR(&messages[k].msg_hdr);
      uint32_t size = at && at->cmsg_type == UDP_GRO ? (uint32_t) * (int *)CMSG_DATA(at) : messages[k].msg_len;
      count += size == 0 ? 1 : (messages[k].msg_len + size - 1) / size;
    }
  }
  return printf("%llu %.6f\n", (unsigned long long)count, last - first), 0;
}

static int usage(const char *name) { return fprintf(stderr, "%s COMMAND …, see the head of traffic.c\n", name), 2; }

int main(int count, char **words) {
  const char *command = count > 1 ? words[1] : "";
  if (!strncmp(command, "udp-", 4)) signal(SIGTERM, end);
  if (!strcmp(command, "tcp-serve") && count == 3) return tcp_serve(atoi(words[2]));
  if (!strcmp(command, "tcp-blast") && count == 6) return tcp_blast(words[2], atoi(words[3]), atoi(words[4]), atof(words[5]));
  if (!strcmp(command, "tcp-ask") && count == 5) return tcp_ask(words[2], atoi(words[3]), atof(words[4]));
  if (!strcmp(command, "udp-blast") && count == 8)
    return udp_blast(words[2], atoi(words[3]), atoi(words[4]), atoi(words[5]), atof(words[6]), atof(words[7]));
  if (!strcmp(command, "label-blast") && count == 9)
    return label_blast(words[2], atoi(words[3]), words[4], words[5], atoi(words[6]), atoi(words[7]), atof(words[8]));
  if (!strcmp(command, "udp-count") && count == 4) return udp_count(atoi(words[2]), atof(words[3]), 0);
  if (!strcmp(command, "udp-count") && count == 5) return udp_count(atoi(words[2]), atof(words[3]), atoi(words[4]) << 20);
  return usage(words[0]);
}
