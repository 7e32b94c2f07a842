/** Cyclonus' cases as `test/tools/cyclonus` wrote them: read, and turned into worlds and expectations of ours. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Expectation, Protocol } from './expectation.ts'
import { nameOf, type Policy, type World, type WorldPod } from './world.ts'

export const CASES_FILE: string = join(import.meta.dirname, '../../.cache/cyclonus-cases.json')

export interface CyclonusCase {
  readonly number: number
  readonly description: string
  /** Among those that cyclonus runs without being asked for more. */
  readonly default: boolean
  readonly tags: readonly string[]
  readonly steps: readonly CyclonusStep[]
}

export interface CyclonusStep {
  readonly world: World
  readonly expectations: readonly Expectation[]
}

/** Where cyclonus expects something else than what a MultiNetworkPolicy means, and why. */
export const STATED_OTHERWISE: readonly {
  readonly what: string
  readonly applies: (expectation: Expectation) => boolean
  readonly allowed: boolean
}[] = [
  {
    what: 'expectations of a pod that talks to itself replaced: it reaches its own address whatever the policies say',
    applies: ({ from, to }) => from === to,
    allowed: true,
  },
]

/** With our own word in place of cyclonus' where the two differ on purpose. @param note told each replacement, in words */
export function corrected(
  { expectations }: CyclonusStep,
  note: (what: string) => void = () => undefined,
): CyclonusStep['expectations'] {
  return expectations.map((expectation) => {
    const rule = STATED_OTHERWISE.find(({ applies }) => applies(expectation))
    if (rule === undefined || rule.allowed === expectation.allowed) return expectation
    note(rule.what)
    return { ...expectation, allowed: rule.allowed }
  })
}

interface FileStep {
  readonly policies: readonly Policy[] | null
  readonly namespaces: World['namespaces']
  readonly pods: readonly (WorldPod & { readonly address: string })[]
  readonly expected: readonly {
    readonly from: string
    readonly to: string
    readonly protocol: Protocol
    readonly port: number
    readonly combined: boolean
  }[]
}

interface FileCase extends Omit<CyclonusCase, 'steps' | 'number'> {
  readonly steps: readonly FileStep[]
}

/** Synchronous, since tests are made of it. @returns the cases, and the address of every pod in any of them */
export function loadCyclonusCases(): {
  readonly cases: readonly CyclonusCase[]
  readonly addresses: ReadonlyMap<string, string>
} {
  const file = JSON.parse(readFileSync(CASES_FILE, 'utf8')) as readonly FileCase[]
  const pods = file.flatMap(({ steps }) => steps.flatMap((step) => step.pods))
  return {
    cases: file.map((each, index) => ({ ...each, number: index + 1, steps: each.steps.map(stepOf) })),
    addresses: new Map(pods.map((pod) => [nameOf(pod), pod.address])),
  }
}

function stepOf({ policies, namespaces, pods, expected }: FileStep): CyclonusStep {
  return {
    world: { namespaces, pods, policies: policies ?? [] },
    expectations: expected.map(({ from, to, protocol, port, combined }) => ({
      from,
      to,
      service: `${protocol}/${port}`,
      allowed: combined,
    })),
  }
}
