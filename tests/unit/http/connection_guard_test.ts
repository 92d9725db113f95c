import { assertEquals } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { ConnectionGuard } from "../../../lib/http/connection_guard.ts";
import { RESERVED_FDS } from "../../../lib/overload/fd_budget.ts";

const MAX_IDLE = 8;
const ACCOUNTED_FDS = 5;

/** A guard whose `/proc/self/fd` and clock are the test's. */
class GuardedHost {
  /** Idle connections; `undefined`: `/proc` cannot be read. */
  idle: number | undefined = 0;
  readonly reports: string[] = [];
  readonly guard = new ConnectionGuard({
    maxIdle: MAX_IDLE,
    accountedFds: () => ACCOUNTED_FDS,
    observer: {
      onIdle: (connections) => this.reports.push(`idle ${connections}`),
      onStalled: (connections) => this.reports.push(`stalled ${connections}`),
    },
  });
  readonly #time = new FakeTime();
  readonly #readDirSync = Deno.readDirSync;

  constructor() {
    Deno.readDirSync = () => {
      if (this.idle === undefined) throw new Error("Too many open files");
      const count = RESERVED_FDS + ACCOUNTED_FDS + this.idle;
      return new Array<Deno.DirEntry>(count).values();
    };
  }

  pass(milliseconds: number): void {
    this.#time.tick(milliseconds);
  }

  [Symbol.dispose](): void {
    this.guard.stop();
    Deno.readDirSync = this.#readDirSync;
    this.#time.restore();
  }
}

Deno.test("ConnectionGuard", async (t) => {
  await t.step("counts only between start and stop", () => {
    using host = new GuardedHost();
    host.idle = MAX_IDLE + 1;
    host.pass(10_000);
    assertEquals(host.reports, []);
    host.guard.start();
    host.guard.start();
    host.pass(1000);
    assertEquals(host.reports, [`idle ${MAX_IDLE + 1}`]);
    host.guard.stop();
    host.pass(10_000);
    assertEquals(host.reports.length, 1);
  });

  await t.step("reports what is above the limit for 1 s", () => {
    using host = new GuardedHost();
    host.guard.start();
    host.idle = MAX_IDLE;
    host.pass(5000);
    for (const other of [MAX_IDLE, undefined]) {
      host.idle = MAX_IDLE + 1;
      host.pass(900);
      host.idle = other;
      host.pass(100);
    }
    assertEquals(host.reports, []);
    host.idle = MAX_IDLE + 2;
    host.pass(1000);
    assertEquals(host.reports, [`idle ${MAX_IDLE + 2}`]);
    host.idle = 0;
    host.pass(5000);
    assertEquals(host.reports.length, 1);
    assertEquals(host.guard.closed, MAX_IDLE + 2);
  });

  await t.step("reports as stalled what comes beside stalled ones", () => {
    using host = new GuardedHost();
    host.guard.start();
    host.idle = 2 * MAX_IDLE;
    host.pass(1000);
    assertEquals(host.reports.splice(0), [`idle ${2 * MAX_IDLE}`]);
    // All stay open. A quarter of the limit may be idle beside them.
    host.pass(5000);
    host.idle += MAX_IDLE / 4;
    host.pass(5000);
    assertEquals(host.reports, []);
    host.idle++;
    host.pass(1000);
    assertEquals(host.reports, [`stalled ${MAX_IDLE / 4 + 1}`]);
  });
});
