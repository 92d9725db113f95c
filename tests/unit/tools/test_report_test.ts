import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  countTests,
  type Progress,
  TestReport,
} from "../../../tools/test_report.ts";

const ROOT = "file:///src/";

/** The lines of `deno test` that a report shows. */
function shown(report: TestReport, ...lines: string[]): string[] {
  return lines.filter((line) => report.shows(line));
}

function progress(type: Progress["type"], path: string, time: number) {
  return { type, file: `${ROOT}${path}`, time };
}

/** Runs this repository's `deno test` wrapper on the files of a directory. */
async function runTests(
  files: Record<string, string>,
  args: readonly string[] = [],
  env: Record<string, string> = {},
) {
  const directory = await Deno.makeTempDir();
  const paths: string[] = [];
  for (const [name, source] of Object.entries(files)) {
    paths.push(`${directory}/${name}`);
    await Deno.writeTextFile(paths.at(-1)!, source);
  }
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-config", "--allow-all"],
      new URL("../../../tools/run.ts", import.meta.url).pathname,
      ...["test:std", ...args, ...paths],
    ],
    env: { NO_COLOR: "1", ...env },
  }).output();
  await Deno.remove(directory, { recursive: true });
  return { code, stdout: new TextDecoder().decode(stdout) };
}

Deno.test("the short report of tests", async (t) => {
  await t.step("has a line for each file, run in parallel", () => {
    const report = new TestReport(ROOT);
    assertEquals(report.note(progress("load", "a_test.ts", 1000)), undefined);
    assertEquals(report.note(progress("load", "b_test.ts", 1000)), undefined);
    assertEquals(
      shown(
        report,
        "./a_test.ts => one ... step ... ok (1ms)",
        "./b_test.ts => two ... FAILED (1ms)",
        "./a_test.ts => one ... ok (2ms)",
        "./c_test.ts => three ... ignored (0ms)",
      ),
      [],
    );
    assertEquals(
      report.note(progress("unload", "a_test.ts", 2500)),
      "ok      a_test.ts (1.5 s)",
    );
    assertEquals(
      report.note(progress("unload", "b_test.ts", 1100)),
      "FAILED  b_test.ts (0.1 s)",
    );
    report.note(progress("load", "c_test.ts", 1100));
    assertEquals(
      report.note(progress("unload", "c_test.ts", 1100)),
      "skipped c_test.ts (0.0 s)",
    );
  });

  await t.step("has a line for each file, run one after the other", () => {
    const report = new TestReport(ROOT);
    report.note(progress("load", "a_test.ts", 0));
    assertEquals(
      shown(
        report,
        "running 1 test from ./a_test.ts",
        "one ...",
        "  step ... FAILED (1ms)",
        "one ... FAILED (due to 1 failed step) (1ms)",
        "two ...'two' has been running for over (1m0s)",
        " ok (1m5s)",
        "",
      ),
      [],
    );
    assertEquals(
      report.note(progress("unload", "a_test.ts", 0)),
      "FAILED  a_test.ts (0.0 s)",
    );
  });

  await t.step("says what runs, and how far it is", () => {
    const report = new TestReport(ROOT);
    report.note(progress("load", "a_test.ts", 0));
    assertEquals(report.running(30_000), ["running a_test.ts (30.0 s)"]);
    shown(report, "./a_test.ts => one ... step ... ok (1ms)");
    assertEquals(report.running(31_000), [
      "running a_test.ts (31.0 s), last result: one ... step ... ok (1ms)",
    ]);
    report.note(progress("unload", "a_test.ts", 32_000));
    assertEquals(report.running(33_000), []);
  });

  await t.step("shows what tests print", () => {
    assertEquals(
      shown(
        new TestReport(ROOT),
        "------- output -------",
        "x ... ok (1ms)",
        "",
        "----- output end -----",
        "------- post-test output -------",
        "y",
        "./a_test.ts => one ...----- post-test output end -----",
        "./a_test.ts => one ... ok (1ms)",
        "------- output -------",
        "no line feed----- output end -----",
        "Uncaught error from ./b_test.ts FAILED",
      ),
      [
        "x ... ok (1ms)",
        "",
        "y",
        "no line feed----- output end -----",
        "Uncaught error from ./b_test.ts FAILED",
      ],
    );
  });

  await t.step("shows failures in full", () => {
    const failure = [
      "\x1b[41m ERRORS \x1b[0m",
      "one ... step => ./a_test.ts:1:2",
      "error: ... ok (1ms)",
      "",
    ];
    assertEquals(
      shown(
        new TestReport(ROOT),
        ...failure,
        "FAILED | 0 passed | 1 failed (1s)",
      ),
      failure,
    );
  });

  await t.step("counts the innermost tests", () => {
    assertEquals(
      countTests(`
        <testcase name="a" classname="x"></testcase>
        <testcase name="a &gt; b" classname="x"></testcase>
        <testcase name="a &gt; c" classname="x"><failure/></testcase>
        <testcase name="d" classname="x"><skipped/></testcase>`),
      { passed: 1, failed: 1, skipped: 1 },
    );
  });
});

