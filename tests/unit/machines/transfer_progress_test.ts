import { assertEquals } from "@std/assert";
import { MAX_KEPT_CHARACTERS } from "../../../lib/overload/limits.ts";
import {
  type TransferDetail,
  TransferReport,
} from "../../../lib/machines/transfer_progress.ts";

Deno.test("a report of a transfer", async (t) => {
  await t.step(
    "keeps so much of what a client calls things, and whole characters",
    () => {
      const told: TransferDetail[] = [];
      const report = new TransferReport({
        protocol: "tftp",
        file_name: "\u{1f4a3}".repeat(500),
        total_bytes: 9,
      }, (detail) => told.push(detail));
      report.sending(1);
      report.fail(1, "x".repeat(1000));
      for (const { file_name } of told) {
        assertEquals(file_name, "\u{1f4a3}".repeat(MAX_KEPT_CHARACTERS));
      }
      assertEquals(told.map(({ state }) => state), ["init", "error"]);
      assertEquals(told[1]!.error, "x".repeat(MAX_KEPT_CHARACTERS));
    },
  );
});
