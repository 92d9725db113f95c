/** The commands `explain`, `status` and `watch --mac`, and what the API has. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { optionsOf } from "../../support/boot_clients.ts";
import { daemonCommand, runDaemon, startDaemon } from "../../support/daemon.ts";
import { hex, message, numbers, opt, pretty } from "../../support/dhcpv6.ts";
import { BASE } from "../../support/expect.ts";
import { eventually, type Host, Lab, missing } from "../../support/lab.ts";
import type { Option } from "../../../lib/dhcpv6/wire/packet.ts";
import type { ExplanationJson } from "../../../lib/machines/explanation.ts";
import type { StatusJson } from "../../../lib/machines/status.ts";
import { labProgram } from "../abuse/switch.ts";
import { place, SERVER } from "./place.ts";

const lacks = missing("tests of explain and status", "curl");
const ignore = lacks.length > 0;

const MAC = "02:00:5e:00:53:15";
const OTHER = "02:00:5e:00:53:16";
const DENIED = "02:00:5e:00:53:99";
/** Their addresses. */
const OWN = "2001:db8:1:2:0:200:5e00:5315";
const OTHERS = "2001:db8:1:2:0:200:5e00:5316";
const URL_BASE = `http://[${SERVER}]:6315`;
const OPTIONS = ["--interface=lan", `--base-address=${BASE}`];
const TEMPLATE =
  `--http-boot-url-template=${URL_BASE}/mac/{{.MAC}}/boot.efi?p={{.Payload | urlquery}}`;

/** Netboot files of one machine and of all. */
async function makeNetboot(lab: Lab): Promise<string> {
  const directory = `${lab.directory}/netboot`;
  await Deno.mkdir(`${directory}/${MAC}`, { recursive: true });
  await Deno.mkdir(`${directory}/default`);
  await Deno.writeTextFile(`${directory}/${MAC}/boot.efi`, "its own");
  await Deno.writeTextFile(`${directory}/default/boot.efi`, "for all");
  return directory;
}

async function explain(
  host: Host,
  mac: string,
  ...args: string[]
): Promise<{ code: number; explanation: ExplanationJson }> {
  const { code, stdout, stderr } = await runDaemon(
    host,
    ...["explain", "--json", mac, ...args],
  );
  assert(stdout !== "", stderr);
  return { code, explanation: JSON.parse(stdout) };
}

/** Sends a Solicit of a machine; the reply as `ask.ts` prints it. */
async function solicit(
  client: Host,
  linkLocal: string,
  mac: string,
  options: readonly Option[] = [],
  seconds = 20,
): Promise<string> {
  const bytes = message(
    1,
    opt(1, `00030001${mac.replaceAll(":", "")}`),
    opt(3, numbers(4, 1, 0, 0)),
    ...options,
  );
  const { stdout } = await client.run(labProgram(
    "ask.ts",
    ...[`${linkLocal}%eth0`, "546", "ff02::1:2%eth0", "547"],
    ...[encodeHex(bytes), String(seconds)],
  ));
  return stdout;
}

/** The boot URL in the daemon's reply to a client; `null` if there is none. */
async function urlInReply(
  client: Host,
  linkLocal: string,
  kind: string,
): Promise<string | null> {
  const stdout = await solicit(client, linkLocal, MAC, optionsOf(kind));
  const lines = pretty(hex(stdout.split(" ")[0]!));
  return lines.find((line) => line.startsWith("59 "))?.slice(3) ?? null;
}

/** Configurations with which the daemon sends different boot URLs. */
const CONFIGURATIONS: [name: string, ...options: string[]][] = [
  ["a template", TEMPLATE],
  ["no template"],
  [
    "URLs for kinds",
    TEMPLATE,
    `--boot-url=http-arm64=${URL_BASE}/mac/{{.MAC}}/arm64.efi`,
    `--boot-url=grub=tftp://[${SERVER}]/{{.MAC}}/grub.efi`,
    "--boot-url=u-boot=http://[2001:db8:9::9]/{{.MAC}}",
  ],
  ["no TFTP", TEMPLATE, "--tftp-listen-addr=off"],
  ["only listed machines", TEMPLATE, "--boot-policy=listed"],
];

