/**
 * The entry of the process that holds libnftables: does one job after the other, and goes into the namespace of each. It
 * imports as little as it can, since its modules are resident for as long as it is.
 */
import { writeFileSync } from 'node:fs'
import { type EnterNetns, netnsOfThread } from '../in-process/enter-netns.ts'
import { LateClose } from '../in-process/late-close.ts'
import { loadLibc } from '../in-process/libc.ts'
import { loadKoffi } from '../in-process/load-koffi.ts'
import { loadLibnftables, type RunCommand } from './libnftables.ts'
import type { Answer, Call, Greeting, Job } from './messages.ts'
import { Replay } from './replay.ts'

type Native = {
  readonly runCommand: RunCommand
  readonly replay: Replay
  readonly within: EnterNetns
}

await serve()

async function serve(): Promise<void> {
  // Who started it is gone, or wants no more.
  process.on('disconnect', () => process.exit(0))
  // Ctrl-C in a terminal goes to all processes of the group; this one ends with the one that it works for.
  process.on('SIGINT', () => {})
  goFirst()
  const native = await load()
  if (typeof native === 'string') {
    say({ kind: 'unavailable', reason: native })
    process.disconnect()
    return
  }
  process.on('message', (job: Job) => say(answer(native, job)))
  say({ kind: 'ready' })
}

/** What a namespace holds is read here: if memory runs out for it, this process costs the least. */
function goFirst(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '1000')
  } catch {
    // Then the kernel picks by size.
  }
}

function say(message: Greeting | Answer): void {
  process.send?.(message)
}

/** Or why it cannot be had. */
async function load(): Promise<Native | string> {
  try {
    const koffi = await loadKoffi()
    const libc = loadLibc(koffi)
    const late = new LateClose(libc)
    const runCommand = loadLibnftables(koffi, libc, late)
    return { runCommand, replay: new Replay(libc, late), within: netnsOfThread(libc) }
  } catch (error) {
    return String(error)
  }
}

/** Throws only where there is no way back into the own namespace, which ends the process. */
function answer(native: Native, job: Job): Answer {
  return native.within(job.netns, () =>
    'again' in job ? native.replay.again(job.again, job.expected) : call(native, job),
  )
}

function call({ runCommand, replay }: Native, { learn, ...command }: Call): Answer {
  const { expected } = command
  return learn === undefined || expected === undefined
    ? runCommand(command)
    : replay.learn(learn, command, expected, runCommand)
}
