import { assertEquals, assertRejects } from "@std/assert";
import { FileWork } from "../../../lib/files/file_work.ts";
import { FileStalledError } from "../../../lib/files/operation_places.ts";
import {
  FILE_QUEUE_TIMEOUT,
  FILE_STALL_TIME,
  FILE_TIMEOUT,
  MAX_FILE_OPERATIONS,
  MAX_FILE_OPERATIONS_PER_CLIENT,
} from "../../../lib/overload/limits.ts";
import { FakeClock } from "../../support/clock.ts";
import { nextTick } from "../../support/http.ts";

/** Operations that end when the test says so. */
class Operations {
  readonly work = new FileWork();
  readonly ends: (() => void)[] = [];
  begun = 0;

  start(client: string, isPatient = true): Promise<string> {
    return this.startFor(undefined, client, isPatient);
  }

  /** Starts one that waits for a file system. */
  startFor(
    fileSystem: number | undefined,
    client: string,
    isPatient: boolean,
  ): Promise<string> {
    return this.work.run(client, `/of/${client}`, () => this.#wait(client), {
      fileSystem,
      isPatient,
    });
  }

  /** Starts one that comes to a file system after its beginning. */
  startLeaving(
    fileSystem: number,
    client: string,
    isPatient = true,
  ): Promise<string> {
    return this.work.run(client, `/of/${client}`, async (place) => {
      await nextTick();
      return await place.leaveFor(fileSystem, () => this.#wait(client));
    }, { isPatient });
  }

  #wait(client: string): Promise<string> {
    this.begun++;
    return new Promise((resolve) => this.ends.push(() => resolve(client)));
  }
}

