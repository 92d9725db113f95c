import { assertEquals } from "@std/assert";
import { closest } from "../../../lib/cli/did_you_mean.ts";

const WORDS = ["interface", "http-host", "http-allow", "tls-cert-file"];

Deno.test("the word that is meant", async (t) => {
  for (
    const [text, word] of [
      ["interfcae", "interface"],
      ["interfaces", "interface"],
      ["Interface", "interface"],
      ["http_host", "http-host"],
      ["httpallow", "http-allow"],
      ["inter", "interface"],
      ["cert", "tls-cert-file"],
      ["interface-name", "interface"],
      ["nonsense", undefined],
      ["x", undefined],
      ["", undefined],
      ["--", undefined],
    ] as const
  ) {
    await t.step(`${JSON.stringify(text)}: ${word ?? "none"}`, () => {
      assertEquals(closest(text, WORDS), word);
    });
  }
});
