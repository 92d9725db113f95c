/** HTTP and the event stream as clients in other people's networks use them. */

import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import {
  launchDaemon,
  runDaemon,
  type RunningDaemon,
  startDaemon,
} from "../../support/daemon.ts";
import { eventually, type Host, Lab, missing } from "../../support/lab.ts";
import { scanEvents } from "../../support/line_reader.ts";
import { watchCommand } from "../../support/watch_program.ts";
import { BASE } from "../../support/expect.ts";
import type { MachineJson } from "../../../lib/machines/json.ts";
import { place, SERVER } from "./place.ts";

const NEAR = "2001:db8:1:2::9";
const PORT = 6315;
const URL_BASE = `http://[${SERVER}]:${PORT}`;

/** Readers with a line limit once broke at 75 to 300 machines. */
const MACHINES = 12_000;

const lacks = missing(
  "HTTP in other people's networks",
  "curl",
  "openssl",
  "perfdhcp",
  "ss",
  "tcpdump",
  "tshark",
);
const ignore = lacks.length > 0;

function serve(router: Host, ...options: string[]): Promise<RunningDaemon> {
  return startDaemon(
    router,
    "--interface=lan",
    `--base-address=${BASE}`,
    "--tftp-listen-addr=off",
    "--log-level=info",
    ...options,
  );
}

/** The status of a request. */
async function status(host: Host, ...args: string[]): Promise<string> {
  const { stdout } = await host.run(
    ["curl", "-sgk", "-o", "/dev/null", "-w", "%{http_code}", "-m", "2"]
      .concat(args),
    { mayFail: true },
  );
  return stdout;
}

async function metric(host: Host, name: string): Promise<number> {
  const { stdout } = await host.run(["curl", "-sg", `${URL_BASE}/metrics`]);
  return Number(new RegExp(`^${name} (.*)$`, "m").exec(stdout)?.[1]);
}

/** Reads the state that an event stream begins with, by a scanner of lines. */
async function stateOf(
  host: Host,
  query: string,
): Promise<{ state: unknown; lines: number }> {
  const path = `${host.lab.directory}/events`;
  const curl = host.start(["curl", "-sgN", "-o", path].concat(
    `${URL_BASE}/events${query}`,
  ));
  const data = await eventually("the state", async () => {
    const bytes = await Deno.readFile(path).catch(() => new Uint8Array());
    return scanEvents(bytes)[0];
  });
  await curl.stop();
  await Deno.remove(path);
  return { state: JSON.parse(data), lines: data.split("\n").length };
}