Deno.test("a run of tests", async (t) => {
  const good = 'Deno.test("good", () => console.log("said"));';
  const bad =
    'Deno.test("bad", () => { throw new Error("the reason\\nof it"); });';

  await t.step("prints a line a file, failures and the counts", async () => {
    const { code, stdout } = await runTests({
      "good_test.ts": good,
      "bad_test.ts": bad,
    });
    assertEquals(code, 1);
    assertMatch(stdout, /^ok {6}\S*\/good_test\.ts \(\d+\.\d s\)$/m);
    assertMatch(stdout, /^FAILED {2}\S*\/bad_test\.ts \(\d+\.\d s\)$/m);
    assertMatch(stdout, /^said$/m);
    assertMatch(stdout, /^error: Error: the reason\nof it$/m);
    assertMatch(stdout, /\n1 passed, 1 failed\n$/);
    // Failures come after the lines of all files.
    assert(stdout.indexOf("ERRORS") > stdout.indexOf("ok      "));
  });

  await t.step("--verbose prints what Deno prints", async () => {
    const { code, stdout } = await runTests(
      { "good_test.ts": good },
      ["--verbose"],
    );
    assertEquals(code, 0);
    assertMatch(stdout, /good \.\.\. ok \(/);
    assertMatch(stdout, /\n1 passed, 0 failed\n$/);
  });

  await t.step("ends one that hangs, and names it", async () => {
    const { code, stdout } = await runTests(
      {
        "good_test.ts": good,
        "hanging_test.ts": `Deno.test("first", () => {});
          Deno.test("hangs", () => new Promise((end) => setTimeout(end, 1e6)));`,
      },
      [],
      { TEST_HANG_SECONDS: "3" },
    );
    assert(code !== 0);
    assertMatch(stdout, /^FAILED {2}running \S*\/hanging_test\.ts .*: first/m);
    assertMatch(stdout, /^FAILED .*deno.* test /m);
    assertMatch(stdout, /\n0 passed, 1 failed\n$/);
  });

  await t.step("ends tests of which only Deno says something", async () => {
    // As Deno does of a slow test, and as a test never does.
    const line = "'hangs' has been running for over (1m0s)";
    const { stdout } = await runTests(
      {
        "hanging_test.ts": `Deno.test("hangs", async () => {
          while (true) {
            await new Promise((end) => setTimeout(end, 1000));
            await Deno.stdout.write(new TextEncoder().encode(${
          JSON.stringify(`${line}\n`)
        }));
          }
        });`,
      },
      [],
      { TEST_HANG_SECONDS: "3" },
    );
    assertMatch(stdout, /^FAILED .*nothing for 3 s/m);
  });

  await t.step("fails when a file does not load", async () => {
    const { code, stdout } = await runTests({
      "good_test.ts": good,
      "broken_test.ts": 'throw new Error("broken");',
    });
    assertEquals(code, 1);
    assertMatch(stdout, /Error: broken/);
    assertMatch(stdout, /\n\d+ passed, [1-9]\d* failed\n$/);
  });
});
