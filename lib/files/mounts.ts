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
  "binfmt_misc",
  "bpf",
  "btrfs",
  "cgroup",
  "cgroup2",
  "configfs",
  "cramfs",
  "debugfs",
  "devpts",
  "devtmpfs",
  "efivarfs",
  "erofs",
  "exfat",
  "ext2",
  "ext3",
  "ext4",
  "f2fs",
  "fusectl",
  "hugetlbfs",
  "iso9660",
  "jffs2",
  "jfs",
  "mqueue",
  "nilfs2",
  "nsfs",
  "ntfs3",
  "overlay",
  "proc",
  "pstore",
  "ramfs",
  "rootfs",
  "securityfs",
  "selinuxfs",
  "squashfs",
  "sysfs",
  "tmpfs",
  "tracefs",
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

/** Links that are followed, as in Linux. */
const MAX_LINKS = 40;

/**
 * The first mount on the way of a path that may not answer. Only file systems of
 * this host are asked.
 *
 * @returns `undefined` if there is none, or the path leads to nothing before.
 */
export async function remoteMountOn(
  path: string,
  mounts: readonly Mount[],
): Promise<Mount | undefined> {
  if (mounts.every(({ isLocal }) => isLocal)) return undefined;
  const start = path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
  const names = start.split("/").reverse();
  let at = "";
  for (let links = 0; names.length > 0;) {
    const name = names.pop()!;
    if (name === "" || name === ".") continue;
    if (name === "..") {
      at = at.slice(0, Math.max(0, at.lastIndexOf("/")));
      continue;
    }
    const next = `${at}/${name}`;
    const mount = mountOf(next, mounts);
    if (mount?.isLocal === false) return mount;
    const target = await linkTarget(next);
    if (target === undefined) {
      at = next;
      continue;
    }
    if (++links > MAX_LINKS) return undefined;
    if (target.startsWith("/")) at = "";
    names.push(...target.split("/").reverse());
  }
  return undefined;
}

/** Where a link leads to; `undefined` if it is none, or absent. */
async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return await Deno.readLink(path);
  } catch {
    return undefined;
  }
}
