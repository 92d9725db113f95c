import { assertEquals } from "@std/assert";
import {
  addressStatesOf,
  parseAddressStates,
} from "../../../lib/net/address_states.ts";

/** A line of Linux's `if_inet6`. */
function line(digits: string, index: number, flags: string): string {
  const number = index.toString(16).padStart(2, "0");
  return `${digits} ${number} 40 00 ${flags}      lan\n`;
}

function address(last: string): string {
  return "20010db8000100020000000000000000".slice(0, -last.length) + last;
}

Deno.test("states of addresses", async (t) => {
  await t.step("are those of the kernel's flags", () => {
    const flags = {
      "80": "permanent",
      "82": "permanent", // without duplicate address detection
      "00": "dynamic",
      "44": "dynamic", // optimistic: tentative, but in use
      "01": "temporary",
      "20": "expiring",
      "21": "expiring",
      "a0": "deprecated",
      "40": "unusable",
      "c0": "unusable",
      "48": "unusable",
      "c8": "unusable",
    };
    for (const [digits, state] of Object.entries(flags)) {
      assertEquals(
        [...parseAddressStates(line(address("5"), 18, digits), 18)],
        [["2001:db8:1:2::5", state]],
        digits,
      );
    }
  });

  await t.step("are of one interface", () => {
    const text = line(address("5"), 2, "80") + line(address("5"), 300, "01") +
      line(address("6"), 300, "20");
    assertEquals([...parseAddressStates(text, 300)], [
      ["2001:db8:1:2::5", "temporary"],
      ["2001:db8:1:2::6", "expiring"],
    ]);
    assertEquals(parseAddressStates(text, 3).size, 0);
    assertEquals(parseAddressStates("", 3).size, 0);
  });

  await t.step("are found by binding where the kernel has none", () => {
    assertEquals(addressStatesOf(1, ["::1", "2001:db8::bad"]), [
      Deno.build.os === "linux" ? "permanent" : "dynamic",
      "unusable",
    ]);
    assertEquals(addressStatesOf(0, ["::1", "2001:db8::bad"]), [
      "dynamic",
      "unusable",
    ]);
  });
});
