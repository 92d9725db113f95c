/**
 * Identifies the content of a file by its status: device, inode, size,
 * modification and change time. Two versions are equal only if the file was, as
 * far as the file system tells, neither replaced nor written.
 */
export function fileVersion(info: Deno.FileInfo): string {
  return `${info.dev} ${versionOnDevice(info)}`;
}

/**
 * The same without the device, whose number may be another each time that its
 * file system is mounted.
 */
export function versionOnDevice(info: Deno.FileInfo): string {
  return [
    info.ino,
    info.size,
    info.mtime?.getTime(),
    info.ctime?.getTime(),
  ].join(" ");
}

/**
 * The same of several files; `undefined` while a further change might not be
 * visible in it.
 *
 * @param settlingTime Milliseconds since the last change after which one would be.
 */
export function settledVersion(
  infos: readonly Deno.FileInfo[],
  settlingTime: number,
): string | undefined {
  const changed = Math.max(
    ...infos.flatMap(({ mtime, ctime }) => [
      mtime?.getTime() ?? 0,
      ctime?.getTime() ?? 0,
    ]),
  );
  return Math.abs(Date.now() - changed) < settlingTime
    ? undefined
    : infos.map(fileVersion).join(" ");
}

/**
 * Times up to 2 January 1980 stand for no time: stores and reproducible images
 * set all files to 0, to 1, or to 1980-01-01, the first day of FAT and zip, in
 * some time zone. Milliseconds since 1970.
 */
const LAST_PLACEHOLDER_TIME = Date.UTC(1980, 0, 2);

/** Whether a time says when something happened. */
export function isRecorded(time: Date | null): boolean {
  return time !== null && time.getTime() > LAST_PLACEHOLDER_TIME;
}

/**
 * Whether the content of an open file is what it was, as far as the file system
 * tells. The change time counts only where there is no modification time, and where
 * it does not come from another name of the file or the loss of one, as when
 * another file takes its place.
 */
export function isSameContent(
  before: Deno.FileInfo,
  now: Deno.FileInfo,
): boolean {
  return before.size === now.size &&
    before.mtime?.getTime() === now.mtime?.getTime() &&
    (isRecorded(now.mtime) || before.nlink !== now.nlink ||
      before.ctime?.getTime() === now.ctime?.getTime());
}
