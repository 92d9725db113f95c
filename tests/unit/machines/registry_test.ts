import { assert, assertEquals } from "@std/assert";
import { MAX_REFUSALS_PER_STAGE } from "../../../lib/overload/limits.ts";
import { MachineRegistry } from "../../../lib/machines/registry.ts";
import { fc } from "../../support/fast_check.ts";

/** A registry of so many machines that tells nobody. */
function registryOf(machines: number): MachineRegistry {
  return new MachineRegistry({ machines, events: 1000 }, { onEvent() {} });
}

const macs = (registry: MachineRegistry) => [...registry].map(({ mac }) => mac);

Deno.test("machine registry", async (t) => {
  await t.step("remembers machines, most recently seen first", () => {
    const registry = registryOf(3);
    assertEquals(registry.see(1), undefined);
    for (const mac of [1, 2, 3]) registry.add(mac, 0);
    assertEquals(macs(registry), [3, 2, 1]);
    assertEquals(registry.see(1)?.mac, 1);
    assertEquals(macs(registry), [1, 3, 2]);
    assertEquals(registry.see(3)?.mac, 3);
    assertEquals(macs(registry), [3, 1, 2]);
  });

  await t.step("forgets the least recently seen", () => {
    const registry = registryOf(2);
    for (const mac of [1, 2]) registry.add(mac, 0);
    registry.see(1);
    registry.add(3, 0);
    assertEquals(macs(registry), [3, 1]);
    assertEquals(registry.see(2), undefined);
    assertEquals(registry.size, 2);
  });

  await t.step("remembers one when that is its bound", () => {
    const registry = registryOf(1);
    registry.add(1, 0);
    registry.see(1);
    registry.add(2, 0);
    assertEquals(macs(registry), [2]);
  });

  await t.step("takes a machine in another one's place for a new one", () => {
    const registry = registryOf(1);
    const first = registry.add(1, 3, "duid");
    registry.reach(first, "os_init");
    registry.note(first, "address_declined");
    const second = registry.add(2, 0);
    assertEquals(
      {
        mac: second.mac,
        subnetIndex: second.subnetIndex,
        macSource: second.macSource,
        stage: second.stage,
        events: [...registry.eventsOf(second)].map(({ event }) => event),
      },
      {
        mac: 2,
        subnetIndex: 0,
        macSource: undefined,
        stage: "init",
        events: ["init"],
      },
    );
    registry.note(second, "address_declined");
    assertEquals(registry.history.at(registry.history.next - 1).repeat, false);
  });

  await t.step("keeps refusals, but not so many that others go", () => {
    const registry = registryOf(1);
    const machine = registry.add(1, 0);
    registry.reach(machine, "http_boot");
    const refuse = (path: string, reason = "not found") => {
      registry.refuse(machine, { protocol: "http", path, reason });
      return registry.history.at(registry.history.next - 1).repeat;
    };
    const kept = () =>
      [...registry.eventsOf(machine)].filter(({ event }) =>
        event === "boot_refused"
      ).map(({ detail }) => detail && "path" in detail && detail.path);
    assertEquals(refuse("a"), false);
    assertEquals(refuse("a"), true, "the same");
    assertEquals(refuse("a", "permission denied"), false, "another cause");
    assertEquals(refuse("b"), false, "another path");
    assertEquals(kept(), ["a", "a", "b"]);
    const paths = ["a", "a", "b"];
    for (let index = paths.length; index < 100; index++) {
      const repeat = refuse(`p${index}`);
      assertEquals(repeat, index >= MAX_REFUSALS_PER_STAGE);
      if (!repeat) paths.push(`p${index}`);
    }
    paths[MAX_REFUSALS_PER_STAGE - 1] = "p99";
    assertEquals(kept(), paths, "the latest is kept");
    registry.reach(machine, "http_fetch_uki");
    assertEquals(refuse("p99"), false, "another stage");
    assertEquals(kept(), [...paths, "p99"]);
    assertEquals(machine.stage, "http_fetch_uki");
  });

  await t.step("keeps what it knows when it makes more room", () => {
    const registry = registryOf(5000);
    for (let mac = 1; mac <= 6000; mac++) registry.add(mac, mac % 7, "relay");
    const found = [...registry.at(6000)];
    assertEquals(
      found.map(({ mac }) => mac),
      Array.from({ length: 5000 }, (_, index) => 1001 + index),
    );
    for (const machine of found) {
      assertEquals(machine.subnetIndex, machine.mac % 7);
      assertEquals(machine.macSource, "relay");
    }
    assertEquals([...registry.at(5999)].length, 4999);
  });

  await t.step("does what a list would do", () => {
    const steps = fc.array(fc.nat({ max: 9 }), { maxLength: 60 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 6 }), (steps, limit) => {
        const registry = registryOf(limit);
        let model: number[] = [];
        for (const mac of steps) {
          const known = registry.see(mac) !== undefined;
          assertEquals(known, model.includes(mac));
          if (!known) registry.add(mac, 0);
          model = [mac, ...model.filter((other) => other !== mac)].slice(
            0,
            limit,
          );
          assertEquals(macs(registry), model);
          assert(registry.size <= limit);
        }
      }),
    );
  });
});
