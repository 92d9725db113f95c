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

/** A group. It is removed when no process is in it any more: after its lab. */
export class MemoryGroup implements AsyncDisposable {
  /** @param path The directory of the group. */
  private constructor(readonly path: string) {}

  /** A group with so many bytes, or `undefined` if there are no such groups here. */
  static async create(bytes: number): Promise<MemoryGroup | undefined> {
    // A group stays as long as a process is in it, so each has its own name.
    const name = `dhcpv6macd-${Deno.pid}-${++groups}`;
    for (const [root, limit] of LIMITS) {
      const group = new MemoryGroup(`${root}/${name}`);
      try {
        await Deno.mkdir(group.path);
        // The kernel makes the file. In another file system it is missing.
        await Deno.writeTextFile(`${group.path}/${limit}`, String(bytes), {
          create: false,
        });
        return group;
      } catch {
        await group[Symbol.asyncDispose]();
      }
    }
    return undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path).catch(() => {});
  }

  /** The command that runs another one in it, also inside of a namespace. */
  get command(): string[] {
    return [
      ...["sh", "-c", `echo $$ > ${this.path}/cgroup.procs && exec "$@"`],
      "sh",
    ];
  }

  /** How much memory it has had, and how often it had not enough. */
  async peak(): Promise<string> {
    const texts = await Promise.all(
      ["memory.max_usage_in_bytes", "memory.oom_control", "memory.events"].map(
        (name) => Deno.readTextFile(`${this.path}/${name}`).catch(() => ""),
      ),
    );
    return texts.join(" ");
  }
}

/** Whether there are such groups; says so loudly if not. */
export async function limitsMemory(): Promise<boolean> {
  await using group = await MemoryGroup.create(256 * 1024 * 1024);
  if (group !== undefined) return true;
  console.error(
    "\n*** NOT RUN: tests with little memory need a memory control group ***\n",
  );
  return false;
}