Deno.test({
  name: "explain",
  ignore,
  fn: async (t) => {
    await using lab = new Lab();
    const { router, client } = await place(lab);
    const netboot = await makeNetboot(lab);
    const linkLocal = await client.linkLocal("eth0");
    await lab.file("names", `${MAC} rack 3, left\n`);
    const files = [
      `--netboot-dir=${netboot}`,
      `--names=${lab.directory}/names`,
    ];

    for (const [name, ...options] of CONFIGURATIONS) {
      await t.step(`${name}: says what replies say`, async () => {
        const all = [...OPTIONS, ...files, ...options];
        const daemon = await startDaemon(router, ...all);
        const { explanation } = await explain(router, MAC);
        assertEquals(explanation.name, "rack 3, left");
        assertEquals(explanation.addresses, [{
          base_address: BASE,
          address: OWN,
        }]);
        for (const { kind, url } of explanation.clients) {
          const sent = await urlInReply(client, linkLocal, kind);
          assertEquals(url, sent, kind);
        }
        // Without a running daemon, the same follows from the options.
        const offline = await explain(router, MAC, ...all);
        assertEquals(offline.explanation.clients, explanation.clients);
        assertEquals(offline.explanation.problems, explanation.problems);
        await daemon.stop();
      });
    }

    await t.step("which file a URL means", async () => {
      const options = [...OPTIONS, ...files, TEMPLATE];
      const file = async (mac: string, kind: string, ...more: string[]) => {
        const { explanation } = await explain(
          router,
          ...[mac, ...options, ...more],
        );
        return explanation.clients.find((client) => client.kind === kind)!.file;
      };
      const served = (path: string, bytes: number) => ({
        path,
        bytes,
        problem: null,
      });
      assertEquals(
        await file(MAC, "ipxe"),
        served(`${netboot}/${MAC}/boot.efi`, 7),
      );
      assertEquals(
        await file(OTHER, "http-arm64"),
        served(`${netboot}/default/boot.efi`, 7),
      );
      const ipxe = await file(MAC, "pxe-x86-64");
      assertEquals(
        [ipxe!.path, ipxe!.problem],
        ["compiled into this program", null],
      );
      await lab.file("own.efi", "mine");
      assertEquals(
        await file(
          MAC,
          "pxe-x86-64",
          `--ipxe-x86-64-efi=${lab.directory}/own.efi`,
        ),
        served(`${lab.directory}/own.efi`, 4),
      );
      assertEquals(
        await file(MAC, "ipxe", "--boot-url=ipxe=http://[2001:db8:9::9]/x"),
        null,
      );
    });

    const link = `${netboot}/${MAC}/boot.efi`;
    const PROBLEMS: [
      name: string,
      problem: RegExp,
      options: string[],
      prepare: () => Promise<void>,
    ][] = [
      [
        "a link that leads out",
        /boot\.efi: the link leads out of the netboot directory$/,
        [TEMPLATE],
        async () => {
          await Deno.remove(link);
          await Deno.symlink("/etc/hostname", link);
        },
      ],
      [
        "a directory in the place of a file",
        /boot\.efi: not a regular file$/,
        [TEMPLATE],
        async () => {
          await Deno.remove(link);
          await Deno.mkdir(link);
        },
      ],
      [
        "no file",
        /boot\.efi: not found$/,
        [TEMPLATE],
        async () => {
          await Deno.remove(link);
          await Deno.remove(`${netboot}/default/boot.efi`);
        },
      ],
      [
        "a port at which nothing listens",
        /no HTTP is served at this address and port 8080$/,
        [`--http-boot-url-template=http://[${SERVER}]:8080/mac/{{.MAC}}/x.efi`],
        async () => {},
      ],
      [
        "HTTPS at the port of HTTP",
        /no HTTPS is served at this address and port 6315$/,
        [`--http-boot-url-template=https://[${SERVER}]:6315/mac/{{.MAC}}/x.efi`],
        async () => {},
      ],
      [
        "a path without /mac",
        /boot\.efi: not found$/,
        [`--http-boot-url-template=${URL_BASE}/{{.MAC}}/boot.efi`],
        async () => {
          await Deno.writeTextFile(`${netboot}/default/boot.efi`, "for all");
        },
      ],
      [
        "a denied MAC",
        /^02:00:5e:00:53:15 gets no reply: --deny-mac matches it$/,
        [TEMPLATE, "--deny-mac=02:00:5e:*"],
        async () => {},
      ],
      [
        "a MAC that is not allowed",
        /^02:00:5e:00:53:15 gets no reply: no --allow-mac matches it$/,
        [TEMPLATE, "--allow-mac=02:00:5e:00:53:16"],
        async () => {},
      ],
      [
        "a boot address of another host",
        /^boot URLs use 2001:db8:1:2::99, but this host does not have this address/,
        [TEMPLATE, "--boot-address=2001:db8:1:2::99"],
        async () => {},
      ],
    ];
    for (const [name, problem, options, prepare] of PROBLEMS) {
      await t.step(`${name} is a problem`, async () => {
        await prepare();
        const { code, explanation } = await explain(
          router,
          ...[MAC, ...OPTIONS, ...files, ...options],
        );
        assertEquals(code, 1);
        assertEquals(explanation.problems.length, 1, name);
        assertMatch(explanation.problems[0]!, problem);
      });
    }

    await t.step("an absent interface is one as well", async () => {
      const { code, explanation } = await explain(
        router,
        ...[MAC, "--interface=none", `--base-address=${BASE}`],
      );
      assertEquals([code, explanation.problems], [1, [
        "none is absent, down or has no IPv6 link-local address",
      ]]);
      assertEquals(explanation.addresses[0]!.address, OWN);
    });

    await t.step("for people", async () => {
      const { code, stdout } = await runDaemon(
        router,
        ...["explain", OTHER, ...OPTIONS, ...files, TEMPLATE],
        "--boot-policy=listed",
      );
      assertEquals(code, 0, stdout);
      assertMatch(
        stdout,
        RegExp(
          `^${OTHER}\naddress +${OTHERS} \\(base address ${BASE}\\)\nboot +--boot-policy listed allows boot URLs for others only\n`,
        ),
      );
      assertMatch(stdout, /PXE, x86-64; .*no boot URL: --boot-policy listed/s);
      assertMatch(stdout, /problems +none found\n$/);
    });
  },
});

