/**
 * Files whose opening does not return: on a mount that does not answer, and
 * FIFOs. DHCPv6, TFTP, the log, `/healthz` and SIGTERM go on.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { iaNa, message, opt } from "../../support/dhcpv6.ts";
import { Authority, makeKey } from "../../support/certificates.ts";
import {
  daemonCommand,
  launchAs,
  type RunningDaemon,
} from "../../support/daemon.ts";
import { BASE } from "../../support/expect.ts";
import {
  command,
  eventually,
  type Host,
  Lab,
  missing,
  pause,
} from "../../support/lab.ts";
import { labProgram } from "./switch.ts";

const SUITE = "tests of files that stall";
const lacks = missing(SUITE, "curl", "bindfs", "gcc", "mkfifo", "openssl");
const ignore = lacks.length > 0;

const SERVER = "2001:db8:1:2::1";
const URL = `http://[${SERVER}]:6315`;
const MAC = "02:00:5e:00:53:01";

/** More than the runtime has threads for files. */
const MANY = 40;

/** Milliseconds in which the daemon has looked at each of its files again. */
const SEVERAL_POLLS = 5000;

/** Seconds in which the daemon has to end. */
const END = 6;

/** What may be done with a file while another operation on it stalls. */
const STALLING_OPERATIONS = [
  ["lookup"],
  ["getattr"],
  ["open"],
  ["read"],
  // The open file can no longer be looked at.
  ["read", "getattr"],
  ["flush"],
  // Whether there is something to read is never asked of a file.
  ["read", "poll"],
];

/** A router whose daemon reads from a mount that can be stalled. */
class Stalling implements AsyncDisposable {
  daemon!: RunningDaemon;

  private constructor(
    readonly lab: Lab,
    readonly router: Host,
    readonly client: Host,
    readonly linkLocal: string,
  ) {}

  static async create(lab: Lab): Promise<Stalling> {
    const { router, client } = await lab.pair();
    await router.ip(`addr add ${SERVER}/64 dev lan nodad`);
    await router.linkLocal("lan");
    for (let number = 1; number <= 10; number++) {
      await client.ip(`addr add 2001:db8:1:2::9:${number}/64 dev eth0 nodad`);
    }
    const linkLocal = await client.linkLocal("eth0");
    const stalling = new Stalling(lab, router, client, linkLocal);
    await stalling.#makeFiles();
    return stalling;
  }

  /** A path that is on the mount while the daemon runs. */
  remote(path: string): string {
    return `${this.lab.directory}/remote/${path}`;
  }

  /** The same file, beside the mount. */
  origin(path: string): string {
    return `${this.lab.directory}/origin/${path}`;
  }

