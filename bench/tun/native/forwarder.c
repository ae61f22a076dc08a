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
 *     forwarder THREADS POD-NETNS IFNAME LOCAL REMOTE LABEL-OUT LABEL-IN ROUTE
 *
 * THREADS is 2, one a direction, or 1, which takes turns.
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

int tun, receiver, senders[SOCKETS];
uint32_t label_out, label_in, remote_address;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

/* ── threads ── */

__attribute__((noreturn)) static void *run_out(void *unused) {
  (void)unused;
  struct pollfd waiting = {.fd = tun, .events = POLLIN};
  for (;;)
    if (!turn_out()) poll(&waiting, 1, -1);
}

__attribute__((noreturn)) static void run_in(void) {
  struct pollfd waiting = {.fd = receiver, .events = POLLIN};
  for (;;)
    if (!turn_in()) poll(&waiting, 1, -1);
}

__attribute__((noreturn)) static void run_both(void) {
  struct pollfd waiting[2] = {{.fd = tun, .events = POLLIN}, {.fd = receiver, .events = POLLIN}};
  for (;;) {
    int more_out = turn_out(), more_in = turn_in();
    if (!more_out && !more_in) poll(waiting, 2, -1);
  }
}

/* ── set up ── */

static int open_tun(const char *netns, const char *name) {
  int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), there = open(netns, O_RDONLY | O_CLOEXEC);
  if (here < 0 || there < 0 || setns(there, CLONE_NEWNET) < 0) fail(netns);
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
  if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0) fail("TUNSETIFF");
  if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)(TUN_F_CSUM | TUN_F_TSO4)) < 0) fail("TUNSETOFFLOAD");
  if (setns(here, CLONE_NEWNET) < 0) fail("setns");
  return fd;
}

static int open_udp(uint32_t local, uint16_t port) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), queue = QUEUE, discover = IP_PMTUDISC_DO;
  struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = local};
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &queue, sizeof queue);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &queue, sizeof queue);
  setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof discover);
  if (bind(fd, (struct sockaddr *)&name, sizeof name) < 0) fail("bind");
  return fd;
}

int main(int count, char **words) {
  int threads = count == 9 ? atoi(words[1]) : 0;
  if (threads != 1 && threads != 2)
    return fprintf(stderr, "%s THREADS POD-NETNS IFNAME LOCAL REMOTE LABEL-OUT LABEL-IN ROUTE\n", words[0]), 2;
  uint32_t local = inet_addr(words[4]);
  remote_address = inet_addr(words[5]);
  label_out = (uint32_t)atoi(words[6]);
  label_in = (uint32_t)atoi(words[7]);
  add_route(ntohl(inet_addr(words[8])), 1);
  tun = open_tun(words[2], words[3]);
  receiver = open_udp(local, PORT);
  int on = 1;
  if (setsockopt(receiver, IPPROTO_UDP, UDP_GRO, &on, sizeof on) < 0) fail("UDP_GRO");
  struct sockaddr_in far = {.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = remote_address};
  for (int k = 0; k < SOCKETS; k++) {
    senders[k] = open_udp(local, (uint16_t)(50000 + k));
    if (connect(senders[k], (struct sockaddr *)&far, sizeof far) < 0) fail("connect");
  }
  begin_out();
  begin_in();
  puts("ready");
  fflush(stdout);
  if (threads == 1) run_both();
  pthread_t out;
  if (pthread_create(&out, NULL, run_out, NULL)) fail("thread");
  run_in();
}
