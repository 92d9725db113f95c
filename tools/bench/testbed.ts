/**
 * The testbed: two network namespaces with a link between them, the server on
 * one core and the load generator on the other.
 *
 * @module
 */

import {
  command,
  eventually,
  type Host,
  Lab,
  type Program,
} from "../../tests/support/lab.ts";

/** The link, and the addresses of server and clients there. */
export const BASE = "2001:db8:1:2::";
export const SERVER = "2001:db8:1:2::1";
export const CLIENT = "2001:db8:1:2::2";
export const LINK_LOCAL_CLIENT = "fe80::2";

/** Addresses behind the client, for many clients: all of them are its own. */
export const CLIENTS = "2001:db8:1:3::";

/** What servers with an address pool assign, the first of 2^32 addresses. */
export const POOL = `${BASE}1:0:0`;

/** The addresses of machines of a storm: of their MACs, and of the pool. */
const STORM_PREFIXES = [`${BASE}200:0:0/96`, `${POOL}/96`];

/** A MAC and the name of the file that it fetches. */
export const MAC = "02:00:5e:00:53:01";

/** Ticks of `/proc/PID/stat` in a second: a part of Linux' interface. */
const TICKS = 100;

/** The programs in C: those that ask, and one that helps a server. */
type LoadProgram = "dhcpv6_load" | "tftp_load" | "http_load" | "storm_load";
const PROGRAMS = ["dhcpv6_load", "tftp_load", "http_load", "inetd"];

/** Lines of clients that complain which are shown. */
const MAX_COMPLAINTS = 5;

/** Milliseconds in which a server must have come to rest. */
const REST = 1500;

/** What one of the load programs writes. */
export type Report = Readonly<Record<string, number>>;

/** What a link does to packets. */
export interface Impairment {
  readonly delay: number;
  readonly loss: number;
}

/** Two hosts, and the programs that ask. */
export class Testbed implements AsyncDisposable {
  private constructor(
    readonly lab: Lab,
    readonly router: Host,
    readonly client: Host,
  ) {}

