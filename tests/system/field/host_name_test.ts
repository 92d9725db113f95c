/** HTTPS by a host name, as docs/dns.md sets it up. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { Authority, makeKey } from "../../support/certificates.ts";
import { runDaemon, startDaemon } from "../../support/daemon.ts";
import { derived, getsAddress } from "../../support/expect.ts";
import { eventually, Lab, missing } from "../../support/lab.ts";
import { PROXY_PORT, startTlsProxy } from "../../support/tls_proxy.ts";

const lacks = missing(
  "tests of HTTPS by a host name",
  ...["dnsmasq", "dhclient", "curl", "openssl", "nginx", "tcpdump", "tshark"],
);
const ignore = lacks.length > 0;

const BASE = "2001:db8:123:4567::";
const SERVER = "2001:db8:123:4567::1";
const NAME = "router.lab.example";

const PAGE = await Deno.readTextFile(
  new URL("../../../docs/dns.md", import.meta.url),
);

/** The first blocks of the recipe: of dnsmasq, and the command. */
const [DNSMASQ, COMMAND] = [
  ...PAGE.split("## HTTPS by a host name")[1]!.matchAll(
    /^```\w*\n(.*?)^```$/gms,
  ),
].map(([, block]) => block!) as [string, string];

/** What firmware with old TLS offers. */
const OLD_CIPHERS = [
  "DHE-RSA-AES256-SHA256",
  "DHE-RSA-AES128-SHA256",
  "AES256-SHA256",
  "AES128-SHA",
];

/** Writes the DNS server and the address that the daemon has sent. */
const SCRIPT = (resolv: string) =>
  `#!/bin/sh
[ -z "$new_ip6_address" ] ||
  ip -6 addr replace "$new_ip6_address/128" dev "$interface"
[ -z "$new_dhcp6_name_servers" ] ||
  printf 'nameserver %s\nsearch %s\n' "$new_dhcp6_name_servers" \
    "$new_dhcp6_domain_search" > ${resolv}
exit 0
`;

Deno.test({
  name: "HTTPS by a host name",
  ignore,
  fn: async (t) => {
    await using lab = new Lab();
    const router = await lab.host("router");
    const client = await lab.host("client");
    await lab.cable(router, "eth1", client, "eth0");
    await router.ip(`addr add ${SERVER}/64 dev eth1 nodad`);
    await router.linkLocal("eth1");
    await client.linkLocal("eth0");
    await client.ip(`route add ${BASE}/64 dev eth0`);
    const directory = lab.directory;
    await Deno.chmod(directory, 0o755);
    const mac = await client.mac("eth0");
    await Deno.mkdir(`${directory}/netboot/default`, { recursive: true });
    await Deno.writeTextFile(`${directory}/netboot/default/boot.efi`, "boots");
    const authority = await Authority.create(directory, "authority");
    const keyFile = await makeKey(`${directory}/router.key`);
    const certFile = `${directory}/router.pem`;
    await authority.certify({ address: SERVER, name: NAME, keyFile, certFile });

    const names = await lab.file("names", `${mac} rig\n`);
    const { stdout, code } = await runDaemon(
      router,
      ...["records", `--base-address=${BASE}`, `--names=${names}`],
      ...["--domain=lab.example", "--format=dnsmasq"],
    );
    assertEquals(code, 0);
    const machines = await lab.file("machines.conf", stdout);
    const conf = await lab.file(
      "dnsmasq.conf",
      DNSMASQ.replace("/etc/dnsmasq-machines.conf", machines),
    );
    const dnsmasq = router.start([
      ...["dnsmasq", "--keep-in-foreground", "--no-hosts", "--pid-file="],
      `--conf-file=${conf}`,
    ]);
    const [program, ...words] = COMMAND.replaceAll("\\\n", " ")
      .replaceAll("'", "").replaceAll("/srv/netboot", `${directory}/netboot`)
      .replaceAll("/etc/ssl/", `${directory}/`).trim().split(/\s+/);
    assertEquals([program, words[0]], ["sudo", "dhcpv6macd"]);
    const daemon = await startDaemon(router, ...words.slice(1));

    const resolv = `${directory}/resolv.conf`;
    await t.step("clients get the DNS server", async () => {
      const script = await lab.file("script", SCRIPT(resolv), 0o755);
      client.start([
        ...["dhclient", "-6", "-d", "-sf", script, "-cf", "/dev/null"],
        ...["-lf", `${directory}/leases`, "-pf", `${directory}/pid`, "eth0"],
      ]);
      await getsAddress(client, "eth0", await derived(client, "eth0", BASE));
      const text = await eventually(
        "resolv.conf is written",
        () => Deno.readTextFile(resolv).catch(() => undefined),
      );
      assertEquals(
        text,
        `nameserver ${SERVER}\nsearch lab.example.\n`,
        dnsmasq.output,
      );
    });

    /** What the client's own resolver and TLS make of a URL. */
    const get = (url: string) =>
      client.run([
        ...["unshare", "--mount", "sh", "-c"],
        `mount --bind ${resolv} /etc/resolv.conf && exec curl -sSg ` +
        `--max-time 20 --cacert ${authority.certFile} ${url}`,
      ], { mayFail: true });

    await t.step("the boot URL works by its name", async () => {
      const url = words.at(-1)!.replace("{{.MAC}}", mac);
      const { stdout, stderr } = await get(url);
      assertEquals(stdout, "boots", `${url}: ${stderr}`);
    });

    await t.step("the page answers to the name, and to no other", async () => {
      const { stdout } = await get(`https://${NAME}/machines`);
      assert(mac in JSON.parse(stdout), stdout);
      const other = await get(`-o /dev/null https://rig.lab.example/`);
      assertMatch(other.stderr, /connect|certificate|subject name/i);
    });

    const nginx = await startTlsProxy(router, directory, SERVER);
    for (const cipher of OLD_CIPHERS) {
      await t.step(`${cipher} reaches it by the TLS proxy`, async () => {
        const old = `--retry 5 --retry-all-errors --retry-delay 1 ` +
          `--tls-max 1.2 --ciphers ${cipher}`;
        const path = `mac/${mac}/boot.efi`;
        const direct = await get(
          `--tls-max 1.2 --ciphers ${cipher} ` +
            `https://${NAME}/${path}`,
        );
        assertMatch(direct.stderr, /handshake|connect/i);
        const before = completed();
        const { stdout, stderr } = await get(
          `${old} https://${NAME}:${PROXY_PORT}/${path}`,
        );
        assertEquals(stdout, "boots", stderr + nginx.output);
        await eventually("the timeline shows it", () => completed() > before);
      });
    }

    /** How often the machine has got its whole boot file. */
    function completed(): number {
      return daemon.count(
        "http_fetch_uki",
        (line) => line.mac === mac && line.state === "complete",
      );
    }
  },
});
