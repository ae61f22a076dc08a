/*
 * The yardstick of `npm run bench:tun`: the least forwarder of the shape of @heddle/dataplane-tun, in C.
 *
 *     pod ─ TUN (virtio-net header, TSO) ─ [forwarder-out.c] ─ 16 UDP sockets, UDP_SEGMENT ─ underlay
 *     pod ─ TUN ───────────────────────── [forwarder-in.c] ─── UDP 6635, UDP_GRO ────────── underlay
 *
 * One endpoint, one peer, one label each way, a 16-8-8 trie for the lookup; no counters, policies, other encapsulations, IPv6, or path MTU. A
 * large segment from the TUN is one decision: its packets' headers are made in a row of small buffers, payload is sent from where it was read.
 * The way back joins datagrams of one message that continue each other, after their checksums were verified.
 *
 *     forwarder SHAPE POD-NETNS IFNAME LOCAL REMOTE LABEL-OUT LABEL-IN ROUTE
 *
 * SHAPE says what threads there are: `directions`, as Heddle has them, one out and one in; `one` for both; `flows`, two that each have some of
 * the flows, both ways, by a queue of the TUN and a socket of their own among which the kernel spreads flows.
 * Runs in the underlay's namespace; the TUN is made in POD-NETNS. Writes "ready" when it forwards.
 */
#define _GNU_SOURCE
#include "forwarder.h"
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/udp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

_Thread_local int tun, receiver;
int senders[SOCKETS];
uint32_t label_out, label_in, remote_address;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

/* ── threads ── */

struct thread {
  int tun, receiver;
  /* Directions that it takes turns with. */
  int out, in;
};

__attribute__((noreturn)) static void *run(void *argument) {
  const struct thread *mine = argument;
  tun = mine->tun, receiver = mine->receiver;
  begin_out();
  begin_in();
  struct pollfd waiting[2] = {{.fd = mine->out ? tun : -1, .events = POLLIN}, {.fd = mine->in ? receiver : -1, .events = POLLIN}};
  for (;;) {
    int more = mine->out && turn_out();
    if (mine->in && turn_in()) more = 1;
    if (!more) poll(waiting, 2, -1);
  }
}

/* ── set up ── */

static int open_tun(const char *netns, const char *name, int shared) {
  int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), there = open(netns, O_RDONLY | O_CLOEXEC);
  if (here < 0 || there < 0 || setns(there, CLONE_NEWNET) < 0) fail(netns);
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  struct ifreq request = {.ifr_flags = (short)(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | (shared ? IFF_MULTI_QUEUE : 0))};
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
  if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0) fail("TUNSETIFF");
  if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)(TUN_F_CSUM | TUN_F_TSO4)) < 0) fail("TUNSETOFFLOAD");
  if (setns(here, CLONE_NEWNET) < 0) fail("setns");
  return fd;
}

static int open_udp(uint32_t local, uint16_t port, int shared) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), queue = QUEUE, discover = IP_PMTUDISC_DO;
  struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = local};
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &shared, sizeof shared);
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &queue, sizeof queue);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &queue, sizeof queue);
  setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof discover);
  if (bind(fd, (struct sockaddr *)&name, sizeof name) < 0) fail("bind");
  return fd;
}

static int open_receiver(uint32_t local, int shared) {
  int fd = open_udp(local, PORT, shared), on = 1;
  if (setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on) < 0) fail("UDP_GRO");
  return fd;
}

int main(int count, char **words) {
  const char *shape = count == 9 ? words[1] : "";
  int one = !strcmp(shape, "one"), flows = !strcmp(shape, "flows");
  if (!one && !flows && strcmp(shape, "directions") != 0)
    return fprintf(stderr, "%s SHAPE POD-NETNS IFNAME LOCAL REMOTE LABEL-OUT LABEL-IN ROUTE\n", words[0]), 2;
  uint32_t local = inet_addr(words[4]);
  remote_address = inet_addr(words[5]);
  label_out = (uint32_t)atoi(words[6]);
  label_in = (uint32_t)atoi(words[7]);
  add_route(ntohl(inet_addr(words[8])), 1);
  struct sockaddr_in far = {.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = remote_address};
  for (int k = 0; k < SOCKETS; k++) {
    senders[k] = open_udp(local, (uint16_t)(50000 + k), 0);
    if (connect(senders[k], (struct sockaddr *)&far, sizeof far) < 0) fail("connect");
  }
  struct thread first = {open_tun(words[2], words[3], flows), open_receiver(local, flows), 1, one || flows};
  struct thread second = {first.tun, first.receiver, 0, 1};
  if (flows) second = (struct thread){open_tun(words[2], words[3], 1), open_receiver(local, 1), 1, 1};
  pthread_t thread;
  if (!one && pthread_create(&thread, NULL, run, &second)) fail("thread");
  puts("ready");
  fflush(stdout);
  run(&first);
}
