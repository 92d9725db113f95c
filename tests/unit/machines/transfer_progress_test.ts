import { assertEquals } from "@std/assert";
import { MAX_KEPT_CHARACTERS } from "../../../lib/overload/limits.ts";
import {
  type TransferDetail,
  TransferReport,
} from "../../../lib/machines/transfer_progress.ts";

Deno.test("TransferReport", async (t) => {
  await t.step(
    "truncates strings of clients between characters",
    () => {
      const reports: TransferDetail[] = [];
      const report = new TransferReport({
        protocol: "tftp",
        file_name: "\u{1f4a3}".repeat(500),
        total_bytes: 9,
      }, (detail) => reports.push(detail));
      report.sending(1);
      report.fail(1, "x".repeat(1000));
      for (const { file_name } of reports) {
        assertEquals(file_name, "\u{1f4a3}".repeat(MAX_KEPT_CHARACTERS));
      }
      assertEquals(reports.map(({ state }) => state), ["init", "error"]);
      assertEquals(reports[1]!.error, "x".repeat(MAX_KEPT_CHARACTERS));
    },
  );
});
