/**
 * What is logged of packets that no policy allows, for all backends: the nfnetlink_log group that rules send to, how often,
 * and what the prefix says. A few lines a minute of each interface and direction tell who is kept out; a flood of packets
 * must not become a flood of lines.
 */
import { DIRECTIONS, type Direction } from './model.ts'

/** Of the pod's own namespace: whoever logs there already uses another. */
export const DROP_LOG_GROUP = 9453

export const DROP_LOG_RATE = { rate: 10, per: 'minute', burst: 5 } as const

/** `ingress net1`; a name that a prefix could not hold, or would be taken for something in it, is in hexadecimal. */
export function dropLogPrefix(direction: Direction, name: string): string {
  return `${direction} ${/^[A-Za-z0-9._-]+$/.test(name) ? name : `/${Buffer.from(name).toString('hex')}`}`
}

/** What `dropLogPrefix` was told; undefined for what it did not write. */
export function parseDropLogPrefix(
  prefix: string,
): { readonly direction: Direction; readonly interface: string } | undefined {
  const [word, name = ''] = prefix.split(' ', 2)
  const direction = DIRECTIONS.find((each) => each === word)
  if (direction === undefined || name === '') return undefined
  return { direction, interface: name.startsWith('/') ? Buffer.from(name.slice(1), 'hex').toString() : name }
}
