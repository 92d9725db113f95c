/** This machine's own system as a root that can be changed and thrown away. */

import type { Host } from "../../support/lab.ts";

/** In a mount namespace of its own: a copy of the root, written in memory. */
const ENTER = `set -e
mount --make-rprivate /
mount -t tmpfs none "$0"
mkdir "$0/changed" "$0/work" "$0/root"
mount -t overlay none -o "lowerdir=/,upperdir=$0/changed,workdir=$0/work" "$0/root"
cd "$0/root"
mount --rbind /dev dev
mount -t proc none proc
mount -t tmpfs none run
mount -t tmpfs none tmp
shift
cp "$@" tmp
exec chroot . sh -c 'cd /tmp && exec sh script'`;

/**
 * Runs a shell script as root in such a system, with a process namespace of its
 * own: all that it has started ends with it.
 *
 * @param files Copied into the directory in which the script runs.
 */
export async function runInOverlay(
  host: Host,
  script: string,
  files: readonly string[],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { lab } = host;
  const place = await Deno.makeTempDir({ dir: lab.directory });
  const path = `${lab.directory}/script`;
  await Deno.writeTextFile(path, script);
  return await host.run(
    [
      ...["unshare", "--mount", "--pid", "--fork", "--kill-child"],
      ...["sh", "-c", ENTER, place, "--", path, ...files],
    ],
    { mayFail: true, seconds: 300 },
  );
}
