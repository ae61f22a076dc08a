/*
 * The yardstick of `npm run bench:tun`: the least forwarder of the shape of @heddle/dataplane-tun, in C.
 *
 *     pod ─ TUN (virtio-net header, TSO) ─ [out thread] ─ 16 UDP sockets, UDP_SEGMENT ─ underlay
 *     pod ─ TUN ───────────────────────── [in thread] ─── UDP 6635, UDP_GRO ────────── underlay
 *
 * One endpoint, one peer, one label each way, a 16-8-8 trie for the lookup; no counters, policies, other encapsulations, IPv6, or path MTU. A
 * large segment from the TUN is one decision: its packets' headers are made in a row of small buffers, payload is sent from where it was read.
 * The way back joins datagrams of one message that continue each other, after their checksums were verified.
 *
 *     forwarder POD-NETNS IFNAME LOCAL REMOTE LABEL-OUT LABEL-IN ROUTE
 *
 * Runs in the underlay's namespace; the TUN is made in POD-NETNS. Writes "ready" when it forwards.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/udp.h>
#include <linux/virtio_net.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
  PORT = 6635,
  SOCKETS = 16,
  BATCH = 64,
  SLOT = 66 * 1024,
  HEADROOM = 64,
  MAX_SEGMENTS = 64,
  MAX_MESSAGE = 65000,
  MAX_HEADER = 4 + 60 + 60,
  QUEUE = 4 << 20
};

static int tun, receiver, senders[SOCKETS];
static uint32_t label_out, label_in, remote_address;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

/* ── checksums ── */

static inline uint16_t get16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }
static inline uint32_t get32(const uint8_t *at) { return (uint32_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3]; }
static inline void put16(uint8_t *at, uint32_t value) { at[0] = value >> 8, at[1] = value; }
static inline void put32(uint8_t *at, uint32_t value) { put16(at, value >> 16), put16(at + 2, value); }

/* Sum of 16-bit words in host order, folded; the compiler makes vectors of the loop. */
static uint32_t sum(const uint8_t *bytes, size_t length) {
  uint64_t total = 0;
  uint32_t word;
  size_t words = length / 4, at;
  for (at = 0; at < words; at++) {
    memcpy(&word, bytes + at * 4, 4);
    total += word;
  }
  for (at = words * 4; at + 1 < length; at += 2) total += (uint32_t)(bytes[at] | bytes[at + 1] << 8);
  if (at < length) total += bytes[at];
  while (total >> 16) total = (total & 0xffff) + (total >> 16);
  return (uint32_t)total;
}

static uint32_t fold(uint32_t total) {
  while (total >> 16) total = (total & 0xffff) + (total >> 16);
  return total;
}

/* Pseudo-header's sum of an IPv4 packet, host order. */
static uint32_t pseudo(const uint8_t *ip, uint32_t transport_length) {
  return fold(sum(ip + 12, 8) + htons(ip[9]) + htons((uint16_t)transport_length));
}

static void finish_ip(uint8_t *ip) {
  uint32_t header = (uint32_t)(ip[0] & 15) * 4;
  ip[10] = ip[11] = 0;
  uint16_t check = (uint16_t)~sum(ip, header);
  memcpy(ip + 10, &check, 2);
}

/* ── lookup: 16-8-8 ── */

static uint32_t root[65536], (*blocks)[256];
static uint32_t used = 1;

static void add_route(uint32_t address, uint32_t value) {
  uint32_t *at = &root[address >> 16];
  for (int shift = 8; shift >= 0; shift -= 8) {
    if (!(*at & 0x80000000u)) *at = 0x80000000u | used++;
    at = &blocks[*at & 0x7fffffff][address >> shift & 255];
  }
  *at = value;
}

static inline uint32_t lookup(uint32_t address) {
  uint32_t entry = root[address >> 16];
  for (int shift = 8; entry & 0x80000000u; shift -= 8) entry = blocks[entry & 0x7fffffff][address >> shift & 255];
  return entry;
}

/* ── out: TUN to underlay ── */

static uint32_t flow_hash(const uint8_t *ip) {
  uint32_t header = (uint32_t)(ip[0] & 15) * 4, hash = get32(ip + 12) * 0x9e3779b1u;
  hash = (hash ^ hash >> 15 ^ get32(ip + 16)) * 0x85ebca6bu;
  if (ip[9] == IPPROTO_TCP || ip[9] == IPPROTO_UDP) hash = (hash ^ hash >> 13 ^ get32(ip + header)) * 0xc2b2ae35u;
  return hash ^ hash >> 16 ^ ip[9];
}

