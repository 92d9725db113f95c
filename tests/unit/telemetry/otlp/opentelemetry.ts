/**
 * What OpenTelemetry's SDK for JavaScript was generated from the protocol's
 * definitions, from npm, at one version for all tests.
 *
 * @module
 */

export { default as definitions } from "npm:@opentelemetry/otlp-transformer@0.208.0/build/src/generated/root.js";
// The SDK asks for this one; Deno would take a newer one, and warn of it.
export type { Attributes } from "npm:@opentelemetry/api@1.9.0";
