/**
 * A memory control group: as much memory as a small router can spare.
 *
 * @module
 */

/** Where groups are, and which of their files holds the limit: versions 1 and 2. */
const LIMITS = [
  ["/sys/fs/cgroup/memory", "memory.limit_in_bytes"],
  ["/sys/fs/cgroup", "memory.max"],
] as const;

let groups = 0;

/** A group with so many bytes, or `undefined` if there are no such groups here. */
export async function memoryGroup(bytes: number): Promise<string | undefined> {
  // A group stays as long as a process is in it, so each has its own name.
  const name = `dhcpv6macd-${Deno.pid}-${++groups}`;
  for (const [root, limit] of LIMITS) {
    const group = `${root}/${name}`;
    try {
      await Deno.mkdir(group);
      // The kernel makes the file. In another file system it is missing.
      await Deno.writeTextFile(`${group}/${limit}`, String(bytes), {
        create: false,
      });
      return group;
    } catch {
      await Deno.remove(group).catch(() => {});
    }
  }
  return undefined;
}

/** Whether there are such groups; says so loudly if not. */
export async function limitsMemory(): Promise<boolean> {
  const group = await memoryGroup(256 * 1024 * 1024);
  if (group === undefined) {
    console.error(
      "\n*** NOT RUN: tests with little memory need a memory control group ***\n",
    );
    return false;
  }
  await Deno.remove(group);
  return true;
}

/** The command that runs another one in a group, also inside of a namespace. */
export function inGroup(group: string): string[] {
  return ["sh", "-c", `echo $$ > ${group}/cgroup.procs && exec "$@"`, "sh"];
}

/** How much memory a group has had, and how often it had not enough. */
export async function peak(group: string): Promise<string> {
  const texts = await Promise.all(
    ["memory.max_usage_in_bytes", "memory.oom_control", "memory.events"].map(
      (name) => Deno.readTextFile(`${group}/${name}`).catch(() => ""),
    ),
  );
  return texts.join(" ");
}
