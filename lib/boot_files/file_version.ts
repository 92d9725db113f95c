/**
 * What identifies the content of a file, as far as its status tells: another
 * file of the same name, size and time is another one.
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
