/**
 * Makes the short form of what `deno test` prints: one line for each file, all
 * that tests print themselves, and failures in full.
 *
 * @module
 */

/** What `tools/test_progress.ts` notes of a test file. */
export interface Progress {
  readonly type: "load" | "unload";
  /** The file's URL. */
  readonly file: string;
  /** Milliseconds since 1970. */
  readonly time: number;
}

/** Milliseconds between two looks at the progress file. */
const POLL_INTERVAL = 100;

/** Milliseconds without a line after which the files that run are named. */
const SILENCE = 30_000;

/** Milliseconds without a word or a result after which tests hang. */
const HANG = 1000 * Number(Deno.env.get("TEST_HANG_SECONDS") ?? 900);

/** What is known of a test file. */
interface TestFile {
  /** Milliseconds since 1970; `undefined` while it does not run. */
  begin: number | undefined;
  passed: number;
  failed: number;
  /** The last result line, without the file's name. */
  last: string;
}

/** How many tests there are of each kind. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

// deno-lint-ignore no-control-regex
const COLOR = /\x1b\[[0-9;]*m/g;

/** A result, with the file before it when files run in parallel. */
const RESULT = /^(?:(\S+) => )?(.* \.\.\.|) (ok|FAILED|ignored)(?: \(.*\))?$/;

/** What Deno prints of a test after a minute; its result is a line of its own. */
const SLOW = / has been running for over \(.*\)$/;

/** The heading of a file's tests, when files run one after the other. */
const HEADING = /^running \d+ tests? from (\S+)$/;

/** The line before the output of a test. */
const OUTPUT_BEGIN = /^-{7} (?:post-test )?output -{7}$/;

/** The end of the output of a test: what comes before it is on the same line. */
const OUTPUT_END = /-{5} (?:post-test )?output end -{5}$/;

/** A test or step whose result comes later. */
const PENDING = / \.\.\.$/;

/** The summary of Deno, in whose place the counts are printed. */
const SUMMARY = /^(?:ok|FAILED) \| /;

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

/** The short form of one run of `deno test`. */
export class TestReport {
  readonly #files = new Map<string, TestFile>();
  readonly #root: string;
  #current = "";
  #isOutput = false;
  #isErrors = false;

  /** @param root The URL of the directory that the tests are run from. */
  constructor(root: string) {
    this.#root = root;
  }

  /** Whether what comes now are the failures, which go to the end. */
  get isErrors(): boolean {
    return this.#isErrors;
  }

