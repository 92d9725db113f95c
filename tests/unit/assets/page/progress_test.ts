import { assertEquals } from "@std/assert";
import { progressOf } from "../../../../assets/page/progress.js";

const START = Date.parse("2025-10-13T20:08:24Z");

Deno.test("progress of a machine", async (t) => {
  const doing = (
    seconds: number,
    usual: number | undefined,
    detail: Record<string, unknown> | null = null,
    lastProgress = 0,
  ) => {
    const { kind, words } = progressOf(
      { event: "http_fetch_uki", at: START, detail: detail as never },
      START + 1000 * seconds,
      usual === undefined ? undefined : 1000 * usual,
      START + 1000 * lastProgress,
    );
    return `${kind}: ${words}`;
  };

  await t.step(
    "is stuck at three times the usual duration, not below 15 s",
    () => {
      assertEquals(doing(29, 10), "booting: Loading the system");
      assertEquals(doing(31, 10), "stuck: Loading the system");
      assertEquals(doing(14, 1), "booting: Loading the system");
      assertEquals(doing(16, 1), "stuck: Loading the system");
    },
  );

  await t.step(
    "is stuck after two minutes without a usual duration",
    () => {
      assertEquals(doing(119, undefined), "booting: Loading the system");
      assertEquals(doing(121, undefined), "stuck: Loading the system");
    },
  );

  await t.step(
    "is not stuck during a transfer, and is when it has failed",
    () => {
      const sending = { state: "sending" };
      assertEquals(doing(900, 10, sending, 850), "booting: Loading the system");
      assertEquals(doing(900, 10, sending, 800), "stuck: Loading the system");
      assertEquals(
        doing(1, 10, { state: "error" }),
        "stuck: Loading the system failed",
      );
      assertEquals(
        doing(1, 10, { state: "complete" }),
        "booting: Starting the system",
      );
    },
  );

  await t.step("is never stuck when it is up", () => {
    const { kind } = progressOf(
      { event: "os_init", at: START, detail: null },
      START + 1e10,
      1,
      START,
    );
    assertEquals(kind, "up");
  });
});
