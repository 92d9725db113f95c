import { assertEquals } from "@std/assert";
import { efiArchitecture } from "../../../lib/boot_files/efi_program.ts";
import { efiProgram } from "../../support/efi.ts";

Deno.test("the processor of an EFI program", async (t) => {
  for (
    const [machine, expected] of [
      [0x8664, "x86-64"],
      [0xaa64, "arm64"],
      [0x5064, "riscv64"],
      [0x6264, "loong64"],
      [0x014c, "other"],
    ] as const
  ) {
    await t.step(`${machine.toString(16)} is ${expected}`, () => {
      assertEquals(efiArchitecture(efiProgram(machine)), expected);
      assertEquals(efiArchitecture(efiProgram(machine, 0x40)), expected);
    });
  }

  await t.step("is none of anything else", () => {
    const whole = efiProgram(0x8664);
    for (let length = 0; length < whole.length; length++) {
      assertEquals(efiArchitecture(whole.subarray(0, length)), undefined);
    }
    for (const at of [0, 0x3f, 0x80]) {
      const other = efiProgram(0x8664);
      other[at]! ^= 0xff;
      assertEquals(efiArchitecture(other), undefined, `byte ${at}`);
    }
    const text = new TextEncoder().encode("#!ipxe\n".padEnd(200));
    assertEquals(efiArchitecture(text), undefined);
  });

  await t.step("of a part of a longer buffer", () => {
    const buffer = new Uint8Array(1000);
    buffer.set(efiProgram(0xaa64), 100);
    assertEquals(efiArchitecture(buffer.subarray(100, 400)), "arm64");
  });
});