  /** Whether to print a line that `deno test` wrote to its standard output. */
  shows(line: string): boolean {
    const text = line.replace(COLOR, "");
    if (this.#isErrors) return !SUMMARY.test(text);
    if (this.#isOutput) {
      this.#isOutput = !OUTPUT_END.test(text);
      const rest = text.replace(OUTPUT_END, "");
      return this.#isOutput || rest !== "" && !PENDING.test(rest);
    }
    if (OUTPUT_BEGIN.test(text)) {
      this.#isOutput = true;
      return false;
    }
    if (text === " ERRORS ") return this.#isErrors = true;
    const heading = HEADING.exec(text);
    if (heading !== null) {
      this.#current = heading[1]!;
      return false;
    }
    const result = RESULT.exec(text);
    if (result === null) {
      return text !== "" &&
        ![PENDING, SUMMARY, SLOW].some((pattern) => pattern.test(text));
    }
    const [, path = this.#current, , outcome] = result;
    const file = this.#fileOf(new URL(path, this.#root).href);
    file.last = text.replace(/^\S+ => /, "").trim();
    if (outcome === "ok") file.passed++;
    if (outcome === "FAILED") file.failed++;
    return false;
  }

  /** Notes progress; when a file has ended, returns the line for it. */
  note({ type, file: url, time }: Progress): string | undefined {
    const file = this.#fileOf(url);
    if (type === "load") {
      file.begin = time;
      return undefined;
    }
    const { begin = time, passed, failed } = file;
    file.begin = undefined;
    const outcome = failed > 0 ? "FAILED " : passed > 0 ? "ok     " : "skipped";
    return `${outcome} ${this.#nameOf(url)} (${seconds(time - begin)})`;
  }

  /** A line for each file that runs, with its last result. */
  running(now: number): string[] {
    const lines: string[] = [];
    for (const [url, { begin, last }] of this.#files) {
      if (begin === undefined) continue;
      const result = last === "" ? "" : `, last result: ${last}`;
      lines.push(
        `running ${this.#nameOf(url)} (${seconds(now - begin)})${result}`,
      );
    }
    return lines;
  }

  #fileOf(url: string): TestFile {
    let file = this.#files.get(url);
    if (file === undefined) {
      file = { begin: undefined, passed: 0, failed: 0, last: "" };
      this.#files.set(url, file);
    }
    return file;
  }

  #nameOf(url: string): string {
    return url.startsWith(this.#root) ? url.slice(this.#root.length) : url;
  }
}

/**
 * Prints the short form of what a `deno test` process writes, until it ends. One
 * that hangs is ended, after a line for each of its files and processes.
 *
 * @param progress The path of the file that `tools/test_progress.ts` writes.
 */
export async function printReport(
  child: Deno.ChildProcess,
  progress: string,
): Promise<void> {
  const { stdout, stderr, status } = child;
  const report = new TestReport(new URL(`file://${Deno.cwd()}/`).href);
  let printed = Date.now();
  /** When the tests last said anything. */
  let heard = Date.now();
  const print = (line: string) => {
    console.log(line);
    printed = Date.now();
  };
  const failures: string[] = [];
  const output = eachLine(stdout, (line) => {
    // What Deno says of a slow test is no sign of life.
    if (!SLOW.test(line.replace(COLOR, ""))) heard = Date.now();
    if (!report.shows(line)) return;
    if (report.isErrors) failures.push(line);
    else print(line);
  });
  let isOver = false;
  const errors = eachLine(stderr, (line) => {
    const text = line.replace(COLOR, "");
    // After it comes only Deno's own stack.
    isOver ||= text === "error: Test failed";
    if (!isOver && !/^Check /.test(text)) console.error(line);
  });
  let hasEnded = false;
  status.then(() => hasEnded = true);
  let position = 0;
  let seen: Progress[] = [];
  while (!hasEnded || seen.length > 0) {
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL));
    // The results of a file come by another way than its end: they get the time
    // of one poll to be first.
    for (const event of seen) {
      const line = report.note(event);
      if (line !== undefined) print(line);
    }
    const text = await Deno.readTextFile(progress).catch(() => "");
    const end = text.lastIndexOf("\n") + 1;
    seen = text.slice(position, end).split("\n").filter((line) => line !== "")
      .map((line) => JSON.parse(line));
    position = end;
    if (seen.length > 0) heard = Date.now();
    if (Date.now() - heard > HANG) {
      report.running(Date.now()).forEach((line) => print(`FAILED  ${line}`));
      print(`FAILED  nothing for ${HANG / 1000} s, with these processes:`);
      for (const line of await processes()) print(`FAILED  ${line}`);
      child.kill("SIGKILL");
      break;
    }
    if (Date.now() - printed > SILENCE) {
      report.running(Date.now()).forEach(print);
    }
  }
  await Promise.all([output, errors]);
  failures.forEach(print);
}

/** The processes of this machine and what they wait for, by `ps`. */
async function processes(): Promise<string[]> {
  try {
    const { stdout } = await new Deno.Command("ps", {
      args: ["-N", "--ppid", "2", "-o", "pid,ppid,stat,etime,wchan:24,args"],
    }).output();
    return new TextDecoder().decode(stdout).trim().split("\n");
  } catch (error) {
    return [`ps: ${(error as Error).message}`];
  }
}

/** Calls `take` with each line of a stream. */
async function eachLine(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  take: (line: string) => void,
): Promise<void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    lines.forEach(take);
  }
  if (rest !== "") take(rest);
}

/** Counts the innermost tests of a JUnit report: suites are only headings. */
export function countTests(xml: string): TestCounts {
  const cases = [
    ...xml.matchAll(
      /<testcase name="([^"]*)"[^>]*?(?:\/>|>(.*?)<\/testcase>)/gs,
    ),
  ];
  const headings = new Set(
    cases.map(([, name]) => name!.split(" &gt; ").slice(0, -1).join(" &gt; ")),
  );
  let passed = 0, failed = 0, skipped = 0;
  for (const [, name, content = ""] of cases) {
    if (headings.has(name!)) continue;
    if (content.includes("<failure") || content.includes("<error")) failed++;
    else if (content.includes("<skipped")) skipped++;
    else passed++;
  }
  return { passed, failed, skipped };
}
