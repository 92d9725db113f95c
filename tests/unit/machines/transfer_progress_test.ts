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

  await t.step("is complete only when the end of the file is sent", () => {
    const reportsOf = (start: number, sentBytes: number) => {
      const reports: string[] = [];
      const report = new TransferReport(
        { protocol: "http", file_name: "boot.efi", total_bytes: 100 },
        ({ state, sent_bytes }, { isOver }) =>
          reports.push(`${state} ${sent_bytes}${isOver ? ", over" : ""}`),
        start,
      );
      report.complete(sentBytes);
      return reports;
    };
    assertEquals(reportsOf(0, 100), ["init 100", "complete 100, over"]);
    assertEquals(reportsOf(0, 1), ["init 1", "sending 1, over"]);
    assertEquals(reportsOf(40, 20), ["sending 60", "sending 60, over"]);
    assertEquals(reportsOf(40, 60), ["sending 100", "complete 100, over"]);
  });
});