Deno.test("file operations", async (t) => {
  await t.step("of one client are 4 at once, and others go on", async () => {
    const operations = new Operations();
    const results = Array.from({ length: 10 }, () => operations.start("a"));
    assertEquals(operations.begun, MAX_FILE_OPERATIONS_PER_CLIENT);
    const other = operations.start("b");
    assertEquals(operations.begun, MAX_FILE_OPERATIONS_PER_CLIENT + 1);
    operations.ends[0]!();
    assertEquals(await results[0], "a");
    assertEquals(operations.begun, MAX_FILE_OPERATIONS_PER_CLIENT + 2);
    for (let done = 1; done < 11; done++) {
      while (operations.ends.length <= done) await nextTick();
      operations.ends[done]!();
    }
    assertEquals(await Promise.all(results), Array(10).fill("a"));
    assertEquals(await other, "b");
  });

  await t.step("of all clients are 16 at once, in their order", async () => {
    const operations = new Operations();
    const clients = Array.from({ length: 40 }, (_, index) => `c${index}`);
    const results = clients.map((client) => operations.start(client));
    assertEquals(operations.begun, MAX_FILE_OPERATIONS);
    for (const [index] of clients.entries()) {
      while (operations.ends.length <= index) await nextTick();
      operations.ends[index]!();
    }
    assertEquals(await Promise.all(results), clients);
  });

  await t.step(
    "that do not end are given up, and keep their place",
    async () => {
      using clock = new FakeClock();
      const operations = new Operations();
      const given = operations.start("a", false);
      const settled = assertRejects(() => given, FileStalledError, "/of/a");
      await clock.advance(FILE_TIMEOUT);
      await settled;
      assertEquals(operations.work.stalled(), [{
        path: "/of/a",
        seconds: FILE_TIMEOUT / 1000,
      }]);
      operations.ends[0]!();
      await clock.advance(0);
      assertEquals(operations.work.stalled(), []);
    },
  );

  await t.step("hand over what comes late", async () => {
    using clock = new FakeClock();
    const work = new FileWork();
    const late: string[] = [];
    const end = Promise.withResolvers<string>();
    const result = assertRejects(
      () =>
        work.run("a", "/p", () => end.promise, {
          dispose: (one) => late.push(one),
        }),
      FileStalledError,
    );
    await clock.advance(FILE_TIMEOUT);
    await result;
    end.resolve("handle");
    await clock.advance(0);
    assertEquals(late, ["handle"]);
  });

  await t.step("that get no place are refused, unless patient", async () => {
    using clock = new FakeClock();
    const operations = new Operations();
    const places = Array.from(
      { length: MAX_FILE_OPERATIONS_PER_CLIENT },
      () => operations.start("a"),
    );
    const refused = assertRejects(
      () => operations.start("a", false),
      FileStalledError,
      "too many",
    );
    const patient = operations.start("a");
    await clock.advance(FILE_QUEUE_TIMEOUT);
    await refused;
    for (const end of operations.ends) end();
    await Promise.all(places);
    operations.ends.at(-1)!();
    assertEquals(await patient, "a");
  });

  await t.step(
    "are reported after a time, those without limit too",
    async () => {
      using clock = new FakeClock();
      const work = new FileWork();
      const end = Promise.withResolvers<void>();
      const running = work.runUnlimited("/names", () => end.promise);
      await clock.advance(FILE_STALL_TIME - 1);
      assertEquals(work.stalled(), []);
      await clock.advance(1);
      assertEquals(work.stalled(), [{ path: "/names", seconds: 2 }]);
      end.resolve();
      await running;
      assertEquals(work.stalled(), []);
    },
  );

  await t.step(
    "that wait for one file system take no place from others",
    async () => {
      const operations = new Operations();
      const clients = Array.from({ length: 40 }, (_, index) => `c${index}`);
      const elsewhere = clients.map((client) =>
        operations.startFor(7, client, true)
      );
      await nextTick();
      assertEquals(operations.begun, MAX_FILE_OPERATIONS);
      const here = operations.start("c0");
      const other = operations.startFor(8, "c0", true);
      await nextTick();
      assertEquals(operations.begun, MAX_FILE_OPERATIONS + 2);
      for (let done = 0; done < 42; done++) {
        while (operations.ends.length <= done) await nextTick();
        operations.ends[done]!();
      }
      assertEquals(await Promise.all(elsewhere), clients);
      assertEquals(await Promise.all([here, other]), ["c0", "c0"]);
    },
  );

  await t.step("leave their place for a file system", async () => {
    const operations = new Operations();
    const results = Array.from(
      { length: 3 * MAX_FILE_OPERATIONS },
      (_, index) => operations.startLeaving(7, `c${index}`),
    );
    // The others come to wait for it, and for no thread of the runtime.
    const here = operations.start("x");
    while (operations.begun < MAX_FILE_OPERATIONS + 1) await nextTick();
    for (let tick = 0; tick < 10; tick++) await nextTick();
    assertEquals(operations.begun, MAX_FILE_OPERATIONS + 1);
    for (let done = 0; done < results.length + 1; done++) {
      while (operations.ends.length <= done) await nextTick();
      operations.ends[done]!();
    }
    await here;
    assertEquals(
      await Promise.all(results),
      results.map((_, index) => `c${index}`),
    );
    const again = Array.from(
      { length: MAX_FILE_OPERATIONS },
      (_, index) => operations.start(`d${index}`),
    );
    assertEquals(
      operations.begun,
      results.length + 1 + MAX_FILE_OPERATIONS,
      "each has given its place back",
    );
    for (const end of operations.ends) end();
    await Promise.all(again);
  });

  await t.step("of one client are 4 for one file system", async () => {
    const operations = new Operations();
    const results = Array.from(
      { length: 6 },
      () => operations.startLeaving(7, "a"),
    );
    while (operations.begun < MAX_FILE_OPERATIONS_PER_CLIENT) await nextTick();
    await nextTick();
    assertEquals(operations.begun, MAX_FILE_OPERATIONS_PER_CLIENT);
    for (let done = 0; done < 6; done++) {
      while (operations.ends.length <= done) await nextTick();
      operations.ends[done]!();
    }
    await Promise.all(results);
  });

  await t.step("that a file system keeps waiting are refused", async () => {
    using clock = new FakeClock();
    const operations = new Operations();
    const waiting = Array.from(
      { length: 20 },
      (_, index) => operations.startLeaving(7, `c${index}`, false),
    );
    const outcomes = Promise.allSettled(waiting);
    await clock.advance(FILE_QUEUE_TIMEOUT);
    await clock.advance(FILE_TIMEOUT);
    const messages = (await outcomes).map((outcome) =>
      outcome.status === "rejected" ? String(outcome.reason) : "fulfilled"
    );
    assertEquals(
      messages.map((message) => /too many|not answered/.exec(message)?.[0]),
      [
        ...Array(MAX_FILE_OPERATIONS).fill("not answered"),
        ...Array(20 - MAX_FILE_OPERATIONS).fill("too many"),
      ],
    );
    // What waits for it holds none of the other places.
    const here = Array.from(
      { length: MAX_FILE_OPERATIONS },
      (_, index) => operations.start(`d${index}`),
    );
    assertEquals(operations.begun, 2 * MAX_FILE_OPERATIONS);
    for (const end of operations.ends) end();
    await Promise.all(here);
    await clock.advance(0);
    assertEquals(operations.work.stalled(), []);
  });

  await t.step("that fail give their place back", async () => {
    const work = new FileWork();
    for (let round = 0; round < 3 * MAX_FILE_OPERATIONS; round++) {
      await assertRejects(
        () => work.run("a", "/p", () => Promise.reject(new Error("no"))),
        Error,
        "no",
      );
    }
  });
});
