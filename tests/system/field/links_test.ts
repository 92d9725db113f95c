import { assert, assertEquals, assertMatch } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { runDaemon, startDaemon } from "../../support/daemon.ts";
import {
  daemonCommand,
  launchAs,
  launchDaemon,
  type RunningDaemon,
} from "../../support/daemon.ts";
import {
  ascii,
  hex,
  iaNa,
  message,
  opt,
  oro,
  pretty,
  relayed,
} from "../../support/dhcpv6.ts";
import { BASE } from "../../support/expect.ts";
import { eventually, type Host, Lab, missing } from "../../support/lab.ts";

const FAR = "2001:db8:7:8::";
const OWN = "2001:db8:1:2::1";
const PEER = "fe80::5054:ff:fe12:3456";
const UUID = opt(1, "000400112233445566778899aabbccddeeff");
/** 02:00:5e:00:53:15 */
const LINK_LAYER = opt(1, "0003000102005e005315");

const lacks = missing("tests of links in the field", "curl", "ss", "tcpdump");
const ignore = lacks.length > 0;

/** Sends a message from a host's address; the lines of the answer. */
async function ask(
  host: Host,
  [from, fromPort]: [string, number],
  to: string,
  bytes: Uint8Array,
): Promise<string> {
  const { stdout } = await host.run([
    ...Deno.env.get("TEST_DENO")!.split("\n"),
    `${import.meta.dirname}/../../support/ask.ts`,
    ...[from, String(fromPort), to, "547", encodeHex(bytes), "3"],
  ]);
  const [answer] = stdout.trim().split(" ");
  return answer === "nothing" ? "nothing" : pretty(hex(answer!)).join("\n");
}

/** Sends a message of a client on the link. */
async function askOnLink(client: Host, bytes: Uint8Array): Promise<string> {
  const address = (await client.linkLocal("eth0")).split("/")[0]!;
  return await ask(
    client,
    [`${address}%eth0`, 546],
    "ff02::1:2%eth0",
    bytes,
  );
}

/** The JSON of a path of the daemon on this host. */
async function get(host: Host, path: string) {
  const { stdout } = await host.run(
    ["curl", "-sS", "--fail", `http://[::1]:6315${path}`],
  );
  return JSON.parse(stdout);
}

/** The boot URL that firmware with HTTP boot gets. */
async function bootUrl(client: Host): Promise<string | undefined> {
  const answer = await askOnLink(
    client,
    message(
      1,
      LINK_LAYER,
      iaNa(1),
      oro(59, 16),
      opt(16, `00000157000a${ascii("HTTPClient")}`),
      opt(61, "0010"),
    ),
  );
  return /^59 (.*)$/m.exec(answer)?.[1];
}

function linesOf(daemon: RunningDaemon, event: string, link: string) {
  return daemon.log.filter((line) => line.event === event && line.link === link)
    .map((line) => line.message);
}

