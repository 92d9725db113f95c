import { assertEquals } from "@std/assert";
import {
  admissionOf,
  isReleaseOf,
  MachineTracker,
  subnetIndexOf,
  tftpStagesOf,
} from "../../../lib/daemon/machine_tracker.ts";
import { noClientMac } from "../../../lib/dhcpv6/reply/client_mac.ts";
import type { Outcome } from "../../../lib/dhcpv6/reply/responder.ts";
import { MessageType } from "../../../lib/dhcpv6/wire/constants.ts";
import { MachineRegistry } from "../../../lib/machines/registry.ts";
import { parseIpv6 } from "../../../lib/net/ipv6.ts";
import { type Mac, NO_MAC } from "../../../lib/net/mac.ts";
import {
  NEW_MACHINE_BURST,
  NEW_MACHINE_BURST_OTHER,
} from "../../../lib/overload/limits.ts";

const MAC: Mac = 0x5254_0012_3456;
const SUBNETS = ["2001:db8:1:2::", "2001:db8:7:8::"].map((text) => ({
  text,
  bytes: parseIpv6(text)!,
}));
const DETAIL = {
  protocol: "http",
  file_name: "boot.efi",
  state: "init",
  sent_bytes: 0,
  total_bytes: 9,
} as const;

/** A tracker, and what it has reported. */
class Fixture {
  readonly reports: string[] = [];
  readonly registry = new MachineRegistry(
    { machines: 65_536, events: 100 },
    {
      onEvent: (_, event, repeat) =>
        this.reports.push(repeat ? `${event} again` : event),
    },
  );
  readonly tracker = new MachineTracker(this.registry, SUBNETS, {
    onMoved: ({ subnetIndex }) => this.reports.push(`moved to ${subnetIndex}`),
    onTwoMacs: ({ otherMac }) =>
      this.reports.push(`other MAC ${otherMac.toString(16)}`),
  });

  message(type: number, outcome: Partial<Outcome>, now = 0): string[] {
    this.tracker.onMessage(type, {
      drop: undefined,
      length: 1,
      replyPort: 546,
      subnet: SUBNETS[0],
      clientMac: { ...noClientMac(), mac: MAC },
      event: undefined,
      note: undefined,
      ...outcome,
    }, now);
    return this.reports.splice(0);
  }
}

Deno.test("admissionOf", async (t) => {
  for (
    const [name, type, drop, mac, expected] of [
      ["Solicit", MessageType.Solicit, undefined, MAC, "solicit"],
      ["Request", MessageType.Request, undefined, MAC, "other"],
      ["Confirm", MessageType.Confirm, undefined, MAC, "other"],
      ["Renew", MessageType.Renew, undefined, MAC, "other"],
      ["Rebind", MessageType.Rebind, undefined, MAC, "other"],
      ["Release", MessageType.Release, undefined, MAC, "other"],
      ["Decline", MessageType.Decline, undefined, MAC, "other"],
      [
        "Information-request",
        MessageType.InformationRequest,
        undefined,
        MAC,
        "none",
      ],
      ["no MAC", MessageType.Solicit, undefined, NO_MAC, "none"],
      ["dropped", MessageType.Solicit, "mac_not_allowed", MAC, "none"],
      ["too long", MessageType.Renew, "answer_too_long", MAC, "none"],
    ] as const
  ) {
    await t.step(`${name}: ${expected}`, () => {
      assertEquals(admissionOf(type, drop, mac), expected);
    });
  }
});

Deno.test("isReleaseOf", async (t) => {
  const { Release, Decline, Renew } = MessageType;
  for (
    const [name, type, outcome, expected] of [
      ["Release", Release, { hasReleased: true, note: undefined }, true],
      ["another's", Release, { hasReleased: false, note: undefined }, false],
      ["Decline", Decline, { note: "address_declined" }, true],
      ["Decline of another's", Decline, { note: undefined }, false],
      ["Renew", Renew, { note: undefined }, false],
    ] as const
  ) {
    await t.step(`${name}: ${expected}`, () => {
      assertEquals(isReleaseOf(type, outcome), expected);
    });
  }
});

