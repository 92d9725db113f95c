/** The rules of docs/firewall.md, and no others, under a policy of drop. */

import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
} from "@std/assert";
import { Authority } from "../../support/certificates.ts";
import { runDaemon, startDaemon } from "../../support/daemon.ts";
import {
  dhclient,
  dhcpcd,
  type DhcpClient,
  networkd,
} from "../../support/dhcp_clients.ts";
import { BASE, derived, getsAddress } from "../../support/expect.ts";
import {
  eventually,
  type Host,
  Lab,
  missing,
  type Result,
} from "../../support/lab.ts";

const FAR = "2001:db8:7:8::";
const SERVER = "2001:db8:1:2::1";
const MAC = "02:00:5e:00:53:01";

const lacks = missing(
  "tests of firewalls",
  ...["nft", "dhclient", "dhcpcd", "/lib/systemd/systemd-networkd", "dhcrelay"],
  ...["curl", "atftp", "openssl", "tcpdump", "tshark"],
  ...["ufw", "firewalld", "dbus-daemon"],
);
const ignore = lacks.length > 0;

const PAGE = await Deno.readTextFile(
  new URL("../../../docs/firewall.md", import.meta.url),
);

/** The rule sets of the page: of the daemon's host, and of a router before it. */
const [HOST_RULES, ROUTER_RULES] = [
  ...PAGE.matchAll(/^```\n(table inet.*?)^```$/gms),
].map(([, rules]) => rules!) as [string, string];

/** The commands of the page for a firewall program. */
function commandsOf(program: string): string[] {
  const found = [...PAGE.matchAll(/^sudo (.*)$/gm)].map(([, command]) =>
    command!.replaceAll("eth1", "lan")
  ).filter((command) => command.startsWith(program));
  assert(found.length > 0, program);
  return found;
}

/** Lets D-Bus connect firewalld and its client. */
const BUS = `<busconfig><type>system</type>
<listen>unix:path=/run/dbus/system_bus_socket</listen>
<policy context="default"><allow user="*"/><allow own="*"/>
<allow send_destination="*"/><allow receive_sender="*"/></policy>
</busconfig>`;

/**
 * Scripts that start a firewall program with its usual settings, in a mount
 * namespace of their own, and wait for a line before they run the commands.
 */
const PROGRAMS: Record<string, string> = {
  "ufw ": `set -e
for d in /etc/ufw /lib/ufw /etc/default; do
  copy=$(mktemp -d)
  cp -a $d/. $copy
  mount --bind $copy $d
done
ufw --force enable`,
  "firewall-cmd ": `set -e
for d in /etc/firewalld /run /var/log; do mount -t tmpfs none $d; done
mkdir -p /run/dbus
cat > /run/dbus/bus.conf <<'END'
${BUS}
END
dbus-daemon --config-file=/run/dbus/bus.conf --nofork &
sleep 1
firewalld --nofork --nopid &
for i in $(seq 60); do
  firewall-cmd --state && break
  sleep 1
done`,
};

/** Replaces what a host filters. */
async function filters(host: Host, rules: string): Promise<void> {
  const file = await host.lab.file(
    `${host.namespace}.nft`,
    `flush ruleset\n${rules}`,
  );
  await host.run(["nft", "-f", file]);
}

