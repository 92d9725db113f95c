import { assertEquals } from "@std/assert";
import { MachineRegistry } from "../../../lib/machines/registry.ts";
import {
  codeOf,
  EVENTS,
  type Stage,
  STAGES,
  transition,
} from "../../../lib/machines/boot_stages.ts";

/** The stages that follow each stage by a step. All others follow by a jump. */
const STEPS: Record<Stage, Stage[]> = {
  init: [
    "firmware_init",
    "http_boot",
    "point_pxe_to_ipxe_over_tftp",
    "point_loader_to_boot_file",
  ],
  firmware_init: [
    "http_boot",
    "point_pxe_to_ipxe_over_tftp",
    "point_loader_to_boot_file",
  ],
  http_boot: ["http_fetch_uki"],
  point_pxe_to_ipxe_over_tftp: ["serve_ipxe_over_tftp"],
  serve_ipxe_over_tftp: ["served_ipxe_over_tftp"],
  served_ipxe_over_tftp: ["point_ipxe_to_http_boot"],
  point_ipxe_to_http_boot: ["http_fetch_uki"],
  point_loader_to_boot_file: ["http_fetch_uki", "os_init"],
  http_fetch_uki: ["os_init"],
  os_init: [],
};

/** The steps from `init` to each stage. */
const PATHS: Record<Stage, Stage[]> = {
  init: [],
  firmware_init: ["firmware_init"],
  http_boot: ["http_boot"],
  point_pxe_to_ipxe_over_tftp: ["point_pxe_to_ipxe_over_tftp"],
  serve_ipxe_over_tftp: ["point_pxe_to_ipxe_over_tftp", "serve_ipxe_over_tftp"],
  served_ipxe_over_tftp: [
    "point_pxe_to_ipxe_over_tftp",
    "serve_ipxe_over_tftp",
    "served_ipxe_over_tftp",
  ],
  point_ipxe_to_http_boot: [
    "point_pxe_to_ipxe_over_tftp",
    "serve_ipxe_over_tftp",
    "served_ipxe_over_tftp",
    "point_ipxe_to_http_boot",
  ],
  point_loader_to_boot_file: ["point_loader_to_boot_file"],
  http_fetch_uki: ["http_boot", "http_fetch_uki"],
  os_init: ["http_boot", "http_fetch_uki", "os_init"],
};

function registry(): MachineRegistry {
  return new MachineRegistry({ machines: 9, events: 99 }, { onEvent() {} });
}

Deno.test("boot stages", async (t) => {
  await t.step("begin with init", () => {
    const machines = registry();
    const machine = machines.add(1, 0);
    assertEquals(machine.stage, "init");
    assertEquals([...machines.eventsOf(machine)].map(({ event }) => event), [
      "init",
    ]);
  });

  for (const before of STAGES) {
    for (const stage of STAGES) {
      const expected = before === stage
        ? "repeat"
        : STEPS[before].includes(stage)
        ? "step"
        : "jump";
      await t.step(`${stage} after ${before} is a ${expected}`, () => {
        assertEquals(transition(before, stage), expected);
        const machines = registry();
        const machine = machines.add(1, 0);
        for (const step of PATHS[before]) machines.reach(machine, step);
        assertEquals(machine.stage, before);
        const kept = [...machines.eventsOf(machine)].length;
        const next = machines.history.next;
        machines.reach(machine, stage);
        assertEquals(machine.stage, stage);
        const recorded = [];
        for (let number = next; number < machines.history.next; number++) {
          const { event, repeat } = machines.history.at(number);
          recorded.push([event, repeat]);
        }
        const event = [stage, expected === "repeat"];
        assertEquals(
          recorded,
          expected === "jump" ? [["jump_to", false], event] : [
            event,
          ],
        );
        assertEquals(
          [...machines.eventsOf(machine)].length - kept,
          { repeat: 0, step: 1, jump: 2 }[expected],
        );
      });
    }
    for (
      const note of ["address_declined", "unsupported_architecture"] as const
    ) {
      await t.step(`${note} leaves a machine in ${before}`, () => {
        const machines = registry();
        const machine = machines.add(1, 0);
        for (const step of PATHS[before]) machines.reach(machine, step);
        machines.note(machine, note);
        machines.note(machine, note);
        assertEquals(machine.stage, before);
        assertEquals(
          [...machines.eventsOf(machine)].at(-1)?.event,
          note,
          "it is kept",
        );
        const { next } = machines.history;
        assertEquals(machines.history.at(next - 2).repeat, false);
        assertEquals(machines.history.at(next - 1).repeat, true);
      });
    }
  }

  await t.step("keep the latest detail of a repeated stage", () => {
    const machines = registry();
    const machine = machines.add(1, 0);
    const detail = {
      protocol: "http",
      file_name: "boot.efi",
      state: "init",
      sent_bytes: 0,
      total_bytes: 9,
    } as const;
    machines.reach(machine, "http_boot");
    machines.reach(machine, "http_fetch_uki", detail);
    const complete = { ...detail, state: "complete", sent_bytes: 9 } as const;
    machines.reach(machine, "http_fetch_uki", complete);
    machines.reach(machine, "http_fetch_uki");
    const kept = [...machines.eventsOf(machine)];
    assertEquals(kept.map(({ event }) => event), [
      "init",
      "http_boot",
      "http_fetch_uki",
    ]);
    assertEquals(kept.at(-1)?.detail, complete);
  });

  await t.step("are counted, and so are events", () => {
    const machines = new MachineRegistry({ machines: 2, events: 9 }, {
      onEvent() {},
    });
    for (const mac of [1, 2, 3]) {
      machines.reach(machines.add(mac, 0), "firmware_init");
    }
    machines.reach(machines.see(3)!, "http_boot");
    const count = (stage: Stage) => machines.stageCounts[codeOf(stage)];
    assertEquals(count("init"), 0);
    assertEquals(count("firmware_init"), 1);
    assertEquals(count("http_boot"), 1);
    assertEquals(machines.eventCounts[codeOf("firmware_init")], 3);
    assertEquals(machines.eventCounts.length, EVENTS.length);
  });
});
