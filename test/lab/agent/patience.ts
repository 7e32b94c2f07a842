/**
 * Waiting that is fair to a busy machine. A time-out counted by the wall clock calls a probe blocked when
 * it was this process that did not get to run. Here time is counted in ticks of the event loop: however
 * long a stall lasts it costs one tick, and a tick counts only after the sockets have been read.
 */

const TICK_MS = 10

interface Waiting {
  ticksLeft: number
  readonly over: () => void
}

const waiting = new Set<Waiting>()
let ticker: NodeJS.Timeout | undefined

/** Calls back after that much time in which this process could run. @returns what takes the wait back */
export function patience(ms: number, over: () => void): () => void {
  const wait = { ticksLeft: Math.max(1, Math.ceil(ms / TICK_MS)), over }
  waiting.add(wait)
  ticker ??= setInterval(() => setImmediate(tick), TICK_MS)
  return () => leave(wait)
}

function tick(): void {
  for (const wait of [...waiting]) {
    if (--wait.ticksLeft > 0 || !waiting.has(wait)) continue
    leave(wait)
    wait.over()
  }
}

function leave(wait: Waiting): void {
  waiting.delete(wait)
  if (waiting.size > 0) return
  clearInterval(ticker)
  ticker = undefined
}
