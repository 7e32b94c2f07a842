/** `mnpd cleanup`: takes away all that the daemon put into this node's pods, and says what that was. */
import { nameOf } from '../compile/model.ts'
import { backendsOf } from './backends.ts'
import { type Environment, nodeName } from './cluster-options.ts'
import { CLUSTER_FLAGS, describeFlags, type FlagSpec, FlagValues, RUNTIME_FLAGS } from './flags.ts'
import { loadAndCompile } from './load-cluster.ts'
import { openLocator } from './open-locator.ts'
import { cleanOvn } from './ovn-options.ts'

const FLAGS: readonly FlagSpec[] = [...CLUSTER_FLAGS, ...RUNTIME_FLAGS]

export const CLEANUP_HELP: string = `mnpd cleanup: takes away all rules of the daemon's from the pods of this node, by either
backend, and with --ovn-nb all of its rows from that database.
Stop the daemon before: one that runs puts its rules back. From then on nothing is enforced.
Exit code 1: something could not be taken away.

${describeFlags(FLAGS)}
`

export async function cleanupCommand(args: readonly string[], env: Environment): Promise<number> {
  const flags = new FlagValues(FLAGS, args, env)
  await using resources = new AsyncDisposableStack()
  const { compilation } = await loadAndCompile(flags, env, nodeName(flags, env))
  const log = { info: () => undefined, warn: (_: object, text: string) => say(text) }
  const locator = (await openLocator(flags, log, resources))(() => compilation.targets)
  const { backend, others } = backendsOf(flags)
  const { signal } = new AbortController()
  let [removed, failures] = [0, 0]
  const fail = (pod: string, reason: string): void => {
    failures += 1
    say(`${pod}: ${reason}`)
  }
  for (const { pod } of compilation.targets.values()) {
    const name = nameOf(pod)
    const located = await locator.locate(pod, signal)
    // Without a namespace there is nothing in it; where that is not known, it has to be said.
    if (located.kind === 'unknown') fail(name, located.reason)
    if (located.kind !== 'found') continue
    await using netns = located.netns
    for (const each of [backend, ...others]) {
      const cleared = await each.clear(netns, signal)
      if (cleared.kind === 'failed') fail(name, cleared.reason)
      else {
        for (const what of cleared.what) process.stdout.write(`${name}: removed ${what}\n`)
        removed += cleared.what.length
      }
    }
  }
  try {
    for (const what of await cleanOvn(flags)) {
      process.stdout.write(`OVN: removed ${what}\n`)
      removed += 1
    }
  } catch (error) {
    fail('OVN', error instanceof Error ? error.message : String(error))
  }
  if (removed + failures === 0) process.stdout.write('nothing to remove\n')
  return failures === 0 ? 0 : 1
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}