Deno.test({
  name: "firewalls",
  ignore,
  fn: async (t) => {
    await using lab = new Lab();
    const router = await lab.host("router");
    const network = await lab.network("switch", [router, "lan"]);
    const hosts: Host[] = [];
    for (const name of ["relay", "c1", "c2", "c3", "c4", "c5"]) {
      const host = await lab.host(name);
      hosts.push(host);
      await lab.plug(
        network,
        hosts.length,
        host,
        name === "relay" ? "wan" : "eth0",
      );
    }
    const [relay, ...clients] = hosts as [Host, ...Host[]];
    const far = await lab.host("far");
    await lab.cable(relay, "near", far, "eth0");
    await relay.run(["sysctl", "-qw", "net.ipv6.conf.all.forwarding=1"]);
    await router.ip(`addr add ${SERVER}/64 dev lan nodad`);
    await relay.ip("addr add 2001:db8:1:2::2/64 dev wan nodad");
    await relay.ip("addr add 2001:db8:7:8::1/64 dev near nodad");
    await router.ip("route add 2001:db8:7:8::/64 via 2001:db8:1:2::2");
    await Promise.all([
      router.linkLocal("lan"),
      relay.linkLocal("wan"),
      relay.linkLocal("near"),
      ...[...clients, far].map((host) => host.linkLocal("eth0")),
    ]);
    await Authority.create(lab.directory, "cert");
    const ipxe = `${lab.directory}/ipxe.efi`;
    await Deno.writeFile(ipxe, new Uint8Array(300_007).fill(65));
    const options = [
      ...["--interface=lan", `--base-address=${BASE}`, `--base-address=${FAR}`],
      `--ipxe-x86-64-efi=${ipxe}`,
      `--tls-cert-file=${lab.directory}/cert.pem`,
      `--tls-key-file=${lab.directory}/cert.key`,
    ];
    const hostRules = HOST_RULES.replaceAll('"eth1"', '"lan"');
    await filters(router, hostRules);
    const daemon = await startDaemon(router, ...options);

    let next = 0;
    /** Fetches iPXE over TFTP. */
    async function tftp(host: Host, program: "curl" | "atftp") {
      const to = `${lab.directory}/got-${next++}`;
      const result = await host.run(
        program === "curl"
          ? [
            ...["curl", "-sS", "--max-time", "3", "-o", to],
            `tftp://[${SERVER}]/${MAC}/ipxe.efi`,
          ]
          : [
            ...["atftp", "--option", "windowsize 16", "--option", "tsize 0"],
            ...["--option", "blksize 1228", "--get", "--local-file", to],
            ...["--remote-file", `${MAC}/ipxe.efi`, SERVER],
          ],
        { mayFail: true },
      );
      const size = await Deno.stat(to).then((info) => info.size, () => 0);
      return { ...result, size };
    }

    function isWhole(result: Result & { size: number }): void {
      assertEquals(result.size, 300_007, result.stderr);
    }

    async function getsLease(
      program: DhcpClient,
      host: Host,
      base: string,
    ): Promise<void> {
      const memory = await Deno.makeTempDir({ dir: lab.directory });
      await program.start(host, "eth0", memory);
      await getsAddress(host, "eth0", await derived(host, "eth0", base));
    }

    await t.step(
      "let in the ports that check prints, and no others",
      async () => {
        const { stdout } = await runDaemon(router, "check", ...options);
        const line = stdout.split("\n").find((line) =>
          line.startsWith("firewall:")
        )!;
        const numbers = (text: string) =>
          [...text.matchAll(/\b\d+\b/g)].map(([port]) => Number(port))
            .toSorted();
        assertEquals(
          numbers(line),
          numbers(
            [...hostRules.matchAll(/dport \{(.*?)\}/g)].map(([, list]) => list)
              .join(),
          ),
          line,
        );
        assertMatch(line, /on lan$/);
      },
    );

    await t.step("clients on the link", async () => {
      await Promise.all(
        [dhclient, dhcpcd, networkd].map((program, index) =>
          getsLease(program, clients[index]!, BASE)
        ),
      );
    });

    await t.step("a client behind a relay", async () => {
      relay.start([
        ...["dhcrelay", "-6", "-d", "-l", "near", "-u", `${SERVER}%wan`],
      ]);
      await getsLease(networkd, far, FAR);
    });

    const local = clients[0]!;
    await local.ip("addr add 2001:db8:1:2::7/64 dev eth0 nodad");
    await far.ip("addr add 2001:db8:7:8::7/64 dev eth0 nodad");
    await far.ip("route add default via 2001:db8:7:8::1");

    await t.step("TFTP from the link and from behind a router", async () => {
      isWhole(await tftp(local, "curl"));
      isWhole(await tftp(local, "atftp"));
      isWhole(await tftp(far, "curl"));
    });

    await t.step("HTTP and HTTPS", async () => {
      for (
        const url of [`http://[${SERVER}]:6315/`, `https://[${SERVER}]/`]
      ) {
        const { stdout } = await local.run([
          ...["curl", "-sSk", "--max-time", "10", `${url}healthz`],
        ]);
        assertNotEquals(stdout, "");
      }
    });

    await t.step(
      "TFTP needs the tracking of connections, and port 69",
      async () => {
        for (const absent of [/^.*ct state.*\n/m, /, 69/]) {
          await filters(router, hostRules.replace(absent, ""));
          const result = await tftp(local, "curl");
          assertNotEquals(result.code, 0, String(absent));
        }
        await filters(router, hostRules);
        isWhole(await tftp(local, "curl"));
      },
    );

    for (
      const [index, [program, script]] of Object.entries(PROGRAMS).entries()
    ) {
      await t.step(`the commands of ${program}`, async () => {
        await filters(router, "");
        const isReached = async () => {
          const { code } = await local.run(
            [
              "curl",
              "-sS",
              "--max-time",
              "2",
              `http://[${SERVER}]:6315/healthz`,
            ],
            { mayFail: true },
          );
          return code === 0;
        };
        assert(await isReached(), "without a firewall");
        const go = `${lab.directory}/go-${index}`;
        const firewall = router.start([
          ...["unshare", "--mount", "--pid", "--fork", "--kill-child"],
          ...["sh", "-c"],
          `${script}
echo on
for i in $(seq 300); do
  [ -e ${go} ] && break
  sleep 0.2
done
${commandsOf(program).join("\n")}
echo done
sleep 600`,
        ]);
        await firewall.says(/^on$/m, 90);
        assertEquals(await isReached(), false, "the firewall is on");
        await Deno.writeTextFile(go, "");
        await firewall.says(/^done$/m, 90);
        await eventually("HTTP is let in", isReached);
        isWhole(await tftp(local, "curl"));
        const { stdout } = await local.run([
          ...[
            "curl",
            "-sSk",
            "--max-time",
            "10",
            `https://[${SERVER}]/healthz`,
          ],
        ]);
        assertNotEquals(stdout, "");
        await getsLease(dhclient, clients[3 + index]!, BASE);
        // unshare ignores SIGTERM.
        firewall.kill("SIGKILL");
        await firewall.ended();
      });
    }
    await filters(router, hostRules);

    await t.step("a router on the way needs its helper for TFTP", async () => {
      const rules = ROUTER_RULES.replaceAll('"eth2"', '"near"');
      await filters(relay, rules);
      isWhole(await tftp(far, "curl"));
      isWhole(await tftp(far, "atftp"));
      const { stdout } = await far.run([
        ...[
          "curl",
          "-sS",
          "--max-time",
          "10",
          `http://[${SERVER}]:6315/healthz`,
        ],
      ]);
      assertNotEquals(stdout, "");
      await filters(relay, rules.replace(/^.*ct helper set.*\n/m, ""));
      assertNotEquals((await tftp(far, "curl")).code, 0);
    });

    await t.step("with --tftp-single-port, neither needs more", async () => {
      await daemon.stop();
      await startDaemon(router, ...options, "--tftp-single-port");
      await filters(router, hostRules.replace(/^.*ct state.*\n/m, ""));
      for (const program of ["curl", "atftp"] as const) {
        isWhole(await tftp(local, program));
        isWhole(await tftp(far, program));
      }
    });
  },
});