  /** Makes the hosts and compiles the programs. */
  static async make(): Promise<Testbed> {
    const lab = new Lab();
    try {
      const { router, client } = await lab.pair();
      // A link-local address with a MAC in it would be another one than the
      // DUIDs of the many clients say, and be warned of.
      await client.ip("link set eth0 addrgenmode none");
      await client.ip("-6 addr flush dev eth0");
      await client.ip(`addr add ${LINK_LOCAL_CLIENT}/64 dev eth0 nodad`);
      await router.ip(`addr add ${SERVER}/64 dev lan nodad`);
      await client.ip(`addr add ${CLIENT}/64 dev eth0 nodad`);
      await client.ip(`-6 route add local ${CLIENTS}/64 dev lo`);
      await router.ip(`-6 route add ${CLIENTS}/64 via ${CLIENT}`);
      await router.linkLocal("lan");
      const testbed = new Testbed(lab, router, client);
      for (const name of PROGRAMS) await compile(testbed, name);
      return testbed;
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * Gives the client the addresses of as many machines, numbered from 1 on, and
   * compiles what switches them on.
   */
  async prepareStorm(machines: number): Promise<void> {
    const addresses = Array.from(
      { length: machines },
      (_, index) =>
        `addr replace fe80::ff:fe00:${
          (index + 1).toString(16)
        }/64 dev eth0 nodad\n`,
    );
    const file = await this.lab.file("addresses", addresses.join(""));
    await this.client.ip(`-6 -batch ${file}`);
    // What a server assigns is the client's without any neighbour discovery.
    for (const prefix of STORM_PREFIXES) {
      await this.client.ip(`-6 route replace local ${prefix} dev lo`);
      await this.router.ip(`-6 route replace ${prefix} via ${CLIENT}`);
    }
    await compile(this, "storm_load", "ssl", "crypto");
  }

  /** Makes a certificate and its key, the first time. */
  async keyPair(): Promise<{ certFile: string; keyFile: string }> {
    const [certFile, keyFile] = ["cert.pem", "key.pem"].map((name) =>
      this.path(name)
    ) as [string, string];
    try {
      await Deno.stat(certFile);
    } catch {
      await command([
        ..."openssl req -x509 -nodes -days 7 -newkey ec".split(" "),
        ..."-pkeyopt ec_paramgen_curve:P-256 -subj /CN=testbed".split(" "),
        ...["-addext", `subjectAltName=IP:${SERVER}`],
        ...["-keyout", keyFile, "-out", certFile],
      ]);
    }
    return { certFile, keyFile };
  }

  /**
   * Makes the link slow or bad, in equal parts for both directions.
   *
   * @param delay Milliseconds that a round trip takes longer.
   * @param loss Percent of the packets of each direction that are lost.
   * @throws {Error} if the kernel cannot do that.
   */
  async impair({ delay, loss }: Impairment): Promise<void> {
    for (
      const [host, link] of [[this.router, "lan"], [
        this.client,
        "eth0",
      ]] as const
    ) {
      const qdisc = ["tc", "-n", host.namespace, "qdisc"];
      const device = ["dev", link, "root"];
      await command([...qdisc, "del", ...device], { mayFail: true });
      if (delay === 0 && loss === 0) continue;
      // Its queue is of 1,000 packets else, which a storm exceeds.
      const netem = ["netem", "limit", "1000000"];
      const { code, stderr } = await command([
        ...[...qdisc, "add", ...device, ...netem],
        ...["delay", `${delay / 2}ms`, "loss", `${loss}%`],
      ], { mayFail: true });
      if (code !== 0) {
        throw new Error(`a bad link needs a kernel with netem: ${stderr}`);
      }
    }
  }

  /** Waits until a server listens on a TCP port. */
  async listens(port: number): Promise<void> {
    await eventually(`a server listens on port ${port}`, async () => {
      const { stdout } = await this.router.run([
        "ss",
        "-Hltn",
        `sport = :${port}`,
      ]);
      return stdout !== "";
    });
  }

  /** The path of a file of the testbed. */
  path(name: string): string {
    return `${this.lab.directory}/${name}`;
  }

  /** Starts a server on the router, with directories of its own. */
  serve(command: readonly string[], privately: readonly string[] = []) {
    return this.router.start(["taskset", "-c", "1", ...command], privately);
  }

  /** The command of one of the programs that ask. */
  #load(program: LoadProgram, options: Readonly<Record<string, unknown>>) {
    return [
      "taskset",
      "-c",
      "0",
      this.path(program),
      ...Object.entries(options).map(([name, value]) => `--${name}=${value}`),
    ];
  }

  /** Asks, and waits for the report. */
  async ask(
    program: LoadProgram,
    options: Readonly<Record<string, unknown>>,
    priority: readonly string[] = [],
  ): Promise<Report> {
    const { stdout, stderr } = await this.client.run(
      [...priority, ...this.#load(program, options)],
      { seconds: 120 },
    );
    // Why clients failed, a few of them for all.
    const lines = stderr.split("\n").filter((line) => line !== "");
    for (const line of lines.slice(0, MAX_COMPLAINTS)) console.error(line);
    return JSON.parse(stdout.trim().split("\n").at(-1)!);
  }

  /**
   * Asks next to others who ask from the same core, and runs as soon as there
   * is an answer: else it would measure how long they keep it waiting.
   */
  async askFirst(
    program: LoadProgram,
    options: Readonly<Record<string, unknown>>,
  ): Promise<Report> {
    return await this.ask(program, options, ["chrt", "--fifo", "1"]);
  }

  /** Begins to ask. */
  startAsking(
    program: LoadProgram,
    options: Readonly<Record<string, unknown>>,
  ): Program {
    return this.client.start(this.#load(program, options));
  }

  /** The command of the bare loop in C, on the router. */
  get bareLoop(): string[] {
    return [this.path("dhcpv6_load"), "--mode=serve", "--link=lan"];
  }

  /** The processes on the router: those of the one server there. */
  async #processes(): Promise<string[]> {
    const { stdout } = await this.router.run([
      "ip",
      "netns",
      "pids",
      this.router.namespace,
    ]);
    const pids: string[] = [];
    for (const pid of stdout.split("\n")) {
      if (/^\d+$/.test(pid) && await nameOf(pid) !== "ip") pids.push(pid);
    }
    return pids;
  }

  /** Seconds of CPU that the server has had, with its children. */
  async cpuSeconds(): Promise<number> {
    let ticks = 0;
    for (const pid of await this.#processes()) {
      const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      // utime, stime, and those of children that have ended (proc(5))
      for (const field of [11, 12, 13, 14]) ticks += Number(fields[field]);
    }
    return ticks / TICKS;
  }

  /**
   * How often the threads of the server have begun to wait, each time to be woken
   * up, and their CPU time, more exactly than {@linkcode cpuSeconds}.
   */
  async activity(): Promise<{ wakeUps: number; cpuSeconds: number }> {
    let wakeUps = 0;
    let nanoseconds = 0;
    for (const pid of await this.#processes()) {
      for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
        const thread = `/proc/${pid}/task/${name}`;
        const status = await Deno.readTextFile(`${thread}/status`);
        wakeUps += Number(
          /^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1] ?? 0,
        );
        const [running] = (await Deno.readTextFile(`${thread}/schedstat`))
          .split(" ");
        nanoseconds += Number(running);
      }
    }
    return { wakeUps, cpuSeconds: nanoseconds / 1e9 };
  }

  /** Megabytes of memory that the server holds. */
  residentMegabytes(): Promise<number> {
    return this.#megabytes(/^VmRSS:\s+(\d+)/m);
  }

  /** Megabytes of memory that the server has held at most. */
  peakMegabytes(): Promise<number> {
    return this.#megabytes(/^VmHWM:\s+(\d+)/m);
  }

  async #megabytes(line: RegExp): Promise<number> {
    let kilobytes = 0;
    for (const pid of await this.#processes()) {
      const status = await Deno.readTextFile(`/proc/${pid}/status`);
      kilobytes += Number(line.exec(status)?.[1] ?? 0);
    }
    return kilobytes * 1024 / 1e6;
  }

  /** Gives a server time to do what it does when it has started. */
  async rest(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, REST));
  }

  /** Ends a server, and the processes that it leaves behind. */
  async stop(program: Program): Promise<void> {
    await program.stop();
    for (const pid of await this.#processes()) {
      try {
        Deno.kill(Number(pid), "SIGKILL");
      } catch {
        // It has ended by itself.
      }
    }
  }

  /** Ends what still runs after a measurement that has failed. */
  async clear(): Promise<void> {
    for (const program of this.lab.programs) await program.stop();
    this.lab.programs.length = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab[Symbol.asyncDispose]();
  }
}

async function nameOf(pid: string): Promise<string> {
  try {
    return (await Deno.readTextFile(`/proc/${pid}/comm`)).trim();
  } catch {
    return "ip"; // the command that has listed itself
  }
}

async function compile(
  { lab, client }: Testbed,
  name: string,
  ...libraries: string[]
): Promise<void> {
  await client.run([
    "gcc",
    "-O2",
    "-o",
    `${lab.directory}/${name}`,
    `${import.meta.dirname}/${name}.c`,
    ...libraries.map((library) => `-l${library}`),
  ], { seconds: 60 });
}
