import { assert, assertEquals, assertLess, assertMatch } from "@std/assert";
import { type StepHooks, stepsWith } from "../../support/steps.ts";
import {
  MAX_EVENT_READERS,
  MAX_EVENT_READERS_PER_CLIENT,
  MAX_KEPT_CHARACTERS,
  MAX_STATE_LINE_BYTES,
} from "../../../lib/overload/limits.ts";
import {
  linesOf,
  type MachineEventJson,
  type MachineJson,
} from "../../../lib/machines/json.ts";
import { formatMac } from "../../../lib/net/mac.ts";
import { eventually, pause } from "../../support/lab.ts";
import {
  ask,
  Known,
  MAC,
  MAC_TEXT,
  OTHER_MAC,
  OTHER_MAC_TEXT,
} from "../../support/http.ts";

const ADDRESS = "2001:db8:1:2:0:200:5e00:5301";

/** Parses what a reader received. */
class EventReader {
  text = "";
  readonly ended: Promise<void>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  constructor(response: Response) {
    this.#reader = response.body!.getReader();
    this.ended = this.#read();
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    try {
      while (true) {
        const { value, done } = await this.#reader.read();
        if (done) return;
        this.text += decoder.decode(value, { stream: true });
      }
    } catch {
      // It was dropped.
    }
  }

  /** The blocks so far: their id and their data. */
  get blocks(): { id: string; data: unknown }[] {
    return [...this.text.matchAll(/^id: (.*)\n((?:data: .*\n)+)\n/gm)].map(
      ([, id, lines]) => ({
        id: id!,
        data: JSON.parse(lines!.replace(/^data: /gm, "")),
      }),
    );
  }

  /** The snapshot. */
  get state(): unknown {
    return this.blocks[0]?.data;
  }

  /** The events after the snapshot. */
  get events(): MachineEventJson[] {
    return this.blocks.slice(1).map(({ data }) => data as MachineEventJson);
  }

  async has(count: number): Promise<void> {
    await eventually(`${count} blocks`, () => this.blocks.length >= count, 5);
  }

  async disconnect(): Promise<void> {
    await this.#reader.cancel().catch(() => {});
    await this.ended;
  }
}

