/**
 * On which file system a file is, and whether that one may not answer.
 *
 * @module
 */

/** A mounted file system, as in `/proc/self/mountinfo`. */
export interface Mount {
  /** The kernel's number of it. */
  readonly id: number;
  /** Where it is mounted, without symbolic links. */
  readonly point: string;
  /** Whether it is a file system of this host, which always answers. */
  readonly isLocal: boolean;
}

const LOCAL = new Set([
  "bcachefs",
  "btrfs",
  "cramfs",
  "devtmpfs",
  "erofs",
  "exfat",
  "ext2",
  "ext3",
  "ext4",
  "f2fs",
  "iso9660",
  "jffs2",
  "jfs",
  "nilfs2",
  "ntfs3",
  "overlay",
  "proc",
  "ramfs",
  "rootfs",
  "squashfs",
  "tmpfs",
  "ubifs",
  "udf",
  "vfat",
  "xfs",
  "zfs",
]);

/** All mounts, a later one over an earlier one. */
export function readMounts(): Mount[] {
  return parseMounts(Deno.readTextFileSync("/proc/self/mountinfo"));
}

/** The same of a text in the format of `/proc/self/mountinfo` (proc(5)). */
export function parseMounts(text: string): Mount[] {
  return text.split("\n").filter((line) => line !== "").map((line) => {
    const fields = line.split(" ");
    const point = fields[4]!.replace(
      /\\([0-7]{3})/g,
      (_, octal) => String.fromCharCode(parseInt(octal, 8)),
    );
    const type = fields[fields.indexOf("-", 6) + 1]!;
    return { id: Number(fields[0]), point, isLocal: LOCAL.has(type) };
  });
}

/**
 * The mount that a path is on.
 *
 * @param path Absolute, without symbolic links.
 * @returns `undefined` if the mounts are not known.
 */
export function mountOf(
  path: string,
  mounts: readonly Mount[],
): Mount | undefined {
  let found: Mount | undefined;
  for (const mount of mounts) {
    const { point } = mount;
    const isOn = point === "/" || path === point ||
      path.startsWith(`${point}/`);
    if (isOn && point.length >= (found?.point.length ?? 0)) found = mount;
  }
  return found;
}
