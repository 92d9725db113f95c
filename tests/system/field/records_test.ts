/** DNS records, as real DNS servers and resolvers read them. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { runDaemon, startDaemon } from "../../support/daemon.ts";
import { BASE } from "../../support/expect.ts";
import { eventually, type Host, Lab, missing } from "../../support/lab.ts";
import { place, SERVER } from "./place.ts";

const lacks = missing(
  "tests of DNS records",
  "curl",
  "dig",
  "dnsmasq",
  "nsd",
  "unbound",
);
const ignore = lacks.length > 0;

const SECOND_BASE = "fd00:1:2:3::";
const DOMAIN = "lab.example";
const NAMES = `\
02:00:5e:00:53:01 Mac mini 1
02-00-5E-00-53-02 rig
`;
const LISTED = "02-00-5E-00-53-09";

/** The names in DNS, and the ends of their addresses. */
const HOSTS: [host: string, end: string][] = [
  ["mac-mini-1", "200:5e00:5301"],
  ["rig", "200:5e00:5302"],
  ["02-00-5e-00-53-09", "200:5e00:5309"],
];

const BASES = [BASE, SECOND_BASE];

function addressOf(base: string, end: string): string {
  return `${base.replace(/::$/, ":0:")}${end}`;
}

/** A host with the program's files of names and directories. */
async function prepared(lab: Lab): Promise<Host> {
  const host = await lab.host("dns");
  await host.ip("link set lo up");
  await Deno.writeTextFile(`${lab.directory}/names`, NAMES);
  await Deno.mkdir(`${lab.directory}/netboot/${LISTED}`, { recursive: true });
  await Deno.mkdir(`${lab.directory}/netboot/default`);
  return host;
}

/** Writes records into a file; its path. */
async function writeRecords(
  lab: Lab,
  host: Host,
  format: string,
  bases: readonly string[] = BASES,
): Promise<string> {
  const { code, stdout, stderr } = await runDaemon(
    host,
    ...["records", `--format=${format}`, `--domain=${DOMAIN}`],
    ...bases.map((base) => `--base-address=${base}`),
    `--names=${lab.directory}/names`,
    `--all-from=${lab.directory}/netboot`,
  );
  assertEquals(code, 0, stderr);
  const path = `${lab.directory}/${format}${
    bases.length === 1 ? bases[0] : ""
  }`;
  await Deno.writeTextFile(path, stdout);
  // The servers give up root.
  await Deno.chmod(lab.directory, 0o755);
  return path;
}

/** What a server answers, without the final dot. */
async function dig(host: Host, ...question: string[]): Promise<string[]> {
  const { stdout } = await host.run(
    ["dig", "+short", "+time=2", "+tries=3", "@::1", ...question],
    { mayFail: true },
  );
  return stdout.split("\n").filter((line) => line !== "").map((line) =>
    line.replace(/\.$/, "")
  ).toSorted();
}

/** Every machine is found by its name, and by each address. */
async function answersBothWays(host: Host, bases = BASES) {
  for (const [name, end] of HOSTS) {
    const full = `${name}.${DOMAIN}`;
    const addresses = bases.map((base) => addressOf(base, end)).toSorted();
    await eventually(
      `${full} has its addresses`,
      async () => String(await dig(host, full, "AAAA")) === String(addresses),
    );
    for (const address of addresses) {
      assertEquals(await dig(host, "-x", address), [full], address);
    }
  }
  assertEquals(await dig(host, `stranger.${DOMAIN}`, "AAAA"), []);
}