Deno.test({
  name: "status and the last event of a machine",
  ignore,
  fn: async (t) => {
    await using lab = new Lab();
    const { router, client } = await place(lab);
    const netboot = await makeNetboot(lab);
    const linkLocal = await client.linkLocal("eth0");
    const daemon = await startDaemon(
      router,
      ...[...OPTIONS, `--netboot-dir=${netboot}`, TEMPLATE],
      `--deny-mac=${DENIED}`,
    );
    const state = async (): Promise<StatusJson> =>
      JSON.parse((await runDaemon(router, "status", "--json")).stdout);

    await t.step("of a daemon that serves", async () => {
      const { code, stdout } = await runDaemon(router, "status");
      assertEquals(code, 0, stdout);
      assertMatch(stdout, /^OK: DHCPv6 is served on lan\n/);
      assertMatch(stdout, /^machines +none seen$/m);
      const { serving, listening, base_addresses } = await state();
      assertEquals([serving, base_addresses], [true, [BASE]]);
      assertEquals(listening, {
        http: ["[::]:6315"],
        https: [],
        tftp: [`[${SERVER}]:69`],
      });
    });

    await t.step("what a machine did last", async () => {
      await urlInReply(client, linkLocal, "http-x86-64");
      const { explanation } = await explain(router, MAC, `[${SERVER}]:6315`);
      assertEquals(explanation.last_event?.event, "http_boot");
      assert(explanation.last_heard !== null);
      assertEquals((await state()).stages.http_boot, 1);
      const { stdout } = await runDaemon(router, "explain", MAC);
      assertMatch(stdout, /^last +Firmware has its boot URL \(.*last heard /m);
    });

    await t.step("a client that is not served is a warning", async () => {
      await solicit(client, linkLocal, DENIED, [], 1);
      const { code, stdout } = await runDaemon(router, "status");
      assertEquals(code, 1, stdout);
      assertMatch(stdout, /^WARNING: .*--deny-mac/);
      assertMatch(stdout, /^unserved .*\(1 messages?\)$/m);
    });

    await t.step("watch --mac shows one machine only", async () => {
      const watching = router.start([
        ...daemonCommand(),
        ...["watch", "--json", "--mac", MAC, "[::1]:6315"],
      ]);
      await eventually(
        "it shows the machine",
        () => watching.output.includes(MAC),
      );
      await solicit(client, linkLocal, OTHER);
      await urlInReply(client, linkLocal, "ipxe");
      await eventually(
        "it shows what happens",
        () => watching.output.includes("point_ipxe_to_http_boot"),
      );
      assert(!watching.output.includes(OTHER));
      await watching.stop();
    });

    await t.step("DHCPv6 that is not served is critical", async () => {
      await router.ip("link set lan down");
      await eventually(
        "status says so",
        async () => (await runDaemon(router, "status")).code === 2,
      );
      const { stdout } = await runDaemon(router, "status", "--json");
      const { serving, problem } = JSON.parse(stdout) as StatusJson;
      assertEquals(serving, false);
      assertEquals(problem, "DHCPv6 is not served on lan now");
      const { code, explanation } = await explain(router, MAC);
      assertEquals(code, 1);
      assert(explanation.problems.includes("DHCPv6 is not served on lan now"));
    });

    await t.step("no daemon", async () => {
      await daemon.stop();
      const { code, stdout } = await runDaemon(router, "status", "[::1]:6315");
      assertEquals(code, 2);
      assertMatch(stdout, /^CRITICAL: http:\/\/\[::1\]:6315 does not answer: /);
      const explained = await runDaemon(router, "explain", MAC);
      assertEquals([explained.code, explained.stdout], [1, ""]);
      assertMatch(explained.stderr, /^dhcpv6macd: .* does not answer: .*\n$/);
    });

    await t.step("another server", async () => {
      const server = router.start([
        ...["python3", "-m", "http.server", "--bind", "::1", "8099"],
      ]);
      await server.says(/Serving/).catch(() => {});
      await eventually(
        "it answers",
        async () =>
          (await runDaemon(router, "status", "[::1]:8099")).stdout.includes(
            "has no /status: it is no dhcpv6macd, or an older one",
          ),
      );
      await server.stop();
    });
  },
});
