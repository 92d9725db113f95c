import { assert, assertEquals } from "@std/assert";
import { BOOT_POLICIES, OPTIONS } from "../../../lib/cli/options.ts";
import { MAC_SOURCES } from "../../../lib/dhcpv6/reply/client_mac.ts";
import { LOG_FORMATS, LOG_LEVELS } from "../../../lib/telemetry/log.ts";
import {
  ARGUMENT_NAMES,
  COMMANDS,
  DECLARED,
  MODULE,
  nixosName,
  OWN_OPTIONS,
} from "../../system/nix/module.ts";

Deno.test("NixOS module", async (t) => {
  await t.step("has every option of the command line, and no other", () => {
    const known = Object.keys(OPTIONS).filter((name) =>
      !COMMANDS.includes(name)
    );
    assertEquals(
      [...ARGUMENT_NAMES.values()].toSorted(),
      known.toSorted(),
    );
  });

  await t.step("declares what it hands on, and little else", () => {
    assertEquals(
      DECLARED.toSorted(),
      [...ARGUMENT_NAMES.keys(), ...OWN_OPTIONS].toSorted(),
    );
  });

  await t.step("calls options what NixOS would call them", () => {
    for (const [name, argument] of ARGUMENT_NAMES) {
      assertEquals(name, nixosName(argument));
    }
  });

  await t.step("describes them as the command line does", () => {
    const [, declared = ""] = MODULE.split("options.services.dhcpv6macd = {");
    for (const argument of ARGUMENT_NAMES.values()) {
      assert(
        new RegExp(`"${argument}"|descriptions\\.${argument}\\b`).test(
          declared,
        ),
        argument,
      );
    }
  });

  await t.step("knows the words that the command line accepts", () => {
    const words = [BOOT_POLICIES, LOG_FORMATS, LOG_LEVELS, MAC_SOURCES];
    for (const word of words.flat()) {
      assert(MODULE.includes(`"${word}"\n`), word);
    }
  });
});
