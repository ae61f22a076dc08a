/*
 * Frames as fast as a chain of devices takes them (bpf/frames.bpf.c): each is written by a program of XDP in a test run whose frames are live, and goes out by a
 * link of the namespace that this is started in, together with all that follows from it on this processor.
 *
 *     frames OBJECT LINK HEX VARIES FLOWS SECONDS [timed]   → frames that were sent, seconds; the octet at VARIES counts FLOWS flows
 *
 * With `timed` the kernel keeps how long each program of the machine runs, as long as this one does.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_FRAME = 256, BATCH = 64, REPEAT = 64 * 256 };

struct job {
  uint32_t ifindex, length, varies, mask, sent, reserved;
  uint8_t frame[MAX_FRAME];
};

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int count, char **words) {
  int is_timed = count == 8 && !strcmp(words[7], "timed");
  if (count != 7 && !is_timed) return fprintf(stderr, "%s OBJECT LINK HEX VARIES FLOWS SECONDS [timed]\n", words[0]), 2;
  struct job job = {.ifindex = if_nametoindex(words[2]), .varies = (uint32_t)atoi(words[4]) - 1, .mask = (uint32_t)atoi(words[5]) - 1};
  job.length = (uint32_t)strlen(words[3]) / 2;
  if (!job.ifindex) fail(words[2]);
  if (job.length > MAX_FRAME) fail("too long a frame");
  for (uint32_t at = 0; at < job.length; at++)
    if (sscanf(words[3] + at * 2, "%2hhx", &job.frame[at]) != 1) fail(words[3]);
  struct bpf_object *object = bpf_object__open_file(words[1], NULL);
  if (!object || bpf_object__load(object)) fail(words[1]);
  uint32_t zero = 0;
  if (bpf_map_update_elem(bpf_object__find_map_fd_by_name(object, "jobs"), &zero, &job, 0)) fail("jobs");
  int program = bpf_program__fd(bpf_object__find_program_by_name(object, "emit"));
  if (is_timed && bpf_enable_stats(BPF_STATS_RUN_TIME) < 0) fail("BPF_STATS_RUN_TIME");
  uint64_t sent = 0;
  double start = now(), end = start + atof(words[6]), time = start;
  while (time < end) {
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = job.frame, .data_size_in = job.length, .repeat = REPEAT, .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
                .batch_size = BATCH);
    if (bpf_prog_test_run_opts(program, &options)) fail("BPF_F_TEST_XDP_LIVE_FRAMES");
    sent += REPEAT;
    time = now();
  }
  return printf("%llu %.6f\n", (unsigned long long)sent, time - start), 0;
}
