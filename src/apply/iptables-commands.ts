/**
 * The programs of iptables, run within a network namespace. There are two variants, which keep their rules in different
 * places in the kernel: `iptables-nft` and `iptables-legacy`. The plain name is that which the host has chosen.
 */
import { describeBounds, isTooLarge, within } from 'nftables-json/run'
import type { Family } from '../compile/address.ts'
import { LISTING_BOUNDS } from './listing-bounds.ts'
import type { OpenNetns } from './netns/open-netns.ts'

export type Variant = 'nft' | 'legacy'

/** A variant, and how its programs are called. */
export interface Programs {
  readonly variant: Variant
  readonly infix: '' | '-nft' | '-legacy'
}

export type Ended =
  | { readonly kind: 'done'; readonly stdout: string; readonly stderr: string }
  /** The program is not installed. */
  | { readonly kind: 'missing'; readonly reason: string }
  /** What it would print takes more than `LISTING_BOUNDS`. */
  | { readonly kind: 'too-large'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string }

const TIMEOUT_MS = 30_000

/** Seconds to wait for the lock that the legacy variant takes, when somebody else has it. */
const LOCK_WAIT_S = 10

/** What all is there, or with the variant of nf_tables one table. */
export async function save(
  netns: OpenNetns,
  { variant, infix }: Programs,
  family: Family,
  signal: AbortSignal,
  table?: string,
): Promise<Ended> {
  // The legacy variant would make a table that is asked for by name; without one it prints those that are there.
  const args = variant === 'nft' && table !== undefined ? ['-c', '-t', table] : ['-c']
  return await runIn(netns, [`${commandOf(family)}${infix}-save`, ...args], signal)
}

/** One commit a table: all of the text's rules for it, or none. */
export async function restore(
  netns: OpenNetns,
  { infix }: Programs,
  family: Family,
  text: string,
  signal: AbortSignal,
): Promise<Ended> {
  const command = [`${commandOf(family)}${infix}-restore`, '--noflush', `--wait=${LOCK_WAIT_S}`]
  return await runIn(netns, command, signal, text)
}

export async function runIpset(
  netns: OpenNetns,
  args: readonly string[],
  signal: AbortSignal,
  input?: string,
): Promise<Ended> {
  return await runIn(netns, ['ipset', ...args], signal, input)
}

export function commandOf(family: Family): 'iptables' | 'ip6tables' {
  return family === 4 ? 'iptables' : 'ip6tables'
}

/** Runs a command in the namespace to its end. */
export async function runIn(
  netns: OpenNetns,
  command: readonly string[],
  signal: AbortSignal,
  input?: string,
): Promise<Ended> {
  const { execa } = await import('execa')
  // What is written is ours, and as large as we make it; what is listed, whoever is root in the pod has made.
  const bounds = input === undefined ? LISTING_BOUNDS : undefined
  const [program, ...args] = [...within(bounds), 'nsenter', `--net=${netns.path}`, ...command]
  const ended = await execa(program ?? '', args, {
    timeout: TIMEOUT_MS,
    cancelSignal: signal,
    env: { LC_ALL: 'C' },
    reject: false,
    ...(input === undefined ? { stdin: 'ignore', maxBuffer: LISTING_BOUNDS.output } : { input }),
  })
  const { exitCode, stdout, stderr, timedOut, isCanceled, originalMessage } = ended
  if (bounds !== undefined && !timedOut && !isCanceled && isTooLarge(ended, bounds))
    return { kind: 'too-large', reason: `${command.join(' ')}: ${describeBounds(bounds)}` }
  const said = `${command.join(' ')}: ${timedOut ? `ran longer than ${TIMEOUT_MS} ms` : firstLine(stderr)}`
  if (exitCode === 0) return { kind: 'done', stdout, stderr }
  if (/^nsenter: (?:failed to execute|can't execute)/m.test(stderr)) return { kind: 'missing', reason: said }
  return { kind: 'failed', reason: stderr === '' && originalMessage ? `${said} ${originalMessage}` : said }
}

function firstLine(text: string): string {
  const lines = text.split('\n').map((line) => line.trim())
  return lines
    .filter((line) => line !== '' && !line.startsWith('# Warning'))
    .slice(0, 2)
    .join(' ')
}
