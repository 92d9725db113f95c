/** Hooks that run before and after each step of a test. */
export interface StepHooks {
  readonly before?: () => void | Promise<void>;
  readonly after?: () => void | Promise<void>;
}

/** The steps of one test, or of one group of steps in it. */
export type Step = (
  name: string,
  fn: (t: Deno.TestContext) => void | Promise<void>,
) => Promise<boolean>;

/** Steps of `t` that run between the hooks, also when they fail. */
export function stepsWith(
  t: Deno.TestContext,
  { before, after }: StepHooks,
): Step {
  return (name, fn) =>
    t.step(name, async (step) => {
      await before?.();
      try {
        await fn(step);
      } finally {
        await after?.();
      }
    });
}
