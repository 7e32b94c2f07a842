/** Names of chains: ours, and those of the existing daemon for iptables, which are ours to take over. */
import type { Direction } from '../model.ts'
import type { Leg } from '../nftables/allow.ts'

/** The chain that none leads to, whose rules say whose rules stand, which version, and on which networks interfaces are. */
export const DIGEST_CHAIN = 'MULTI-MNPD'

/** What the chains of the filter table jump to. */
export function hookedChain(direction: Direction): string {
  return `MULTI-${word(direction)}`
}

/** What passes whatever the policies say. */
export function commonChain(direction: Direction, leg: Leg): string {
  return leg === 'original' ? `MULTI-${word(direction)}-COMMON` : `MULTI-${word(direction)}-REPLIES`
}

/** The operator's own rules. */
export function customChain(direction: Direction, leg: Leg): string {
  return `MULTI-${word(direction)}-CUSTOM${leg === 'original' ? '' : '-REPLIES'}`
}

/** What comes after those: where the interface's chain is found. */
export function nextChain(direction: Direction, leg: Leg): string {
  return `MULTI-${word(direction)}-NEXT${leg === 'original' ? '' : '-REPLIES'}`
}

/** @param place the interface's in the ruleset; its name could be longer than the 28 bytes that a chain's may have */
export function interfaceChain(place: number, direction: Direction, leg: Leg): string {
  return `MULTI-IF${place}-${word(direction)}${leg === 'original' ? '' : '-REPLIES'}`
}

export function policyChain(place: number, direction: Direction): string {
  return `MULTI-${place}-${word(direction)}`
}

/** Ours, or the existing daemon's: `MULTI-0-INGRESS-1-PORTS`. All others that begin so are the application's. */
export function isOurChain(name: string): boolean {
  return name === DIGEST_CHAIN || OURS.test(name)
}

const OURS =
  /^MULTI-(?:INGRESS|EGRESS|\d+-INGRESS|\d+-EGRESS|IF\d+-INGRESS|IF\d+-EGRESS)(?:-COMMON|-CUSTOM|-NEXT|-REPLIES|-CUSTOM-REPLIES|-NEXT-REPLIES|-\d+-(?:PORTS|FROM|TO))?$/

/** Whether the rules of an operator are in it, in words that iptables-save has others for. */
export function isCustomChain(name: string): boolean {
  return /^MULTI-(?:INGRESS|EGRESS)-CUSTOM/.test(name)
}

function word(direction: Direction): string {
  return direction.toUpperCase()
}
