import { assertEquals, assertMatch } from "@std/assert";
import {
  escapeControls,
  MAX_SHOWN_CHARACTERS,
} from "../../../../assets/shared/escape_controls.js";
import {
  formatBytes,
  formatDuration,
  formatFileTransfer,
  formatTransfer,
  type TransferDetail,
} from "../../../../assets/shared/format.js";
import { fc } from "../../../support/fast_check.ts";

const MIB = 2 ** 20;

function transfer(
  state: TransferDetail["state"],
  sent: number,
  total: number,
  error?: string,
): TransferDetail {
  return {
    protocol: "http",
    file_name: "boot.efi",
    state,
    sent_bytes: sent,
    total_bytes: total,
    ...error !== undefined && { error },
  };
}

Deno.test("formatDuration", async (t) => {
  await t.step("rounds down to the two largest units", () => {
    const second = 1000, minute = 60 * second, hour = 60 * minute;
    for (
      const [span, text] of [
        [-5, "0 ms"],
        [0, "0 ms"],
        [41, "41 ms"],
        [999.9, "999 ms"],
        [second, "1.0 s"],
        [4240, "4.2 s"],
        [9999, "9.9 s"],
        [10 * second, "10 s"],
        [59_999, "59 s"],
        [minute, "1 min"],
        [61 * second, "1 min 1 s"],
        [hour - 1, "59 min 59 s"],
        [hour, "1 h"],
        [24 * hour - 1, "23 h 59 min"],
        [48 * hour, "2 d"],
        [51 * hour, "2 d 3 h"],
      ] as const
    ) assertEquals(formatDuration(span), text);
  });

  await t.step("has whole seconds while a duration grows", () => {
    const growing = [-5, 999, 4240, 61_000, 3_600_000, 93_784_000].map(
      (milliseconds) => formatDuration(milliseconds, true),
    );
    assertEquals(growing, ["0 s", "0 s", "4 s", "1 min 1 s", "1 h", "1 d 2 h"]);
  });
});

Deno.test("formatBytes", async (t) => {
  await t.step("has B, KiB and MiB", () => {
    for (
      const [bytes, text] of [
        [0, "0 B"],
        [999, "999 B"],
        [1023, "1023 B"],
        [1024, "1.0 KiB"],
        [996_864, "974 KiB"],
        [MIB - 513, "1023 KiB"],
        [MIB - 512, "1.0 MiB"],
        [4 * MIB, "4.0 MiB"],
        [99.94 * MIB, "99.9 MiB"],
        [99.96 * MIB, "100 MiB"],
        [5 * 1024 * MIB, "5120 MiB"],
      ] as const
    ) assertEquals(formatBytes(bytes), text);
  });
});

Deno.test("formatTransfer", async (t) => {
  for (
    const [detail, text] of [
      [transfer("init", 0, 4 * MIB), "0 %, 0.0 of 4.0 MiB"],
      [transfer("sending", MIB, 4 * MIB), "25 %, 1.0 of 4.0 MiB"],
      [transfer("sending", 3.999 * MIB, 4 * MIB), "99 %, 4.0 of 4.0 MiB"],
      [transfer("sending", 12, 1023), "1 %, 12 of 1023 B"],
      [transfer("init", 0, 0), "0 of 0 B"],
      [transfer("complete", 4 * MIB, 4 * MIB), "4.0 MiB, complete"],
      [
        transfer("error", MIB, 4 * MIB, "gave\nup"),
        "error after 1.0 of 4.0 MiB: gave\\u{a}up",
      ],
      [
        transfer("error", MIB, 4 * MIB),
        "error after 1.0 of 4.0 MiB: no reason given",
      ],
    ] as const
  ) {
    await t.step(text, () => assertEquals(formatTransfer(detail), text));
  }

  await t.step("follows the file and the protocol", () => {
    const detail = { ...transfer("init", 0, 9), file_name: "\x1b[2J.efi" };
    assertEquals(
      formatFileTransfer(detail),
      "\\u{1b}[2J.efi over HTTP: 0 %, 0 of 9 B",
    );
  });
});

Deno.test("escapeControls", async (t) => {
  await t.step("leaves no control character and at most 128 others", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        const escaped = escapeControls(text);
        assertMatch(escaped, /^[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]*$/u);
        assertEquals(
          escaped.replace(/…$/, "").length <= MAX_SHOWN_CHARACTERS,
          true,
        );
      }),
    );
  });

  await t.step("leaves ordinary text as it is", () => {
    const text = "rack-1 — ÄÖ 🖧".padEnd(MAX_SHOWN_CHARACTERS, "x");
    assertEquals(escapeControls(text), text);
    assertEquals(escapeControls(`${text}y`), `${text}…`);
  });
});
