/* What the parts of the forwarder have in common: see forwarder.c. */
#pragma once
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

enum {
  PORT = 6635,
  SOCKETS = 16,
  BATCH = 64,
  /* Large segments in one turn. */
  LARGE = 8,
  SLOT = 66 * 1024,
  HEADROOM = 64,
  MAX_SEGMENTS = 64,
  MAX_MESSAGE = 65000,
  MAX_HEADER = 4 + 60 + 60,
  QUEUE = 4 << 20
};

/* Descriptors, set before the first turn: the thread's queue of the TUN, its socket to receive by, and those that all send by. */
extern _Thread_local int tun, receiver;
extern int senders[SOCKETS];
extern uint32_t label_out, label_in, remote_address;

/* Puts a route into the trie that packets from the TUN are looked up in. */
void add_route(uint32_t address, uint32_t value);

/* Makes the thread's memory for the turns of a direction. */
void begin_out(void), begin_in(void);

/* Forwards what a batch holds; whether there may be more. */
int turn_out(void), turn_in(void);

/* ── octets and checksums ── */

static inline uint16_t get16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }
static inline uint32_t get32(const uint8_t *at) { return (uint32_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3]; }
static inline void put16(uint8_t *at, uint32_t value) { at[0] = value >> 8, at[1] = value; }
static inline void put32(uint8_t *at, uint32_t value) { put16(at, value >> 16), put16(at + 2, value); }

/* Sum of 16-bit words in host order, folded; the compiler makes vectors of the loop. */
static inline uint32_t sum(const uint8_t *bytes, size_t length) {
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

static inline uint32_t fold(uint32_t total) {
  while (total >> 16) total = (total & 0xffff) + (total >> 16);
  return total;
}

/* Pseudo-header's sum of an IPv4 packet, host order. */
static inline uint32_t pseudo(const uint8_t *ip, uint32_t transport_length) {
  return fold(sum(ip + 12, 8) + htons(ip[9]) + htons((uint16_t)transport_length));
}

static inline void finish_ip(uint8_t *ip) {
  uint32_t header = (uint32_t)(ip[0] & 15) * 4;
  ip[10] = ip[11] = 0;
  uint16_t check = (uint16_t)~sum(ip, header);
  memcpy(ip + 10, &check, 2);
}
