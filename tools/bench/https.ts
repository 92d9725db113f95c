/**
 * HTTPS: how fast a large file is, alone and together, over HTTP/1.1 and HTTP/2.
 *
 * @module
 */

import type { MeasureOptions } from "./measure_options.ts";
import { MAC, SERVER, type Testbed } from "./testbed.ts";
import type { Quantity, Results, Target } from "./results.ts";
import {
  DAEMON_HTTPS,
  DENO_HTTPS,
  HTTP_FILE,
  HTTP_SIZE,
  HTTPS_PEERS,
  isInstalled,
  leaveOut,
  PORTS,
  present,
  provide,
} from "./servers.ts";

/** The load generator, and Debian's package of it. */
const GENERATOR = { program: "h2load", package: "nghttp2-client" };

/** Clients at once, and the least that the daemon reaches of nginx' rate. */
const LOADS = [
  { clients: 1, target: 0.7 },
  { clients: 50, target: 0.6 },
] as const;

const PROTOCOLS = [
  { name: "HTTP/1.1", options: ["--h1"] },
  { name: "HTTP/2", options: [] },
] as const;

/** What is measured, for each load and protocol. */
const MEASURED = LOADS.flatMap(({ clients, target }) =>
  PROTOCOLS.map(({ name, options }) => ({
    clients,
    options,
    rate: https(name, clients, "", "GB/s", "more", [{
      against: "nginx",
      value: target,
    }]),
    cpu: https(name, clients, ": CPU for 1 GB", "s", "less"),
  }))
);

function https(
  protocol: string,
  clients: number,
  words: string,
  unit: string,
  better: Quantity["better"],
  targets?: Target[],
): Quantity {
  const together = clients === 1 ? "one at a time" : `${clients} at once`;
  return {
    group: "https",
    words: `500 MB file, TLS 1.3, ${protocol}, ${together}${words}`,
    unit,
    better,
    targets,
  };
}

/** Measures one server after the other, and all of them again. */
export async function measureHttps(
  testbed: Testbed,
  results: Results,
  { runs, seconds, isShort }: MeasureOptions,
): Promise<void> {
  if (!isInstalled(GENERATOR.program)) {
    leaveOut(
      "HTTPS",
      `it is measured when Debian's package ${GENERATOR.package} is installed`,
    );
    return;
  }
  await provide(testbed, HTTP_FILE, HTTP_SIZE);
  const servers = present([DAEMON_HTTPS, DENO_HTTPS, ...HTTPS_PEERS]);
  const measured = isShort
    ? MEASURED.filter(({ clients }) => clients === 1)
    : MEASURED;
  for (let run = 0; run < runs; run++) {
    for (const server of servers) {
      const program = await server.start(testbed);
      await testbed.listens(PORTS.https);
      for (const { clients, options, rate, cpu } of measured) {
        const before = await testbed.cpuSeconds();
        const gigabytes = await download(testbed, clients, seconds, options);
        const used = await testbed.cpuSeconds() - before;
        results.add(rate, server.name, gigabytes / seconds);
        results.add(cpu, server.name, used / gigabytes);
      }
      await testbed.stop(program);
    }
  }
}

/** Downloads the file again and again for some seconds; gigabytes that came. */
async function download(
  testbed: Testbed,
  clients: number,
  seconds: number,
  options: readonly string[],
): Promise<number> {
  const file = HTTP_FILE.slice(HTTP_FILE.indexOf("/") + 1);
  const { stdout } = await testbed.client.run([
    ...["taskset", "-c", "0", GENERATOR.program, ...options],
    ...["--clients", String(clients), "--duration", String(seconds)],
    "--tls13-ciphers=TLS_AES_128_GCM_SHA256",
    // Its Host of an address has no brackets.
    `--connect-to=[${SERVER}]:${PORTS.https}`,
    `https://testbed.example:${PORTS.https}/mac/${MAC}/${file}`,
  ], { seconds: 60 });
  const bytes = Number(/^traffic: .*?\((\d+)\) total/m.exec(stdout)?.[1]);
  if (!(bytes > 0) || !/ 0 4xx, 0 5xx/.test(stdout)) throw new Error(stdout);
  return bytes / 1e9;
}
