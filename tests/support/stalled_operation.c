/*
 * A file system on which one kind of operation stalls: mounts FUSE over a
 * directory, with one file in it, `boot.efi`, of 4 MiB.
 *
 * Usage: stalled_operation DIRECTORY TRIGGER OPERATION...
 *
 * It mounts, writes "mounted", and answers all requests of the kernel until the
 * file TRIGGER exists; from then on none of the OPERATIONs: lookup, getattr, open,
 * read, flush, poll. A process that is killed does not wait any longer: its request is
 * answered when the kernel says that it is interrupted. The program ends with its
 * parent process, by a signal, or after 2 minutes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIFETIME_SECONDS 120
#define FILE_BYTES (4 << 20)
#define FILE_NODE 2
#define FILE_NAME "boot.efi"

static const struct {
  const char *name;
  unsigned opcode;
} OPERATIONS[] = {
    {"lookup", FUSE_LOOKUP}, {"getattr", FUSE_GETATTR}, {"open", FUSE_OPEN},
    {"read", FUSE_READ},     {"flush", FUSE_FLUSH},   {"poll", FUSE_POLL},
};

static int fuse;
static const char *trigger;
static char stalls[256];
static char content[FILE_BYTES];

static void fail(const char *what) {
  fprintf(stderr, "stalled_operation: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void answer(__u64 unique, int error, const void *body, size_t length) {
  static char reply[sizeof(struct fuse_out_header) + FILE_BYTES];
  struct fuse_out_header header;
  header.len = sizeof header + length;
  header.error = -error;
  header.unique = unique;
  memcpy(reply, &header, sizeof header);
  if (length > 0) memcpy(reply + sizeof header, body, length);
  /* ENOENT: the request was aborted meanwhile. */
  if (write(fuse, reply, header.len) < 0 && errno != ENOENT) fail("write");
}

static struct fuse_attr attributes(__u64 node) {
  struct fuse_attr attr;
  memset(&attr, 0, sizeof attr);
  attr.ino = node;
  attr.nlink = 1;
  attr.blksize = 4096;
  attr.mtime = attr.ctime = 1000000000;
  attr.mode = node == FILE_NODE ? S_IFREG | 0444 : S_IFDIR | 0555;
  attr.size = node == FILE_NODE ? FILE_BYTES : 0;
  return attr;
}

static void answer_init(__u64 unique) {
  struct fuse_init_out out;
  memset(&out, 0, sizeof out);
  out.major = FUSE_KERNEL_VERSION;
  out.minor = FUSE_KERNEL_MINOR_VERSION;
  out.max_write = 4096;
  answer(unique, 0, &out, sizeof out);
}

static void answer_lookup(__u64 unique, const char *name) {
  struct fuse_entry_out out;
  if (strcmp(name, FILE_NAME) != 0) {
    answer(unique, ENOENT, NULL, 0);
    return;
  }
  /* Valid for no time: the kernel asks again whenever it is asked. */
  memset(&out, 0, sizeof out);
  out.nodeid = FILE_NODE;
  out.attr = attributes(FILE_NODE);
  answer(unique, 0, &out, sizeof out);
}

static void answer_getattr(__u64 unique, __u64 node) {
  struct fuse_attr_out out;
  memset(&out, 0, sizeof out);
  out.attr = attributes(node);
  answer(unique, 0, &out, sizeof out);
}

static void answer_open(__u64 unique) {
  struct fuse_open_out out;
  memset(&out, 0, sizeof out);
  /* Each read of a process is one request. */
  out.open_flags = FOPEN_DIRECT_IO;
  answer(unique, 0, &out, sizeof out);
}

static void answer_read(__u64 unique, const struct fuse_read_in *in) {
  size_t left = in->offset < FILE_BYTES ? FILE_BYTES - in->offset : 0;
  answer(unique, 0, content + FILE_BYTES - left,
         in->size < left ? in->size : left);
}

/* There is always something to read. */
static void answer_poll(__u64 unique) {
  struct fuse_poll_out out;
  memset(&out, 0, sizeof out);
  out.revents = POLLIN;
  answer(unique, 0, &out, sizeof out);
}

static void take(const struct fuse_in_header *in, const void *body) {
  if (stalls[in->opcode % sizeof stalls] && access(trigger, F_OK) == 0) return;
  switch (in->opcode) {
    case FUSE_INIT:
      answer_init(in->unique);
      break;
    case FUSE_LOOKUP:
      answer_lookup(in->unique, body);
      break;
    case FUSE_GETATTR:
      answer_getattr(in->unique, in->nodeid);
      break;
    case FUSE_OPEN:
      answer_open(in->unique);
      break;
    case FUSE_READ:
      answer_read(in->unique, body);
      break;
    case FUSE_POLL:
      answer_poll(in->unique);
      break;
    case FUSE_FLUSH:
    case FUSE_RELEASE:
      answer(in->unique, 0, NULL, 0);
      break;
    case FUSE_INTERRUPT:
      answer(((const struct fuse_interrupt_in *)body)->unique, EINTR, NULL, 0);
      break;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
      break;
    default:
      answer(in->unique, ENOSYS, NULL, 0);
  }
}

static void set_stalling(const char *name) {
  for (size_t i = 0; i < sizeof OPERATIONS / sizeof *OPERATIONS; i++) {
    if (strcmp(name, OPERATIONS[i].name) != 0) continue;
    stalls[OPERATIONS[i].opcode] = 1;
    return;
  }
  fprintf(stderr, "stalled_operation: no operation: %s\n", name);
  exit(2);
}

int main(int count, char **arguments) {
  static char request[1 << 17] __attribute__((aligned(8)));
  char options[128];

  if (count < 4) {
    fprintf(stderr, "usage: stalled_operation DIRECTORY TRIGGER OPERATION...\n");
    return 2;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  alarm(LIFETIME_SECONDS);
  trigger = arguments[2];
  for (int i = 3; i < count; i++) set_stalling(arguments[i]);
  memset(content, 'x', sizeof content);
  fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (fuse < 0) fail("/dev/fuse");
  snprintf(options, sizeof options,
           "fd=%d,rootmode=40755,user_id=0,group_id=0,allow_other", fuse);
  if (mount("stalled", arguments[1], "fuse", MS_NOSUID | MS_NODEV, options)) {
    fail("mount");
  }
  puts("mounted");
  fflush(stdout);
  for (;;) {
    ssize_t length = read(fuse, request, sizeof request);
    /* ENOENT: the request was aborted before it was read. */
    if (length < 0 && (errno == ENOENT || errno == EINTR)) continue;
    if (length < 0) fail("read");
    take((const struct fuse_in_header *)request,
         request + sizeof(struct fuse_in_header));
  }
}
