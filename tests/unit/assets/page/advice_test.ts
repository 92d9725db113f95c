import { assert, assertEquals, assertMatch } from "@std/assert";
import { adviceOn } from "../../../../assets/page/advice.js";
import { LAST_STAGE, STAGES } from "../../../../assets/shared/boot_stages.js";

const transfer = (state: "sending" | "complete" | "error") => ({
  protocol: "http" as const,
  file_name: "boot.efi",
  sent_bytes: 1,
  total_bytes: 2,
  state,
  error: null,
});

Deno.test("advice on stuck machines", async (t) => {
  const of = (event: string, detail: unknown = null) =>
    adviceOn({ event, at: 0, detail: detail as null });

  await t.step("differs for each stage", () => {
    const stages = [...STAGES.keys()].filter((event) => event !== LAST_STAGE);
    const texts = stages.map((event) => of(event));
    assertEquals(new Set(texts).size, stages.length);
    for (const text of texts) {
      assert(text !== of("a stage of a later daemon"), text);
    }
  });

  await t.step("is about the transfer, where there is one", () => {
    for (const event of ["serve_ipxe_over_tftp", "http_fetch_uki"]) {
      assertMatch(of(event, transfer("error")), /ended early/);
      assertEquals(of(event, transfer("sending")), of(event));
    }
    assertMatch(of("http_fetch_uki", transfer("complete")), /its system/);
  });
});
