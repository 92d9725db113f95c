import { assertEquals, assertLess, assertMatch } from "@std/assert";
import {
  favoredDaemonCommand,
  launchAs,
  launchDaemon,
  runDaemon,
  startDaemon,
} from "../../support/daemon.ts";
import { median } from "../../../tools/bench/results.ts";
import { eventually, type Host, Lab, missing } from "../../support/lab.ts";
import { dhclient } from "../../support/dhcp_clients.ts";
import { BASE, derived, getsAddress } from "../../support/expect.ts";

const lacks = missing("tests of the daemon's life", "dhclient");
const ignore = lacks.length > 0;

/** Times that an interface becomes usable. */
const ROUNDS = 3;

const OPTIONS = ["--interface=lan", `--base-address=${BASE}`];

async function clientGetsAddress(lab: Lab, client: Host): Promise<void> {
  const memory = await Deno.makeTempDir({ dir: lab.directory });
  await client.linkLocal("eth0");
  await client.ip("addr flush dev eth0 scope global");
  const program = await dhclient.start(client, "eth0", memory);
  await getsAddress(client, "eth0", await derived(client, "eth0"));
  await program.stop();
}

Deno.test({
  name: "life",
  ignore,
  fn: async (t) => {
    await t.step(
      "an interface may be absent at the start, go down and come back",
      async () => {
        await using lab = new Lab();
        const router = await lab.host("router");
        const client = await lab.host("client");
        const daemon = await launchAs(
          favoredDaemonCommand(),
          router,
          ...OPTIONS,
        );
        await daemon.logs("waiting");
        await lab.cable(router, "lan", client, "eth0");
        const delays: number[] = [];
        for (let round = 1; round <= ROUNDS; round++) {
          await router.linkLocal("lan");
          const usable = Date.now();
          await daemon.counts("serving", round);
          const { time } = daemon.log.findLast(({ event }) =>
            event === "serving"
          )!;
          delays.push(Date.parse(String(time)) - usable);
          await clientGetsAddress(lab, client);
          assertEquals(daemon.count("serving"), round);

          await router.ip("link set lan down");
          await daemon.counts("waiting", round + 1);
          await router.ip("link set lan up");
        }
        // What else the machine does spoils one round, not most of them.
        assertLess(median(delays), 1000, `${delays}`);
        assertEquals(await daemon.stop(), 0);
      },
    );

    await t.step(
      "an address that comes later is served to relays",
      async () => {
        await using lab = new Lab();
        const { router } = await lab.pair();
        await startDaemon(router, ...OPTIONS);
        const bound = async () => {
          const { stdout } = await router.run(["ss", "-ulnH"]);
          return stdout.includes("[2001:db8:1:2::1]:547");
        };
        assertEquals(await bound(), false);
        await router.ip("addr add 2001:db8:1:2::1/64 dev lan");
        // After duplicate address detection.
        await eventually("it is bound", bound);
        await router.ip("addr del 2001:db8:1:2::1/64 dev lan");
        await eventually("it is not bound", async () => !await bound());
      },
    );

    await t.step(
      "a port in use: one line that says what to do, and exit code 1",
      async () => {
        await using lab = new Lab();
        const { router } = await lab.pair();
        await router.linkLocal("lan");
        const first = await startDaemon(router, ...OPTIONS);
        const second = await runDaemon(router, ...OPTIONS);
        assertEquals(second.code, 1);
        const lines = second.stderr.trim().split("\n").map((line) =>
          JSON.parse(line)
        ).filter(({ level }) => level === "error");
        assertEquals(lines.length, 1, second.stderr);
        assertMatch(
          lines[0].message,
          /UDP port 547 on lan is already in use.*odhcpd.*dnsmasq/,
        );

        const checked = await runDaemon(router, "check", ...OPTIONS);
        assertEquals(checked.code, 0, checked.stdout);
        assertMatch(
          checked.stdout,
          /^warning: UDP port 547 .*is already in use/m,
        );
        await first.stop();
        const free = await runDaemon(router, "-check", ...OPTIONS);
        assertEquals(free.code, 0);
        assertMatch(free.stdout, /^DHCPv6: \[ff02::1:2%lan\]:547$/m);
        assertMatch(
          free.stdout,
          /^firewall: open UDP port 547, .* TCP port 6315 on lan$/m,
        );
        const absent = await runDaemon(
          router,
          "check",
          "-interface",
          "wan",
          OPTIONS[1]!,
        );
        assertEquals(absent.code, 1);
        assertMatch(absent.stdout, /^problem: wan is absent/m);
      },
    );

    await t.step(
      "without --interface, the one with an address in the base prefix",
      async () => {
        await using lab = new Lab();
        const { router, client } = await lab.pair();
        await lab.cable(router, "other", client, "eth1");
        await router.linkLocal("lan");
        const none = await runDaemon(router, "check", OPTIONS[1]!);
        assertEquals(none.code, 1);
        assertMatch(none.stdout, /^problem: no interface has an address/m);
        const daemon = await launchDaemon(router, OPTIONS[1]!);
        await daemon.logs("waiting");
        await router.ip("addr add 2001:db8:1:2::1/64 dev lan nodad");
        assertEquals((await daemon.logs("serving")).interface, "lan");
        await router.ip("addr add 2001:db8:1:2::2/64 dev other nodad");
        const two = await runDaemon(router, "check", OPTIONS[1]!);
        assertEquals(two.code, 2);
        assertMatch(
          two.stderr,
          /--interface is required: lan and other have/,
        );
      },
    );

    await t.step(
      "an address of its own that drops TCP: a warning with the cure",
      async () => {
        await using lab = new Lab();
        const { router } = await lab.pair();
        await router.linkLocal("lan");
        await router.run(["sysctl", "-qw", "net.ipv6.conf.all.forwarding=1"]);
        await router.ip("addr add 2001:db8:1:2::1/64 dev lan nodad");
        await router.ip("addr add 2001:db8:1:2::/64 dev lan nodad");
        const template = (field: string) =>
          `--http-boot-url-template=http://[{{.${field}}}]:6315/`;
        const bad = await startDaemon(
          router,
          ...OPTIONS,
          template("BaseAddress"),
        );
        const { message } = await bad.logs("unreachable");
        assertMatch(message, /anycast address.*\{\{\.BootAddress\}\}/);
        const checked = await runDaemon(
          router,
          "check",
          ...OPTIONS,
          template("BaseAddress"),
        );
        assertMatch(
          checked.stdout,
          /^warning: this host drops TCP to \[2001:db8:1:2::\]:6315/m,
        );
        const good = await runDaemon(
          router,
          "check",
          ...OPTIONS,
          template("BootAddress"),
        );
        assertEquals(/this host drops/.test(good.stdout), false);
      },
    );

    await t.step(
      "SIGTERM and SIGINT: it says what it did and ends with 0",
      async () => {
        await using lab = new Lab();
        const { router, client } = await lab.pair();
        for (const signal of ["SIGTERM", "SIGINT"] as const) {
          const daemon = await startDaemon(router, ...OPTIONS);
          await clientGetsAddress(lab, client);
          daemon.program.kill(signal);
          assertEquals(await daemon.program.ended(), 0);
          assertEquals((await daemon.logs("stopped")).dropped, undefined);
        }
      },
    );

    await t.step(
      "an unprivileged user reads which capability is missing",
      async () => {
        await using lab = new Lab();
        const { router } = await lab.pair();
        await router.linkLocal("lan");
        const program = router.start([
          "setpriv",
          "--bounding-set=-net_bind_service",
          ...JSON.parse(Deno.env.get("DAEMON_COMMAND")!),
          ...OPTIONS,
        ]);
        assertEquals(await program.ended(), 1);
        assertMatch(program.output, /CAP_NET_BIND_SERVICE/);
      },
    );
  },
});
