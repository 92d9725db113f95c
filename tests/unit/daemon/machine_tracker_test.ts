import { assertEquals } from "@std/assert";
import {
  admissionOf,
  isReleaseOf,
  MachineTracker,
  macOfClient,
  subnetIndexOf,
  tftpStagesOf,
} from "../../../lib/daemon/machine_tracker.ts";
import type { PathProblem } from "../../../lib/boot_files/served_roots.ts";
import { isRefusal } from "../../../lib/machines/boot_refusal.ts";
import { noClientMac } from "../../../lib/dhcpv6/reply/client_mac.ts";
import type { Outcome } from "../../../lib/dhcpv6/reply/responder.ts";
import { MessageType } from "../../../lib/dhcpv6/wire/constants.ts";
import type { Stage } from "../../../lib/machines/boot_stages.ts";
import { MachineRegistry } from "../../../lib/machines/registry.ts";
import type { TransferDetail } from "../../../lib/machines/transfer_progress.ts";
import { parseIpv6 } from "../../../lib/net/ipv6.ts";
import { type Mac, NO_MAC } from "../../../lib/net/mac.ts";
import {
  NEW_MACHINE_BURST,
  NEW_MACHINE_BURST_OTHER,
  REFUSAL_BURST,
} from "../../../lib/overload/limits.ts";

const MAC: Mac = 0x5254_0012_3456;
const ELSEWHERE = "2001:db8:1:2::99";
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

const OWN = "2001:db8:1:2:0:5254:12:3456";