Deno.test("EventStream", async (t) => {
  let known: Known;
  let readers: EventReader[];

  const hooks: StepHooks = {
    before: () => {
      known = new Known();
      readers = [];
    },
    after: async () => {
      for (const reader of readers) await reader.disconnect();
      assertEquals(known.eventStream.readers, 0);
    },
  };
  const step = stepsWith(t, hooks);

  async function read(
    query = "",
    lastEventId?: string,
  ): Promise<EventReader> {
    const response = await ask(known.handler(), `/events${query}`, {
      headers: lastEventId === undefined
        ? {}
        : { "last-event-id": lastEventId },
    });
    assertEquals(response.status, 200);
    assertEquals(response.headers.get("content-type"), "text/event-stream");
    assertEquals(
      response.headers.get("cache-control"),
      "no-store, no-transform",
    );
    const reader = new EventReader(response);
    readers.push(reader);
    return reader;
  }

  await step(
    "sends a snapshot at once, then each event",
    async () => {
      const machine = known.registry.add(MAC, 0);
      const reader = await read();
      await reader.has(1);
      assertMatch(reader.text, /^retry: 3000\n\nid: [0-9a-f]{16}-1\ndata: \{/);
      const state = reader.state as Record<string, MachineJson>;
      const { timestamp } = state[MAC_TEXT]!.Events[0]!;
      assertMatch(timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
      assertEquals(state, {
        [MAC_TEXT]: {
          Mac: MAC_TEXT,
          IPv6Address: ADDRESS,
          Events: [
            { event: "init", timestamp, repeat_event: false, detail: null },
          ],
        },
      });
      known.registry.reach(machine, "http_boot");
      known.registry.reach(machine, "http_boot");
      const detail = {
        protocol: "https",
        file_name: "boot.efi",
        state: "init",
        sent_bytes: 0,
        total_bytes: 7,
      } as const;
      known.registry.reach(machine, "http_fetch_uki", detail);
      await reader.has(4);
      assertEquals(
        reader.events.map(({ event, ...rest }) => ({
          ...rest,
          event: { ...event, timestamp: "" },
        })),
        ([["http_boot", false, null], ["http_boot", true, null], [
          "http_fetch_uki",
          false,
          detail,
        ]] as const).map(([event, repeat_event, detail]) => ({
          mac: MAC_TEXT,
          ipv6_address: ADDRESS,
          event: { event, timestamp: "", repeat_event, detail },
        })),
      );
      const ids = reader.blocks.map(({ id }) => id.split("-"));
      assertEquals(new Set(ids.map(([run]) => run)).size, 1);
      assertEquals(ids.map(([, number]) => number), ["1", "2", "3", "4"]);
    },
  );

  await step("sends the state as a line for each machine", async () => {
    const macs = Array.from({ length: 300 }, (_, index) => MAC + index);
    for (const mac of macs) {
      const machine = known.registry.add(mac, 0);
      for (let count = 0; count < 20; count++) {
        known.registry.reach(machine, "firmware_init");
        known.registry.reach(machine, "os_init");
      }
    }
    const reader = await read();
    await reader.has(1);
    const state = reader.state as Record<string, MachineJson>;
    assertEquals(Object.keys(state), macs.map(formatMac));
    const lines = reader.text.split("\n").slice(3, -2);
    assertEquals(lines.length, macs.length);
    for (const [index, line] of lines.entries()) {
      assertMatch(line, RegExp(`^data: {?"${formatMac(macs[index]!)}":{.*}`));
    }
    const response = await ask(known.handler(), "/machines");
    assertEquals(state, await response.json());
  });

  await step("sends no line that a reader of 64 KiB cannot read", async () => {
    // JSON takes up to 6 bytes for a character.
    const longest = "\x01".repeat(3 * MAX_KEPT_CHARACTERS);
    const first = await read();
    await first.has(1);
    for (const mac of [MAC, OTHER_MAC, OTHER_MAC + 1]) {
      const machine = known.registry.add(mac, 0);
      for (let index = 0; index < 60; index++) {
        known.registry.reach(
          machine,
          index % 2 ? "http_fetch_uki" : "serve_ipxe_over_tftp",
          {
            protocol: "tftp",
            file_name: longest,
            state: "error",
            sent_bytes: index,
            total_bytes: 2 ** 40,
            error: longest,
          },
        );
      }
    }
    const { next } = known.registry.history;
    await first.has(next);
    const all = await read();
    const one = await read(`?mac=${MAC_TEXT}`);
    await all.has(1);
    await one.has(1);
    const machines = await (await ask(known.handler(), "/machines")).json();
    assertLess(65_536, JSON.stringify(machines[MAC_TEXT]).length);
    assertEquals(all.state, machines);
    assertEquals(one.state, machines[MAC_TEXT]);
    for (const { text } of [first, all, one]) {
      const lengths = text.split("\n").map((line) =>
        new TextEncoder().encode(line).length
      );
      // Go's bufio.Scanner holds 65,536 bytes with the line feed.
      assertLess(Math.max(...lengths), 65_536);
    }
  });

  await step("measures lines in bytes, not in characters", () => {
    const detail = (character: string) => ({
      protocol: "http",
      file_name: character.repeat(MAX_KEPT_CHARACTERS),
      state: "complete",
      sent_bytes: 1,
      total_bytes: 1,
    } as const);
    for (const character of ["x", "\x01", "\u00e9", "\u4e2d", "\u{1f600}"]) {
      for (const count of [0, 1, 50, 200, 400]) {
        const machine = {
          Mac: MAC_TEXT,
          IPv6Address: ADDRESS,
          Events: Array(count).fill({
            event: "http_fetch_uki",
            timestamp: "2025-10-13T20:08:24.394955Z",
            repeat_event: false,
            detail: detail(character),
          }) as MachineJson["Events"],
        };
        const lines = linesOf(machine);
        assertEquals(JSON.parse(lines.join("\n")), machine);
        const total = new TextEncoder().encode(JSON.stringify(machine)).length;
        if (total <= MAX_STATE_LINE_BYTES) assertEquals(lines.length, 1);
        for (const line of lines) {
          const { length } = new TextEncoder().encode(line);
          assertLess(length, MAX_STATE_LINE_BYTES + 1);
        }
      }
    }
  });

  for (const query of ["?mac=", "?mac", "?mac=&resume=1"]) {
    await step(`sends all machines for ${query}`, async () => {
      known.registry.add(MAC, 0);
      known.registry.add(OTHER_MAC, 0);
      const reader = await read(query);
      await reader.has(1);
      assertEquals(Object.keys(reader.state as object), [
        MAC_TEXT,
        OTHER_MAC_TEXT,
      ]);
    });
  }

  await step("sends an empty object while no machine is known", async () => {
    const reader = await read();
    await reader.has(1);
    assertEquals(reader.state, {});
  });

  for (const mac of [MAC_TEXT, "02-00-5E-00-53-01", "02005e005301"]) {
    await step(`sends only that machine for ?mac=${mac}`, async () => {
      const early = await read(`?mac=${mac}`);
      await early.has(1);
      assertEquals(early.state, null);
      const machine = known.registry.add(MAC, 0);
      const other = known.registry.add(OTHER_MAC, 0);
      await early.has(2);
      const late = await read(`?mac=${mac}`);
      await late.has(1);
      assertEquals((late.state as MachineJson).Mac, MAC_TEXT);
      for (let count = 0; count < 5; count++) {
        known.registry.reach(other, "firmware_init");
        await pause(12);
      }
      known.registry.reach(machine, "firmware_init");
      await late.has(2);
      await early.has(3);
      for (const { events } of [early, late]) {
        assertEquals(
          new Set(events.map(({ mac }) => mac)),
          new Set([MAC_TEXT]),
        );
        assertEquals(events.at(-1)?.event.event, "firmware_init");
      }
    });
  }

  await step("resumes in the middle of what was sent at once", async () => {
    const first = await read();
    await first.has(1);
    const machine = known.registry.add(MAC, 0);
    known.registry.reach(machine, "firmware_init");
    known.registry.reach(machine, "http_boot");
    known.registry.reach(machine, "http_boot");
    await first.has(5);
    const sent = first.blocks;
    for (let had = 1; had < sent.length; had++) {
      const back = await read("?resume=1", sent[had - 1]!.id);
      await back.has(sent.length - had);
      assertEquals(back.blocks, sent.slice(had));
    }
    known.registry.reach(machine, "http_boot");
    for (const [index, reader] of readers.entries()) {
      await reader.has(sent.length + 1 - index);
    }
  });

  await step("resumes with the missed events only", async () => {
    const machine = known.registry.add(MAC, 0);
    const first = await read();
    await first.has(1);
    known.registry.reach(machine, "firmware_init");
    await first.has(2);
    const last = first.blocks.at(-1)!.id;
    await first.disconnect();
    known.registry.reach(machine, "http_boot");
    const back = await read("?resume=1", last);
    await back.has(1);
    known.registry.reach(machine, "os_init");
    await back.has(3);
    assertEquals(
      back.blocks.map(({ data }) => (data as MachineEventJson).event.event),
      ["http_boot", "jump_to", "os_init"],
    );
    const own = await read(`?resume=1&mac=${MAC_TEXT}`, last);
    await own.has(3);
    assertEquals(own.blocks, back.blocks);
  });

  await step(
    "sends a snapshot without resume, and when events were evicted",
    async () => {
      known = new Known({ machines: 9, events: 5 });
      const machine = known.registry.add(MAC, 0);
      const first = await read();
      await first.has(1);
      const { id } = first.blocks[0]!;
      for (let count = 0; count < 9; count++) {
        known.registry.reach(machine, "firmware_init");
        await first.has(2 + count);
      }
      const other = new Known();
      for (
        const [query, last] of [
          ["", first.blocks.at(-1)!.id],
          ["?resume=1", id],
          ["?resume=1", undefined],
          ["?resume=1", "0000000000000000-1"],
          ["?resume=1", id.replace(/-.*/, "-999")],
          ["?resume=1", `${id}x`],
          ["?resume=0", first.blocks.at(-1)!.id],
        ] as [string, string | undefined][]
      ) {
        const reader = await read(query, last);
        await reader.has(1);
        assertEquals(
          Object.keys(reader.state as object),
          [MAC_TEXT],
          `${last}`,
        );
      }
      other.eventStream.stop();
    },
  );

  await step(
    "sends each event exactly once, whenever a reader connects",
    async () => {
      const machines = Array.from(
        { length: 300 },
        (_, index) => known.registry.add(MAC + index, 0),
      );
      for (let round = 0; round < 60; round++) {
        for (const machine of machines.slice(0, 50)) {
          known.registry.reach(
            machine,
            round % 2 ? "os_init" : "firmware_init",
          );
        }
        if (round % 6 === 0) void read();
        await pause(2);
      }
      const { next } = known.registry.history;
      for (const reader of readers) {
        await eventually(
          "the last event",
          () => reader.blocks.at(-1)?.id.endsWith(`-${next - 1}`),
          10,
        );
        const numbers = reader.blocks.map(({ id }) => Number(id.split("-")[1]));
        numbers.forEach((number, index) =>
          assertEquals(number, numbers[0]! + index)
        );
        // What the state holds is what had happened up to its number.
        const kept = Object.values(reader.state as Record<string, MachineJson>)
          .flatMap(({ Events }) => Events);
        const after = reader.events[0]?.event.timestamp ?? "9";
        assert(kept.every(({ timestamp }) => timestamp <= after));
      }
      assertEquals(readers.length, 10);
    },
  );

  await step("drops readers whose next events were evicted", async () => {
    known = new Known({ machines: 9, events: 5 });
    const machine = known.registry.add(MAC, 0);
    const reader = await read();
    await reader.has(1);
    for (let count = 0; count < 9; count++) {
      known.registry.reach(machine, "firmware_init");
    }
    await reader.ended;
    assertEquals(known.eventStream.dropped, 1);
  });

  await step(
    "drops a reader that does not read",
    async () => {
      const machine = known.registry.add(MAC, 0);
      const stalled = await ask(known.handler(), "/events");
      const body = stalled.body!.getReader();
      await body.read();
      const reader = await read();
      await reader.has(1);
      // The stalled one has its state and an event, and takes no more.
      const event = body.read();
      known.registry.reach(machine, "firmware_init");
      await event;
      const file_name = "x".repeat(20_000);
      for (let count = 0; count < 5; count++) {
        for (let index = 0; index < 100; index++) {
          known.registry.reach(machine, "serve_ipxe_over_tftp", {
            protocol: "tftp",
            file_name,
            state: "sending",
            sent_bytes: index,
            total_bytes: 100,
          });
        }
        await pause(12);
      }
      await reader.has(502);
      await body.read().catch(() => {});
      await body.read().catch(() => {});
      await body.read().catch(() => {});
      assertEquals(known.eventStream.dropped, 1);
      assertEquals(known.eventStream.readers, 1);
    },
  );

  await step(
    "refuses a malformed MAC, and readers above the quota",
    async () => {
      const router = known.handler();
      assertEquals((await ask(router, "/events?mac=x")).status, 400);
      const bodies = [];
      const open = (client: number) =>
        ask(router, "/events", { client: `fe80::${client}` });
      const isRefused = async (client: number) => {
        const refused = await open(client);
        assertEquals(refused.status, 503);
        await refused.body?.cancel();
      };
      for (let count = 0; count < MAX_EVENT_READERS; count++) {
        // The last quarter is for clients with a few readers each.
        const client = count < MAX_EVENT_READERS_PER_CLIENT ? 0 : count;
        bodies.push((await open(client)).body!);
        if (count + 1 === MAX_EVENT_READERS_PER_CLIENT) await isRefused(client);
      }
      await isRefused(99);
      assertEquals(known.eventStream.quota.refused, 2);
      for (const body of bodies) await body.cancel();
    },
  );

  await step("ends the streams in stop()", async () => {
    const reader = await read();
    await reader.has(1);
    known.eventStream.stop();
    await reader.ended;
  });
});
