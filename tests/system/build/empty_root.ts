/** A root directory with nothing in it but a program and the C library. */

import { command, type Lab } from "../../support/lab.ts";

/** A user that owns nothing: nobody. */
export const NOBODY = 65534;

const CAPABILITY = "cap_net_bind_service";

/** What it takes to enter such a root, and is given up on the way. */
const TO_ENTER = ["sys_chroot", "setuid", "setgid", "setpcap"];

/** A root directory, read-only to who runs in it. */
export class EmptyRoot {
  private constructor(
    readonly directory: string,
    readonly program: string,
  ) {}

  /** Makes one for a program, with the libraries that it is linked to. */
  static async make(lab: Lab, program: string): Promise<EmptyRoot> {
    const directory = `${lab.directory}/root`;
    await Deno.mkdir(`${directory}/proc`, { recursive: true });
    const { stdout } = await command(["ldd", program]);
    const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path]) =>
      path!
    );
    for (const path of libraries) {
      const copy = `${directory}${path}`;
      await Deno.mkdir(copy.replace(/\/[^/]*$/, ""), { recursive: true });
      await Deno.copyFile(path, copy);
    }
    await Deno.copyFile(program, `${directory}/program`);
    return new EmptyRoot(directory, program);
  }

  /**
   * The command that runs the program in it: as nobody, with the capability to
   * bind low ports and no other, with no environment, unable to gain anything.
   */
  command(): string[] {
    const script = `set -e
mount --bind "$0" "$0"
mount --bind /proc "$0/proc"
mount -o remount,bind,ro "$0"
exec "$@"`;
    return [
      ...["unshare", "--mount", "sh", "-c", script, this.directory],
      ...["env", "--ignore-environment", `PATH=${Deno.env.get("PATH")}`],
      "setpriv",
      `--bounding-set=-all,+net_bind_service,${
        TO_ENTER.map((name) => `+${name}`).join(",")
      }`,
      "--no-new-privs",
      "capsh",
      `--chroot=${this.directory}`,
      `--drop=${TO_ENTER.map((name) => `cap_${name}`).join(",")}`,
      "--keep=1",
      "--groups=",
      `--gid=${NOBODY}`,
      `--uid=${NOBODY}`,
      `--inh=${CAPABILITY}`,
      `--addamb=${CAPABILITY}`,
      "--shell=/program",
      "--",
    ];
  }
}
