import { assertEquals } from "@std/assert";
import { escapeControls } from "../../../../assets/shared/escape_controls.js";

Deno.test("escapeControls", async (t) => {
  await t.step("escapes control characters and limits the length", () => {
    assertEquals(escapeControls("mac-1 ü"), "mac-1 ü");
    assertEquals(
      escapeControls("a\x1b[2J\n\x7f\u202e\u2066b"),
      "a\\u{1b}[2J\\u{a}\\u{7f}\\u{202e}\\u{2066}b",
    );
    assertEquals(escapeControls("\ud83d\ude00\ud83d"), "\ud83d\ude00\\u{d83d}");
    assertEquals(escapeControls("x".repeat(200)), "x".repeat(128) + "…");
    assertEquals(escapeControls("\n".repeat(200)).length, 125 + 1);
  });
});