  async #makeFiles(): Promise<void> {
    for (
      const directory of ["remote", "local/default", `origin/netboot/${MAC}`]
    ) {
      await Deno.mkdir(`${this.lab.directory}/${directory}`, {
        recursive: true,
      });
    }
    await Deno.mkdir(this.origin("netboot/default"));
    await Deno.writeTextFile(this.origin("netboot/default/boot.efi"), "remote");
    const local = `${this.lab.directory}/local/default`;
    await Deno.writeTextFile(`${local}/boot.efi`, "local");
    await Deno.writeTextFile(this.origin("names"), `${MAC} one\n`);
    await Deno.writeTextFile(this.origin("arm64.efi"), "arm64");
    const authority = await Authority.create(this.lab.directory, "authority");
    await authority.certify({
      address: SERVER,
      name: "router.example",
      keyFile: await makeKey(this.origin("tls.key")),
      certFile: this.origin("tls.pem"),
    });
  }

  /** The options that name files below a directory. */
  optionsIn(directory: string): string[] {
    return [
      `--names=${directory}/names`,
      `--ipxe-arm64-efi=${directory}/arm64.efi`,
      `--tls-cert-file=${directory}/tls.pem`,
      `--tls-key-file=${directory}/tls.key`,
    ];
  }

  /**
   * Starts the daemon in a mount namespace of its own.
   *
   * @param isStalled Whether the mount does not answer from the beginning.
   */
  async start(isStalled: boolean, ...args: string[]): Promise<void> {
    // What the kernel knows of a file is asked for again after a minute only:
    // `stat` answers when `open` no longer does.
    const times = "attr_timeout=60,entry_timeout=60";
    const script = [
      `bindfs -f -o ${times} "$1" "$2" & echo $! >"$3"`,
      `until test -e "$2/names"; do sleep 0.05; done`,
      // A file of the mount that is known before it stalls.
      `ls -lR "$2" >/dev/null`,
      isStalled ? 'kill -STOP "$(cat "$3")"' : ":",
      `shift 3; exec "$@"`,
    ].join("; ").replaceAll("&;", "&");
    await this.#launch(
      [script, "sh", this.origin(""), this.remote(""), this.#pidFile],
      ...args,
    );
  }

  /**
   * Starts it with a mount on which operations can be stalled: boot files of this
   * host, and one that is on the mount.
   */
  async startStalling(operations: string[]): Promise<void> {
    const { directory } = this.lab;
    const program = `${directory}/stalled_operation`;
    const source = `${import.meta.dirname}/../../support/stalled_operation.c`;
    await command(["gcc", "-O2", "-Wall", "-Werror", "-o", program, source]);
    const script = [
      `program=$1 mount=$2 trigger=$3 pid=$4 operations=$5; shift 5`,
      `"$program" "$mount" "$trigger" $operations & echo $! >"$pid"`,
      `until test -e "$mount/boot.efi"; do sleep 0.05; done`,
      `exec "$@"`,
    ].join("; ").replaceAll("&;", "&");
    const local = `${directory}/local`;
    await Deno.symlink(
      this.remote("boot.efi"),
      `${local}/default/remote.efi`,
    );
    await this.#launch(
      [
        ...[script, "sh", program, this.remote(""), this.#trigger],
        ...[this.#pidFile, operations.join(" ")],
      ],
      `--netboot-dir=${local}`,
      `--netboot-follow=${this.remote("")}`,
    );
  }

  /** Its operations do not answer from now on. */
  async stallOperations(): Promise<void> {
    await Deno.writeTextFile(this.#trigger, "");
  }

  get #trigger(): string {
    return `${this.lab.directory}/trigger`;
  }

  /** Starts the daemon by a script in a mount namespace of its own. */
  async #launch(script: string[], ...args: string[]): Promise<void> {
    this.daemon = await launchAs(
      ["unshare", "--mount", "sh", "-c", ...script, ...daemonCommand()],
      this.router,
      "--interface=lan",
      `--base-address=${BASE}`,
      "--http-boot-url-template=http://[{{.BootAddress}}]/mac/{{.MAC}}/boot.efi",
      ...args,
    );
    await this.daemon.logs("serving");
  }

  /** Starts it with all of its files on the mount. */
  async startOnMount(isStalled: boolean, ...args: string[]): Promise<void> {
    await this.start(
      isStalled,
      `--netboot-dir=${this.remote("netboot")}`,
      ...this.optionsIn(this.remote("")),
      ...args,
    );
  }

  /** Sends a signal to the mount's program. */
  async #signal(signal: Deno.Signal): Promise<void> {
    const pid = Number(await Deno.readTextFile(this.#pidFile));
    // 0 would be all processes of this group, the tests themselves among them.
    assert(pid > 0, `the process ID is ${pid}`);
    Deno.kill(pid, signal);
  }

  get #pidFile(): string {
    return `${this.lab.directory}/bindfs.pid`;
  }

  /** The mount does not answer from now on. */
  async stall(): Promise<void> {
    await this.#signal("SIGSTOP");
  }

  /** SIGTERM ends the daemon, while the mount does not answer. */
  async end(): Promise<void> {
    const begun = performance.now();
    assertEquals(await this.daemon.stop(), 0);
    const seconds = (performance.now() - begun) / 1000;
    assert(seconds < 2 * END, `it has ended after ${seconds} s`);
  }

  /** Ends the mount: what waits for it then ends as well. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#signal("SIGKILL");
  }

  /** The statuses of many requests at once; of one that is not over yet, too. */
  async statusesOf(
    path: string,
    count: number,
    seconds = 40,
  ): Promise<string[]> {
    const statuses = Array.from({ length: count }, async (_, index) => {
      const { stdout } = await this.client.run([
        ...["curl", "-s", "-g", "--max-time", String(seconds)],
        ...["-o", "/dev/null"],
        ...["--interface", `2001:db8:1:2::9:${index % 10 + 1}`],
        ...["-w", "%{http_code}", `${URL}${path}`],
      ], { mayFail: true, seconds: 60 });
      return stdout;
    });
    return await Promise.all(statuses);
  }

  async get(path: string): Promise<string> {
    const { stdout } = await this.client.run([
      ...["curl", "-sS", "-g", "--max-time", "20", `${URL}${path}`],
    ], { mayFail: true });
    return stdout;
  }

  /** Another client gets a file of this host. */
  async servesLocalFile(): Promise<void> {
    const { stdout } = await this.client.run([
      ...["curl", "-sS", "-g", "--interface", "2001:db8:1:2::9:2"],
      `${URL}/mac/${MAC}/boot.efi`,
    ]);
    assertEquals(stdout, "local");
  }

  /** DHCPv6, health check and TFTP of the iPXE that is compiled in. */
  async goesOn(): Promise<void> {
    const { stdout } = await this.client.run(labProgram(
      "ask.ts",
      ...[`${this.linkLocal}%eth0`, "546", "ff02::1:2%eth0", "547"],
      encodeHex(message(1, opt(1, "0003000102005e005301"), iaNa(7))),
      "20",
    ));
    assertMatch(stdout, /^02/, "a Solicit is answered by an Advertise");
    assertMatch(await this.get("/healthz"), /^ok/);
    const ipxe = await this.tftp("ipxe.efi");
    assert(ipxe.length > 100_000, "iPXE over TFTP");
  }

  /** A file over TFTP. */
  async tftp(name: string): Promise<string> {
    const { stdout } = await this.client.run([
      ...["curl", "-sS", "-g", "--max-time", "30"],
      `tftp://[${SERVER}]/${MAC}/${name}`,
    ], { mayFail: true, seconds: 40 });
    return stdout;
  }
}