Deno.test({
  name: "DNS records of machines",
  ignore,
  fn: async (t) => {
    await using lab = new Lab();
    const host = await prepared(lab);

    for (
      const [format, option] of [
        ["hosts", "--addn-hosts"],
        ["dnsmasq", "--conf-file"],
      ] as const
    ) {
      await t.step(`${format}: dnsmasq answers`, async () => {
        const file = await writeRecords(lab, host, format);
        const server = host.start([
          ...["dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts"],
          ...["--listen-address=::1", "--bind-interfaces", `--pid-file=`],
          ...option === "--conf-file" ? [] : ["--conf-file=/dev/null"],
          `${option}=${file}`,
        ]);
        await answersBothWays(host);
        await server.stop();
      });
    }

    await t.step("unbound answers", async () => {
      const records = await writeRecords(lab, host, "unbound");
      const conf = `${lab.directory}/unbound.conf`;
      await Deno.writeTextFile(
        conf,
        `\
server:
  interface: ::1
  do-daemonize: no
  use-syslog: no
  chroot: ""
  username: ""
  pidfile: ""
  access-control: ::1 allow
include: ${records}
`,
      );
      await host.run(["unbound-checkconf", conf]);
      const server = host.start(["unbound", "-d", "-c", conf]);
      await answersBothWays(host);
      await server.stop();
    });

    await t.step("zones: nsd answers", async () => {
      const zones = [[DOMAIN, await writeRecords(lab, host, "zone")]];
      for (const base of BASES) {
        const file = await writeRecords(lab, host, "reverse-zone", [base]);
        const [, origin] = /^\$ORIGIN (.*)\.$/m.exec(
          await Deno.readTextFile(file),
        )!;
        zones.push([origin!, file]);
      }
      const conf = `${lab.directory}/nsd.conf`;
      await Deno.writeTextFile(
        conf,
        `\
server:
  ip-address: ::1
  username: ""
  chroot: ""
  pidfile: ""
  zonesdir: ""
  database: ""
  xfrdfile: "${lab.directory}/xfrd"
  zonelistfile: "${lab.directory}/zonelist"
remote-control:
  control-enable: no
${
          zones.map(([name, file]) =>
            `zone:\n  name: ${name}\n  zonefile: "${file}"\n`
          ).join("")
        }`,
      );
      for (const [name, file] of zones) {
        await host.run(["nsd-checkzone", name!, file!]);
      }
      const server = host.start(["nsd", "-d", "-c", conf]);
      await answersBothWays(host);
      await server.stop();
    });

    await t.step("what becomes of names is said, once", async () => {
      await Deno.writeTextFile(
        `${lab.directory}/odd`,
        `${NAMES}this is no line\n02:00:5e:00:53:03 ***\n`,
      );
      const { code, stdout, stderr } = await runDaemon(
        host,
        ...[
          "records",
          `--base-address=${BASE}`,
          `--names=${lab.directory}/odd`,
        ],
      );
      assertEquals([code, stdout], [
        0,
        `${addressOf(BASE, HOSTS[0]![1])} mac-mini-1
${addressOf(BASE, HOSTS[1]![1])} rig
`,
      ]);
      assertEquals(stderr.trimEnd().split("\n"), [
        `dhcpv6macd: --names ${lab.directory}/odd: 1 line is not MAC NAME, the first is line 3: this is no line`,
        'dhcpv6macd: 1 name makes no host name: "***"',
        'dhcpv6macd: 1 name has characters that host names do not have: "Mac mini 1" is mac-mini-1',
      ]);
    });

    await t.step("a reader that has enough ends it", async () => {
      const names = Array.from(
        { length: 20_000 },
        (_, index) =>
          `02:00:5e:${(index >> 8).toString(16)}:${
            (index & 255).toString(16)
          }:01 m${index}`,
      );
      await Deno.writeTextFile(`${lab.directory}/many`, names.join("\n"));
      const program = [
        ...JSON.parse(Deno.env.get("DAEMON_COMMAND")!),
        ...["records", `--base-address=${BASE}`],
        `--names=${lab.directory}/many`,
      ].join(" ");
      const { stdout, stderr } = await host.run([
        ...["bash", "-c"],
        `set -o pipefail; ${program} | head -n 1`,
      ]);
      assertMatch(stdout, /^2001:\S+ m0\n$/);
      assertEquals(stderr, "");
    });
  },
});

Deno.test({
  name: "DNS records of a running daemon",
  ignore,
  fn: async (t) => {
    await using lab = new Lab();
    const { router, client } = await place(lab);
    await Deno.writeTextFile(`${lab.directory}/names`, NAMES);
    await startDaemon(
      router,
      ...["--interface=lan", `--base-address=${BASE}`, `--domain=${DOMAIN}.`],
      `--names=${lab.directory}/names`,
    );
    await client.ip("addr add 2001:db8:1:2::2/64 dev eth0 nodad");
    const get = async (query: string) => {
      const { stdout } = await client.run([
        ...["curl", "-sSg", "--max-time", "20", "-w", "%{http_code}"],
        `http://[${SERVER}]:6315/records${query}`,
      ]);
      return [Number(stdout.slice(-3)), stdout.slice(0, -3)] as const;
    };

    await t.step("hosts", async () => {
      const [status, text] = await get("");
      assertEquals(status, 200);
      assertEquals(
        text.split("\n")[0],
        `${addressOf(BASE, HOSTS[0]![1])} mac-mini-1.lab.example mac-mini-1`,
      );
      assertEquals(await get("?format=hosts"), [status, text]);
    });

    await t.step("each format", async () => {
      for (
        const format of ["dnsmasq", "unbound", "zone", "reverse-zone", "json"]
      ) {
        const [status, text] = await get(`?format=${format}`);
        assertEquals(status, 200, format);
        assert(text.includes("mac-mini-1.lab.example"), format);
      }
    });

    await t.step("no format", async () => {
      assertEquals(await get("?format=xml"), [
        400,
        "bad request: ?format= takes one of hosts, dnsmasq, unbound, zone, reverse-zone, json\n",
      ]);
    });
  },
});
