/** What a daemon says of itself, asked on its own host. */

import { eventually, type Host } from "../../support/lab.ts";

const URL = "http://[::1]:6315";

async function ask(host: Host, path: string, ...args: string[]) {
  return await host.run(
    ["curl", "-sS", "-g", "--max-time", "2", ...args, `${URL}${path}`],
    { mayFail: true },
  );
}

/** The metrics by name and labels, as Prometheus writes them. */
export async function metrics(host: Host): Promise<Map<string, number>> {
  const { stdout, stderr } = await ask(host, "/metrics");
  if (stdout === "") throw new Error(`no metrics: ${stderr}`);
  return new Map(
    stdout.split("\n").filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => {
        const at = line.lastIndexOf(" ");
        return [line.slice(0, at), Number(line.slice(at + 1))];
      }),
  );
}

/** How many Requests have been answered. */
export async function requestsAnswered(host: Host): Promise<number> {
  return (await metrics(host)).get(
    'dhcpv6macd_dhcpv6_answered_total{type="request"}',
  )!;
}

/** The status of `/healthz`; 0 if there is no answer within 2 s. */
export async function health(host: Host): Promise<number> {
  const { stdout } = await ask(
    host,
    "/healthz",
    ...["-o", "/dev/null", "-w", "%{http_code}"],
  );
  return Number(stdout);
}

/** Waits until `/healthz` has a status. */
export async function isHealthy(
  host: Host,
  status = 200,
  seconds = 10,
): Promise<void> {
  await eventually(
    `/healthz is ${status}`,
    async () => await health(host) === status,
    seconds,
  );
}

/** Memory in RAM, in MiB, as the daemon tells it. */
export async function residentMib(host: Host): Promise<number> {
  return (await metrics(host)).get("process_resident_memory_bytes")! /
    (1024 * 1024);
}
