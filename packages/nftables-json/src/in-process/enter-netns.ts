/** A thread's way into a network namespace and back, by setns(2). */
import { closeSync, constants, openSync } from 'node:fs'
import type { Failed, NetnsGone } from '../run.ts'
import type { Libc } from './libc.ts'

export type EnterNetns = <Result>(path: string | undefined, work: () => Result) => Result | NetnsGone | Failed

/**
 * Remembers the namespace that the calling thread is in. What it returns does the work in the namespace at a path (none:
 * the remembered one) and goes back, also when the work throws. It throws when there is no way back: such a thread must
 * not be used again.
 */
export function netnsOfThread(libc: Libc): EnterNetns {
  const own = openSync('/proc/thread-self/ns/net', 'r')
  return (path, work) => {
    if (path === undefined) return work()
    const refused = enter(libc, path)
    if (refused !== undefined) return refused
    try {
      return work()
    } finally {
      goBack(libc, own)
    }
  }
}

function goBack(libc: Libc, own: number): void {
  if (libc.setns(own, CLONE_NEWNET) !== 0) throw new Error(`setns back: ${libc.lastError()}`)
}

function enter(libc: Libc, path: string): NetnsGone | Failed | undefined {
  let fd: number
  try {
    // What stands there may be a pipe, which would make an open wait.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (error) {
    return refusal(`open ${path}`, (error as NodeJS.ErrnoException).code ?? String(error))
  }
  const entered = libc.setns(fd, CLONE_NEWNET) === 0
  const code = entered ? '' : libc.lastError()
  closeSync(fd)
  return entered ? undefined : refusal(`setns to ${path}`, code)
}

/** nsenter's errors, read as `run` reads its words. */
function refusal(what: string, code: string): NetnsGone | Failed {
  return { kind: GONE.includes(code) ? 'netns-gone' : 'failed', reason: `${what}: ${code}` }
}

const GONE: readonly string[] = ['ENOENT', 'ESRCH', 'ENOTDIR', 'EINVAL']
const CLONE_NEWNET = 0x40000000