/* Decides about the packet; writes its label before it. Returns the socket, or -1. */
static int decide(uint8_t *ip, size_t length) {
  if (length < 20 || ip[0] >> 4 != 4 || (ip[0] & 15) < 5 || sum(ip, (ip[0] & 15) * 4u) != 0xffff) return -1;
  if (get16(ip + 2) > length || ip[8] <= 1 || !lookup(get32(ip + 16))) return -1;
  ip[8]--;
  uint32_t check = get16(ip + 10) + 0x100u;
  put16(ip + 10, check + (check >> 16));
  put32(ip - 4, label_out << 12 | 1 << 8 | 64);
  return (int)(flow_hash(ip) & (SOCKETS - 1));
}

struct out {
  struct mmsghdr messages[BATCH];
  struct iovec vectors[BATCH * 2 + MAX_SEGMENTS * 2];
  char controls[BATCH][CMSG_SPACE(2)];
  uint8_t headers[MAX_SEGMENTS][MAX_HEADER];
  uint8_t *packets[BATCH];
  size_t lengths[BATCH];
  int sockets[BATCH];
  int waiting;
};

static void segment_control(struct msghdr *message, char *control, uint16_t size) {
  message->msg_control = control;
  message->msg_controllen = CMSG_SPACE(2);
  struct cmsghdr *at = CMSG_FIRSTHDR(message);
  at->cmsg_level = IPPROTO_UDP;
  at->cmsg_type = UDP_SEGMENT;
  at->cmsg_len = CMSG_LEN(2);
  memcpy(CMSG_DATA(at), &size, 2);
}

/* Sends what waits, socket by socket: runs of equal length go as one message. */
static void flush(struct out *out) {
  for (int socket = 0; socket < SOCKETS && out->waiting > 0; socket++) {
    int messages = 0, vectors = 0;
    size_t size = 0, total = 0;
    for (int k = 0; k < out->waiting; k++) {
      if (out->sockets[k] != socket) continue;
      struct msghdr *message = &out->messages[messages > 0 ? messages - 1 : 0].msg_hdr;
      if (messages == 0 || out->lengths[k] != size || total + size > MAX_MESSAGE) {
        message = &out->messages[messages++].msg_hdr;
        *message = (struct msghdr){.msg_iov = &out->vectors[vectors]};
        size = out->lengths[k], total = 0;
      }
      out->vectors[vectors++] = (struct iovec){out->packets[k], size};
      total += size;
      if (++message->msg_iovlen == 2) segment_control(message, out->controls[messages - 1], (uint16_t)size);
    }
    for (int sent = 0; sent < messages;) {
      int now = sendmmsg(senders[socket], out->messages + sent, (unsigned)(messages - sent), MSG_DONTWAIT);
      sent += now > 0 ? now : 1;
    }
  }
  out->waiting = 0;
}

/* One large segment: headers in a row of small buffers, payload from where it is. */
static void send_large(struct out *out, uint8_t *ip, size_t length, uint32_t size, int socket) {
  uint32_t ip_header = (uint32_t)(ip[0] & 15) * 4, header = ip_header + (ip[ip_header + 12] >> 4) * 4u;
  uint32_t sequence = get32(ip + ip_header + 4), id = get16(ip + 4);
  uint8_t flags = ip[ip_header + 13];
  size_t at = header;
  while (at < length) {
    int count = 0;
    size_t total = 0, piece = 0;
    for (; at < length && count < MAX_SEGMENTS; count++) {
      piece = length - at < size ? length - at : size;
      if (total + 4 + header + piece > MAX_MESSAGE) break;
      uint8_t *label = out->headers[count], *copy = label + 4, *tcp = copy + ip_header;
      memcpy(label, ip - 4, 4 + header);
      put16(copy + 2, (uint32_t)(header + piece));
      put16(copy + 4, id++);
      finish_ip(copy);
      put32(tcp + 4, sequence);
      if (at + piece < length) tcp[13] = flags & ~(0x08 | 0x01);
      tcp[16] = tcp[17] = 0;
      uint32_t transport = header - ip_header;
      uint16_t check = (uint16_t)~fold(pseudo(copy, (uint32_t)(transport + piece)) + sum(tcp, transport) + sum(ip + at, piece));
      memcpy(tcp + 16, &check, 2);
      out->vectors[count * 2] = (struct iovec){label, 4 + header};
      out->vectors[count * 2 + 1] = (struct iovec){ip + at, piece};
      at += piece;
      sequence += (uint32_t)piece;
      total += 4 + header + piece;
    }
    struct msghdr message = {.msg_iov = out->vectors, .msg_iovlen = (size_t)count * 2};
    char control[CMSG_SPACE(2)];
    if (count > 1) segment_control(&message, control, (uint16_t)(4 + header + size));
    sendmsg(senders[socket], &message, MSG_DONTWAIT);
  }
}

