/**
 * What OpenTelemetry's SDK for JavaScript was generated from the protocol's
 * definitions, from npm, at one version for all tests.
 *
 * @module
 */

export { default as definitions } from "npm:@opentelemetry/otlp-transformer@0.208.0/build/src/generated/root.js";
// The SDK asks for this one; Deno would take the newest, and warn of it. A type
// would not do: without type checks, Deno does not look at it.
export { DiagLogLevel } from "npm:@opentelemetry/api@1.9.0";