Deno.test("tftpStagesOf", async (t) => {
  const serve = "serve_ipxe_over_tftp";
  for (
    const [file_name, state, expected] of [
      ["ipxe.efi", "init", [serve]],
      ["ipxe.efi", "sending", [serve]],
      ["ipxe.efi", "error", [serve]],
      ["ipxe-arm64.efi", "complete", [serve, "served_ipxe_over_tftp"]],
      ["autoexec.ipxe", "init", []],
      ["autoexec.ipxe", "complete", []],
    ] as const
  ) {
    await t.step(`${file_name} ${state}`, () => {
      assertEquals(tftpStagesOf({ file_name, state }), expected);
    });
  }
});

Deno.test("subnetIndexOf", async (t) => {
  for (
    const [client, expected] of [
      ["2001:db8:1:2:0:5254:12:3456", 0],
      ["2001:db8:7:8:0:5254:12:3456", 1],
      ["2001:db8:9:9:0:5254:12:3456", -1],
      ["2001:db8:1:2:0:5254:12:3457", -1],
      ["fe80::5054:ff:fe12:3456", 0],
      ["fe80::5054:ff:fe12:3457", -1],
      ["::ffff:192.0.2.1", -1],
      ["not an address", -1],
    ] as const
  ) {
    await t.step(`${client}: ${expected}`, () => {
      assertEquals(subnetIndexOf(MAC, client, SUBNETS), expected);
    });
  }
});

Deno.test("MachineTracker", async (t) => {
  await t.step("records what an outcome says", () => {
    const fixture = new Fixture();
    const { Solicit, Request, Decline } = MessageType;
    const event = "http_boot";
    assertEquals(fixture.message(Solicit, { event }), ["init", event]);
    assertEquals(fixture.message(Request, { event }), [`${event} again`]);
    const note = "address_declined";
    assertEquals(fixture.message(Decline, { note }), [note]);
    assertEquals(fixture.message(Decline, { drop: "no_mac" }), []);
  });

  await t.step("reports a move and a second MAC", () => {
    const fixture = new Fixture();
    fixture.message(MessageType.Solicit, {});
    assertEquals(
      fixture.message(MessageType.Request, { subnet: SUBNETS[1] }),
      ["moved to 1"],
    );
    assertEquals(
      fixture.message(MessageType.Request, {
        subnet: SUBNETS[1],
        clientMac: { ...noClientMac(), mac: MAC, otherMac: 0x2_0000 },
      }),
      ["other MAC 20000"],
    );
  });

  for (
    const [name, type, burst] of [
      ["Solicits", MessageType.Solicit, NEW_MACHINE_BURST],
      ["Requests", MessageType.Request, NEW_MACHINE_BURST_OTHER],
    ] as const
  ) {
    await t.step(`remembers at most a burst of new ones by ${name}`, () => {
      const fixture = new Fixture();
      for (let count = 0; count < burst + 7; count++) {
        const clientMac = { ...noClientMac(), mac: MAC + count };
        fixture.message(type, { clientMac });
      }
      assertEquals(fixture.registry.size, burst);
      assertEquals(fixture.tracker.rejected, 7);
    });
  }

  await t.step("records transfers of machines that are known", () => {
    const fixture = new Fixture();
    const { tracker, reports } = fixture;
    tracker.onDownload(MAC, "2001:db8:1:2::99", DETAIL, 0);
    tracker.onTftpTransfer(MAC, "2001:db8:1:2::99", DETAIL, 0);
    assertEquals(reports, []);
    tracker.onDownload(MAC, "2001:db8:7:8:0:5254:12:3456", DETAIL, 0);
    assertEquals(reports.splice(0), ["init", "jump_to", "http_fetch_uki"]);
    tracker.onDownload(MAC, "2001:db8:1:2::99", DETAIL, 0);
    assertEquals(reports.splice(0), ["http_fetch_uki again"]);
    assertEquals(fixture.registry.get(MAC)?.subnetIndex, 1);
  });
});
