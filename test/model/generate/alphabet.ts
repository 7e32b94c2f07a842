/**
 * The few names and numbers that generated clusters are made of. Few, so that things meet: a selector finds
 * pods, a block has pods in it, two pods have one address on separate networks.
 */
import fc from 'fast-check'
import type { JsonObject } from '../json.ts'
import { addressText, type Family } from '../number-line.ts'

/** What a generated cluster may hold. */
export interface ClusterShape {
  /** Parts that the semantics call bad, with a small weight. */
  readonly bad: boolean
  /** SCTP in policies and container ports. */
  readonly sctp: boolean
  /** Families of the pods' addresses and of the blocks. */
  readonly families: readonly Family[]
}

export const namespaces: readonly string[] = ['alpha', 'beta', 'gamma']
export const portNames: readonly string[] = ['web', 'dns', 'metrics']
export const portNumbers: readonly number[] = [80, 81, 82, 443, 8080, 1, 65535]
export const podLabels: Readonly<Record<string, readonly string[]>> = { app: ['a', 'b'], tier: ['x', 'y'] }
export const namespaceLabels: Readonly<Record<string, readonly string[]>> = {
  team: ['red', 'blue'],
  'kubernetes.io/metadata.name': namespaces,
}

/** The definitions that may exist. The first two share a segment; `net` is a name in two namespaces. */
export const definitions: readonly string[] = ['alpha/net', 'alpha/side', 'beta/net', 'gamma/far']

/** The first value is the one that failing cases shrink to. */
export function weighted<Value>(...values: readonly (readonly [number, Value])[]): fc.Arbitrary<Value> {
  return choice(...values.map(([weight, value]) => [weight, fc.constant(value)] as const))
}

/** The first arbitrary is the one that failing cases shrink to. Weight 0 leaves one out. */
export function choice<Value>(
  ...values: readonly (readonly [number, fc.Arbitrary<Value>])[]
): fc.Arbitrary<Value> {
  const options = values.map(([weight, arbitrary]) => ({ weight, arbitrary }))
  return fc.oneof({ withCrossShrink: true }, ...options.filter(({ weight }) => weight > 0))
}

export function protocol(shape: ClusterShape): fc.Arbitrary<string> {
  return weighted([4, 'TCP'], [3, 'UDP'], [shape.sctp ? 2 : 0, 'SCTP'])
}

/** Nothing, one or both keys of an alphabet with one of their values. */
export function labels(alphabet: Readonly<Record<string, readonly string[]>>): fc.Arbitrary<JsonObject> {
  const keys = Object.entries(alphabet).filter(([key]) => !key.includes('/'))
  return fc
    .tuple(...keys.map(([, values]) => fc.option(fc.constantFrom(...values), { freq: 3, nil: undefined })))
    .map((chosen) => printed(Object.fromEntries(keys.map(([key], index) => [key, chosen[index]]))))
}

/** 10.0.SUBNET.HOST or fd00:0:0:SUBNET::HOST as a number. */
export function hostNumber(family: Family, subnet: number, host: number): bigint {
  const [base, step] = family === 4 ? [0x0a000000n, 8n] : [0xfd00n << 112n, 64n]
  return base + (BigInt(subnet) << step) + BigInt(host)
}

export function hostAddress(family: Family, subnet: number, host: number): string {
  return addressText(family, hostNumber(family, subnet, host)) ?? ''
}

/** As kubectl would print it: a field that is not set is not there. */
export function printed(object: object): JsonObject {
  return JSON.parse(JSON.stringify(object)) as JsonObject
}
