/** Any object of the four kinds, told apart by `kind`: what manifests hold. */
import type { ClusterObject, Kind } from '../../compile/model.ts'
import type { Unreadable } from './metadata.ts'
import { parseNamespace } from './namespace.ts'
import { parseNetwork } from './network.ts'
import { parsePod } from './pod.ts'
import { parsePolicy } from './policy.ts'
import { isObject, own } from './report.ts'

export type Parse = (raw: unknown) => ClusterObject | Unreadable

/** The parser of each kind. @param unscheduledNode see `parsePod`. */
export function parsers(unscheduledNode?: string): Readonly<Record<Kind, Parse>> {
  return {
    MultiNetworkPolicy: parsePolicy,
    Pod: (raw) => parsePod(raw, unscheduledNode),
    Namespace: parseNamespace,
    NetworkAttachmentDefinition: parseNetwork,
  }
}

/** The kind that an object names, if it is one of the four. */
export function kindOf(raw: unknown): Kind | undefined {
  const kind = isObject(raw) ? own(raw, 'kind') : undefined
  return KINDS.find((each) => each === kind)
}

export const KINDS: readonly Kind[] = [
  'MultiNetworkPolicy',
  'Pod',
  'Namespace',
  'NetworkAttachmentDefinition',
]
