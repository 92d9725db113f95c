import { assert, assertEquals, assertLess } from "@std/assert";
import {
  evaluateConditions,
  evaluateRange,
  type Validators,
  type Verdict,
} from "../../../lib/http/conditional_request.ts";
import { fc } from "../../support/fast_check.ts";

const TAG = '"10-abc+/def"';
const OTHER = '"10-other"';
const WEAK = `W/${TAG}`;

/** Between two whole seconds, which HTTP dates cannot express. */
const FILE: Validators = {
  etag: TAG,
  modified: new Date("2025-10-13T20:08:24.394Z"),
};
const BEFORE = "Mon, 13 Oct 2025 20:08:23 GMT";
const SAME = "Mon, 13 Oct 2025 20:08:24 GMT";
const AFTER = "Mon, 13 Oct 2025 20:08:25 GMT";

type Sent = Record<string, string>;

Deno.test("a condition header of any length", async (t) => {
  // In time quadratic in its length, parsing each would take about 20 s.
  const long = `"a${" ".repeat(150_000)}b"`;
  const tags = `${'"another", '.repeat(10_000)}${TAG}`;

  for (
    const [name, verdict] of [
      ["if-none-match", "not_modified"],
      ["if-match", "proceed"],
    ] as const
  ) {
    await t.step(`${name}, with the tag as the last of many`, () => {
      const headers = new Headers({ [name]: tags });
      assertEquals(evaluateConditions(headers, FILE), verdict);
    });
  }

  for (
    const [name, verdict] of [
      ["if-none-match", "proceed"],
      ["if-match", "precondition_failed"],
    ] as const
  ) {
    await t.step(`${name}: ${verdict}, at once`, () => {
      const begun = performance.now();
      const headers = new Headers({ [name]: long });
      assertEquals(evaluateConditions(headers, FILE), verdict);
      assertLess(performance.now() - begun, 1000);
    });
  }
});

Deno.test("dates of a file without a modification time", async (t) => {
  const file: Validators = { etag: TAG, modified: undefined };
  const cases: [Sent, Verdict][] = [
    [{ "if-modified-since": AFTER }, "proceed"],
    [{ "if-modified-since": "Thu, 01 Jan 1970 00:00:01 GMT" }, "proceed"],
    [{ "if-unmodified-since": BEFORE }, "proceed"],
    [{ "if-unmodified-since": "Thu, 01 Jan 1970 00:00:00 GMT" }, "proceed"],
    [{ "if-none-match": TAG, "if-modified-since": BEFORE }, "not_modified"],
    [
      { "if-match": OTHER, "if-unmodified-since": AFTER },
      "precondition_failed",
    ],
  ];
  for (const [sent, verdict] of cases) {
    await t.step(`${JSON.stringify(sent)}: ${verdict}`, () => {
      assertEquals(evaluateConditions(new Headers(sent), file), verdict);
    });
  }

  await t.step("no If-Range holds, but that of the tag", () => {
    const range = (value: string) =>
      evaluateRange(
        new Headers({ range: "bytes=2-", "if-range": value }),
        10,
        file,
      );
    for (const date of [BEFORE, SAME, "Thu, 01 Jan 1970 00:00:01 GMT", "x"]) {
      assertEquals(range(date), undefined, date);
    }
    assertEquals(range(TAG), { start: 2, end: 10 });
  });
});

