/**
 * Clients that come and go while events happen, against a simple model: what a
 * client has received is what happened after the state that it got, without a
 * gap and without a double, however often it has resumed in between.
 */

import { assert, assertEquals } from "@std/assert";
import { streamOf } from "../../../lib/http/body_source.ts";
import { EventStream } from "../../../lib/http/event_stream.ts";
import { MachineWriter } from "../../../lib/machines/json.ts";
import { MachineRegistry } from "../../../lib/machines/registry.ts";
import { CooperativeScheduler } from "../../../lib/overload/scheduler.ts";
import { FakeClock } from "../../support/clock.ts";
import { fc } from "../../support/fast_check.ts";
import { taken } from "../../support/http.ts";
import { pause } from "../../support/lab.ts";

const MACHINES = 3;
const FIRST_MAC = 0x0200_5e00_5300;

/** So few events and bytes that both are evicted all the time. */
const HISTORY = 60;
const RECENT_BYTES = 6000;

type Action =
  | { readonly kind: "events"; readonly count: number }
  | { readonly kind: "wait" }
  | { readonly kind: "restart" }
  | {
    readonly kind: "open";
    readonly id: number;
    readonly filter: boolean;
    readonly isSlow: boolean;
  }
  | { readonly kind: "forge"; readonly id: string }
  | { readonly kind: "read"; readonly client: number; readonly chunks: number }
  | { readonly kind: "cut"; readonly client: number; readonly bytes: number };

/** A daemon of which only events and their readers exist. */
class Source {
  /** The MAC of each event; that of event 1 is the first. */
  readonly macs: number[] = [];
  readonly registry = new MachineRegistry(
    { machines: MACHINES, events: HISTORY },
    {
      onEvent: () => {
        this.macs.push(this.registry.history.macAt(this.macs.length + 1));
        this.stream.notify();
      },
    },
  );
  readonly stream = new EventStream(
    this.registry,
    new MachineWriter(this.registry, [{
      text: "2001:db8::",
      bytes: new Uint8Array(16),
    }]),
    new CooperativeScheduler(),
    { total: 1000, perClient: 1000 },
    RECENT_BYTES,
  );
  readonly machines = Array.from(
    { length: MACHINES },
    (_, index) => this.registry.add(FIRST_MAC + index, 0),
  );

  happen(count: number): void {
    for (let done = 0; done < count; done++) {
      const machine = this.machines[(this.macs.length * 7) % MACHINES]!;
      this.registry.reach(machine, "os_init");
    }
  }
}

/** One connection. It reads all there is, unless it is slow. */
class Connection {
  isOver = false;
  /** Whether it reads only when an action says so. */
  isSlow = false;
  text = "";
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #isReading = false;

  constructor(
    readonly source: Source,
    readonly filter: number | undefined,
    /** The number of the ID that it resumes after; without, it gets a state. */
    readonly resumed: number | undefined,
    body: ReadableStream<Uint8Array>,
  ) {
    this.#reader = taken(body).getReader();
  }

  /** Reads a chunk, if there is one. */
  async read(): Promise<void> {
    if (this.isOver || this.#isReading) return;
    this.#isReading = true;
    try {
      const { value, done } = await this.#reader.read();
      if (done) this.isOver = true;
      else this.text += new TextDecoder().decode(value);
    } catch {
      this.isOver = true;
    }
    this.#isReading = false;
  }

  async close(): Promise<void> {
    this.isOver = true;
    await this.#reader.cancel().catch(() => {});
  }

  /** The IDs of the whole messages, and whether the first one is a state. */
  get received(): { id: string; isState: boolean }[] {
    return [...this.text.matchAll(/^id: (.*)\n((?:data: .*\n)+)\n/gm)].map(
      ([, id, data]) => ({
        id: id!,
        isState: !data!.includes('"ipv6_address"'),
      }),
    );
  }

  /** Checks what it has received; the number that it is up to date with. */
  check(): number {
    const { received, source, filter, resumed } = this;
    let position = resumed ?? -1;
    for (const [index, { id, isState }] of received.entries()) {
      const [run, digits] = id.split("-");
      assertEquals(run, source.stream.run);
      const number = Number(digits);
      assertEquals(isState, index === 0 && resumed === undefined, id);
      if (!isState) {
        do position++; while (
          filter !== undefined && source.macs[position - 1] !== filter
        );
        assertEquals(number, position, `after ${received[index - 1]?.id}`);
      }
      position = number;
    }
    return position;
  }
}

/** An ID that a client has seen. */
interface SeenId {
  readonly source: Source;
  readonly id: string;
  readonly filter: number | undefined;
}

function idsSeenBy({ source, filter, received }: Connection): SeenId[] {
  return received.map(({ id }) => ({ source, id, filter }));
}

/** All that happens in one run of the property. */
class Scenario {
  readonly clock: FakeClock;
  source = new Source();
  connections: Connection[] = [];
  /** What clients that are gone have seen, of earlier runs, too. */
  readonly #seen: SeenId[] = [];

