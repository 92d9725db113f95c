import { assert, assertEquals } from "@std/assert";
import { InterfaceChanges } from "../../../lib/net/interface_changes.ts";

// Changes of a real link: tests/system/field/interface_changes_test.ts.
Deno.test({
  name: "InterfaceChanges",
  ignore: Deno.build.os !== "linux",
  fn: () => {
    using changes = InterfaceChanges.open();
    assert(changes !== undefined);
    changes.haveCome();
    assertEquals(changes.haveCome(), false);
  },
});