__attribute__((noreturn)) static void *run_out(void *unused) {
  (void)unused;
  struct out *out = calloc(1, sizeof *out);
  uint8_t *slots = malloc((size_t)BATCH * SLOT);
  struct pollfd waiting = {.fd = tun, .events = POLLIN};
  for (;;) {
    while (out->waiting < BATCH) {
      uint8_t *ip = slots + (size_t)out->waiting * SLOT + HEADROOM;
      struct virtio_net_hdr header;
      struct iovec into[2] = {{&header, sizeof header}, {ip, SLOT - HEADROOM}};
      ssize_t length = readv(tun, into, 2) - (ssize_t)sizeof header;
      if (length < 0) break;
      int socket = decide(ip, (size_t)length);
      if (socket < 0) continue;
      if (header.gso_type != VIRTIO_NET_HDR_GSO_NONE) {
        flush(out);
        send_large(out, ip, (size_t)length, header.gso_size, socket);
        continue;
      }
      if (header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
        uint16_t check = (uint16_t)~sum(ip + header.csum_start, (size_t)length - header.csum_start);
        if (check == 0) check = 0xffff;
        memcpy(ip + header.csum_start + header.csum_offset, &check, 2);
      }
      out->packets[out->waiting] = ip - 4;
      out->lengths[out->waiting] = (size_t)length + 4;
      out->sockets[out->waiting++] = socket;
    }
    if (out->waiting > 0) flush(out);
    else poll(&waiting, 1, -1);
  }
}

/* ── in: underlay to TUN ── */

struct train {
  struct iovec vectors[2 + MAX_SEGMENTS];
  int count;
  uint8_t *ip;
  uint32_t header, size, length, next;
};

static void finish_train(struct train *train) {
  if (train->count == 0) return;
  struct virtio_net_hdr header = {0};
  if (train->count > 2) {
    uint8_t *ip = train->ip;
    uint32_t ip_header = (uint32_t)(ip[0] & 15) * 4;
    put16(ip + 2, train->length);
    finish_ip(ip);
    uint16_t check = (uint16_t)pseudo(ip, train->length - ip_header);
    memcpy(ip + ip_header + 16, &check, 2);
    header = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
                                     .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
                                     .hdr_len = (uint16_t)train->header,
                                     .gso_size = (uint16_t)train->size,
                                     .csum_start = (uint16_t)ip_header,
                                     .csum_offset = 16};
  }
  train->vectors[0] = (struct iovec){&header, sizeof header};
  if (writev(tun, train->vectors, train->count) < 0 && errno != EAGAIN) perror("writev");
  train->count = 0;
}

/* Whether the packet is plain TCP data with a good checksum; its headers' size. */
static uint32_t joinable(const uint8_t *ip, uint32_t length) {
  uint32_t ip_header = (uint32_t)(ip[0] & 15) * 4;
  if (ip[9] != IPPROTO_TCP || ip_header != 20 || (get16(ip + 6) & 0x3fff) || length < ip_header + 20) return 0;
  const uint8_t *tcp = ip + ip_header;
  uint32_t header = ip_header + (tcp[12] >> 4) * 4u;
  if ((tcp[13] & ~0x08) != 0x10 || header >= length) return 0;
  return fold(pseudo(ip, length - ip_header) + sum(tcp, length - ip_header)) == 0xffff ? header : 0;
}

static int continues(const struct train *train, const uint8_t *ip, uint32_t header, uint32_t length) {
  const uint8_t *first = train->ip;
  if (train->header != header || length - header > train->size || train->length + length - header > 65535) return 0;
  if (train->count == 2 + MAX_SEGMENTS || train->vectors[train->count - 1].iov_len < train->size) return 0;
  if (first[1] != ip[1] || first[6] != ip[6] || memcmp(first + 8, ip + 8, 2) || memcmp(first + 12, ip + 12, 12)) return 0;
  if (get32(ip + 24) != train->next || memcmp(first + 28, ip + 28, 4) || memcmp(first + 34, ip + 34, 2)) return 0;
  return memcmp(first + 40, ip + 40, header - 40) == 0 && !(first[33] & 0x08);
}