Deno.test({
  name: "links in the field",
  ignore,
  fn: async (t) => {
    await t.step("clients that are not served are reported", async (t) => {
      await using lab = new Lab();
      const { router, client: relay } = await lab.pair();
      await router.ip(`addr add ${OWN}/64 dev lan nodad`);
      await relay.ip("addr add 2001:db8:1:2::2/64 dev eth0 nodad");
      await relay.linkLocal("eth0");
      const daemon = await startDaemon(
        router,
        "--interface=lan",
        `--base-address=${BASE}/64`,
        `--base-address=${FAR}`,
        `--link-prefix=fd00:7::/64=${FAR}`,
        `--link-prefix=fd00:70::/32=${FAR}/64`,
        "--deny-mac=02-00-5E-*",
      );
      const forward = (
        link: string,
        { duid = UUID, peer = PEER }: { duid?: typeof UUID; peer?: string } =
          {},
      ) =>
        ask(
          relay,
          ["2001:db8:1:2::2", 547],
          OWN,
          relayed(message(1, duid, iaNa(7)), { link, peer }),
        );

      await t.step("a link-address in --link-prefix", async () => {
        for (const link of ["fd00:7::1", "fd00:70:5::1", `${FAR}1`]) {
          assertMatch(
            await forward(link),
            /^ *5 2001:db8:7:8:0:5254:12:3456 /m,
            link,
          );
        }
      });

      await t.step("an unknown link-address, with the cure", async () => {
        for (const link of ["fd00:9::1", "fd00:9::2", "2001:db8:7:9::1"]) {
          assertEquals(await forward(link), "nothing");
        }
        assertEquals(linesOf(daemon, "link_unknown", "fd00:9::/64"), [
          "relay 2001:db8:1:2::2 is on link fd00:9::/64, which no base address covers: " +
          "add a --base-address in it, or --link-prefix fd00:9::/64=BASE",
        ]);
        assertEquals(
          linesOf(daemon, "link_unknown", "2001:db8:7:9::/64").length,
          1,
        );
      });

      await t.step("a relay elsewhere without a link-address", async () => {
        assertEquals(await forward("::"), "nothing");
        const { message } = await daemon.logs(
          "link_unknown",
          ({ link }) => link === undefined,
        );
        assertMatch(message, /sends no link-address/);
      });

      await t.step("a refused MAC, and none", async () => {
        assertEquals(await forward(FAR, { duid: LINK_LAYER }), "nothing");
        assertEquals(await forward(FAR, { peer: "fe80::1" }), "nothing");
        assertMatch(
          String(linesOf(daemon, "mac_not_allowed", `${FAR}/64`)),
          /^client 02:00:5e:00:53:15 is refused: it matches --deny-mac/,
        );
        assertMatch(
          String(linesOf(daemon, "no_mac", `${FAR}/64`)),
          /^no MAC in a message from fe80::1 behind relay .*option 79$/,
        );
      });

      await t.step("as JSON, with counts and the latest", async () => {
        const causes = await get(router, "/unserved");
        const short = causes.map((
          { cause, link, count, mac, source }: Record<string, unknown>,
        ) => [cause, link, count, mac, source]);
        const from = "2001:db8:1:2::2";
        const virtual = "52:54:00:12:34:56";
        assertEquals(short, [
          ["no_mac", `${FAR}/64`, 1, null, from],
          ["mac_not_allowed", `${FAR}/64`, 1, "02:00:5e:00:53:15", from],
          ["link_unknown", null, 1, virtual, from],
          ["link_unknown", "2001:db8:7:9::/64", 1, virtual, from],
          ["link_unknown", "fd00:9::/64", 2, virtual, from],
        ]);
        for (const { timestamp, message } of causes) {
          assert(Math.abs(Date.parse(timestamp) - Date.now()) < 60_000);
          assert(message !== "");
        }
        await get(router, "/machines");
      });
    });

    await t.step("a base prefix that the interface lacks", async (t) => {
      await using lab = new Lab();
      const { router, client } = await lab.pair();
      await client.linkLocal("eth0");
      await router.linkLocal("lan");
      await router.ip("addr add 2001:db8:1:3::1/64 dev lan nodad");
      const options = [
        "--interface=lan",
        `--base-address=${BASE}`,
        "--http-boot-url-template=http://[{{.BootAddress}}]/",
      ];
      const lacking =
        /lan has no address in 2001:db8:1:2::\/64 \(it has 2001:db8:1:3::1\): .*correct --base-address/;

      await t.step("is a problem for check", async () => {
        const foreign = await runDaemon(router, "check", ...options);
        assertEquals(foreign.code, 1, foreign.stdout);
        assertMatch(foreign.stdout, /^problem: lan has no address in /m);
        assertMatch(foreign.stdout, lacking);
        assertEquals(/^TFTP: /m.test(foreign.stdout), false, foreign.stdout);
      });

      await t.step("is reported at the start", async () => {
        const daemon = await startDaemon(router, ...options);
        const line = await daemon.logs("prefix_absent");
        assertEquals(line.level, "warning");
        assertMatch(line.message, lacking);
        await daemon.stop();
      });

      await t.step("is reported when the provider changes it", async () => {
        await router.ip(`addr add ${OWN}/64 dev lan nodad`);
        const right = await runDaemon(router, "check", ...options);
        assertEquals(right.code, 0, right.stdout);
        assertMatch(right.stdout, /^TFTP: \[2001:db8:1:2::1\]:69/m);
        const daemon = await startDaemon(router, ...options);
        await router.ip(`addr del ${OWN}/64 dev lan`);
        await daemon.logs(
          "prefix_absent",
          ({ message }) => lacking.test(message),
        );
        assertMatch(
          await askOnLink(client, message(1, LINK_LAYER, iaNa(1))),
          /^ *5 2001:db8:1:2:0:200:5e00:5315 /m,
        );
        const [cause] = await get(router, "/unserved");
        assertEquals(
          [cause.cause, cause.link, cause.count, cause.mac],
          ["prefix_absent", `${BASE}/64`, 1, "02:00:5e:00:53:15"],
        );
        assertMatch(cause.message, lacking);
        await router.ip(`addr add ${OWN}/64 dev lan nodad`);
        await daemon.logs("prefix_present");
        assertEquals(await get(router, "/unserved"), []);
        assertEquals(daemon.count("prefix_absent"), 1);
      });
    });

    await t.step("a prefix that the provider withdraws in steps", async () => {
      await using lab = new Lab();
      const { router } = await lab.pair();
      await router.linkLocal("lan");
      await router.ip(`addr add ${OWN}/64 dev lan nodad`);
      const options = [
        "--interface=lan",
        `--base-address=${BASE}`,
        "--http-boot-url-template=http://[{{.BootAddress}}]/",
      ];
      const daemon = await startDaemon(router, ...options);
      // Deprecated for good, as operators do it, it is still on the link.
      await router.ip(`addr change ${OWN}/64 dev lan preferred_lft 0`);
      const right = await runDaemon(router, "check", ...options);
      assertEquals(/prefix|deprecated/.test(right.stdout), false, right.stdout);
      await router.ip(
        `addr change ${OWN}/64 dev lan valid_lft 7200 preferred_lft 0`,
      );
      await router.ip("addr add 2001:db8:7:7::1/64 dev lan nodad");
      const { message } = await daemon.logs("prefix_absent");
      assertMatch(message, /all addresses of lan in \S+ are deprecated/);
      assertEquals((await get(router, "/unserved"))[0].message, message);
      const wrong = await runDaemon(router, "check", ...options);
      assertEquals(wrong.code, 1);
      assertMatch(wrong.stdout, /^problem: all addresses of lan in /m);
      await daemon.stop();
    });

    await t.step("the daemon's own address in URLs", async (t) => {
      await using lab = new Lab();
      const { router, client } = await lab.pair();
      await client.linkLocal("eth0");
      await router.linkLocal("lan");
      // The kernel lists the address that was added last first.
      await router.ip("addr add 2001:db8:1:2::7/64 dev lan nodad");
      const options = [
        "--interface=lan",
        `--base-address=${BASE}`,
        "--http-boot-url-template=http://[{{.BootAddress}}]/",
      ];

      await t.step("is not one that looks temporary", async () => {
        await router.ip(
          "addr add 2001:db8:1:2:a1b2:c3d4:e5f6:789a/64 dev lan nodad",
        );
        const daemon = await startDaemon(router, ...options);
        assertEquals(await bootUrl(client), "http://[2001:db8:1:2::7]/");
        await daemon.stop();
      });

      await t.step("is not a deprecated one", async () => {
        const daemon = await startDaemon(router, ...options);
        const own = "http://[2001:db8:1:2::7]/";
        const better = "http://[2001:db8:1:2:a1b2:c3d4:e5f6:789a]/";
        assertEquals(await bootUrl(client), own);
        for (
          const [what, lifetimes, expected] of [
            ["a deprecated address is not used", "preferred_lft 0", better],
            ["it is preferred again", "preferred_lft forever", own],
            // The kernel removes it at the end of its lifetime.
            [
              "a permanent one is better than one with a lifetime",
              "valid_lft 3600 preferred_lft 3600",
              better,
            ],
            [
              "it is permanent again",
              "valid_lft forever preferred_lft forever",
              own,
            ],
          ] as const
        ) {
          await router.ip(
            `addr change 2001:db8:1:2::7/64 dev lan ${lifetimes}`,
          );
          await eventually(
            what,
            async () => await bootUrl(client) === expected,
          );
        }
        await daemon.stop();
      });

      await t.step("is not a temporary one, however they look", async () => {
        const stable = "2001:db8:1:2:1111:2222:3333:4444";
        await router.ip("addr flush dev lan scope global");
        await router.run(["sysctl", "-w", "net.ipv6.conf.lan.use_tempaddr=2"]);
        await router.ip(
          `addr add ${stable}/64 dev lan mngtmpaddr valid_lft 9999 preferred_lft 9999`,
        );
        await eventually("both addresses, no longer tentative", async () => {
          const { stdout } = await router.ip("-6 addr show dev lan");
          return / temporary /.test(stdout) && !/ tentative/.test(stdout);
        });
        const daemon = await startDaemon(router, ...options);
        assertEquals(await bootUrl(client), `http://[${stable}]/`);
        await daemon.stop();
        await router.ip("addr flush dev lan scope global");
        await router.ip("addr add 2001:db8:1:2::7/64 dev lan nodad");
      });

      await t.step("is not a duplicate, also of the base address", async () => {
        const daemon = await startDaemon(router, ...options);
        for (const address of ["2001:db8:1:2::3", BASE]) {
          await client.ip(`addr add ${address}/64 dev eth0 nodad`);
          await router.ip(`addr add ${address}/64 dev lan`);
        }
        await eventually("duplicates", async () => {
          const { stdout } = await router.ip("-6 addr show dev lan dadfailed");
          return stdout.match(/inet6/g)?.length === 2;
        });
        assertEquals(await bootUrl(client), "http://[2001:db8:1:2::7]/");
        await client.ip(`addr del ${BASE}/64 dev eth0`);
        await daemon.stop();
      });

      await t.step("is reported when it cannot be bound", async () => {
        const daemon = await startDaemon(
          router,
          ...options,
          "--boot-address=2001:db8:1:2::99",
        );
        const refused = await daemon.logs("tftp_refused");
        assertMatch(
          refused.message,
          /^cannot serve TFTP: .*2001:db8:1:2::99: this host does not have the address.*; retrying$/,
        );
        await router.ip("addr add 2001:db8:1:2::99/64 dev lan nodad");
        await eventually("TFTP is served", async () => {
          const { stdout } = await router.run(["ss", "-6uln"]);
          return stdout.includes("[2001:db8:1:2::99]:69 ");
        });
        assertEquals(daemon.count("tftp_refused"), 1);
        await daemon.stop();
      });
    });

    await t.step("an interface in a VRF: what is not served", async () => {
      await using lab = new Lab();
      const { router } = await lab.pair();
      await router.ip(`addr add ${OWN}/64 dev lan nodad`);
      // Kernels without VRFs run this test as well: it shows the daemon what the
      // kernel says of an interface in the VRF `blue`.
      const master = `${lab.directory}/net/lan/master`;
      await Deno.mkdir(master, { recursive: true });
      const event = (type: string) =>
        Deno.writeTextFile(
          `${master}/uevent`,
          `DEVTYPE=${type}\nINTERFACE=blue\nIFINDEX=7\n`,
        );
      const command = [
        ...["unshare", "--mount", "sh", "-c"],
        'mount --bind "$1" /sys/class/net && shift && exec "$@"',
        ...["sh", `${lab.directory}/net`, ...daemonCommand()],
      ];
      const options = ["--interface=lan", `--base-address=${BASE}`];
      const VRF = /lan is in the VRF blue: .*ip vrf exec blue/;
      await event("vrf");
      const checked = await router.run([...command, "check", ...options], {
        mayFail: true,
      });
      assertMatch(checked.stdout, VRF);
      const daemon = await launchAs(command, router, ...options);
      await daemon.logs("vrf", ({ message }) => VRF.test(message));
      assertEquals(await daemon.stop(), 0);
      await event("bridge");
      const bridged = await router.run([...command, "check", ...options], {
        mayFail: true,
      });
      assert(!bridged.stdout.includes("in the VRF"), bridged.stdout);
    });

    await t.step("an interface by its altname, also a later one", async () => {
      await using lab = new Lab();
      const { router, client } = await lab.pair();
      await lab.cable(router, "other", client, "eth1");
      await client.linkLocal("eth0");
      // The same link-local address must not lead to the wrong interface.
      for (const name of ["lan", "other"]) {
        await router.ip(`addr add fe80::1/64 dev ${name} nodad`);
      }
      const options = ["--interface=enp129s0f1np1", `--base-address=${BASE}`];
      const absent = await runDaemon(router, "check", ...options);
      assertEquals(absent.code, 1);
      const daemon = await launchDaemon(router, ...options);
      await daemon.logs("waiting");
      await router.ip("link property add dev other altname enp129s0f0np0");
      await router.ip("link property add dev lan altname enp129s0f1np1");
      assertEquals((await daemon.logs("serving")).interface, "lan");
      assertMatch(
        await askOnLink(client, message(1, LINK_LAYER, iaNa(1))),
        /^ *5 2001:db8:1:2:0:200:5e00:5315 /m,
      );
      const long = await runDaemon(
        router,
        "--interface=enp129s0f1np1v22",
        `--base-address=${BASE}`,
      );
      assertEquals(long.code, 2);
      assertMatch(long.stderr, /at most 15 characters/);
    });

    await t.step("MACs and base addresses in any notation", async () => {
      await using lab = new Lab();
      const { router } = await lab.pair();
      await router.linkLocal("lan");
      const macs = new Map([
        ["02-00-5E-00-53-15", "02:00:5e:00:53:15"],
        ["2:0:5e:0:53:1", "02:00:5e:00:53:01"],
        ["0200.5e00.5316", "02:00:5e:00:53:16"],
        ["02005E005317", "02:00:5e:00:53:17"],
      ]);
      const root = `${lab.directory}/netboot`;
      for (const given of macs.keys()) {
        await Deno.mkdir(`${root}/${given}`, { recursive: true });
        await Deno.writeTextFile(`${root}/${given}/boot.efi`, given);
      }
      const names = [...macs.keys()].map((given) => `${given} host ${given}\n`);
      await startDaemon(
        router,
        "--interface=lan",
        `--base-address=${BASE}/64`,
        `--netboot-dir=${root}`,
        `--names=${await lab.file("names", names.join(""))}`,
      );
      assertEquals(
        await get(router, "/names"),
        Object.fromEntries(
          [...macs].map(([given, mac]) => [mac, `host ${given}`]),
        ),
      );
      for (const [given, mac] of macs) {
        const { stdout } = await router.run(
          ["curl", "-sS", `http://[::1]:6315/mac/${mac}/boot.efi`],
        );
        assertEquals(stdout, given);
      }
      const addresses = await runDaemon(
        router,
        "address",
        `--base-address=${BASE}/48`,
        ...macs.keys(),
      );
      assertEquals(addresses.code, 0, addresses.stderr);
      assertMatch(addresses.stdout, /2001:db8:1:2:0:200:5e00:5315/);
      assertMatch(addresses.stdout, /2001:db8:1:2:0:200:5e00:5301/);
      const long = await runDaemon(router, `--base-address=${BASE}/96`);
      assertEquals(long.code, 2);
      assertEquals(
        long.stderr.trim().split("\n").filter((line) => line !== "").length,
        1,
        long.stderr,
      );
      assertMatch(long.stderr, /at most \/80/);
    });
  },
});
