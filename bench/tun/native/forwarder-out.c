/* The way out of the forwarder: TUN to underlay. */
#define _GNU_SOURCE
#include "forwarder.h"
#include <linux/udp.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* ── lookup: 16-8-8 ── */

static uint32_t root[65536], blocks[64][256];
static uint32_t used = 1;

void add_route(uint32_t address, uint32_t value) {
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

/* ── packets ── */

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

static _Thread_local struct out *out;
static _Thread_local uint8_t *slots;

void begin_out(void) {
  out = calloc(1, sizeof *out);
  slots = malloc((size_t)BATCH * SLOT);
}

int turn_out(void) {
  int more = 1;
  for (int large = 0; out->waiting < BATCH && large < LARGE;) {
    uint8_t *ip = slots + (size_t)out->waiting * SLOT + HEADROOM;
    struct virtio_net_hdr header;
    struct iovec into[2] = {{&header, sizeof header}, {ip, SLOT - HEADROOM}};
    ssize_t length = readv(tun, into, 2) - (ssize_t)sizeof header;
    if (length < 0) {
      more = 0;
      break;
    }
    int socket = decide(ip, (size_t)length);
    if (socket < 0) continue;
    if (header.gso_type != VIRTIO_NET_HDR_GSO_NONE) {
      flush(out);
      send_large(out, ip, (size_t)length, header.gso_size, socket);
      large++;
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
  flush(out);
  return more;
}