Deno.test({
  name: "files that stall",
  ignore,
  fn: async (t) => {
    await t.step("a mount on which stat answers and open waits", async () => {
      await using lab = new Lab();
      await using stalling = await Stalling.create(lab);
      await stalling.startOnMount(false);
      assertEquals(await stalling.get(`/mac/${MAC}/boot.efi`), "remote");
      assertEquals(await stalling.tftp("ipxe-arm64.efi"), "arm64");
      await stalling.stall();
      const statuses = stalling.statusesOf(`/mac/${MAC}/boot.efi`, MANY);
      await pause(SEVERAL_POLLS);
      await stalling.goesOn();
      assertMatch(await stalling.get("/healthz"), /does not answer.*remote/);
      await stalling.daemon.logs("files_stalled");
      assertEquals(new Set(await statuses), new Set(["503"]));
      await stalling.goesOn();
      await stalling.end();
    });

    await t.step("a mount on which nothing answers", async () => {
      await using lab = new Lab();
      await using stalling = await Stalling.create(lab);
      await stalling.startOnMount(false, "--boot-policy=listed");
      await stalling.stall();
      const statuses = stalling.statusesOf(`/mac/${MAC}/none/x.efi`, MANY);
      await pause(SEVERAL_POLLS);
      await stalling.goesOn();
      assertMatch(await stalling.get("/healthz"), /does not answer.*remote/);
      assertEquals(new Set(await statuses), new Set(["503"]));
      await stalling.end();
    });

    await t.step("a mount that does not answer at the start", async () => {
      await using lab = new Lab();
      await using stalling = await Stalling.create(lab);
      await stalling.startOnMount(true, "--boot-policy=listed");
      await stalling.goesOn();
      await stalling.end();
    });

    await t.step("a mount beside files of this host", async () => {
      await using lab = new Lab();
      await using stalling = await Stalling.create(lab);
      const local = `${lab.directory}/local`;
      await Deno.symlink(
        stalling.remote("netboot/default/boot.efi"),
        `${local}/default/remote.efi`,
      );
      await stalling.start(
        false,
        `--netboot-dir=${local}`,
        `--netboot-follow=${stalling.remote("")}`,
      );
      assertEquals(await stalling.get(`/mac/${MAC}/remote.efi`), "remote");
      await stalling.stall();
      // More clients than may wait.
      const statuses = stalling.statusesOf(`/mac/${MAC}/remote.efi`, MANY);
      await pause(1000);
      for (let round = 0; round < 10; round++) {
        await stalling.servesLocalFile();
        await pause(500);
      }
      assertEquals(new Set(await statuses), new Set(["503"]));
      assertMatch(await stalling.get("/healthz"), /does not answer.*remote/);
      await stalling.goesOn();
      await stalling.servesLocalFile();
      await stalling.end();
    });

    for (const operations of STALLING_OPERATIONS) {
      const name = `a mount that answers all but ${operations.join(" and ")}`;
      await t.step(name, async () => {
        await using lab = new Lab();
        await using stalling = await Stalling.create(lab);
        await stalling.startStalling(operations);
        const path = `/mac/${MAC}/remote.efi`;
        assertEquals((await stalling.get(path)).length, 4 * 1024 * 1024);
        await stalling.stallOperations();
        // From all addresses, more than may wait.
        const waiting = stalling.statusesOf(path, MANY, 15);
        await pause(SEVERAL_POLLS);
        await stalling.goesOn();
        assertMatch(await stalling.get("/healthz"), /does not answer.*remote/);
        await stalling.servesLocalFile();
        await waiting;
        await stalling.goesOn();
        await stalling.end();
      });
    }

    await t.step("files that become FIFOs", async () => {
      await using lab = new Lab();
      await using stalling = await Stalling.create(lab);
      const files = stalling.origin("");
      await stalling.start(
        false,
        `--netboot-dir=${files}/netboot`,
        ...stalling.optionsIn(files),
      );
      assertEquals(await stalling.tftp("ipxe-arm64.efi"), "arm64");
      for (
        const path of [
          ...["names", "arm64.efi", "tls.pem", "tls.key"],
          "netboot/default/boot.efi",
        ]
      ) {
        await stalling.router.run(["mkfifo", `${files}/fifo`]);
        await Deno.rename(`${files}/fifo`, `${files}/${path}`);
      }
      stalling.daemon.program.kill("SIGHUP");
      await pause(SEVERAL_POLLS);
      assertEquals(
        new Set(await stalling.statusesOf(`/mac/${MAC}/boot.efi`, MANY)),
        new Set(["404"]),
      );
      assertEquals(await stalling.tftp("ipxe-arm64.efi"), "arm64");
      await stalling.daemon.logs("ipxe_stale");
      assertMatch(await stalling.get("/names"), /"one"/);
      await stalling.goesOn();
      await stalling.end();
    });

    await t.step(
      "a file that is swapped with a FIFO all the time",
      async () => {
        await using lab = new Lab();
        await using stalling = await Stalling.create(lab);
        const boot = stalling.origin("netboot/default/boot.efi");
        await stalling.router.run(["mkfifo", `${boot}.fifo`]);
        await stalling.start(
          false,
          `--netboot-dir=${stalling.origin("netboot")}`,
        );
        const swapping = stalling.router.start([
          ...["python3", `${import.meta.dirname}/../../support/swap_paths.py`],
          ...["5", boot, `${boot}.fifo`],
        ]);
        await swapping.says(/swapping/);
        const seen = new Map<string, number>();
        for (let round = 0; round < 10; round++) {
          for (
            const status of await stalling.statusesOf(
              `/mac/${MAC}/boot.efi`,
              30,
            )
          ) seen.set(status, (seen.get(status) ?? 0) + 1);
        }
        assertEquals([...seen.keys()].toSorted(), ["200", "404"]);
        await stalling.goesOn();
        await swapping.ended();
        await stalling.end();
      },
    );

    await t.step("names without an end", async () => {
      await using lab = new Lab();
      await using stalling = await Stalling.create(lab);
      await stalling.start(false, "--names=/dev/zero");
      await stalling.daemon.logs(
        "names_unreadable",
        ({ message }) => message.includes("no regular file"),
      );
      await stalling.goesOn();
      await eventually("an answer", () => stalling.get("/healthz"));
      await stalling.end();
    });
  },
});