static void deliver(struct train *train, uint8_t *ip, uint32_t length) {
  if (length < 20 || ip[0] >> 4 != 4 || sum(ip, (ip[0] & 15) * 4u) != 0xffff || get16(ip + 2) > length || ip[8] <= 1) return;
  length = get16(ip + 2);
  ip[8]--;
  uint32_t check = get16(ip + 10) + 0x100u;
  put16(ip + 10, check + (check >> 16));
  uint32_t header = joinable(ip, length);
  if (header && train->count && continues(train, ip, header, length)) {
    train->vectors[train->count++] = (struct iovec){ip + header, length - header};
    train->length += length - header;
    train->next += length - header;
    train->ip[33] |= ip[33];
    return;
  }
  finish_train(train);
  train->vectors[1] = (struct iovec){ip, length};
  train->count = 2;
  if (!header) return finish_train(train);
  train->vectors[1].iov_len = header;
  train->vectors[2] = (struct iovec){ip + header, length - header};
  train->count = 3;
  train->ip = ip;
  train->header = header;
  train->size = length - header;
  train->length = length;
  train->next = get32(ip + 24) + train->size;
}

__attribute__((noreturn)) static void *run_in(void *unused) {
  (void)unused;
  enum { MESSAGES = 32 };
  static struct mmsghdr messages[MESSAGES];
  static struct iovec vectors[MESSAGES];
  static struct sockaddr_in names[MESSAGES];
  static char controls[MESSAGES][CMSG_SPACE(sizeof(int))];
  static struct train train;
  uint8_t *slots = malloc((size_t)MESSAGES * SLOT);
  struct pollfd waiting = {.fd = receiver, .events = POLLIN};
  for (;;) {
    for (int k = 0; k < MESSAGES; k++) {
      vectors[k] = (struct iovec){slots + (size_t)k * SLOT, SLOT};
      messages[k].msg_hdr = (struct msghdr){.msg_name = &names[k],
                                            .msg_namelen = sizeof names[k],
                                            .msg_iov = &vectors[k],
                                            .msg_iovlen = 1,
                                            .msg_control = controls[k],
                                            .msg_controllen = sizeof controls[k]};
    }
    int count = recvmmsg(receiver, messages, MESSAGES, MSG_DONTWAIT, NULL);
    if (count <= 0) {
      poll(&waiting, 1, -1);
      continue;
    }
    for (int k = 0; k < count; k++) {
      uint32_t length = messages[k].msg_len, size = length;
      if (names[k].sin_addr.s_addr != remote_address) continue;
      struct cmsghdr *at = CMSG_FIRSTHDR(&messages[k].msg_hdr);
      if (at && at->cmsg_level == IPPROTO_UDP && at->cmsg_type == UDP_GRO) size = (uint32_t) * (int *)CMSG_DATA(at);
      for (uint8_t *datagram = vectors[k].iov_base; length > 0;) {
        uint32_t part = length < size ? length : size;
        if (part > 4) {
          uint32_t word = get32(datagram);
          if (word >> 12 == label_in && (word & 0x100) && (word & 0xff) > 1) deliver(&train, datagram + 4, part - 4);
        }
        datagram += part;
        length -= part;
      }
    }
    finish_train(&train);
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
  if (count != 8) return fprintf(stderr, "%s POD-NETNS IFNAME LOCAL REMOTE LABEL-OUT LABEL-IN ROUTE\n", words[0]), 2;
  blocks = calloc(64, sizeof *blocks);
  uint32_t local = inet_addr(words[3]);
  remote_address = inet_addr(words[4]);
  label_out = (uint32_t)atoi(words[5]);
  label_in = (uint32_t)atoi(words[6]);
  add_route(ntohl(inet_addr(words[7])), 1);
  tun = open_tun(words[1], words[2]);
  receiver = open_udp(local, PORT);
  int on = 1;
  if (setsockopt(receiver, IPPROTO_UDP, UDP_GRO, &on, sizeof on) < 0) fail("UDP_GRO");
  struct sockaddr_in far = {.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = remote_address};
  for (int k = 0; k < SOCKETS; k++) {
    senders[k] = open_udp(local, (uint16_t)(50000 + k));
    if (connect(senders[k], (struct sockaddr *)&far, sizeof far) < 0) fail("connect");
  }
  pthread_t out, in;
  if (pthread_create(&out, NULL, run_out, NULL) || pthread_create(&in, NULL, run_in, NULL)) fail("thread");
  puts("ready");
  fflush(stdout);
  pthread_join(out, NULL);
}
