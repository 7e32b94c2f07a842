/**
 * The worker's entry: does one job after the other, on its own thread, which alone is moved between namespaces.
 * It imports as little as it can, since a worker's modules are resident for as long as it is.
 */
import { parentPort } from 'node:worker_threads'
import { type EnterNetns, netnsOfThread } from './enter-netns.ts'
import { readGeneration } from './generation.ts'
import { LateClose } from './late-close.ts'
import { type Libc, loadLibc } from './libc.ts'
import { loadLibnftables, type RunCommand } from './libnftables.ts'
import type { Answer, Greeting, Job } from './messages.ts'

type Native = {
  readonly libc: Libc
  readonly late: LateClose
  readonly runCommand: RunCommand
  readonly within: EnterNetns
}

const port = parentPort
if (port !== null) await serve(port)

async function serve(main: NonNullable<typeof parentPort>): Promise<void> {
  const native = await load()
  if (typeof native === 'string') {
    main.postMessage({ kind: 'unavailable', reason: native } satisfies Greeting)
    return
  }
  // Also when an answer throws, which ends the thread: nobody else knows these sockets.
  process.on('exit', () => native.late.closeAll())
  main.postMessage({ kind: 'ready' } satisfies Greeting)
  main.on('message', (job: Job) => {
    if (job.kind === 'close') main.close()
    else main.postMessage(answer(native, job))
  })
}

/** Or why it cannot be had. */
async function load(): Promise<Native | string> {
  try {
    const { default: koffi } = await import('koffi')
    const libc = loadLibc(koffi)
    const late = new LateClose(libc)
    const runCommand = loadLibnftables(koffi, libc, late)
    return { libc, late, runCommand, within: netnsOfThread(libc) }
  } catch (error) {
    return String(error)
  }
}

/** Throws only where the thread must not be used again. */
function answer({ libc, late, runCommand, within }: Native, job: Exclude<Job, { kind: 'close' }>): Answer {
  if (job.kind === 'command') return within(job.netns, () => runCommand(job))
  const results = job.netns.map((path) => within(path, () => readGeneration(libc, late)))
  return { kind: 'generations', results }
}
