/**
 * A router on which systemd is the first process, with the files that a machine
 * would have: in namespaces, and with nothing of this machine to be written to.
 *
 * @module
 */

import {
  command,
  eventually,
  type Host,
  type Program,
  type Result,
} from "../../support/lab.ts";

/** Of systemd's own units, those that it takes to run a service and see it. */
const UNITS = [
  ..."basic multi-user network paths shutdown slices sockets sysinit timers"
    .split(" ").map((name) => `${name}.target`),
  "systemd-journald.service",
  "systemd-journald.socket",
];

/** What it begins with: the journal, and what services wait for. */
const BEGIN = `[Unit]
Requires=basic.target systemd-journald.socket systemd-journald.service
`;

/** Where systemd and programs find what they write to or are set up by. */
const EMPTY = [
  ..."/etc /home /srv /tmp /usr/local/bin /var".split(" "),
  "/usr/lib/systemd/system",
  "/usr/lib/systemd/system-generators",
];

/**
 * In a control group of its own that is gone in the end. `$0` is a directory
 * of the lab's.
 */
const OUTER = `set -e
mount --make-rprivate /
mkdir "$0/groups"
mount -t cgroup2 none "$0/groups"
group="$0/groups/lab-$$"
mkdir "$group"
( echo 0 > "$group/cgroup.procs"
  exec unshare --pid --fork --kill-child --mount --uts --ipc --cgroup \\
    --mount-proc sh -c "$1" "$0" ) &
child=$!
end() {
  kill -9 $child
  for try in 1 2 3 4 5 6 7 8 9 10; do
    sleep 0.2
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null && exit
  done
}
trap end TERM
echo "unshare is $child"
wait $child`;

const INNER = `set -e
mount -t tmpfs none /run
cp -r "$0/files" /run/files
mkdir /run/units
cd /usr/lib/systemd/system
cp ${UNITS.join(" ")} /run/units
cd /
cp /etc/passwd /etc/group /etc/nsswitch.conf /etc/ld.so.cache /run
for directory in ${EMPTY.join(" ")}; do mount -t tmpfs none $directory; done
cp /run/units/* /usr/lib/systemd/system
mv /run/passwd /run/group /run/nsswitch.conf /run/ld.so.cache /etc
: > /etc/machine-id
printf '#!/bin/sh\\nexec "$@"\\n' > /usr/local/bin/sudo
chmod +x /usr/local/bin/sudo
mkdir -p /etc/systemd/system /var/tmp
printf '${BEGIN.replaceAll("\n", "\\n")}' > /etc/systemd/system/lab.target
mount --bind -o ro /proc/sys /proc/sys
mount -t cgroup2 none /sys/fs/cgroup
# Among themselves: a service's key is mounted in one namespace for another.
mount --make-rshared /
export container=lab
exec /lib/systemd/systemd --system --unit=lab.target --log-target=console`;

/** Seconds in which systemd and services are up, however busy the machine is. */
const PATIENCE = 60;

/** What is missing for it here; says so loudly. */
export async function missingForInit(): Promise<string[]> {
  if (Deno.uid() !== 0) return ["root"];
  const directory = await Deno.makeTempDir();
  try {
    const { code } = await command(
      [
        ...["unshare", "--mount", "sh", "-c"],
        'mount -t cgroup2 none "$0" && mkdir "$0/try-$$" && rmdir "$0/try-$$"',
        directory,
      ],
      { mayFail: true },
    );
    if (code === 0) return [];
    console.error(
      "\n*** NOT RUN: services under systemd need control groups, version 2, that can be written ***\n",
    );
    return ["cgroup2"];
  } finally {
    await Deno.remove(directory);
  }
}

/** A host with systemd. */
export class InitHost {
  private constructor(readonly host: Host, readonly pid: string) {}

  /** Starts it; what is in `files` of the lab's directory is in /run/files. */
  static async start(host: Host): Promise<InitHost> {
    const program = host.start([
      ...["unshare", "--mount", "sh", "-c"],
      OUTER,
      host.lab.directory,
      INNER,
    ]);
    const [, unshare] = await program.says(/^unshare is (\d+)$/m);
    const pid = await firstProcess(unshare!, program);
    const init = new InitHost(host, pid);
    let told = "";
    try {
      await eventually("systemd is up", async () => {
        const { stdout, stderr } = await init.run(
          "systemctl is-active lab.target",
        );
        told = stdout + stderr;
        return stdout === "active\n";
      }, PATIENCE);
    } catch (error) {
      throw new Error(
        `${(error as Error).message}\n${told}${program.output}`,
      );
    }
    return init;
  }

  /** Runs a shell script there, in /run/files. */
  async run(script: string): Promise<Result> {
    return await this.host.run(
      [
        ...["nsenter", "--target", this.pid],
        ...["--pid", "--mount", "--cgroup", "--uts", "--ipc"],
        ...["sh", "-c", `cd /run/files 2>/dev/null; ${script}`],
      ],
      { mayFail: true },
    );
  }

  /** Waits until a service has written something that matches. */
  async says(service: string, pattern: RegExp): Promise<void> {
    let text = "";
    try {
      await eventually(`${service} says ${pattern}`, async () => {
        const { stdout } = await this.run(
          `journalctl --no-pager --output=cat --unit=${service}`,
        );
        text = stdout;
        return pattern.test(text);
      }, PATIENCE);
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${text}`);
    }
  }

  /** A field of the status of a service's process, as /proc has it. */
  async status(service: string): Promise<(field: string) => string> {
    const { stdout } = await this.run(
      `cat /proc/$(systemctl show --property=MainPID --value ${service})/status`,
    );
    return (field) =>
      new RegExp(`^${field}:\\s+(\\S+)`, "m").exec(stdout)?.[1] ?? "";
  }
}

async function firstProcess(
  unshare: string,
  program: Program,
): Promise<string> {
  try {
    return await eventually("systemd begins", async () => {
      const { stdout } = await command(["pgrep", "-P", unshare], {
        mayFail: true,
      });
      return stdout.trim() || undefined;
    });
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${program.output}`);
  }
}
