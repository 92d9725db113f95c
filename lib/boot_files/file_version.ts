/**
 * Identifies the content of a file by its status: device, inode, size,
 * modification and change time. Two versions are equal only if the file was, as
 * far as the file system tells, neither replaced nor written.
 */
export function fileVersion(info: Deno.FileInfo): string {
  return [
    info.dev,
    info.ino,
    info.size,
    info.mtime?.getTime(),
    info.ctime?.getTime(),
  ].join(" ");
}

/**
 * Whether the content of an open file is what it was, as far as the file system
 * tells. Its change time also changes with links that are added or removed, such as
 * when another file takes its place: that changes no content.
 */
export function isSameContent(
  before: Deno.FileInfo,
  now: Deno.FileInfo,
): boolean {
  return before.size === now.size &&
    before.mtime?.getTime() === now.mtime?.getTime() &&
    (before.nlink !== now.nlink ||
      before.ctime?.getTime() === now.ctime?.getTime());
}
