import { encodeHex } from "@std/encoding/hex";
import { assertEquals } from "@std/assert";
import { parseDuid } from "../../../../lib/dhcpv6/wire/duid.ts";

Deno.test("parseDuid", async (t) => {
  for (
    const [text, expected] of [
      ["00030001", "00030001"],
      ["0003000102005E005301", "0003000102005e005301"],
      ["00:03:00:01:02:00:5e:00:53:01", "0003000102005e005301"],
      ["00-03-00-01-02-00-5E-00-53-01", "0003000102005e005301"],
      ["0:3:0:1:2:0:5e:0:53:1", "0003000102005e005301"],
      ["000300", "000300"],
      ["ab".repeat(130), "ab".repeat(130)],
      ["0003", undefined],
      ["00:03", undefined],
      ["ab".repeat(131), undefined],
      ["0003000", undefined],
      ["00:03::01", undefined],
      [":00:03:00", undefined],
      ["00:03:00:", undefined],
      ["00:03-00:01", undefined],
      ["00 03 00 01", undefined],
      ["0x00030001", undefined],
      ["", undefined],
    ] as const
  ) {
    await t.step(
      `${text}: ${expected === undefined ? "none" : "a DUID"}`,
      () => {
        const duid = parseDuid(text);
        assertEquals(duid && encodeHex(duid), expected);
      },
    );
  }
});
