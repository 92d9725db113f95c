import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { dhclient } from "../../support/dhcp_clients.ts";
import { BASE, derived, getsAddress } from "../../support/expect.ts";
import { encodeRequest, Opcode } from "../../../lib/tftp/packet.ts";
import { limitsMemory, MemoryGroup } from "../../support/memory_group.ts";
import { iaNa, message, opt, relayed } from "../../support/dhcpv6.ts";
import {
  favoredDaemonCommand,
  RunningDaemon,
  startDaemon,
  UNFAVORED,
} from "../../support/daemon.ts";
import {
  command,
  eventually,
  type Host,
  Lab,
  missing,
  pause,
  Program,
} from "../../support/lab.ts";
import {
  health,
  isHealthy,
  metrics,
  requestsAnswered,
} from "../../support/metrics.ts";
import {
  labProgram,
  plugIn,
  SERVER,
  startMachines,
  type Switched,
} from "./switch.ts";

const lacks = missing(
  "tests of faults",
  ...["dhclient", "curl", "cmp", "nft", "nsenter", "perfdhcp", "openssl"],
  ...["faketime", "strace", "kea-dhcp6"],
);
const ignore = lacks.length > 0;

const PORT = 6315;
const MAC = "02:00:5e:00:53:01";
const MIB = 1024 * 1024;

/** Seconds in which the interface flaps; `FLAPS=60` for the long run. */
const FLAPS = Number(Deno.env.get("FLAPS") ?? 15);

/**
 * Seconds after a fault in which all is served again. The daemon takes a second
 * or two, a busy machine longer; what does not recover by itself never does.
 */
const RECOVERY = 30;

/** Milliseconds without a byte after which a transfer stands still. */
const STANDSTILL = 2000;

/** Octets of a file of which sockets cannot hold the most part. */
const LONG = 64 * MIB;

/** Bytes of a file that takes TFTP some seconds. */
const IPXE = 24 * MIB;

/** Octets of a memory that a small router can spare. */
const SMALL_MEMORY = 256 * MIB;

const ignoreLimited = !(lacks.length === 0 && await limitsMemory());

const OPTIONS = [
  "--interface=lan",
  `--base-address=${BASE}`,
  `--boot-address=${SERVER}`,
  "--log-level=info",
];

/** A DHCPv6 message from `host` is answered. */
async function isAnswered(host: Host, seconds = RECOVERY): Promise<void> {
  const probe = host.start(labProgram(
    "probe.ts",
    ...["eth0", BASE, String(1000 * seconds / 20), "20"],
  ));
  await probe.says(/"time"/, seconds);
  probe.kill();
  await probe.ended();
}

/** A machine that was never there before is answered. */
async function isAnsweredAnew(host: Host, number: number): Promise<void> {
  const duid = `00030001 02000000aa0${number}`.replace(" ", "");
  const solicit = `01000${number}01` + `0001000a${duid}` +
    `0003000c${"00".repeat(12)}`;
  const from = `${await host.linkLocal("eth0")}%eth0`;
  const { stdout } = await host.run(
    labProgram("ask.ts", from, "546", "ff02::1:2%eth0", "547", solicit, "20"),
  );
  assertMatch(stdout, /^02/, "an Advertise");
}

function get(host: Host, url: string, to: string, ...args: string[]): Program {
  return host.start([
    ...["curl", "-sS", "-g", "--max-time", "200", "-o", to, ...args, url],
  ]);
}

const urlOf = (name: string) => `http://[${SERVER}]:${PORT}/mac/${MAC}/${name}`;

async function writeFilled(path: string, size: number, octet: number) {
  await Deno.writeFile(path, new Uint8Array(size).fill(octet));
}

/** Asserts that a file is a beginning of one that was filled with an octet. */
async function assertPure(path: string, octet: number, size: number) {
  const bytes = await Deno.readFile(path);
  assert(bytes.length <= size);
  assert(bytes.every((one) => one === octet), "it is mixed");
}

async function begins(path: string): Promise<void> {
  await eventually(
    "a download has begun",
    async () => (await Deno.stat(path).catch(() => undefined))?.size,
  );
}

