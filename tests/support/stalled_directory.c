/*
 * A file system that stalls: mounts FUSE over a directory and never answers a
 * request of the kernel but the first, INIT. Every stat or open of a path below
 * the directory then waits, as on a network file system whose server is gone.
 *
 * Usage: stalled_directory DIRECTORY TRIGGER
 *
 * It waits until the file TRIGGER exists, mounts, writes "stalled", and ends
 * with its parent process, by a signal, or after 2 minutes. Requests are left
 * in the queue of /dev/fuse, so that the processes that wait can be killed. The
 * kernel aborts all of them when this program ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#define LIFETIME_SECONDS 120
#define POLL_MICROSECONDS 20000

static void fail(const char *what) {
  fprintf(stderr, "stalled_directory: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void answer_init(int fuse) {
  static union {
    char bytes[1 << 16];
    struct {
      struct fuse_in_header header;
      struct fuse_init_in init;
    } message;
  } request;
  struct {
    struct fuse_out_header header;
    struct fuse_init_out init;
  } reply;
  if (read(fuse, &request, sizeof request) < 0) fail("read");
  if (request.message.header.opcode != FUSE_INIT) {
    errno = EPROTO;
    fail("first request");
  }
  memset(&reply, 0, sizeof reply);
  reply.header.len = sizeof reply;
  reply.header.unique = request.message.header.unique;
  reply.init.major = FUSE_KERNEL_VERSION;
  reply.init.minor = FUSE_KERNEL_MINOR_VERSION;
  reply.init.max_write = 4096;
  if (write(fuse, &reply, sizeof reply) < 0) fail("write");
}

int main(int count, char **arguments) {
  char options[128];
  int fuse;

  if (count != 3) {
    fprintf(stderr, "usage: stalled_directory DIRECTORY TRIGGER\n");
    return 2;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  alarm(LIFETIME_SECONDS);
  while (access(arguments[2], F_OK) != 0) usleep(POLL_MICROSECONDS);
  fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (fuse < 0) fail("/dev/fuse");
  snprintf(options, sizeof options,
           "fd=%d,rootmode=40755,user_id=0,group_id=0,allow_other", fuse);
  if (mount("stalled", arguments[1], "fuse", MS_NOSUID | MS_NODEV, options)) {
    fail("mount");
  }
  answer_init(fuse);
  puts("stalled");
  fflush(stdout);
  for (;;) pause();
}