  constructor(clock: FakeClock) {
    this.clock = clock;
  }

  /** All IDs that clients have ever seen. */
  get seen(): SeenId[] {
    return [...this.#seen, ...this.connections.flatMap(idsSeenBy)];
  }

  /** Opens a connection, and knows what it has to begin with. */
  open(id: string | undefined, filter: number | undefined): Connection {
    const { stream, registry } = this.source;
    const body = stream.open({ client: "::1", mac: filter, resumeAfter: id });
    const known = this.seen.some((seen) =>
      seen.source === this.source && seen.id === id
    );
    const number = Number(id?.split("-")[1]);
    const resumed = known && number >= registry.history.first - 1
      ? number
      : undefined;
    const connection = new Connection(
      this.source,
      filter,
      resumed,
      streamOf(body!),
    );
    this.connections.push(connection);
    return connection;
  }

  /** Ends a connection, in the middle of a message even. */
  async cut(connection: Connection, bytes: number): Promise<void> {
    await connection.close();
    connection.text = connection.text.slice(
      0,
      Math.max(0, connection.text.length - bytes),
    );
    connection.check();
    this.#seen.push(...idsSeenBy(connection));
    this.connections = this.connections.filter((one) => one !== connection);
  }

  async do(action: Action): Promise<void> {
    switch (action.kind) {
      case "events":
        return this.source.happen(action.count);
      case "wait":
        for (let turn = 0; turn < 4; turn++) {
          for (const connection of this.connections) {
            if (!connection.isSlow) void connection.read();
          }
          await this.clock.advance(10);
        }
        return;
      case "restart":
        for (const connection of [...this.connections]) {
          await this.cut(connection, 0);
        }
        this.source.stream.stop();
        this.source = new Source();
        return;
      case "open": {
        const { seen: ids } = this;
        const seen = ids.at(-(action.id % (ids.length + 1)));
        const filter = seen === undefined && action.filter
          ? FIRST_MAC
          : seen?.filter;
        this.open(seen?.id, filter).isSlow = action.isSlow;
        return;
      }
      case "forge":
        this.open(action.id.replace("RUN", this.source.stream.run), undefined);
        return;
      case "read": {
        const { connections } = this;
        const connection = connections[action.client % connections.length];
        for (let chunk = 0; chunk < action.chunks; chunk++) {
          void connection?.read();
          await pause(0);
        }
        return;
      }
      case "cut": {
        const { connections } = this;
        const connection = connections[action.client % connections.length];
        if (connection !== undefined) await this.cut(connection, action.bytes);
      }
    }
  }

  /** Lets all connections read to the end; those that are dropped come back. */
  async finish(): Promise<void> {
    const last = this.source.macs.length;
    for (let round = 0; round < 200; round++) {
      let isDone = true;
      for (const connection of [...this.connections]) {
        if (connection.isOver) {
          const { id } = connection.received.at(-1) ?? {};
          const { resumed, filter } = connection;
          const before = resumed === undefined
            ? undefined
            : `${this.source.stream.run}-${resumed}`;
          await this.cut(connection, 0);
          this.open(id ?? before, filter);
        } else if (!this.isUpToDate(connection, last)) {
          void connection.read();
        } else continue;
        isDone = false;
      }
      if (isDone) return;
      await this.clock.advance(10);
    }
    const state = this.connections.map((connection) => [
      connection.resumed,
      connection.received.at(-1)?.id,
      connection.isOver,
    ]);
    throw new Error(`not up to date with ${last}: ${JSON.stringify(state)}`);
  }

  isUpToDate(connection: Connection, last: number): boolean {
    const position = connection.check();
    const { macs } = connection.source;
    return position >= 0 &&
      !macs.slice(position, last).some((mac) =>
        connection.filter === undefined || mac === connection.filter
      );
  }
}

async function play(actions: readonly Action[]): Promise<void> {
  using clock = new FakeClock();
  const scenario = new Scenario(clock);
  try {
    for (const action of actions) await scenario.do(action);
    await scenario.finish();
    assertEquals(scenario.source.stream.readers, scenario.connections.length);
  } finally {
    for (const connection of scenario.connections) await connection.close();
    scenario.source.stream.stop();
    await clock.advance(50);
  }
}

Deno.test("clients that resume", async (t) => {
  await t.step(
    "in the middle of a batch miss nothing while others stay",
    async () => {
      using clock = new FakeClock();
      const scenario = new Scenario(clock);
      const stays = scenario.open(undefined, undefined);
      const leaves = scenario.open(undefined, undefined);
      // The state, and then 20 events as one batch.
      void stays.read();
      void leaves.read();
      await clock.advance(10);
      scenario.source.happen(20);
      for (let turn = 0; turn < 10; turn++) {
        void stays.read();
        void leaves.read();
        await clock.advance(10);
      }
      const last = scenario.source.macs.length;
      assertEquals(leaves.check(), last);
      await scenario.cut(leaves, 0);
      for (let number = MACHINES; number <= last; number++) {
        const back = scenario.open(
          `${scenario.source.stream.run}-${number}`,
          undefined,
        );
        assertEquals(back.resumed, number);
      }
      await scenario.finish();
      for (const connection of scenario.connections) await connection.close();
      await clock.advance(50);
    },
  );

  await t.step("after forged IDs get the state", async () => {
    using clock = new FakeClock();
    const scenario = new Scenario(clock);
    scenario.source.happen(5);
    const run = scenario.source.stream.run;
    const open = [
      "",
      "-",
      run,
      `${run}-`,
      `${run}-99`,
      `${run}-999999999999999`,
      `${run}--1`,
      `${run}-1e0`,
      `${run}-0x1`,
      `${run}-1-1`,
      `${run}-1 `,
      ` ${run}-1`,
      `${run.toUpperCase()}-1x`,
      `0${run}-1`,
      "0000000000000000-1",
      "\u{1f5a7}",
    ].map((id) => scenario.open(id, undefined));
    await scenario.finish();
    for (const connection of open) {
      assert(connection.received[0]!.isState);
      await connection.close();
    }
    await clock.advance(50);
  });

  await t.step("miss nothing, whatever happens in between", async () => {
    const action = fc.oneof(
      { weight: 12, arbitrary: events() },
      { weight: 16, arbitrary: fc.constant<Action>({ kind: "wait" }) },
      { weight: 16, arbitrary: open() },
      { weight: 4, arbitrary: read() },
      { weight: 6, arbitrary: cut() },
      { weight: 1, arbitrary: fc.constant<Action>({ kind: "restart" }) },
      { weight: 2, arbitrary: forge() },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(action, { minLength: 10, maxLength: 40 }),
        play,
      ),
      { numRuns: 50 },
    );
  });
});

function events() {
  return fc.nat({ max: 50 }).map((count): Action => ({
    kind: "events",
    count,
  }));
}

function open() {
  return fc.record({
    // Small numbers are tried most: they are the last IDs here.
    id: fc.nat({ max: 500 }),
    filter: fc.boolean(),
    isSlow: fc.boolean(),
  }).map((choice): Action => ({ kind: "open", ...choice }));
}

function read() {
  return fc.record({
    client: fc.nat({ max: 20 }),
    chunks: fc.integer({ min: 1, max: 4 }),
  }).map((choice): Action => ({ kind: "read", ...choice }));
}

function cut() {
  return fc.record({
    client: fc.nat({ max: 20 }),
    bytes: fc.oneof(fc.constant(0), fc.nat({ max: 3000 })),
  }).map((choice): Action => ({ kind: "cut", ...choice }));
}

function forge() {
  return fc.oneof(
    fc.string({ maxLength: 20 }),
    fc.integer({ min: 100_000 }).map((number) => `RUN-${number}`),
    fc.string({ maxLength: 5 }).map((text) => `RUN-x${text}`),
  ).map((id): Action => ({ kind: "forge", id }));
}
