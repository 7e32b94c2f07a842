/**
 * What rules that stand say of the interfaces they govern, as comments in a chain that no hook leads to: by this the daemon
 * knows after a restart on which networks an interface was, whatever network-status tells by then.
 *
 *     interface net1 on shop/blue
 *     interface net2 on shop/a-name-that-is-so-long-that-one-comment-does-not-hold-it-with-all-that-fol+
 *     interface net2 on lows-it,shop/red
 *
 * It must be whole: what is shortened is forgotten, and whoever has a long enough name could be freed by it.
 */
import type { NamespacedName } from './model.ts'
import { MAX_COMMENT } from './nftables/comment.ts'
import type { GovernedInterface } from './ruleset.ts'

/** Networks as a record holds them; `unknown` where it is none of ours. */
export type StandingNetworks = readonly NamespacedName[] | 'unknown'

/** Of one interface: comments of at most 127 bytes, in this order. */
export function recordTexts({ name, networks }: GovernedInterface): readonly string[] {
  const start = `interface ${interfaceWord(name)} on `
  const rest = networks.join(',')
  const room = MAX_COMMENT - start.length
  if (rest.length <= room) return [`${start}${rest}`]
  const pieces = rest.match(new RegExp(`.{1,${room - 1}}`, 'g')) ?? []
  return pieces.map((piece, index) => `${start}${piece}${index < pieces.length - 1 ? CONTINUED : ''}`)
}

/** No network's name holds it. */
const CONTINUED = '+'

/** @param texts comments of a chain, in its order; others than these are passed over */
export function parseRecords(texts: readonly string[]): ReadonlyMap<string, StandingNetworks> {
  const found = new Map<string, string>()
  for (const text of texts) {
    const [, word, piece = ''] = /^interface (\S+) on (.*)$/.exec(text) ?? []
    if (word === undefined) continue
    const name = interfaceNamed(word)
    const before = found.get(name) ?? ''
    found.set(name, before.endsWith(CONTINUED) ? `${before.slice(0, -CONTINUED.length)}${piece}` : piece)
  }
  return new Map([...found].map(([name, networks]) => [name, parseNetworks(networks)]))
}

/** `a/b,c/d` */
export function parseNetworks(text: string | undefined): StandingNetworks {
  const networks = (text ?? '').split(',')
  const whole = networks.every((network) => /^[a-z0-9-]+\/[a-z0-9.-]+$/.test(network))
  return whole ? (networks as NamespacedName[]) : 'unknown'
}

/** A name that is no plain word is spelled in hexadecimal, after a slash, which no interface's own name can hold. */
export function interfaceWord(name: string): string {
  return /^[A-Za-z0-9._-]+$/.test(name) ? name : `/${Buffer.from(name).toString('hex')}`
}

export function interfaceNamed(word: string): string {
  return word.startsWith('/') ? Buffer.from(word.slice(1), 'hex').toString() : word
}
