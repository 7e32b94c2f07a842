/**
 * Whose a namespace is by the rules that stand in it: whoever else claims it changes nothing for that pod. Root in a pod can
 * write any name there, so the pod that is named has to lead there by what it is known by itself.
 */
import type { Compilation } from '../compile/compilation.ts'
import { type NamespacedName, nameOf } from '../compile/model.ts'
import type { Backend, Found } from './backend.ts'
import type { NetnsLocator } from './netns/locate.ts'
import type { OpenNetns } from './netns/open-netns.ts'

export interface OwnerOptions {
  readonly locator: NetnsLocator
  /** The pods of this node as last compiled, governed or not. */
  readonly compilation: () => Compilation
}

/** @returns why the namespace is another pod's, which is here still; undefined where it is not */
export async function otherOwner<Listed>(
  { locator, compilation }: OwnerOptions,
  by: Backend<Listed>,
  found: Found<Listed> | undefined,
  netns: OpenNetns,
  pod: NamespacedName,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (found?.kind !== 'listed' || by.isOwnedBy(found.listed, pod) !== false) return undefined
  const { targets } = compilation()
  const owner = [...targets.values()].find((each) => by.isOwnedBy(found.listed, nameOf(each.pod)))?.pod
  if (owner === undefined) return undefined
  const located = await locator.locate(owner, signal)
  if (located.kind !== 'found') return undefined
  await using own = located.netns
  return own.id === netns.id
    ? `its network namespace is that of pod ${nameOf(owner)}, whose rules stand there`
    : undefined
}