/** What a transfer reports, one state after the other. */
function transferOf(
  tracker: MachineTracker,
  {
    client = OWN,
    stage = "http_fetch_uki" as Stage,
    start = 0,
    fileName = "boot.efi",
  } = {},
) {
  const transfer = { reports: 0, start, position: start, isOver: false };
  return (state: TransferDetail["state"], now = 0) => {
    transfer.reports++;
    transfer.isOver = state === "complete" || state === "error";
    const detail = { ...DETAIL, file_name: fileName, state };
    const isServed = stage === "serve_ipxe_over_tftp" && state === "complete";
    const stages = isServed
      ? [stage, "served_ipxe_over_tftp" as const]
      : [stage];
    tracker.onTransfer({ mac: MAC, client, detail, transfer, stages }, now);
  };
}

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
    onRefused: (machine, { cause }) =>
      this.reports.push(
        `refused ${
          machine === undefined ? "a client" : "the machine"
        }: ${cause}`,
      ),
  }, {
    isListed: () => this.unlisted === undefined,
    whyUnlisted: () => this.unlisted,
    onMessage: (mac) => this.list.push(`message of ${mac === MAC}`),
    onBootUrl: (mac) => this.list.push(`URL for ${mac === MAC}`),
    onSystem: (mac) => this.list.push(`system of ${mac === MAC}`),
  });
  /** What the list of the boot policy has heard. */
  readonly list: string[] = [];
  /** Why no machine is listed. */
  unlisted: PathProblem | undefined;

  message(type: number, outcome: Partial<Outcome>, now = 0): string[] {
    this.tracker.onMessage(type, {
      drop: undefined,
      length: 1,
      replyPort: 546,
      subnet: SUBNETS[0],
      linkAddressAt: -1,
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
    const [file_name, state, isIpxe, expected] of [
      ["ipxe.efi", "init", true, [serve]],
      ["ipxe.efi", "sending", true, [serve]],
      ["ipxe.efi", "error", true, [serve]],
      ["ipxe-arm64.efi", "complete", true, [serve, "served_ipxe_over_tftp"]],
      ["any.efi", "init", true, [serve]],
      ["autoexec.ipxe", "init", true, []],
      ["autoexec.ipxe", "complete", true, []],
      ["loader/autoexec.ipxe", "init", true, []],
      // Files of the machine.
      ["ipxe.efi", "init", false, [serve]],
      ["autoexec.ipxe", "init", false, []],
      ["boot.efi", "init", false, ["http_fetch_uki"]],
      ["boot.efi", "complete", false, ["http_fetch_uki"]],
      ["config.txt", "init", false, []],
    ] as const
  ) {
    const whose = isIpxe ? "of the daemon" : "of the machine";
    await t.step(`${file_name} ${whose}, ${state}`, () => {
      const isBoot = file_name.endsWith(".efi");
      const stages = tftpStagesOf({ file_name, state }, isIpxe, isBoot);
      assertEquals(stages, expected);
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

Deno.test("macOfClient", async (t) => {
  for (
    const [client, expected] of [
      ["2001:db8:1:2:0:5254:12:3456", MAC],
      ["2001:db8:7:8:0:5254:12:3456", MAC],
      ["2001:db8:9:9:0:5254:12:3456", NO_MAC],
      ["fe80::5054:ff:fe12:3456", MAC],
      ["2001:db8:1:2:5054:ff:fe12:3456", MAC],
      ["2001:db8:9:9:5054:ff:fe12:3456", MAC],
      ["2001:db8:1:2::1", 1],
      ["2001:db8:9:9::1", NO_MAC],
      ["::ffff:192.0.2.1", NO_MAC],
      ["not an address", NO_MAC],
    ] as const
  ) {
    await t.step(`${client}: ${expected}`, () => {
      assertEquals(macOfClient(client, SUBNETS), expected);
    });
  }
});

Deno.test("MachineTracker", async (t) => {
  await t.step("records what an outcome says", () => {
    const fixture = new Fixture();
    const { Request, Decline } = MessageType;
    const event = "http_boot";
    assertEquals(fixture.message(MessageType.Solicit, { event }), [
      "init",
      event,
    ]);
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

  await t.step("notes refusals on the timeline of who was refused", () => {
    const fixture = new Fixture();
    const refused = (client: string, mac?: Mac) => {
      fixture.tracker.onRefused({
        cause: "not_found",
        protocol: "http",
        client,
        path: "/mac/x",
        mac,
      }, 0);
      return fixture.reports.splice(0);
    };
    const own = "2001:db8:1:2:0:5254:12:3456";
    const slaac = "2001:db8:9:9:5054:ff:fe12:3456";
    const aClient = ["refused a client: not_found"];
    assertEquals(refused("2001:db8:1:2::99", MAC), aClient);
    assertEquals(refused(own), aClient, "no MAC in the path");
    assertEquals(refused(own, MAC + 1), aClient, "another one's path");
    assertEquals(refused(slaac, MAC), aClient, "not an address of ours");
    assertEquals(refused(own, MAC), [
      "init",
      "refused the machine: not_found",
      "boot_refused",
    ]);
    const again = ["refused the machine: not_found", "boot_refused again"];
    for (const client of [own, slaac, "fe80::5054:ff:fe12:3456"]) {
      assertEquals(refused(client), again, client);
      assertEquals(refused(client, MAC + 1), again, client);
    }
    assertEquals(refused("2001:db8:1:2::99", MAC), aClient);
    assertEquals(fixture.registry.size, 1);
  });

  await t.step("learns no machine from clients that anyone can be", () => {
    const fixture = new Fixture();
    const refuse = (
      cause: "not_found" | "address_not_allowed" | "wrong_method",
      protocol: "http" | "tftp",
      client = "2001:db8:1:2:0:5254:12:3456",
    ) => {
      fixture.tracker.onRefused({
        cause,
        protocol,
        client,
        path: "/mac/x",
        mac: MAC,
      }, 0);
      return fixture.reports.splice(0);
    };
    // The source of a datagram is easily forged.
    assertEquals(refuse("wrong_method", "tftp"), [
      "refused a client: wrong_method",
    ]);
    const elsewhere = "2001:db8:9:9:5054:ff:fe12:3456";
    assertEquals(refuse("address_not_allowed", "http", elsewhere), [
      "refused a client: address_not_allowed",
    ]);
    assertEquals(refuse("address_not_allowed", "http"), [
      "refused a client: address_not_allowed",
    ]);
    assertEquals(fixture.registry.size, 0);
    fixture.registry.add(MAC, 0);
    fixture.reports.splice(0);
    assertEquals(refuse("wrong_method", "tftp"), [
      "refused the machine: wrong_method",
      "boot_refused",
    ]);
    assertEquals(refuse("address_not_allowed", "http", elsewhere), [
      "refused the machine: address_not_allowed",
      "boot_refused",
    ]);
  });

  await t.step("counts a machine as heard by its own requests only", () => {
    const { tracker, registry } = new Fixture();
    registry.add(MAC, 0);
    const heardAt = () => registry.get(MAC)!.lastHeard;
    const before = heardAt();
    transferOf(tracker, { client: ELSEWHERE })("init", before + 5000);
    assertEquals(heardAt(), before);
    transferOf(tracker)("init", before + 6000);
    assertEquals(heardAt(), before + 6000);
  });

  await t.step("notes no more refusals than its rate limit", () => {
    const fixture = new Fixture();
    for (let count = 0; count < REFUSAL_BURST + 7; count++) {
      fixture.tracker.onRefused({
        cause: "not_found",
        protocol: "http",
        client: "2001:db8:1:2:0:5254:12:3456",
        path: `/mac/${count}`,
        mac: MAC,
      }, 0);
    }
    const notes = fixture.reports.filter((report) =>
      report.startsWith("boot_refused")
    );
    assertEquals(notes.length, REFUSAL_BURST);
  });

  await t.step("notes it when firmware does not start iPXE", () => {
    for (
      const [event, isNoted] of [
        // Firmware begins again, or a system starts from the disk.
        ["point_pxe_to_ipxe_over_tftp", true],
        ["http_boot", true],
        ["firmware_init", true],
        ["os_init", true],
        ["point_ipxe_to_http_boot", false],
      ] as const
    ) {
      const fixture = new Fixture();
      fixture.message(MessageType.Solicit, {
        event: "point_pxe_to_ipxe_over_tftp",
      });
      for (const fileName of ["ipxe.efi", "ipxe-arm64.efi"]) {
        const report = transferOf(fixture.tracker, {
          stage: "serve_ipxe_over_tftp",
          fileName,
        });
        report("init");
        report("complete");
      }
      fixture.reports.splice(0);
      const reports = fixture.message(MessageType.Solicit, { event });
      const machine = fixture.registry.get(MAC)!;
      assertEquals(
        [...fixture.registry.eventsOf(machine)].map(({ detail }) => detail)
          .filter(isRefusal).map(({ path }) => path),
        isNoted ? ["52:54:00:12:34:56/ipxe-arm64.efi"] : [],
      );
      assertEquals(
        reports.slice(0, isNoted ? 2 : 1),
        isNoted
          ? ["refused the machine: ipxe_not_started", "boot_refused"]
          : [event],
      );
      assertEquals(reports.at(-1), event);
    }
  });

  await t.step("notes it when firmware is not listed, and why", () => {
    for (
      const [kind, cause] of [
        ["not_found", "not_listed"],
        ["no_file", "not_listed"],
        ["permission_denied", "permission_denied"],
        ["link_leads_out", "link_leads_out"],
        ["broken_link", "broken_link"],
      ] as const
    ) {
      const fixture = new Fixture();
      fixture.unlisted = { kind, path: "/netboot/x" };
      assertEquals(
        fixture.message(MessageType.Solicit, { event: "firmware_init" }),
        [
          "init",
          "firmware_init",
          `refused the machine: ${cause}`,
          "boot_refused",
        ],
      );
      assertEquals(
        fixture.message(MessageType.Solicit, { event: "os_init" }),
        ["jump_to", "os_init"],
        "a system needs no boot instructions",
      );
    }
  });

  await t.step(
    "reports boot URLs and running systems to the boot policy",
    () => {
      for (
        const [event, expected] of [
          ["http_boot", ["URL for true", "message of true"]],
          ["point_pxe_to_ipxe_over_tftp", ["URL for true", "message of true"]],
          ["point_ipxe_to_http_boot", ["URL for true", "message of true"]],
          ["point_loader_to_boot_file", ["URL for true", "message of true"]],
          ["os_init", ["system of true", "message of true"]],
          ["firmware_init", ["message of true"]],
          [undefined, ["message of true"]],
        ] as const
      ) {
        const fixture = new Fixture();
        fixture.message(MessageType.Solicit, { event });
        assertEquals<readonly string[]>(fixture.list, expected, event);
      }
    },
  );

  await t.step("records transfers of machines that are known", () => {
    const fixture = new Fixture();
    const { tracker, reports } = fixture;
    transferOf(tracker, { client: ELSEWHERE })("init");
    assertEquals(reports, []);
    transferOf(tracker, { client: "2001:db8:7:8:0:5254:12:3456" })("init");
    assertEquals(reports.splice(0), ["init", "jump_to", "http_fetch_uki"]);
    transferOf(tracker, { client: ELSEWHERE })("init");
    assertEquals(reports.splice(0), ["http_fetch_uki again"]);
    assertEquals(fixture.registry.get(MAC)?.subnetIndex, 1);
  });

  for (
    const stage of ["http_fetch_uki", "serve_ipxe_over_tftp"] as const
  ) {
    await t.step(`a transfer belongs to one boot: ${stage}`, () => {
      for (const next of ["os_init", "firmware_init"] as const) {
        const fixture = new Fixture();
        const { tracker, reports } = fixture;
        const dead = transferOf(tracker, { stage });
        dead("init");
        dead("sending");
        fixture.message(MessageType.Solicit, { event: next });
        reports.splice(0);
        dead("sending");
        dead("error");
        assertEquals(reports, [], `after ${next}`);
        // The next boot has a transfer of its own.
        const alive = transferOf(tracker, { stage });
        alive("init");
        dead("error");
        alive("complete");
        assertEquals(
          reports.filter((report) => report.startsWith(stage)),
          [stage, `${stage} again`],
        );
      }
    });
  }

  await t.step("knows a machine by its own address", () => {
    const { tracker, registry } = new Fixture();
    for (
      const [client, expected] of [
        [OWN, MAC],
        ["2001:db8:7:8:0:5254:12:3456", MAC],
        ["fe80::5054:ff:fe12:3456", MAC],
        // EUI-64 of another network, and an address by chance.
        ["2001:db8:9:9:5054:ff:fe12:3456", NO_MAC],
        ["2001:db8:1:2:1:5254:12:3456", NO_MAC],
        ["fe80::1", NO_MAC],
        ["2001:db8:1:2::", NO_MAC],
        ["2001:db8:1:2::7", NO_MAC],
        ["x", NO_MAC],
      ] as const
    ) assertEquals(tracker.macOf(client), expected, client);
    registry.add(7, 0);
    assertEquals(tracker.macOf("2001:db8:1:2::7"), 7);
  });

  await t.step("a machine that renews while it loads goes on loading", () => {
    const fixture = new Fixture();
    const { tracker, reports } = fixture;
    const { Renew, Request } = MessageType;
    const transfer = transferOf(tracker);
    transfer("init");
    reports.splice(0);
    const message = (type: number) =>
      fixture.message(type, { event: "http_boot" });
    assertEquals(message(Renew), []);
    transfer("complete");
    assertEquals(reports.splice(0), ["http_fetch_uki again"]);
    assertEquals(message(Renew), ["jump_to", "http_boot"], "it has loaded");
    transferOf(tracker)("init");
    reports.splice(0);
    assertEquals(message(Request), ["jump_to", "http_boot"], "it begins anew");
  });

  await t.step("a transfer that another one has replaced is over", () => {
    const { tracker, reports } = new Fixture();
    const first = transferOf(tracker);
    const second = transferOf(tracker);
    first("init");
    second("init");
    reports.splice(0);
    first("error");
    assertEquals(reports.splice(0), []);
    second("complete");
    assertEquals(reports.splice(0), ["http_fetch_uki again"]);
    second("error");
    assertEquals(reports.splice(0), [], "it was over");
  });

  await t.step("a transfer that is resumed goes on being reported", () => {
    const fixture = new Fixture();
    const { tracker, reports } = fixture;
    const broken = transferOf(tracker);
    broken("init");
    broken("error");
    reports.splice(0);
    const resumed = transferOf(tracker, { start: 5 });
    resumed("sending");
    resumed("complete");
    assertEquals(reports.splice(0), [
      "http_fetch_uki again",
      "http_fetch_uki again",
    ]);
    // A second one beside it, such as for the end of an image, is none of it.
    const alive = transferOf(tracker);
    alive("init");
    const tail = transferOf(tracker, { start: 100 * 1024 * 1024 });
    tail("sending");
    tail("complete");
    alive("complete");
    assertEquals(reports.splice(0), [
      "http_fetch_uki again",
      "http_fetch_uki again",
    ]);
    // By itself it moves no machine.
    fixture.message(MessageType.Solicit, { event: "os_init" });
    reports.splice(0);
    const late = transferOf(tracker, { start: 5 });
    late("sending");
    late("complete");
    assertEquals(reports, []);
  });
});