Deno.test({
  name: "HTTP in other people's networks",
  ignore,
  fn: async (t) => {
    await t.step("the state of 12,000 machines", async (t) => {
      await using lab = new Lab();
      // perfdhcp sends from a link-local address if there is no other.
      const { router, client } = await place(lab);
      await serve(router);
      await client.run(
        `perfdhcp -6 -l eth0 -R ${MACHINES} -r 2000 -n ${
          2 * MACHINES
        } -W 1000000 -s 7 ff02::1:2`.split(" "),
        { mayFail: true },
      );
      const { stdout } = await router.run([
        "curl",
        "-sg",
        `${URL_BASE}/machines`,
      ]);
      const machines = JSON.parse(stdout) as Record<string, MachineJson>;
      const macs = Object.keys(machines);
      assertLess(MACHINES / 2, macs.length);

      await t.step("is read line by line, 64 KiB at most", async () => {
        const { state, lines } = await stateOf(router, "");
        assertEquals(Object.keys(state as object).length, macs.length);
        assertEquals(state, machines);
        assertEquals(lines, macs.length);
      });

      for (const query of ["?mac=", "?mac", "?mac=&resume=1"]) {
        await t.step(`is that of all for ${query}`, async () => {
          const { state } = await stateOf(router, query);
          assertEquals(Object.keys(state as object).length, macs.length);
        });
      }

      await t.step("is one machine for ?mac=MAC", async () => {
        const { state } = await stateOf(router, `?mac=${macs[7]}`);
        assertEquals(state, machines[macs[7]!]);
      });

      await t.step("is what watch shows", async () => {
        for (const url of [URL_BASE, `${URL_BASE}/?mac=`]) {
          const watching = router.start(watchCommand("--json", url));
          await eventually("every machine", () => {
            const shown = new Set<string>();
            for (const line of watching.output.split("\n")) {
              if (!line.startsWith("{") || !line.endsWith("}")) continue;
              shown.add(JSON.parse(line).mac);
            }
            return shown.size === macs.length;
          });
          await watching.stop();
        }
      });

      await t.step("is not in memory once for each reader", async () => {
        const READERS = 60;
        const before = await metric(router, "process_resident_memory_bytes");
        const stalled = Array.from(
          { length: READERS },
          () =>
            router.start([
              "curl",
              "-sgN",
              "--limit-rate",
              "1",
              "-o",
              "/dev/null",
              `${URL_BASE}/events`,
            ]),
        );
        await eventually(
          "all readers",
          async () =>
            await metric(router, "dhcpv6macd_event_readers") === READERS,
        );
        const after = await metric(router, "process_resident_memory_bytes");
        for (const program of stalled) program.kill("SIGKILL");
        // Of 60 whole states each has some 4 MB.
        assertLess(after - before, READERS * stdout.length / 2);
      });
    });

    await t.step("a request that is refused is logged once", async (t) => {
      await using lab = new Lab();
      const far = "2001:db8:9::9";
      const { router, client } = await place(lab);
      for (const address of [NEAR, far]) {
        await client.ip(`addr add ${address}/64 dev eth0 nodad`);
      }
      await router.ip(`route add 2001:db8:9::/64 dev lan`);
      const named = (name: string, path: string) =>
        status(client, "-H", `Host: ${name}`, `${URL_BASE}${path}`);
      const from = (address: string, path: string) =>
        status(client, "--interface", address, `${URL_BASE}${path}`);
      let daemon = await serve(router);

      await t.step("by its host name", async () => {
        for (const path of ["/metrics", "/machines", "/", "/metrics"]) {
          assertEquals(await named(`Router.lab:${PORT}`, path), "421");
        }
        assertEquals(await named("prom.example", "/metrics"), "421");
        const { message } = await daemon.logs(
          "host_refused",
          ({ host }) => host === "router.lab",
        );
        assertMatch(message, /--http-host router\.lab/);
        await daemon.logs(
          "host_refused",
          ({ host }) => host === "prom.example",
        );
        assertEquals(daemon.count("host_refused"), 2);
      });

      await t.step("by its address", async () => {
        for (const path of ["/metrics", "/events", "/metrics"]) {
          assertEquals(await from(far, path), "403");
        }
        const { message } = await daemon.logs("client_refused");
        assertMatch(message, /--http-allow 2001:db8:9::\/64/);
        assertEquals(daemon.count("client_refused"), 1);
      });

      await t.step("and let in by the option that is named", async () => {
        await daemon.stop();
        daemon = await serve(
          router,
          "--http-host",
          "router.lab",
          "--http-allow",
          "2001:db8:9::/64",
        );
        assertEquals(await named(`Router.lab:${PORT}`, "/metrics"), "200");
        assertEquals(await from(far, "/metrics"), "200");
        assertEquals(daemon.count("host_refused"), 0);
        assertEquals(daemon.count("client_refused"), 0);
      });

      await t.step("an IPv6 address without brackets is none", async () => {
        for (
          const host of [
            `${SERVER}:${PORT}`,
            SERVER,
            "2001:db8:1:2:0:0:0:1:6315",
            `[${SERVER}]:${PORT}`,
          ]
        ) {
          assertEquals(await named(host, "/metrics"), "200", host);
          assertEquals(await named(host, "/healthz"), "200", host);
        }
        assertEquals(daemon.count("host_refused"), 0);
      });

      await t.step("and no URL is refused that is documented", async () => {
        const pages = await Promise.all(
          ["README.md", "docs/monitoring.md"].map((path) =>
            Deno.readTextFile(new URL(`../../../${path}`, import.meta.url))
          ),
        );
        const urls = [
          ...pages.join("\n").matchAll(/http:\/\/[^\s'"`)]+:6315[^\s'"`)]*/g),
        ]
          .map(([url]) => url).filter((url) => !url.includes("{{"));
        assertLess(2, urls.length);
        for (const url of urls) {
          const { host } = new URL(url);
          // What watch shows of a host is no URL that a reader takes over.
          if (host.startsWith("router1")) continue;
          assertEquals(await named(host, "/metrics"), "200", url);
        }
      });
    });

    await t.step("several addresses", async (t) => {
      await using lab = new Lab();
      const { router, client } = await place(lab);
      await client.ip(`addr add ${NEAR}/64 dev eth0 nodad`);
      await router.run(
        ("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 " +
          `-nodes -days 1 -subj /CN=lab -keyout ${lab.directory}/key ` +
          `-out ${lab.directory}/cert`).split(" "),
      );
      const tls = [
        `--tls-cert-file=${lab.directory}/cert`,
        `--tls-key-file=${lab.directory}/key`,
      ];
      await Deno.mkdir(`${lab.directory}/netboot/default`, { recursive: true });
      await lab.file("netboot/default/boot.efi", "MZ of a boot loader");
      const both = [
        "--http-listen-addr=[::]:6315",
        "--http-listen-addr=[::]:80",
        "--https-listen-addr=:443",
        `--https-listen-addr=[${SERVER}]:8443`,
        `--netboot-dir=${lab.directory}/netboot`,
        ...tls,
      ];
      const all = [
        `http://[${SERVER}]:6315`,
        `http://[${SERVER}]`,
        `https://[${SERVER}]`,
        `https://[${SERVER}]:8443`,
      ];

      await t.step("check names each of them", async () => {
        const { code, stdout } = await runDaemon(
          router,
          "check",
          "--interface=lan",
          `--base-address=${BASE}`,
          ...both,
        );
        assertEquals(code, 0, stdout);
        for (
          const address of [
            "HTTP: [::]:6315",
            "HTTP: [::]:80",
            "HTTPS: [::]:443",
            `HTTPS: [${SERVER}]:8443`,
          ]
        ) assert(stdout.includes(`${address},`), stdout);
        const firewall = /^firewall:.*$/m.exec(stdout)![0];
        for (const port of [6315, 80, 443, 8443]) {
          assertMatch(firewall, RegExp(`\\b${port}\\b`));
        }
      });

      await t.step("each serves everything", async () => {
        const daemon = await serve(router, ...both);
        for (const url of all) {
          for (const path of ["/healthz", "/metrics", "/machines", "/"]) {
            assertEquals(await status(client, `${url}${path}`), "200", url);
          }
          const { stdout } = await client.run([
            "curl",
            "-sgk",
            `${url}/mac/02:00:5e:00:53:01/boot.efi`,
          ]);
          assertEquals(stdout, "MZ of a boot loader", url);
          // An event stream of each, all open at once.
          client.start(["curl", "-sgkN", `${url}/events`]);
        }
        await eventually(
          "readers of all",
          async () =>
            await metric(router, "dhcpv6macd_event_readers") === all.length,
        );
        assertEquals(await daemon.stop(), 0);
      });

      await t.step("one that is in use is tried again alone", async () => {
        const other = router.start([
          ...Deno.env.get("TEST_DENO")!.split("\n"),
          await lab.file(
            "other.ts",
            'Deno.listen({ hostname: "::", port: 80 }); console.log("has it"); setInterval(() => {}, 1000);',
          ),
        ]);
        await other.says(/has it/);
        const daemon = await serve(router, ...both);
        const { message } = await daemon.logs("http_unavailable");
        assertMatch(message, /TCP port 80 is already in use/);
        assertEquals(await status(client, `${all[0]}/healthz`), "200");
        assertEquals(await status(client, `${all[3]}/healthz`), "200");
        await other.stop();
        await eventually(
          "port 80",
          async () => await status(client, `${all[1]}/healthz`) === "200",
        );
        assertEquals(daemon.count("http_unavailable"), 1);
        assertEquals(await daemon.stop(), 0);
      });

      await t.step("one that comes later is served then", async () => {
        const late = "2001:db8:1:2::7";
        const daemon = await serve(
          router,
          "--http-listen-addr=:6315",
          `--http-listen-addr=[${late}]:80`,
        );
        await daemon.logs("http_unavailable");
        await router.ip(`addr add ${late}/64 dev lan nodad`);
        await eventually(
          "the address that came",
          async () =>
            await status(client, `http://[${late}]/healthz`) === "200",
        );
        assertEquals(await daemon.stop(), 0);
      });

      await t.step("none listens with off", async () => {
        for (
          const [args, ports] of [
            [["--http-listen-addr=off", ...tls], ["443"]],
            [["--http-listen-addr=off", "--https-listen-addr=off"], []],
          ] as const
        ) {
          const daemon = await serve(router, ...args);
          const { stdout } = await router.run(["ss", "-tlnH"]);
          assertEquals(
            [...stdout.matchAll(/\*:(\d+)|\]:(\d+)/g)].map((match) =>
              match[1] ?? match[2]
            ).filter((port) => port !== "0"),
            [...ports],
            stdout,
          );
          assertEquals(await daemon.stop(), 0);
        }
      });

      await t.step("addresses that overlap are refused at once", async () => {
        for (
          const args of [
            ["--http-listen-addr=:80", `--http-listen-addr=[${SERVER}]:80`],
            ["--http-listen-addr=off", "--http-listen-addr=:80"],
          ]
        ) {
          const daemon = await launchDaemon(
            router,
            "--interface=lan",
            `--base-address=${BASE}`,
            ...args,
          );
          assertEquals(await daemon.program.ended(), 2);
          assertMatch(
            daemon.program.output,
            /^\{.*"message":"--http-listen-addr[^\n]*\n$/,
          );
        }
      });
    });
  },
});
