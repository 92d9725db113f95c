/** What a daemon says of itself, asked on its own host. */

import { eventually, type Host } from "./lab.ts";

const URL = "http://[::1]:6315";

/** Seconds for an answer that comes, however busy the machine is. */
const ANSWER = 20;

/** Seconds for one of several tries: the connection may be one that is lost. */
const TRY = 5;

async function ask(
  host: Host,
  path: string,
  seconds = ANSWER,
  ...args: string[]
) {
  return await host.run(
    [
      ...["curl", "-sS", "-g", "--max-time", String(seconds)],
      ...[...args, `${URL}${path}`],
    ],
    { mayFail: true },
  );
}

/**
 * For curl: when no descriptor is left, the runtime stops to listen. Connections
 * that it has not accepted yet are reset then, others refused.
 */
export const RETRIES = [
  ...["--retry", "3", "--retry-delay", "1"],
  ...["--retry-connrefused", "--retry-all-errors"],
];

/** The metrics by name and labels, as Prometheus writes them. */
export async function metrics(host: Host): Promise<Map<string, number>> {
  const { stdout, stderr } = await ask(host, "/metrics", ANSWER, ...RETRIES);
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

/** The status of `/healthz`; 0 if there is no answer in time. */
export async function health(host: Host, seconds = ANSWER): Promise<number> {
  const { stdout } = await ask(
    host,
    "/healthz",
    seconds,
    ...["-o", "/dev/null", "-w", "%{http_code}"],
  );
  return Number(stdout);
}

/** Waits until `/healthz` has a status. */
export async function isHealthy(
  host: Host,
  status = 200,
  seconds = 30,
): Promise<void> {
  await eventually(
    `/healthz is ${status}`,
    async () => await health(host, TRY) === status,
    seconds,
  );
}

/** Memory in RAM, in MiB, as the daemon tells it. */
export async function residentMib(host: Host): Promise<number> {
  return (await metrics(host)).get("process_resident_memory_bytes")! /
    (1024 * 1024);
}