/** Begins a download, and keeps it from going on until it gets SIGCONT. */
async function beginsAndPauses(
  host: Host,
  url: string,
  to: string,
): Promise<Program> {
  const download = get(host, url, to, "--limit-rate", "8M");
  await begins(to);
  download.kill("SIGSTOP");
  return download;
}

/** A host's firewall lets nothing of this kind leave. */
async function dropsOutput(host: Host, kind: string): Promise<void> {
  await host.run(["nft", "add table inet faults"]);
  await host.run([
    "nft",
    "add chain inet faults out { type filter hook output priority 0; }",
  ]);
  await host.run(["nft", `add rule inet faults out ${kind} drop`]);
}

/** The daemon's process: it holds the DHCPv6 socket. */
async function processOf(host: Host): Promise<string> {
  const { stdout } = await host.run(["ss", "-ulnpH", "sport = 547"]);
  return /\bpid=(\d+)/.exec(stdout)![1]!;
}

Deno.test("faults", async (t) => {
  await t.step({
    name: `${FLAPS} s of an interface that flaps, under load`,
    ignore,
    fn: async () => {
      await using lab = new Lab();
      const { router, attacker, visitor } = await plugIn(lab, 0);
      const daemon = await startDaemon(router, ...OPTIONS);
      const machines = await startMachines(attacker, 10_000, 1000);
      await eventually(
        "it is under load",
        async () => await requestsAnswered(router) > 1000,
      );
      const end = performance.now() + 1000 * FLAPS;
      while (performance.now() < end) {
        await router.ip("link set lan down");
        await pause(1200 * Math.random());
        await router.ip("link set lan up");
        await pause(3000 * Math.random());
      }
      await router.ip("link set lan down");
      await isHealthy(router, 503, RECOVERY);
      await router.ip("link set lan up");
      await router.linkLocal("lan");
      await isHealthy(router, 200, RECOVERY);
      await isAnswered(visitor);
      const before = await requestsAnswered(router);
      await eventually(
        "load goes on",
        async () => await requestsAnswered(router) > before,
      );
      machines.kill();
      assertEquals(await daemon.stop(), 0);
    },
  });

  await t.step({
    name: "addresses that are removed and come back",
    ignore,
    fn: async () => {
      await using lab = new Lab();
      const { router, visitor } = await plugIn(lab, 0);
      await startDaemon(router, ...OPTIONS);
      const own = await router.linkLocal("lan");
      const fetches = async () =>
        (await visitor.run([
          ...["curl", "-sS", "-g", "--max-time", "5", "-o", "/dev/null"],
          `tftp://[${SERVER}]/${MAC}/autoexec.ipxe`,
        ], { mayFail: true })).code === 0;
      for (let round = 0; round < 3; round++) {
        await router.ip(`addr del ${SERVER}/64 dev lan`);
        await eventually(
          "the daemon has seen it",
          async () =>
            !(await router.run(["ss", "-ulnH"])).stdout.includes(
              `[${SERVER}]:547`,
            ),
          RECOVERY,
        );
        await isAnswered(visitor);
        await router.ip(`addr add ${SERVER}/64 dev lan nodad`);
        await eventually("TFTP is back", fetches, RECOVERY);
        await router.ip(`addr del ${own}/64 dev lan`);
        await isHealthy(router, 503, RECOVERY);
        await router.ip(`addr add ${own}/64 dev lan nodad`);
        await isHealthy(router, 200, RECOVERY);
        await isAnswered(visitor);
      }
    },
  });

  await t.step({
    name: "a netboot directory that is taken away and another one put there",
    ignore,
    fn: async () => {
      await using lab = new Lab();
      const { router, visitor } = await plugIn(lab, 0);
      const directory = `${lab.directory}/netboot`;
      await Deno.mkdir(directory);
      await startDaemon(router, ...OPTIONS, `--netboot-dir=${directory}`);
      // Mounts are made where the daemon sees them.
      const inside = async (...args: string[]) =>
        await command([
          "nsenter",
          `--target=${await processOf(router)}`,
          "--mount",
          ...args,
        ]);
      const mount = async (octet: string) => {
        await inside("mount", "-t", "tmpfs", "none", directory);
        await inside(
          "sh",
          "-c",
          `mkdir ${directory}/default && head -c ${LONG} /dev/zero | tr '\\0' ${octet} > ${directory}/default/boot.efi`,
        );
      };
      await mount("a");
      const to = `${lab.directory}/got`;
      const download = await beginsAndPauses(visitor, urlOf("boot.efi"), to);
      await inside("umount", "-l", directory);
      const none = await visitor.run([
        ...["curl", "-sS", "-g", "-o", "/dev/null", "-w", "%{http_code}"],
        urlOf("boot.efi"),
      ]);
      assertEquals(none.stdout, "404");
      await mount("b");
      const anew = `${lab.directory}/anew`;
      assertEquals(await get(visitor, urlOf("boot.efi"), anew).ended(), 0);
      download.kill("SIGCONT");
      const code = await download.ended(200);
      await assertPure(to, "a".charCodeAt(0), LONG);
      if (code === 0) assertEquals((await Deno.stat(to)).size, LONG);
      await assertPure(anew, "b".charCodeAt(0), LONG);
      assertEquals((await Deno.stat(anew)).size, LONG);
      assertEquals(await health(router), 200);
    },
  });

  for (
    const [what, change] of [
      ["truncated", (path: string) => Deno.truncate(path, MIB)],
      ["swapped", async (path: string) => {
        await writeFilled(`${path}.new`, LONG, 2);
        await Deno.rename(`${path}.new`, path);
      }],
      ["written in its middle", async (path: string) => {
        using file = await Deno.open(path, { write: true });
        await file.seek(LONG - 2 * MIB, Deno.SeekMode.Start);
        await file.write(new Uint8Array(MIB).fill(2));
      }],
    ] as const
  ) {
    await t.step({
      name: `a file that is ${what}: no download is mixed`,
      ignore,
      fn: async () => {
        await using lab = new Lab();
        const { router, visitor } = await plugIn(lab, 0);
        const own = `${lab.directory}/netboot/${MAC}`;
        await Deno.mkdir(own, { recursive: true });
        await writeFilled(`${own}/boot.efi`, LONG, 1);
        const iso = `${lab.directory}/ipxe.efi`;
        await writeFilled(iso, 4 * MIB, 1);
        await startDaemon(
          router,
          ...OPTIONS,
          `--netboot-dir=${lab.directory}/netboot`,
          `--ipxe-x86-64-efi=${iso}`,
        );
        const to = `${lab.directory}/got`;
        const download = await beginsAndPauses(visitor, urlOf("boot.efi"), to);
        const tftpTo = `${lab.directory}/got-tftp`;
        const transfer = get(
          visitor,
          `tftp://[${SERVER}]/${MAC}/x.efi`,
          tftpTo,
        );
        await begins(tftpTo);
        await change(`${own}/boot.efi`);
        await writeFilled(iso, 4 * MIB, 2);
        download.kill("SIGCONT");
        const code = await download.ended(200);
        // One that is no longer in its directory may still be whole.
        assert(code === 18 || what === "swapped" && code === 0, `${code}`);
        await assertPure(to, 1, code === 18 ? LONG - 1 : LONG);
        if (code === 0) assertEquals((await Deno.stat(to)).size, LONG);
        if (await transfer.ended(200) === 0) {
          assertEquals((await Deno.stat(tftpTo)).size, 4 * MIB);
        }
        await assertPure(tftpTo, 1, 4 * MIB);
        const again = get(visitor, `tftp://[${SERVER}]/${MAC}/x.efi`, tftpTo);
        assertEquals(await again.ended(200), 0, again.output);
        await assertPure(tftpTo, 2, 4 * MIB);
        assertEquals(await health(router), 200);
      },
    });
  }

  await t.step({
    name: "answers that may not leave: told, and over when they may",
    ignore,
    fn: async () => {
      await using lab = new Lab();
      const { router, visitor } = await plugIn(lab, 0);
      const daemon = await startDaemon(router, ...OPTIONS);
      await isAnswered(visitor);
      await dropsOutput(router, "udp sport 547");
      const probe = visitor.start(
        labProgram("probe.ts", "eth0", BASE, "100", "20"),
      );
      assertMatch((await daemon.logs("cannot_send")).message, /firewall/);
      assertEquals(await health(router), 503);
      await probe.ended();
      await router.run(["nft", "delete table inet faults"]);
      await isAnswered(visitor);
      await isHealthy(router);
      assert(
        (await metrics(router)).get(
          'dhcpv6macd_dhcpv6_dropped_total{reason="send_failed"}',
        )! >= 8,
      );
      assertEquals(daemon.count("cannot_send"), 1);
    },
  });

  await t.step({
    name: "a file whose packets may not leave meanwhile: whole",
    ignore,
    fn: async () => {
      await using lab = new Lab();
      const { router, visitor } = await plugIn(lab, 0);
      const iso = `${lab.directory}/ipxe.efi`;
      await writeFilled(iso, IPXE, 1);
      const daemon = await startDaemon(
        router,
        ...OPTIONS,
        `--ipxe-x86-64-efi=${iso}`,
      );
      const to = `${lab.directory}/got`;
      const transfer = get(visitor, `tftp://[${SERVER}]/${MAC}/x.efi`, to);
      await begins(to);
      await dropsOutput(router, "udp sport != 547");
      let { size } = await Deno.stat(to);
      await eventually("it stands still", async () => {
        await pause(STANDSTILL);
        const before = size;
        ({ size } = await Deno.stat(to));
        return size === before;
      });
      assertLess(size, IPXE);
      assertEquals(await health(router), 200);
      await router.run(["nft", "delete table inet faults"]);
      assertEquals(await transfer.ended(200), 0, transfer.output);
      assertEquals((await Deno.stat(to)).size, IPXE);
      await assertPure(to, 1, IPXE);
      assertEquals(daemon.log.filter(({ level }) => level === "error"), []);
    },
  });

  await t.step({
    name: "relays that cannot be reached: no fault of the daemon",
    ignore,
    fn: async () => {
      await using lab = new Lab();
      const { router, attacker, visitor } = await plugIn(lab, 0);
      const daemon = await startDaemon(router, ...OPTIONS);
      await isAnswered(visitor);
      const solicit = message(1, opt(1, "000300010200005e5399"), iaNa(1));
      for (const ports of ["1", "100"]) {
        const spoof = attacker.start(labProgram(
          "spoof.ts",
          ...["eth0", await router.mac("lan"), "2001:db8:dead::/64", ports],
          ...[SERVER, "547", encodeHex(relayed(solicit, { link: BASE }))],
          ...["100", "1000"],
        ));
        await spoof.says(/done/);
      }
      const failed = 'dhcpv6macd_dhcpv6_dropped_total{reason="send_failed"}';
      await eventually(
        "answers have failed",
        async () => (await metrics(router)).get(failed)! >= 100,
      );
      assertEquals(await health(router), 200);
      assertEquals(daemon.count("cannot_send"), 0);
      await isAnswered(visitor);
    },
  });

  await t.step({
    name:
      "answers that the kernel has no memory for: told, and over when it has",
    ignore,
    fn: async () => {
      await using lab = new Lab();
      const { router, visitor } = await plugIn(lab, 0);
      const daemon = await startDaemon(router, ...OPTIONS);
      await isAnswered(visitor);
      const { stdout } = await router.run(["ss", "-aunpeH"]);
      const sockets = [...stdout.matchAll(/\bino:(\d+)/g)];
      assertLess(3, sockets.length);
      const kernel = router.start([
        ...["strace", "-f", "-e", "inject=sendto:error=ENOBUFS"],
        ...["-o", "/dev/null", "-p", await processOf(router)],
        ...sockets.flatMap(([, inode]) => ["-P", `socket:[${inode}]`]),
      ]);
      await kernel.says(/attached/);
      const probe = visitor.start(
        labProgram("probe.ts", "eth0", BASE, "100", "20"),
      );
      assertMatch((await daemon.logs("cannot_send")).message, /buffer space/);
      assertEquals(await health(router), 503);
      await probe.ended();
      await kernel.stop();
      await isAnswered(visitor);
      await isHealthy(router);
      assertEquals(daemon.count("cannot_send"), 1);
    },
  });

  await t.step({
    name: "a certificate that is written in two halves",
    ignore,
    fn: async () => {
      await using lab = new Lab();
      const { router, visitor } = await plugIn(lab, 0);
      const file = (name: string) => `${lab.directory}/${name}`;
      for (const name of ["first", "second"]) await certify(lab, name);
      await Deno.copyFile(file("first.pem"), file("used.pem"));
      await Deno.copyFile(file("first.key"), file("used.key"));
      const daemon = await startDaemon(
        router,
        ...OPTIONS,
        `--tls-cert-file=${file("used.pem")}`,
        `--tls-key-file=${file("used.key")}`,
        "--https-listen-addr=:8443",
      );
      const name = async () =>
        /subject: CN ?= ?(\S+)/.exec(
          (await visitor.run([
            ...["curl", "-skv", "-g", "--max-time", "10"],
            `https://[${SERVER}]:8443/healthz`,
          ], { mayFail: true })).stderr,
        )?.[1];
      assertEquals(await name(), "first");
      for (const kind of ["pem", "key"]) {
        const whole = await Deno.readTextFile(file(`second.${kind}`));
        for (const part of [0, 0.3, 0.7, 1]) {
          assertEquals(await name(), "first", `before ${part} of the ${kind}`);
          await Deno.writeTextFile(
            file(`used.${kind}`),
            whole.slice(0, part * whole.length),
          );
          await pause(part < 1 ? 1300 : 0);
        }
      }
      await eventually(
        "the second is used",
        async () => await name() === "second",
        RECOVERY,
      );
      assert(daemon.count("certificate_refused") >= 1);
      assertEquals(await health(router), 200);
    },
  });

  await t.step({
    name: "a reader of the log that has stalled",
    ignore,
    fn: async () => {
      await using lab = new Lab();
      const { router, attacker, visitor } = await plugIn(lab, 0);
      router.start([
        ...["sh", "-c", '"$@" 2>&1 | sleep 120', "sh"],
        ...JSON.parse(Deno.env.get("DAEMON_COMMAND")!),
        ...OPTIONS.slice(0, -1),
        ...["--log-level=debug", "--log-format=json"],
      ]);
      await isHealthy(router);
      const flood = attacker.start(
        labProgram(
          "flood.ts",
          ...["eth0", await attacker.linkLocal("eth0"), "8000", "4000"],
        ),
      );
      await flood.says(/flooding/);
      flood.kill();
      await flood.ended();
      const lost = (await metrics(router)).get(
        'dhcpv6macd_log_lines_dropped_total{reason="stalled"}',
      )!;
      assertLess(0, lost);
      await isAnswered(visitor);
      assertEquals(await health(router), 200);
    },
  });

  await t.step({
    name: "names that act when they are shown",
    ignore,
    fn: async () => {
      await using lab = new Lab();
      const { router, visitor } = await plugIn(lab, 0);
      const own = await derived(visitor, "eth0");
      await visitor.ip(`addr add ${own}/64 dev eth0 nodad`);
      const mac = await visitor.mac("eth0");
      const daemon = router.start([
        ...JSON.parse(Deno.env.get("DAEMON_COMMAND")!),
        ...[...OPTIONS, "--log-format=text"],
      ]);
      await daemon.says(/serving DHCPv6 on lan/);
      const evil = "\x1b[2J\x07\u202e\u2066\u0085<b>\"'&\r\n{\u007f}";
      await visitor.start(labProgram(
        "ask.ts",
        ...[own, "40000", SERVER, "69"],
        encodeHex(encodeRequest({
          opcode: Opcode.ReadRequest,
          fileName: `${mac}/${evil}.efi`,
          mode: "octet",
          options: new Map([["tsize", "0"]]),
        })),
        "20",
      )).ended();
      // Confirmed by nobody, it is no transfer; one that is confirmed is shown.
      const got = await visitor.run([
        ...["curl", "-sS", "-g", "--max-time", "50", "-o", "/dev/null"],
        ...["--interface", own],
        `tftp://[${SERVER}]/${mac}/${encodeURIComponent(evil)}.efi`,
      ], { mayFail: true });
      assertEquals(got.code, 0, got.stderr);
      await daemon.says(/serve_ipxe_over_tftp/);
      // deno-lint-ignore no-control-regex
      const acting = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;
      const page = async (path: string) =>
        (await visitor.run([
          ...["curl", "-sS", "-g", "--max-time", "50"],
          `http://[${SERVER}]:${PORT}${path}`,
        ])).stdout;
      const html = await page("/plain");
      assertMatch(html, new RegExp(mac));
      assert(!acting.test(html), "the page");
      assert(!html.includes('<b>"'), "the page");
      const { Events } = JSON.parse(await page(`/machines/${mac}`));
      assertEquals(
        (Events as { detail: { file_name: string } | null }[]).map((
          { detail },
        ) => detail?.file_name).filter((name) => name !== undefined),
        [`${evil}.efi`],
      );
      for (const line of daemon.output.split("\n")) {
        assert(!acting.test(line), JSON.stringify(line));
      }
    },
  });

  await t.step({
    name: "256 MB of memory, with everything at once",
    ignore: ignoreLimited,
    fn: async () => {
      await using group = (await MemoryGroup.create(SMALL_MEMORY))!;
      await using lab = new Lab();
      const { router, attacker, visitor } = await plugIn(lab, 0);
      const own = `${lab.directory}/netboot/${MAC}`;
      await Deno.mkdir(own, { recursive: true });
      await writeFilled(`${own}/boot.efi`, 32 * MIB, 1);
      await certify(lab, "own");
      // Inside of a namespace the groups are out of sight.
      const program = new Program([
        ...group.command,
        ...["ip", "netns", "exec", router.namespace],
        ...favoredDaemonCommand(),
        // Memory is short here, and not descriptors.
        ...[...OPTIONS, "--log-format=json", "--max-open-files=16384"],
        `--netboot-dir=${lab.directory}/netboot`,
        `--tls-cert-file=${lab.directory}/own.pem`,
        `--tls-key-file=${lab.directory}/own.key`,
        "--https-listen-addr=:8443",
      ]);
      lab.programs.push(program);
      const daemon = new RunningDaemon(program);
      await daemon.logs("serving");
      visitor.start(eventReaders(200));
      const slow = attacker.start(labProgram(
        "connections.ts",
        ...[SERVER, String(PORT), "128", "reading", `/mac/${MAC}/boot.efi`],
      ));
      await slow.says(/held/);
      const steady = [
        `http://[${SERVER}]:${PORT}/machines`,
        `http://[${SERVER}]:${PORT}/metrics`,
        `https://[${SERVER}]:8443/mac/${MAC}/boot.efi`,
        `https://[${SERVER}]:8443/mac/${MAC}/boot.efi`,
        ...Array.from(
          { length: 6 },
          () => `tftp://[${SERVER}]/${MAC}/ipxe.efi`,
        ),
      ].map((url) => keepFetching(visitor, url));
      // It has a processor of its own, too: what is left here.
      const flood = attacker.start([
        ...UNFAVORED,
        ...labProgram("flood.ts", "eth0", "spoofed", "60000", "15000"),
      ]);
      await flood.says(/flooding/);
      const downloads = Array.from(
        { length: 20 },
        () => get(visitor, urlOf("boot.efi"), "/dev/null"),
      );
      const memory = await Deno.makeTempDir({ dir: lab.directory });
      await dhclient.start(visitor, "eth0", memory);
      await getsAddress(visitor, "eth0", await derived(visitor, "eth0"), 120);
      for (const download of downloads) {
        assertEquals(
          await download.ended(200),
          0,
          download.output + await group.peak() + program.output.slice(-2000),
        );
      }
      flood.kill();
      await flood.ended();
      assertEquals(await health(router), 200);
      for (const program of steady) {
        assertEquals(program.output, "", "nothing fails that goes on");
        program.kill();
      }
      assertEquals(
        (await metrics(router)).get("dhcpv6macd_http_downloads")! >= 128,
        true,
      );
      // Those who read slowly get some seconds.
      assertEquals(await program.stop(), 0, "it was never killed");
    },
  });

  await t.step({
    name: "a clock that jumps by a day, forth and back",
    ignore,
    fn: async () => {
      await using lab = new Lab();
      const { router, visitor } = await plugIn(lab, 0);
      const library = await eventually(
        "libfaketime",
        async () =>
          (await command(["dpkg", "-L", "libfaketime"])).stdout.split("\n")
            .find((path) => path.endsWith("/libfaketime.so.1")),
      );
      const clock = await lab.file("clock", "+0\n");
      const daemon = new RunningDaemon(router.start([
        ...["env", `LD_PRELOAD=${library}`, `FAKETIME_TIMESTAMP_FILE=${clock}`],
        ...["FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"],
        ...JSON.parse(Deno.env.get("DAEMON_COMMAND")!),
        ...[...OPTIONS, "--log-format=json"],
      ]));
      await daemon.logs("serving");
      for (const shift of [1, -1, 0]) {
        // At once: the daemon reads it all the time.
        await Deno.rename(
          await lab.file("next", `${shift < 0 ? "" : "+"}${shift}d\n`),
          clock,
        );
        await isAnswered(visitor);
        assertEquals(await health(router), 200);
        const jumped = Date.now() + 86_400_000 * shift;
        await isAnsweredAnew(visitor, shift + 2);
        await daemon.logs(
          "init",
          ({ time }) => Math.abs(Date.parse(String(time)) - jumped) < 600_000,
          RECOVERY,
        );
      }
      assertEquals(await daemon.stop(), 0);
    },
  });

  await t.step({
    name: "SIGTERM in the middle of everything",
    ignore,
    fn: async () => {
      await using lab = new Lab();
      const { router, attacker, visitor } = await plugIn(lab, 0);
      const own = `${lab.directory}/netboot/${MAC}`;
      await Deno.mkdir(own, { recursive: true });
      await writeFilled(`${own}/boot.efi`, 64 * MIB, 1);
      const daemon = await startDaemon(
        router,
        ...OPTIONS,
        `--netboot-dir=${lab.directory}/netboot`,
      );
      const programs = [
        attacker.start(labProgram("flood.ts", "eth0", "spoofed", "0", "20000")),
        attacker.start(
          labProgram("connections.ts", SERVER, String(PORT), "200", "idle"),
        ),
        visitor.start(eventReaders(20)),
      ];
      await programs[0]!.says(/flooding/);
      await programs[1]!.says(/held/);
      const to = `${lab.directory}/got`;
      programs.push(
        get(visitor, urlOf("boot.efi"), to, "--limit-rate", "1M"),
        get(visitor, `tftp://[${SERVER}]/${MAC}/x.efi`, `${to}-tftp`),
      );
      await begins(to);
      const began = performance.now();
      daemon.program.kill();
      assertEquals(await daemon.program.ended(), 0, daemon.program.output);
      // The download would take a minute.
      assertLess(performance.now() - began, 20_000);
      assertEquals(daemon.log.at(-1)!.event, "stopped");
      for (const program of programs) program.kill();
    },
  });

  for (
    const [what, base, expected] of [
      ["another base address: a warning", "2001:db8:1:2:7::", "warning"],
      ["the same base address: none", BASE, "info"],
    ] as const
  ) {
    await t.step({
      name: `a second daemon with ${what}`,
      ignore,
      fn: async () => {
        await using lab = new Lab();
        const testLink: Switched = await plugIn(lab, 1);
        const second = await lab.host("second");
        const network = testLink.network;
        await lab.plug(network, 90, second, "lan");
        await second.linkLocal("lan");
        const daemon = await startDaemon(
          testLink.router,
          ...OPTIONS,
          "--preference=1",
        );
        await startDaemon(second, "--interface=lan", `--base-address=${base}`);
        const [machine] = testLink.machines;
        const memory = await Deno.makeTempDir({ dir: lab.directory });
        // A client takes the other's answer if that comes within a second, or
        // alone. This one reads the client's messages later.
        daemon.program.kill("SIGSTOP");
        await dhclient.start(machine!, "eth0", memory);
        const address = await derived(machine!, "eth0", base);
        await getsAddress(machine!, "eth0", address);
        daemon.program.kill("SIGCONT");
        const line = await daemon.logs("other_server");
        assertEquals(line.level, expected);
        assertEquals(line.server_mac, await second.mac("lan"));
        if (expected === "warning") assertEquals(line.other_address, address);
        assertEquals(daemon.count("other_server"), 1);
      },
    });
  }

  await t.step({
    name: "Kea on the link, and preferred by a machine: a warning",
    ignore,
    fn: async () => {
      await using lab = new Lab();
      const testLink = await plugIn(lab, 1);
      const other = await lab.host("other");
      await lab.plug(testLink.network, 90, other, "lan");
      await other.linkLocal("lan");
      await other.ip("addr add 2001:db8:1:2::5/64 dev lan nodad");
      const config = await lab.file(
        "kea.json",
        JSON.stringify({
          Dhcp6: {
            "interfaces-config": { interfaces: ["lan"] },
            "lease-database": { type: "memfile", persist: false },
            "option-data": [
              { name: "preference", data: "255", "always-send": true },
            ],
            subnet6: [{
              subnet: "2001:db8:1:2::/64",
              interface: "lan",
              pools: [{ pool: "2001:db8:1:2::1000-2001:db8:1:2::1fff" }],
            }],
          },
        }),
      );
      const daemon = await startDaemon(
        testLink.router,
        ...OPTIONS,
        "--preference=1",
      );
      const kea = other.start(
        ["kea-dhcp6", "-c", config],
        ["/run/kea", "/var/lib/kea"],
      );
      await kea.says(/DHCP6_STARTED/);
      const [machine] = testLink.machines;
      const memory = await Deno.makeTempDir({ dir: lab.directory });
      // As above: Kea has its second.
      daemon.program.kill("SIGSTOP");
      await dhclient.start(machine!, "eth0", memory);
      await eventually(
        "the machine has an address of Kea",
        async () =>
          (await machine!.addresses("eth0")).some((address) =>
            address.startsWith("2001:db8:1:2::1")
          ),
      );
      daemon.program.kill("SIGCONT");
      const line = await daemon.logs(
        "other_server",
        ({ level }) => level === "warning",
      );
      assertMatch(String(line.other_address), /^2001:db8:1:2::1[0-9a-f]{3}$/);
      assertEquals(line.address, await derived(machine!, "eth0"));
      await getsAddress(machine!, "eth0", String(line.other_address));
    },
  });

  await t.step({
    name: "an address that another host has already: a warning",
    ignore,
    fn: async () => {
      await using lab = new Lab();
      const { router, machines: [machine] } = await plugIn(lab, 1);
      const address = await derived(machine!, "eth0");
      await router.ip(`addr add ${address}/64 dev lan nodad`);
      const daemon = await startDaemon(router, ...OPTIONS);
      // As Debian's script does: 3 says that somebody has the address.
      const script = await lab.file(
        "find-duplicate",
        `#!/bin/sh
[ "$reason" = BOUND6 ] || exit 0
ip -6 addr add "$new_ip6_address/64" dev "$interface"
for try in $(seq 50); do
  case "$(ip -6 -o addr show dev "$interface" to "$new_ip6_address")" in
    "" | *dadfailed*) exit 3 ;;
    *tentative*) sleep 0.1 ;;
    *) exit 0 ;;
  esac
done
`,
        0o755,
      );
      machine!.start([
        ..."dhclient -6 -d -cf /dev/null -lf".split(" "),
        ...[`${lab.directory}/leases`, "-pf", `${lab.directory}/pid`],
        ...["-sf", script, "eth0"],
      ]);
      const line = await daemon.logs("address_declined");
      assertEquals([line.level, line.address], ["warning", address]);
    },
  });
});

/** Makes a key and a certificate for it, `NAME.key` and `NAME.pem`. */
async function certify({ directory }: Lab, name: string): Promise<void> {
  const base = `${directory}/${name}`;
  await command([
    ..."openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1"
      .split(" "),
    ...["-nodes", "-days", "7", "-subj", `/CN=${name}`],
    ...["-keyout", `${base}.key`, "-out", `${base}.pem`],
  ]);
}

/** Fetches again and again until it is stopped, or cannot. */
function keepFetching(host: Host, url: string): Program {
  const curl = `curl -sSfgk --max-time 200 -o /dev/null '${url}'`;
  return host.start(["sh", "-c", `while ${curl}; do :; done; echo failed`]);
}

/** A command that reads the event stream so many times at once. */
function eventReaders(count: number): string[] {
  const url = `http://[${SERVER}]:${PORT}/events`;
  return [
    ...["sh", "-c"],
    `for i in $(seq ${count}); do curl -sgN -o /dev/null '${url}' & done; wait`,
  ];
}
