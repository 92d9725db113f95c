import { assertEquals } from "@std/assert";
import {
  isMember,
  multicastGroups,
} from "../../../lib/net/multicast_groups.ts";

/** What Linux 6.1 reports, as `/proc/net/igmp6` has it. */
const TEXT = `\
1    lo              ff020000000000000000000000000001     1 0000000C 0
2    lan             ff020000000000000000000000010002     1 00000004 0
12   a-long-name.100 ff050000000000000000000000010003     2 00000006 0
`;

Deno.test("multicast groups", async (t) => {
  await t.step("are those of one interface", () => {
    assertEquals(isMember(TEXT, 2, "ff02::1:2"), true);
    assertEquals(isMember(TEXT, 12, "ff05::1:3"), true);
    assertEquals(isMember(TEXT, 1, "ff02::1:2"), false);
    assertEquals(isMember(TEXT, 2, "ff05::1:3"), false);
    assertEquals(isMember(TEXT, 3, "ff02::1"), false);
    assertEquals(isMember("", 2, "ff02::1:2"), undefined);
  });

  await t.step("are what this kernel reports", () => {
    if (Deno.build.os !== "linux") {
      console.error("\n*** NOT RUN: multicast groups are those of Linux ***\n");
      return;
    }
    // The loopback interface is a member of the group of all nodes.
    assertEquals(multicastGroups.areJoined(1, ["ff02::1"]), true);
    assertEquals(multicastGroups.areJoined(1, ["ff02::1", "ff02::1:2"]), false);
  });
});
