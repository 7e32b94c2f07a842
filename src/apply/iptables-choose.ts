/** Which of the two variants of iptables' commands rules are written with. */
import { type Ended, type Programs, runIn, save, type Variant } from './iptables-commands.ts'
import type { OpenNetns } from './netns/open-netns.ts'

/** That which rules are written with, and that which rules may be left over from. */
export interface ChosenPrograms {
  readonly own: Programs
  readonly other: Programs
}

export type Chosen =
  | { readonly kind: 'chosen'; readonly programs: ChosenPrograms }
  /** There is no iptables on this host. */
  | { readonly kind: 'missing'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string }

export type Choose = (netns: OpenNetns, signal: AbortSignal) => Promise<Chosen>

/** What has been found once stays: programs and kernel are the host's. */
export function chooseOnce(variant: Variant | undefined): Choose {
  let known: Chosen | undefined
  return async (netns, signal) => {
    if (known !== undefined) return known
    const found = await choosePrograms(netns, variant, signal)
    if ('kind' in found) return found
    known = { kind: 'chosen', programs: found }
    return known
  }
}

/**
 * The variant that the host has chosen, if its part of the kernel is there; else the other.
 * @param netns where that is tried
 */
async function choosePrograms(
  netns: OpenNetns,
  wanted: Variant | undefined,
  signal: AbortSignal,
): Promise<ChosenPrograms | Exclude<Ended, { kind: 'done' | 'too-large' }>> {
  if (wanted !== undefined) return chosen({ variant: wanted, infix: `-${wanted}` })
  const version = await runIn(netns, ['iptables', '--version'], signal)
  const named: readonly Programs[] =
    version.kind === 'done'
      ? [{ variant: version.stdout.includes('nf_tables') ? 'nft' : 'legacy', infix: '' }]
      : [{ variant: 'nft', infix: '-nft' }]
  const [first] = named as readonly [Programs]
  const candidates = [first, chosen(first).other]
  let problem: Ended = version
  for (const own of candidates) {
    const ended = await save(netns, own, 4, signal, 'filter')
    if (ended.kind === 'done' || ended.kind === 'too-large') return chosen(own)
    if (own === first || ended.kind !== 'missing') problem = ended
  }
  if (problem.kind === 'done') return { kind: 'failed', reason: 'iptables does not work' }
  return problem.kind === 'missing' ? problem : { kind: 'failed', reason: problem.reason }
}

function chosen(own: Programs): ChosenPrograms {
  const other = own.variant === 'nft' ? 'legacy' : 'nft'
  return { own, other: { variant: other, infix: `-${other}` } }
}
