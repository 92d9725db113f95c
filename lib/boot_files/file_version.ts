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
