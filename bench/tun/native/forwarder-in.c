/* The way into the pod: underlay to TUN. */
#define _GNU_SOURCE
#include "forwarder.h"
#include <errno.h>
#include <linux/udp.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { MESSAGES = 32 };

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

static _Thread_local struct mmsghdr messages[MESSAGES];
static _Thread_local struct iovec vectors[MESSAGES];
static _Thread_local struct sockaddr_in names[MESSAGES];
static _Thread_local char controls[MESSAGES][CMSG_SPACE(sizeof(int))];
static _Thread_local uint8_t *slots;

void begin_in(void) { slots = malloc((size_t)MESSAGES * SLOT); }

static void take_apart(struct train *train, const struct mmsghdr *message, uint8_t *datagram) {
  uint32_t length = message->msg_len, size = length;
  struct cmsghdr *at = CMSG_FIRSTHDR(&message->msg_hdr);
  if (at && at->cmsg_level == IPPROTO_UDP && at->cmsg_type == UDP_GRO) size = (uint32_t) * (int *)CMSG_DATA(at);
  while (length > 0) {
    uint32_t part = length < size ? length : size;
    if (part > 4) {
      uint32_t word = get32(datagram);
      if (word >> 12 == label_in && (word & 0x100) && (word & 0xff) > 1) deliver(train, datagram + 4, part - 4);
    }
    datagram += part;
    length -= part;
  }
}

int turn_in(void) {
  static _Thread_local struct train train;
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
  for (int k = 0; k < count; k++)
    if (names[k].sin_addr.s_addr == remote_address) take_apart(&train, &messages[k], vectors[k].iov_base);
  finish_train(&train);
  return count > 0;
}