Deno.test("preconditions", async (t) => {
  const cases: [Sent, Verdict][] = [
    [{}, "proceed"],

    [{ "if-match": TAG }, "proceed"],
    [{ "if-match": OTHER }, "precondition_failed"],
    [{ "if-match": WEAK }, "precondition_failed"],
    [{ "if-match": "*" }, "proceed"],
    [{ "if-match": " * " }, "proceed"],
    [{ "if-match": `${OTHER}, ${TAG}` }, "proceed"],
    [{ "if-match": `${OTHER},${TAG}` }, "proceed"],
    [{ "if-match": `${OTHER} , ${TAG} , "x"` }, "proceed"],
    [{ "if-match": `${OTHER}, ${WEAK}` }, "precondition_failed"],
    [{ "if-match": TAG.slice(1, -1) }, "precondition_failed"],
    [{ "if-match": TAG.toUpperCase() }, "precondition_failed"],
    [{ "if-match": "" }, "precondition_failed"],

    [{ "if-unmodified-since": BEFORE }, "precondition_failed"],
    [{ "if-unmodified-since": SAME }, "proceed"],
    [{ "if-unmodified-since": AFTER }, "proceed"],
    [{ "if-unmodified-since": "yesterday" }, "proceed"],
    [{ "if-unmodified-since": "" }, "proceed"],

    [{ "if-none-match": TAG }, "not_modified"],
    [{ "if-none-match": WEAK }, "not_modified"],
    [{ "if-none-match": OTHER }, "proceed"],
    [{ "if-none-match": "*" }, "not_modified"],
    [{ "if-none-match": " * " }, "not_modified"],
    [{ "if-none-match": "*,/o 1" }, "proceed"],
    [{ "if-none-match": '"a b",*' }, "proceed"],
    [{ "if-match": "*, a b" }, "precondition_failed"],
    [{ "if-match": " *" }, "proceed"],
    [{ "if-none-match": `${OTHER}, ${TAG}` }, "not_modified"],
    [{ "if-none-match": `${OTHER}, ${WEAK}` }, "not_modified"],
    [{ "if-none-match": `${OTHER}, "x"` }, "proceed"],

    [{ "if-modified-since": BEFORE }, "proceed"],
    [{ "if-modified-since": SAME }, "not_modified"],
    [{ "if-modified-since": AFTER }, "not_modified"],
    [{ "if-modified-since": "tomorrow" }, "proceed"],
    [{ "if-modified-since": "" }, "proceed"],

    // The two obsolete forms of a date are still to be read (RFC 9110 §5.6.7).
    [
      { "if-unmodified-since": "Monday, 13-Oct-25 20:08:23 GMT" },
      "precondition_failed",
    ],
    [{ "if-unmodified-since": "Monday, 13-Oct-25 20:08:24 GMT" }, "proceed"],
    [
      { "if-unmodified-since": "Mon Oct 13 20:08:23 2025" },
      "precondition_failed",
    ],
    [{ "if-unmodified-since": "Mon Oct 13 20:08:24 2025" }, "proceed"],

    // With a tag the date is ignored (RFC 9110 §13.2.2).
    [{ "if-match": TAG, "if-unmodified-since": BEFORE }, "proceed"],
    [
      { "if-match": OTHER, "if-unmodified-since": AFTER },
      "precondition_failed",
    ],
    [{ "if-none-match": OTHER, "if-modified-since": AFTER }, "proceed"],
    [{ "if-none-match": TAG, "if-modified-since": BEFORE }, "not_modified"],

    // If-Match and If-Unmodified-Since are evaluated first.
    [{ "if-match": OTHER, "if-none-match": TAG }, "precondition_failed"],
    [{ "if-match": TAG, "if-none-match": TAG }, "not_modified"],
    [{ "if-match": TAG, "if-none-match": OTHER }, "proceed"],
    [{ "if-match": TAG, "if-modified-since": SAME }, "not_modified"],
    [
      { "if-unmodified-since": BEFORE, "if-none-match": TAG },
      "precondition_failed",
    ],
    [{ "if-unmodified-since": SAME, "if-none-match": TAG }, "not_modified"],
    [
      { "if-unmodified-since": BEFORE, "if-modified-since": AFTER },
      "precondition_failed",
    ],
  ];
  for (const [sent, expected] of cases) {
    await t.step(`${JSON.stringify(sent)}: ${expected}`, () => {
      assertEquals(evaluateConditions(new Headers(sent), FILE), expected);
    });
  }

  // RFC 9110 §13.1.3 and §13.1.4: what is not an HTTP date is ignored.
  for (const value of ["2099", "2099-01-01", "1", "boot 1", "0"]) {
    await t.step(`${JSON.stringify(value)} is no date`, () => {
      for (const name of ["if-modified-since", "if-unmodified-since"]) {
        assertEquals(
          evaluateConditions(new Headers({ [name]: value }), FILE),
          "proceed",
          name,
        );
      }
    });
  }
});

