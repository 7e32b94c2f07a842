/**
 * The end of a daemon that has just begun, as a container's first process: the kernel drops what such a process has no
 * handler for, so a pod that is deleted at once would wait for its grace period to be over.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempDisposable, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { MNPD } from '../daemon.ts'

/** In a mask of /proc/PID/status. */
const SIGTERM = 1n << 14n

interface First {
  readonly outside: ChildProcess
  /** As numbered out here. */
  readonly pid: number
  readonly ended: Promise<unknown>
  readonly log: () => string
}

async function startAsFirst(flags: readonly string[]): Promise<First> {
  const args = ['--pid', '--fork', '--kill-child', '--mount-proc', MNPD, 'run', ...flags]
  const outside = spawn('unshare', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = once(outside, 'exit')
  onTestFinished(() => void outside.kill('SIGKILL'))
  let log = ''
  outside.stderr?.on('data', (text) => {
    log += text
  })
  for (;;) {
    const children = await readFile(`/proc/${outside.pid}/task/${outside.pid}/children`, 'utf8')
    const pid = Number.parseInt(children, 10)
    // Before that it is unshare itself, or has had no time to say that it handles anything, and the kernel drops what comes.
    const status = Number.isNaN(pid) ? '' : await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
    const caught = BigInt(`0x${/^SigCgt:\t([0-9a-f]+)$/m.exec(status)?.[1] ?? 0}`)
    if ((caught & SIGTERM) !== 0n) return { outside, pid, ended, log: () => log }
    await setTimeout(1)
  }
}

async function endsWithin(first: First, ms: number): Promise<boolean> {
  const late = new AbortController()
  const ended = await Promise.race([
    first.ended.then(() => true),
    setTimeout(ms, false, { signal: late.signal }),
  ])
  late.abort()
  return ended
}

test.each([0, 1, 2, 3, 4, 5, 6, 8, 10, 20, 50, 100, 150, 200, 300, 500, 1000])(
  'told to end %i ms after it can be told, it ends at once',
  async (ms) => {
    await using directory = await mkdtempDisposable(join(tmpdir(), 'mnpd-early-'))
    const first = await startAsFirst([`--manifests=${directory.path}`])
    await setTimeout(ms)
    process.kill(first.pid, 'SIGTERM')
    expect(await endsWithin(first, 15_000), first.log()).toBe(true)
    expect([0, 143]).toContain(first.outside.exitCode)
  },
)

test('it ends as it would without a shell before it', async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), 'mnpd-early-'))
  const running = await startAsFirst([`--manifests=${directory.path}`])
  while (!running.log().includes('enforcing on node')) await setTimeout(5)
  process.kill(running.pid, 'SIGTERM')
  await running.ended
  expect(running.outside.exitCode).toBe(0)
  expect(running.log()).toContain('ended; the rules stay')
  const wrong = await startAsFirst(['--no-such-flag'])
  await wrong.ended
  expect(wrong.outside.exitCode).toBe(2)
})
