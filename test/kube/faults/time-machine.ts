/**
 * Loaded into the daemon's process ahead of the daemon (`node --import`), so that a test can let hours go by in it. On
 * SIGUSR2 it reads the file that TIME_MACHINE names, `{"monotonicMs": …, "wallMs": …}`, and moves the two clocks on (or
 * the wall clock back) by that much, once: whoever sleeps past its time by then is woken. Without a signal all clocks
 * go as they always do. It also tells of each connection that the process tries to open, since a refused one is seen
 * by nobody else. Sockets' own time-outs are node's and are not moved.
 */
import { subscribe } from 'node:diagnostics_channel'
import { readFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { setTimeout as realSleep } from 'node:timers'
import promises from 'node:timers/promises'

interface Waiting {
  readonly due: number
  timer: NodeJS.Timeout
  fire(): void
}

const realNow = performance.now.bind(performance)
const realDate = Date.now.bind(Date)
const realClear = clearTimeout
const waiting = new Map<object, Waiting>()
let monotonicMs = 0
let wallMs = 0

performance.now = () => realNow() + monotonicMs
Date.now = () => realDate() + wallMs
globalThis.Date = new Proxy(Date, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [Date.now()] : args, newTarget),
})
globalThis.setTimeout = Object.assign(
  (act: (...args: unknown[]) => void, ms = 0, ...args: unknown[]): NodeJS.Timeout =>
    arm(ms, () => act(...args)),
  setTimeout,
) as typeof setTimeout
globalThis.clearTimeout = ((timer: NodeJS.Timeout | undefined) => {
  disarm(timer)
}) as typeof clearTimeout
promises.setTimeout = (async (ms = 0, value?: unknown, { signal }: { signal?: AbortSignal } = {}) => {
  signal?.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  const timer = arm(ms, () => resolve(value))
  const abort = (): void => reject(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  try {
    return await promise
  } finally {
    disarm(timer)
    signal?.removeEventListener('abort', abort)
  }
}) as typeof promises.setTimeout
syncBuiltinESMExports()

subscribe('net.client.socket', () => process.stderr.write('time machine: dials\n'))

process.on('SIGUSR2', () => {
  const by = JSON.parse(readFileSync(process.env['TIME_MACHINE'] ?? '', 'utf8')) as {
    monotonicMs: number
    wallMs: number
  }
  monotonicMs += by.monotonicMs
  wallMs += by.wallMs
  for (const entry of waiting.values()) {
    realClear(entry.timer)
    entry.timer = realSleep(entry.fire, Math.max(1, entry.due - performance.now()))
  }
  process.stderr.write('time machine: moved\n')
})

function arm(ms: number, act: () => void): NodeJS.Timeout {
  const fire = (): void => {
    waiting.delete(timer)
    act()
  }
  const timer = realSleep(fire, ms)
  waiting.set(timer, { due: performance.now() + ms, timer, fire })
  return timer
}

function disarm(timer: NodeJS.Timeout | undefined): void {
  if (timer === undefined) return
  realClear(waiting.get(timer)?.timer ?? timer)
  waiting.delete(timer)
}