Deno.test("ranges", async (t) => {
  const SIZE = 1000;
  const whole = undefined;
  const cases: [Sent, ReturnType<typeof evaluateRange>][] = [
    [{}, whole],
    [{ range: "bytes=0-999" }, { start: 0, end: 1000 }],
    [{ range: "bytes=0-0" }, { start: 0, end: 1 }],
    [{ range: "bytes=999-999" }, { start: 999, end: 1000 }],
    [{ range: "bytes=100-199" }, { start: 100, end: 200 }],
    [{ range: "bytes=00100-0199" }, { start: 100, end: 200 }],
    [{ range: "BYTES=100-199" }, { start: 100, end: 200 }],
    [{ range: "bytes= 100-199" }, { start: 100, end: 200 }],
    [{ range: "bytes=100-199 " }, { start: 100, end: 200 }],

    // Without an end, and with an end after that of the file.
    [{ range: "bytes=0-" }, { start: 0, end: 1000 }],
    [{ range: "bytes=500-" }, { start: 500, end: 1000 }],
    [{ range: "bytes=999-" }, { start: 999, end: 1000 }],
    [{ range: "bytes=500-1000" }, { start: 500, end: 1000 }],
    [{ range: "bytes=500-5000" }, { start: 500, end: 1000 }],

    // The last bytes.
    [{ range: "bytes=-1" }, { start: 999, end: 1000 }],
    [{ range: "bytes=-1000" }, { start: 0, end: 1000 }],
    [{ range: "bytes=-5000" }, { start: 0, end: 1000 }],
    [{ range: "bytes=-0" }, "unsatisfiable"],

    [{ range: "bytes=1000-" }, "unsatisfiable"],
    [{ range: "bytes=1000-1000" }, "unsatisfiable"],
    [{ range: "bytes=5000-6000" }, "unsatisfiable"],

    // Malformed: the whole file (RFC 9110 §14.2).
    [{ range: "bytes=" }, whole],
    [{ range: "bytes=-" }, whole],
    [{ range: "bytes=5" }, whole],
    [{ range: "bytes=200-100" }, whole],
    [{ range: "bytes=2000-1000" }, whole],
    [{ range: "bytes=-5-" }, whole],
    [{ range: "bytes=--5" }, whole],
    [{ range: "bytes=1.5-9" }, whole],
    [{ range: "bytes=0x0-0x9" }, whole],
    [{ range: "bytes=a-b" }, whole],
    [{ range: "bytes 0-9" }, whole],
    [{ range: "=0-9" }, whole],
    [{ range: "0-9" }, whole],
    [{ range: "" }, whole],

    // Several, and another unit.
    [{ range: "bytes=0-9,20-29" }, whole],
    [{ range: "bytes=0-9, 20-29" }, whole],
    [{ range: "bytes=5000-,0-9" }, whole],
    [{ range: "lines=0-9" }, whole],
    [{ range: "kilobytes=0-9" }, whole],

    // Numbers that no integer type holds.
    [{ range: `bytes=0-${"9".repeat(30)}` }, { start: 0, end: 1000 }],
    [{ range: `bytes=0-${"9".repeat(400)}` }, { start: 0, end: 1000 }],
    [{ range: `bytes=${"9".repeat(400)}-` }, "unsatisfiable"],
    [
      { range: `bytes=${"9".repeat(400)}-${"9".repeat(400)}` },
      "unsatisfiable",
    ],
    [{ range: "bytes=18446744073709551616-" }, "unsatisfiable"],
    [{ range: "bytes=18446744073709551616-5" }, whole],
    [{ range: `bytes=-${"9".repeat(400)}` }, { start: 0, end: 1000 }],
    [{ range: `bytes=${"0".repeat(400)}5-7` }, { start: 5, end: 8 }],

    // If-Range: by a strong tag, or by exactly the same date.
    [{ range: "bytes=1-2", "if-range": TAG }, { start: 1, end: 3 }],
    [{ range: "bytes=1-2", "if-range": OTHER }, whole],
    [{ range: "bytes=1-2", "if-range": WEAK }, whole],
    [{ range: "bytes=1-2", "if-range": "*" }, whole],
    [{ range: "bytes=1-2", "if-range": `${OTHER}, ${TAG}` }, whole],
    [{ range: "bytes=1-2", "if-range": TAG.slice(1, -1) }, whole],
    [{ range: "bytes=1-2", "if-range": "" }, whole],
    [{ range: "bytes=1-2", "if-range": SAME }, { start: 1, end: 3 }],
    [{ range: "bytes=1-2", "if-range": BEFORE }, whole],
    [{ range: "bytes=1-2", "if-range": AFTER }, whole],
    [{ range: "bytes=5000-", "if-range": OTHER }, whole],
    [{ range: "bytes=5000-", "if-range": TAG }, "unsatisfiable"],
    [{ "if-range": TAG }, whole],
  ];
  for (const [sent, expected] of cases) {
    const shown = JSON.stringify(sent);
    const name = shown.length > 80 ? `${shown.slice(0, 80)}...` : shown;
    await t.step(
      `${name}: ${expected === whole ? "whole" : JSON.stringify(expected)}`,
      () => {
        assertEquals(evaluateRange(new Headers(sent), SIZE, FILE), expected);
      },
    );
  }

  await t.step("of an empty file there is the whole only", () => {
    const of = (range: string) =>
      evaluateRange(new Headers({ range }), 0, FILE);
    assertEquals(of("bytes=0-"), "unsatisfiable");
    assertEquals(of("bytes=0-0"), "unsatisfiable");
    assertEquals(of("bytes=-0"), "unsatisfiable");
    assertEquals(of("bytes=-5"), whole);
    assertEquals(of("bytes=1-0"), whole);
  });

  await t.step("a file of many gigabytes", () => {
    const size = 5_000_000_000_000;
    assertEquals(
      evaluateRange(
        new Headers({ range: `bytes=${size - 7}-${size - 1}` }),
        size,
        FILE,
      ),
      { start: size - 7, end: size },
    );
  });

  await t.step("are always within the file", () => {
    const number = fc.oneof(
      fc.constant(""),
      fc.nat({ max: 50 }).map(String),
      fc.maxSafeNat().map(String),
      fc.string({ unit: fc.constantFrom(..."0123456789"), maxLength: 330 }),
    );
    const wellFormed = fc.tuple(number, number).map(([first, last]) =>
      `bytes=${first}-${last}`
    );
    const header = fc.oneof(
      { arbitrary: wellFormed, weight: 4 },
      fc.string({ unit: fc.constantFrom(..."bytes=-, 0123456789*") }),
      fc.string({ unit: fc.constantFrom(...'!~\t"é-=,19') }),
    );
    const ifRange = fc.option(
      fc.oneof(
        fc.constantFrom(TAG, OTHER, WEAK, SAME, BEFORE),
        fc.string({ unit: fc.constantFrom(...'"W/ 0123456789:-GMT') }),
      ),
      { freq: 1 },
    );
    let ranges = 0;
    fc.assert(
      fc.property(
        header,
        ifRange,
        fc.oneof(fc.nat({ max: 60 }), fc.maxSafeNat()),
        (range, ifRange, size) => {
          const headers = new Headers({ range });
          if (ifRange !== null) headers.set("if-range", ifRange);
          const result = evaluateRange(headers, size, FILE);
          if (result === undefined || result === "unsatisfiable") return;
          ranges++;
          const { start, end } = result;
          assert(Number.isSafeInteger(start) && Number.isSafeInteger(end));
          assert(0 <= start && start < end && end <= size);
        },
      ),
      { numRuns: 5000 },
    );
    assert(ranges > 500, `${ranges} ranges`);
  });
});
