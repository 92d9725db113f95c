/**
 * `@std/testing/bdd`: suites of tests with hooks, on `Deno.test`.
 *
 * @module
 */

/** A test: what it does, with the runner's context. */
export type TestFunction = (context: Deno.TestContext) => void | Promise<void>;

type Hook = () => void | Promise<void>;

class Suite {
  readonly before: Hook[] = [];
  readonly after: Hook[] = [];
  readonly beforeEach: Hook[] = [];
  readonly afterEach: Hook[] = [];
  readonly children: Child[] = [];
  constructor(readonly name: string, readonly parent: Suite | undefined) {}
}

interface Test {
  readonly name: string;
  readonly run: TestFunction;
  readonly ignore: boolean;
}

type Child = Suite | Test;

let current: Suite | undefined;

/** Declares a suite: what `fn` declares belongs to it. */
export function describe(name: string, fn: () => void): void {
  const suite = new Suite(name, current);
  current?.children.push(suite);
  const parent = current;
  current = suite;
  try {
    fn();
  } finally {
    current = parent;
  }
  if (parent === undefined) {
    Deno.test(name, (context) => runSuite(suite, context));
  }
}

/** Declares a test. */
export function it(name: string, fn: TestFunction): void {
  declare({ name, run: fn, ignore: false });
}

/** Declares a test that is not run. */
it.skip = function (name: string, fn: TestFunction): void {
  declare({ name, run: fn, ignore: true });
};

function declare(test: Test): void {
  if (current !== undefined) current.children.push(test);
  else Deno.test({ name: test.name, fn: test.run, ignore: test.ignore });
}

/** Runs `fn` once, before the tests of the suite. */
export function beforeAll(fn: Hook): void {
  suiteFor("beforeAll").before.push(fn);
}

/** Runs `fn` once, after the tests of the suite. */
export function afterAll(fn: Hook): void {
  suiteFor("afterAll").after.push(fn);
}

/** Runs `fn` before each test of the suite and of the suites in it. */
export function beforeEach(fn: Hook): void {
  suiteFor("beforeEach").beforeEach.push(fn);
}

/** Runs `fn` after each test of the suite and of the suites in it. */
export function afterEach(fn: Hook): void {
  suiteFor("afterEach").afterEach.push(fn);
}

function suiteFor(hook: string): Suite {
  if (current === undefined) throw new Error(`${hook} needs a describe`);
  return current;
}

async function runSuite(
  suite: Suite,
  context: Deno.TestContext,
): Promise<void> {
  for (const hook of suite.before) await hook();
  try {
    for (const child of suite.children) {
      if (child instanceof Suite) {
        await context.step(child.name, (step) => runSuite(child, step));
      } else {
        await context.step({
          name: child.name,
          ignore: child.ignore,
          fn: (step) => runTest(suite, child, step),
        });
      }
    }
  } finally {
    for (const hook of suite.after) await hook();
  }
}

async function runTest(
  suite: Suite,
  test: Test,
  context: Deno.TestContext,
): Promise<void> {
  const line: Suite[] = [];
  for (let at: Suite | undefined = suite; at !== undefined; at = at.parent) {
    line.unshift(at);
  }
  for (const { beforeEach } of line) {
    for (const hook of beforeEach) await hook();
  }
  try {
    await test.run(context);
  } finally {
    for (const { afterEach } of line.toReversed()) {
      for (const hook of afterEach) await hook();
    }
  }
}
