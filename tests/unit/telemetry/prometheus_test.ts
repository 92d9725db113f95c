import { assertEquals } from "@std/assert";
import { Histogram, labelled, single } from "../../../lib/telemetry/metrics.ts";
import { prometheusText } from "../../../lib/telemetry/prometheus.ts";

Deno.test("Prometheus text", async (t) => {
  await t.step("is what Prometheus reads", () => {
    const histogram = new Histogram([0.001, 0.01]);
    for (const seconds of [0.0005, 0.001, 0.002, 5]) histogram.observe(seconds);
    assertEquals(
      prometheusText([
        single("gauge", "a_bytes", "Octets.", 7, "By"),
        labelled("counter", "b_total", "By word.", "word", [
          ["x", 1],
          ['"\\\n', 2],
        ]),
        {
          type: "histogram",
          name: "c_seconds",
          help: "How long.",
          unit: "s",
          histogram,
        },
      ]),
      `# HELP a_bytes Octets.
# TYPE a_bytes gauge
a_bytes 7
# HELP b_total By word.
# TYPE b_total counter
b_total{word="x"} 1
b_total{word="\\"\\\\\\n"} 2
# HELP c_seconds How long.
# TYPE c_seconds histogram
c_seconds_bucket{le="0.001"} 2
c_seconds_bucket{le="0.01"} 3
c_seconds_bucket{le="+Inf"} 4
c_seconds_sum 5.0035
c_seconds_count 4
`,
    );
  });
});
