/**
 * ICMP echo by iputils' ping, a process for each attempt: it needs no agent in the pod. An answered ping
 * ends at once, and a silent one after its own time-out, which ping counts from the sending.
 */
import { isIPv6 } from 'node:net'
import { execa } from 'execa'
import type { Outcome } from './protocol.ts'

export interface Ping {
  readonly to: string
  readonly source?: string | undefined
  readonly timeoutMs: number
  readonly attempts: number
}

/** ping's exit codes: 0 an answer came, 1 none did, anything else: it could not ask. */
const NO_ANSWER = 1

/** @throws what ping printed, when it could not ask for another reason than a missing route */
export async function ping(netns: string, ask: Ping): Promise<Outcome> {
  for (let attempt = 1; ; attempt++) {
    const outcome = await once(netns, ask)
    if (outcome.reason !== 'time-out' || attempt >= ask.attempts) return outcome
  }
}

async function once(netns: string, { to, source, timeoutMs, attempts }: Ping): Promise<Outcome> {
  const wait = (timeoutMs / attempts / 1000).toFixed(3)
  const from = source === undefined ? [] : ['-I', source]
  const options = [isIPv6(to) ? '-6' : '-4', '-n', '-c1', `-W${wait}`, ...from]
  const result = await execa('nsenter', [`--net=${netns}`, 'ping', ...options, to], { reject: false })
  if (!result.failed) return { verdict: 'open', reason: 'answer' }
  const said = `${result.stdout}\n${result.stderr}`
  if (/network is unreachable/i.test(said)) return { verdict: 'blocked', reason: 'ENETUNREACH' }
  if (result.exitCode !== NO_ANSWER) throw new Error(`ping ${to}: ${said.trim() || result.message}`)
  return { verdict: 'blocked', reason: reason(said) }
}

/** The same words as the errno of a socket. */
function reason(said: string): string {
  if (/not permitted/i.test(said)) return 'EPERM'
  if (/filtered|prohibited/i.test(said)) return 'EACCES'
  return /unreachable/i.test(said) ? 'EHOSTUNREACH' : 'time-out'
}
