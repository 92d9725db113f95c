import { assertEquals, assertLess } from "@std/assert";
import { describe, it } from "@std/testing/bdd";
import { startDaemon } from "../lab/daemon.ts";
import { type Host, Lab, missing, pause } from "../lab/lab.ts";
import { BASE } from "./expect.ts";

const SERVER = "2001:db8:1:2::1";
const PORT = 6315;

const lacks = missing("tests of the event stream", "curl", "perfdhcp");
const suite = lacks.length === 0 ? it : it.skip;

/** A daemon and a client that can reach its HTTP. */
async function place(lab: Lab, ...options: string[]) {
  const { router, client } = await lab.pair();
  await router.ip(`addr add ${SERVER}/64 dev lan nodad`);
  await client.linkLocal("eth0");
  const daemon = await startDaemon(
    router,
    "--interface=lan",
    `--base-address=${BASE}`,
    "--log-level=info",
    ...options,
  );
  return { router, client, daemon };
}

/** Starts programs that read events as many readers at once. */
async function readers(host: Host, count: number, parsing: number) {
  const program = host.start([
    ...Deno.env.get("TEST_DENO")!.split("\n"),
    `${import.meta.dirname}/../lab/event_readers.ts`,
    SERVER,
    String(PORT),
    String(count),
    String(parsing),
  ]);
  await program.says(/reading/, 60);
  return program;
}

describe("event stream", () => {
  suite("1,000 readers of 3,000 events a second", async () => {
    await using lab = new Lab();
    const { router, client } = await place(lab);
    const all = await readers(router, Number(Deno.env.get("N") ?? "1000"), 2);
    const seconds = Number(Deno.env.get("S") ?? 30);
    const load = client.start(
      `perfdhcp -6 -l eth0 -R 500 -r ${Deno.env.get("R") ?? 1500} -n ${
        1500 * seconds
      } -W 1000000 -s 7 ff02::1:2`
        .split(" "),
    );
    await load.ended(seconds + 20);
    console.log(load.output.slice(0, 900));
    await pause(1000);
    await all.stop();
    console.log(all.output);
    const result = JSON.parse(all.output.trim().split("\n").at(-1)!);
    assertEquals(result.leastOctets, result.mostOctets);
    assertEquals(result.disordered, 0);
    assertLess(result.p99, 50);
  });
});
